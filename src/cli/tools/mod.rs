//! Kafka's command line tools: the same flags, the same output, the same exit codes, against any cluster.
//!
//! A tool is a [`Tool`]: its name, its table of flags, and a function that gets the arguments. The table is read by
//! whoever parses (`flags` as jopt-simple does, `subcommands` as argparse4j does: each tool has its own of the two in
//! Kafka), by `--help`, and by the shell completions. A tool writes to an [`Output`] and ends with a [`Stop`].
//! `admin` opens the client that the arguments ask for, and holds the calls that several tools make.

mod admin;
mod broker_api_versions;
mod client_metrics;
mod cluster;
mod configs;
mod console_consumer;
mod console_printer;
mod console_producer;
mod console_share_consumer;
mod consumer_groups;
mod consumer_perf;
mod consumer_perf_test;
mod delete_records;
mod dump_log;
mod features;
mod flags;
mod get_offsets;
mod group_command;
mod groups;
mod interrupt;
mod java_date;
mod leaders;
mod log_dirs;
mod log_line;
mod metadata_quorum;
mod names;
mod output;
mod producer_perf_test;
mod properties;
mod share_consumer_perf_test;
mod share_groups;
mod streams_application_reset;
mod streams_groups;
pub(super) mod subcommands;
mod table;
mod topics;
mod transactions;

use std::process::ExitCode;

use clap::Command;

use crate::types::hash_order;

pub(super) use flags::{Arguments, Flag};
pub(super) use output::{Output, Stop};

/// The release whose tools these are, as their `--version` says.
const KAFKA_VERSION: &str = "4.3.1";

/// One tool.
pub(super) struct Tool {
    /// Without `kafka-` and `.sh`.
    pub name: &'static str,
    pub about: &'static str,
    /// The flags of the tool itself.
    pub flags: &'static [Flag],
    /// Its subcommands, each with flags of its own.
    pub subcommands: &'static [Subcommand],
    pub run: fn(&'static Tool, Vec<String>, &mut Output) -> Result<(), Stop>,
}

/// A subcommand of a tool.
pub(super) struct Subcommand {
    pub name: &'static str,
    pub about: &'static str,
    pub flags: &'static [Flag],
}

static TOOLS: [&Tool; 24] = [
    &topics::TOOL,
    &configs::TOOL,
    &consumer_groups::TOOL,
    &groups::TOOL,
    &share_groups::TOOL,
    &streams_groups::TOOL,
    &streams_application_reset::TOOL,
    &get_offsets::TOOL,
    &delete_records::TOOL,
    &log_dirs::TOOL,
    &broker_api_versions::TOOL,
    &cluster::TOOL,
    &metadata_quorum::TOOL,
    &features::TOOL,
    &transactions::TOOL,
    &client_metrics::TOOL,
    &console_producer::TOOL,
    &console_consumer::TOOL,
    &console_share_consumer::TOOL,
    &producer_perf_test::TOOL,
    &consumer_perf_test::TOOL,
    &share_consumer_perf_test::TOOL,
    &dump_log::TOOL,
    &super::storage::TOOL,
];

/// The tool of that name: `topics`, `kafka-topics` or `kafka-topics.sh`.
pub(super) fn find(name: &str) -> Option<&'static Tool> {
    let name = plain_name(name);
    TOOLS.into_iter().find(|tool| tool.name == name)
}

/// A command's name without what Kafka's scripts have around it.
pub(super) fn plain_name(name: &str) -> &str {
    let name = name.strip_suffix(".sh").unwrap_or(name);
    name.strip_prefix("kafka-").unwrap_or(name)
}

/// Runs a tool with the arguments behind its name.
pub(super) fn run(tool: &'static Tool, arguments: Vec<String>) -> ExitCode {
    let mut output = Output::new();
    let stop = (tool.run)(tool, arguments, &mut output).err();
    output.flush();
    match stop {
        None | Some(Stop::Done) => ExitCode::SUCCESS,
        Some(Stop::Told) => ExitCode::FAILURE,
        Some(Stop::Message(message)) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
        Some(Stop::Misused { usage, program, message }) => {
            eprintln!("{usage}\n{program}: error: {message}");
            ExitCode::FAILURE
        }
        Some(Stop::Usage(message)) => {
            eprintln!("{message}\n{}", flags::table(tool));
            ExitCode::FAILURE
        }
    }
}

/// All tools for help and completions.
pub(super) fn commands() -> impl Iterator<Item = Command> {
    TOOLS.into_iter().map(flags::command)
}
