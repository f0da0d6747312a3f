//! How Kafka's tools that use argparse4j read their arguments: subcommands, required flags, flags that exclude others.

use super::flags::Value;
use super::{Flag, KAFKA_VERSION, Output, Stop, Subcommand, Tool};

/// The flag that ends a call with Kafka's version.
const VERSION: &str = "version";

/// A value that is shown as Kafka names it.
pub const HOST_AND_PORT: &str = "host:port";

/// The only tool that Kafka calls by the name of its script, and whose subcommands have a name together.
const CALLED_BY_SCRIPT: &str = "transactions";

/// What a tool was called with.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The name of the subcommand.
    pub command: &'static str,
    given: Vec<(&'static str, String)>,
}

impl Parsed {
    /// Whether the flag was given.
    pub fn has(&self, flag: &str) -> bool {
        self.given.iter().any(|(name, _)| *name == flag)
    }

    /// All its values.
    pub fn values(&self, flag: &str) -> Vec<&str> {
        self.given.iter().filter(|(name, _)| *name == flag).map(|(_, value)| value.as_str()).collect()
    }

    /// Its last value.
    pub fn value(&self, flag: &str) -> Option<&str> {
        self.given.iter().rev().find(|(name, _)| *name == flag).map(|(_, value)| value.as_str())
    }
}

/// Reads the arguments; `help_code` tells whether the tool fails when it is asked for help.
pub fn parse(tool: &'static Tool, words: &[String], help: Stop, output: &mut Output) -> Result<Parsed, Stop> {
    let mut parsed = Parsed::default();
    let mut scope = Scope { tool, subcommand: None };
    let mut strangers = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        if matches!(word.as_str(), "-h" | "--help") {
            output.line(scope.help());
            return Err(help);
        }
        let is_version = |flag: &Flag| flag.long == VERSION && is_name(flag, word);
        if tool.flags.iter().any(is_version) {
            output.line(KAFKA_VERSION);
            return Err(Stop::Done);
        }
        if !word.starts_with('-') {
            match scope.subcommand {
                None if !tool.subcommands.is_empty() => {
                    let found = tool.subcommands.iter().find(|sub| sub.name == word);
                    scope.subcommand = Some(found.ok_or_else(|| scope.invalid_choice(word))?);
                }
                _ => strangers.push(word),
            }
            continue;
        }
        let (name, attached) = match word.split_once('=') {
            Some((name, value)) if word.starts_with("--") => (name, Some(value.to_owned())),
            _ => (word.as_str(), None),
        };
        let Some(flag) = scope.find(name)? else {
            strangers.push(word);
            continue;
        };
        scope.refuse_other_of_group(flag, &parsed)?;
        let value = match flag.value {
            Value::None => String::new(),
            Value::Required(_) | Value::Optional(_) | Value::Several(_) => attached
                .or_else(|| rest.next().cloned())
                .ok_or_else(|| scope.error(&format!("argument {}: expected one argument", names(flag))))?,
        };
        parsed.given.push((flag.long, value));
        while let (Value::Several(_), Some(next)) = (flag.value, rest.as_slice().first()) {
            if next.starts_with('-') {
                break;
            }
            parsed.given.push((flag.long, next.clone()));
            rest.next();
        }
    }
    if scope.subcommand.is_none() && !tool.subcommands.is_empty() {
        return Err(match strangers[..] {
            [] => scope.error("too few arguments"),
            [first, ..] => scope.error(&format!("unrecognized arguments: '{first}'")),
        });
    }
    parsed.command = scope.subcommand.map_or("", |sub| sub.name);
    scope.check_required(&parsed)?;
    match strangers[..] {
        [] => Ok(parsed),
        [first, ..] => Err(scope.error(&format!("unrecognized arguments: '{first}'"))),
    }
}

/// The complaint of a tool without subcommands about its arguments.
pub fn error(tool: &'static Tool, message: &str) -> Stop {
    Scope { tool, subcommand: None }.error(message)
}

