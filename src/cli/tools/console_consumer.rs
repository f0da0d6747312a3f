//! `console-consumer`: prints records to standard output.

mod deserializer;
mod formatter;

use std::time::Duration;

use regex::Regex;

use super::console_printer::{Print, Printer, failed, properties_and_group, refuse_both_names, warn_of_renamed};
use super::properties::{self, Properties};
use super::{Arguments, Flag, Output, Stop, Tool};
use crate::client::consumer::{Consumer, ConsumerConfig, Position, Start, Subscription};
use crate::client::{Bootstrap, ClientConfig};

pub(super) use formatter::{Error as FormatterError, Formatter};

pub(super) const FORMATTER_PROPERTIES: &str = "A property of the formatter, key=value: print.timestamp, print.key, print.offset, \
    print.epoch, print.partition, print.headers, print.value=true|false, key.separator, line.separator, \
    headers.separator, null.literal, key.deserializer, value.deserializer, headers.deserializer";
const CLASS: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
/// What Kafka's tool says of the protocol that it uses.
const NEWER_PROTOCOL: &str = "The consumer rebalance protocol (KIP-848) is production-ready! Set group.protocol=consumer \
    to try it out. See https://kafka.apache.org/documentation/#consumer_rebalance_protocol";
/// The older name of --command-config.
const CONFIG: &str = "consumer.config";

pub(super) static TOOL: Tool = Tool {
    name: "console-consumer",
    about: "This tool helps to read data from Kafka topics and outputs it to standard output.",
    flags: &[
        Flag::value("topic", "topic", "The topic to consume from"),
        Flag::value("include", "regex", "Consume from the topics whose name matches"),
        Flag::value("partition", "partition", "The partition to consume from, without a group"),
        Flag::value("offset", "consume offset", "Where to begin: a number, earliest, or latest (default: latest)"),
        Flag::value("consumer-property", "consumer_prop", "(DEPRECATED) Use --command-property instead"),
        Flag::value("command-property", "consumer_prop", "A property of the consumer, key=value"),
        Flag::value("consumer.config", "config file", "(DEPRECATED) Use --command-config instead"),
        Flag::value("command-config", "config file", "Properties of the consumer; --command-property has precedence"),
        Flag::value("formatter", "class", "How records are printed: one of Kafka's formatters, by its class"),
        Flag::value("property", "prop", "(DEPRECATED) Use --formatter-property instead"),
        Flag::value("formatter-property", "prop", FORMATTER_PROPERTIES),
        Flag::value("formatter-config", "config file", "Properties of the formatter"),
        Flag::switch("from-beginning", "Begin with the earliest record where there is no committed offset"),
        Flag::value("max-messages", "num_messages", "How many records to consume"),
        Flag::value("timeout-ms", "timeout_ms", "End when no record arrives for so long"),
        Flag::switch("skip-message-on-error", "Skip a record that cannot be printed"),
        Flag::value("bootstrap-server", "server to connect to", "REQUIRED: The servers to connect to"),
        Flag::value("key-deserializer", "deserializer for keys", "The class that keys are read with"),
        Flag::value("value-deserializer", "deserializer for values", "The class that values are read with"),
        Flag::switch("enable-systest-events", "Print what happens to the consumer besides records"),
        Flag::value("isolation-level", "level", "read_committed or read_uncommitted (default: read_uncommitted)"),
        Flag::value("group", "consumer group id", "The group of the consumer"),
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
    let consumer = ClientConfig::new(plan.bootstrap.clone(), plan.properties.clone(), "console-consumer")
        .and_then(|client| Consumer::new(client, plan.config.clone(), plan.subscription.clone(), Box::new(|_, _| {})))
        .map_err(|error| failed(CLASS, &error))?;
    if !arguments.has("partition") {
        eprintln!("{NEWER_PROTOCOL}");
    }
    let poll =
        |consumer: &mut Consumer, patience, each: &mut Print<'_>| consumer.poll(patience, |record| each(record).1);
    plan.printer.run(&arguments, consumer, poll, Consumer::close)
}

/// What is to be consumed, and how it is printed.
struct Plan {
    bootstrap: Bootstrap,
    properties: Properties,
    config: ConsumerConfig,
    subscription: Subscription,
    printer: Printer,
}

impl Plan {
    fn new(arguments: &Arguments, output: &mut Output) -> Result<Plan, Stop> {
        warn_of_renamed(arguments, CONFIG, output);
        let properties = consumer_properties(arguments)?;
        let config = ConsumerConfig::new(&properties).map_err(|error| Stop::Message(error.as_throwable()))?;
        let offset = start(arguments)?;
        let formatter = formatter(arguments, output)?;
        let number = |flag| arguments.number::<i64>(flag).map_err(Stop::Message);
        let partition = arguments.number::<i32>("partition").map_err(Stop::Message)?;
        let topic = arguments.value("topic").map_err(Stop::Message)?;
        let subscription = match (topic, partition) {
            (Some(topic), Some(partition)) => Subscription::Assigned((topic.to_owned(), partition), offset),
            (Some(topic), None) => Subscription::Topics(vec![topic.to_owned()]),
            (None, _) => {
                let pattern = arguments.value("include").map_err(Stop::Message)?.unwrap_or_default();
                Subscription::Pattern(
                    Regex::new(&format!("^(?:{pattern})$")).map_err(|error| Stop::Message(error.to_string()))?,
                )
            }
        };
        let servers = arguments.value("bootstrap-server").map_err(Stop::Message)?.unwrap_or_default();
        Ok(Plan {
            bootstrap: Bootstrap::Servers(servers.to_owned()),
            properties,
            config,
            subscription,
            printer: Printer {
                class: CLASS,
                formatter,
                max_messages: number("max-messages")?.and_then(|count| u64::try_from(count).ok()),
                timeout: number("timeout-ms")?.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis),
                passes_over: arguments.has("skip-message-on-error").then_some("skipping"),
            },
        })
    }
}

