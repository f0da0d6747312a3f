"""Configs altered, altered step by step, described and listed."""
from pair import Pair

APIS = ["DescribeConfigs", "AlterConfigs", "IncrementalAlterConfigs", "ListConfigResources"]
TOPIC, BROKER, LOGGER, METRICS, GROUP = 2, 4, 8, 16, 32
SET, DELETE, APPEND, SUBTRACT = range(4)
TURN = 8


def run(pair: Pair) -> None:
    pair.step("topics")
    for name in ("configured", "configured-too", "configured-compact"):
        pair.topic(name, 1, **({"cleanup_policy": "compact"} if "compact" in name else {}))
    for version in pair.versions("AlterConfigs"):
        altered(pair, version)
    for version in pair.versions("IncrementalAlterConfigs"):
        stepwise(pair, version)
    for version in pair.versions("DescribeConfigs"):
        described(pair, version)
    for version in pair.versions("ListConfigResources"):
        for types in ([], [TOPIC], [BROKER], [METRICS], [GROUP], [LOGGER], [0], [-1], [TOPIC, METRICS, TOPIC], [127]):
            pair.step(f"list {types}")
            pair.call("ListConfigResources", version, ResourceTypes=types)
        pair.step("list null")
        pair.call("ListConfigResources", version, ResourceTypes=None)


def resource(kind: int, name: str | None, *rows) -> dict:
    configs = [{"Name": r[0], "Value": r[1]} | ({"ConfigOperation": r[2]} if len(r) > 2 else {}) for r in rows]
    return {"ResourceType": kind, "ResourceName": name, "Configs": configs}


