//! Records of the transaction log, markers in partitions, and producer snapshots.

use crate::protocol::message::message;

message! {
    /// A transactional id.
    pub struct TransactionLogKey(0..=0) {
        transactional_id: String;
    }

    /// The state of a transactional id.
    pub struct TransactionLogValue(0..=1, flexible 1) {
        producer_id: i64;
        previous_producer_id: i64 [since 1, tag 0] = -1;
        next_producer_id: i64 [since 1, tag 1] = -1;
        producer_epoch: i16;
        next_producer_epoch: i16 [since 1, tag 3] = -1;
        transaction_timeout_ms: i32;
        transaction_status: i8;
        transaction_partitions: Option<Vec<TransactionPartitions>>;
        transaction_last_update_timestamp_ms: i64;
        transaction_start_timestamp_ms: i64;
        client_transaction_version: i16 [since 1, tag 2];
    }

    /// Part of [`TransactionLogValue`].
    pub struct TransactionPartitions {
        topic: String;
        partition_ids: Vec<i32>;
    }

    /// The value of a transaction marker.
    pub struct EndTxnMarker(0..=0) {
        coordinator_epoch: i32;
    }

    /// The producers of a partition, as `.snapshot` files hold them.
    pub struct ProducerSnapshot(1..=1) {
        crc: u32;
        producer_entries: Vec<ProducerEntry>;
    }

    /// A producer with its last batch.
    pub struct ProducerEntry {
        producer_id: i64;
        epoch: i16;
        last_sequence: i32;
        last_offset: i64;
        offset_delta: i32;
        timestamp: i64;
        coordinator_epoch: i32;
        current_txn_first_offset: i64;
    }
}
