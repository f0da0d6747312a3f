"""A small file system fills up, down to its last byte, and has room again: nothing that was acknowledged is lost, nothing ends, and
what needs no room goes on."""
import os
import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

from diff.batches import batch
from harness import clients, wire
from harness.check import eventually, expect
from harness.clients import tool
from harness.context import Context
from harness.install import need
from harness.shell import Skip, end, run as run_program, spawn, tail

from .files import dump
from .kill9 import Producing, verify

MIB = 1 << 20
SIZE = 150 * MIB
# Put there by others; what a producer has in hand at its end finds room when it goes.
SPARE = 40 * MIB
RECORD_BYTES = 1000
PARTITIONS = 3
# What refuses a record or a topic (KAFKA_STORAGE_ERROR).
STORAGE_ERROR = 56
BACK_WITHIN_SECONDS = 10
REFUSED_AND_SENT_AGAIN = re.compile(r"Got error produce response .* retrying .*: KAFKA_STORAGE_ERROR")
# Checkpoints and retention strike often, and while the disk is full.
PROPERTIES = {
    "log.segment.bytes": str(2 * MIB),
    "log.flush.offset.checkpoint.interval.ms": "500",
    "log.flush.start.offset.checkpoint.interval.ms": "500",
    "replica.high.watermark.checkpoint.interval.ms": "500",
    "log.retention.check.interval.ms": "500",
    "log.initial.task.delay.ms": "500",
    # Longer than room may take to come back: while it is short, nothing waits for this.
    "log.segment.delete.delay.ms": "15000",
    "metadata.log.max.record.bytes.between.snapshots": "2000",
    "metadata.log.max.snapshot.interval.ms": "2000",
    "transaction.state.log.num.partitions": "2",
}


def run(context: Context) -> None:
    need("confluent", "java")
    if context.kind == "jvm":
        return
    broker = context.broker("disk-full", PROPERTIES)
    mounted = broker.root / "small"
    if not mount_tmpfs(mounted, SIZE):
        context.check("broker", "disk-full", cannot_mount)
        return
    try:
        broker.data = mounted / "data"
        broker.data.mkdir()
        broker.properties["log.dirs"] = str(broker.data)
        broker.choose_ports()
        with broker:
            for number in range(context.size(5, 1)):
                if not context.check("broker", f"full disk, round {number + 1}", full, broker, number):
                    return
            context.check("kafka-dump-log", "logs after full disks", dump_all, broker)
    finally:
        broker.kill()
        subprocess.run(["umount", "-l", mounted], check=False)
        broker.close()


def mount_tmpfs(where: Path, size: int) -> bool:
    """Makes the directory a file system of its own; answers whether that is possible here."""
    where.mkdir()
    return os.getuid() == 0 and not subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", where], check=False).returncode


def cannot_mount():
    raise Skip("a tmpfs of a given size cannot be mounted here")


