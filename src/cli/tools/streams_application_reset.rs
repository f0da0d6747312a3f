//! `kafka-streams-application-reset.sh`: a Streams application set back, so that it reads its input again: offsets are
//! moved, and the topics that it made for itself are deleted.

mod commit;
mod internal_topics;
mod members;
mod offsets;
mod plan;
mod topics;

use std::collections::BTreeMap;
use std::path::Path;

use super::group_command::{Failed, Session, check_scenarios};
use super::{Arguments, Flag, Output, Stop, Tool};
use crate::client::{Bootstrap, Client, ClientConfig};

pub static TOOL: Tool = Tool {
    name: "streams-application-reset",
    about: "Set a Streams application back: move the offsets of its input, delete its internal topics",
    flags: &[
        Flag::value("application-id", "id", "The application.id; required"),
        Flag::value("bootstrap-server", "host:port,…", "The brokers to begin with, localhost:9092 by default"),
        Flag::value("input-topics", "topic,…", "Topics whose offsets are moved, to their beginnings by default"),
        Flag::value("intermediate-topics", "topic,…", "Topics of which the rest is skipped; deprecated"),
        Flag::value("internal-topics", "topic,…", "The internal topics to delete; by default all that are found"),
        Flag::value("to-offset", "offset", "Move to this offset"),
        Flag::value("to-datetime", "YYYY-MM-DDThh:mm:ss.sss", "Move to the first offset of a time"),
        Flag::value("by-duration", "PnDTnHnMnS", "Move to the first offset of a time so long ago"),
        Flag::switch("to-earliest", "Move to the earliest offset; the default"),
        Flag::switch("to-latest", "Move to the latest offset"),
        Flag::value("from-file", "file", "Move to the offsets of a CSV file: topic,partition,offset"),
        Flag::value("shift-by", "number", "Move forward, or backward with a negative number"),
        Flag::value("config-file", "file", "Properties of the clients; deprecated, use --command-config"),
        Flag::value("command-config", "file", "Properties of the clients"),
        Flag::switch("force", "Remove members from the group first"),
        Flag::switch("dry-run", "Show what would be done"),
    ],
    subcommands: &[],
    run,
};

const ABOUT: &str = "This tool helps to quickly reset an application in order to reprocess its data from scratch.\n\
    Offsets of input topics are moved to their beginnings, or to where the options say. Internal topics, which begin \
    with \"<application.id>-\", are deleted; a dry run shows them. Output topics stay, and so does the state that \
    instances keep on their own disks: call KafkaStreams#cleanUp() before the next start, or results will be wrong. No \
    instance may run. What is done cannot be undone.\n";

const SCENARIOS: [&str; 7] =
    ["to-offset", "to-datetime", "by-duration", "to-earliest", "to-latest", "from-file", "shift-by"];

fn run(tool: &'static Tool, words: Vec<String>, output: &mut Output) -> Result<(), Stop> {
    let arguments = Arguments::parse(tool, &words).map_err(Stop::Usage)?;
    if !arguments.has("application-id") && !arguments.has("help") && !arguments.has("version") {
        return Err(Stop::Usage("Missing required option(s) [application-id]".to_owned()));
    }
    arguments.help_or_version(ABOUT, output)?;
    check_scenarios(&arguments, &SCENARIOS)?;
    arguments.refuse_with("config-file", &["command-config"])?;
    match reset(&arguments, output) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Stop::Told),
        Err(failed) => Err(Stop::Message(format!("ERROR: {}", failed.message()?))),
    }
}

/// Does everything; the answer is whether all topics were found.
fn reset(arguments: &Arguments, output: &mut Output) -> Result<bool, Failed> {
    let group = only(arguments, "application-id")?.unwrap_or_default();
    let file = match arguments.has("config-file") {
        true => {
            let hint = "will be removed in a future version. Use --command-config instead.";
            output.line(format!("Option --config-file has been deprecated and {hint}"));
            only(arguments, "config-file")?
        }
        false => only(arguments, "command-config")?,
    };
    let properties = properties(file)?;
    let servers = only(arguments, "bootstrap-server")?.unwrap_or("localhost:9092");
    let client = ClientConfig::new(Bootstrap::Servers(servers.to_owned()), properties.clone(), "adminclient-1")
        .and_then(Client::new)
        .map_err(|error| {
            let cause = error.as_throwable();
            thrown("org.apache.kafka.common.KafkaException", format!("Failed to create new KafkaAdminClient\n{cause}"))
        })?;
    let mut session = Session { client, arguments, output };
    members::make_inactive(&mut session, group)?;
    let all = topics::all(&mut session)?;
    if arguments.has("dry-run") {
        let line = "Dry run displays the actions which will be performed when running Streams Reset Tool";
        session.output.line(format!("----{line}----"));
    }
    let all_found = offsets::move_all(&mut session, group, &all, properties)?;
    internal_topics::delete(&mut session, group, &all)?;
    Ok(all_found)
}

fn properties(file: Option<&str>) -> Result<BTreeMap<String, String>, Failed> {
    let Some(file) = file else { return Ok(BTreeMap::new()) };
    match Path::new(file).exists() {
        true => Ok(ClientConfig::read_properties(Path::new(file))?),
        false => Err(thrown("java.nio.file.NoSuchFileException", file)),
    }
}

/// A failure as Java prints one of this class.
fn thrown(class: &str, message: impl std::fmt::Display) -> Failed {
    Failed::Told(format!("{class}: {message}"))
}

/// The only value of a flag.
fn only<'a>(arguments: &'a Arguments, flag: &str) -> Result<Option<&'a str>, Failed> {
    arguments.value(flag).map_err(|message| thrown("joptsimple.MultipleArgumentsForOptionException", message))
}

/// The only value of a flag as a number.
fn number(arguments: &Arguments, flag: &str) -> Result<Option<i64>, Failed> {
    let Some(text) = only(arguments, flag)? else { return Ok(None) };
    let wrong = || format!("Cannot parse argument '{text}' of option {flag}");
    text.parse().map(Some).map_err(|_| thrown("joptsimple.OptionArgumentConversionException", wrong()))
}

/// The values of a flag that may have several, separated by commas.
fn listed<'a>(arguments: &'a Arguments, flag: &str) -> Vec<&'a str> {
    let mut all = Vec::new();
    for text in arguments.values(flag) {
        let before = all.len();
        all.extend(text.split(',').filter(|part| !part.is_empty()));
        if all.len() == before {
            all.push(text);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Arguments {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Arguments::parse(&TOOL, &words).expect("a line that is right")
    }

    #[test]
    fn values_are_read_as_the_parser_of_java_reads_them() {
        let given = arguments("--input-topics a,b,, --input-topics , --input-topics c --shift-by -5 --to-offset x");
        assert_eq!(listed(&given, "input-topics"), ["a", "b", ",", "c"]);
        assert!(listed(&given, "internal-topics").is_empty());
        assert!(matches!(number(&given, "shift-by"), Ok(Some(-5))));
        let told = |failed: Failed| failed.message().unwrap_or_default();
        assert_eq!(
            number(&given, "to-offset").map_err(told),
            Err("joptsimple.OptionArgumentConversionException: Cannot parse argument 'x' of option to-offset"
                .to_owned())
        );
        let twice = arguments("--application-id a --application-id b");
        assert!(
            only(&twice, "application-id").map_err(told).is_err_and(|message| message.contains("asked for only one"))
        );
    }
}
