//! Any record of the metadata log.

use bytes::{Bytes, BytesMut};

use super::records::*;
use crate::protocol::json::Json;
use crate::protocol::message::{Message, RecordError};
use crate::protocol::wire::{Reader, WireError, put_unsigned_varint};

/// The only frame version that Kafka writes and reads.
const FRAME_VERSION: u32 = 1;

macro_rules! metadata_records {
    ($($variant:ident($record:ident) = $key:literal,)*) => {
        /// A record of the metadata log.
        #[derive(Clone, Debug, PartialEq)]
        pub enum MetadataRecord {
            $($variant($record),)*
        }

        impl MetadataRecord {
            /// The keys of all records.
            pub const KEYS: &[i16] = &[$($key,)*];

            /// The key that stands for the record's type.
            pub fn api_key(&self) -> i16 {
                match self {
                    $(MetadataRecord::$variant(_) => $key,)*
                }
            }

            /// Kafka's name of the record's type.
            pub fn name(&self) -> &'static str {
                match self {
                    $(MetadataRecord::$variant(_) => $record::NAME,)*
                }
            }

            /// The newest version of the record's type.
            pub fn max_version(&self) -> i16 {
                match self {
                    $(MetadataRecord::$variant(_) => $record::VERSIONS.1,)*
                }
            }

            /// The record's fields as Kafka's tools print them.
            pub fn to_json(&self, version: i16) -> Json {
                match self {
                    $(MetadataRecord::$variant(record) => record.to_json(version),)*
                }
            }

            fn encode_fields(&self, out: &mut BytesMut, version: i16) -> Result<(), RecordError> {
                match self {
                    $(MetadataRecord::$variant(record) => record.encode_into(out, version),)*
                }
            }

            fn decode_fields(key: i16, version: i16, bytes: &[u8]) -> Result<(MetadataRecord, usize), RecordError> {
                match key {
                    $($key => {
                        let (record, trailing) = $record::decode(bytes, version)?;
                        Ok((MetadataRecord::$variant(record), trailing))
                    })*
                    _ => Err(RecordError::UnknownKey { family: "metadata", key }),
                }
            }
        }

        $(
            impl From<$record> for MetadataRecord {
                fn from(record: $record) -> MetadataRecord {
                    MetadataRecord::$variant(record)
                }
            }
        )*
    };
}

metadata_records! {
    RegisterBroker(RegisterBrokerRecord) = 0,
    UnregisterBroker(UnregisterBrokerRecord) = 1,
    Topic(TopicRecord) = 2,
    Partition(PartitionRecord) = 3,
    Config(ConfigRecord) = 4,
    PartitionChange(PartitionChangeRecord) = 5,
    FenceBroker(FenceBrokerRecord) = 7,
    UnfenceBroker(UnfenceBrokerRecord) = 8,
    RemoveTopic(RemoveTopicRecord) = 9,
    DelegationToken(DelegationTokenRecord) = 10,
    UserScramCredential(UserScramCredentialRecord) = 11,
    FeatureLevel(FeatureLevelRecord) = 12,
    ClientQuota(ClientQuotaRecord) = 14,
    ProducerIds(ProducerIdsRecord) = 15,
    BrokerRegistrationChange(BrokerRegistrationChangeRecord) = 17,
    AccessControlEntry(AccessControlEntryRecord) = 18,
    RemoveAccessControlEntry(RemoveAccessControlEntryRecord) = 19,
    NoOp(NoOpRecord) = 20,
    ZkMigrationState(ZkMigrationStateRecord) = 21,
    RemoveUserScramCredential(RemoveUserScramCredentialRecord) = 22,
    BeginTransaction(BeginTransactionRecord) = 23,
    EndTransaction(EndTransactionRecord) = 24,
    AbortTransaction(AbortTransactionRecord) = 25,
    RemoveDelegationToken(RemoveDelegationTokenRecord) = 26,
    RegisterController(RegisterControllerRecord) = 27,
    ClearElr(ClearElrRecord) = 28,
}

impl MetadataRecord {
    /// The record's bytes in `version`, or which field that version lacks.
    pub fn encode(&self, version: i16) -> Result<Bytes, RecordError> {
        let mut out = BytesMut::new();
        put_unsigned_varint(&mut out, FRAME_VERSION);
        put_unsigned_varint(&mut out, self.api_key() as u32);
        put_unsigned_varint(&mut out, version as u32);
        self.encode_fields(&mut out, version)?;
        Ok(out.freeze())
    }

    /// The record in `bytes` and its version. Bytes behind the last field are an error, as in Kafka.
    pub fn decode(bytes: &[u8]) -> Result<(MetadataRecord, i16), RecordError> {
        let mut reader = Reader::new(bytes);
        let (key, version) =
            decode_header(&mut reader).map_err(|error| RecordError::Malformed { name: "metadata record", error })?;
        let fields = reader.take(reader.remaining()).unwrap_or_default();
        let (record, trailing) = MetadataRecord::decode_fields(key, version, fields)?;
        if trailing > 0 {
            let at = bytes.len() - trailing;
            let error = WireError::Malformed { field: "end".to_owned(), at, reason: "garbage follows the record" };
            return Err(RecordError::Malformed { name: record.name(), error });
        }
        Ok((record, version))
    }
}

fn decode_header(reader: &mut Reader<'_>) -> Result<(i16, i16), WireError> {
    if reader.unsigned_varint().map_err(|error| error.within("frame version"))? != FRAME_VERSION {
        return Err(reader.fail("unknown frame version").within("frame version"));
    }
    let mut short = |field| {
        let value = reader.unsigned_varint().map_err(|error| error.within(field))?;
        i16::try_from(value).map_err(|_| reader.fail("does not fit 16 bits").within(field))
    };
    Ok((short("key")?, short("version")?))
}