# What is tried on every kind of resource, as (key, value).
VALUES = [
    ("retention.ms", "1000"), ("retention.ms", "-1"), ("retention.ms", "-2"), ("retention.ms", "x"), ("retention.ms", ""), ("retention.ms", None),
    ("cleanup.policy", "compact"), ("cleanup.policy", "delete,compact"), ("cleanup.policy", "burn"), ("cleanup.policy", ""),
    ("cleanup.policy", "delete,delete"), ("segment.bytes", "1"), ("segment.bytes", "99999999999999"), ("min.cleanable.dirty.ratio", "0.5"),
    ("min.cleanable.dirty.ratio", "2"), ("compression.type", "zstd"), ("compression.type", "rar"), ("preallocate", "yes"), ("preallocate", "true"),
    ("preallocate", " TRUE "), ("message.timestamp.type", "LogAppendTime"), ("message.timestamp.type", "now"), ("nobody.knows.this", "1"), ("", "1"),
    ("min.insync.replicas", "0"), ("max.message.bytes", "-1"), ("leader.replication.throttled.replicas", "*"),
    ("leader.replication.throttled.replicas", "0:1,1:1"), ("leader.replication.throttled.replicas", "x"), ("remote.storage.enable", "true"),
    ("local.retention.ms", "99999999999999"), ("compression.gzip.level", "99"), ("unclean.leader.election.enable", "true"),
    ("message.format.version", "3.0"), ("flush.ms", "0"), ("max.compaction.lag.ms", "0"), ("min.compaction.lag.ms", "9223372036854775807"),
]
BROKER_VALUES = [
    ("log.retention.ms", "100000000"), ("log.cleaner.threads", "2"), ("log.cleaner.threads", "1"), ("log.cleaner.threads", "100"), ("log.cleaner.threads", "-1"),
    ("num.io.threads", "9"), ("num.io.threads", "100"), ("num.io.threads", "1"), ("num.io.threads", "0"), ("num.network.threads", "5"), ("num.network.threads", "100"),
    ("num.replica.fetchers", "2"), ("num.replica.fetchers", "9"), ("num.recovery.threads.per.data.dir", "3"), ("num.recovery.threads.per.data.dir", "30"),
    ("background.threads", "12"), ("background.threads", "200"), ("background.threads", "2"),
    ("max.connections", "5000"), ("max.connections", "-1"), ("max.connections.per.ip", "500"), ("max.connections.per.ip.overrides", "127.0.0.1:500"),
    ("max.connection.creation.rate", "1000"), ("message.max.bytes", "2000000"), ("message.max.bytes", "-5"),
    ("log.segment.bytes", "1"), ("log.segment.bytes", "1073741824"), ("log.cleanup.policy", "burn"), ("log.message.timestamp.type", "CreateTime"),
    ("compression.type", "producer"), ("min.insync.replicas", "1"), ("unclean.leader.election.enable", "false"), ("producer.id.expiration.ms", "86400001"),
    ("transaction.partition.verification.enable", "true"), ("auto.create.topics.enable", "true"), ("node.id", "7"), ("log.dirs", "/tmp"),
    ("nobody.knows.this", "1"), ("", "1"), ("log.retention.hours", "5"), ("leader.replication.throttled.rate", "1000"),
    ("follower.replication.throttled.rate", "-1"), ("replica.alter.log.dirs.io.max.bytes.per.second", "1000"), ("metric.reporters", ""),
    ("log.cleaner.io.max.bytes.per.second", "1000000"), ("log.cleaner.dedupe.buffer.size", "1"), ("log.cleaner.dedupe.buffer.size", "134217728"),
    ("log.cleaner.backoff.ms", "600001"), ("log.local.retention.ms", "1000"), ("remote.log.reader.threads", "4"), ("group.max.size", "3"),
]
GROUP_VALUES = [
    ("consumer.session.timeout.ms", "50000"), ("consumer.session.timeout.ms", "1"), ("consumer.session.timeout.ms", "x"),
    ("consumer.heartbeat.interval.ms", "6000"), ("consumer.heartbeat.interval.ms", "60000"), ("share.session.timeout.ms", "50000"),
    ("share.auto.offset.reset", "earliest"), ("share.auto.offset.reset", "middle"), ("share.auto.offset.reset", "by_duration:PT1H"),
    ("share.isolation.level", "read_committed"), ("share.isolation.level", "none"), ("streams.num.standby.replicas", "1"),
    ("streams.num.standby.replicas", "9"), ("share.record.lock.duration.ms", "20000"), ("nobody.knows.this", "1"),
]
METRICS_VALUES = [
    ("metrics", "org.apache.kafka."), ("metrics", ""), ("interval.ms", "1000"), ("interval.ms", "1"), ("interval.ms", "x"), ("interval.ms", "99999999"),
    ("match", "client_id=a.*"), ("match", "frob=1"), ("match", "client_id=["), ("nobody.knows.this", "1"), ("match", "client_id"),
]
RESOURCES = [
    (TOPIC, "configured", VALUES), (BROKER, "1", BROKER_VALUES), (BROKER, "", BROKER_VALUES), (GROUP, "configured-group", GROUP_VALUES),
    (METRICS, "configured-metrics", METRICS_VALUES),
]
ODD_RESOURCES = [
    (TOPIC, "nobody-made-this"), (TOPIC, ""), (TOPIC, "a b"), (TOPIC, "__cluster_metadata"), (BROKER, "7"), (BROKER, "x"), (BROKER, "-1"), (GROUP, ""), (METRICS, ""),
    (0, "x"), (1, "x"), (3, "x"), (64, "x"), (-1, "x"), (127, ""),
]


