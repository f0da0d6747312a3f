//! Broker keys: node, controller quorum and metadata log.

macro_rules! quorum_keys {
    ($next:ident $($rest:ident)*; $($rows:tt)*) => {
        $next! { $($rest)*; $($rows)*
        "broker.heartbeat.interval.ms", Int, Is("2000"), Any, ReadOnly, WithoutEffect(ONE_PROCESS),
            "How often the broker tells the controller that it lives.";
        "broker.id", Int, Is("-1"), Any, ReadOnly, Obeyed,
            "The old name of node.id; both must agree when both are set.";
        broker_rack: Option<String> = "broker.rack", String, Null, Any, ReadOnly, Obeyed,
            "The rack of this broker, for replica placement and nearest-replica reads.";
        broker_session_timeout_ms: i32 = "broker.session.timeout.ms", Int, Is("9000"), Any, ReadOnly, Obeyed,
            "How long the controller waits for a heartbeat before it fences a broker.";
        controlled_shutdown_enable: bool = "controlled.shutdown.enable", Boolean, Is("true"), Any, ReadOnly, Obeyed,
            "Whether the broker hands over its leaderships before it stops.";
        "controller.listener.names", List, Required, Unique { empty: false, null: false }, ReadOnly, Obeyed,
            "Names of the listeners that serve controllers; the first is the one other nodes dial.";
        "controller.quorum.append.linger.ms", Int, Is("25"), AtLeast(0), ReadOnly, WithoutEffect(LINGER),
            "How long metadata writes may gather before they are written.";
        "controller.quorum.auto.join.enable", Boolean, Is("false"), Any, ReadOnly, WithoutEffect(ONE_VOTER),
            "Whether a controller adds itself to a dynamic quorum.";
        "controller.quorum.bootstrap.servers", List, Is(""), BootstrapServers, ReadOnly, Obeyed,
            "Addresses at which the controller quorum can be found, as host:port.";
        "controller.quorum.election.backoff.max.ms", Int, Is("1000"), AtLeast(0), ReadOnly, WithoutEffect(ONE_VOTER),
            "Longest random wait before a new election after a failed one.";
        "controller.quorum.election.timeout.ms", Int, Is("1000"), AtLeast(0), ReadOnly, WithoutEffect(ONE_VOTER),
            "How long a candidate waits for votes before it tries again.";
        "controller.quorum.fetch.max.bytes", Int, Is("1048576"), AtLeast(1), ReadOnly, WithoutEffect(ONE_VOTER),
            "Bytes of metadata asked for in one fetch.";
        "controller.quorum.fetch.snapshot.max.bytes", Int, Is("1048576"), AtLeast(1), ReadOnly, WithoutEffect(ONE_VOTER),
            "Bytes of a snapshot asked for in one fetch.";
        "controller.quorum.fetch.timeout.ms", Int, Is("2000"), AtLeast(0), ReadOnly, WithoutEffect(ONE_VOTER),
            "How long a follower goes without a successful fetch before it stands for election.";
        "controller.quorum.request.timeout.ms", Int, Is("2000"), AtLeast(0), ReadOnly, WithoutEffect(ONE_VOTER),
            "How long a quorum request may take.";
        "controller.quorum.retry.backoff.ms", Int, Is("20"), AtLeast(0), ReadOnly, WithoutEffect(ONE_VOTER),
            "Wait between tries of a failed quorum request.";
        "controller.quorum.voters", List, Is(""), QuorumVoters, ReadOnly, Obeyed,
            "The fixed set of voters, as id@host:port; leave empty for a dynamic quorum.";
        "controller.quota.window.num", Int, Is("11"), AtLeast(1), ReadOnly, WithoutEffect(QUOTAS),
            "Samples kept for controller mutation quotas.";
        "controller.quota.window.size.seconds", Int, Is("1"), AtLeast(1), ReadOnly, WithoutEffect(QUOTAS),
            "Seconds of one sample of controller mutation quotas.";
        "controller.socket.timeout.ms", Int, Is("30000"), Any, ReadOnly, WithoutEffect(ALONE),
            "Network timeout between controller and brokers.";
        "initial.broker.registration.timeout.ms", Int, Is("60000"), Any, ReadOnly, WithoutEffect(ONE_PROCESS),
            "How long a starting broker tries to register before it gives up.";
        "metadata.log.dir", String, Null, Any, ReadOnly, Obeyed,
            "Where the metadata log lives; the first data directory when not set.";
        metadata_log_max_record_bytes_between_snapshots: i64 = "metadata.log.max.record.bytes.between.snapshots", Long, Is("20971520"), AtLeast(1), ReadOnly, Obeyed,
            "Bytes of new metadata records that cause a snapshot.";
        metadata_log_max_snapshot_interval_ms: i64 = "metadata.log.max.snapshot.interval.ms", Long, Is("3600000"), AtLeast(0), ReadOnly, Obeyed,
            "Longest time between snapshots while there are new records; 0 is without limit.";
        metadata_log_segment_bytes: i32 = "metadata.log.segment.bytes", Int, Is("1073741824"), AtLeast(8388608), ReadOnly, Obeyed,
            "Largest size of a segment of the metadata log.";
        metadata_log_segment_ms: i64 = "metadata.log.segment.ms", Long, Is("604800000"), Any, ReadOnly, Obeyed,
            "Milliseconds before a new segment of the metadata log is begun.";
        "metadata.max.idle.interval.ms", Int, Is("500"), AtLeast(0), ReadOnly, WithoutEffect(NO_FOLLOWER),
            "How often an idle controller writes a no-op record; 0 is never.";
        metadata_max_retention_bytes: i64 = "metadata.max.retention.bytes", Long, Is("104857600"), Any, ReadOnly, Obeyed,
            "Size of the metadata log and its snapshots above which old ones are deleted.";
        metadata_max_retention_ms: i64 = "metadata.max.retention.ms", Long, Is("604800000"), Any, ReadOnly, Obeyed,
            "Milliseconds to keep metadata segments and snapshots that a newer snapshot covers.";
        node_id: i32 = "node.id", Int, Required, AtLeast(0), ReadOnly, Obeyed,
            "The id of this node, unique in the cluster.";
        "process.roles", List, Required, SomeOf(&["broker", "controller"]), ReadOnly, Obeyed,
            "What this process does: broker, controller, or both.";
        }
    };
}
