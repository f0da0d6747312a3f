//! Broker keys: transactions and idempotent producers.

macro_rules! transactions_keys {
    ($next:ident $($rest:ident)*; $($rows:tt)*) => {
        $next! { $($rest)*; $($rows)*
        add_partitions_to_txn_retry_backoff_max_ms: i32 = "add.partitions.to.txn.retry.backoff.max.ms", Int, Is("100"), AtLeast(0), ReadOnly, Obeyed,
            "Longest wait of the broker between retries of adding partitions to a transaction.";
        add_partitions_to_txn_retry_backoff_ms: i32 = "add.partitions.to.txn.retry.backoff.ms", Int, Is("20"), AtLeast(1), ReadOnly, Obeyed,
            "First wait of the broker between retries of adding partitions to a transaction.";
        producer_id_expiration_ms: i32 = "producer.id.expiration.ms", Int, Is("86400000"), AtLeast(1), ClusterWide, Obeyed,
            "How long the state of an idle idempotent producer is kept in a partition.";
        transaction_abort_timed_out_transaction_cleanup_interval_ms: i32 = "transaction.abort.timed.out.transaction.cleanup.interval.ms", Int, Is("10000"), AtLeast(1), ReadOnly, Obeyed,
            "How often timed-out transactions are aborted.";
        transaction_max_timeout_ms: i32 = "transaction.max.timeout.ms", Int, Is("900000"), AtLeast(1), ReadOnly, Obeyed,
            "Longest timeout a transaction may ask for.";
        transaction_partition_verification_enable: bool = "transaction.partition.verification.enable", Boolean, Is("true"), Any, ClusterWide, Obeyed,
            "Whether the broker checks that a partition was added to the transaction.";
        transaction_remove_expired_transaction_cleanup_interval_ms: i32 = "transaction.remove.expired.transaction.cleanup.interval.ms", Int, Is("3600000"), AtLeast(1), ReadOnly, Obeyed,
            "How often expired transactional ids are removed.";
        "transaction.state.log.load.buffer.size", Int, Is("5242880"), AtLeast(1), ReadOnly, WithoutEffect(WHOLE_LOAD),
            "Size of the reads with which the transaction coordinator loads its partition.";
        transaction_state_log_min_isr: i32 = "transaction.state.log.min.isr", Int, Is("2"), AtLeast(1), ReadOnly, Obeyed,
            "In-sync replicas that __transaction_state needs.";
        transaction_state_log_num_partitions: i32 = "transaction.state.log.num.partitions", Int, Is("50"), AtLeast(1), ReadOnly, Obeyed,
            "Partitions of __transaction_state; do not change once it exists.";
        transaction_state_log_replication_factor: i16 = "transaction.state.log.replication.factor", Short, Is("3"), AtLeast(1), ReadOnly, Obeyed,
            "Replicas of each partition of __transaction_state.";
        transaction_state_log_segment_bytes: i32 = "transaction.state.log.segment.bytes", Int, Is("104857600"), AtLeast(1), ReadOnly, Obeyed,
            "Segment size of __transaction_state.";
        transaction_two_phase_commit_enable: bool = "transaction.two.phase.commit.enable", Boolean, Is("false"), Any, ReadOnly, Obeyed,
            "Whether producers may have transactions without a timeout, for two-phase commit (with unstable.api.versions.enable).";
        transactional_id_expiration_ms: i32 = "transactional.id.expiration.ms", Int, Is("604800000"), AtLeast(1), ReadOnly, Obeyed,
            "How long an unused transactional id is remembered.";
        }
    };
}
