"""Log compaction: keys updated and deleted while the cleaner runs and is killed; who reads the topic has the right table."""
import re
import subprocess
import time

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
# Slow, so that a cleaning lasts long enough to be killed, and with memory for few keys, so that it takes many passes.
PROPERTIES = {
    "log.cleaner.backoff.ms": "50",
    "log.cleaner.io.max.bytes.per.second": "4000000",
    "log.cleaner.dedupe.buffer.size": "1100000",
    "log.cleaner.io.buffer.load.factor": "0.1",
    "log.segment.delete.delay.ms": "500",
    "log.initial.task.delay.ms": "100",
}
CONFIGS = f"cleanup.policy=compact,segment.bytes={MIB},min.cleanable.dirty.ratio=0.05,delete.retention.ms=1000"
# What DumpLogSegments prints on something wrong. That offsets are missing is as it should be in a compacted log.
COMPLAINTS = re.compile(
    r"isvalid: false|Mismatches in|mismatch in|out of order timestamp|not found in the log|invalid bytes at the end|Exception"
    r"|[Cc]orrupt|Could not|Failed to"
)


def run(context: Context) -> None:
    need("java", "confluent")
    updates, keys, kills = context.size(200_000, 60_000), context.size(20_000, 6_000), context.size(4, 2)
    with context.broker("compaction", PROPERTIES) as broker:
        run_program(clients.java("Admin", "create", broker.bootstrap, PARTITIONS, CONFIGS, TOPIC), timeout=60)
        wire.await_topics(broker.port, {TOPIC: PARTITIONS})
        if not context.check("broker", f"{kills} kill -9 while compacting", update_and_kill, broker, updates, keys, kills):
            return
        context.check("broker", "compacted: the table, small", reads_right, broker, updates, keys)
        context.check("kafka-dump-log", "compacted segments", dump, broker)
        if context.kind != "jvm":
            context.check("kafka", "JVM takes a compacted directory over", hand_over, broker, "jvm", updates, keys)
        context.check("broker", "starts on the compacted directory again", hand_over, broker, context.kind, updates, keys)


def table(updates: int, keys: int) -> dict[str, str]:
    """What the updates of clients/java/Updates.java come to: the number of the last update of each key that is not deleted."""
    last = {}
    for n in range(updates):
        random = (n * 1103515245 + 12345) % 2147483648 * 69069 % 2147483648
        last[f"key-{random // 64 % keys}"] = "-" if random // 64 // keys % 11 == 0 else str(n)
    return {key: number for key, number in last.items() if number != "-"}


