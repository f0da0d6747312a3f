"""Kafka's own command line tools: topics, a million lines through the console tools, groups, configs, offsets at every time."""
import itertools
import re
import time

from harness import clients, wire
from harness.check import expect
from harness.clients import tool
from harness.context import Context

TOOLS = "java-tools"
LINES, GROUP = "lines", "line-readers"


def run(context: Context) -> None:
    with context.broker("tools", {"log.retention.check.interval.ms": "1000"}) as broker:
        server = ("--bootstrap-server", broker.bootstrap)
        context.check(TOOLS, "topics", topics, server)
        context.check(TOOLS, "configs", configs, server)
        context.check(TOOLS, "console lines", lines, broker, server, context.size(1_000_000, 20_000))
        context.check(TOOLS, "groups and resets", groups, server, context.size(1_000_000, 20_000))
        context.check(TOOLS, "cluster tools", cluster_tools, server)
        context.check(TOOLS, "get-offsets as the JVM", get_offsets, context, broker)


def topics(server) -> str:
    tool("kafka-topics", *server, "--create", "--topic", "first", "--partitions", "2", "--config", "retention.ms=3600000")
    again, errors = tool("kafka-topics", *server, "--create", "--topic", "first", check=False)
    expect("already exists" in again + errors, "a second topic of the same name was not refused", again + errors)
    described, _ = tool("kafka-topics", *server, "--describe", "--topic", "first")
    expect("PartitionCount: 2" in described and "retention.ms=3600000" in described, "describe", described)
    expect(len(re.findall(r"Leader: 1\b.*Replicas: 1\b.*Isr: 1\b", described)) == 2, "each partition is led by node 1", described)
    tool("kafka-topics", *server, "--alter", "--topic", "first", "--partitions", "5")
    described, _ = tool("kafka-topics", *server, "--describe", "--topic", "first")
    expect("PartitionCount: 5" in described, "partitions after --alter", described)
    tool("kafka-topics", *server, "--create", "--topic", "second")
    listed, _ = tool("kafka-topics", *server, "--list")
    expect({"first", "second"} <= set(listed.split()), "list", listed)
    tool("kafka-topics", *server, "--delete", "--topic", "second")
    listed, _ = tool("kafka-topics", *server, "--list")
    expect("second" not in listed.split(), "list after --delete", listed)
    return "create, list, describe, alter, delete"


def configs(server) -> str:
    entity = ("--entity-type", "topics", "--entity-name", "first")
    tool("kafka-configs", *server, *entity, "--alter", "--add-config", "max.message.bytes=200000,cleanup.policy=[compact,delete]")
    described, _ = tool("kafka-configs", *server, *entity, "--describe")
    expect("max.message.bytes=200000" in described and "cleanup.policy=compact,delete" in described, "describe", described)
    tool("kafka-configs", *server, *entity, "--alter", "--delete-config", "max.message.bytes,cleanup.policy")
    described, _ = tool("kafka-configs", *server, *entity, "--describe")
    expect("max.message.bytes" not in described, "describe after --delete-config", described)
    said, errors = tool("kafka-configs", *server, *entity, "--alter", "--add-config", "retention.ms=never", check=False)
    expect("nvalid value never" in said + errors, "an invalid value was not refused", said + errors)
    node = ("--entity-type", "brokers", "--entity-name", "1")
    tool("kafka-configs", *server, *node, "--alter", "--add-config", "log.cleaner.threads=2")
    described, _ = tool("kafka-configs", *server, *node, "--describe")
    expect("log.cleaner.threads=2" in described, "broker config", described)
    everything, _ = tool("kafka-configs", *server, *node, "--describe", "--all")
    expect(everything.count("synonyms=") > 200, "all broker configs with their synonyms", everything[-300:])
    return "topic and broker"


def lines(broker, server, count: int) -> str:
    tool("kafka-topics", *server, "--create", "--topic", LINES, "--partitions", "4")
    text = "".join(f"line {i}\n" for i in range(count))
    begun = time.monotonic()
    tool("kafka-console-producer", *server, "--topic", LINES, "--producer-property", "acks=all", stdin=text, timeout=300)
    sent = time.monotonic() - begun
    ends = wire.offsets(broker.port, LINES, 4)
    expect(sum(ends) == count, f"the partitions hold {sum(ends)} of {count} lines")
    begun = time.monotonic()
    printed, _ = tool(
        "kafka-console-consumer", *server, "--topic", LINES, "--group", GROUP, "--from-beginning",
        "--max-messages", str(count), "--timeout-ms", "60000", "--formatter-property", "print.partition=true", timeout=300,
    )
    received = time.monotonic() - begun
    seen, last = bytearray(count), {}
    for text in printed.splitlines():
        match = re.fullmatch(r"Partition:(\d+)\tline (\d+)", text)
        expect(match, "an unexpected line", text)
        partition, number = int(match[1]), int(match[2])
        expect(number > last.get(partition, -1), f"line {number} after {last.get(partition)} in partition {partition}")
        expect(not seen[number], f"line {number} twice")
        last[partition], seen[number] = number, 1
    expect(sum(seen) == count, f"{sum(seen)} of {count} lines")
    return f"{count} lines, sent in {sent:.1f} s, read in {received:.1f} s"


