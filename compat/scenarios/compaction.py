"""Log compaction: keys updated and deleted, in transactions and outside, while the cleaner runs and is killed; who reads the topic
always has the right table, and an offset is always the same record."""
import functools
import re
import subprocess
import time
import zlib
from array import array

from harness import clients, wire
from harness.check import eventually, expect
from harness.clients import tool
from harness.context import Context
from harness.install import need
from harness.shell import Failed, run as run_program, spawn, tail

MIB = 1 << 20
PARTITIONS = 2
TOPIC = "table"
PATIENCE = 60.0
# As in clients/java/Updates.java: what every fourth block of updates holds is aborted.
BLOCK = 500


class Plan:
    """How much is written, how fast it is cleaned, and what was read so far."""

    def __init__(self, context: Context):
        self.updates, self.keys, self.kills = context.size(5_000_000, 60_000), context.size(1_000_000, 6_000), context.size(6, 2)
        self.value_bytes, self.seconds = context.size(40, 200), context.size(60, 8)
        self.segment_bytes = context.size(4, 1) * MIB
        self.reading, self.most_bytes = context.size(300, 60), 0
        # Of each partition, a checksum of the record at each offset that was read; 0 where none was.
        self.records = [array("I") for _ in range(PARTITIONS)]
        # Slow, so that a cleaning lasts long enough to be killed, and with memory for few keys, so that it takes many passes.
        self.properties = {
            "log.cleaner.backoff.ms": "50",
            "log.cleaner.io.max.bytes.per.second": str(context.size(40_000_000, 4_000_000)),
            "log.cleaner.dedupe.buffer.size": str(context.size(8_000_000, 1_100_000)),
            "log.cleaner.io.buffer.load.factor": str(context.size(9, 1) / 10),
            "log.segment.delete.delay.ms": "500",
            "log.initial.task.delay.ms": "100",
        }

    @property
    def configs(self) -> str:
        return f"cleanup.policy=compact,segment.bytes={self.segment_bytes},min.cleanable.dirty.ratio=0.05,delete.retention.ms=1000"


# What DumpLogSegments prints on something wrong. That offsets are missing is as it should be in a compacted log; so is a time
# index that has the time of a batch without records (-1 in the log), which stays for its producer's sake.
COMPLAINTS = re.compile(
    r"isvalid: false|Mismatches in|Index timestamp: \d+, log timestamp: \d|out of order timestamp|not found in the log|invalid bytes at the end|Exception"
    r"|[Cc]orrupt|Could not|Failed to"
)


def run(context: Context) -> None:
    need("java", "confluent")
    plan = Plan(context)
    with context.broker("compaction", plan.properties) as broker:
        run_program(clients.java("Admin", "create", broker.bootstrap, PARTITIONS, plan.configs, TOPIC), timeout=60)
        wire.await_topics(broker.port, {TOPIC: PARTITIONS})
        if not context.check("broker", f"{plan.kills} kill -9 while compacting", update_and_kill, broker, plan):
            return
        context.check("broker", "compacted: the table, small", reads_right, broker, plan)
        context.check("kafka-dump-log", "compacted segments", dump, broker)
        if context.kind != "jvm":
            context.check("kafka", "JVM takes a compacted directory over", hand_over, broker, "jvm", plan)
        context.check("broker", "starts on the compacted directory again", hand_over, broker, context.kind, plan)


@functools.cache
def table(updates: int, keys: int) -> dict[str, str]:
    """What the updates of clients/java/Updates.java come to: the number of the last update of each key that is not deleted."""
    last = {}
    for n in range(updates):
        if n // BLOCK % 4 == 3:
            continue
        random = (n * 1103515245 + 12345) % 2147483648 * 69069 % 2147483648
        last[f"key-{random // 64 % keys}"] = "-" if random // 64 // keys % 11 == 0 else str(n)
    return {key: number for key, number in last.items() if number != "-"}


