"""Kafka Connect in distributed mode and MirrorMaker 2, as they come: what they carry through the broker arrives exact."""
import json
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from harness import clients
from harness.broker import Broker, free_port
from harness.check import eventually, expect
from harness.context import Context
from harness.install import KAFKA, need
from harness.records import Expected
from harness.session import Stagehand, offsets
from harness.shell import Failed, end, spawn, tail

PATIENCE = 90.0
PARTITIONS = 3
JVM = {"KAFKA_HEAP_OPTS": "-Xmx512M", "KAFKA_JVM_OPTS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto"}


def run(context: Context) -> None:
    need("kafka-clients")
    lines = context.size(100_000, 10_000)
    with context.broker("connect") as broker:
        context.check("connect 4.3.1", "file source and sink", files, broker, lines)
        with context.broker("connect-source") as source:
            context.check("mirrormaker 4.3.1", "mirrored topic and group", mirrored, source, broker, lines)


class Program:
    """One of Kafka's own long-running programs, with its properties and log in a folder."""

    def __init__(self, name: str, folder: Path, properties: dict):
        folder.mkdir(exist_ok=True)
        self.name, self.log = name, folder / f"{name}.log"
        config = folder / f"{name}.properties"
        config.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        with open(self.log, "ab") as log:
            command = ["env", *(f"{key}={value}" for key, value in JVM.items()), KAFKA / "bin" / f"{name}.sh", config]
            self.process = spawn(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder)

    def await_(self, what: str, condition) -> None:
        def holds():
            expect(self.process.poll() is None, f"{self.name} ended with {self.process.returncode}", self.said())
            return condition()

        try:
            eventually(holds, what, PATIENCE)
        except Failed as failure:
            raise Failed(f"{failure}; {self.name}: {self.said()}") from None

    def said(self) -> str:
        return tail(self.log.read_bytes())

    def stop(self) -> None:
        code = end(self.process, patience=60)
        expect(code in (0, 143), f"{self.name} ended with {code}", self.said())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end(self.process)


def files(broker: Broker, count: int) -> str:
    """A file into a topic and out again; the worker is stopped in between, the file grows, and another one goes on."""
    folder = broker.root / "connect"
    folder.mkdir()
    source, sink = folder / "source.txt", folder / "sink.txt"
    write(source, range(count))
    hand = Stagehand(broker)
    hand.topic("lines", 1)
    hand.close()
    with worker(broker, folder) as (program, port):
        configure(program, port, "source", {"connector.class": "FileStreamSource", "file": source, "topic": "lines", "batch.size": 500})
        configure(program, port, "sink", {"connector.class": "FileStreamSink", "file": sink, "topics": "lines"})
        program.await_(f"{count} lines came out", lambda: sink.exists() and sink.stat().st_size >= source.stat().st_size)
        program.stop()
    compare(source, sink)
    write(source, range(count, 2 * count))
    with worker(broker, folder) as (program, port):
        program.await_(f"{2 * count} lines came out", lambda: sink.stat().st_size >= source.stat().st_size)
        program.stop()
    compare(source, sink)
    return f"{2 * count} lines, two workers"


def compare(source: Path, sink: Path) -> None:
    sent, came = (file.read_text(encoding="utf-8").splitlines() for file in (source, sink))
    for at, (one, other) in enumerate(zip(sent, came)):
        expect(one == other, f"line {at} of {len(sent)} came out as {other!r}, {len(came)} lines in all")
    expect(len(sent) == len(came), f"{len(came)} of {len(sent)} lines came out")


def write(file: Path, numbers: range) -> None:
    with open(file, "a", encoding="utf-8") as out:
        out.writelines(f"line {n:07d}\n" for n in numbers)


