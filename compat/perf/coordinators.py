#!/usr/bin/env python3
"""Transactions, groups, commits, compaction and reload: our broker and Kafka's own, in alternating rounds on one machine.

    coordinators.py [--rounds N] [--case NAME]… [--json FILE] [--only ottla|jvm]

A benchmark, not a test: it prints medians and ratios and ends with 0 unless something did not run.
"""
import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from beside import KINDS, head, line, median, rounds, write  # noqa: E402
from harness import install, wire  # noqa: E402
from harness.broker import Broker  # noqa: E402
from harness.shell import WORK, Failed, end_all, run  # noqa: E402

SPEED, CPU, TIME = {"ratio_floor": 1.0}, {"ratio_ceiling": 0.5}, {"ratio_ceiling": 1.0}
DEDUPE_BUFFER_MIB = 32
# Memory that a cleaning may take besides its map of keys.
CLEANING_MIB = 64
COMPACTED_RECORDS, COMPACTED_KEYS = 5_000_000, 1_000_000
RELOADED_COMMITS, RELOADED_GROUPS, RELOADED_PARTITIONS = 1_000_000, 100, 100
GROUPS, MEMBERS, JOINS, REBALANCES = 100, 10, 4, 5


def main() -> int:
    parser = argparse.ArgumentParser(description="The coordinators of our broker beside Kafka's own.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--case", action="append", choices=CASES, help="only this one; may be given again")
    parser.add_argument("--json", type=Path, default=WORK / "coordinators.json", help="where the figures go as well")
    parser.add_argument("--only", choices=KINDS, help="one broker, for a quick look")
    options = parser.parse_args()
    kinds = [options.only] if options.only else KINDS
    cases = options.case or list(CASES)
    try:
        parts = ["jvm", "load", *(["ottla"] if "ottla" in kinds else [])]
        install.prepare_all(parts)
        install.need(*parts)
        found = rounds(kinds, options.rounds, lambda kind: measure(kind, cases))
        medians = {kind: median(each) for kind, each in found.items()}
        write(options.json, {"rounds": found, "medians": medians})
        show(medians, cases, options)
        return 0
    except Failed as failure:
        print(f"coordinators: {failure}", file=sys.stderr)
        return 1
    finally:
        end_all()


def measure(kind: str, cases: list[str]) -> dict:
    """One round: {case: {figure: …}}, each case against a fresh broker."""
    found = {}
    for case in cases:
        of, properties, _ = CASES[case]
        broker = Broker(kind, f"perf-{kind}", properties)
        try:
            broker.start()
            found[case] = of(broker)
        finally:
            broker.close()
        print(f"      {case}: " + ", ".join(f"{figure} {value:,.3f}" for figure, value in found[case].items()), file=sys.stderr, flush=True)
    return found


def load(broker: Broker, case: str, **flags) -> dict:
    """One run of the load generator; answers its figures."""
    given = {"broker": broker.bootstrap, "pid": broker.pid, **flags}
    arguments = [f"-{name.replace('_', '-')}={value}" for name, value in given.items()]
    return json.loads(run([WORK / "load" / "load", *arguments, case], timeout=600).stdout)


def transactions(broker: Broker) -> dict:
    found = load(broker, "transactions", topic="transactions", partitions=12, connections=10)
    return {**found, "memory, MiB": broker.resident_mib()}


def commits(broker: Broker) -> dict:
    found = load(broker, "commits", topic="commits", connections=100, groups=100)
    return {**found, "memory, MiB": broker.resident_mib()}


def members(protocol: str):
    def of(broker: Broker) -> dict:
        shape = {"protocol": protocol, "partitions": 2 * MEMBERS, "members": MEMBERS, "groups": GROUPS}
        load(broker, "members", topic="warm-up", **shape)
        found = load(broker, "members", topic="members", joins=JOINS, rebalances=REBALANCES, **shape)
        return {**found, "memory, MiB": broker.resident_mib()}

    return of


