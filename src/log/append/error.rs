//! Why an append is refused, in Kafka's codes and words.

use std::fmt;

use crate::protocol::batch::{BatchError, MAGIC, RecordError};
use crate::protocol::compression::CompressionError;
use crate::protocol::control::ControlError;
use crate::types::{ErrorCode, LeaderEpoch, Offset, ProducerId};

/// The length below which Java finds no batch of any magic.
const LEGACY_LEN_MIN: i32 = 14;
/// The most records that are named in one refusal; their number is given in full.
const REJECTIONS_MAX: usize = 1000;

/// One record that is against the rules (KIP-467).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordRejection {
    /// The record's place in the batch, from 0.
    pub batch_index: i32,
    pub message: String,
}

impl fmt::Display for RecordRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordError(batchIndex={}, message='{}')", self.batch_index, self.message)
    }
}

/// The records of a batch that are against the rules.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RecordRejections {
    /// The first of them.
    pub rejections: Vec<RecordRejection>,
    /// How many there are.
    pub total: usize,
    /// Whether any is about a timestamp, which then decides the code.
    pub invalid_timestamp: bool,
}

impl RecordRejections {
    pub(super) fn push(&mut self, index: usize, invalid_timestamp: bool, message: impl FnOnce() -> String) {
        self.total += 1;
        self.invalid_timestamp |= invalid_timestamp;
        if self.rejections.len() < REJECTIONS_MAX {
            let batch_index = i32::try_from(index).unwrap_or(i32::MAX);
            self.rejections.push(RecordRejection { batch_index, message: message() });
        }
    }

    pub(super) fn into_result(self) -> Result<(), AppendError> {
        if self.total == 0 { Ok(()) } else { Err(AppendError::Records(self)) }
    }
}

impl fmt::Display for RecordRejections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.invalid_timestamp {
            return f.write_str("One or more records have been rejected due to invalid timestamp");
        }
        let first: Vec<String> = self.rejections.iter().take(3).map(RecordRejection::to_string).collect();
        write!(
            f,
            "One or more records have been rejected due to {} record errors in total, and only showing the first three \
             errors at most: [{}]",
            self.total,
            first.join(", ")
        )
    }
}

/// Why an append is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AppendError {
    #[error("Produce requests with version {version} must have at least one record batch per partition")]
    NoBatch { version: i16 },
    /// The first batch is none that Java would read: it fails the whole request, and tells why.
    #[error("{0}")]
    Unreadable(BatchError),
    #[error("Produce requests are only allowed to contain exactly one record batch per partition")]
    SeveralBatches,
    #[error("Produce requests with version {version} are not allowed to use ZStandard compression")]
    ZstdTooEarly { version: i16 },
    #[error("The baseOffset of the record batch in the append should be 0, but it is {0}")]
    BaseOffset(Offset),
    #[error(
        "The record batch size in the append is {size} bytes which exceeds the maximum configured value of {limit}"
    )]
    TooLarge { size: usize, limit: usize },
    #[error("Message batch size is {size} bytes, which exceeds the maximum configured segment size of {limit}")]
    ExceedsSegment { size: usize, limit: usize },
    #[error("Batch has an invalid offset range: [0, {last_offset_delta}]")]
    OffsetRange { last_offset_delta: i32 },
    #[error("Invalid reported count for record batch: {0}")]
    Count(i32),
    #[error("Inconsistent batch offset range [0, {last_offset_delta}] and count of records {count}")]
    CountMismatch { count: i32, last_offset_delta: i32 },
    #[error("Clients are not allowed to write control records")]
    ControlFromClient,
    #[error("Invalid sequence number {sequence} in record batch with producerId {producer_id}")]
    Sequence { producer_id: ProducerId, sequence: i32 },
    #[error("{0}")]
    Records(RecordRejections),
    #[error(
        "Append from Raft leader did not set the batch epoch correctly, expected {expected} but the batch has {found}"
    )]
    LeaderEpoch { expected: LeaderEpoch, found: LeaderEpoch },
    #[error("Out of order offsets found in append: {next} after {last}")]
    OffsetsOutOfOrder { last: Offset, next: Offset },
    /// A record that cannot be written again in another codec.
    #[error("Invalid negative timestamp {0}")]
    NegativeTimestamp(i64),
    #[error("Cannot write transactional or idempotent messages without a valid producer ID and epoch")]
    ProducerState,
    #[error(transparent)]
    Control(ControlError),
    #[error(transparent)]
    Batch(#[from] BatchError),
}

