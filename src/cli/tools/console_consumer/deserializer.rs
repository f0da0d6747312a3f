//! Kafka's deserializers, as far as they make text of bytes.

use crate::cli::tools::log_line::log_line;
use crate::protocol::json::java_double;

const PACKAGE: &str = "org.apache.kafka.common.serialization.";

/// How the bytes of a key, a value or a header become text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Deserializer {
    String,
    Boolean,
    Short,
    Integer,
    Long,
    Float,
    Double,
    Uuid,
}

impl Deserializer {
    /// The one of that class. Of another, Kafka's tool prints the bytes as they are, and so does this one.
    pub(super) fn of_class(class: &str) -> Option<Deserializer> {
        let found = class.strip_prefix(PACKAGE).and_then(|name| match name {
            "StringDeserializer" => Some(Deserializer::String),
            "BooleanDeserializer" => Some(Deserializer::Boolean),
            "ShortDeserializer" => Some(Deserializer::Short),
            "IntegerDeserializer" => Some(Deserializer::Integer),
            "LongDeserializer" => Some(Deserializer::Long),
            "FloatDeserializer" => Some(Deserializer::Float),
            "DoubleDeserializer" => Some(Deserializer::Double),
            "UUIDDeserializer" => Some(Deserializer::Uuid),
            _ => None,
        });
        if found.is_none() {
            log_line(
                "ERROR",
                &format!("Unable to instantiate a deserializer from {class}"),
                "org.apache.kafka.tools.consumer.DefaultMessageFormatter",
            );
        }
        found
    }

    /// The text, or Kafka's complaint about the bytes.
    pub(super) fn text(self, bytes: &[u8]) -> Result<String, String> {
        let wrong = |name: &str| format!("Size of data received by {name}Deserializer is not {}", self.size());
        match self {
            Deserializer::String => Ok(String::from_utf8_lossy(bytes).into_owned()),
            Deserializer::Uuid => uuid::Uuid::parse_str(&String::from_utf8_lossy(bytes))
                .map(|id| id.to_string())
                .map_err(|_| "Error parsing data into UUID".to_owned()),
            Deserializer::Boolean => match bytes {
                [0] => Ok("false".to_owned()),
                [1] => Ok("true".to_owned()),
                [other] => Err(format!("Unexpected byte received by BooleanDeserializer: {}", *other as i8)),
                _ => Err(wrong("Boolean")),
            },
            Deserializer::Short => {
                array(bytes).map(|b| i16::from_be_bytes(b).to_string()).ok_or_else(|| wrong("Short"))
            }
            Deserializer::Integer => {
                array(bytes).map(|b| i32::from_be_bytes(b).to_string()).ok_or_else(|| wrong("Integer"))
            }
            Deserializer::Long => array(bytes).map(|b| i64::from_be_bytes(b).to_string()).ok_or_else(|| wrong("Long")),
            Deserializer::Float => {
                let text = |b| java_double(f64::from(f32::from_be_bytes(b)));
                array(bytes).map(text).ok_or_else(|| wrong("Float"))
            }
            Deserializer::Double => {
                array(bytes).map(|b| java_double(f64::from_be_bytes(b))).ok_or_else(|| wrong("Double"))
            }
        }
    }

    fn size(self) -> usize {
        match self {
            Deserializer::Boolean => 1,
            Deserializer::Short => 2,
            Deserializer::Integer | Deserializer::Float => 4,
            Deserializer::String | Deserializer::Long | Deserializer::Double | Deserializer::Uuid => 8,
        }
    }
}

fn array<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}
