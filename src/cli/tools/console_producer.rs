//! `console-producer`: sends lines from standard input as records.

mod lines;

use std::io::{self, BufReader, IsTerminal, Write};
use std::sync::{Arc, Mutex};

use lines::{Line, LineReader};

use super::log_line::log_line;
use super::properties::{self, Properties};
use super::{Arguments, Flag, Output, Stop, Tool, interrupt};
use crate::client::producer::{OnDelivery, Producer, ProducerConfig, Record, Sent};
use crate::client::{Bootstrap, ClientConfig, ClientError};
use crate::protocol::batch::RecordHeader;
use crate::types::{Clock, ErrorCode};

/// The only reader of lines there is: Kafka loads others from jars.
const LINE_READER: &str = "org.apache.kafka.tools.LineMessageReader";
const READER_PROPERTIES: &str = "A property of the line reader, key=value: parse.key=false, parse.headers=false, \
    ignore.error=false, key.separator=\\t, headers.delimiter=\\t, headers.separator=\",\", headers.key.separator=:, \
    null.marker= what stands for null";

/// The flags that stand for one property of the producer each, with their defaults.
const MERGED: [(&str, &str, &str); 11] = [
    ("linger.ms", "timeout", "1000"),
    ("acks", "request-required-acks", "-1"),
    ("request.timeout.ms", "request-timeout-ms", "1500"),
    ("retries", "message-send-max-retries", "3"),
    ("retry.backoff.ms", "retry-backoff-ms", "100"),
    ("send.buffer.bytes", "socket-buffer-size", "102400"),
    ("buffer.memory", "max-memory-bytes", "33554432"),
    ("batch.size", "batch-size", "16384"),
    ("batch.size", "max-partition-memory-bytes", "16384"),
    ("metadata.max.age.ms", "metadata-expiry-ms", "300000"),
    ("max.block.ms", "max-block-ms", "60000"),
];

pub(super) static TOOL: Tool = Tool {
    name: "console-producer",
    about: "This tool helps to read data from standard input and publish it to Kafka.",
    flags: &[
        Flag::value("topic", "topic", "REQUIRED: The topic to produce to"),
        Flag::value("bootstrap-server", "server to connect to", "REQUIRED: The servers, HOST1:PORT1,HOST2:PORT2"),
        Flag::switch("sync", "Send one record at a time and wait for it"),
        Flag::optional(
            "compression-codec",
            "compression-codec",
            "none, gzip, snappy, lz4 or zstd; gzip without a value",
        ),
        Flag::value("batch-size", "size", "batch.size: bytes of a batch (default: 16384)"),
        Flag::value("message-send-max-retries", "count", "retries: how often a batch is sent again (default: 3)"),
        Flag::value("retry-backoff-ms", "ms", "retry.backoff.ms: pause before that (default: 100)"),
        Flag::value("timeout", "timeout_ms", "linger.ms: how long a record waits for others (default: 1000)"),
        Flag::value("request-required-acks", "acks", "acks: 0, 1, or -1 for all (default: -1)"),
        Flag::value("request-timeout-ms", "ms", "request.timeout.ms: how long an answer may take (default: 1500)"),
        Flag::value("metadata-expiry-ms", "ms", "metadata.max.age.ms: when metadata is old (default: 300000)"),
        Flag::value("max-block-ms", "ms", "max.block.ms: how long sending may wait for room (default: 60000)"),
        Flag::value("max-memory-bytes", "bytes", "buffer.memory: bytes that may wait (default: 33554432)"),
        Flag::value("max-partition-memory-bytes", "bytes", "(DEPRECATED) Use --batch-size instead"),
        Flag::value("line-reader", "reader_class", "How lines are read; there is only LineMessageReader"),
        Flag::value("socket-buffer-size", "size", "send.buffer.bytes (default: 102400)"),
        Flag::value("property", "prop", "(DEPRECATED) Use --reader-property instead"),
        Flag::value("reader-property", "prop", READER_PROPERTIES),
        Flag::value("reader-config", "config file", "Properties of the line reader; --reader-property has precedence"),
        Flag::value("producer-property", "producer_prop", "(DEPRECATED) Use --command-property instead"),
        Flag::value("command-property", "producer_prop", "A property of the producer, key=value"),
        Flag::value("producer.config", "config file", "(DEPRECATED) Use --command-config instead"),
        Flag::value("command-config", "config file", "Properties of the producer; --command-property has precedence"),
    ],
    subcommands: &[],
    run,
};

