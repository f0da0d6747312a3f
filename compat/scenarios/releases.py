"""Directories of every release line from 3.3 on, made by that release: ours opens each at its own levels and shows what that release
showed; then the same release, where it can, and 4.3.1 go on with what ours wrote."""
import re
import time
from pathlib import Path

from harness import clients
from harness.broker import Broker
from harness.check import expect
from harness.context import Context
from harness.install import need
from harness.shell import COMPAT, WORK
from harness.shell import run as run_program
from scenarios.files import dump_everything

# The last patch of each line, how it is formatted, and how its broker ends.
RELEASES = {
    "3.3.2": ("static", "stop"), "3.4.1": ("static", "stop"), "3.5.2": ("static", "stop"), "3.6.2": ("static", "stop"),
    "3.7.2": ("static", "stop"), "3.8.1": ("static", "stop"), "3.9.2": ("dynamic", "stop"), "4.0.2": ("dynamic", "kill"),
    "4.1.2": ("static", "stop"), "4.2.1": ("dynamic", "stop"), "4.3.1": ("dynamic", "kill"),
}
# Kafka forgets a younger start offset at kill -9; before 3.8 it first keeps one after half a minute.
PROPERTIES = {"log.flush.start.offset.checkpoint.interval.ms": "500", "log.initial.task.delay.ms": "500"}
NEWEST = "4.3.1"
# The first line whose directories are opened; in short the directories of the newest one are a matter of `files`.
QUICK = ["3.3.2"]
# What older releases do not tell, or tell otherwise, of the same thing: the kinds of groups, replicas that could be elected, which
# resources have configs, which of several records with the latest time is meant, and levels that are not kept in records.
OLDER_TELL = re.compile(r"^(resource|group \S+ (Classic|Consumer|Unknown)|feature kraft\.version|acls|offset \S+ timed) |, elr=.*|\(id: \d+ rack: null[^)]*\)|, upgraded=\S+\)")


def run(context: Context) -> None:
    need("java", "jvm")
    if context.kind == "jvm":
        return
    for version in QUICK if context.quick else RELEASES:
        context.check("kafka", f"releases: {version}", opened, version, context.quick)


class Release(Broker):
    """A broker of a release, and whoever follows it, on the same ports."""

    def __init__(self, version: str, quorum: str):
        self.quorum, self.chosen = quorum, False
        super().__init__("jvm", f"release-{version}", PROPERTIES, {"QUORUM": quorum, "KAFKA_HOME": str(home(version)), "BROKER_HEAP_OPTS": "-Xmx512M"})

    def choose_ports(self) -> None:
        if not self.chosen:
            self.chosen = True
            super().choose_ports()

    def write_config(self, own: dict[str, str] | None = None) -> None:
        if self.quorum == "static":
            self.properties = {**PROPERTIES, "controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}"}
        super().write_config({"ottla.admin.listener": f"127.0.0.1:{self.admin_port}"})
        # Releases before 3.9 advertise brokers' listeners only, and know no bootstrap servers of controllers.
        unknown = ("controller.quorum.bootstrap", "advertised.listeners") if self.quorum == "static" else ()
        lines = self.config.read_text().splitlines(keepends=True)
        self.config.write_text("".join(line for line in lines if not line.startswith(unknown)))

    def follow(self, kind: str, version: str | None = None) -> None:
        self.kind = kind
        if version:
            self.environment["KAFKA_HOME"] = str(home(version))


def home(version: str) -> Path:
    if version == NEWEST:
        return WORK / "kafka"
    target = WORK / "releases" / version
    run_program([COMPAT / "jvm" / "release.sh", version, target], timeout=300)
    return target


def opened(version: str, quick: bool) -> str:
    quorum, how = RELEASES[version]
    with Release(version, quorum) as broker:
        made = run_program(clients.java("Older", broker.bootstrap), timeout=180).stdout.decode().strip()
        before = shown(broker)
        if how == "kill":
            time.sleep(2)
            broker.kill()
        else:
            broker.stop()
        told = [made, f"{len(before)} facts"]
        # What ours was handed, and what a JVM was handed by ours.
        followers = [("ottla", None), ("jvm", version), ("ottla", None), ("jvm", NEWEST)]
        for kind, follower in followers[::3] if quick else followers:
            broker.follow(kind, follower)
            broker.start()
            now = shown(broker)
            differing = [f"-{line}" for line in sorted(before - now)] + [f"+{line}" for line in sorted(now - before)]
            expect(not differing, f"{follower or kind} after {version}: {len(differing)} differences", "\n".join(differing))
            broker.stop()
            if kind == "ottla":
                dump_everything(broker, True, "classic-readers")
        return "; ".join(told)


def shown(broker: Broker) -> set[str]:
    lines = run_program(clients.java("Shown", broker.bootstrap), timeout=120).stdout.decode().splitlines()
    return {OLDER_TELL.sub("", line) for line in lines if not OLDER_TELL.match(line)}
