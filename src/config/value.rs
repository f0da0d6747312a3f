//! Values: read from text as Kafka's `ConfigDef` reads them, with its messages, and written as it writes them.

use std::collections::HashMap;

use super::key::{ConfigKey, Default, Type, Valid};
use super::listeners::host_and_port;
use crate::types::Millis;

/// A parsed value.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    Null,
    Boolean(bool),
    Int(i32),
    Short(i16),
    Long(i64),
    Double(f64),
    List(Vec<String>),
    /// Strings, class names and passwords.
    Text(String),
}

/// Why a value is not allowed, in Kafka's words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvalidValue {
    pub key: String,
    pub message: String,
    /// A rule between several keys is broken; Kafka begins the message to a client with these words.
    pub requirement: bool,
}

/// A parsed value for every key of a table.
#[derive(Clone, Debug)]
pub struct Values(HashMap<&'static str, Value>);

/// What a typed field can be made of. The tables pair keys and fields, so the wrong type is our mistake.
pub trait FromValue: Sized {
    /// The value as this type.
    fn from_value(value: &Value) -> Option<Self>;
}

impl InvalidValue {
    /// Kafka's form of the message.
    pub fn new(key: &str, value: &str, reason: &str) -> InvalidValue {
        InvalidValue {
            key: key.to_owned(),
            message: format!("Invalid value {value} for configuration {key}: {reason}"),
            requirement: false,
        }
    }

    /// A message that says everything itself.
    pub fn because(key: &str, message: impl Into<String>) -> InvalidValue {
        InvalidValue { key: key.to_owned(), message: message.into(), requirement: false }
    }
}

impl Values {
    /// No key at all, to be filled by [`Values::set`].
    pub fn empty() -> Values {
        Values(HashMap::new())
    }

    /// Reads every key of `keys`; `given` answers with the text of those that are set.
    pub fn parse<'a>(
        keys: &'static [ConfigKey],
        given: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<Values, InvalidValue> {
        let mut values = HashMap::with_capacity(keys.len());
        for key in keys {
            values.insert(key.name, key.parse(given(key.name))?);
        }
        Ok(Values(values))
    }

    /// The value of a key of the table.
    pub fn of(&self, key: &str) -> &Value {
        self.0.get(key).unwrap_or(&Value::Null)
    }

    /// The value of a key of the table as a field has it.
    pub fn get<T: FromValue>(&self, key: &str) -> T {
        let value = self.of(key);
        T::from_value(value).unwrap_or_else(|| panic!("{key} is {value:?}, which does not fit its field"))
    }

    /// Puts another value in place.
    pub fn set(&mut self, key: &'static str, value: Value) {
        self.0.insert(key, value);
    }
}

impl ConfigKey {
    /// Reads and checks a value; `None` takes the default.
    pub fn parse(&self, given: Option<&str>) -> Result<Value, InvalidValue> {
        let mut value = match (given, self.default) {
            (Some(text), _) => self.read(text)?,
            (None, Default::Is(text)) => self.read(text)?,
            (None, Default::Null) => Value::Null,
            (None, Default::Required) => {
                let message = format!("Missing required configuration \"{}\" which has no default value.", self.name);
                return Err(InvalidValue::because(self.name, message));
            }
        };
        if let (Value::List(entries), Valid::ListOf(_) | Valid::SomeOf(_) | Valid::Unique { .. }) =
            (&mut value, self.valid)
        {
            let mut seen = Vec::with_capacity(entries.len());
            entries.retain(|entry| {
                !seen.contains(entry) && {
                    seen.push(entry.clone());
                    true
                }
            });
        }
        self.check(&value)?;
        Ok(value)
    }

    fn read(&self, text: &str) -> Result<Value, InvalidValue> {
        let trimmed = text.trim();
        let not_a_number = |kind| InvalidValue::new(self.name, text, &format!("Not a number of type {kind}"));
        Ok(match self.kind {
            Type::Boolean if trimmed.eq_ignore_ascii_case("true") => Value::Boolean(true),
            Type::Boolean if trimmed.eq_ignore_ascii_case("false") => Value::Boolean(false),
            Type::Boolean => {
                return Err(InvalidValue::new(self.name, text, "Expected value to be either true or false"));
            }
            Type::Int => Value::Int(trimmed.parse().map_err(|_| not_a_number("INT"))?),
            Type::Short => Value::Short(trimmed.parse().map_err(|_| not_a_number("SHORT"))?),
            Type::Long => Value::Long(trimmed.parse().map_err(|_| not_a_number("LONG"))?),
            Type::Double => Value::Double(trimmed.parse().map_err(|_| not_a_number("DOUBLE"))?),
            Type::List => Value::List(split_list(trimmed)),
            Type::String | Type::Class | Type::Password => Value::Text(trimmed.to_owned()),
        })
    }

    fn check(&self, value: &Value) -> Result<(), InvalidValue> {
        let invalid = |reason: &str| Err(InvalidValue::new(self.name, &value.shown(), reason));
        match self.valid {
            Valid::Any => Ok(()),
            Valid::AtLeast(_) | Valid::Between(_, _) | Valid::GzipLevel => match self.out_of_range(value) {
                Some(reason) => invalid(&reason),
                None => Ok(()),
            },
            Valid::OneOf(allowed) => match value {
                Value::Text(text) if allowed.contains(&text.as_str()) => Ok(()),
                _ => invalid(&format!("String must be one of: {}", allowed.join(", "))),
            },
            Valid::OneOfNoCase(allowed) => match value {
                Value::Text(text) if allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(text)) => Ok(()),
                _ => invalid(&format!("String must be one of (case insensitive): {}", allowed.join(", "))),
            },
            Valid::ListOf(allowed) => self.check_list(value, allowed, true, false),
            Valid::SomeOf(allowed) => self.check_list(value, allowed, false, false),
            Valid::Unique { empty, null } => self.check_list(value, &[], empty, null),
            Valid::NonEmpty if *value == Value::Text(String::new()) => invalid("String must be non-empty"),
            Valid::NonNull if *value == Value::Null => invalid("entry must be non null"),
            Valid::NonEmpty | Valid::NonNull => Ok(()),
            Valid::QuorumVoters => check_entries(self.name, value, voter),
            Valid::BootstrapServers => check_entries(self.name, value, bootstrap_server),
            Valid::ThrottledReplicas if !throttled_replicas(value) => invalid(&format!(
                "{} must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
                self.name
            )),
            Valid::ThrottledReplicas => Ok(()),
            Valid::AutoOffsetReset => match value {
                Value::Text(text) if AutoOffsetReset::parse(text).is_some() => Ok(()),
                _ => invalid(&format!(
                    "Invalid value `{}` for configuration {}. The value must be either 'earliest', 'latest' or of the \
                     format 'by_duration:<PnDTnHnMn.nS>'.",
                    value.text().unwrap_or_default(),
                    self.name
                )),
            },
        }
    }

    fn out_of_range(&self, value: &Value) -> Option<String> {
        let Some(number) = value.number() else { return Some("Value must be non-null".to_owned()) };
        match self.valid {
            Valid::AtLeast(low) | Valid::Between(low, _) if number < low as f64 => {
                Some(format!("Value must be at least {low}"))
            }
            Valid::Between(_, high) if number > high as f64 => Some(format!("Value must be no more than {high}")),
            Valid::GzipLevel if number > 9.0 || number < 1.0 && number != -1.0 => {
                Some("Value must be between 1 and 9 or equal to -1".to_owned())
            }
            _ => None,
        }
    }

    fn check_list(&self, value: &Value, allowed: &[&str], empty: bool, null: bool) -> Result<(), InvalidValue> {
        let name = self.name;
        let because = |message: String| Err(InvalidValue::because(name, message));
        let Value::List(entries) = value else {
            return if null { Ok(()) } else { because(format!("Configuration '{name}' values must not be null.")) };
        };
        if !empty && entries.is_empty() {
            let any = if allowed.is_empty() { "any non-empty value".to_owned() } else { self.valid.to_string() };
            return because(format!("Configuration '{name}' must not be empty. Valid values include: {any}"));
        }
        for entry in entries {
            if entry.is_empty() {
                return because(format!("Configuration '{name}' values must not be empty."));
            }
            if !allowed.is_empty() && !allowed.contains(&entry.as_str()) {
                let reason = format!("String must be one of: {}", allowed.join(", "));
                return Err(InvalidValue::new(name, entry, &reason));
            }
        }
        Ok(())
    }
}