class worker:
    """A Connect worker in distributed mode: its configs, offsets and states are in compacted topics of the broker."""

    def __init__(self, broker: Broker, folder: Path):
        self.port = free_port()
        text = "org.apache.kafka.connect.storage.StringConverter"
        storage = {
            f"{kind}.storage.{key}": value
            for kind in ("config", "offset", "status") for key, value in (("topic", f"connect-{kind}"), ("replication.factor", 1))
        }
        self.program = Program("connect-distributed", folder, {
            "bootstrap.servers": broker.bootstrap, "group.id": "connect", "key.converter": text, "value.converter": text,
            "listeners": f"http://127.0.0.1:{self.port}", "offset.flush.interval.ms": 1000, "offset.storage.partitions": 5,
            "status.storage.partitions": 2, "scheduled.rebalance.max.delay.ms": 1000, "plugin.discovery": "only_scan", **storage,
        })

    def __enter__(self):
        return self.program, self.port

    def __exit__(self, *_):
        end(self.program.process)


def configure(program: Program, port: int, name: str, config: dict) -> None:
    """The worker refuses while it starts or rebalances."""
    body = json.dumps({"tasks.max": "1", **{key: str(value) for key, value in config.items()}}).encode()
    address = f"http://127.0.0.1:{port}/connectors/{name}/config"

    def accepted() -> bool:
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"}, method="PUT")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status in (200, 201)
        except urllib.error.HTTPError as refusal:
            expect(refusal.code in (404, 409, 500, 503), f"{name}: HTTP {refusal.code}", refusal.read().decode(errors="replace"))
            return False
        except OSError:
            return False

    program.await_(f"connector {name} is accepted", accepted)


def mirrored(source: Broker, target: Broker, count: int) -> str:
    """All records of a topic, with their keys, headers and partitions, and a group's progress, from one broker to another."""
    hand, other = Stagehand(source), Stagehand(target)
    hand.topic("mirrored", PARTITIONS)
    hand.ask("produce", "mirrored", count, PARTITIONS, "codec=lz4")
    expected = Expected(count, PARTITIONS)
    replicated = {
        f"{topic}.replication.factor": 1
        for topic in ("checkpoints.topic", "heartbeats.topic", "offset-syncs.topic", "offset.storage", "status.storage", "config.storage")
    }
    properties = {
        "clusters": "source, target", "source.bootstrap.servers": source.bootstrap, "target.bootstrap.servers": target.bootstrap,
        "source->target.enabled": "true", "source->target.topics": "mirrored", "source->target.groups": "readers",
        "target->source.enabled": "false", "replication.factor": 1, "refresh.topics.interval.seconds": 1,
        "refresh.groups.interval.seconds": 1, "emit.checkpoints.interval.seconds": 1, "sync.group.offsets.enabled": "true",
        "sync.group.offsets.interval.seconds": 1, "offset.flush.interval.ms": 1000, **replicated,
    }
    with Program("connect-mirror-maker", source.root / "mirror", properties) as mirror:
        mirror.await_("the mirrored topic is there", lambda: "source.mirrored" in other.ask("topics").split())

        def arrived() -> bool:
            return sum(offsets(other.ask("offsets", "source.mirrored", PARTITIONS, "latest")).values()) >= count

        mirror.await_(f"{count} records arrived", arrived)
        expected.compare(other.read_all("source.mirrored", PARTITIONS, count, target.root / "mirrored"), clients.CURRENT_JAVA, clients.CURRENT_JAVA)

        hand.ask("join", "readers", "mirrored", "any")
        hand.ask("read", count, PATIENCE, source.root / "read")
        hand.ask("commit")
        hand.ask("leave")
        ends = {partition: len(expected.by_partition[partition]) for partition in range(PARTITIONS)}

        def translated() -> bool:
            known = offsets(other.ask("committed", "readers", "source.mirrored", PARTITIONS))
            return all(0 < known[partition] <= ends[partition] for partition in ends)

        mirror.await_("the group's commits were translated", translated)
        mirror.stop()
    hand.close()
    other.close()
    return f"{count} records"