fn run(tool: &'static Tool, words: Vec<String>, output: &mut Output) -> Result<(), Stop> {
    let arguments = Arguments::parse(tool, &words).map_err(Stop::Usage)?;
    arguments.help_or_version(tool.about, output)?;
    check(&arguments, output)?;
    output.flush();
    let topic = arguments.value("topic").map_err(Stop::Message)?.unwrap_or_default().to_owned();
    let reader = LineReader::new(&reader_properties(&arguments)?).map_err(kafka_exception)?;
    let (client, config) = producer_config(&arguments)?;
    let failure = Arc::new(Mutex::new(None));
    let sync = arguments.has("sync");
    let on_delivery: OnDelivery = match sync {
        true => {
            let failure = failure.clone();
            Box::new(move |_, _, result| {
                *failure.lock().expect("nothing panics with it") = result.err().cloned();
            })
        }
        false => Box::new(|topic, records, result| {
            if let Err(error) = result {
                records.iter().for_each(|record| log_failure(topic, record, error));
            }
        }),
    };
    let producer = Producer::new(client, config, on_delivery).map_err(|error| {
        Stop::Message(format!(
            "org.apache.kafka.common.KafkaException: Failed to construct kafka producer\nCaused by: {}",
            error.as_throwable()
        ))
    })?;
    let producer = interrupt::finish_on_interrupt(producer);
    let sent = send_lines(&producer, reader, &topic, sync.then_some(&*failure));
    producer.finish();
    sent
}

/// Sends every line. An error of a record is logged and the next line sent, unless records are waited for.
fn send_lines(
    producer: &interrupt::Guarded<Producer>,
    mut reader: LineReader,
    topic: &str,
    failure: Option<&Mutex<Option<ClientError>>>,
) -> Result<(), Stop> {
    let prompts = io::stdin().is_terminal() && io::stdout().is_terminal();
    let clock = Clock::system();
    let mut input = BufReader::with_capacity(1 << 20, io::stdin().lock());
    loop {
        if prompts {
            print!(">");
            // A prompt that cannot be shown is no reason to stop.
            drop(io::stdout().flush());
        }
        let Some(line) = reader.next(&mut input).map_err(kafka_exception)? else { return Ok(()) };
        let headers: Vec<RecordHeader<'_>> = line.headers().collect();
        let record = Record { key: line.key(), value: line.value(), headers: &headers, mark: 0 };
        let now = clock.wall();
        let sent = producer.with(|producer| {
            let sent = producer.send(topic, now, &record);
            if failure.is_some() {
                producer.flush();
            }
            sent
        });
        if let (Err(error), None) = (&sent, failure) {
            log_failure(topic, &line_sent(&line), error);
        }
        if let Some(failure) = failure {
            let late = failure.lock().expect("nothing panics with it").take();
            if let Some(error) = sent.err().or(late) {
                return Err(Stop::Message(format!(
                    "java.util.concurrent.ExecutionException: {}",
                    error.as_throwable()
                )));
            }
        }
    }
}

fn line_sent(line: &Line<'_>) -> Sent {
    let len = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| bytes.len() as i32);
    Sent { time: Clock::system().wall(), key_len: len(line.key()), value_len: len(line.value()), mark: 0 }
}

fn log_failure(topic: &str, record: &Sent, error: &ClientError) {
    let bytes = |len: i32| if len < 0 { "null".to_owned() } else { format!("{len} bytes") };
    let message = format!(
        "Error when sending message to topic {topic} with key: {}, value: {} with error:",
        bytes(record.key_len),
        bytes(record.value_len)
    );
    log_line("ERROR", &message, "org.apache.kafka.clients.producer.internals.ErrorLoggingCallback");
    eprintln!("{}", error.as_throwable());
}