def altered(pair: Pair, version: int) -> None:
    def ask(step: str, *resources, validate=False) -> None:
        pair.step(f"alter: {step}")
        pair.call("AlterConfigs", version, Resources=list(resources), ValidateOnly=validate)

    for kind, name, values in RESOURCES:
        for key, value in values if version == pair.latest("AlterConfigs") else values[:4]:
            ask(f"{kind} {name!r} {key}={value}, validated only", resource(kind, name, (key, value)), validate=True)
        ask(f"{kind} {name!r} to nothing", resource(kind, name))
    for kind, name in ODD_RESOURCES:
        ask(f"{kind} {name!r}", resource(kind, name, ("retention.ms", "1000")))
    ask("set", resource(TOPIC, "configured", ("retention.ms", "5000"), ("segment.ms", "7000")))
    described_one(pair, TOPIC, "configured", "retention.ms", "segment.ms")
    ask("replaced", resource(TOPIC, "configured", ("segment.ms", "9000")))
    described_one(pair, TOPIC, "configured", "retention.ms", "segment.ms")
    ask("a key twice", resource(TOPIC, "configured", ("segment.ms", "1000"), ("segment.ms", "2000")))
    described_one(pair, TOPIC, "configured", "segment.ms")
    ask("good and bad", resource(TOPIC, "configured", ("segment.ms", "3000")), resource(TOPIC, "configured-too", ("segment.ms", "x")), resource(TOPIC, "nobody", ("segment.ms", "1")))
    described_one(pair, TOPIC, "configured", "segment.ms")
    ask("nothing")
    ask("null value", resource(TOPIC, "configured", ("segment.ms", None)))
    ask("reset", resource(TOPIC, "configured"))
    pair.step("alter: null")
    pair.call("AlterConfigs", version, Resources=None)
    pair.call("AlterConfigs", version, Resources=[resource(TOPIC, None)])
    pair.step("alter: on the controller's listener")
    pair.call("AlterConfigs", version, port="controller", Resources=[resource(TOPIC, "configured", ("retention.ms", "5000"))])
    pair.call("AlterConfigs", version, port="controller", Resources=[resource(BROKER, "1", ("log.cleaner.threads", "2"))], ValidateOnly=True)


def described_one(pair: Pair, kind: int, name: str, *keys: str) -> None:
    pair.call("DescribeConfigs", 4, Resources=[{"ResourceType": kind, "ResourceName": name, "ConfigurationKeys": list(keys) or None}], IncludeSynonyms=True)


def stepwise(pair: Pair, version: int) -> None:
    def ask(step: str, *resources, validate=False, port="broker") -> None:
        pair.step(f"incremental: {step}")
        pair.call("IncrementalAlterConfigs", version, port=port, Resources=list(resources), ValidateOnly=validate)

    last = version == pair.latest("IncrementalAlterConfigs")
    for kind, name, values in RESOURCES:
        for key, value in values if last else values[:3]:
            for operation in (SET, DELETE, APPEND, SUBTRACT):
                if operation == SET or not pair.quick or key in ("retention.ms", "cleanup.policy"):
                    ask(f"{kind} {name!r} {key}={value}, operation {operation}, validated only", resource(kind, name, (key, value, operation)), validate=True)
    if last:
        for kind, name, values in RESOURCES:
            for key, value in values[:12]:
                ask(f"{kind} {name!r} {key}={value}", resource(kind, name, (key, value, SET)))
            described_one(pair, kind, name)
            for key in {key for key, _ in values[:12]}:
                ask(f"{kind} {name!r} {key} deleted", resource(kind, name, (key, None, DELETE)))
            described_one(pair, kind, name)
    for kind, name in ODD_RESOURCES:
        ask(f"{kind} {name!r}", resource(kind, name, ("retention.ms", "1000", SET)))
    ask("appended", resource(TOPIC, "configured", ("cleanup.policy", "compact", APPEND)))
    described_one(pair, TOPIC, "configured", "cleanup.policy")
    ask("appended again", resource(TOPIC, "configured", ("cleanup.policy", "compact", APPEND)))
    ask("subtracted", resource(TOPIC, "configured", ("cleanup.policy", "delete", SUBTRACT)))
    described_one(pair, TOPIC, "configured", "cleanup.policy")
    ask("subtracted what is not there", resource(TOPIC, "configured", ("cleanup.policy", "delete", SUBTRACT)))
    ask("subtracted to nothing", resource(TOPIC, "configured", ("cleanup.policy", "compact", SUBTRACT)))
    described_one(pair, TOPIC, "configured", "cleanup.policy")
    ask("deleted", resource(TOPIC, "configured", ("cleanup.policy", None, DELETE)))
    ask("deleted again", resource(TOPIC, "configured", ("cleanup.policy", "", DELETE)))
    ask("a key twice", resource(TOPIC, "configured", ("segment.ms", "1", SET), ("segment.ms", "2", SET)))
    ask("a key twice, in two ways", resource(TOPIC, "configured", ("segment.ms", "1", SET), ("segment.ms", None, DELETE)))
    ask("a resource twice", resource(TOPIC, "configured", ("segment.ms", "1", SET)), resource(TOPIC, "configured", ("segment.ms", "2", SET)))
    ask("good and bad", resource(TOPIC, "configured", ("segment.ms", "3000", SET)), resource(TOPIC, "configured-too", ("segment.ms", "x", SET)))
    described_one(pair, TOPIC, "configured", "segment.ms")
    ask("good and bad in one", resource(TOPIC, "configured", ("segment.ms", "4000", SET), ("retention.ms", "x", SET)))
    described_one(pair, TOPIC, "configured", "segment.ms")
    ask("nothing")
    ask("no key", resource(TOPIC, "configured"))
    for name in ("org.apache.kafka", "root", "kafka", "nobody.logs.this", ""):
        for level in ("DEBUG", "debug", "LOUD", "", None):
            ask(f"logger {name!r} {level}, validated only", resource(LOGGER, "1", (name, level, SET)), validate=True)
    ask("a logger appended", resource(LOGGER, "1", ("root", "INFO", APPEND)))
    ask("loggers of another broker", resource(LOGGER, "7", ("root", "INFO", SET)))
    ask("loggers of nobody", resource(LOGGER, "", ("root", "INFO", SET)))
    ask("a broker and a topic", resource(BROKER, "1", ("log.cleaner.threads", "2", SET)), resource(TOPIC, "configured", ("segment.ms", "5000", SET)))
    ask("two brokers", resource(BROKER, "1", ("log.cleaner.threads", None, DELETE)), resource(BROKER, "", ("log.cleaner.threads", None, DELETE)))
    ask("on the controller's listener", resource(TOPIC, "configured", ("segment.ms", "6000", SET)), port="controller")
    ask("deleted all", resource(TOPIC, "configured", ("segment.ms", None, DELETE)))
    pair.step("incremental: null")
    pair.call("IncrementalAlterConfigs", version, Resources=None)


