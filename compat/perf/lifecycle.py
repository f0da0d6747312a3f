"""Cases about a broker's life: its start, its start after kill -9, what it takes at rest, and many partitions."""
import statistics
import time
from pathlib import Path

import recovery
from brokers import open_broker
from harness import wire
from harness.broker import Broker
from session import Sizes

STARTS = 5
FIRST = "first answer, s"
RESIDENT, IDLE = "resident, MiB", "idle CPU, % of a core"
# Seconds to come to rest, and seconds at rest that are measured.
SETTLE, REST = (5, 2), (30, 8)
TOPIC_PARTITIONS = 10
# Topics of one CreateTopics.
TOPICS_AT_ONCE = 50
PATIENCE_SECONDS = 900


def start(kind: str, sizes: Sizes) -> dict[str, float]:
    """From the start of the process to its first Metadata answer, on a directory that was cleanly closed."""
    broker = open_broker(kind)
    try:
        broker.start()
        wire.create(broker.port, {"start": 12})
        found = []
        for _ in range(sizes.size(STARTS, 2)):
            broker.stop()
            found.append(broker.start())
        return {FIRST: statistics.median(found), RESIDENT: broker.resident_mib()}
    finally:
        broker.close()


def restart(kind: str, sizes: Sizes) -> dict[str, float]:
    """After kill -9 while it is being written to, with much and with a tenth of it."""
    found = {}
    much, little = sizes.size((10, 1), (1, 0.1))
    for name, gigabytes in (("much", much), ("little", little)):
        each = recovery.measure(kind, 12, gigabytes, after=False)
        found |= {f"{name}: {figure}": value for figure, value in each.items()}
    found["much ÷ little"] = found[f"much: {recovery.ALL}"] / found[f"little: {recovery.ALL}"]
    return found


def idle(kind: str, sizes: Sizes) -> dict[str, float]:
    """A broker with 1,000 partitions that nobody asks anything."""
    broker = open_broker(kind)
    try:
        broker.start()
        create(broker, 100)
        return {IDLE: at_rest(broker, sizes), RESIDENT: broker.resident_mib()}
    finally:
        broker.close()


def partitions(kind: str, sizes: Sizes) -> dict[str, float]:
    """10,000 partitions (1,000 in quick) created, at rest, restarted cleanly and after kill -9."""
    topics = sizes.size(1_000, 100)
    broker = open_broker(kind)
    try:
        broker.start()
        found = {"created, s": create(broker, topics)}
        found[IDLE] = at_rest(broker, sizes)
        broker.stop(PATIENCE_SECONDS)
        found["restarted, s"] = started(broker, topics)
        broker.kill()
        found["restarted after kill -9, s"] = started(broker, topics)
        time.sleep(sizes.size(*SETTLE))
        found |= {RESIDENT: broker.resident_mib(), "resident at most, MiB": broker.peak_mib(), "descriptors": broker.descriptors()}
        return found
    finally:
        broker.close()


def create(broker: Broker, topics: int) -> float:
    """Seconds until topics of ten partitions are there and led."""
    begun = time.monotonic()
    for first in range(0, topics, TOPICS_AT_ONCE):
        wire.create(broker.port, dict.fromkeys(names(topics)[first:first + TOPICS_AT_ONCE], TOPIC_PARTITIONS))
    return time.monotonic() - begun


def started(broker: Broker, topics: int) -> float:
    """Seconds until a broker that is started tells of all partitions where they end."""
    begun = time.monotonic()
    broker.start(patience=PATIENCE_SECONDS)
    wire.await_offsets(broker.port, names(topics), TOPIC_PARTITIONS, patience=PATIENCE_SECONDS)
    return time.monotonic() - begun


def names(topics: int) -> list[str]:
    return [f"many-{number:04}" for number in range(topics)]


def at_rest(broker: Broker, sizes: Sizes) -> float:
    """CPU in percent of a core, once it has come to rest."""
    time.sleep(sizes.size(*SETTLE))
    before, begun = thread_nanoseconds(broker), time.monotonic()
    time.sleep(sizes.size(*REST))
    after, seconds = thread_nanoseconds(broker), time.monotonic() - begun
    return sum(ran - before.get(thread, 0) for thread, ran in after.items()) / seconds / 1e7


def thread_nanoseconds(broker: Broker) -> dict[str, int]:
    """What each thread has run; a process as a whole is told in hundredths of a second only."""
    found = {}
    for schedstat in Path(f"/proc/{broker.pid}/task").glob("*/schedstat"):
        try:
            found[schedstat.parent.name] = int(schedstat.read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass  # a thread that has just ended
    return found
