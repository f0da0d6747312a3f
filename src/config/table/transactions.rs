//! Broker keys: transactions and idempotent producers.

macro_rules! transactions_keys {
    ($next:ident $($rest:ident)*; $($rows:tt)*) => {
        $next! { $($rest)*; $($rows)*
        "add.partitions.to.txn.retry.backoff.max.ms", Int, Is("100"), AtLeast(0), ReadOnly, WithoutEffect(TRANSACTIONS),
            "Longest wait of the broker between retries of adding partitions to a transaction.";
        "add.partitions.to.txn.retry.backoff.ms", Int, Is("20"), AtLeast(1), ReadOnly, WithoutEffect(TRANSACTIONS),
            "First wait of the broker between retries of adding partitions to a transaction.";
        producer_id_expiration_ms: i32 = "producer.id.expiration.ms", Int, Is("86400000"), AtLeast(1), ClusterWide, Obeyed,
            "How long the state of an idle idempotent producer is kept in a partition.";
        "transaction.abort.timed.out.transaction.cleanup.interval.ms", Int, Is("10000"), AtLeast(1), ReadOnly, WithoutEffect(TRANSACTIONS),
            "How often timed-out transactions are aborted.";
        "transaction.max.timeout.ms", Int, Is("900000"), AtLeast(1), ReadOnly, WithoutEffect(TRANSACTIONS),
            "Longest timeout a transaction may ask for.";
        "transaction.partition.verification.enable", Boolean, Is("true"), Any, ClusterWide, WithoutEffect(TRANSACTIONS),
            "Whether the broker checks that a partition was added to the transaction.";
        "transaction.remove.expired.transaction.cleanup.interval.ms", Int, Is("3600000"), AtLeast(1), ReadOnly, WithoutEffect(TRANSACTIONS),
            "How often expired transactional ids are removed.";
        "transaction.state.log.load.buffer.size", Int, Is("5242880"), AtLeast(1), ReadOnly, WithoutEffect(TRANSACTIONS),
            "Size of the reads with which the transaction coordinator loads its partition.";
        "transaction.state.log.min.isr", Int, Is("2"), AtLeast(1), ReadOnly, WithoutEffect(TRANSACTIONS),
            "In-sync replicas that __transaction_state needs.";
        "transaction.state.log.num.partitions", Int, Is("50"), AtLeast(1), ReadOnly, WithoutEffect(TRANSACTIONS),
            "Partitions of __transaction_state; do not change once it exists.";
        "transaction.state.log.replication.factor", Short, Is("3"), AtLeast(1), ReadOnly, WithoutEffect(TRANSACTIONS),
            "Replicas of each partition of __transaction_state.";
        "transaction.state.log.segment.bytes", Int, Is("104857600"), AtLeast(1), ReadOnly, WithoutEffect(TRANSACTIONS),
            "Segment size of __transaction_state.";
        "transaction.two.phase.commit.enable", Boolean, Is("false"), Any, ReadOnly, WithoutEffect(TRANSACTIONS),
            "Whether prepared transactions may be kept open without a timeout.";
        "transactional.id.expiration.ms", Int, Is("604800000"), AtLeast(1), ReadOnly, WithoutEffect(TRANSACTIONS),
            "How long an unused transactional id is remembered.";
        }
    };
}
