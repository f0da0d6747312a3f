//! `ottla fsck`: checks everything in the log directories of a stopped broker, ours or a JVM's.
//!
//! A check changes nothing, not even a file's time, and keeps brokers away while it runs. Each log is read once, from
//! front to back through a window, and everything that stands beside it is held against it on the way: memory does not
//! grow with the log. [`finding`] says what a finding is; `--repair` does what findings name, and nothing else.

mod batches;
mod check;
mod content;
mod directory;
mod entries;
mod epochs;
mod export;
mod finding;
mod json_line;
mod log_file;
mod metadata;
mod partition;
mod producers;
mod progress;
mod repair;
mod salvage;
mod segment;
#[cfg(test)]
mod tests;
mod topics;

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::log::{LogError, log_dir};
use finding::{Finding, Severity};
use repair::Plan;

/// Kafka's `index.interval.bytes`, where a topic has none of its own.
const INDEX_INTERVAL_BYTES: u64 = 4096;
/// Something kept the check from being made.
const NOT_CHECKED: u8 = 2;

/// Check the log directories of a stopped broker, ours or a JVM's, without changing anything
#[derive(Debug, Args)]
#[command(
    after_help = "Exit code: 0 if nothing is damaged, or everything was put right; 1 if something is; 2 if there was no check."
)]
pub(super) struct Fsck {
    /// All log directories of the node, as in log.dirs
    #[arg(required = true, value_name = "DIR")]
    directories: Vec<PathBuf>,
    /// Say what can be put right without losing anything that can be read, then do that and nothing else
    #[arg(long)]
    repair: bool,
    /// Check nothing, but write every record of a partition that can be read, such as of my-topic-0, as lines of JSON
    #[arg(long, value_name = "PARTITION", conflicts_with = "repair")]
    export: Option<String>,
    /// The file for exported records; standard output without it
    #[arg(long, value_name = "FILE", requires = "export", conflicts_with = "to_topic")]
    output: Option<PathBuf>,
    /// Produce exported records to this topic instead, those of aborted and open transactions left out; keys choose the
    /// partition
    #[arg(long, value_name = "TOPIC", requires = "export", requires = "bootstrap_server")]
    to_topic: Option<String>,
    /// The servers of the cluster of --to-topic: HOST:PORT, separated by commas
    #[arg(long, value_name = "SERVERS", requires = "to_topic")]
    bootstrap_server: Option<String>,
    /// Properties of the producer to --to-topic
    #[arg(long, value_name = "FILE", requires = "to_topic")]
    command_config: Option<PathBuf>,
}

/// Why there was no check.
#[derive(Debug)]
enum NotChecked {
    Log(LogError),
    Output(io::Error),
    Refused(String),
}

impl fmt::Display for NotChecked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotChecked::Log(error) => error.fmt(f),
            NotChecked::Refused(reason) => f.write_str(reason),
            NotChecked::Output(error) => write!(f, "cannot write what was found: {error}"),
        }
    }
}

impl From<LogError> for NotChecked {
    fn from(error: LogError) -> NotChecked {
        NotChecked::Log(error)
    }
}

impl From<io::Error> for NotChecked {
    fn from(error: io::Error) -> NotChecked {
        NotChecked::Output(error)
    }
}

impl Fsck {
    /// Checks, prints one line a finding and one with the sum, and answers the exit code.
    pub(super) fn run(&self) -> ExitCode {
        match self.check() {
            Ok(code) => code,
            Err(NotChecked::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(NOT_CHECKED),
            Err(error) => {
                eprintln!("ottla: {error}");
                ExitCode::from(NOT_CHECKED)
            }
        }
    }

    fn check(&self) -> Result<ExitCode, NotChecked> {
        let _locks = self.lock()?;
        if let Some(partition) = &self.export {
            return self.salvage(partition);
        }
        let mut out = BufWriter::new(io::stdout().lock());
        let (mut sum, mut plan) = (Sum::default(), Plan::default());
        let totals = check::run(&self.directories, &mut |finding| {
            sum.add(&finding);
            plan.add(&finding);
            writeln!(out, "{finding}")?;
            out.flush()
        })?;
        let Sum { damages, notes } = sum;
        writeln!(out, "{totals}: {}, {}", counted(damages, "damage"), counted(notes, "note"))?;
        out.flush()?;
        if !self.repair {
            return Ok(ExitCode::from(u8::from(damages > 0)));
        }
        let failed = plan.carry_out(&mut out)?;
        Ok(ExitCode::from(u8::from(plan.left + failed > 0)))
    }

    /// Keeps brokers away from the directories while the answer is held, and other repairs from a repair.
    fn lock(&self) -> Result<Locks, LogError> {
        let mut locks = Locks::default();
        for directory in &self.directories {
            let held = log_dir::lock_for_reading(directory)?;
            if !self.repair || !directory.is_dir() {
                locks.held.extend(held);
                continue;
            }
            let is_new = held.is_none();
            drop(held);
            locks.held.push(log_dir::lock(directory)?);
            if is_new {
                locks.made.push(directory.join(log_dir::LOCK));
            }
        }
        Ok(locks)
    }
}

/// Locks of directories. A file that is there only for a lock goes with it.
#[derive(Default)]
struct Locks {
    held: Vec<File>,
    made: Vec<PathBuf>,
}

impl Drop for Locks {
    fn drop(&mut self) {
        for path in &self.made {
            // It is empty and in nobody's way.
            drop(fs::remove_file(path));
        }
    }
}

/// How much was found.
#[derive(Default)]
struct Sum {
    damages: usize,
    notes: usize,
}

impl Sum {
    fn add(&mut self, finding: &Finding) {
        match finding.severity {
            Severity::Note => self.notes += 1,
            Severity::Damage => self.damages += 1,
        }
    }
}

/// `1 note`, `2 notes`.
fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