impl Value {
    /// The text of DescribeConfigs: `None` for null.
    pub fn text(&self) -> Option<String> {
        match self {
            Value::Null => None,
            Value::Boolean(value) => Some(value.to_string()),
            Value::Int(value) => Some(value.to_string()),
            Value::Short(value) => Some(value.to_string()),
            Value::Long(value) => Some(value.to_string()),
            Value::Double(value) => Some(java_double(*value)),
            Value::List(entries) => Some(entries.join(",")),
            Value::Text(text) => Some(text.clone()),
        }
    }

    /// The text of Kafka's messages: what Java's `toString` gives.
    fn shown(&self) -> String {
        match self {
            Value::List(entries) => format!("[{}]", entries.join(", ")),
            value => value.text().unwrap_or_else(|| "null".to_owned()),
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Value::Int(value) => Some(f64::from(*value)),
            Value::Short(value) => Some(f64::from(*value)),
            Value::Long(value) => Some(*value as f64),
            Value::Double(value) => Some(*value),
            Value::Null | Value::Boolean(_) | Value::List(_) | Value::Text(_) => None,
        }
    }
}

macro_rules! from_value {
    ($($variant:ident => $type:ty),*) => {$(
        impl FromValue for $type {
            fn from_value(value: &Value) -> Option<$type> {
                match value {
                    Value::$variant(value) => Some(value.clone()),
                    _ => None,
                }
            }
        }
    )*};
}
from_value!(Boolean => bool, Int => i32, Short => i16, Long => i64, Double => f64, List => Vec<String>, Text => String);

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Option<Option<T>> {
        if *value == Value::Null { Some(None) } else { T::from_value(value).map(Some) }
    }
}

