#!/usr/bin/env python3
"""Our broker and Kafka's own side by side: rate, latency, CPU, memory, context switches, system calls.

    bench.py [--quick] [--rounds N] [--case NAME]… [--only KIND | --other BINARY] [--json FILE]
    bench.py compare BEFORE AFTER

A benchmark, not a test: it prints ratios and what they must reach. It fails if a case could not be run.
"""
import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import measure  # noqa: E402
import report  # noqa: E402
from beside import write  # noqa: E402
from brokers import ALL_KINDS, FLOOR, OTHER, OTHER_BINARY, prepare  # noqa: E402
from cases import CASES  # noqa: E402
from harness import install  # noqa: E402
from harness.shell import WORK, Failed, end_all  # noqa: E402
from machine import machine, versions  # noqa: E402
from session import Session, Sizes  # noqa: E402


def main() -> int:
    if sys.argv[1:2] == ["compare"]:
        return compare(sys.argv[2:])
    options = arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that no broker outlives the run
    kinds = kinds_of(options)
    cases = options.case or [name for name, case in CASES.items() if not (options.quick and case.full_only)]
    try:
        prepare(kinds, sorted({part for case in cases for part in CASES[case].parts}))
        bench = Bench(kinds, cases, options)
        try:
            bench.run()
        except Failed as failure:  # a broker that does not start: what was found until then is told
            bench.failures.append(str(failure))
        except KeyboardInterrupt:
            bench.failures.append("what was left when the run was stopped")
        return bench.tell(options.json)
    except Failed as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    finally:
        end_all()


def kinds_of(options) -> list[str]:
    if options.other:
        os.environ[OTHER_BINARY] = str(options.other)
        return ["ottla", OTHER]
    return [options.only] if options.only else ALL_KINDS


def arguments():
    parser = argparse.ArgumentParser(description="Our broker beside Kafka's own.")
    parser.add_argument("--quick", action="store_true", help="smaller sizes and one round: some minutes")
    parser.add_argument("--rounds", type=int, help="rounds of the cases that are repeated (default 3, quick 1)")
    parser.add_argument("--case", action="append", choices=CASES, metavar="NAME", help=f"only this one; may be given again: {', '.join(CASES)}")
    parser.add_argument("--only", choices=ALL_KINDS, help="one broker, for a quick look")
    parser.add_argument("--other", type=Path, help="another build of our broker in place of Kafka's, to be told apart pair by pair")
    parser.add_argument("--json", type=Path, default=WORK / "perf.json", help="where the figures go")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


def compare(files: list[str]) -> int:
    if len(files) != 2:
        print("bench: compare BEFORE AFTER", file=sys.stderr)
        return 2
    before, after = (json.loads(Path(file).read_text()) for file in files)
    for name, run in (("before", before), ("after", after)):
        print(f"{name}: {run['begun']}, {', '.join(run['versions'].values())}")
    print("\n".join(report.compared(before, after)))
    return 0


class Bench:
    """Rounds in which the brokers take turns, and what they found; who goes first changes with every round."""

    def __init__(self, kinds: list[str], cases: list[str], options):
        self.kinds, self.cases, self.rounds = kinds, cases, options.rounds
        self.sizes = Sizes(options.quick, measure.counter())
        self.begun = time.strftime("%Y-%m-%d %H:%M:%S")
        self.machine, self.versions = machine(), versions(kinds)
        self.found: report.Found = {case: [{} for _ in range(self.rounds)] for case in cases}
        self.failures: list[str] = []

    def run(self) -> None:
        print("\n".join(self.head()), flush=True)
        for number in range(self.rounds):
            for kind in self.kinds if number % 2 == 0 else reversed(self.kinds):
                self.round(number, kind)

    def head(self) -> list[str]:
        told = {**self.versions, **self.machine}
        lines = [f"{self.begun}  {'quick' if self.sizes.quick else 'full'}, {self.rounds} rounds", *(f"  {name}: {value}" for name, value in told.items())]
        return lines if self.sizes.counter else [*lines, "  system calls: cannot be counted here, there is neither perf nor strace"]

    def round(self, number: int, kind: str) -> None:
        cases = [case for case in self.cases if kind != FLOOR or CASES[case].floor]
        shared = [case for case in cases if not CASES[case].own_broker]
        while shared:
            shared = self.session(number, kind, shared)
        for case in cases:
            if CASES[case].own_broker and not (CASES[case].once and number > 0):
                self.one(number, kind, case, lambda case=case: CASES[case].measure(kind, self.sizes))

    def session(self, number: int, kind: str, cases: list[str]) -> list[str]:
        """Runs cases on one broker; behind one that failed the others, which are answered, need a new one."""
        with Session(kind, self.sizes) as session:
            for at, case in enumerate(cases):
                session.rest()
                if not self.one(number, kind, case, lambda case=case: CASES[case].measure(session)):
                    return cases[at + 1:]
        return []

    def one(self, number: int, kind: str, case: str, measured) -> bool:
        try:
            install.need(*CASES[case].parts)
            figures = measured()
        except (Failed, OSError, ValueError, LookupError) as failure:
            self.failures.append(f"{kind} {case}: {failure}")
            print(f"FAILED {self.failures[-1]}", flush=True)
            return False
        self.found[case][number][kind] = figures
        print(report.short(kind, case, figures), flush=True)
        return True

    def tell(self, where: Path) -> int:
        write(where, {
            "begun": self.begun, "quick": self.sizes.quick, "machine": self.machine, "versions": self.versions, "kinds": self.kinds,
            "found": self.found, "failures": self.failures,
        })
        if len(self.kinds) > 1:
            print("\n" + "\n".join([*self.head(), "", *report.table(self.found, self.kinds)]))
        if "ottla" in self.kinds and "jvm" in self.kinds:
            print("\n" + "\n".join(report.verdicts(self.found)))
        print(f"\nfigures of every round: {where}")
        for failure in self.failures:
            print(f"could not be run: {failure}")
        return 1 if self.failures else 0


if __name__ == "__main__":
    sys.exit(main())