def compaction(broker: Broker) -> dict:
    """From the moment the topic becomes a compacted one until the cleaner's checkpoint has reached the active segment."""
    topic = "compaction"
    load(broker, "fill", topic=topic, connections=4, records=COMPACTED_RECORDS, keys=COMPACTED_KEYS)
    before = broker.bytes_on_disk(topic)
    active = max(int(path.stem) for path in (broker.data / f"{topic}-0").glob("*.log"))
    # What the load took of memory is not the cleaner's.
    Path(f"/proc/{broker.pid}/clear_refs").write_text("5")
    resident, cpu, begun = broker.resident_mib(), broker.cpu_seconds(), time.monotonic()
    load(broker, "compact", topic=topic)
    while cleaned_to(broker, topic) < active:
        if time.monotonic() - begun > 180:
            raise Failed(f"{broker.kind} has not cleaned in three minutes: {broker.log_tail()}")
        time.sleep(0.01)
    took = time.monotonic() - begun
    found = {"s": took, "CPU s": broker.cpu_seconds() - cpu, "memory before, MiB": resident, "memory at most, MiB": broker.peak_mib()}
    time.sleep(1.5)  # segments that were replaced are deleted a second later
    found["share left on disk"] = broker.bytes_on_disk(topic) / before
    if not 0.15 < found["share left on disk"] < 0.35:
        raise Failed(f"{broker.kind} left {found['share left on disk']:.2f} of a log that holds each key five times")
    return found


def cleaned_to(broker: Broker, topic: str) -> int:
    checkpoint = broker.data / "cleaner-offset-checkpoint"
    for entry in checkpoint.read_text().splitlines() if checkpoint.exists() else []:
        if entry.startswith(f"{topic} 0 "):
            return int(entry.split()[2])
    return -1


def reload(broker: Broker) -> dict:
    """From the start of the process until a group's committed offset is answered."""
    shape = {"topic": "reload", "groups": RELOADED_GROUPS, "partitions": RELOADED_PARTITIONS}
    written = load(broker, "commit-many", connections=10, records=RELOADED_COMMITS, **shape)
    broker.stop()

    def answered(port: int, alive, patience: float) -> float:
        last = RELOADED_GROUPS - 1
        return wire.await_committed(port, f"reload-{last}", "reload", RELOADED_PARTITIONS - 1, written["committed last"], alive, patience)

    return {"s": broker.start(answered=answered), "CPU s": broker.cpu_seconds(), "memory, MiB": broker.resident_mib()}


# Of each case how it is measured, what the brokers are told for it, and its rows with their limits.
AT_ONCE = {"group.consumer.assignment.interval.ms": "0"}
# Members learn of a rebalance by their next heartbeat: most of its time is the clock's.
TIME_BY_CLOCK = {"ratio_ceiling": 1.1}
MEMBER_ROWS = {"join s": TIME_BY_CLOCK, "join CPU s": CPU, "rebalance s": TIME_BY_CLOCK, "rebalance CPU s": CPU, "memory, MiB": {}}
CASES = {
    "transactions": (transactions, {}, {
        "transactions a second": SPEED, "records a second": SPEED, "CPU ms a transaction": CPU, "memory, MiB": {},
    }),
    "classic members": (members("classic"), AT_ONCE, MEMBER_ROWS),
    "consumer members": (members("consumer"), AT_ONCE, MEMBER_ROWS),
    "commits": (commits, {}, {
        "commits a second": SPEED, "CPU µs a commit": CPU, "p50 ms": {}, "p99 ms": TIME, "memory, MiB": {},
    }),
    "compaction": (compaction, {
        "log.cleaner.dedupe.buffer.size": str(DEDUPE_BUFFER_MIB << 20), "log.cleaner.backoff.ms": "100",
        "log.cleaner.threads": "1", "log.segment.delete.delay.ms": "1000",
    }, {
        "s": TIME, "CPU s": CPU, "memory at most, MiB": {"ceiling": DEDUPE_BUFFER_MIB + CLEANING_MIB},
    }),
    "reload": (reload, {
        # All in one segment, so that nothing is compacted away before the restart.
        "offsets.topic.num.partitions": "1", "offsets.topic.segment.bytes": str(1 << 30),
    }, {"s": TIME, "CPU s": CPU, "memory, MiB": {}}),
}


def show(medians: dict, cases: list[str], options) -> None:
    ours, theirs = medians.get("ottla"), medians.get("jvm")
    print(f"\nMedians of {options.rounds}\n")
    head()
    for case in cases:
        for figure, limit in CASES[case][2].items():
            line(f"{case}, {figure}", ours and ours[case][figure], theirs and theirs[case][figure], **limit)
    print(f"\nfigures of every round: {options.json}")


if __name__ == "__main__":
    sys.exit(main())
