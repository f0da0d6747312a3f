#!/usr/bin/env python3
"""Sends the same requests to Kafka's broker and to ours and reports every difference: see ../README.md.

    run.py [--quick] [--random N] [--seed S] [--reports N] [API ...]

With APIs only their scripts are run. The exit code is 0 when nothing differs but what `declared.txt` names.
"""
import argparse
import importlib
import shutil
import signal
import sys
import threading
import time
import traceback
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import randomly
import schema
from compare import Declared
from harness import install
from harness.broker import Broker
from harness.shell import WORK, Failed, end_all
from pair import Pair

PROPERTIES = {
    # The JVM's idle metadata records, by which `Pair.settle` sees it catch up.
    "metadata.max.idle.interval.ms": "5",
    "controller.quorum.append.linger.ms": "0",
    "group.initial.rebalance.delay.ms": "10",
    "group.max.size": "4",
    "group.consumer.max.size": "4",
    "group.consumer.assignment.interval.ms": "0",
    "group.streams.max.size": "4",
    "group.share.max.size": "4",
    "log.cleaner.backoff.ms": "600000",
    # Also what Kafka has not declared stable.
    "unstable.api.versions.enable": "true",
    "transaction.two.phase.commit.enable": "true",
    # Records of any age stay.
    "log.retention.ms": "-1",
    # Without it the JVM has no telemetry of clients.
    "metric.reporters": "TelemetryReceiver",
}
RANDOM_REQUESTS, RANDOM_REQUESTS_QUICK = 1000, 300


def main() -> int:
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    declared = Declared(HERE / "declared.txt")
    try:
        install.need("jvm", "java", "ottla")
        apis = schema.load(install.KAFKA / "libs")
        jvm = Broker("jvm", "diff-jvm", PROPERTIES, {"KAFKA_HOME": str(home_with_receiver())})
        ottla = Broker("ottla", "diff-ottla", PROPERTIES)
        start_both(jvm, ottla)
        pair = Pair(apis, jvm, ottla, declared, options.quick)
        pair.await_producer_ids()
        problems = run_scripts(pair, options.api)
        scripted = sum(pair.asked.values())
        began_random, found = time.monotonic(), len(pair.findings)
        randomly.run(pair, options.random, options.seed)
        told = f"{sum(pair.asked.values()) - scripted:6} requests, {len(pair.findings) - found} differences"
        print(f"  {'random':<24}{told}, {time.monotonic() - began_random:.1f} s", file=sys.stderr, flush=True)
        problems += liveness(jvm, ottla)
    except Failed as failure:
        print(f"failed: {failure}")
        return 1
    finally:
        end_all()
    if not options.api:
        problems += [f"declared, but no difference there: {pattern}" for pattern in declared.unused()]
    return close(pair, problems, options, scripted, time.monotonic() - began)


def home_with_receiver() -> Path:
    """Kafka's jars with the class in `metric.reporters` among them."""
    home = WORK / "kafka-with-receiver"
    shutil.rmtree(home, ignore_errors=True)
    (home / "libs").mkdir(parents=True)
    for jar in (install.KAFKA / "libs").glob("*.jar"):
        (home / "libs" / jar.name).symlink_to(jar.resolve())
    for name in ("bin", "log4j2.properties"):
        (home / name).symlink_to((install.KAFKA / name).resolve())
    with zipfile.ZipFile(home / "libs" / "receiver.jar", "w") as jar:
        for file in (WORK / "java").glob("TelemetryReceiver*.class"):
            jar.write(file, file.name)
    return home


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The same requests to Kafka's broker and to ours.")
    parser.add_argument("--quick", action="store_true", help="fewer versions and random requests")
    parser.add_argument("--random", type=int, metavar="N", help="random requests after the scripts")
    parser.add_argument("--seed", type=int, default=1, help="of the random requests")
    parser.add_argument("--reports", type=int, default=60, metavar="N", help="differences told in full")
    parser.add_argument("api", nargs="*", help="only the scripts that hold these APIs")
    options = parser.parse_args()
    if options.random is None:
        options.random = 0 if options.api else RANDOM_REQUESTS_QUICK if options.quick else RANDOM_REQUESTS
    return options


def start_both(*brokers: Broker) -> None:
    """The JVM takes seconds, ours does not: they start side by side."""
    problems = []

    def start(broker: Broker) -> None:
        try:
            broker.start()
        except Failed as failure:
            problems.append(failure)

    threads = [threading.Thread(target=start, args=(broker,)) for broker in brokers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]


def run_scripts(pair: Pair, chosen: list[str]) -> list[str]:
    """Runs the scripts; tells which served APIs and versions none of them asks."""
    problems, scripts = [], {}
    for file in sorted((HERE / "scripts").glob("[a-z]*.py")):
        scripts[file.stem] = importlib.import_module("scripts." + file.stem)
    # ApiVersions goes first: what is served comes from its answer.
    served = importlib.import_module("scripts.api_versions").served(pair)
    pair.served = served
    covered = {api for script in scripts.values() for api in script.APIS}
    problems += [f"{api} is served and has no script" for api in served if api not in covered]
    unknown = [api for api in chosen if api not in covered]
    if unknown:
        raise Failed(f"no script holds {', '.join(unknown)}")
    for name in sorted(scripts, key=lambda name: (getattr(scripts[name], "TURN", 5), name)):
        script = scripts[name]
        if chosen and not set(chosen) & set(script.APIS):
            continue
        pair.script = name
        began, asked, found = time.monotonic(), sum(pair.asked.values()), len(pair.findings)
        try:
            script.run(pair)
        except Exception as problem:  # the other scripts still have something to tell
            traceback.print_exc()
            problems.append(f"script {name}, step {pair.step_name}: {type(problem).__name__}: {problem}")
        told = f"{sum(pair.asked.values()) - asked:6} requests, {len(pair.findings) - found} differences"
        print(f"  {name:<24}{told}, {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
    if not chosen:
        for api, versions in served.items():
            missing = [v for v in versions if (api, v) not in pair.asked and v in pair.versions(api)]
            if missing:
                problems.append(f"{api} is asked in no script at versions {missing}")
    return problems


def liveness(*brokers: Broker) -> list[str]:
    return [f"the {broker.kind} broker ended during the run" for broker in brokers if broker.process.poll() is not None]


def close(pair: Pair, problems: list[str], options, scripted: int, seconds: float) -> int:
    for finding in list(pair.findings.values())[:options.reports]:
        step, difference = finding.step, finding.difference
        print(f"\n{step.script} · {step.name} · {step.api.name} {step.version} · {finding.count}×\n  {difference.path}"
              f"\n    jvm   {short(difference.jvm)}\n    ottla {short(difference.ottla)}\n    asked {short(step.fields)}")
    for problem in problems:
        print(f"  {problem}")
    print(f"\n{scripted} scripted and {sum(pair.asked.values()) - scripted} random requests (seed {options.seed}), {seconds:.0f} s")
    print(f"undeclared differences: {len(pair.findings)}; declared: {len(pair.declared.reasons)} lines, {len(pair.declared.used)} used")
    return 1 if problems or pair.findings else 0


def short(value, limit=1000) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + " …"


if __name__ == "__main__":
    sys.exit(main())
