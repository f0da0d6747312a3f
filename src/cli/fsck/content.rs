//! What the records of a log must be: anything, or what a coordinator or the controller has written.

use crate::protocol::batch::{BatchHeader, RecordRef};
use crate::protocol::control::ControlType;
use crate::protocol::internal::{GroupRecord, ShareStateRecord, TransactionRecord};
use crate::protocol::kraft::{ControlRecord, MetadataRecord};
use crate::protocol::message::RecordError;
use crate::types::{METADATA_TOPIC, OFFSETS_TOPIC, SHARE_STATE_TOPIC, TRANSACTIONS_TOPIC};

/// What a log's records are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Content {
    /// Of clients: every key and value is good.
    Any,
    Groups,
    Transactions,
    ShareStates,
    Metadata,
}

/// Why a record is not what its log holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// A kind that this version does not know; brokers pass over it.
    Unknown(String),
    Undecodable(String),
}

impl Content {
    /// What the topic of that name holds.
    pub(super) fn of_topic(topic: &str) -> Content {
        match topic {
            OFFSETS_TOPIC => Content::Groups,
            TRANSACTIONS_TOPIC => Content::Transactions,
            SHARE_STATE_TOPIC => Content::ShareStates,
            METADATA_TOPIC => Content::Metadata,
            _ => Content::Any,
        }
    }

    /// Decodes a record; a record of the metadata log is handed over.
    pub(super) fn decode(self, header: &BatchHeader, record: &RecordRef<'_>) -> Result<Option<MetadataRecord>, Fault> {
        if header.is_control() {
            return self.control(record).map(|()| None);
        }
        let decoded = match self {
            Content::Any => return Ok(None),
            Content::Metadata => {
                let value = record.value.ok_or_else(|| Fault::Undecodable("it has no value".to_owned()))?;
                MetadataRecord::decode(value).map(|(record, _)| Some(record)).map_err(|error| (error, true))
            }
            Content::Groups => decode(record, |key, value| GroupRecord::decode(key, value).map(drop)),
            Content::Transactions => decode(record, |key, value| TransactionRecord::decode(key, value).map(drop)),
            Content::ShareStates => decode(record, |key, value| ShareStateRecord::decode(key, value).map(drop)),
        };
        decoded.map_err(|(error, fatal)| match error {
            RecordError::UnknownKey { .. } if !fatal => Fault::Unknown(error.to_string()),
            error => Fault::Undecodable(error.to_string()),
        })
    }

    /// Control records of topics end transactions; those of the metadata log are KRaft's.
    fn control(self, record: &RecordRef<'_>) -> Result<(), Fault> {
        let undecodable = |error: &dyn std::fmt::Display| Fault::Undecodable(format!("a control record: {error}"));
        let kind = ControlType::parse(record.key).map_err(|error| undecodable(&error))?;
        match (self, kind) {
            (_, ControlType::Unknown(id)) => Err(Fault::Unknown(format!("a control record of type {id}"))),
            (_, ControlType::Abort | ControlType::Commit) => Ok(()),
            (Content::Metadata, _) => {
                let (key, value) = (record.key.unwrap_or_default(), record.value.unwrap_or_default());
                ControlRecord::decode(key, value).map(drop).map_err(|error| undecodable(&error))
            }
            (_, kind) => {
                Err(Fault::Undecodable(format!("a control record {kind:?}, which belongs to the metadata log")))
            }
        }
    }
}

type Decoded = Result<Option<MetadataRecord>, (RecordError, bool)>;

fn decode(record: &RecordRef<'_>, as_record: impl Fn(&[u8], Option<&[u8]>) -> Result<(), RecordError>) -> Decoded {
    as_record(record.key.unwrap_or_default(), record.value).map(|()| None).map_err(|error| (error, false))
}
