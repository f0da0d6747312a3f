#!/usr/bin/env python3
"""Runs the outside clients and Kafka's own tools against a broker: see README.md.

    run.py [--quick] [--jobs N] [--list] [SCENARIO ...]
"""
import argparse
import importlib
import os
import queue
import signal
import sys
import threading
import time
import traceback

from harness import clients, docs, install
from harness.context import Context
from harness.report import Report
from harness.shell import WORK, Failed, end_all

# Name, and the parts it needs beside the clients asked for; the order is the order of the run. The longest stand first, so that
# two jobs end together.
SCENARIOS = {
    "codecs": [],
    "clients": [],
    "java-tools": ["java"],
    "diff": ["java", "jvm"],
    "groups": ["java", "confluent"],
    "files": ["java", "confluent", "kafka-clients"],
    "compaction": ["java", "confluent"],
    "internal-topics": ["java"],
    "takeover": ["java", "jvm"],
    "releases": ["java", "jvm"],
    "fsck": ["java", "confluent", "kafka-clients"],
    "bad-starts": ["jvm"],
    "retention": ["java", "confluent"],
    "disk-full": ["java", "confluent", "jvm"],
    "disk-sick": ["java", "confluent"],
    "kill9": ["java", "confluent"],
    "recovery": ["java", "confluent", "jvm"],
    "dropped": ["java", "confluent"],
    "synced": ["confluent", "faulty"],
    "exactly-once": ["java", "confluent", "go", "kafka-clients"],
    "transactions": ["java", "confluent"],
    "telemetry": ["java", "confluent"],
    "streams": ["java"],
    "share": ["java", "jvm"],
    "official-tools": ["java"],
    "native-tools": ["java", "jvm"],
    "connect": [],
    "shippers": ["kcat", *install.SHIPPERS],
    "scale": ["java"],
}
WITH_EVERY_CLIENT = {"codecs", "clients"}
# What a broker can be asked that is not started here.
ELSEWHERE = {"official-tools"}
# The end of a run that hangs; a new machine installs every client within it.
QUICK_LIMIT_SECONDS = 1800
FULL_LIMIT_SECONDS = 3 * 3600


def main() -> int:
    parser = argparse.ArgumentParser(description="Outside clients against one broker.")
    parser.add_argument("--quick", action="store_true", help="the short form of every scenario, as CI runs it")
    parser.add_argument("--jobs", type=int, default=2, help="scenarios at a time (default: 2); each has its own broker")
    parser.add_argument("--write-docs", action="store_true", help="write docs/clients.md from the results; only of all scenarios and clients")
    parser.add_argument("--list", action="store_true", help="print the scenarios and end")
    parser.add_argument("--client", action="append", choices=clients.ALL, help="only this one, in scenarios for all clients; may be repeated")
    parser.add_argument("scenario", nargs="*", choices=[[], *SCENARIOS], help="only these")
    options = parser.parse_args()
    if options.list:
        print("\n".join(SCENARIOS))
        return 0
    if options.write_docs and (options.client or options.scenario):
        parser.error("--write-docs tells what a whole run has shown: without --client and SCENARIO")
    chosen = [name for name in SCENARIOS if not options.scenario or name in options.scenario]
    if os.environ.get("COMPAT_BROKER") and not set(chosen) <= ELSEWHERE:
        parser.error(f"with COMPAT_BROKER only {', '.join(ELSEWHERE)} can be run: the others start, stop and kill their brokers")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    WORK.mkdir(parents=True, exist_ok=True)
    report = Report()
    context = Context(report, options.quick, options.client or clients.ALL)
    begun = time.monotonic()
    try:
        install.need("jvm" if context.kind == "jvm" else "ottla")
        watch(report, QUICK_LIMIT_SECONDS if options.quick else FULL_LIMIT_SECONDS)
        install.prepare_all(sorted(parts(context, chosen)))
        run_scenarios(context, chosen, options.jobs)
    except Failed as failure:
        report.add("-", "broker", "failed", time.monotonic() - begun, str(failure))
    except SystemExit:
        report.add("-", "run", "failed", time.monotonic() - begun, "ended from outside")
    finally:
        end_all()
    print(f"\nbroker {context.kind}, {time.monotonic() - begun:.0f} s", flush=True)
    report.print()
    if options.write_docs and not report.count("failed"):
        docs.write(report)
    return 1 if report.count("failed") else 0


def parts(context: Context, chosen: list[str]) -> set[str]:
    needed = {part for name in chosen for part in SCENARIOS[name]}
    if WITH_EVERY_CLIENT & set(chosen):
        needed |= {"kafka-clients", *map(clients.part_of, context.clients)}
    return needed


def run_scenarios(context: Context, chosen: list[str], jobs: int) -> None:
    """Every scenario has brokers and topics of its own, so several may run side by side."""
    waiting: queue.SimpleQueue = queue.SimpleQueue()
    for name in chosen:
        waiting.put(name)

    def work() -> None:
        while True:
            try:
                name = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                importlib.import_module("scenarios." + name.replace("-", "_")).run(context)
            except Exception as problem:  # told as a failed row, so that the other scenarios still run
                if not isinstance(problem, Failed):
                    traceback.print_exc()
                context.report.add("-", name, "failed", 0.0, f"the scenario could not run: {problem}")

    workers = [threading.Thread(target=work, daemon=True) for _ in range(jobs)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def watch(report: Report, limit: int) -> None:
    """A run that hangs ends with what it knows, as a failure."""
    def give_up() -> None:
        report.add("-", "run", "failed", float(limit), f"not finished within {limit} s")
        report.print()
        end_all()
        os._exit(1)

    timer = threading.Timer(limit, give_up)
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    sys.exit(main())
