"""Retention by size and by time, DeleteRecords and topic deletion as a stranger sees them: offsets move, bytes on disk shrink."""
import time

from harness import clients, wire
from harness.check import eventually, expect
from harness.clients import tool
from harness.context import Context
from harness.install import need
from harness.shell import run as run_program

MIB = 1 << 20
RECORDS = 9_000
PATIENCE = 90.0

FAST = {
    "log.retention.check.interval.ms": "500",
    "log.initial.task.delay.ms": "500",
    "log.segment.delete.delay.ms": "500",
    "log.flush.offset.checkpoint.interval.ms": "1000",
    "log.flush.start.offset.checkpoint.interval.ms": "1000",
}


def run(context: Context) -> None:
    need("confluent")
    with context.broker("retention", FAST) as broker:
        for name, body in {
            "retention by size": by_size, "retention by time": by_time, "delete records": delete_records, "delete topic": delete_topic,
        }.items():
            context.check("broker", name, body, broker)
        context.check("broker", "start offsets after restart", survive_restart, broker)


def filled(broker, topic: str, configs: str) -> int:
    """About 9 MiB in one partition of 1 MiB segments; answers the bytes on disk before anything was deleted."""
    run_program(clients.java("Admin", "create", broker.bootstrap, 1, f"segment.bytes={MIB},retention.ms=-1,{configs}", topic), timeout=60)
    clients.produce("confluent", broker.bootstrap, topic, "none", RECORDS, 1, 60)
    expect(ends(broker, topic) == (0, RECORDS), f"{RECORDS} records before deletion")
    size = broker.bytes_on_disk(topic)
    expect(size > 8 * MIB, f"{size} bytes on disk")
    return size


def ends(broker, topic: str) -> tuple[int, int]:
    return wire.offsets(broker.port, topic, 1, wire.EARLIEST)[0], wire.offsets(broker.port, topic, 1)[0]


def alter(broker, topic: str, setting: str) -> None:
    tool("kafka-configs", "--bootstrap-server", broker.bootstrap, "--entity-type", "topics", "--entity-name", topic, "--alter", "--add-config", setting)


def by_size(broker) -> str:
    before = filled(broker, "by-size", "retention.bytes=-1")
    alter(broker, "by-size", f"retention.bytes={3 * MIB}")
    eventually(lambda: ends(broker, "by-size")[0] > 0, "the start offset moves", PATIENCE)
    eventually(lambda: broker.bytes_on_disk("by-size") < 5 * MIB, "bytes on disk shrink below 5 MiB", PATIENCE)
    start, end = ends(broker, "by-size")
    expect(end == RECORDS and start < RECORDS, f"the log now holds {start} to {end}")
    expect(broker.bytes_on_disk("by-size") > 2 * MIB, "more was deleted than asked")
    read_from(broker, "by-size", start)
    return f"{before // 1024} KiB to {broker.bytes_on_disk('by-size') // 1024} KiB, start {start}"


def by_time(broker) -> str:
    filled(broker, "by-time", "retention.bytes=-1")
    time.sleep(1.5)
    alter(broker, "by-time", "retention.ms=1000")
    eventually(lambda: ends(broker, "by-time") == (RECORDS, RECORDS), "the start reaches the end, the active segment included", PATIENCE)
    eventually(lambda: broker.bytes_on_disk("by-time") < MIB, "bytes on disk shrink below 1 MiB", PATIENCE)
    alter(broker, "by-time", "retention.ms=-1")
    run_program(clients.java("Fill", broker.bootstrap, "by-time", f"0:{int(time.time() * 1000)}"), timeout=60)
    expect(ends(broker, "by-time") == (RECORDS, RECORDS + 1), "the offsets go on where they were")
    return "all segments, active one included"


def delete_records(broker) -> str:
    filled(broker, "trimmed", "retention.bytes=-1")
    request = broker.root / "trim.json"
    request.write_text('{"version":1,"partitions":[{"topic":"trimmed","partition":0,"offset":8000}]}')
    said, _ = tool("kafka-delete-records", "--bootstrap-server", broker.bootstrap, "--offset-json-file", request)
    expect("low_watermark: 8000" in said, "the low watermark", said)
    expect(ends(broker, "trimmed") == (8000, RECORDS), "the start moves at once")
    eventually(lambda: broker.bytes_on_disk("trimmed") < 3 * MIB, "bytes on disk shrink below 3 MiB", PATIENCE)
    read_from(broker, "trimmed", 8000)
    return "start 8000"


def delete_topic(broker) -> str:
    filled(broker, "deleted", "retention.bytes=-1")
    tool("kafka-topics", "--bootstrap-server", broker.bootstrap, "--delete", "--topic", "deleted")
    expect(wire.metadata(broker.port, ["deleted"])[1]["deleted"][-1][0] == 3, "UNKNOWN_TOPIC_OR_PARTITION after deletion")
    eventually(lambda: not list(broker.data.glob("deleted-*")), "the directory goes", PATIENCE)
    filled(broker, "deleted", "retention.bytes=-1")
    return "gone from disk, and the name is free again"


def survive_restart(broker) -> str:
    """What was deleted stays deleted after a clean stop, and after kill -9."""
    before = {topic: ends(broker, topic) for topic in ("by-size", "by-time", "trimmed")}
    time.sleep(2.5)
    broker.stop()
    broker.start()
    wire.await_topics(broker.port, dict.fromkeys(before, 1))
    for topic, expected in before.items():
        expect(ends(broker, topic) == expected, f"{topic} after a clean stop: {ends(broker, topic)}, before {expected}")
    broker.kill()
    broker.start()
    wire.await_topics(broker.port, dict.fromkeys(before, 1))
    for topic, expected in before.items():
        expect(ends(broker, topic) == expected, f"{topic} after kill -9: {ends(broker, topic)}, before {expected}")
    return "clean stop and kill -9"


def read_from(broker, topic: str, start: int) -> None:
    """What is left can be read to its end, without a gap."""
    printed = run_program(clients.confluent("read_all.py", broker.bootstrap, topic, 1), timeout=60).stdout
    offsets = [int(line.split(b" ", 2)[1]) for line in printed.split(b"\n") if line]
    expect(offsets == list(range(start, RECORDS)), f"{len(offsets)} records read from {start}")
