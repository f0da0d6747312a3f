//! `kafka-client-metrics.sh`: which metrics clients are asked to push (KIP-714).

use super::admin::{self, resource};
use super::{Arguments, Flag, Output, Stop, Tool, hash_order};
use crate::client::{Bootstrap, Client, ClientError};
use crate::types::Uuid;

pub static TOOL: Tool = Tool {
    name: "client-metrics",
    about: "Describe or alter which metrics clients push",
    flags: &[
        Flag::value("bootstrap-server", "host:port,…", "The brokers to begin with; required"),
        Flag::value("command-config", "file", "Properties of the client"),
        Flag::switch("alter", "Alter a subscription, or make one"),
        Flag::switch("delete", "Delete a subscription"),
        Flag::switch("describe", "Describe subscriptions"),
        Flag::switch("list", "List the names of subscriptions"),
        Flag::value("name", "name", "The subscription"),
        Flag::switch("generate-name", "Make a name for the subscription"),
        Flag::value("interval", "ms", "Milliseconds between pushes; empty for the default"),
        Flag::value("match", "k1=v1,k2=v2", "Whom it is for: client_id, client_instance_id, client_software_name, …"),
        Flag::value("metrics", "m1,m2", "Prefixes of the names of metrics"),
    ],
    subcommands: &[],
    run,
};

const ABOUT: &str = "This tool helps to manipulate and describe client metrics configurations.";

fn run(tool: &'static Tool, words: Vec<String>, output: &mut Output) -> Result<(), Stop> {
    let arguments = Arguments::parse(tool, &words).map_err(Stop::Usage)?;
    check(&arguments, output)?;
    let properties = admin::properties(arguments.value("command-config").map_err(Stop::Message)?)?;
    let servers = arguments.value("bootstrap-server").map_err(Stop::Message)?.unwrap_or_default().to_owned();
    let interval = arguments.value("interval").map_err(Stop::Message)?;
    let name = arguments.value("name").map_err(Stop::Message)?;
    let opened = admin::open(Bootstrap::Servers(servers), properties, "adminclient-1");
    let outcome = match opened {
        Ok(mut client) => act(&mut client, &arguments, name, interval, output).map_err(|error| error.to_string()),
        Err(Stop::Message(message)) => Err(message.lines().next().unwrap_or_default().to_owned()),
        Err(stop) => return Err(stop),
    };
    outcome.map_err(|message| {
        output.line(format!("Error while executing client metrics command : {message}"));
        Stop::Told
    })
}

fn check(arguments: &Arguments, output: &mut Output) -> Result<(), Stop> {
    let wrong = |message: &str| Err(Stop::Message(message.to_owned()));
    arguments.help_or_version(ABOUT, output)?;
    if arguments.count(&["alter", "delete", "describe", "list"]) != 1 {
        return Err(Stop::Usage(
            "Command must include exactly one action: --alter, --delete, --describe or --list.".to_owned(),
        ));
    }
    if !arguments.has("bootstrap-server") {
        return wrong("--bootstrap-server must be specified.");
    }
    let of_alter = ["generate-name", "interval", "match", "metrics"];
    arguments.refuse_with("delete", &of_alter)?;
    arguments.refuse_with("describe", &of_alter)?;
    arguments.refuse_with("list", &["name", "generate-name", "interval", "match", "metrics"])?;
    if arguments.has("alter") {
        if arguments.has("name") == arguments.has("generate-name") {
            return wrong("One of --name or --generate-name must be specified with --alter.");
        }
        let interval = arguments.value("interval").map_err(Stop::Message)?.unwrap_or_default();
        if !interval.is_empty() && interval.parse::<i32>().is_err() {
            return wrong("Invalid interval value. Enter an integer, or leave empty to reset.");
        }
    }
    match arguments.has("delete") && !arguments.has("name") {
        true => wrong("A client metrics resource name must be specified with --delete."),
        false => Ok(()),
    }
}

fn act(
    client: &mut Client,
    arguments: &Arguments,
    name: Option<&str>,
    interval: Option<&str>,
    output: &mut Output,
) -> Result<(), ClientError> {
    match name {
        _ if arguments.has("alter") => {
            let name = name.map_or_else(|| Uuid::random().to_string(), str::to_owned);
            let changes = [
                ("interval.ms", interval.map(str::to_owned)),
                ("metrics", list(arguments, "metrics")),
                ("match", list(arguments, "match")),
            ];
            let set = |(key, value): (&str, Option<String>)| {
                value.map(|value| (key.to_owned(), Some(value).filter(|value| !value.is_empty())))
            };
            let changes: Vec<_> = changes.into_iter().filter_map(set).collect();
            admin::alter_configs(client, resource::CLIENT_METRICS, &name, &changes)?;
            output.line(format!("Altered client metrics config for {name}."));
        }
        Some(name) if arguments.has("delete") => {
            let changes: Vec<_> = configs(client, name)?.into_iter().map(|(key, _)| (key, None)).collect();
            admin::alter_configs(client, resource::CLIENT_METRICS, name, &changes)?;
            output.line(format!("Deleted client metrics config for {name}."));
        }
        Some(name) => {
            if !names(client)?.iter().any(|found| found == name) {
                output
                    .line(format!("The client metric resource {name} doesn't exist and doesn't have dynamic config."));
                return Ok(());
            }
            describe(client, name, output)?;
        }
        None if arguments.has("describe") => {
            for name in names(client)? {
                describe(client, &name, output)?;
            }
        }
        None => output.line(names(client)?.join("\n")),
    }
    Ok(())
}

/// The values of a flag as one list; an empty one removes the config.
fn list(arguments: &Arguments, flag: &str) -> Option<String> {
    let values = arguments.values(flag);
    let items: Vec<&str> = values.iter().flat_map(|value| value.split(',')).filter(|item| !item.is_empty()).collect();
    (!values.is_empty()).then(|| items.join(","))
}

fn names(client: &mut Client) -> Result<Vec<String>, ClientError> {
    admin::config_resources(client, resource::CLIENT_METRICS)
}

fn describe(client: &mut Client, name: &str, output: &mut Output) -> Result<(), ClientError> {
    output.line(format!("Client metrics configs for {name} are:"));
    for (key, value) in configs(client, name)? {
        output.line(format!("  {key}={value}"));
    }
    Ok(())
}

fn configs(client: &mut Client, name: &str) -> Result<Vec<(String, String)>, ClientError> {
    let mut configs = Vec::new();
    for result in admin::describe_configs(client, resource::CLIENT_METRICS, &[name], false)? {
        ClientError::from_wire(result.error_code, result.error_message.as_deref())?;
        let entry = |value: Option<&str>| value.unwrap_or("null").to_owned();
        configs.extend(result.configs.iter().map(|c| (c.name.to_string(), entry(c.value.as_deref()))));
    }
    hash_order::sort(&mut configs, None, |(key, _)| hash_order::of_text(key));
    Ok(configs)
}
