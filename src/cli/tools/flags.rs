//! Flags: their tables, and how Kafka's tools that use jopt-simple read them.

use clap::{Arg, ArgAction, Command};

use super::{KAFKA_VERSION, Output, Stop, Subcommand, Tool};

/// A flag of a tool.
pub struct Flag {
    pub long: &'static str,
    /// The letter of its short form, where it has one.
    pub short: Option<&'static str>,
    pub value: Value,
    pub help: &'static str,
    /// A call without it is refused (subcommands only).
    pub required: bool,
    /// One of those of which a call has exactly one (subcommands only).
    pub either: bool,
    /// One of those of which a call has at most one (subcommands only).
    pub exclusive: bool,
}

/// Whether a flag has a value, and what is shown in its place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Value {
    None,
    Required(&'static str),
    Optional(&'static str),
    /// One value or more (argparse4j only).
    Several(&'static str),
}

impl Flag {
    /// A flag without value.
    pub const fn switch(long: &'static str, help: &'static str) -> Flag {
        Flag { long, short: None, value: Value::None, help, required: false, either: false, exclusive: false }
    }

    /// A flag with a value.
    pub const fn value(long: &'static str, value: &'static str, help: &'static str) -> Flag {
        Flag {
            long,
            short: None,
            value: Value::Required(value),
            help,
            required: false,
            either: false,
            exclusive: false,
        }
    }

    /// A flag that may have a value.
    pub const fn optional(long: &'static str, value: &'static str, help: &'static str) -> Flag {
        Flag {
            long,
            short: None,
            value: Value::Optional(value),
            help,
            required: false,
            either: false,
            exclusive: false,
        }
    }

    /// A flag with one value or more (argparse4j only).
    pub const fn several(long: &'static str, value: &'static str, help: &'static str) -> Flag {
        Flag { long, short: None, value: Value::Several(value), help, required: false, either: false, exclusive: false }
    }

    /// The same flag with a short form.
    pub const fn short(self, short: &'static str) -> Flag {
        Flag { short: Some(short), ..self }
    }

    /// The same flag, without which a call is refused.
    pub const fn required(self) -> Flag {
        Flag { required: true, ..self }
    }

    /// The same flag as one of those of which a call has exactly one.
    pub const fn either(self) -> Flag {
        Flag { either: true, ..self }
    }

    /// The same flag as one of those of which a call has at most one.
    pub const fn exclusive(self) -> Flag {
        Flag { exclusive: true, ..self }
    }
}

/// The flags every tool of the jopt-simple kind has.
const HELP: Flag = Flag::switch("help", "Print usage information");
const VERSION: Flag = Flag::switch("version", "Print Kafka's version");

/// What a tool was called with.
#[derive(Debug)]
pub struct Arguments {
    given: Vec<(&'static str, Option<String>)>,
    is_empty: bool,
}

impl Arguments {
    /// Reads `--flag value`, `--flag=value`, and the same with one dash. What belongs to no flag is ignored, as in
    /// Kafka. The error is the message of Kafka's parser.
    pub fn parse(tool: &'static Tool, words: &[String]) -> Result<Arguments, String> {
        let mut given = Vec::new();
        let mut rest = words.iter().peekable();
        while let Some(word) = rest.next() {
            if word == "--" {
                break;
            }
            let Some(name) = word.strip_prefix('-').filter(|name| !name.is_empty()) else { continue };
            let (is_long, name) = name.strip_prefix('-').map_or((false, name), |name| (true, name));
            let (name, attached) = match name.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (name, None),
            };
            let Some(flag) = find(tool, name) else {
                let unknown: String = if is_long { name.to_owned() } else { name.chars().take(1).collect() };
                return Err(format!("{unknown} is not a recognized option"));
            };
            let value = match flag.value {
                Value::None if attached.is_some() => {
                    return Err(format!("Option {name} does not accept an argument"));
                }
                Value::None => None,
                Value::Required(_) | Value::Several(_) => match attached.or_else(|| rest.next().cloned()) {
                    Some(value) => Some(value),
                    None => return Err(format!("Option {name} requires an argument")),
                },
                Value::Optional(_) => attached.or_else(|| rest.next_if(|next| !next.starts_with('-')).cloned()),
            };
            given.push((flag.long, value));
        }
        Ok(Arguments { given, is_empty: words.is_empty() })
    }

    /// Stops when help or the version is asked for, or nothing at all is.
    pub fn help_or_version(&self, about: &str, output: &mut Output) -> Result<(), Stop> {
        if self.is_empty || self.has("help") {
            return Err(Stop::Usage(about.to_owned()));
        }
        if self.has("version") {
            output.line(KAFKA_VERSION);
            return Err(Stop::Done);
        }
        Ok(())
    }

    /// Whether the flag was given.
    pub fn has(&self, flag: &str) -> bool {
        self.given.iter().any(|(name, _)| *name == flag)
    }

    /// All its values, in the order given.
    pub fn values(&self, flag: &str) -> Vec<&str> {
        self.given.iter().filter(|(name, _)| *name == flag).filter_map(|(_, value)| value.as_deref()).collect()
    }

    /// Its only value; an error when there are several.
    pub fn value(&self, flag: &str) -> Result<Option<&str>, String> {
        match self.values(flag)[..] {
            [] => Ok(None),
            [value] => Ok(Some(value)),
            _ => Err(format!("Found multiple arguments for option {flag}, but you asked for only one")),
        }
    }

    /// Its only value as a number.
    pub fn number<T: std::str::FromStr>(&self, flag: &str) -> Result<Option<T>, String> {
        let Some(text) = self.value(flag)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| format!("Cannot parse argument '{text}' of option {flag}"))
    }

    /// All flags as they were given.
    pub fn in_order(&self) -> impl Iterator<Item = (&'static str, Option<&str>)> {
        self.given.iter().map(|(name, value)| (*name, value.as_deref()))
    }

    /// Each of these flags must be there.
    pub fn require(&self, flags: &[&str]) -> Result<(), Stop> {
        match flags.iter().find(|flag| !self.has(flag)) {
            Some(flag) => Err(Stop::Usage(format!("Missing required argument \"[{flag}]\""))),
            None => Ok(()),
        }
    }

    /// None of `others` goes with `flag`.
    pub fn refuse_with(&self, flag: &str, others: &[&str]) -> Result<(), Stop> {
        match others.iter().find(|other| self.has(flag) && self.has(other)) {
            Some(other) => Err(Stop::Usage(format!("Option \"[{flag}]\" can't be used with option \"[{other}]\""))),
            None => Ok(()),
        }
    }

    /// How many of these flags are there.
    pub fn count(&self, flags: &[&str]) -> usize {
        flags.iter().filter(|flag| self.has(flag)).count()
    }
}

fn find(tool: &'static Tool, name: &str) -> Option<&'static Flag> {
    [&HELP, &VERSION].into_iter().chain(tool.flags).find(|flag| flag.long == name || flag.short == Some(name))
}

/// The flags of a tool as text, two columns.
pub(super) fn table(tool: &Tool) -> String {
    let mut rows: Vec<(String, &str)> = tool.flags.iter().chain([&HELP, &VERSION]).map(row).collect();
    rows.sort_unstable();
    let width = rows.iter().map(|(left, _)| left.len()).max().unwrap_or(0).max("Option".len());
    let mut text = format!("{:width$}  Description\n{:width$}  -----------", "Option", "------");
    for (left, help) in rows {
        text.push_str(&format!("\n{left:width$}  {help}"));
    }
    text
}

fn row(flag: &'static Flag) -> (String, &'static str) {
    let value = match flag.value {
        Value::None => String::new(),
        Value::Required(value) | Value::Several(value) => format!(" <{value}>"),
        Value::Optional(value) => format!(" [{value}]"),
    };
    let short = flag.short.map_or(String::new(), |short| format!(", -{short}"));
    (format!("--{}{short}{value}", flag.long), flag.help)
}

/// A tool as clap knows it: for the list of commands and for completions. It does not parse.
pub(super) fn command(tool: &'static Tool) -> Command {
    let command = Command::new(tool.name).about(tool.about).args(tool.flags.iter().map(arg));
    let subcommand = |sub: &'static Subcommand| Command::new(sub.name).about(sub.about).args(sub.flags.iter().map(arg));
    command.subcommands(tool.subcommands.iter().map(subcommand))
}

fn arg(flag: &'static Flag) -> Arg {
    let arg = Arg::new(flag.long).long(flag.long).help(flag.help);
    let arg = match flag.short.and_then(|short| short.chars().next()) {
        Some(short) => arg.short(short),
        None => arg,
    };
    match flag.value {
        Value::None => arg.action(ArgAction::SetTrue),
        Value::Required(value) | Value::Several(value) => arg.action(ArgAction::Append).value_name(value),
        Value::Optional(value) => arg.action(ArgAction::Append).value_name(value).num_args(0..=1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static TOOL: Tool = Tool {
        name: "test",
        about: "",
        flags: &[
            Flag::switch("list", ""),
            Flag::value("topic", "topic", ""),
            Flag::value("partitions", "n", ""),
            Flag::optional("state", "state", ""),
        ],
        subcommands: &[],
        run: |_, _, _| Ok(()),
    };

    fn parse(line: &str) -> Result<Arguments, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Arguments::parse(&TOOL, &words)
    }

    #[test]
    fn flags_are_read_as_jopt_simple_reads_them() {
        let read = parse("--topic=a=b ignored -topic --list --state x --state --list --partitions 3").unwrap();
        assert_eq!(read.values("topic"), ["a=b", "--list"]);
        assert_eq!(read.values("state"), ["x"]);
        assert!(read.has("list") && read.has("state"));
        assert_eq!(read.number::<i32>("partitions"), Ok(Some(3)));
        assert_eq!(
            read.value("topic").unwrap_err(),
            "Found multiple arguments for option topic, but you asked for only one"
        );
        for (line, message) in [
            ("--bogus", "bogus is not a recognized option"),
            ("-xyz", "x is not a recognized option"),
            ("--topic", "Option topic requires an argument"),
            ("--list=x", "Option list does not accept an argument"),
        ] {
            assert_eq!(parse(line).unwrap_err(), message);
        }
        assert_eq!(
            parse("--partitions x").unwrap().number::<i32>("partitions").unwrap_err(),
            "Cannot parse argument 'x' of option partitions"
        );
    }
}
