"""Cases at full speed: what is produced and consumed as fast as broker and client can."""
import re

import measure
from brokers import BATCHES, rdperf
from harness import install
from harness.shell import Failed, run
from session import Session

KIB = 1024
# The settings of the figures that Kafka is measured with elsewhere.
BATCHED = {
    **BATCHES,
    "queue__buffering__max__messages": 500_000, "queue__buffering__max__kbytes": 2_000_000,
}
# Each producer has one request of one record in flight.
SINGLE = {"linger__ms": 0, "batch__num__messages": 1, "max__in__flight": 1}
SINGLE_PRODUCERS = 8
PERF_JVM = {"KAFKA_HEAP_OPTS": "-Xmx512M", "KAFKA_JVM_OPTS": "-XX:+UseG1GC"}
# Of the records of a case, those that its system calls are counted on.
COUNTED_SHARE = 10


def produce(topic: str, size: int = KIB, gigabytes: tuple[float, float] = (2, 0.25), **settings):
    """A case that produces to a topic of its own, with what is to be produced in full and in quick."""
    def of(session: Session) -> dict[str, float]:
        records = session.size(*(int(part * 1e9 / size) for part in gigabytes))
        return produced(session, topic, records, size, {**BATCHED, **settings})

    return of


def single(session: Session) -> dict[str, float]:
    return produced(session, "single", session.size(200_000, 30_000), KIB, {**BATCHED, **SINGLE, "producers": SINGLE_PRODUCERS})


def produced(session: Session, topic: str, records: int, size: int, settings: dict) -> dict[str, float]:
    session.create(topic)
    command = lambda share: rdperf("produce", session.broker, topic, records=records // share, size=size, **settings)  # noqa: E731
    found = measure.figures(session.broker, command(1), size, written=records * size)
    return session.with_syscalls(found, command(COUNTED_SHARE))


def consume(session: Session) -> dict[str, float]:
    """Reads what is in the page cache; the topic is filled first where no case before has done it."""
    records = session.size(2_000_000, 250_000)
    session.fill("produce-1k", records)
    command = lambda share: rdperf("consume", session.broker, "produce-1k", records=records // share, partitions=session.partitions)  # noqa: E731
    found = measure.figures(session.broker, command(1), KIB)
    return session.with_syscalls(found, command(COUNTED_SHARE))


def java_produce(session: Session) -> dict[str, float]:
    topic, records = "java", session.size(2_000_000, 250_000)
    session.create(topic)
    settings = ["acks=all", "linger.ms=5", "batch.size=1000000", "buffer.memory=134217728"]
    command = [
        install.KAFKA / "bin" / "kafka-producer-perf-test.sh", "--bootstrap-server", session.broker.bootstrap, "--topic", topic,
        "--num-records", records, "--record-size", KIB, "--throughput", -1,
        *(word for setting in settings for word in ("--command-property", setting)),
    ]
    before = measure.Cost(session.broker)
    said = run(command, timeout=900, env=PERF_JVM).stdout.decode()
    found = re.findall(
        rf"^{records} records sent, ([\d.]+) records/sec .* ([\d.]+) ms max latency, (\d+) ms 50th, \d+ ms 95th, (\d+) ms 99th, (\d+) ms 99.9th",
        said, re.M,
    )
    if not found:
        raise Failed(f"kafka-producer-perf-test printed {said[-300:]!r}")
    rate, most, half, tail, far_tail = map(float, found[-1])
    return {
        **java_figures(session, before, records, rate), "p50 ms": half, "p99 ms": tail, "p99.9 ms": far_tail, "max ms": most,
    }


def java_consume(session: Session) -> dict[str, float]:
    records = session.size(2_000_000, 250_000)
    session.fill("produce-1k", records)
    command = [
        install.KAFKA / "bin" / "kafka-consumer-perf-test.sh", "--bootstrap-server", session.broker.bootstrap, "--topic", "produce-1k",
        "--num-records", records, "--hide-header", "--timeout", 60000,
    ]
    before = measure.Cost(session.broker)
    row = run(command, timeout=900, env=PERF_JVM).stdout.decode().strip().splitlines()[-1].split(", ")
    if int(row[4]) < records:
        raise Failed(f"kafka-consumer-perf-test read {row[4]} of {records}")
    # Records a second of fetching, without the time the group took to form.
    return java_figures(session, before, records, float(row[9]))


def java_figures(session: Session, before: measure.Cost, records: int, rate: float) -> dict[str, float]:
    cpu, _, _ = measure.Cost(session.broker).since(before)
    return {
        "records/s": rate, "broker CPU, µs/record": cpu * 1e6 / records,
        "broker CPU, s/GiB": cpu / (records * KIB / measure.GIB), "resident, MiB": session.broker.resident_mib(),
    }
