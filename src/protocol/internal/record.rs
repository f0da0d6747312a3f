//! Any record of a coordinator's topic.

use bytes::{BufMut, Bytes, BytesMut};

use super::{classic::*, consumer::*, share::*, streams::*, transaction::*};
use crate::protocol::json::Json;
use crate::protocol::message::{Message, RecordError};
use crate::protocol::wire::WireError;

macro_rules! coordinator_records {
    ($($(#[$meta:meta])* pub enum $enum:ident, $family:literal {
        $($variant:ident($key:ident, $value:ident) = $kind:literal,)*
    })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub enum $enum {
            $($variant($key, Option<$value>),)*
        }

        impl $enum {
            /// The type in the record's key.
            pub fn kind(&self) -> i16 {
                match self {
                    $($enum::$variant(..) => $kind,)*
                }
            }

            /// Whether the record deletes what its key names.
            pub fn is_tombstone(&self) -> bool {
                match self {
                    $($enum::$variant(_, value) => value.is_none(),)*
                }
            }

            /// The newest version of the record's value.
            pub fn max_version(&self) -> i16 {
                match self {
                    $($enum::$variant(..) => $value::VERSIONS.1,)*
                }
            }

            /// The record's key.
            pub fn encode_key(&self) -> Result<Bytes, RecordError> {
                let mut out = BytesMut::new();
                out.put_i16(self.kind());
                match self {
                    $($enum::$variant(key, _) => key.encode_into(&mut out, 0)?,)*
                }
                Ok(out.freeze())
            }

            /// The record's value in `version`; `None` is a tombstone.
            pub fn encode_value(&self, version: i16) -> Result<Option<Bytes>, RecordError> {
                match self {
                    $($enum::$variant(_, value) => {
                        value.as_ref().map(|value| value.encode_versioned(version)).transpose()
                    })*
                }
            }

            /// The record's key as Kafka's tools print it.
            pub fn key_json(&self) -> Json {
                match self {
                    $($enum::$variant(key, _) => key.to_json(0),)*
                }
            }

            /// The record's value as Kafka's tools print it; `None` is a tombstone.
            pub fn value_json(&self, version: i16) -> Option<Json> {
                match self {
                    $($enum::$variant(_, value) => value.as_ref().map(|value| value.to_json(version)),)*
                }
            }

            /// The record of that key and value. A type that is not known is [`RecordError::UnknownKey`]: Kafka passes
            /// over such records, which a newer broker may have left.
            pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<$enum, RecordError> {
                $enum::decode_versioned(key, value).map(|(record, _)| record)
            }

            /// The record of that key and value, and the version of its value; a tombstone has none.
            pub fn decode_versioned(key: &[u8], value: Option<&[u8]>) -> Result<($enum, Option<i16>), RecordError> {
                let (kind, fields) = split_kind(key, $family)?;
                match kind {
                    $($kind => {
                        let value = value.map($value::decode_versioned).transpose()?;
                        let version = value.as_ref().map(|(_, version)| *version);
                        let key = $key::decode(fields, 0)?.0;
                        Ok(($enum::$variant(key, value.map(|(value, _)| value)), version))
                    })*
                    key => Err(RecordError::UnknownKey { family: $family, key }),
                }
            }
        }
    )*};
}

coordinator_records! {
    /// A record of `__consumer_offsets`.
    pub enum GroupRecord, "group" {
        LegacyOffsetCommit(LegacyOffsetCommitKey, LegacyOffsetCommitValue) = 0,
        OffsetCommit(OffsetCommitKey, OffsetCommitValue) = 1,
        GroupMetadata(GroupMetadataKey, GroupMetadataValue) = 2,
        ConsumerGroupMetadata(ConsumerGroupMetadataKey, ConsumerGroupMetadataValue) = 3,
        ConsumerGroupPartitionMetadata(ConsumerGroupPartitionMetadataKey, ConsumerGroupPartitionMetadataValue) = 4,
        ConsumerGroupMemberMetadata(ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue) = 5,
        ConsumerGroupTargetAssignmentMetadata(ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroupTargetAssignmentMetadataValue) = 6,
        ConsumerGroupTargetAssignmentMember(ConsumerGroupTargetAssignmentMemberKey, ConsumerGroupTargetAssignmentMemberValue) = 7,
        ConsumerGroupCurrentMemberAssignment(ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue) = 8,
        ShareGroupMemberMetadata(ShareGroupMemberMetadataKey, ShareGroupMemberMetadataValue) = 10,
        ShareGroupMetadata(ShareGroupMetadataKey, ShareGroupMetadataValue) = 11,
        ShareGroupTargetAssignmentMetadata(ShareGroupTargetAssignmentMetadataKey, ShareGroupTargetAssignmentMetadataValue) = 12,
        ShareGroupTargetAssignmentMember(ShareGroupTargetAssignmentMemberKey, ShareGroupTargetAssignmentMemberValue) = 13,
        ShareGroupCurrentMemberAssignment(ShareGroupCurrentMemberAssignmentKey, ShareGroupCurrentMemberAssignmentValue) = 14,
        ShareGroupStatePartitionMetadata(ShareGroupStatePartitionMetadataKey, ShareGroupStatePartitionMetadataValue) = 15,
        ConsumerGroupRegularExpression(ConsumerGroupRegularExpressionKey, ConsumerGroupRegularExpressionValue) = 16,
        StreamsGroupMetadata(StreamsGroupMetadataKey, StreamsGroupMetadataValue) = 17,
        StreamsGroupMemberMetadata(StreamsGroupMemberMetadataKey, StreamsGroupMemberMetadataValue) = 19,
        StreamsGroupTargetAssignmentMetadata(StreamsGroupTargetAssignmentMetadataKey, StreamsGroupTargetAssignmentMetadataValue) = 20,
        StreamsGroupTargetAssignmentMember(StreamsGroupTargetAssignmentMemberKey, StreamsGroupTargetAssignmentMemberValue) = 21,
        StreamsGroupCurrentMemberAssignment(StreamsGroupCurrentMemberAssignmentKey, StreamsGroupCurrentMemberAssignmentValue) = 22,
        StreamsGroupTopology(StreamsGroupTopologyKey, StreamsGroupTopologyValue) = 23,
    }

    /// A record of `__transaction_state`.
    pub enum TransactionRecord, "transaction" {
        TransactionLog(TransactionLogKey, TransactionLogValue) = 0,
    }

    /// A record of `__share_group_state`.
    pub enum ShareStateRecord, "share state" {
        ShareSnapshot(ShareSnapshotKey, ShareSnapshotValue) = 0,
        ShareUpdate(ShareUpdateKey, ShareUpdateValue) = 1,
    }
}

fn split_kind<'a>(key: &'a [u8], name: &'static str) -> Result<(i16, &'a [u8]), RecordError> {
    match key.split_first_chunk() {
        Some((kind, fields)) => Ok((i16::from_be_bytes(*kind), fields)),
        None => {
            let error = WireError::Malformed { field: "key".to_owned(), at: 0, reason: "ends too early" };
            Err(RecordError::Malformed { name, error })
        }
    }
}