/// A number that an argument is, or the message of the parser.
pub fn number(tool: &'static Tool, parsed: &Parsed, flag: &str) -> Result<Option<i32>, Stop> {
    convert(tool, parsed, flag, "Integer")
}

/// A number that an argument is, or the message of the parser, which names the type in Java.
pub fn convert<T: std::str::FromStr>(
    tool: &'static Tool,
    parsed: &Parsed,
    flag: &str,
    name: &str,
) -> Result<Option<T>, Stop> {
    let Some(text) = parsed.value(flag) else { return Ok(None) };
    let scope = Scope { tool, subcommand: tool.subcommands.iter().find(|sub| sub.name == parsed.command) };
    text.parse().map(Some).map_err(|_| {
        let names = scope.flags().find(|found| found.long == flag).map_or(flag.to_owned(), names);
        scope.error(&format!("argument {names}: could not convert '{text}' to {name} (For input string: \"{text}\")"))
    })
}

/// The part of a tool that the words read so far have led to.
struct Scope {
    tool: &'static Tool,
    subcommand: Option<&'static Subcommand>,
}

impl Scope {
    fn flags(&self) -> impl Iterator<Item = &'static Flag> {
        match self.subcommand {
            Some(subcommand) => subcommand.flags.iter(),
            None => self.tool.flags.iter(),
        }
    }

    /// The flag of that name, or the only one whose name begins so.
    fn find(&self, name: &str) -> Result<Option<&'static Flag>, Stop> {
        let Some(long) = name.strip_prefix("--") else {
            return Ok(self.flags().find(|flag| flag.short.is_some_and(|short| name[1..] == *short)));
        };
        if let Some(flag) = self.flags().find(|flag| flag.long == long) {
            return Ok(Some(flag));
        }
        let begins: Vec<&Flag> = self.flags().filter(|flag| flag.long.starts_with(long)).collect();
        match begins[..] {
            [] => Ok(None),
            [flag] => Ok(Some(flag)),
            _ => {
                let mut names: Vec<String> = begins.iter().map(|flag| format!("--{}", flag.long)).collect();
                names.sort_unstable();
                Err(self.error(&format!("ambiguous option: {name} could match {}", names.join(", "))))
            }
        }
    }

    fn refuse_other_of_group(&self, flag: &Flag, parsed: &Parsed) -> Result<(), Stop> {
        let is_rival = |other: &Flag| flag.either && other.either || flag.exclusive && other.exclusive;
        match self.flags().find(|other| is_rival(other) && other.long != flag.long && parsed.has(other.long)) {
            Some(other) => {
                let names = (names(flag), names(other));
                Err(self.error(&format!("argument {}: not allowed with argument {}", names.0, names.1)))
            }
            None => Ok(()),
        }
    }

    fn check_required(&self, parsed: &Parsed) -> Result<(), Stop> {
        let all = || self.tool.flags.iter().chain(self.subcommand.into_iter().flat_map(|sub| sub.flags));
        if let Some(missing) = all().find(|flag| flag.required && !parsed.has(flag.long)) {
            // The complaint comes from the parser that has the flag.
            let of_tool = self.tool.flags.iter().any(|flag| flag.long == missing.long);
            let scope = Scope { tool: self.tool, subcommand: self.subcommand.filter(|_| !of_tool) };
            return Err(scope.error(&format!("argument {} is required", names(missing))));
        }
        let group: Vec<&Flag> = all().filter(|flag| flag.either).collect();
        if !group.is_empty() && !group.iter().any(|flag| parsed.has(flag.long)) {
            let names: Vec<String> = group.into_iter().map(names).collect();
            // The complaint comes from the parser that has the group.
            let tool_has_it = self.tool.flags.iter().any(|flag| flag.either);
            let scope = Scope { tool: self.tool, subcommand: self.subcommand.filter(|_| !tool_has_it) };
            return Err(scope.error(&format!("one of the arguments {} is required", names.join(" "))));
        }
        Ok(())
    }

    fn invalid_choice(&self, word: &str) -> Stop {
        let names: Vec<String> = self.tool.subcommands.iter().map(|sub| format!("'{}'", sub.name)).collect();
        self.error(&format!("invalid choice: '{word}' (choose from {})", names.join(", ")))
    }

    fn error(&self, message: &str) -> Stop {
        Stop::Misused { usage: self.usage(), program: self.program(), message: message.to_owned() }
    }

    fn program(&self) -> String {
        let suffix = if self.tool.name == CALLED_BY_SCRIPT { ".sh" } else { "" };
        format!("kafka-{}{suffix}", self.tool.name)
    }

    fn usage(&self) -> String {
        let mut usage = format!("usage: {}", self.program());
        let either = |flags: &mut dyn Iterator<Item = &Flag>| {
            let group: Vec<String> = flags.filter(|flag| flag.either).map(shown).collect();
            if group.is_empty() { String::new() } else { format!(" ({})", group.join(" | ")) }
        };
        if let Some(subcommand) = self.subcommand {
            for flag in self.tool.flags.iter().filter(|flag| flag.required) {
                usage.push_str(&format!(" {}", shown(flag)));
            }
            usage.push_str(&format!("{} {}", either(&mut self.tool.flags.iter()), subcommand.name));
        }
        usage.push_str(" [-h]");
        for flag in self.flags().filter(|flag| !flag.either && !flag.exclusive) {
            match flag.required {
                true => usage.push_str(&format!(" {}", shown(flag))),
                false => usage.push_str(&format!(" [{}]", shown(flag))),
            }
        }
        usage.push_str(&either(&mut self.flags()));
        let exclusive: Vec<String> = self.flags().filter(|flag| flag.exclusive).map(shown).collect();
        if !exclusive.is_empty() {
            usage.push_str(&format!(" [{}]", exclusive.join(" | ")));
        }
        if self.subcommand.is_none() && !self.tool.subcommands.is_empty() {
            let names: Vec<&str> = self.tool.subcommands.iter().map(|sub| sub.name).collect();
            usage.push_str(&match self.tool.name {
                CALLED_BY_SCRIPT => " COMMAND ...".to_owned(),
                _ => format!(" {{{}}} ...", names.join(",")),
            });
        }
        usage
    }

    fn help(&self) -> String {
        let about = self.subcommand.map_or(self.tool.about, |sub| sub.about);
        let mut text = format!("{}\n\n{about}\n", self.usage());
        for flag in self.flags() {
            text.push_str(&format!("\n  {:32} {}", names(flag), flag.help));
        }
        if self.subcommand.is_none() {
            for sub in self.tool.subcommands {
                text.push_str(&format!("\n  {:32} {}", sub.name, sub.about));
            }
        }
        text
    }
}

/// A flag as a usage shows it.
fn shown(flag: &Flag) -> String {
    match flag.value {
        // The only flag that Kafka declares by its short form first.
        Value::None if flag.long == VERSION => "-v".to_owned(),
        Value::None => format!("--{}", flag.long),
        Value::Several(value) => format!("--{} {value} [{value} ...]", flag.long),
        // Kafka names the value of some flags; of the others the parser makes a name from the flag's.
        Value::Required(value) | Value::Optional(value) if value == value.to_uppercase() || value == HOST_AND_PORT => {
            format!("--{} {value}", flag.long)
        }
        Value::Required(_) | Value::Optional(_) => {
            format!("--{} {}", flag.long, flag.long.replace('-', "_").to_uppercase())
        }
    }
}

fn is_name(flag: &Flag, word: &str) -> bool {
    word.strip_prefix("--") == Some(flag.long) || flag.short.is_some_and(|short| word.strip_prefix('-') == Some(short))
}

fn names(flag: &Flag) -> String {
    match flag.short {
        Some(short) => format!("--{}/-{short}", flag.long),
        None => format!("--{}", flag.long),
    }
}
