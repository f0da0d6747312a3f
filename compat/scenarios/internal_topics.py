"""The coordinators' own topics, compacted under load while the broker is killed in the middle of cleanings: groups keep their
positions, producers go on, and Kafka's formatters read what is left."""
import subprocess
import time

from harness import clients, wire
from harness.check import eventually, expect
from harness.clients import tool
from harness.context import Context
from harness.install import need
from harness.shell import Failed, run as run_program, spawn, tail
from scenarios.coordinator_records import OFFSETS, TRANSACTIONS, read_every_record

MIB = 1 << 20
TOPIC = "churned"
GROUPS = 4
MARKER_BYTES = 100
PATIENCE, SOON = 20.0, 2.0
PROPERTIES = {
    "offsets.topic.num.partitions": "1", "offsets.topic.segment.bytes": str(MIB),
    "transaction.state.log.num.partitions": "1", "transaction.state.log.segment.bytes": str(MIB),
    "log.cleaner.min.cleanable.ratio": "0.01",
    "log.cleaner.delete.retention.ms": "1000",
    "log.segment.delete.delay.ms": "500",
    "log.initial.task.delay.ms": "100",
}
BUSY = {"log.cleaner.backoff.ms": "20"}
FAST = "log.cleaner.io.max.bytes.per.second=1000000000"
RESTING = {"log.cleaner.backoff.ms": "3600000"}


def run(context: Context) -> None:
    need("java")
    count, kills = context.size(6_000, 800), context.size(10, 2)
    # Slow, so that a cleaning lasts long enough to be killed.
    pace = {"log.cleaner.io.max.bytes.per.second": str(context.size(20_000_000, 2_000_000))}
    with context.broker("internal-topics", PROPERTIES | BUSY | pace) as broker:
        run_program(clients.java("Admin", "create", broker.bootstrap, 1, "", TOPIC), timeout=60)
        wire.await_topics(broker.port, {TOPIC: 1})
        if not context.check("java", f"{kills} kill -9 while coordinators' topics are compacted", churn, broker, count, kills):
            return
        context.check("java", "coordinators' topics are small, and producers go on", go_on, broker, count)
        context.check("kafka", "every record of the coordinators is read", rest_and_read, broker)


def churn(broker, count: int, kills: int) -> str:
    log = broker.root / "churn.log"
    with open(log, "wb") as said:
        process = spawn(clients.java("Churn", broker.bootstrap, TOPIC, GROUPS, 0, count), stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    caught, begun = 0, time.monotonic()
    for number in range(kills):
        # Either of them, as it comes, and each of them if it comes soon.
        wanted, deadline = [(OFFSETS, TRANSACTIONS)[number % 2]], time.monotonic() + PATIENCE
        while not being_cleaned(broker, wanted) and time.monotonic() < deadline:
            if time.monotonic() > deadline - PATIENCE + SOON:
                wanted = [OFFSETS, TRANSACTIONS]
        broker.kill()
        caught += bool(being_cleaned(broker, [OFFSETS, TRANSACTIONS]))
        broker.start()
        wire.await_topics(broker.port, {TOPIC: 1, OFFSETS: 1, TRANSACTIONS: 1})
    try:
        code = process.wait(300)
    except subprocess.TimeoutExpired:
        raise Failed(f"it does not end: {tail(log.read_bytes())}") from None
    expect(code == 0, f"the producers ended with {code}", tail(log.read_bytes()))
    expect(caught, "no kill came in the middle of a cleaning")
    expect(positions(broker) == last_committed(count), f"positions {positions(broker)}, committed {last_committed(count)}")
    return f"{GROUPS * count} transactions in {time.monotonic() - begun:.0f} s, {caught} of {kills} in the middle of a cleaning"


def being_cleaned(broker, topics: list[str]) -> list:
    directories = [directory for topic in topics for directory in broker.partition_dirs(topic)]
    return [file for directory in directories for suffix in ("cleaned", "swap") for file in directory.glob(f"*.{suffix}")]


def last_committed(count: int) -> list[int]:
    """Every fourth is aborted."""
    return [max(offset for offset in range(count - 2, count) if offset % 4 != 3)] * GROUPS


def positions(broker) -> list[int]:
    """Of each group. A group that is still being loaded is asked again."""
    def all_known() -> list[int] | None:
        found = [wire.committed(broker.port, f"churn-{group}", TOPIC, 0) for group in range(GROUPS)]
        return found if None not in found and -1 not in found else None

    return eventually(all_known, "every group has a position", PATIENCE)


def go_on(broker, count: int) -> str:
    """What is left fits into the segments that are written to, but for the markers, which stay until their time is over and
    something else is to be cleaned; and it is enough to start from."""
    server = ("--bootstrap-server", broker.bootstrap, "--entity-type", "brokers", "--entity-default", "--alter")
    tool("kafka-configs", *server, "--add-config", FAST)
    size = lambda: [broker.bytes_on_disk(topic) for topic in (OFFSETS, TRANSACTIONS)]
    eventually(lambda: max(size()) < 2 * MIB + GROUPS * count * MARKER_BYTES, "each topic is small", 3 * PATIENCE)
    small = size()
    for end in ("kill", "stop"):
        getattr(broker, end)()
        broker.start()
        wire.await_topics(broker.port, {TOPIC: 1, OFFSETS: 1, TRANSACTIONS: 1})
        expect(positions(broker) == last_committed(count), f"positions after a {end}: {positions(broker)}")
        more = clients.java("Churn", broker.bootstrap, TOPIC, GROUPS, count, count + 10)
        run_program(more, timeout=120)
        count += 10
        expect(positions(broker) == last_committed(count), f"positions after more: {positions(broker)}")
    return f"{small[0] >> 10} and {small[1] >> 10} KiB on disk"


def rest_and_read(broker) -> str:
    """While nothing is cleaned, so that all see the same records."""
    broker.stop()
    broker.properties = PROPERTIES | RESTING
    broker.choose_ports()
    broker.start()
    wire.await_topics(broker.port, {TOPIC: 1, OFFSETS: 1, TRANSACTIONS: 1})
    return read_every_record(broker)
