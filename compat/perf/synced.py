#!/usr/bin/env python3
"""Acknowledgement after a sync: what one producer gets, for whom each record has a sync of its own, and what a hundred get that share them.

    synced.py [--rounds N] [--json FILE]

A benchmark, not a test: it prints medians and the ratio and ends with 0 unless something did not run. It is about our broker alone,
and about a directory on a real disk: the one of `compat/.work`.
"""
import argparse
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from beside import number, write  # noqa: E402
from coordinators import load  # noqa: E402
from harness import install  # noqa: E402
from harness.broker import Broker  # noqa: E402
from harness.shell import WORK, Failed, end_all  # noqa: E402

PRODUCERS = 100
RATIO_FLOOR = 20
PROPERTIES = {"ottla.sync.ack.topics": "synced-*"}
# What is measured: the topic, and how many producers have one record each in flight.
CASES = {
    "synced, one producer": ("synced-one", 1),
    f"synced, {PRODUCERS} producers": ("synced-many", PRODUCERS),
    f"page cache, {PRODUCERS} producers": ("cached", PRODUCERS),
}


def main() -> int:
    parser = argparse.ArgumentParser(description="The rate of acknowledgements after a sync.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, default=WORK / "synced.json", help="where the figures go as well")
    options = parser.parse_args()
    try:
        install.prepare_all(["load", "ottla"])
        install.need("load", "ottla")
        rounds = [measure() for _ in range(options.rounds)]
        write(options.json, {"rounds": rounds})
        show(rounds)
        return 0
    except Failed as failure:
        print(f"synced: {failure}", file=sys.stderr)
        return 1
    finally:
        end_all()


def measure() -> dict[str, float]:
    """One round: records a second of each case, against one fresh broker."""
    with Broker("ottla", "perf-synced", PROPERTIES) as broker:
        found = {}
        for case, (topic, connections) in CASES.items():
            found[case] = load(broker, "single", topic=topic, connections=connections, warm_up="1s", time="5s")["records a second"]
        return found


def show(rounds: list[dict[str, float]]) -> None:
    print(f"\nMedians of {len(rounds)}: records a second\n")
    for case in CASES:
        print(f"{case:<38}{number(statistics.median(found[case] for found in rounds)):>12}")
    one, many, cached = CASES
    ratio, bound = (statistics.median(found[case] / found[one] for found in rounds) for case in (many, cached))
    verdict = "met" if ratio >= RATIO_FLOOR else "NOT MET"
    print(f"{'ratio of the first two':<38}{ratio:>12.1f}   ≥ {RATIO_FLOOR} {verdict}")
    print(f"{'at most, as the page cache has it':<38}{bound:>12.1f}   {ratio / bound:.0%} of it are reached")


if __name__ == "__main__":
    sys.exit(main())