fn kafka_exception(message: String) -> Stop {
    Stop::Message(format!("org.apache.kafka.common.KafkaException: {message}"))
}

fn check(arguments: &Arguments, output: &mut Output) -> Result<(), Stop> {
    arguments.require(&["topic"])?;
    let deprecated = [
        ("command-config", "producer.config"),
        ("command-property", "producer-property"),
        ("reader-property", "property"),
    ];
    for (new, old) in deprecated {
        if arguments.has(new) && arguments.has(old) {
            return Err(Stop::Usage(format!("Options --{new} and --{old} cannot be specified together.")));
        }
    }
    for old in ["producer-property", "producer.config", "property"] {
        let new = deprecated.iter().find(|(_, name)| *name == old).map_or("", |(new, _)| new);
        if arguments.has(old) {
            output.line(format!(
                "Warning: --{old} is deprecated and will be removed in a future version. Use --{new} instead."
            ));
        }
    }
    if arguments.has("max-partition-memory-bytes") {
        output.line(
            "Warning: --max-partition-memory-bytes is deprecated and will be removed in Apache Kafka 5.0. Use \
             --batch-size instead.",
        );
    }
    let reader = arguments.value("line-reader").map_err(Stop::Message)?;
    check_servers(arguments.value("bootstrap-server").map_err(Stop::Message)?)?;
    match reader.filter(|reader| *reader != LINE_READER) {
        Some(reader) => Err(Stop::Message(format!(
            "java.lang.ClassNotFoundException: {reader}: classes of Java cannot be loaded; leave --line-reader out"
        ))),
        None => Ok(()),
    }
}

fn check_servers(servers: Option<&str>) -> Result<(), Stop> {
    let servers = servers.map(str::trim).filter(|servers| !servers.is_empty());
    let servers = servers.ok_or_else(|| Stop::Usage("Error while validating the bootstrap address\n".to_owned()))?;
    let has_port = |server: &str| server.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    match servers.trim_end_matches(',').split(',').all(has_port) {
        true => Ok(()),
        false => Err(Stop::Usage("Please provide valid host:port like host1:9091,host2:9092\n".to_owned())),
    }
}

fn reader_properties(arguments: &Arguments) -> Result<Properties, Stop> {
    let config = arguments.value("reader-config").map_err(Stop::Message)?;
    let mut read = config.map(properties::file).transpose()?.unwrap_or_default();
    properties::add_pairs(&mut read, &arguments.values("reader-property"));
    properties::add_pairs(&mut read, &arguments.values("property"));
    Ok(read)
}

fn producer_config(arguments: &Arguments) -> Result<(ClientConfig, ProducerConfig), Stop> {
    let mut properties = Properties::new();
    for flag in ["command-config", "producer.config"] {
        if let Some(file) = arguments.value(flag).map_err(Stop::Message)? {
            properties = properties::file(file)?;
        }
    }
    properties::add_pairs(&mut properties, &arguments.values("command-property"));
    properties::add_pairs(&mut properties, &arguments.values("producer-property"));
    let codec = match arguments.has("compression-codec") {
        true => {
            arguments.value("compression-codec").map_err(Stop::Message)?.filter(|c| !c.is_empty()).unwrap_or("gzip")
        }
        false => "none",
    };
    properties.insert("compression.type".to_owned(), codec.to_owned());
    for (key, flag, default) in MERGED {
        // A number that is none is told in the words of the command line.
        if key != "acks" {
            arguments.number::<i64>(flag).map_err(Stop::Message)?;
        }
        properties::merge(&mut properties, key, arguments, flag, default).map_err(Stop::Message)?;
    }
    let servers = arguments.value("bootstrap-server").map_err(Stop::Message)?.unwrap_or_default();
    let config = ProducerConfig::new(&properties).and_then(|config| {
        let client = ClientConfig::new(Bootstrap::Servers(servers.to_owned()), properties, "console-producer")?;
        Ok((client, config))
    });
    config.map_err(|error| match error.code() {
        None | Some(ErrorCode::None) => Stop::Message(error.as_throwable()),
        Some(_) => error.into(),
    })
}
