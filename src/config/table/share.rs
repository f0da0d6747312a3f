//! Broker keys: share groups and their coordinator.

macro_rules! share_keys {
    ($next:ident $($rest:ident)*; $($rows:tt)*) => {
        $next! { $($rest)*; $($rows)*
        "group.share.assignment.interval.ms", Int, Is("1000"), AtLeast(0), ClusterWide, Obeyed,
            "Least time between two computed assignments of a share group.";
        "group.share.assignors", List, Is("simple"), Unique { empty: false, null: false }, ReadOnly, Obeyed,
            "Server-side assignors for share groups.";
        "group.share.delivery.count.limit", Int, Is("5"), Between(2, 10), ReadOnly, Obeyed,
            "How often a record of a share group is delivered before it is given up.";
        "group.share.heartbeat.interval.ms", Int, Is("5000"), AtLeast(1), ReadOnly, Obeyed,
            "Heartbeat interval given to members of share groups.";
        "group.share.max.assignment.interval.ms", Int, Is("15000"), AtLeast(0), ReadOnly, Obeyed,
            "Largest assignment interval a share group may set.";
        "group.share.max.delivery.count.limit", Int, Is("10"), Between(5, 25), ReadOnly, Obeyed,
            "Largest delivery count limit a share group may set.";
        "group.share.max.heartbeat.interval.ms", Int, Is("15000"), AtLeast(1), ReadOnly, Obeyed,
            "Largest heartbeat interval a share group may set.";
        "group.share.max.partition.max.record.locks", Int, Is("4000"), Between(2000, 10000), ReadOnly, Obeyed,
            "Largest number of record locks of a partition that a share group may set.";
        "group.share.max.record.lock.duration.ms", Int, Is("60000"), Between(30000, 3600000), ReadOnly, Obeyed,
            "Longest record lock a share group may set.";
        "group.share.max.session.timeout.ms", Int, Is("60000"), AtLeast(1), ReadOnly, Obeyed,
            "Largest session timeout a share group may set.";
        group_share_max_share_sessions: i32 = "group.share.max.share.sessions", Int, Is("2000"), AtLeast(1), ReadOnly, Obeyed,
            "Share sessions a broker may have.";
        group_share_max_size: i32 = "group.share.max.size", Int, Is("200"), Between(1, 1000), ReadOnly, Obeyed,
            "Members a share group may have.";
        "group.share.min.assignment.interval.ms", Int, Is("0"), AtLeast(0), ReadOnly, Obeyed,
            "Smallest assignment interval a share group may set.";
        "group.share.min.delivery.count.limit", Int, Is("2"), Between(2, 5), ReadOnly, Obeyed,
            "Smallest delivery count limit a share group may set.";
        "group.share.min.heartbeat.interval.ms", Int, Is("5000"), AtLeast(1), ReadOnly, Obeyed,
            "Smallest heartbeat interval a share group may set.";
        "group.share.min.partition.max.record.locks", Int, Is("100"), Between(100, 2000), ReadOnly, Obeyed,
            "Smallest number of record locks of a partition that a share group may set.";
        "group.share.min.record.lock.duration.ms", Int, Is("15000"), Between(1000, 30000), ReadOnly, Obeyed,
            "Shortest record lock a share group may set.";
        "group.share.min.session.timeout.ms", Int, Is("45000"), AtLeast(1), ReadOnly, Obeyed,
            "Smallest session timeout a share group may set.";
        "group.share.partition.max.record.locks", Int, Is("2000"), Between(100, 10000), ReadOnly, Obeyed,
            "Records of a share partition that may be locked at once.";
        "group.share.record.lock.duration.ms", Int, Is("30000"), Between(1000, 3600000), ReadOnly, Obeyed,
            "How long a consumer holds a record before it is delivered again.";
        "group.share.session.timeout.ms", Int, Is("45000"), AtLeast(1), ReadOnly, Obeyed,
            "Session timeout given to members of share groups.";
        "share.coordinator.append.linger.ms", Int, Is("-1"), AtLeast(-1), ReadOnly, WithoutEffect(LINGER),
            "How long writes of the share coordinator may gather.";
        "share.coordinator.cached.buffer.max.bytes", Int, Is("1048588"), AtLeast(524288), ClusterWide, WithoutEffect(BUFFERS),
            "Largest write buffer that the share coordinator keeps for reuse.";
        "share.coordinator.load.buffer.size", Int, Is("5242880"), AtLeast(1), ReadOnly, WithoutEffect(WHOLE_LOAD),
            "Size of the reads with which the share coordinator loads its partition.";
        share_coordinator_snapshot_update_records_per_snapshot: i32 = "share.coordinator.snapshot.update.records.per.snapshot", Int, Is("500"), Between(0, 500), ReadOnly, Obeyed,
            "Updates that the share coordinator writes between snapshots.";
        share_coordinator_state_topic_compression_codec: i32 = "share.coordinator.state.topic.compression.codec", Int, Is("0"), Any, ReadOnly, Obeyed,
            "Compression of the batches in __share_group_state.";
        share_coordinator_state_topic_min_isr: i16 = "share.coordinator.state.topic.min.isr", Short, Is("2"), AtLeast(1), ReadOnly, Obeyed,
            "In-sync replicas that __share_group_state needs.";
        share_coordinator_state_topic_num_partitions: i32 = "share.coordinator.state.topic.num.partitions", Int, Is("50"), AtLeast(1), ReadOnly, Obeyed,
            "Partitions of __share_group_state.";
        share_coordinator_state_topic_replication_factor: i16 = "share.coordinator.state.topic.replication.factor", Short, Is("3"), AtLeast(1), ReadOnly, Obeyed,
            "Replicas of each partition of __share_group_state.";
        share_coordinator_state_topic_segment_bytes: i32 = "share.coordinator.state.topic.segment.bytes", Int, Is("104857600"), AtLeast(1), ReadOnly, Obeyed,
            "Segment size of __share_group_state.";
        "share.coordinator.threads", Int, Is("1"), AtLeast(1), ReadOnly, WithoutEffect(THREADS),
            "Threads of the share coordinator.";
        share_coordinator_write_timeout_ms: i32 = "share.coordinator.write.timeout.ms", Int, Is("5000"), AtLeast(1), ReadOnly, Obeyed,
            "How long a write of the share coordinator may wait for its replicas.";
        "share.fetch.purgatory.purge.interval.requests", Int, Is("1000"), Any, ReadOnly, WithoutEffect(PURGATORY),
            "Waiting ShareFetch requests between clean-ups.";
        }
    };
}
