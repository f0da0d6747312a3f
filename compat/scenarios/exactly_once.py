"""Exactly once: two workers of a group consume, produce and commit their offsets in transactions, some of them aborted, while
workers and the broker are killed; a reader of committed records, of another library, finds each number once."""
import itertools
import re
import subprocess
import time
import zlib

from harness import clients, wire
from harness.check import expect
from harness.context import Context
from harness.install import need
from harness.session import Session
from harness.shell import WORK, Failed, end, run as run_program, spawn
from scenarios.coordinator_records import read_every_record

PARTITIONS = 4
SOURCE = "once-source"
# Who moves the records, by which group protocol, and whose consumer judges.
FULL = [
    ("java", "classic", "confluent"), ("librdkafka", "classic", "franz-go"), ("franz-go", "classic", clients.CURRENT_JAVA),
    ("java", "consumer", "franz-go"), ("librdkafka", "consumer", clients.CURRENT_JAVA), ("franz-go", "consumer", "confluent"),
]
QUICK = FULL[:1]
PROPERTIES = {
    # A killed worker is missed before the broker is killed again.
    "group.min.session.timeout.ms": "1000",
    "group.consumer.min.session.timeout.ms": "1000", "group.consumer.session.timeout.ms": "2500",
    "group.consumer.min.heartbeat.interval.ms": "500", "group.consumer.heartbeat.interval.ms": "500",
}
ABORTED = f"=7:{zlib.crc32(b'aborted'):08x}"
# The line in which a worker that ends by itself tells why.
GAVE_UP = re.compile(r"^(?![\[\s]|commit|abort|refused).*(Exception|Error|unable)")
PATIENCE = 600.0


class Plan:
    """How much is moved, and how often something is killed meanwhile."""

    def __init__(self, context: Context):
        self.count = context.size(100_000, 2_000)
        # Of one transaction: at most so many records, and a pause before its end, so that there are many to be hit.
        self.records, self.pause_ms = context.size(50, 10), 25
        self.broker_every, self.worker_every = context.size(5, 1), context.size(7, 2)
        # At least so many kills of the broker are wanted, and at most so many are made.
        self.kills, self.most_kills = context.size(5, 1), context.size(1000, 1)


def run(context: Context) -> None:
    plan = Plan(context)
    variants = QUICK if context.quick else FULL
    need("java", "confluent", *({"go", "kafka-clients"} if not context.quick else ()))
    with context.broker("exactly-once", PROPERTIES) as broker:
        topics = [SOURCE, *(topic_of(client, protocol) for client, protocol, _ in variants)]
        run_program(clients.java("Admin", "create", broker.bootstrap, PARTITIONS, "segment.bytes=1048576", *topics), timeout=60)
        wire.await_topics(broker.port, dict.fromkeys(topics, PARTITIONS))
        run_program(clients.java("Transactions", broker.bootstrap, "produce", SOURCE, "source", plan.count), timeout=300)
        for client, protocol, judge in variants:
            context.check(client, f"exactly once, {protocol} group", exactly_once, broker, plan, client, protocol, judge)
        context.check("kafka", "every record of the coordinators is read", read_every_record, broker)


def topic_of(client: str, protocol: str) -> str:
    return f"once-{client}-{protocol}"


def exactly_once(broker, plan: Plan, client: str, protocol: str, judge: str) -> str:
    begun = time.monotonic()
    told = move(broker, plan, client, protocol)
    seconds = time.monotonic() - begun
    read_once(broker, topic_of(client, protocol), plan.count, judge)
    return f"{plan.count} moved once in {seconds:.0f} s, read by {judge}; {told}"


