//! Broker keys: replication between brokers.

macro_rules! replication_keys {
    ($next:ident $($rest:ident)*; $($rows:tt)*) => {
        $next! { $($rest)*; $($rows)*
        "auto.leader.rebalance.enable", Boolean, Is("true"), Any, ReadOnly, WithoutEffect(ALONE),
            "Whether the controller moves leadership back to preferred replicas.";
        default_replication_factor: i32 = "default.replication.factor", Int, Is("1"), Any, ReadOnly, Obeyed,
            "Replicas of topics that are created without saying how many.";
        "follower.replication.throttled.rate", Long, Is("9223372036854775807"), AtLeast(0), ClusterWide, WithoutEffect(ALONE),
            "Bytes a second for throttled replication to this broker.";
        "inter.broker.listener.name", String, Null, Any, ReadOnly, Obeyed,
            "The listener that brokers use among themselves; set this or security.inter.broker.protocol, not both.";
        "leader.imbalance.check.interval.seconds", Long, Is("300"), AtLeast(1), ReadOnly, WithoutEffect(ALONE),
            "How often the controller looks for leaders that are not the preferred replica.";
        "leader.replication.throttled.rate", Long, Is("9223372036854775807"), AtLeast(0), ClusterWide, WithoutEffect(ALONE),
            "Bytes a second for throttled replication from this broker.";
        "num.replica.alter.log.dirs.threads", Int, Null, Any, ReadOnly, WithoutEffect(THREADS),
            "Threads that move replicas between data directories.";
        "num.replica.fetchers", Int, Is("1"), AtLeast(1), ClusterWide, WithoutEffect(ALONE),
            "Fetchers for each broker that is replicated from.";
        replica_alter_log_dirs_io_max_bytes_per_second: i64 = "replica.alter.log.dirs.io.max.bytes.per.second", Long, Is("9223372036854775807"), AtLeast(0), ClusterWide, Obeyed,
            "Bytes a second for moving replicas between data directories.";
        "replica.fetch.backoff.ms", Int, Is("1000"), AtLeast(0), ReadOnly, WithoutEffect(ALONE),
            "Wait of a follower after a failed fetch.";
        "replica.fetch.max.bytes", Int, Is("1048576"), AtLeast(0), ReadOnly, WithoutEffect(ALONE),
            "Bytes a follower asks for of each partition.";
        "replica.fetch.min.bytes", Int, Is("1"), Any, ReadOnly, WithoutEffect(ALONE),
            "Bytes a follower waits for in a fetch.";
        "replica.fetch.response.max.bytes", Int, Is("10485760"), AtLeast(0), ReadOnly, WithoutEffect(ALONE),
            "Bytes a follower asks for in one answer.";
        "replica.fetch.wait.max.ms", Int, Is("500"), Any, ReadOnly, WithoutEffect(ALONE),
            "Longest wait of a follower's fetch.";
        replica_high_watermark_checkpoint_interval_ms: i64 = "replica.high.watermark.checkpoint.interval.ms", Long, Is("5000"), Any, ReadOnly, Obeyed,
            "How often the high watermarks are written.";
        "replica.lag.time.max.ms", Long, Is("30000"), Any, ReadOnly, WithoutEffect(ALONE),
            "How long a follower may be behind before it leaves the in-sync replicas.";
        "replica.selector.class", String, Null, Any, ReadOnly, WithoutEffect(ALONE),
            "Class that chooses the replica a consumer reads from.";
        "replica.socket.receive.buffer.bytes", Int, Is("65536"), Any, ReadOnly, WithoutEffect(ALONE),
            "Socket receive buffer of replica fetchers.";
        "replica.socket.timeout.ms", Int, Is("30000"), Any, ReadOnly, WithoutEffect(ALONE),
            "Network timeout of replica fetchers.";
        "replication.quota.window.num", Int, Is("11"), AtLeast(1), ReadOnly, WithoutEffect(QUOTAS),
            "Samples kept for replication quotas.";
        "replication.quota.window.size.seconds", Int, Is("1"), AtLeast(1), ReadOnly, WithoutEffect(QUOTAS),
            "Seconds of one sample of replication quotas.";
        }
    };
}
