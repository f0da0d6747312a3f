//! Broker keys: listeners, connections and requests.

macro_rules! network_keys {
    ($next:ident $($rest:ident)*; $($rows:tt)*) => {
        $next! { $($rest)*; $($rows)*
        "advertised.listeners", List, Null, Unique { empty: false, null: true }, ReadOnly, Obeyed,
            "The addresses given to clients and other nodes, when they differ from the listeners.";
        "background.threads", Int, Is("10"), AtLeast(1), ClusterWide, WithoutEffect(THREADS),
            "Threads for background work.";
        "config.providers", List, Is(""), Unique { empty: true, null: false }, ClusterWide, Obeyed,
            "Names of providers that resolve ${name:...} in values, each with config.providers.<name>.class.";
        connections_max_idle_ms: i64 = "connections.max.idle.ms", Long, Is("600000"), Any, ReadOnly, Obeyed,
            "Connections without a request for so long are closed.";
        "delete.records.purgatory.purge.interval.requests", Int, Is("1"), Any, ReadOnly, WithoutEffect(PURGATORY),
            "Waiting DeleteRecords requests between clean-ups.";
        "early.start.listeners", List, Null, Unique { empty: true, null: true }, ReadOnly, WithoutEffect(EARLY),
            "Listeners that open before the metadata is loaded.";
        fetch_max_bytes: i32 = "fetch.max.bytes", Int, Is("57671680"), AtLeast(1024), ReadOnly, Obeyed,
            "Largest answer to a fetch, whatever the client asks for.";
        "fetch.purgatory.purge.interval.requests", Int, Is("1000"), Any, ReadOnly, WithoutEffect(PURGATORY),
            "Waiting Fetch requests between clean-ups.";
        "listener.security.protocol.map", String, Is("SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT"), Any, PerBroker, Obeyed,
            "Which protocol each listener name speaks, as NAME:PROTOCOL.";
        "listeners", List, Is("PLAINTEXT://:9092"), Unique { empty: false, null: false }, PerBroker, Obeyed,
            "Where this node listens, as NAME://host:port; an empty host is every address.";
        max_connection_creation_rate: i32 = "max.connection.creation.rate", Int, Is("2147483647"), AtLeast(0), ClusterWide, Obeyed,
            "New connections a second that are accepted; listeners may have their own.";
        max_connections: i32 = "max.connections", Int, Is("2147483647"), AtLeast(0), ClusterWide, Obeyed,
            "Connections open at once; listeners may have their own.";
        max_connections_per_ip: i32 = "max.connections.per.ip", Int, Is("2147483647"), AtLeast(0), ClusterWide, Obeyed,
            "Connections from one address open at once.";
        "max.connections.per.ip.overrides", String, Is(""), Any, ClusterWide, Obeyed,
            "Exceptions to max.connections.per.ip, as host:number separated by commas.";
        max_incremental_fetch_session_cache_slots: i32 = "max.incremental.fetch.session.cache.slots", Int, Is("1000"), AtLeast(0), ReadOnly, Obeyed,
            "Incremental fetch sessions that are kept.";
        max_request_partition_size_limit: i32 = "max.request.partition.size.limit", Int, Is("2000"), AtLeast(1), ReadOnly, Obeyed,
            "Partitions that one DescribeTopicPartitions answer may hold.";
        "num.io.threads", Int, Is("8"), AtLeast(1), ClusterWide, WithoutEffect(THREADS),
            "Threads that work on requests.";
        "num.network.threads", Int, Is("3"), AtLeast(1), ClusterWide, WithoutEffect(THREADS),
            "Threads that read and write connections.";
        "producer.purgatory.purge.interval.requests", Int, Is("1000"), Any, ReadOnly, WithoutEffect(PURGATORY),
            "Waiting Produce requests between clean-ups.";
        queued_max_request_bytes: i64 = "queued.max.request.bytes", Long, Is("-1"), Any, ReadOnly, Obeyed,
            "Bytes of requests that may wait before connections are no longer read; -1 is without limit.";
        "queued.max.requests", Int, Is("500"), AtLeast(1), ReadOnly, WithoutEffect(IN_HAND),
            "Requests that may wait before connections are no longer read.";
        "request.timeout.ms", Int, Is("30000"), Any, ReadOnly, WithoutEffect(ALONE),
            "How long this node waits for the answer to its own requests.";
        "socket.connection.setup.timeout.max.ms", Long, Is("30000"), Any, ReadOnly, WithoutEffect(ALONE),
            "Longest time this node waits to be connected to another.";
        "socket.connection.setup.timeout.ms", Long, Is("10000"), Any, ReadOnly, WithoutEffect(ALONE),
            "First time this node waits to be connected to another.";
        socket_listen_backlog_size: i32 = "socket.listen.backlog.size", Int, Is("50"), AtLeast(1), ReadOnly, Obeyed,
            "Connections the operating system may hold before they are accepted.";
        socket_receive_buffer_bytes: i32 = "socket.receive.buffer.bytes", Int, Is("102400"), Any, ReadOnly, Obeyed,
            "Receive buffer of client connections at least; -1 leaves it to the operating system, and so does a size up to which it lets buffers grow.";
        socket_request_max_bytes: i32 = "socket.request.max.bytes", Int, Is("104857600"), AtLeast(1), ReadOnly, Obeyed,
            "Largest request accepted.";
        socket_send_buffer_bytes: i32 = "socket.send.buffer.bytes", Int, Is("102400"), Any, ReadOnly, Obeyed,
            "Send buffer of client connections; -1 leaves it to the operating system.";
        }
    };
}