class Worker:
    """One of the workers, started anew under the same transactional id whenever it ended."""

    def __init__(self, broker, plan: Plan, client: str, protocol: str, number: int):
        topic = topic_of(client, protocol)
        arguments = (
            broker.bootstrap, SOURCE, topic, topic, f"{topic}-{number}", protocol, plan.records, plan.pause_ms,
        )
        self.command = {
            "java": lambda: clients.java("Worker", *arguments),
            "librdkafka": lambda: clients.confluent("worker.py", *arguments),
            "franz-go": lambda: [WORK / "go" / "franz-go-worker", *arguments],
        }[client]()
        self.log = broker.root / f"{topic}-{number}.log"
        self.log.touch()
        self.ends, self.kills = 0, 0
        self.start()

    def start(self) -> None:
        self.begun_with = self.told("commit")
        with open(self.log, "ab") as log:
            self.process = spawn(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def at_work(self) -> bool:
        """Whether it has committed something since it was started."""
        return self.told("commit") > self.begun_with

    def look_after(self) -> None:
        """A worker that gave up is followed by another, as whoever runs such a program would do."""
        if self.process.poll() is not None:
            self.ends += 1
            self.start()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)
        self.kills += 1
        self.start()

    def told(self, word: str) -> int:
        return sum(1 for line in self.log.read_text(errors="replace").splitlines() if line.startswith(word + " "))


def move(broker, plan: Plan, client: str, protocol: str) -> str:
    workers = [Worker(broker, plan, client, protocol, number) for number in range(2)]
    turn = itertools.cycle(workers)
    ends = wire.offsets(broker.port, SOURCE, PARTITIONS)
    now = time.monotonic()
    deadline, next_broker, next_worker, kills = now + PATIENCE, now + plan.broker_every, now + plan.worker_every, 0
    before = at = committed(broker, client, protocol)
    victim = next(turn)
    try:
        # Behind the last record of each partition there is the marker of its transaction, which needs no commit.
        while any(offset < end - 1 for offset, end in zip(at, ends)):
            if time.monotonic() > deadline:
                raise Failed(f"not all is moved after {PATIENCE:.0f} s: {at} of {ends}; {told(workers)}")
            for worker in workers:
                worker.look_after()
            # Whoever is killed has got something done before: on a slow machine a program may take longer to start.
            if time.monotonic() > next_broker and sum(at) > sum(before) and kills < plan.most_kills:
                broker.kill()
                broker.start()
                before, kills, next_broker = at, kills + 1, time.monotonic() + plan.broker_every
            if time.monotonic() > next_worker and victim.at_work() and victim.kills < plan.most_kills:
                victim.kill()
                victim, next_worker = next(turn), time.monotonic() + plan.worker_every
            time.sleep(0.1)
            at = committed(broker, client, protocol)
    finally:
        for worker in workers:
            end(worker.process)
    expect(kills >= plan.kills, f"all was moved after {kills} kills of the broker")
    expect(any(worker.told("abort") for worker in workers), "no transaction was aborted on purpose")
    return f"{kills} broker kills, {told(workers)}"


def told(workers: list[Worker]) -> str:
    counts = {word: sum(worker.told(word) for worker in workers) for word in ("commit", "abort", "refused")}
    killed, ended = sum(worker.kills for worker in workers), sum(worker.ends for worker in workers)
    said = f"{killed} worker kills, {counts['commit']} commits, {counts['abort']} aborts, {counts['refused']} refused"
    reasons = [line for worker in workers for line in worker.log.read_text(errors="replace").splitlines() if GAVE_UP.search(line)]
    return said + (f", {ended} gave up: {' / '.join(reasons)[:600]}" if ended else "")


def committed(broker, client: str, protocol: str) -> list[int]:
    """Of each partition; -1 without a commit, and while the coordinator does not tell."""
    told = (wire.committed(broker.port, topic_of(client, protocol), SOURCE, partition) for partition in range(PARTITIONS))
    return [-1 if offset is None else offset for offset in told]


def read_once(broker, topic: str, count: int, judge: str) -> None:
    """Each number is there once among the committed records, and nothing of what was aborted."""
    session = Session(judge, broker)
    file = broker.root / f"{topic}.records"
    file.touch()
    try:
        session.ask("assign", topic, PARTITIONS, "earliest", isolation="read_committed")
        session.ask("read", count, 60, file, patience=120)
        session.ask("read", 1, 3, file)
    finally:
        session.close()
    rows = [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()]
    aborted = sum(1 for row in rows if row[3] == ABORTED)
    numbers = [int(row[2][1:]) for row in rows]
    missing = sorted(set(range(count)) - set(numbers))
    expect(not aborted, f"{aborted} records of aborted transactions were read by {judge}")
    expect(not missing, f"{len(missing)} of {count} are lost, {missing[:5]}")
    expect(len(numbers) == count, f"{len(numbers) - count} records were read twice by {judge}")
