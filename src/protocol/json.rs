//! The JSON in which Kafka's tools print a record: fields in the order of the schema, bytes as base64.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

/// A JSON value. Objects keep the order in which their fields were added.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// Printed as base64 with padding.
    Bytes(Bytes),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// An object of these fields.
    pub fn object<const N: usize>(fields: [(&str, Json); N]) -> Json {
        Json::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// The field of that name, if this is an object and has it.
    pub fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(fields) => fields.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The field of that name, to be replaced.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Json> {
        match self {
            Json::Object(fields) => fields.iter_mut().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }
}

/// Compact: no space between anything.
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => f.write_str("null"),
            Json::Bool(value) => write!(f, "{value}"),
            Json::Int(value) => write!(f, "{value}"),
            Json::Float(value) => f.write_str(&java_double(*value)),
            Json::Text(text) => write_text(f, text),
            Json::Bytes(bytes) => write!(f, "\"{}\"", STANDARD.encode(bytes)),
            Json::List(values) => {
                f.write_str("[")?;
                for (at, value) in values.iter().enumerate() {
                    if at > 0 {
                        f.write_str(",")?;
                    }
                    write!(f, "{value}")?;
                }
                f.write_str("]")
            }
            Json::Object(fields) => {
                f.write_str("{")?;
                for (at, (name, value)) in fields.iter().enumerate() {
                    if at > 0 {
                        f.write_str(",")?;
                    }
                    write_text(f, name)?;
                    write!(f, ":{value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escaped = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..0x20 => "",
            _ => continue,
        };
        f.write_str(&text[plain..at])?;
        match escaped {
            "" => write!(f, "\\u{byte:04X}")?,
            known => f.write_str(known)?,
        }
        plain = at + 1;
    }
    f.write_str(&text[plain..])?;
    f.write_str("\"")
}

/// A number as Java's `Double.toString` writes it: at least one digit on either side of the point, and an exponent below
/// 10⁻³ and from 10⁷ on.
pub fn java_double(value: f64) -> String {
    if value.is_nan() || value.is_infinite() {
        let sign = if value < 0.0 { "-" } else { "" };
        return if value.is_nan() { "NaN".to_owned() } else { format!("{sign}Infinity") };
    }
    if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
        return format!("{value:?}");
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if digits.contains('.') => format!("{digits}E{exponent}"),
        Some((digits, exponent)) => format!("{digits}.0E{exponent}"),
        None => text,
    }
}

/// A field's name in a schema, from its name in Rust: `topic_id` is `topicId`.
pub fn field_name(name: &str) -> String {
    let mut words = name.split('_');
    let mut joined = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        joined.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        joined.push_str(letters.as_str());
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_printed_as_java_prints_them() {
        let value = Json::object([
            ("n", Json::Null),
            ("b", Json::Bytes(Bytes::from_static(b"abcd"))),
            ("t", Json::Text("a\"\\\n\u{1f}é".to_owned())),
            ("l", Json::List(vec![Json::Int(-1), Json::Bool(true)])),
        ]);
        assert_eq!(value.to_string(), r#"{"n":null,"b":"YWJjZA==","t":"a\"\\\n\u001Fé","l":[-1,true]}"#);
        for (number, text) in [
            (1048576.0, "1048576.0"),
            (1e7, "1.0E7"),
            (12345678.5, "1.23456785E7"),
            (0.001, "0.001"),
            (0.00012, "1.2E-4"),
            (0.0, "0.0"),
            (-1.5, "-1.5"),
            (f64::INFINITY, "Infinity"),
        ] {
            assert_eq!(java_double(number), text);
        }
        assert_eq!(field_name("transaction_last_update_timestamp_ms"), "transactionLastUpdateTimestampMs");
        assert_eq!(field_name("k_raft_version"), "kRaftVersion");
    }
}
