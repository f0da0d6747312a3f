//! `console-share-consumer`: prints records that a share group gives to it.

use std::time::Duration;

use super::console_consumer::{FORMATTER_PROPERTIES, formatter};
use super::console_printer::{
    Outcome, Print, Printer, failed, properties_and_group, refuse_both_names, warn_of_renamed,
};
use super::properties::Properties;
use super::{Arguments, Flag, Output, Stop, Tool};
use crate::client::share::{ShareConfig, ShareConsumer, Verdict};
use crate::client::{Bootstrap, ClientConfig};

const CLASS: &str = "org.apache.kafka.tools.consumer.ConsoleShareConsumer";
/// The group and the client's id, unless they are given.
const NAME: &str = "console-share-consumer";
/// The older name of --command-config.
const CONFIG: &str = "consumer-config";

pub(super) static TOOL: Tool = Tool {
    name: NAME,
    about: "This tool helps to read data from Kafka topics using share groups and outputs it to standard output.",
    flags: &[
        Flag::value("topic", "topic", "REQUIRED: The topic to consume from"),
        Flag::value("consumer-property", "consumer_prop", "(DEPRECATED) Use --command-property instead"),
        Flag::value("command-property", "consumer_prop", "A property of the consumer, key=value"),
        Flag::value("consumer-config", "config file", "(DEPRECATED) Use --command-config instead"),
        Flag::value("command-config", "config file", "Properties of the consumer; --command-property has precedence"),
        Flag::value("formatter", "class", "How records are printed: one of Kafka's formatters, by its class"),
        Flag::value("property", "prop", "(DEPRECATED) Use --formatter-property instead"),
        Flag::value("formatter-property", "prop", FORMATTER_PROPERTIES),
        Flag::value("formatter-config", "config file", "Properties of the formatter"),
        Flag::value("max-messages", "num_messages", "How many records to consume"),
        Flag::value("timeout-ms", "timeout_ms", "End when no record arrives for so long"),
        Flag::switch("reject", "Reject records as they are consumed"),
        Flag::switch("release", "Release records as they are consumed"),
        Flag::switch("reject-message-on-error", "Reject a record that cannot be printed"),
        Flag::value("bootstrap-server", "server to connect to", "REQUIRED: The servers to connect to"),
        Flag::value("key-deserializer", "deserializer for keys", "The class that keys are read with"),
        Flag::value("value-deserializer", "deserializer for values", "The class that values are read with"),
        Flag::value("group", "share group id", "The share group (default: console-share-consumer)"),
        Flag::switch("enable-systest-events", "Print what happens to the consumer besides records"),
    ],
    subcommands: &[],
    run,
};

fn run(tool: &'static Tool, words: Vec<String>, output: &mut Output) -> Result<(), Stop> {
    let arguments = Arguments::parse(tool, &words).map_err(Stop::Usage)?;
    arguments.help_or_version(tool.about, output)?;
    check(&arguments)?;
    let plan = Plan::new(&arguments, output)?;
    output.flush();
    let consumer = ClientConfig::new(plan.bootstrap.clone(), plan.properties.clone(), NAME)
        .and_then(|client| {
            let config = ShareConfig::new(&plan.properties)?;
            ShareConsumer::new(client, config, vec![plan.topic.clone()])
        })
        .map_err(|error| failed(CLASS, &error))?;
    let judge = |outcome| match outcome {
        Outcome::Printed => plan.verdict,
        Outcome::PassedOver => Verdict::Reject,
        Outcome::Failed => Verdict::Release,
    };
    let poll = |consumer: &mut ShareConsumer, patience, each: &mut Print<'_>| {
        consumer.poll(patience, |record| {
            let (outcome, flow) = each(record);
            (judge(outcome), flow)
        })
    };
    plan.printer.run(&arguments, consumer, poll, ShareConsumer::close)
}

/// What is to be consumed, and how it is printed.
struct Plan {
    bootstrap: Bootstrap,
    properties: Properties,
    topic: String,
    printer: Printer,
    verdict: Verdict,
}

impl Plan {
    fn new(arguments: &Arguments, output: &mut Output) -> Result<Plan, Stop> {
        warn_of_renamed(arguments, CONFIG, output);
        let number = |flag| arguments.number::<i32>(flag).map_err(Stop::Message);
        let verdict = match (arguments.has("reject"), arguments.has("release")) {
            (true, _) => Verdict::Reject,
            (false, true) => Verdict::Release,
            (false, false) => Verdict::Accept,
        };
        Ok(Plan {
            bootstrap: Bootstrap::Servers(
                arguments.value("bootstrap-server").map_err(Stop::Message)?.unwrap_or_default().to_owned(),
            ),
            properties: consumer_properties(arguments)?,
            topic: arguments.value("topic").map_err(Stop::Message)?.unwrap_or_default().to_owned(),
            printer: Printer {
                class: CLASS,
                formatter: formatter(arguments, output)?,
                max_messages: number("max-messages")?.and_then(|count| u64::try_from(count).ok()),
                timeout: number("timeout-ms")?.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis),
                passes_over: arguments.has("reject-message-on-error").then_some("rejecting"),
            },
            verdict,
        })
    }
}

fn check(arguments: &Arguments) -> Result<(), Stop> {
    let usage = |message: &str| Err(Stop::Usage(message.to_owned()));
    if !arguments.has("topic") {
        return usage("--topic is a required argument");
    }
    arguments.require(&["bootstrap-server"])?;
    if arguments.has("reject") && arguments.has("release") {
        return usage("At most one of --reject and --release may be specified.");
    }
    refuse_both_names(arguments, CONFIG)
}

fn consumer_properties(arguments: &Arguments) -> Result<Properties, Stop> {
    let (mut given, group) = properties_and_group(arguments, CONFIG)?;
    given.insert("group.id".to_owned(), group.unwrap_or_else(|| NAME.to_owned()));
    Ok(given)
}