impl From<ControlError> for AppendError {
    fn from(error: ControlError) -> AppendError {
        match error {
            ControlError::Batch(error) => AppendError::Batch(error),
            other => AppendError::Control(other),
        }
    }
}

impl AppendError {
    /// The error for the first batch of a produce request. Batches that Java can at least find are judged apart.
    pub(super) fn of_first_batch(error: BatchError) -> AppendError {
        match error {
            BatchError::Length(..LEGACY_LEN_MIN) => AppendError::Unreadable(error),
            BatchError::Magic(magic) if !(0..=MAGIC).contains(&magic) => AppendError::Unreadable(error),
            other => AppendError::Batch(other),
        }
    }
}

impl From<RecordError> for AppendError {
    fn from(error: RecordError) -> AppendError {
        AppendError::Batch(BatchError::Record(error))
    }
}

impl AppendError {
    /// The code of the answer.
    pub fn error_code(&self) -> ErrorCode {
        match self {
            AppendError::NoBatch { .. }
            | AppendError::SeveralBatches
            | AppendError::BaseOffset(_)
            | AppendError::OffsetRange { .. }
            | AppendError::Count(_)
            | AppendError::CountMismatch { .. }
            | AppendError::ControlFromClient
            | AppendError::Sequence { .. }
            | AppendError::LeaderEpoch { .. } => ErrorCode::InvalidRecord,
            AppendError::Records(records) if records.invalid_timestamp => ErrorCode::InvalidTimestamp,
            AppendError::Records(_) => ErrorCode::InvalidRecord,
            AppendError::ZstdTooEarly { .. } => ErrorCode::UnsupportedCompressionType,
            AppendError::TooLarge { .. } => ErrorCode::MessageTooLarge,
            AppendError::ExceedsSegment { .. } => ErrorCode::RecordListTooLarge,
            AppendError::OffsetsOutOfOrder { .. }
            | AppendError::NegativeTimestamp(_)
            | AppendError::ProducerState
            | AppendError::Control(_) => ErrorCode::UnknownServerError,
            AppendError::Batch(error) | AppendError::Unreadable(error) => batch_error_code(error),
        }
    }

    /// The records that are to be named in the answer.
    pub fn record_errors(&self) -> &[RecordRejection] {
        match self {
            AppendError::Records(records) => &records.rejections,
            _ => &[],
        }
    }

    /// The message of the answer: Kafka sends one only where it names records, or cannot find the first batch.
    pub fn error_message(&self) -> Option<String> {
        match self {
            AppendError::Records(_) => Some(self.to_string()),
            AppendError::Unreadable(BatchError::Length(length)) => {
                Some(format!("Record size {length} is less than the minimum record overhead (14)"))
            }
            AppendError::Unreadable(BatchError::Magic(magic)) => {
                Some(format!("Invalid magic found in record: {magic}"))
            }
            _ => None,
        }
    }

    /// Whether the answer gives the log's start offset; the others were found before the log was looked at, or are
    /// answered without it by Kafka.
    pub fn tells_log_start_offset(&self) -> bool {
        !matches!(
            self.error_code(),
            ErrorCode::CorruptMessage
                | ErrorCode::MessageTooLarge
                | ErrorCode::RecordListTooLarge
                | ErrorCode::UnsupportedCompressionType
        ) && !matches!(self, AppendError::NoBatch { .. } | AppendError::SeveralBatches)
            && !matches!(self, AppendError::Batch(BatchError::Magic(_)))
    }
}

fn batch_error_code(error: &BatchError) -> ErrorCode {
    match error {
        BatchError::Magic(magic) if (0..MAGIC).contains(magic) => ErrorCode::InvalidRecord,
        BatchError::Incomplete { .. } | BatchError::Length(_) | BatchError::Magic(_) | BatchError::Crc { .. } => {
            ErrorCode::CorruptMessage
        }
        BatchError::Compression(CompressionError::TooLarge { .. }) => ErrorCode::MessageTooLarge,
        // Java's decompressors throw what no code stands for.
        BatchError::Compression(CompressionError::Corrupt { .. }) | BatchError::CompressionType(_) => {
            ErrorCode::UnknownServerError
        }
        BatchError::Record(_) => ErrorCode::InvalidRecord,
    }
}