def update_and_kill(broker, plan: Plan) -> str:
    log = broker.root / "updates.log"
    pace = plan.updates // plan.seconds
    command = clients.java("Updates", broker.bootstrap, TOPIC, plan.updates, plan.keys, pace, "lz4", plan.value_bytes)
    with open(log, "wb") as said:
        producer = spawn(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    caught = 0
    for number in range(plan.kills):
        # Either kind of file is there for moments only, the second one for the shortest.
        suffix = (".cleaned", ".log.cleaned", ".swap", ".index.cleaned")[number % 4]
        deadline = time.monotonic() + (PATIENCE if suffix != ".swap" else 1.0)
        while not leftovers(broker, suffix) and time.monotonic() < deadline:
            pass
        plan.most_bytes = max(plan.most_bytes, broker.bytes_on_disk(TOPIC))
        broker.kill()
        caught += bool(leftovers(broker, ".cleaned") or leftovers(broker, ".swap"))
        broker.start()
        wire.await_topics(broker.port, {TOPIC: PARTITIONS})
        expect(not leftovers(broker, ".swap"), "half a replacement is finished or undone at the start")
        read(broker, plan)
    deadline = time.monotonic() + plan.reading
    # A cleaner that keeps up leaves little to see once the last record is written.
    while (code := producer.poll()) is None and time.monotonic() < deadline:
        plan.most_bytes = max(plan.most_bytes, broker.bytes_on_disk(TOPIC))
        time.sleep(0.1)
    expect(code is not None, "the producer does not end", tail(log.read_bytes()))
    plan.most_bytes = max(plan.most_bytes, broker.bytes_on_disk(TOPIC))
    expect(code == 0, f"the producer ended with {code}", tail(log.read_bytes()))
    expect(caught, "no kill came in the middle of a cleaning")
    ends = sum(wire.offsets(broker.port, TOPIC, PARTITIONS))
    expect(ends > plan.updates, f"{plan.updates} updates were acknowledged, with markers between, and the partitions end at {ends}")
    return f"{caught} of {plan.kills} in the middle of a cleaning, {ends} offsets"


def leftovers(broker, suffix: str) -> list:
    return [file for directory in broker.partition_dirs(TOPIC) for file in directory.glob(f"*{suffix}")]


def reads_right(broker, plan: Plan) -> str:
    """The table is right at once; and after the cleaner got all the bytes a second it wants, little more than it is left."""
    read_table(broker, plan)
    server = ("--bootstrap-server", broker.bootstrap, "--entity-type", "brokers", "--entity-default", "--alter")
    tool("kafka-configs", *server, "--add-config", "log.cleaner.io.max.bytes.per.second=1000000000")
    least = len(table(plan.updates, plan.keys))
    # An active segment of each partition stays as it is, and what is less dirty than asked for.
    allowed = least * 1.3 + PARTITIONS * plan.segment_bytes / 100
    records = eventually(lambda: at_most(read_table(broker, plan), allowed), f"at most {allowed:.0f} records are left", plan.reading)
    checkpoint = (broker.data / "cleaner-offset-checkpoint").read_text().splitlines()
    cleaned = sorted(line.split()[:2] for line in checkpoint[2:] if line.startswith(f"{TOPIC} "))
    expect(cleaned == [[TOPIC, str(n)] for n in range(PARTITIONS)], "the checkpoint", "\n".join(checkpoint))
    left = broker.bytes_on_disk(TOPIC)
    expect(left < plan.most_bytes, f"{left} bytes are left, there were {plan.most_bytes}")
    return f"{records} records of {plan.updates} left for {least} keys; {plan.most_bytes >> 10} KiB on disk, then {left >> 10}"


def at_most(count: int, limit: float) -> int:
    return count if count <= limit else 0


def read(broker, plan: Plan) -> tuple[dict[str, str], int]:
    """Reads everything that is committed; what an offset was when it was read before, it is still. Answers the table so far
    and the count of records."""
    printed = run_program(clients.confluent("table.py", broker.bootstrap, TOPIC, PARTITIONS), timeout=plan.reading).stdout
    found: dict[str, str] = {}
    last = [-1] * PARTITIONS
    count = 0
    for line in printed.splitlines():
        place, offset, key, number = line.split()
        partition, at = int(place), int(offset)
        if at <= last[partition]:
            raise Failed(f"offset {at} of partition {partition} follows {last[partition]}")
        last[partition], count = at, count + 1
        known, checksum = plan.records[partition], zlib.crc32(number, zlib.crc32(key)) or 1
        if at >= len(known):
            known.extend([0] * (at + 1 - len(known)))
        if known[at] not in (0, checksum):
            raise Failed(f"offset {at} of partition {partition} has become another record: {line.decode()}")
        known[at] = checksum
        if number == b"-":
            found.pop(key.decode(), None)
        else:
            found[key.decode()] = number.decode()
    return found, count


def read_table(broker, plan: Plan) -> int:
    """Reads everything and compares it with what it must come to; answers how many records there were."""
    found, count = read(broker, plan)
    expected = table(plan.updates, plan.keys)
    if found != expected:
        wrong = sorted(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))
        told = ", ".join(f"{key}: {found.get(key)} for {expected.get(key)}" for key in wrong[:5])
        raise Failed(f"{len(wrong)} of {len(expected)} keys are wrong: {told}")
    return count


def dump(broker) -> str:
    """Kafka's own program over every log and index, after a clean stop."""
    broker.stop()
    logs = [file for directory in broker.partition_dirs(TOPIC) for file in sorted(directory.glob("*.log"))]
    indexes = [file for log in logs for file in (log.with_suffix(".index"), log.with_suffix(".timeindex"))]
    said = "".join(tool("kafka-dump-log", "--deep-iteration", "--files", ",".join(map(str, logs)), timeout=600))
    said += "".join(tool("kafka-dump-log", "--verify-index-only", "--files", ",".join(map(str, indexes)), timeout=600))
    for line in said.splitlines():
        expect(not COMPLAINTS.search(line), "kafka-dump-log", line)
    horizons = said.count("deleteHorizonMs: OptionalLong[")
    entries = sum(index.stat().st_size for index in indexes if index.suffix == ".index") // 8
    expect(entries > len(logs), f"{entries} index entries for {len(logs)} segments")
    expect(horizons, "no batch with tombstones counts down to their removal")
    return f"{len(logs)} segments, {entries} index entries, {horizons} batches with a delete horizon"


def hand_over(broker, kind: str, plan: Plan) -> str:
    broker.become(kind)
    seconds = broker.start()
    wire.await_topics(broker.port, {TOPIC: PARTITIONS})
    try:
        count = read_table(broker, plan)
    except BaseException:
        broker.stop()  # the directory is still worth judging
        raise
    return f"{kind} start {seconds:.1f} s, {count} records, stop {broker.stop():.1f} s"
