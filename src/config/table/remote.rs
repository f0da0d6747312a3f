//! Broker keys: tiered storage.

macro_rules! remote_keys {
    ($next:ident $($rest:ident)*; $($rows:tt)*) => {
        $next! { $($rest)*; $($rows)*
        "follower.fetch.last.tiered.offset.enable", Boolean, Is("false"), Any, ClusterWide, WithoutEffect(TIERED),
            "Whether a new follower begins at the last tiered offset.";
        "log.local.retention.bytes", Long, Is("-2"), AtLeast(-2), ClusterWide, WithoutEffect(TIERED),
            "Bytes of a tiered partition that stay on local disk; -2 takes log.retention.bytes.";
        "log.local.retention.ms", Long, Is("-2"), AtLeast(-2), ClusterWide, WithoutEffect(TIERED),
            "Milliseconds that tiered segments stay on local disk; -2 takes log.retention.ms.";
        "remote.fetch.max.wait.ms", Int, Is("500"), AtLeast(1), ClusterWide, WithoutEffect(TIERED),
            "Longest wait for remote storage in a fetch.";
        "remote.list.offsets.request.timeout.ms", Long, Is("30000"), AtLeast(1), ClusterWide, WithoutEffect(TIERED),
            "Longest wait for remote storage in ListOffsets.";
        "remote.log.index.file.cache.total.size.bytes", Long, Is("1073741824"), AtLeast(1), ClusterWide, WithoutEffect(TIERED),
            "Local disk for indexes of remote segments.";
        "remote.log.manager.copier.thread.pool.size", Int, Is("10"), AtLeast(1), ClusterWide, WithoutEffect(TIERED),
            "Threads that copy segments to remote storage.";
        "remote.log.manager.copy.max.bytes.per.second", Long, Is("9223372036854775807"), AtLeast(1), ClusterWide, WithoutEffect(TIERED),
            "Bytes a second copied to remote storage.";
        "remote.log.manager.copy.quota.window.num", Int, Is("11"), AtLeast(1), ReadOnly, WithoutEffect(TIERED),
            "Samples kept for the copy quota.";
        "remote.log.manager.copy.quota.window.size.seconds", Int, Is("1"), AtLeast(1), ReadOnly, WithoutEffect(TIERED),
            "Seconds of one sample of the copy quota.";
        "remote.log.manager.expiration.thread.pool.size", Int, Is("10"), AtLeast(1), ClusterWide, WithoutEffect(TIERED),
            "Threads that delete expired remote segments.";
        "remote.log.manager.fetch.max.bytes.per.second", Long, Is("9223372036854775807"), AtLeast(1), ClusterWide, WithoutEffect(TIERED),
            "Bytes a second read from remote storage.";
        "remote.log.manager.fetch.quota.window.num", Int, Is("11"), AtLeast(1), ReadOnly, WithoutEffect(TIERED),
            "Samples kept for the fetch quota.";
        "remote.log.manager.fetch.quota.window.size.seconds", Int, Is("1"), AtLeast(1), ReadOnly, WithoutEffect(TIERED),
            "Seconds of one sample of the fetch quota.";
        "remote.log.manager.follower.thread.pool.size", Int, Is("2"), AtLeast(1), ClusterWide, WithoutEffect(TIERED),
            "Threads for the followers' work with remote storage.";
        "remote.log.manager.task.interval.ms", Long, Is("30000"), AtLeast(1), ReadOnly, WithoutEffect(TIERED),
            "How often work with remote storage is scheduled.";
        "remote.log.manager.thread.pool.size", Int, Is("2"), AtLeast(1), ReadOnly, WithoutEffect(TIERED),
            "Threads that schedule work with remote storage.";
        "remote.log.metadata.custom.metadata.max.bytes", Int, Is("128"), AtLeast(0), ReadOnly, WithoutEffect(TIERED),
            "Largest custom metadata of a remote segment.";
        "remote.log.metadata.manager.class.name", String, Is("org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager"), NonEmpty, ReadOnly, WithoutEffect(TIERED),
            "Class that stores the metadata of remote segments.";
        "remote.log.metadata.manager.class.path", String, Null, Any, ReadOnly, WithoutEffect(TIERED),
            "Class path of the remote metadata class.";
        "remote.log.metadata.manager.impl.prefix", String, Is("rlmm.config."), NonEmpty, ReadOnly, WithoutEffect(TIERED),
            "Prefix of the keys handed to the remote metadata class.";
        "remote.log.metadata.manager.listener.name", String, Null, NonEmpty, ReadOnly, WithoutEffect(TIERED),
            "Listener the remote metadata class connects to.";
        "remote.log.reader.max.pending.tasks", Int, Is("100"), AtLeast(1), ReadOnly, WithoutEffect(TIERED),
            "Remote reads that may wait.";
        "remote.log.reader.threads", Int, Is("10"), AtLeast(1), ClusterWide, WithoutEffect(TIERED),
            "Threads that read remote segments.";
        "remote.log.storage.manager.class.name", String, Null, NonEmpty, ReadOnly, WithoutEffect(TIERED),
            "Class that stores remote segments.";
        "remote.log.storage.manager.class.path", String, Null, Any, ReadOnly, WithoutEffect(TIERED),
            "Class path of the remote storage class.";
        "remote.log.storage.manager.impl.prefix", String, Is("rsm.config."), NonEmpty, ReadOnly, WithoutEffect(TIERED),
            "Prefix of the keys handed to the remote storage class.";
        "remote.log.storage.system.enable", Boolean, Is("false"), Any, ReadOnly, Refused(TIERED),
            "Whether segments may be moved to remote storage.";
        }
    };
}
