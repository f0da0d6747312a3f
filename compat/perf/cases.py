"""Every case, and what it must reach."""
from dataclasses import dataclass, field
from typing import Callable

import latency
import lifecycle
import throughput

RATE, CPU, GIB = "records/s", "broker CPU, µs/record", "broker CPU, s/GiB"


@dataclass(frozen=True)
class Limit:
    """What a figure must reach: the ratio ours to Kafka's at least or at most, or our own at most."""
    ratio_floor: float | None = None
    ratio_ceiling: float | None = None
    ceiling: float | None = None

    def __str__(self) -> str:
        if self.ratio_floor is not None:
            return f"ratio ≥ {self.ratio_floor:g}"
        return f"ratio ≤ {self.ratio_ceiling:g}" if self.ratio_ceiling is not None else f"≤ {self.ceiling:g}"

    @property
    def absolute(self) -> bool:
        return self.ceiling is not None

    def verdict(self, value: float) -> str:
        if self.ratio_floor is not None:
            missed = 1 - value / self.ratio_floor
        else:
            missed = value / (self.ceiling if self.absolute else self.ratio_ceiling) - 1
        return "met" if missed <= 0 else f"MISSED by {missed * 100:.0f} %"


@dataclass(frozen=True)
class Case:
    """`measure(session)` on the broker that all load cases of a round share, or `measure(kind, sizes)` on one of its own."""
    about: str
    measure: Callable
    wanted: dict[str, Limit] = field(default_factory=dict)
    own_broker: bool = False
    # Cases that take minutes are not repeated in every round.
    once: bool = False
    parts: tuple[str, ...] = ()
    # Left out of quick unless it is named.
    full_only: bool = False
    # The floor answers what this case asks.
    floor: bool = False


def at_least(rate: float, cpu: float) -> dict[str, Limit]:
    return {RATE: Limit(ratio_floor=rate), CPU: Limit(ratio_ceiling=cpu)}


TAIL = {CPU: Limit(ratio_ceiling=0.2), "p99 ms": Limit(ratio_ceiling=0.6), "p99.9 ms": Limit(ratio_ceiling=0.6)}

CASES = {
    "produce-1k": Case("1 KB over 12 partitions, acks=all", throughput.produce("produce-1k"), at_least(3.0, 0.2), floor=True),
    "produce-100": Case("100 B", throughput.produce("produce-100", size=100), at_least(1.2, 0.2), floor=True),
    "produce-lz4": Case("1 KB, lz4", throughput.produce("produce-lz4", compression__codec="lz4"), at_least(1.0, 0.6), floor=True),
    "produce-idempotent": Case("1 KB, idempotent", throughput.produce("produce-idempotent", enable__idempotence="true"), at_least(2.0, 0.35), floor=True),
    "single": Case(f"1 KB, one record a request, {throughput.SINGLE_PRODUCERS} producers", throughput.single, at_least(2.5, 0.3), floor=True),
    "consume-1k": Case("1 KB from the page cache", throughput.consume, {RATE: Limit(ratio_floor=1.0), GIB: Limit(ratio_ceiling=0.7)}, floor=True),
    "java-produce": Case("kafka-producer-perf-test, 1 KB", throughput.java_produce, parts=("jvm",), full_only=True),
    "java-consume": Case("kafka-consumer-perf-test, 1 KB", throughput.java_consume, parts=("jvm",), full_only=True),
    "tail-5k": Case("end to end at 5,000 records/s", latency.end_to_end(5_000), TAIL, floor=True),
    "tail-20k": Case("end to end at 20,000 records/s", latency.end_to_end(20_000), TAIL, floor=True),
    "tail-50k": Case("end to end at 50,000 records/s", latency.end_to_end(50_000), TAIL, floor=True),
    "many-producers": Case("1,000 producers, one record a second each", latency.many_producers, parts=("load",)),
    "slow-consumers": Case("5,000 records/s beside 200 slow consumers", latency.slow_consumers, parts=("load",)),
    "cold-replay": Case(
        "20,000 records/s beside a replay from the disk", latency.cold_replay, {"tail p99 grows, ×": Limit(ceiling=2)},
        floor=True,
    ),
    "memory": Case("after all load cases of the round", lambda session: {
        "resident, MiB": session.broker.resident_mib(), "resident at most, MiB": session.broker.peak_mib(),
    }, {"resident, MiB": Limit(ceiling=50)}),
    "start": Case("clean directory, 12 partitions", lifecycle.start, {lifecycle.FIRST: Limit(ceiling=0.05)}, own_broker=True),
    "idle": Case("1,000 partitions", lifecycle.idle, {lifecycle.IDLE: Limit(ceiling=0.1)}, own_broker=True, once=True),
    "restart": Case("after kill -9 with 10 GB and 1 GB (quick: 1 and 0.1)", lifecycle.restart, {
        "much: first answer, s": Limit(ceiling=1), "much ÷ little": Limit(ceiling=1.2),
    }, own_broker=True, once=True),
    "partitions": Case("10,000 partitions (quick: 1,000)", lifecycle.partitions, {
        "created, s": Limit(ceiling=5), "restarted, s": Limit(ceiling=2), "restarted after kill -9, s": Limit(ceiling=3),
        lifecycle.RESIDENT: Limit(ceiling=300), lifecycle.IDLE: Limit(ceiling=0.5),
    }, own_broker=True, once=True),
}