/// The entries of a comma-separated list, without the blanks around the commas.
pub fn split_list(text: &str) -> Vec<String> {
    let text = text.trim();
    if text.is_empty() { Vec::new() } else { text.split(',').map(|entry| entry.trim().to_owned()).collect() }
}

/// A voter of `controller.quorum.voters`: its id, host and port.
pub fn voter(key: &str, entry: &str) -> Result<(i32, String, u16), String> {
    let form = "Each entry should be in the form `{id}@{host}:{port}`.";
    let Some((id, address)) = entry.split_once('@').filter(|(_, address)| !address.contains('@')) else {
        return Err(format!("Invalid configuration value for {key}. {form}"));
    };
    let id = id.parse().map_err(|_| format!("Failed to parse voter ID as an integer from {id}"))?;
    match host_and_port(address) {
        Some((host, port)) => Ok((id, host, port)),
        None => Err(format!("Failed to parse host name from entry {entry} for the configuration {key}. {form}")),
    }
}

/// An address of `controller.quorum.bootstrap.servers`: its host and port.
pub fn bootstrap_server(key: &str, entry: &str) -> Result<(String, u16), String> {
    host_and_port(entry).ok_or_else(|| {
        format!(
            "Failed to parse host name from {entry} for the configuration {key}. Each entry should be in the form \"{{host}}:{{port}}\""
        )
    })
}

fn check_entries<T>(
    key: &str,
    value: &Value,
    parse: impl Fn(&str, &str) -> Result<T, String>,
) -> Result<(), InvalidValue> {
    let Value::List(entries) = value else { return Err(InvalidValue::new(key, "null", "entry must be non null")) };
    for entry in entries {
        parse(key, entry).map_err(|message| InvalidValue::because(key, message))?;
    }
    Ok(())
}

fn throttled_replicas(value: &Value) -> bool {
    let Value::List(entries) = value else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let pair =
        |entry: &String| entry.split_once(':').is_some_and(|(partition, broker)| digits(partition) && digits(broker));
    entries.is_empty() || *entries == ["*"] || entries.iter().all(pair)
}

