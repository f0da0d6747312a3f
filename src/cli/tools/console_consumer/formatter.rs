//! How records are printed.

use std::io::{self, Write};

use super::deserializer::Deserializer;
use crate::cli::tools::log_line::log_line;
use crate::cli::tools::properties::{Properties, is_true};
use crate::client::consumer::Consumed;
use crate::protocol::batch::TimestampType;
use crate::protocol::internal::{GroupRecord, ShareStateRecord, TransactionRecord};
use crate::protocol::json::Json;
use crate::protocol::message::RecordError;

/// Kafka's formatters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Default,
    /// Prints, and logs what it prints.
    Logging,
    NoOp,
    /// Committed offsets in `__consumer_offsets`.
    Offsets,
    /// Classic groups in `__consumer_offsets`.
    GroupMetadata,
    /// `__transaction_state`
    TransactionLog,
    /// `__share_group_state`
    ShareState,
}

/// Formats records as its properties say.
pub(in crate::cli::tools) struct Formatter {
    kind: Kind,
    print_timestamp: bool,
    print_partition: bool,
    print_offset: bool,
    print_delivery: bool,
    print_epoch: bool,
    print_headers: bool,
    print_key: bool,
    print_value: bool,
    key_separator: Vec<u8>,
    line_separator: Vec<u8>,
    headers_separator: Vec<u8>,
    null_literal: Vec<u8>,
    key: Option<Deserializer>,
    value: Option<Deserializer>,
    headers: Option<Deserializer>,
}

/// Why a record was not printed.
pub(in crate::cli::tools) enum Error {
    /// Nobody reads the output any more.
    Output,
    /// The record is not what the formatter expects.
    Record(String),
}

impl From<io::Error> for Error {
    fn from(_: io::Error) -> Error {
        Error::Output
    }
}

impl Kind {
    /// The formatter of that class, the default one without.
    pub(super) fn of_class(class: Option<&str>) -> Result<Kind, String> {
        let Some(class) = class else { return Ok(Kind::Default) };
        let name = class.strip_prefix("org.apache.kafka.tools.consumer.").unwrap_or_default();
        Ok(match name {
            "DefaultMessageFormatter" => Kind::Default,
            "LoggingMessageFormatter" => Kind::Logging,
            "NoOpMessageFormatter" => Kind::NoOp,
            "OffsetsMessageFormatter" => Kind::Offsets,
            "GroupMetadataMessageFormatter" => Kind::GroupMetadata,
            "TransactionLogMessageFormatter" => Kind::TransactionLog,
            "group.share.ShareGroupStateMessageFormatter" => Kind::ShareState,
            _ => return Err(class.to_owned()),
        })
    }
}

impl Formatter {
    pub(super) fn new(kind: Kind, properties: &Properties) -> Formatter {
        let flag = |key| is_true(properties, key).unwrap_or(false);
        let bytes = |key: &str, default: &str| properties.get(key).map_or(default, String::as_str).as_bytes().to_vec();
        let deserializer = |key: &str| properties.get(key).and_then(|class| Deserializer::of_class(class));
        Formatter {
            kind,
            print_timestamp: flag("print.timestamp"),
            print_partition: flag("print.partition"),
            print_offset: flag("print.offset"),
            print_delivery: flag("print.delivery"),
            print_epoch: flag("print.epoch"),
            print_headers: flag("print.headers"),
            print_key: flag("print.key"),
            print_value: is_true(properties, "print.value").unwrap_or(true),
            key_separator: bytes("key.separator", "\t"),
            line_separator: bytes("line.separator", "\n"),
            headers_separator: bytes("headers.separator", ","),
            null_literal: bytes("null.literal", "null"),
            key: deserializer("key.deserializer"),
            value: deserializer("value.deserializer"),
            headers: deserializer("headers.deserializer"),
        }
    }

    /// Prints one record.
    pub(in crate::cli::tools) fn write(&self, record: &Consumed<'_>, out: &mut impl Write) -> Result<(), Error> {
        match self.kind {
            Kind::NoOp => Ok(()),
            Kind::Default => self.write_text(record, out),
            Kind::Logging => {
                self.write_text(record, out)?;
                log(record);
                Ok(())
            }
            _ => self.write_json(record, out),
        }
    }

