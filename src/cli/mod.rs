//! The command line: what can be asked of this program, and what each command does.

mod feature_levels;
mod fsck;
#[cfg(feature = "faults")]
mod power_cut;
mod process;
mod start;
mod storage;
mod tools;

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;

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
    /// Check the log directories of a stopped broker, ours or a JVM's, without changing anything
    Fsck(fsck::Fsck),
    /// Take back from the files below a directory what a killed broker had not made durable
    #[cfg(feature = "faults")]
    PowerCut(power_cut::PowerCut),
    /// Print a script that completes this command line in a shell
    Completions(Completions),
}

#[derive(Debug, Args)]
struct Completions {
    /// The shell to complete in
    shell: Shell,
}

/// Runs the command that the arguments of this process name. A command that fails says why in one line. Kafka's tools are
/// found by the name the program was called by, such as a link `kafka-topics.sh`, or by the first argument.
pub fn run() -> ExitCode {
    let mut words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let called = words.first().map(|word| called_by(word).to_owned()).unwrap_or_default();
    if let Some(tool) = tools::find(&called) {
        return tools::run(tool, words.split_off(1));
    }
    if let Some(tool) = words.get(1).and_then(|word| tools::find(word)) {
        return tools::run(tool, words.split_off(2));
    }
    let line = CommandLine::from_arg_matches(&command().get_matches_from(words));
    let command = line.unwrap_or_else(|error| error.exit()).command.unwrap_or_else(|| Command::Start(Box::default()));
    match command.run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("ottla: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The name of the program without its directory and without what Kafka's scripts have around it.
fn called_by(program: &str) -> &str {
    tools::plain_name(Path::new(program).file_name().and_then(|name| name.to_str()).unwrap_or_default())
}

/// The whole command line, tools included.
fn command() -> clap::Command {
    CommandLine::command().subcommands(tools::commands())
}

impl Command {
    fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        match self {
            Command::Start(start) => start.run()?,
            Command::Fsck(fsck) => return Ok(fsck.run()),
            #[cfg(feature = "faults")]
            Command::PowerCut(cut) => cut.run()?,
            Command::Completions(Completions { shell }) => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut command(), "ottla", &mut script);
                std::io::stdout().write_all(&script)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
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