def described(pair: Pair, version: int) -> None:
    def ask(step: str, *asked, **fields) -> None:
        pair.step(f"describe: {step}")
        rows = [{"ResourceType": kind, "ResourceName": name, "ConfigurationKeys": keys} for kind, name, keys in asked]
        pair.call("DescribeConfigs", version, **({"Resources": rows} | fields))

    for kind, name in [(k, n) for k, n, _ in RESOURCES] + [(TOPIC, "configured-compact")]:
        for synonyms in (False, True):
            ask(f"{kind} {name!r}", (kind, name, None), IncludeSynonyms=synonyms)
        ask(f"{kind} {name!r} no key", (kind, name, []))
        ask(f"{kind} {name!r} keys", (kind, name, ["retention.ms", "log.retention.ms", "nobody.knows.this", "retention.ms", ""]))
    for kind, name in ODD_RESOURCES + [(LOGGER, "7"), (LOGGER, ""), (LOGGER, "x")]:
        ask(f"{kind} {name!r}", (kind, name, None))
    # The names of loggers are those of classes.
    ask("no logger", (LOGGER, "1", ["nobody.logs.this"]))
    ask("several", (TOPIC, "configured", ["retention.ms"]), (TOPIC, "nobody", None), (BROKER, "1", ["log.dirs", "listeners", "node.id"]))
    ask("twice", (TOPIC, "configured", ["retention.ms"]), (TOPIC, "configured", ["segment.ms"]))
    ask("nothing")
    ask("documented", (TOPIC, "configured", ["retention.ms"]), IncludeDocumentation=True, IncludeSynonyms=True)
    ask("null resources", Resources=None)
    pair.step("describe: on the controller's listener")
    for kind, name in ((TOPIC, "configured"), (BROKER, "1"), (BROKER, "")):
        pair.call("DescribeConfigs", version, port="controller", Resources=[{"ResourceType": kind, "ResourceName": name, "ConfigurationKeys": ["retention.ms", "log.retention.ms", "node.id"]}])
