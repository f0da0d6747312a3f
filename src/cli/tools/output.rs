//! Where a tool writes, and how it ends.

use std::fmt::Display;
use std::io::{BufWriter, Stdout, Write, stdout};

use crate::client::ClientError;

/// Standard output, buffered. As for Kafka's tools, a reader that has gone is no error.
pub struct Output(BufWriter<Stdout>);

impl Output {
    pub(super) fn new() -> Output {
        Output(BufWriter::new(stdout()))
    }

    /// Writes a line.
    pub fn line(&mut self, text: impl Display) {
        let _ = writeln!(self.0, "{text}");
    }

    /// Writes without ending the line.
    pub fn text(&mut self, text: impl Display) {
        let _ = write!(self.0, "{text}");
    }

    /// Shows what was written.
    pub fn flush(&mut self) {
        let _ = self.0.flush();
    }
}

/// Why a tool ends before its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stop {
    /// All is well.
    Done,
    /// It failed and has said why.
    Told,
    /// It failed: this goes to standard error.
    Message(String),
    /// It was called wrongly: this and the table of flags go to standard error.
    Usage(String),
    /// It was called wrongly, as the tools that have subcommands say it.
    Misused { usage: String, program: String, message: String },
}

impl From<ClientError> for Stop {
    fn from(error: ClientError) -> Stop {
        Stop::Message(error.to_string())
    }
}
