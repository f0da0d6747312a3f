//! Broker keys: logs, topics and their defaults.

macro_rules! log_keys {
    ($next:ident $($rest:ident)*; $($rows:tt)*) => {
        $next! { $($rest)*; $($rows)*
        "alter.config.policy.class.name", Class, Null, Any, ReadOnly, Refused(POLICY),
            "The class that may veto config changes.";
        auto_create_topics_enable: bool = "auto.create.topics.enable", Boolean, Is("true"), Any, ReadOnly, Obeyed,
            "Whether naming an unknown topic in a Metadata request creates it.";
        "compression.gzip.level", Int, Is("-1"), GzipLevel, ClusterWide, Obeyed,
            "Level of gzip where the broker compresses; -1 is the codec's own.";
        "compression.lz4.level", Int, Is("9"), Between(1, 17), ClusterWide, Obeyed,
            "Level of lz4 where the broker compresses.";
        "compression.type", String, Is("producer"), OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), ClusterWide, Obeyed,
            "How stored batches are compressed: a codec, uncompressed, or producer to keep what the producer chose.";
        "compression.zstd.level", Int, Is("3"), Between(-131072, 22), ClusterWide, Obeyed,
            "Level of zstd where the broker compresses.";
        "cordoned.log.dirs", List, Is(""), Unique { empty: true, null: true }, PerBroker, Obeyed,
            "Data directories that get no new partitions; * is all of them.";
        "create.topic.policy.class.name", Class, Null, Any, ReadOnly, Refused(POLICY),
            "The class that may veto new topics.";
        delete_topic_enable: bool = "delete.topic.enable", Boolean, Is("true"), Any, ReadOnly, Obeyed,
            "Whether topics can be deleted.";
        log_cleaner_backoff_ms: i64 = "log.cleaner.backoff.ms", Long, Is("15000"), AtLeast(0), ClusterWide, Obeyed,
            "How long the cleaner sleeps when there is nothing to clean.";
        log_cleaner_dedupe_buffer_size: i64 = "log.cleaner.dedupe.buffer.size", Long, Is("134217728"), Any, ClusterWide, Obeyed,
            "Memory for the offset maps of all cleaner threads.";
        "log.cleaner.delete.retention.ms", Long, Is("86400000"), AtLeast(0), ClusterWide, Obeyed,
            "How long tombstones are kept in compacted topics.";
        log_cleaner_enable: bool = "log.cleaner.enable", Boolean, Is("true"), Any, ReadOnly, Obeyed,
            "Whether compacted topics are compacted; deprecated, Kafka 5 always does it.";
        log_cleaner_io_buffer_load_factor: f64 = "log.cleaner.io.buffer.load.factor", Double, Is("0.9"), Any, ClusterWide, Obeyed,
            "How full an offset map may become.";
        log_cleaner_io_buffer_size: i32 = "log.cleaner.io.buffer.size", Int, Is("524288"), AtLeast(0), ClusterWide, Obeyed,
            "Memory for the I/O buffers of all cleaner threads.";
        log_cleaner_io_max_bytes_per_second: f64 = "log.cleaner.io.max.bytes.per.second", Double, Is("1.7976931348623157E308"), Any, ClusterWide, Obeyed,
            "Bytes a second that the cleaner may read and write.";
        "log.cleaner.max.compaction.lag.ms", Long, Is("9223372036854775807"), AtLeast(1), ClusterWide, Obeyed,
            "Longest time a record may stay uncompacted.";
        "log.cleaner.min.cleanable.ratio", Double, Is("0.5"), Between(0, 1), ClusterWide, Obeyed,
            "Share of uncompacted bytes that makes a log worth compacting.";
        "log.cleaner.min.compaction.lag.ms", Long, Is("0"), AtLeast(0), ClusterWide, Obeyed,
            "Shortest time a record stays uncompacted.";
        log_cleaner_threads: i32 = "log.cleaner.threads", Int, Is("1"), AtLeast(0), ClusterWide, Obeyed,
            "Threads of the cleaner.";
        "log.cleanup.policy", List, Is("delete"), ListOf(&["compact", "delete"]), ClusterWide, Obeyed,
            "What happens to old segments: delete, compact, both, or neither.";
        "log.dir", List, Is("/tmp/kafka-logs"), Unique { empty: false, null: false }, ReadOnly, Obeyed,
            "The data directory, used when log.dirs is not set.";
        "log.dir.failure.timeout.ms", Long, Is("30000"), AtLeast(1), ReadOnly, WithoutEffect(ALONE),
            "How long a broker may fail to tell the controller about a failed directory before it stops.";
        "log.dirs", List, Null, Unique { empty: false, null: true }, ReadOnly, Obeyed,
            "The data directories; log.dir is used when this is not set.";
        "log.flush.interval.messages", Long, Is("9223372036854775807"), AtLeast(1), ClusterWide, Obeyed,
            "Records appended to a partition before it is flushed to disk.";
        "log.flush.interval.ms", Long, Null, Any, ClusterWide, Obeyed,
            "Longest time a record stays unflushed; log.flush.scheduler.interval.ms when not set.";
        log_flush_offset_checkpoint_interval_ms: i32 = "log.flush.offset.checkpoint.interval.ms", Int, Is("60000"), AtLeast(0), ReadOnly, Obeyed,
            "How often the recovery points are written.";
        "log.flush.scheduler.interval.ms", Long, Is("9223372036854775807"), Any, ReadOnly, Obeyed,
            "The flush interval used when log.flush.interval.ms is not set.";
        log_flush_start_offset_checkpoint_interval_ms: i32 = "log.flush.start.offset.checkpoint.interval.ms", Int, Is("60000"), AtLeast(0), ReadOnly, Obeyed,
            "How often the log start offsets are written.";
        "log.index.interval.bytes", Int, Is("4096"), AtLeast(0), ClusterWide, Obeyed,
            "Bytes of log between two index entries.";
        "log.index.size.max.bytes", Int, Is("10485760"), AtLeast(4), ClusterWide, Obeyed,
            "Largest size of an index; a full one begins a new segment.";
        "log.message.timestamp.after.max.ms", Long, Is("3600000"), AtLeast(0), ClusterWide, Obeyed,
            "How far a record's timestamp may be ahead of the broker's clock.";
        "log.message.timestamp.before.max.ms", Long, Is("9223372036854775807"), AtLeast(0), ClusterWide, Obeyed,
            "How far a record's timestamp may be behind the broker's clock.";
        "log.message.timestamp.type", String, Is("CreateTime"), OneOf(&["CreateTime", "LogAppendTime"]), ClusterWide, Obeyed,
            "Whether records keep the producer's time or get the time of the append.";
        "log.preallocate", Boolean, Is("false"), Any, ClusterWide, WithoutEffect(GROWING),
            "Whether a new segment file gets its full size at once.";
        "log.retention.bytes", Long, Is("-1"), Any, ClusterWide, Obeyed,
            "Largest size of a partition before old segments are deleted; -1 is without limit.";
        log_retention_check_interval_ms: i64 = "log.retention.check.interval.ms", Long, Is("300000"), AtLeast(1), ReadOnly, Obeyed,
            "How often retention looks for segments to delete.";
        "log.retention.hours", Int, Is("168"), Any, ReadOnly, Obeyed,
            "Hours before a segment is deleted; log.retention.minutes and log.retention.ms go before it.";
        "log.retention.minutes", Int, Null, Any, ReadOnly, Obeyed,
            "Minutes before a segment is deleted; log.retention.ms goes before it.";
        "log.retention.ms", Long, Null, Any, ClusterWide, Obeyed,
            "Milliseconds before a segment is deleted; -1 keeps for ever.";
        "log.roll.hours", Int, Is("168"), AtLeast(1), ReadOnly, Obeyed,
            "Hours before a new segment is begun; log.roll.ms goes before it.";
        "log.roll.jitter.hours", Int, Is("0"), AtLeast(0), ReadOnly, Obeyed,
            "Most hours taken from log.roll.hours at random; log.roll.jitter.ms goes before it.";
        "log.roll.jitter.ms", Long, Null, Any, ClusterWide, Obeyed,
            "Most milliseconds taken from the roll time at random.";
        "log.roll.ms", Long, Null, Any, ClusterWide, Obeyed,
            "Milliseconds before a new segment is begun although the old one is not full.";
        "log.segment.bytes", Int, Is("1073741824"), AtLeast(1048576), ClusterWide, Obeyed,
            "Largest size of a segment file.";
        "log.segment.delete.delay.ms", Long, Is("60000"), AtLeast(0), ClusterWide, Obeyed,
            "How long a deleted file stays on disk under its .deleted name.";
        message_max_bytes: i32 = "message.max.bytes", Int, Is("1048588"), AtLeast(0), ClusterWide, Obeyed,
            "Largest record batch accepted, after compression.";
        min_insync_replicas: i32 = "min.insync.replicas", Int, Is("1"), AtLeast(1), ClusterWide, Obeyed,
            "In-sync replicas that must have a record before acks=all is answered.";
        num_partitions: i32 = "num.partitions", Int, Is("1"), AtLeast(1), ReadOnly, Obeyed,
            "Partitions of topics that are created without saying how many.";
        num_recovery_threads_per_data_dir: i32 = "num.recovery.threads.per.data.dir", Int, Is("2"), AtLeast(1), ClusterWide, Obeyed,
            "Threads a data directory gets to recover its logs at start.";
        "unclean.leader.election.enable", Boolean, Is("false"), Any, ClusterWide, Obeyed,
            "Whether a replica that is not in sync may become leader, at the price of lost records.";
        }
    };
}
