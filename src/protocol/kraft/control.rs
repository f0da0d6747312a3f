//! Any control record of the metadata log.

use bytes::{BufMut, Bytes, BytesMut};

use super::control_records::*;
use crate::protocol::json::Json;
use crate::protocol::message::{Message, RecordError};
use crate::protocol::wire::WireError;

macro_rules! control_records {
    ($($variant:ident($record:ident) = $kind:literal,)*) => {
        /// A control record of the metadata log. Its key is a version (0) and a type, both `i16`.
        #[derive(Clone, Debug, PartialEq)]
        pub enum ControlRecord {
            $($variant($record),)*
        }

        impl ControlRecord {
            /// The type in the record's key.
            pub fn kind(&self) -> i16 {
                match self {
                    $(ControlRecord::$variant(_) => $kind,)*
                }
            }

            /// The record's value, in version 0 of its schema: the only one that Kafka writes.
            pub fn value(&self) -> Bytes {
                let value = match self {
                    $(ControlRecord::$variant(record) => record.encode(0),)*
                };
                value.unwrap_or_else(|error| panic!("{error}"))
            }

            /// The record's fields as Kafka's tools print them: laid out for the version that the record says it has.
            pub fn to_json(&self) -> Json {
                match self {
                    $(ControlRecord::$variant(record) => record.to_json(record.version),)*
                }
            }

            /// The record of that key and value. A type that KRaft does not have is an error.
            pub fn decode(key: &[u8], value: &[u8]) -> Result<ControlRecord, RecordError> {
                match kind_of(key)? {
                    $($kind => Ok(ControlRecord::$variant($record::decode(value, 0)?.0)),)*
                    key => Err(RecordError::UnknownKey { family: "control", key }),
                }
            }
        }
    };
}

control_records! {
    LeaderChange(LeaderChangeMessage) = 2,
    SnapshotHeader(SnapshotHeaderRecord) = 3,
    SnapshotFooter(SnapshotFooterRecord) = 4,
    KRaftVersion(KRaftVersionRecord) = 5,
    Voters(VotersRecord) = 6,
}

impl ControlRecord {
    /// The record's key.
    pub fn key(&self) -> Bytes {
        let mut key = BytesMut::with_capacity(4);
        key.put_i16(0);
        key.put_i16(self.kind());
        key.freeze()
    }
}

/// Newer key versions are read as version 0, as in Kafka.
fn kind_of(key: &[u8]) -> Result<i16, RecordError> {
    let fail = |reason| {
        let error = WireError::Malformed { field: "key".to_owned(), at: 0, reason };
        RecordError::Malformed { name: "control record", error }
    };
    match *key {
        [version, _, ..] if version & 0x80 != 0 => Err(fail("negative version")),
        [_, _, high, low, ..] => Ok(i16::from_be_bytes([high, low])),
        _ => Err(fail("ends too early")),
    }
}