    fn write_text(&self, record: &Consumed<'_>, out: &mut impl Write) -> Result<(), Error> {
        let mut columns = [
            self.print_timestamp,
            self.print_partition,
            self.print_offset,
            self.print_delivery,
            self.print_epoch,
            self.print_headers,
            self.print_key,
            self.print_value,
        ]
        .into_iter();
        // A column is followed by the separator of keys if there is another, else by that of lines.
        let mut printed =
            || columns.by_ref().next().filter(|printed| *printed).map(|_| columns.clone().any(|more| more));
        let end = |out: &mut dyn Write, more: bool| {
            out.write_all(if more { &self.key_separator } else { &self.line_separator })
        };
        if let Some(more) = printed() {
            write!(out, "{}:{}", type_of(record), record.timestamp.0)?;
            end(out, more)?;
        }
        if let Some(more) = printed() {
            write!(out, "Partition:{}", record.partition)?;
            end(out, more)?;
        }
        if let Some(more) = printed() {
            write!(out, "Offset:{}", record.offset)?;
            end(out, more)?;
        }
        if let Some(more) = printed() {
            match record.delivery_count {
                Some(count) => write!(out, "Delivery:{count}")?,
                None => out.write_all(b"Delivery:NOT_PRESENT")?,
            }
            end(out, more)?;
        }
        // Kafka's console consumers hand none to their formatters.
        if let Some(more) = printed() {
            out.write_all(b"Epoch:NOT_PRESENT")?;
            end(out, more)?;
        }
        if let Some(more) = printed() {
            self.write_headers(record, out)?;
            end(out, more)?;
        }
        if let Some(more) = printed() {
            self.write_bytes(self.key, record.key, out)?;
            end(out, more)?;
        }
        if let Some(more) = printed() {
            self.write_bytes(self.value, record.value, out)?;
            end(out, more)?;
        }
        Ok(())
    }

    fn write_headers(&self, record: &Consumed<'_>, out: &mut impl Write) -> Result<(), Error> {
        if record.headers.is_empty() {
            out.write_all(b"NO_HEADERS")?;
        }
        for (at, header) in record.headers.enumerate() {
            if at > 0 {
                out.write_all(&self.headers_separator)?;
            }
            out.write_all(header.key)?;
            out.write_all(b":")?;
            self.write_bytes(self.headers, header.value, out)?;
        }
        Ok(())
    }

    fn write_bytes(
        &self,
        deserializer: Option<Deserializer>,
        bytes: Option<&[u8]>,
        out: &mut impl Write,
    ) -> Result<(), Error> {
        let bytes = bytes.unwrap_or(&self.null_literal);
        match deserializer {
            Some(deserializer) => out.write_all(deserializer.text(bytes).map_err(Error::Record)?.as_bytes())?,
            None => out.write_all(bytes)?,
        }
        Ok(())
    }

    fn write_json(&self, record: &Consumed<'_>, out: &mut impl Write) -> Result<(), Error> {
        let Some(key) = record.key else { return Ok(()) };
        match self.json(key, record.value) {
            Ok(None) | Err(RecordError::UnknownKey { .. }) => Ok(()),
            Ok(Some(json)) => Ok(write!(out, "{json}")?),
            Err(error) => {
                Err(Error::Record(format!("Could not read record at offset {} due to: {error}", record.offset)))
            }
        }
    }

    fn json(&self, key: &[u8], value: Option<&[u8]>) -> Result<Option<Json>, RecordError> {
        let (kind, key, value) = match self.kind {
            Kind::TransactionLog => {
                let (record, version) = TransactionRecord::decode_versioned(key, value)?;
                (
                    record.kind(),
                    record.key_json(),
                    version.and_then(|version| Some((version, record.value_json(version)?))),
                )
            }
            Kind::ShareState => {
                let (record, version) = ShareStateRecord::decode_versioned(key, value)?;
                (
                    record.kind(),
                    record.key_json(),
                    version.and_then(|version| Some((version, record.value_json(version)?))),
                )
            }
            _ => {
                let (record, version) = GroupRecord::decode_versioned(key, value)?;
                let wanted = match &record {
                    GroupRecord::LegacyOffsetCommit(..) | GroupRecord::OffsetCommit(..) => self.kind == Kind::Offsets,
                    GroupRecord::GroupMetadata(..) => self.kind == Kind::GroupMetadata,
                    _ => false,
                };
                if !wanted {
                    return Ok(None);
                }
                (
                    record.kind(),
                    record.key_json(),
                    version.and_then(|version| Some((version, record.value_json(version)?))),
                )
            }
        };
        let value = value.map_or(Json::Null, |(version, data)| {
            Json::object([("version", Json::Int(version.into())), ("data", data)])
        });
        let key = Json::object([("type", Json::Int(kind.into())), ("data", key)]);
        Ok(Some(Json::object([("key", key), ("value", value)])))
    }
}

fn type_of(record: &Consumed<'_>) -> &'static str {
    match record.timestamp_type {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

fn log(record: &Consumed<'_>) {
    let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let key = text(record.key).map_or("null ".to_owned(), |key| format!("{key}, "));
    let value = text(record.value).unwrap_or_else(|| "null".to_owned());
    let message = format!("{}:{}, key:{key}value:{value}", type_of(record), record.timestamp.0);
    log_line("INFO", &message, "org.apache.kafka.tools.consumer.LoggingMessageFormatter");
}