fn check(arguments: &Arguments) -> Result<(), Stop> {
    let usage = |message: &str| Err(Stop::Usage(message.to_owned()));
    if arguments.count(&["topic", "include"]) != 1 {
        return usage("Exactly one of the following arguments is required: [topic], [include]");
    }
    if arguments.has("partition") {
        arguments.number::<i32>("partition").map_err(Stop::Message)?;
        if !arguments.has("topic") {
            return usage("The topic is required when partition is specified.");
        }
        if arguments.has("from-beginning") && arguments.has("offset") {
            return usage("Options from-beginning and offset cannot be specified together.");
        }
    } else if arguments.has("offset") {
        return usage("The partition is required when offset is specified.");
    }
    arguments.require(&["bootstrap-server"])?;
    refuse_both_names(arguments, CONFIG)
}

fn consumer_properties(arguments: &Arguments) -> Result<Properties, Stop> {
    let (mut given, group) = properties_and_group(arguments, CONFIG)?;
    if group.is_some() && arguments.has("partition") {
        return Err(Stop::Usage("Options group and partition cannot be specified together.".to_owned()));
    }
    let begins = arguments.has("from-beginning");
    match given.get("auto.offset.reset").filter(|reset| begins && *reset != "earliest") {
        Some(reset) => {
            return Err(Stop::Message(format!(
                "Can't simultaneously specify --from-beginning and 'auto.offset.reset={reset}', please remove one option"
            )));
        }
        None => {
            let reset = if begins { "earliest" } else { "latest" };
            given.entry("auto.offset.reset".to_owned()).or_insert_with(|| reset.to_owned());
        }
    }
    properties::merge(&mut given, "isolation.level", arguments, "isolation-level", "read_uncommitted")
        .map_err(Stop::Message)?;
    let group = group.unwrap_or_else(|| {
        // A group of one run: its offsets are of no use to anybody.
        given.entry("enable.auto.commit".to_owned()).or_insert_with(|| "false".to_owned());
        format!("console-consumer-{}", u64::from(std::process::id()) % 100_000)
    });
    given.insert("group.id".to_owned(), group);
    Ok(given)
}

fn start(arguments: &Arguments) -> Result<Start, Stop> {
    let Some(text) = arguments.value("offset").map_err(Stop::Message)? else {
        return Ok(if arguments.has("from-beginning") { Start::Earliest } else { Start::Latest });
    };
    match text.to_ascii_lowercase().as_str() {
        "earliest" => Ok(Start::Earliest),
        "latest" => Ok(Start::Latest),
        number => match number.parse().ok().filter(|offset: &i64| *offset >= 0) {
            Some(offset) => Ok(Start::Offset(Position::at(offset))),
            None => Err(Stop::Usage(format!(
                "The provided offset value '{text}' is incorrect. Valid values are 'earliest', 'latest', or a \
                 non-negative long."
            ))),
        },
    }
}

/// The formatter that the arguments ask for.
pub(super) fn formatter(arguments: &Arguments, output: &mut Output) -> Result<Formatter, Stop> {
    let class = arguments.value("formatter").map_err(Stop::Message)?;
    let kind = formatter::Kind::of_class(class).map_err(Stop::Usage)?;
    if arguments.has("property") && arguments.has("formatter-property") {
        return Err(Stop::Usage(
            "Options --property and --formatter-property cannot be specified together.".to_owned(),
        ));
    }
    if arguments.has("property") {
        output.line(
            "Option --property is deprecated and will be removed in a future version. Use --formatter-property instead.",
        );
    }
    let config = arguments.value("formatter-config").map_err(Stop::Message)?;
    let mut given = config.map(properties::file).transpose()?.unwrap_or_default();
    for (flag, key) in [("key-deserializer", "key.deserializer"), ("value-deserializer", "value.deserializer")] {
        if let Some(class) = arguments.value(flag).map_err(Stop::Message)?.filter(|class| !class.is_empty()) {
            given.insert(key.to_owned(), class.to_owned());
        }
    }
    properties::add_pairs(&mut given, &arguments.values("formatter-property"));
    properties::add_pairs(&mut given, &arguments.values("property"));
    Ok(Formatter::new(kind, &given))
}
