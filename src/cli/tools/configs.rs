//! `kafka-configs.sh`: configs of topics, brokers, loggers, groups and client metrics; quotas and credentials.

mod alter;
mod describe;
mod entities;
mod quotas;

use std::collections::BTreeMap;

use super::{Arguments, Flag, Output, Stop, Tool, admin};
use crate::client::{Bootstrap, Client, ClientError};
use crate::types::ErrorCode;
use entities::Entities;

pub static TOOL: Tool = Tool {
    name: "configs",
    about: "Describe or alter configs, quotas and credentials",
    flags: &[
        Flag::value("bootstrap-server", "host:port,…", "The brokers to begin with"),
        Flag::value("bootstrap-controller", "host:port,…", "The controllers to begin with"),
        Flag::value("command-config", "file", "Properties of the client"),
        Flag::switch("alter", "Alter configs"),
        Flag::switch("describe", "Describe configs"),
        Flag::switch("all", "Describe all configs, not only dynamic ones"),
        Flag::value(
            "entity-type",
            "type",
            "topics, clients, users, brokers, broker-loggers, ips, client-metrics or groups",
        ),
        Flag::value("entity-name", "name", "The entity of that type"),
        Flag::switch("entity-default", "The default entity of that type"),
        Flag::value("add-config", "k1=v1,k2=[v2,v3],…", "Configs to set; brackets keep commas in a value"),
        Flag::value("add-config-file", "file", "A properties file of configs to set"),
        Flag::value("delete-config", "k1,k2,…", "Configs to remove"),
        Flag::value("topic", "topic", "A topic"),
        Flag::value("client", "client id", "A client"),
        Flag::switch("client-defaults", "The defaults of all clients"),
        Flag::value("user", "principal", "A user"),
        Flag::switch("user-defaults", "The defaults of all users"),
        Flag::value("broker", "id", "A broker"),
        Flag::switch("broker-defaults", "The defaults of all brokers"),
        Flag::value("broker-logger", "id", "The loggers of a broker"),
        Flag::switch("ip-defaults", "The defaults of all IP addresses"),
        Flag::value("ip", "address", "An IP address"),
        Flag::value("group", "group", "A group"),
        Flag::value("client-metrics", "name", "A subscription of client metrics"),
    ],
    subcommands: &[],
    run,
};

/// Why a command failed.
enum Failed {
    /// A mistake in the call, told as it is.
    Wrong(String),
    /// The cluster, or the way to it: told with the whole call in front.
    Thrown(String),
}

impl From<ClientError> for Failed {
    fn from(error: ClientError) -> Failed {
        match error.code() {
            Some(ErrorCode::UnsupportedVersion) => Failed::Wrong(error.to_string()),
            _ => Failed::Thrown(format!("java.util.concurrent.ExecutionException: {}", error.as_throwable())),
        }
    }
}

impl From<String> for Failed {
    fn from(message: String) -> Failed {
        Failed::Wrong(message)
    }
}

fn run(tool: &'static Tool, words: Vec<String>, output: &mut Output) -> Result<(), Stop> {
    let arguments = Arguments::parse(tool, &words).map_err(Stop::Message)?;
    let about = "This tool helps to manipulate and describe entity config for a topic, client, user, broker, ip, \
                 client-metrics or group";
    arguments.help_or_version(about, output)?;
    if arguments.count(&["alter", "describe"]) != 1 {
        return Err(Stop::Usage("Command must include exactly one action: --describe, --alter".to_owned()));
    }
    arguments.refuse_with("describe", &["add-config", "delete-config"])?;
    let told = |failed: Failed| match failed {
        Failed::Wrong(message) => Stop::Message(message),
        Failed::Thrown(throwable) => {
            Stop::Message(format!("Error while executing config command with args '{}'\n{throwable}", words.join(" ")))
        }
    };
    let entities = Entities::read(&arguments).map_err(told)?;
    let mut client = connect(&arguments).map_err(|stop| match stop {
        Stop::Message(message) => told(Failed::Thrown(message)),
        stop => stop,
    })?;
    let result = match arguments.has("alter") {
        true => alter::alter(&mut client, &arguments, &entities, output),
        false => describe::describe(&mut client, &arguments, &entities, output),
    };
    result.map_err(told)
}

fn connect(arguments: &Arguments) -> Result<Client, Stop> {
    let value = |flag| arguments.value(flag).map_err(Stop::Message);
    let properties: BTreeMap<String, String> = admin::properties(value("command-config")?)?;
    let bootstrap = match (value("bootstrap-server")?, value("bootstrap-controller")?) {
        (Some(servers), _) => Bootstrap::Servers(servers.to_owned()),
        (None, controllers) => Bootstrap::Controllers(controllers.unwrap_or_default().to_owned()),
    };
    admin::open(bootstrap, properties, "adminclient-1")
}