def update_and_kill(broker, updates: int, keys: int, kills: int) -> str:
    log = broker.root / "updates.log"
    command = clients.java("Updates", broker.bootstrap, TOPIC, 0, updates, keys, updates // 8, "lz4")
    with open(log, "wb") as said:
        producer = spawn(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    caught = 0
    for number in range(kills):
        # Either kind of file is there for moments only, the second one for the shortest.
        suffix = (".cleaned", ".log.cleaned", ".swap", ".index.cleaned")[number % 4]
        deadline = time.monotonic() + (PATIENCE if suffix != ".swap" else 1.0)
        while not leftovers(broker, suffix) and time.monotonic() < deadline:
            pass
        broker.kill()
        caught += bool(leftovers(broker, ".cleaned") or leftovers(broker, ".swap"))
        broker.start()
        wire.await_topics(broker.port, {TOPIC: PARTITIONS})
        expect(not leftovers(broker, ".swap"), "half a replacement is finished or undone at the start")
    try:
        code = producer.wait(120)
    except subprocess.TimeoutExpired:
        raise Failed(f"the producer does not end: {tail(log.read_bytes())}") from None
    expect(code == 0, f"the producer ended with {code}", tail(log.read_bytes()))
    expect(caught, "no kill came in the middle of a cleaning")
    ends = sum(wire.offsets(broker.port, TOPIC, PARTITIONS))
    expect(ends == updates, f"{updates} updates were acknowledged, the partitions end at {ends}")
    return f"{caught} of {kills} in the middle of a cleaning"


def leftovers(broker, suffix: str) -> list:
    return [file for directory in broker.partition_dirs(TOPIC) for file in directory.glob(f"*{suffix}")]


def reads_right(broker, updates: int, keys: int) -> str:
    """The table is right at once; and after the cleaner got all the bytes a second it wants, little more than it is left."""
    read_table(broker, updates, keys)
    server = ("--bootstrap-server", broker.bootstrap, "--entity-type", "brokers", "--entity-default", "--alter")
    tool("kafka-configs", *server, "--add-config", "log.cleaner.io.max.bytes.per.second=1000000000")
    least = len(table(updates, keys))
    # An active segment of each partition stays as it is, and what is less dirty than asked for.
    allowed = least * 1.3 + PARTITIONS * MIB / 100
    records = eventually(lambda: at_most(read_table(broker, updates, keys), allowed), f"at most {allowed:.0f} records are left", PATIENCE)
    checkpoint = (broker.data / "cleaner-offset-checkpoint").read_text().splitlines()
    expect(sorted(line.split()[:2] for line in checkpoint[2:]) == [[TOPIC, str(n)] for n in range(PARTITIONS)], "the checkpoint", "\n".join(checkpoint))
    return f"{records} records of {updates} left for {least} keys"


def at_most(count: int, limit: float) -> int:
    return count if count <= limit else 0


def read_table(broker, updates: int, keys: int) -> int:
    """Reads everything and compares it with what it must come to; answers how many records there were."""
    printed = run_program(clients.confluent("table.py", broker.bootstrap, TOPIC, PARTITIONS), timeout=60).stdout.decode()
    found: dict[str, str] = {}
    last: dict[str, int] = {}
    lines = printed.splitlines()
    for line in lines:
        partition, offset, key, number = line.split()
        if int(offset) <= last.get(partition, -1):
            raise Failed(f"offset {offset} of partition {partition} follows {last[partition]}")
        last[partition] = int(offset)
        if number == "-":
            found.pop(key, None)
        else:
            found[key] = number
    expected = table(updates, keys)
    if found != expected:
        wrong = sorted(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))
        told = ", ".join(f"{key}: {found.get(key)} for {expected.get(key)}" for key in wrong[:5])
        raise Failed(f"{len(wrong)} of {len(expected)} keys are wrong: {told}")
    return len(lines)


def dump(broker) -> str:
    """Kafka's own program over every log and index, after a clean stop."""
    broker.stop()
    logs = [file for directory in broker.partition_dirs(TOPIC) for file in sorted(directory.glob("*.log"))]
    indexes = [file for log in logs for file in (log.with_suffix(".index"), log.with_suffix(".timeindex"))]
    said = "".join(tool("kafka-dump-log", "--deep-iteration", "--files", ",".join(map(str, logs)), timeout=120))
    said += "".join(tool("kafka-dump-log", "--verify-index-only", "--files", ",".join(map(str, indexes)), timeout=120))
    for line in said.splitlines():
        expect(not COMPLAINTS.search(line), "kafka-dump-log", line)
    horizons = said.count("deleteHorizonMs: OptionalLong[")
    entries = sum(index.stat().st_size for index in indexes if index.suffix == ".index") // 8
    expect(entries > len(logs), f"{entries} index entries for {len(logs)} segments")
    expect(horizons, "no batch with tombstones counts down to their removal")
    return f"{len(logs)} segments, {entries} index entries, {horizons} batches with a delete horizon"


def hand_over(broker, kind: str, updates: int, keys: int) -> str:
    broker.become(kind)
    seconds = broker.start()
    wire.await_topics(broker.port, {TOPIC: PARTITIONS})
    count = read_table(broker, updates, keys)
    return f"{kind} start {seconds:.1f} s, {count} records, stop {broker.stop():.1f} s"