def groups(server, count: int) -> str:
    lag = described_offsets(server)
    expect(sum(lag.values()) == count, f"committed {lag}, {count} in all were expected")
    listed, _ = tool("kafka-consumer-groups", *server, "--list", "--state")
    expect(re.search(rf"{GROUP}\s+(Classic\s+)?Empty", listed), "list", listed)
    reset = ("--group", GROUP, "--reset-offsets", "--topic", LINES)
    # A partition that got fewer lines is reset to its end.
    for options, offset in ((("--to-offset", "7"), 7), (("--shift-by", "3"), 10)):
        tool("kafka-consumer-groups", *server, *reset, *options, "--execute")
        now, wanted = described_offsets(server, lag_zero=False), {partition: min(offset, end) for partition, end in lag.items()}
        expect(now == wanted, f"offsets after {' '.join(options)}: {now} instead of {wanted}")
    tool("kafka-consumer-groups", *server, *reset, "--to-latest", "--execute")
    expect(described_offsets(server) == lag, "offsets after --to-latest")
    tool("kafka-consumer-groups", *server, *reset, "--to-datetime", "2020-01-01T00:00:00.000", "--execute")
    expect(set(described_offsets(server, lag_zero=False).values()) == {0}, "offsets after --to-datetime")
    tool("kafka-consumer-groups", *server, "--delete-offsets", "--group", GROUP, "--topic", LINES)
    tool("kafka-consumer-groups", *server, "--delete", "--group", GROUP)
    listed, _ = tool("kafka-consumer-groups", *server, "--list")
    expect(GROUP not in listed.split(), "list after --delete", listed)
    return "lag 0, four resets, delete"


def described_offsets(server, lag_zero=True) -> dict[str, int]:
    """Committed offset by partition as kafka-consumer-groups --describe prints it."""
    described, errors = tool("kafka-consumer-groups", *server, "--describe", "--group", GROUP)
    rows = re.findall(rf"^{GROUP}\s+{LINES}\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)", described, re.M)
    expect(len(rows) == 4, "four partitions in --describe", described + errors)
    if lag_zero:
        expect(all(lag == "0" for *_, lag in rows), "lag is not 0", described)
    return {partition: int(offset) for partition, offset, _, _ in rows}


def cluster_tools(server) -> str:
    versions, _ = tool("kafka-broker-api-versions", *server)
    expect("Produce(0)" in versions and "UNKNOWN" not in versions.split("Produce(0)")[0], "api versions", versions)
    quorum, _ = tool("kafka-metadata-quorum", *server, "describe", "--status")
    expect(re.search(r"LeaderId:\s+1\b", quorum) and "CurrentVoters" in quorum, "quorum", quorum)
    directories, _ = tool("kafka-log-dirs", *server, "--describe", "--topic-list", LINES)
    expect(f'"partition":"{LINES}-3"' in directories and '"error":null' in directories, "log dirs", directories)
    return "api versions, quorum, log dirs"


SAMPLE = [
    # Partition 0 has its latest time in an earlier batch, with two of equal time; 1 holds one record; 2 stays empty.
    "0:1000,3000,2000", "0:9000,5000,9000", "0:4000,4500", "1:7777",
    "3:100", "3:200", "3:300,400", "3:500", "3:600",
]
TIMES = [*(str(n) for n in range(-6, 0)), "0", "100", "350", "2500", "4000", "4600", "9000", "9001"]


def get_offsets(context: Context, broker) -> str:
    ours = offsets_of_sample(broker)
    if context.kind == "jvm":
        expected = ours
    else:
        with context.broker("tools-jvm", kind="jvm") as reference:
            expected = offsets_of_sample(reference)
    for mine, theirs in itertools.zip_longest(ours, expected):
        expect(mine == theirs, f"here {mine!r}, Kafka {theirs!r}")
    return f"{len(TIMES)} times, before and after DeleteRecords"


def offsets_of_sample(broker) -> list[str]:
    """The same records into the broker; what kafka-get-offsets prints, before and after the first are deleted."""
    topic = "times"
    server = ("--bootstrap-server", broker.bootstrap)
    tool("kafka-topics", *server, "--create", "--topic", topic, "--partitions", "4", "--config", "retention.ms=-1")
    clients.run(clients.java("Fill", broker.bootstrap, topic, *SAMPLE), timeout=60)
    command = clients.java("GetOffsets", broker.bootstrap, topic, *TIMES)
    printed = clients.run(command, timeout=120).stdout.decode()
    request = broker.root / "delete.json"
    request.write_text('{"version":1,"partitions":[{"topic":"times","partition":3,"offset":3},{"topic":"times","partition":0,"offset":5}]}')
    deleted, _ = tool("kafka-delete-records", *server, "--offset-json-file", request)
    expect("low_watermark: 3" in deleted and "low_watermark: 5" in deleted, "delete-records", deleted)
    printed += "after delete-records\n" + clients.run(command, timeout=120).stdout.decode()
    expect("exit code" not in printed, "kafka-get-offsets failed", printed[-300:])
    return printed.splitlines()