/// Where a share group begins in a partition that it has not read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AutoOffsetReset {
    Latest,
    Earliest,
    /// With the records of so long ago.
    ByDuration(Millis),
}

impl AutoOffsetReset {
    fn parse(text: &str) -> Option<AutoOffsetReset> {
        match text.to_ascii_lowercase().as_str() {
            "latest" => Some(AutoOffsetReset::Latest),
            "earliest" => Some(AutoOffsetReset::Earliest),
            _ => {
                let (head, duration) = text.split_at_checked("by_duration:".len())?;
                let duration = head.eq_ignore_ascii_case("by_duration:").then(|| iso_duration(duration))??;
                Some(AutoOffsetReset::ByDuration(duration))
            }
        }
    }
}

impl FromValue for AutoOffsetReset {
    fn from_value(value: &Value) -> Option<AutoOffsetReset> {
        AutoOffsetReset::parse(&String::from_value(value)?)
    }
}

/// An ISO 8601 duration of days and smaller that is not negative, as Java's `Duration` reads it.
fn iso_duration(text: &str) -> Option<Millis> {
    let upper = text.to_ascii_uppercase();
    let body = upper.strip_prefix('P')?;
    let (days, time) = match body.split_once('T') {
        Some((days, time)) => (days, Some(time)),
        None => (body, None),
    };
    if time == Some("") || (days.is_empty() && time.is_none()) {
        return None;
    }
    let units = |number: &str, millis: i64| number.parse::<u32>().ok().map(|number| i64::from(number) * millis);
    let mut millis = match days {
        "" => 0,
        _ => units(days.strip_suffix('D')?, 86_400_000)?,
    };
    let mut time = time.unwrap_or_default();
    for (unit, length) in [('H', 3_600_000), ('M', 60_000)] {
        if let Some((number, rest)) = time.split_once(unit) {
            millis += units(number, length)?;
            time = rest;
        }
    }
    if !time.is_empty() {
        let seconds = time.strip_suffix('S')?.parse::<f64>().ok().filter(|seconds| (0.0..1e15).contains(seconds))?;
        millis += (seconds * 1000.0) as i64;
    }
    Some(Millis(millis))
}

/// A double as Java's `Double.toString` writes it.
fn java_double(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || (1e-3..1e7).contains(&size) || !value.is_finite() {
        return format!("{value:?}");
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let point = if digits.contains('.') { "" } else { ".0" };
    format!("{digits}{point}E{exponent}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_written_as_java_does() {
        for (value, text) in [
            (0.5, "0.5"),
            (0.05, "0.05"),
            (1.0, "1.0"),
            (f64::MAX, "1.7976931348623157E308"),
            (1e7, "1.0E7"),
            (1e-4, "1.0E-4"),
            (123456.789, "123456.789"),
        ] {
            assert_eq!(java_double(value), text);
        }
    }

    #[test]
    fn offset_resets_take_iso_durations() {
        for (text, valid) in [
            ("latest", true),
            ("EARLIEST", true),
            ("by_duration:P1D", true),
            ("by_duration:P2DT3H4M", true),
            ("by_duration:PT1.5S", true),
            ("by_duration:P", false),
            ("by_duration:PT", false),
            ("by_duration:-PT1S", false),
            ("by_duration:1h", false),
            ("none", false),
        ] {
            assert_eq!(AutoOffsetReset::parse(text).is_some(), valid, "{text}");
        }
        let ago = |text| AutoOffsetReset::parse(text);
        assert_eq!(ago("by_duration:P1DT1H1M1.5S"), Some(AutoOffsetReset::ByDuration(Millis(90_061_500))));
    }

    #[test]
    fn throttled_replicas_are_pairs_or_a_star() {
        for (text, valid) in
            [("", true), ("*", true), ("0:1,1:2", true), ("0:1,*", false), ("a:1", false), ("1", false)]
        {
            assert_eq!(throttled_replicas(&Value::List(split_list(text))), valid, "{text}");
        }
    }
}
