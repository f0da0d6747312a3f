//! Broker keys: metrics and quotas.

macro_rules! metrics_keys {
    ($next:ident $($rest:ident)*; $($rows:tt)*) => {
        $next! { $($rest)*; $($rows)*
        "alter.log.dirs.replication.quota.window.num", Int, Is("11"), AtLeast(1), ReadOnly, WithoutEffect(QUOTAS),
            "Samples kept for the quota of moves between data directories.";
        "alter.log.dirs.replication.quota.window.size.seconds", Int, Is("1"), AtLeast(1), ReadOnly, WithoutEffect(QUOTAS),
            "Seconds of one sample of the quota of moves between data directories.";
        "client.quota.callback.class", Class, Null, Any, ReadOnly, Refused(QUOTAS),
            "The class that decides client quotas.";
        "kafka.metrics.polling.interval.secs", Int, Is("10"), AtLeast(1), ReadOnly, WithoutEffect(REPORTERS),
            "How often metric reporters are polled.";
        "kafka.metrics.reporters", List, Is(""), Unique { empty: true, null: false }, ReadOnly, WithoutEffect(REPORTERS),
            "Classes that report broker metrics.";
        "metric.reporters", List, Is("org.apache.kafka.common.metrics.JmxReporter"), Unique { empty: true, null: false }, ClusterWide, WithoutEffect(REPORTERS),
            "Classes that report client-library metrics.";
        "metrics.num.samples", Int, Is("2"), AtLeast(1), ReadOnly, WithoutEffect(REPORTERS),
            "Samples kept for each metric.";
        "metrics.recording.level", String, Is("INFO"), Any, ReadOnly, WithoutEffect(REPORTERS),
            "How detailed the metrics are.";
        "metrics.sample.window.ms", Long, Is("30000"), AtLeast(1), ReadOnly, WithoutEffect(REPORTERS),
            "Milliseconds of one sample of a metric.";
        "quota.window.num", Int, Is("11"), AtLeast(1), ReadOnly, WithoutEffect(QUOTAS),
            "Samples kept for client quotas.";
        "quota.window.size.seconds", Int, Is("1"), AtLeast(1), ReadOnly, WithoutEffect(QUOTAS),
            "Seconds of one sample of client quotas.";
        telemetry_max_bytes: i32 = "telemetry.max.bytes", Int, Is("1048576"), AtLeast(1), ReadOnly, Obeyed,
            "Bytes of metrics that a client may push at once, compressed or not.";
        }
    };
}
