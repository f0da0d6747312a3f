#!/usr/bin/env python3
"""Throughput, CPU, memory and start of our broker and of Kafka's own, in alternating rounds on one machine.

    bench.py [--rounds N] [--records N] [--requests N] [--json FILE] [--only ottla|jvm]

A benchmark, not a test: it prints medians and ratios and ends with 0 unless something did not run.
"""
import argparse
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from beside import KINDS, head, line, median, rounds, write  # noqa: E402
from harness import clients, install, wire  # noqa: E402
from harness.broker import Broker  # noqa: E402
from harness.shell import COMPAT, WORK, Failed, end_all, run  # noqa: E402

PARTITIONS = 12
RECORD_BYTES = 1024
IDLE_SECONDS = 20
PERF_JVM = {"KAFKA_HEAP_OPTS": "-Xmx512M", "KAFKA_JVM_OPTS": "-XX:+UseG1GC"}

# Row, unit, and whether more is better; the floors are Ottla beside Kafka or Ottla alone.
RATES = [
    "produce, kafka-producer-perf-test", "consume, kafka-consumer-perf-test",
    "produce, librdkafka", "consume, librdkafka", "one record a request, librdkafka",
]


def main() -> int:
    parser = argparse.ArgumentParser(description="Our broker beside Kafka's own.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--records", type=int, default=2_000_000, help="records of 1 KB for each produce and consume")
    parser.add_argument("--requests", type=int, default=50_000, help="requests of one record")
    parser.add_argument("--json", type=Path, default=WORK / "perf.json", help="where the figures go as well")
    parser.add_argument("--only", choices=KINDS, help="one broker, for a quick look")
    options = parser.parse_args()
    kinds = [options.only] if options.only else KINDS
    try:
        prepare(kinds)
        found = rounds(kinds, options.rounds, lambda kind: measure(kind, options.records, options.requests))
        medians = {kind: median(each) for kind, each in found.items()}
        write(options.json, {"records": options.records, "requests": options.requests, "rounds": found, "medians": medians})
        show(medians, options)
        return 0
    except Failed as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    finally:
        end_all()


def prepare(kinds: list[str]) -> None:
    install.prepare_all(["jvm", "java", "librdkafka", *(["ottla"] if "ottla" in kinds else [])])
    install.need("jvm", "java", "librdkafka", *(["ottla"] if "ottla" in kinds else []))
    run(["cc", "-O2", "-Wall", "-o", WORK / "rdperf", COMPAT / "perf" / "rdperf.c", "-lrdkafka"])


def measure(kind: str, records: int, requests: int) -> dict:
    """One round against a fresh broker: {row: {"rate": …, "cpu": …}} and what the process cost as a whole."""
    broker = Broker(kind, f"perf-{kind}")
    try:
        found: dict = {"first answer, fresh directory, s": broker.start()}
        topics = ["perf-java", "perf-librdkafka", "perf-single"]
        run(clients.java("Admin", "create", broker.bootstrap, PARTITIONS, "", *topics), timeout=60)
        wire.await_topics(broker.port, dict.fromkeys(topics, PARTITIONS))
        steps = [
            lambda: java_produce(broker, records), lambda: java_consume(broker, records),
            lambda: rdperf("produce", broker, "perf-librdkafka", records, RECORD_BYTES, 5, 10_000),
            lambda: rdperf("consume", broker, "perf-librdkafka", records, PARTITIONS),
            lambda: rdperf("produce", broker, "perf-single", requests, RECORD_BYTES, 0, 1),
        ]
        for row, step in zip(RATES, steps):
            before = broker.cpu_seconds()
            rate = step()
            time.sleep(0.5)
            found[row] = {"rate": rate, "cpu": broker.cpu_seconds() - before}
            print(f"      {row}: {rate:,.0f}/s, {found[row]['cpu']:.1f} CPU s, {broker.resident_mib():.0f} MiB", file=sys.stderr, flush=True)
        found["memory after all, MiB"] = broker.resident_mib()
        found["memory at most, MiB"] = broker.peak_mib()
        time.sleep(5)
        before = broker.cpu_seconds()
        time.sleep(IDLE_SECONDS)
        found[f"idle CPU, ms in {IDLE_SECONDS} s"] = round((broker.cpu_seconds() - before) * 1000)
        broker.stop()
        found["first answer, 36 partitions, s"] = broker.start()
        return found
    finally:
        broker.close()


def java_produce(broker: Broker, records: int) -> float:
    command = [
        install.KAFKA / "bin" / "kafka-producer-perf-test.sh", "--bootstrap-server", broker.bootstrap, "--topic", "perf-java",
        "--num-records", records, "--record-size", RECORD_BYTES, "--throughput", -1, "--command-property", "acks=all",
        "--command-property", "linger.ms=5", "--command-property", "batch.size=1000000", "--command-property", "buffer.memory=134217728",
    ]
    said = run(command, timeout=900, env=PERF_JVM).stdout.decode()
    found = re.findall(rf"^{records} records sent, ([\d.,]+) records/sec", said, re.M)
    if not found:
        raise Failed(f"kafka-producer-perf-test printed {said[-300:]!r}")
    return float(found[-1].replace(",", "."))


def java_consume(broker: Broker, records: int) -> float:
    command = [
        install.KAFKA / "bin" / "kafka-consumer-perf-test.sh", "--bootstrap-server", broker.bootstrap, "--topic", "perf-java",
        "--num-records", records, "--hide-header", "--timeout", 60000,
    ]
    row = run(command, timeout=900, env=PERF_JVM).stdout.decode().strip().splitlines()[-1].split(", ")
    if int(row[4]) < records:
        raise Failed(f"kafka-consumer-perf-test read {row[4]} of {records}")
    return float(row[9])  # records a second of fetching, without the time the group took to form


def rdperf(verb: str, broker: Broker, topic: str, *arguments) -> float:
    return float(run([WORK / "rdperf", verb, broker.bootstrap, topic, *arguments], timeout=900).stdout)


def show(medians: dict, options) -> None:
    ours, theirs = medians.get("ottla"), medians.get("jvm")
    print(f"\nMedians of {options.rounds}: {options.records:,} records of {RECORD_BYTES} bytes over {PARTITIONS} partitions, acks=all; {options.requests:,} single requests\n")
    head()
    for row in RATES:
        line(row + " /s", pick(ours, row, "rate"), pick(theirs, row, "rate"), ratio_floor=1.0)
        line("  broker CPU s", pick(ours, row, "cpu"), pick(theirs, row, "cpu"), ratio_ceiling=0.5)
    ceilings = {
        "memory after all, MiB": 100.0, "memory at most, MiB": None, "first answer, fresh directory, s": 0.1,
        "first answer, 36 partitions, s": 0.1, f"idle CPU, ms in {IDLE_SECONDS} s": 20.0,
    }
    for row, ceiling in ceilings.items():
        line(row, (ours or {}).get(row), (theirs or {}).get(row), ceiling=ceiling)
    print(f"\nfigures of every round: {options.json}")


def pick(figures: dict | None, row: str, part: str) -> float | None:
    return figures[row][part] if figures else None


if __name__ == "__main__":
    sys.exit(main())
