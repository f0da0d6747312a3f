//! The command line: what can be asked of this program, and what each command does.

mod process;
mod start;
mod storage;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Kafka in one binary. Without a command, a single node starts on 127.0.0.1:9092 with its data in ./data.
#[derive(Debug, Parser)]
#[command(name = "ottla", version, about, max_term_width = 110)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a node
    Start(Box<start::Start>),
    /// Format the log directories of this node, or look at them
    Storage(storage::Storage),
}

/// Runs the command that the arguments of this process name. A command that fails says why in one line.
pub fn run() -> ExitCode {
    let command = CommandLine::parse().command.unwrap_or_else(|| Command::Start(Box::default()));
    match command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ottla: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Command {
    fn run(self) -> Result<(), Box<dyn Error>> {
        match self {
            Command::Start(start) => Ok(start.run()?),
            Command::Storage(storage) => storage.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn a_start_takes_kafkas_arguments() {
        let parse = |arguments: &[&str]| CommandLine::try_parse_from(arguments);
        assert!(parse(&["ottla"]).is_ok_and(|line| line.command.is_none()));
        assert!(parse(&["ottla", "start"]).is_ok());
        let file = ["ottla", "start", "server.properties", "--override", "a=b=c", "--override", "d="];
        let Ok(CommandLine { command: Some(Command::Start(start)) }) = parse(&file) else { panic!("a start") };
        assert_eq!(start.overrides, [("a".to_string(), "b=c".to_string()), ("d".to_string(), String::new())]);
        for wrong in [["ottla", "start", "--override", "=b"], ["ottla", "start", "--log-level", "LOUD"]] {
            assert!(parse(&wrong).is_err());
        }
    }
}