class Filling(Producing):
    """A producer that fills the disk and outlives all of it."""

    def __init__(self, broker, number: int, name: str):
        self.name, self.topic = name, f"{name}-{number}"
        self.journal, self.log = broker.root / f"{self.topic}.acks", broker.root / f"{self.topic}.log"
        arguments = (broker.bootstrap, self.topic, PARTITIONS, self.journal)
        command = {
            "librdkafka": lambda: clients.confluent("acked.py", *arguments, 100_000, RECORD_BYTES),
            "java": lambda: clients.java("Acked", *arguments, RECORD_BYTES),
        }[name]()
        with open(self.log, "wb") as log:
            self.process = spawn(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def ends(self, broker) -> int:
        return sum(wire.offsets(broker.port, self.topic, PARTITIONS))

    def retries(self) -> int:
        """How often the Java library says that it was refused and sends again."""
        return len(REFUSED_AND_SENT_AGAIN.findall(self.log.read_text(errors="replace")))


def full(broker, number: int) -> str:
    """One round. Room comes back by deleting a topic, by retention, or by removing what others have put there."""
    how = ("a topic deleted", "retention", "a file removed")[number % 3]
    other, filled = f"other-{number}", [f"{name}-{number}" for name in ("librdkafka", "java")]
    create = clients.java("Admin", "create", broker.bootstrap, 1, f"segment.bytes={MIB},retention.ms=-1", other, f"transactions-{number}")
    run_program(create, timeout=60)
    run_program(clients.java("Admin", "create", broker.bootstrap, PARTITIONS, f"segment.bytes={2 * MIB}", *filled), timeout=60)
    wire.await_topics(broker.port, {other: 1, f"transactions-{number}": 1, **dict.fromkeys(filled, PARTITIONS)})
    clients.produce("confluent", broker.bootstrap, other, "none", 20_000, 1, 60)
    strangers, spare = broker.data.parent / "strangers", broker.data.parent / "spare"
    strangers.write_bytes(bytes(20 * MIB if how == "a file removed" else 0))
    spare.write_bytes(bytes(SPARE))
    transactions = [opened(broker, f"transactions-{number}", f"{number}-{n}") for n in range(3)]
    # The topic of positions is none of those that are refused.
    ask(broker, "commit", other, f"early-{number}")
    # The slower one first: both shall have written something.
    java = Filling(broker, number, "java")
    eventually(lambda: java.ends(broker) > 0, "the Java producer writes", 30)
    producers = [java, Filling(broker, number, "librdkafka")]
    try:
        eventually(lambda: is_short(broker), "the broker tells that room is short", 60)
        time.sleep(1)
        stood = [producer.ends(broker) for producer in producers]
        goes_on(broker, number, other)
        expect(finish(transactions[0], "commit") == "committed", "a transaction commits in the reserve")
        fill_up(broker)
        time.sleep(3)
        told = refused(broker, number)
        read = read_back(broker, other)
        broker.kill()
        dump(logs_of(broker), "--deep-iteration")
        started = broker.start(patience=60)
        wire.await_topics(broker.port, {**dict.fromkeys(filled, PARTITIONS), other: 1})
        expect(read_back(broker, other) == read, "the same is read after a start on the full disk")
        refused(broker, number)
        now = [producer.ends(broker) for producer in producers]
        expect(now == stood, f"{stood} records became {now} on a full disk")
        expect(java.retries() > 0, "the Java producer was refused, and sends again", tail(java.log.read_bytes()))
        # One at a time: there is not so much room that either would leave some to the other.
        for producer in producers:
            producer.process.send_signal(signal.SIGSTOP)
        make_room(broker, how, other, strangers)
        back = [came_back(broker, producer, before) for producer, before in zip(producers, stood)]
        for producer in producers:
            producer.process.send_signal(signal.SIGCONT)
        outcomes = [finish(one, word) for one, word in zip(transactions[1:], ("commit", "abort"))]
        expect(outcomes == ["committed", "aborted"], f"the transactions ended: {outcomes}")
        (broker.data.parent / "filler").unlink()
    finally:
        expect(broker.process.poll() is None, "the broker ended")
    for producer in producers:
        producer.process.terminate()
    spare.unlink()
    said = verify_and_clean(broker, producers, number)
    return f"{how}: {told}; started full in {started:.2f} s, back: {', '.join(back)}; {java.retries()} times refused; {said}"


def came_back(broker, producer: Filling, before: int) -> str:
    """Lets a producer go on until records of it are taken."""
    begun = time.monotonic()
    producer.process.send_signal(signal.SIGCONT)
    eventually(lambda: producer.ends(broker) > before, f"records of {producer.name} are taken again", BACK_WITHIN_SECONDS, 0.05)
    producer.process.send_signal(signal.SIGSTOP)
    return f"{producer.name} after {time.monotonic() - begun:.1f} s"


def opened(broker, topic: str, identity: str):
    command = clients.confluent("full.py", broker.bootstrap, "transaction", topic, identity)
    with open(broker.root / f"transaction-{identity}.log", "wb") as log:
        process = spawn(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
    expect(process.stdout.readline().strip() == b"open", "a transaction opens")
    return process


def finish(process, word: str) -> str:
    process.stdin.write(f"{word}\n".encode())
    process.stdin.flush()
    said = process.stdout.readline().decode().strip()
    end(process)
    return said


def ask(broker, *arguments) -> str:
    return run_program(clients.confluent("full.py", broker.bootstrap, *arguments), timeout=90).stdout.decode().strip()


def goes_on(broker, number: int, other: str) -> None:
    """In the reserve: records and topics are refused by name, the rest goes on."""
    refused(broker, number)
    expect(ask(broker, "commit", other, f"readers-{number}") == "1", "a group commits")
    expect(wire.committed(broker.port, f"readers-{number}", other, 0) == 1, "and its position is kept")
    read_back(broker, other)


def refused(broker, number: int) -> str:
    produced, created = wire.produce(broker.port, f"librdkafka-{number}", 0, batch()), ask(broker, "create", f"never-{number}")
    expect(produced == STORAGE_ERROR, f"a record is answered {produced}")
    expect(created.startswith(str(STORAGE_ERROR)), f"a topic is answered {created}")
    return f"a record {produced}, a topic {created.split()[0]}"


def read_back(broker, topic: str) -> int:
    printed = run_program(clients.confluent("read_all.py", broker.bootstrap, topic, 1), timeout=60).stdout
    count = printed.count(b"\n")
    expect(count == 20_000, f"{count} records are read")
    return count


def fill_up(broker) -> None:
    """Somebody else takes the last byte, the reserve too."""
    with open(broker.data.parent / "filler", "wb", buffering=0) as filler:
        for size in (MIB, 4096, 1):
            try:
                while True:
                    filler.write(bytes(size))
            except OSError:
                pass


def make_room(broker, how: str, other: str, strangers) -> None:
    server = ("--bootstrap-server", broker.bootstrap)
    if how == "a file removed":
        strangers.unlink()
    elif how == "retention":
        setting = ("--entity-type", "topics", "--entity-name", other, "--alter", "--add-config", "retention.bytes=1000")
        tool("kafka-configs", *server, *setting)
    else:
        tool("kafka-topics", *server, "--delete", "--topic", other)


def metric(broker, name: str) -> float:
    text = urllib.request.urlopen(f"http://127.0.0.1:{broker.admin_port}/metrics", timeout=5).read().decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


def is_short(broker) -> bool:
    return metric(broker, "ottla_log_directory_short_of_space") == 1


def verify_and_clean(broker, producers: list[Filling], number: int) -> str:
    """What the producers still have in hand finds room, and then everything is there."""
    ready = urllib.request.urlopen(f"http://127.0.0.1:{broker.admin_port}/readyz", timeout=5).status
    expect(ready == 200, f"/readyz says {ready}")
    said = "; ".join(f"{producer.name}: {verify(broker, producer)}" for producer in producers)
    dump(logs_of(broker), "--deep-iteration")
    server = ("--bootstrap-server", broker.bootstrap)
    for topic in (*(producer.topic for producer in producers), f"other-{number}"):
        tool("kafka-topics", *server, "--delete", "--if-exists", "--topic", topic)
    eventually(lambda: not is_short(broker), "there is room", BACK_WITHIN_SECONDS)
    eventually(lambda: not list(broker.data.glob("*-delete")), "what was deleted is gone", 60)
    return said


def logs_of(broker) -> list:
    return [file for file in sorted(broker.data.rglob("*.log")) if not file.parent.name.endswith("-delete")]


def dump_all(broker) -> str:
    broker.kill()
    logs = logs_of(broker)
    dump(logs, "--deep-iteration")
    begun = time.monotonic()
    broker.start()
    expect(broker.stop() < 30, f"a clean stop {time.monotonic() - begun:.1f} s")
    dump([file for file in sorted(broker.data.rglob("*index")) if file.suffix != ".txnindex"], "--index-sanity-check")
    return f"{len(logs)} logs"
