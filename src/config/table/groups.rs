//! Broker keys: groups and their offsets.

macro_rules! groups_keys {
    ($next:ident $($rest:ident)*; $($rows:tt)*) => {
        $next! { $($rest)*; $($rows)*
        "group.consumer.assignment.interval.ms", Int, Is("1000"), AtLeast(0), ClusterWide, Obeyed,
            "Least time between two computed assignments of a consumer group.";
        group_consumer_assignors: Vec<String> = "group.consumer.assignors", List, Is("uniform,range"), Unique { empty: false, null: false }, ReadOnly, Obeyed,
            "Server-side assignors for consumer groups; the first is the default.";
        "group.consumer.heartbeat.interval.ms", Int, Is("5000"), AtLeast(1), ReadOnly, Obeyed,
            "Heartbeat interval given to members of consumer groups.";
        "group.consumer.max.assignment.interval.ms", Int, Is("15000"), AtLeast(0), ReadOnly, Obeyed,
            "Largest assignment interval a consumer group may set.";
        "group.consumer.max.heartbeat.interval.ms", Int, Is("15000"), AtLeast(1), ReadOnly, Obeyed,
            "Largest heartbeat interval a consumer group may set.";
        "group.consumer.max.session.timeout.ms", Int, Is("60000"), AtLeast(1), ReadOnly, Obeyed,
            "Largest session timeout a consumer group may set.";
        group_consumer_max_size: i32 = "group.consumer.max.size", Int, Is("2147483647"), AtLeast(1), ReadOnly, Obeyed,
            "Members a consumer group may have.";
        group_consumer_migration_policy: String = "group.consumer.migration.policy", String, Is("bidirectional"), OneOfNoCase(&["DISABLED", "DOWNGRADE", "UPGRADE", "BIDIRECTIONAL"]), ReadOnly, Obeyed,
            "Which conversions between classic and consumer groups are allowed.";
        "group.consumer.min.assignment.interval.ms", Int, Is("0"), AtLeast(0), ReadOnly, Obeyed,
            "Smallest assignment interval a consumer group may set.";
        "group.consumer.min.heartbeat.interval.ms", Int, Is("5000"), AtLeast(1), ReadOnly, Obeyed,
            "Smallest heartbeat interval a consumer group may set.";
        "group.consumer.min.session.timeout.ms", Int, Is("45000"), AtLeast(1), ReadOnly, Obeyed,
            "Smallest session timeout a consumer group may set.";
        "group.consumer.session.timeout.ms", Int, Is("45000"), AtLeast(1), ReadOnly, Obeyed,
            "Session timeout given to members of consumer groups.";
        "group.coordinator.append.linger.ms", Int, Is("-1"), AtLeast(-1), ReadOnly, WithoutEffect(LINGER),
            "How long coordinator writes may gather before they are written; -1 adapts to the load.";
        "group.coordinator.background.threads", Int, Is("2"), AtLeast(1), ReadOnly, WithoutEffect(THREADS),
            "Threads for background work of the group coordinator.";
        "group.coordinator.cached.buffer.max.bytes", Int, Is("1048588"), AtLeast(524288), ClusterWide, WithoutEffect(BUFFERS),
            "Largest write buffer that a coordinator keeps for reuse.";
        group_coordinator_rebalance_protocols: Vec<String> = "group.coordinator.rebalance.protocols", List, Is("classic,consumer,streams"), ListOf(&["consumer", "classic", "share", "streams"]), ReadOnly, Obeyed,
            "The group protocols that are switched on.";
        "group.coordinator.threads", Int, Is("4"), AtLeast(1), ReadOnly, WithoutEffect(THREADS),
            "Threads of the group coordinator.";
        group_initial_rebalance_delay_ms: i32 = "group.initial.rebalance.delay.ms", Int, Is("3000"), Any, ReadOnly, Obeyed,
            "How long a new group waits for more members before its first rebalance.";
        group_max_session_timeout_ms: i32 = "group.max.session.timeout.ms", Int, Is("1800000"), Any, ReadOnly, Obeyed,
            "Largest session timeout a classic member may ask for.";
        group_max_size: i32 = "group.max.size", Int, Is("2147483647"), AtLeast(1), ReadOnly, Obeyed,
            "Members a classic group may have.";
        group_min_session_timeout_ms: i32 = "group.min.session.timeout.ms", Int, Is("6000"), Any, ReadOnly, Obeyed,
            "Smallest session timeout a classic member may ask for.";
        "group.streams.assignment.interval.ms", Int, Is("1000"), AtLeast(0), ClusterWide, Obeyed,
            "Least time between two computed assignments of a streams group.";
        "group.streams.heartbeat.interval.ms", Int, Is("5000"), AtLeast(1), ReadOnly, Obeyed,
            "Heartbeat interval given to members of streams groups.";
        "group.streams.initial.rebalance.delay.ms", Int, Is("3000"), AtLeast(0), ReadOnly, Obeyed,
            "How long a new streams group waits for more members.";
        "group.streams.max.assignment.interval.ms", Int, Is("15000"), AtLeast(0), ReadOnly, Obeyed,
            "Largest assignment interval a streams group may set.";
        "group.streams.max.heartbeat.interval.ms", Int, Is("15000"), AtLeast(1), ReadOnly, Obeyed,
            "Largest heartbeat interval a streams group may set.";
        "group.streams.max.session.timeout.ms", Int, Is("60000"), AtLeast(1), ReadOnly, Obeyed,
            "Largest session timeout a streams group may set.";
        group_streams_max_size: i32 = "group.streams.max.size", Int, Is("2147483647"), AtLeast(1), ReadOnly, Obeyed,
            "Members a streams group may have.";
        "group.streams.max.standby.replicas", Int, Is("2"), AtLeast(0), ReadOnly, Obeyed,
            "Most standby replicas a streams group may set.";
        "group.streams.min.assignment.interval.ms", Int, Is("0"), AtLeast(0), ReadOnly, Obeyed,
            "Smallest assignment interval a streams group may set.";
        "group.streams.min.heartbeat.interval.ms", Int, Is("5000"), AtLeast(1), ReadOnly, Obeyed,
            "Smallest heartbeat interval a streams group may set.";
        "group.streams.min.session.timeout.ms", Int, Is("45000"), AtLeast(1), ReadOnly, Obeyed,
            "Smallest session timeout a streams group may set.";
        "group.streams.num.standby.replicas", Int, Is("0"), AtLeast(0), ReadOnly, Obeyed,
            "Standby replicas of each task of a streams group.";
        "group.streams.session.timeout.ms", Int, Is("45000"), AtLeast(1), ReadOnly, Obeyed,
            "Session timeout given to members of streams groups.";
        offset_metadata_max_bytes: i32 = "offset.metadata.max.bytes", Int, Is("4096"), Any, ReadOnly, Obeyed,
            "Longest metadata string that may be committed with an offset.";
        offsets_commit_timeout_ms: i32 = "offsets.commit.timeout.ms", Int, Is("5000"), AtLeast(1), ReadOnly, Obeyed,
            "How long an offset commit may wait for its replicas.";
        "offsets.load.buffer.size", Int, Is("5242880"), AtLeast(1), ReadOnly, WithoutEffect(WHOLE_LOAD),
            "Size of the reads with which a coordinator loads its partition.";
        offsets_retention_check_interval_ms: i64 = "offsets.retention.check.interval.ms", Long, Is("600000"), AtLeast(1), ReadOnly, Obeyed,
            "How often expired offsets are looked for.";
        offsets_retention_minutes: i32 = "offsets.retention.minutes", Int, Is("10080"), AtLeast(1), ReadOnly, Obeyed,
            "Minutes that offsets are kept after a group has become empty.";
        offsets_topic_compression_codec: i32 = "offsets.topic.compression.codec", Int, Is("0"), Any, ReadOnly, Obeyed,
            "Compression of the batches in __consumer_offsets: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.";
        offsets_topic_num_partitions: i32 = "offsets.topic.num.partitions", Int, Is("50"), AtLeast(1), ReadOnly, Obeyed,
            "Partitions of __consumer_offsets; do not change once it exists.";
        offsets_topic_replication_factor: i16 = "offsets.topic.replication.factor", Short, Is("3"), AtLeast(1), ReadOnly, Obeyed,
            "Replicas of each partition of __consumer_offsets.";
        offsets_topic_segment_bytes: i32 = "offsets.topic.segment.bytes", Int, Is("104857600"), AtLeast(1), ReadOnly, Obeyed,
            "Segment size of __consumer_offsets.";
        }
    };
}
