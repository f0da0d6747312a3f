#!/usr/bin/env python3
"""The start after kill -9, of our broker and of Kafka's own, in alternating rounds on one machine.

    recovery.py [--rounds N] [--partitions N] [--gigabytes N]… [--json FILE] [--only ottla|jvm]

A benchmark, not a test: it prints medians and ratios and ends with 0 unless something did not run. Each broker is killed while it
is still being written to, and started on what it left; then Kafka's is started on what ours left, after another kill -9.
"""
import argparse
import re
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from beside import KINDS, head, line, median, rounds, write  # noqa: E402
from brokers import BATCHES, open_broker, prepare, rdperf  # noqa: E402
from harness import wire  # noqa: E402
from harness.broker import Broker  # noqa: E402
from harness.shell import WORK, Failed, end, end_all, run, spawn  # noqa: E402

TOPIC = "recovery"
RECORD_BYTES = 1024
# What is produced without an end while the broker is killed.
MORE_RECORDS = 50_000_000
PATIENCE_SECONDS = 600
BEHIND = "MiB behind recovery points"
BEHIND_LINE = re.compile(r"recovering after an unclean stop: .* ([\d.]+) MiB behind")
FIRST, ALL, CPU, AFTER_US = "first answer, s", "all partitions, s", "CPU s", "Kafka after ours: all partitions, s"


def main() -> int:
    parser = argparse.ArgumentParser(description="The start of our broker after kill -9 beside Kafka's own.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--partitions", type=int, default=200)
    parser.add_argument("--gigabytes", type=float, action="append", help="default: 10 and 1")
    parser.add_argument("--json", type=Path, default=WORK / "recovery.json", help="where the figures go as well")
    parser.add_argument("--only", choices=KINDS, help="one broker, for a quick look")
    options = parser.parse_args()
    sizes = options.gigabytes or [10, 1]
    kinds = [options.only] if options.only else KINDS
    try:
        prepare(kinds)
        found = rounds(kinds, options.rounds, lambda kind: {
            f"{size:g} GB": measure(kind, options.partitions, size, after="ottla" in kinds and "jvm" in kinds) for size in sizes
        })
        medians = {kind: median(each) for kind, each in found.items()}
        write(options.json, {"rounds": found, "medians": medians})
        show(medians, options)
        return 0
    except Failed as failure:
        print(f"recovery: {failure}", file=sys.stderr)
        return 1
    finally:
        end_all()


def measure(kind: str, partitions: int, gigabytes: float, after: bool) -> dict:
    broker = open_broker(kind)
    try:
        broker.start()
        wire.create(broker.port, {TOPIC: partitions})
        produce = lambda records: rdperf("produce", broker, TOPIC, records=records, size=RECORD_BYTES, **BATCHES)  # noqa: E731
        run(produce(int(gigabytes * 1e9 / RECORD_BYTES)), timeout=1800)
        ends = sum(wire.offsets(broker.port, TOPIC, partitions))
        writing = spawn(produce(MORE_RECORDS), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        time.sleep(2)
        broker.kill()
        end(writing, signal.SIGKILL)
        found = dict(zip((FIRST, ALL), started(broker, partitions, ends)))
        found[CPU] = broker.cpu_seconds()
        if kind == "ottla":
            found[BEHIND] = float(BEHIND_LINE.findall(broker.log_file.read_text(errors="replace"))[-1])
        if kind == "ottla" and after:
            broker.kill()
            broker.become("jvm")
            found[AFTER_US] = started(broker, partitions, ends)[1]
        print(f"      {gigabytes:g} GB: " + ", ".join(f"{what} {value:.3f}" for what, value in found.items()), file=sys.stderr, flush=True)
        return found
    finally:
        broker.close()


def started(broker: Broker, partitions: int, at_least: int) -> tuple[float, float]:
    """Seconds to the first Metadata answer and until every partition answers."""
    begun = time.monotonic()
    first = broker.start(patience=PATIENCE_SECONDS)
    while time.monotonic() - begun < PATIENCE_SECONDS:
        try:
            rows = wire.offsets_now(broker.port, TOPIC, partitions)
        except (OSError, struct.error):
            rows = [(-1, 0)]
        if not any(error for error, _ in rows):
            took = time.monotonic() - begun
            if sum(offset for _, offset in rows) < at_least:
                raise Failed(f"{broker.kind} has lost records")
            return first, took
        time.sleep(0.005)
    raise Failed(f"{broker.kind} has not recovered within {PATIENCE_SECONDS} s: {broker.log_tail()}")


def show(medians: dict, options) -> None:
    ours, theirs = medians.get("ottla"), medians.get("jvm")
    print(f"\nMedians of {options.rounds}, {options.partitions} partitions\n")
    head()
    sizes = list(next(iter(medians.values())))
    for size in sizes:
        value = lambda of, what: of and of[size].get(what)  # noqa: E731
        line(f"{size}, {FIRST}", value(ours, FIRST), value(theirs, FIRST), ceiling=1)
        line(f"{size}, {ALL}", value(ours, ALL), value(theirs, ALL), ratio_ceiling=0.2)
        line(f"{size}, all, same directory", value(ours, ALL), value(ours, AFTER_US), ratio_ceiling=0.2)
        line(f"{size}, {CPU}", value(ours, CPU), value(theirs, CPU))
        line(f"{size}, {BEHIND}", value(ours, BEHIND), None)
    if ours and len(sizes) > 1:
        grown = ours[sizes[0]][ALL] / ours[sizes[-1]][ALL]
        print(f"all partitions, {sizes[0]} beside {sizes[-1]}: {grown:.2f}   wanted ≤ 1.2")
    print(f"\nfigures of every round: {options.json}")


if __name__ == "__main__":
    sys.exit(main())
