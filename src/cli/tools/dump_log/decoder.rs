//! What the keys and values of a log mean.

use crate::protocol::internal::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, GroupRecord, ShareStateRecord, TransactionRecord,
};
use crate::protocol::json::Json;
use crate::protocol::kraft::MetadataRecord;
use crate::protocol::message::{Message, RecordError};

/// How to print keys and values.
pub(super) enum Decoder {
    Text,
    /// Those of `__consumer_offsets`.
    Offsets,
    /// Those of `__transaction_state`.
    Transactions,
    /// Those of `__cluster_metadata`.
    ClusterMetadata,
    /// Those of `__share_group_state`.
    ShareState,
}

/// A key and a value to print, where there is one.
type Printed = (Option<String>, Option<String>);

impl Decoder {
    /// The key and the value of the record at `offset`. What cannot be decoded is said in their place.
    pub(super) fn decode(&self, offset: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Printed, String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match self {
            Decoder::Text => Ok((key.map(text), value.map(text))),
            Decoder::ClusterMetadata => Ok((None, Some(metadata(offset, value)))),
            Decoder::Offsets | Decoder::Transactions | Decoder::ShareState => {
                let key = key.ok_or_else(|| {
                    format!(
                        "Failed to decode message at offset {offset} using the specified decoder (message had a \
                         missing key)"
                    )
                })?;
                Ok(self.coordinator(offset, key, value))
            }
        }
    }

    fn coordinator(&self, offset: i64, key: &[u8], value: Option<&[u8]>) -> Printed {
        match self.coordinator_json(key, value) {
            Ok((kind, key, value)) => {
                let key = Json::object([("type", Json::Text(kind.to_string())), ("data", key)]);
                let value = value.map(|(version, data)| {
                    Json::object([("version", Json::Text(version.to_string())), ("data", data)]).to_string()
                });
                (Some(key.to_string()), Some(value.unwrap_or_else(|| "<DELETE>".to_owned())))
            }
            Err(RecordError::UnknownKey { key, .. }) => {
                (Some(format!("Unknown record type {key} at offset {offset}, skipping.")), None)
            }
            Err(error) => (Some(format!("Error at offset {offset}, skipping. {error}")), None),
        }
    }

    /// The type, the key, and the value with its version.
    fn coordinator_json(&self, key: &[u8], value: Option<&[u8]>) -> Result<CoordinatorJson, RecordError> {
        match self {
            Decoder::Transactions => {
                let (record, version) = TransactionRecord::decode_versioned(key, value)?;
                let value = version.and_then(|version| Some((version, record.value_json(version)?)));
                Ok((record.kind(), record.key_json(), value))
            }
            Decoder::ShareState => {
                let (record, version) = ShareStateRecord::decode_versioned(key, value)?;
                let value = version.and_then(|version| Some((version, record.value_json(version)?)));
                Ok((record.kind(), record.key_json(), value))
            }
            _ => {
                let (record, version) = GroupRecord::decode_versioned(key, value)?;
                let mut value = version.and_then(|version| Some((version, record.value_json(version)?)));
                if let (GroupRecord::GroupMetadata(..), Some((_, value))) = (&record, &mut value) {
                    decode_members(value);
                }
                Ok((record.kind(), record.key_json(), value))
            }
        }
    }
}

type CoordinatorJson = (i16, Json, Option<(i16, Json)>);

fn metadata(offset: i64, value: Option<&[u8]>) -> String {
    match MetadataRecord::decode(value.unwrap_or_default()) {
        Ok((record, version)) => {
            let name = Json::Text(upper_snake_case(record.name()));
            let data = record.to_json(version);
            Json::object([("type", name), ("version", Json::Int(version.into())), ("data", data)]).to_string()
        }
        Err(error) => format!("Error at {offset}, skipping. {error}"),
    }
}

/// `FeatureLevelRecord` is `FEATURE_LEVEL_RECORD`.
fn upper_snake_case(name: &str) -> String {
    let mut upper = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !upper.is_empty() {
            upper.push('_');
        }
        upper.push(letter.to_ascii_uppercase());
    }
    upper
}

/// Prints what consumers ask for and get, in place of its bytes; bytes that are neither stay.
fn decode_members(group: &mut Json) {
    if group.get("protocolType") != Some(&Json::Text("consumer".to_owned())) {
        return;
    }
    let Some(Json::List(members)) = group.get_mut("members") else { return };
    for member in members {
        replace::<ConsumerProtocolSubscription>(member.get_mut("subscription"));
        replace::<ConsumerProtocolAssignment>(member.get_mut("assignment"));
    }
}

fn replace<M: Message>(field: Option<&mut Json>) {
    if let Some(field) = field
        && let Json::Bytes(bytes) = field
        && let Ok((message, version)) = M::decode_versioned(bytes)
    {
        *field = message.to_json(version);
    }
}
