"""Consumer groups with every assignor: members join, one is killed, a static one restarts; each partition has one owner, always."""
import contextlib
import re
import signal
import subprocess
import threading
import time

from harness import clients, wire
from harness.check import eventually, expect
from harness.clients import tool
from harness.context import Context
from harness.install import need
from harness.shell import end, run as run_program, spawn, tail

PARTITIONS = 6
ASSIGNORS = {
    "java": ["range", "roundrobin", "sticky", "cooperative-sticky", "server-uniform", "server-range"],
    # librdkafka has no eager sticky assignor.
    "librdkafka": ["range", "roundrobin", "cooperative-sticky", "server-uniform"],
}
QUICK = {"java": ["range", "server-uniform"], "librdkafka": ["cooperative-sticky"]}
MIXED = "group-mixed"
# Where the coordinator assigns, it also says how often members are heard from, and how long they may be silent.
PACE = {
    "group.consumer.min.heartbeat.interval.ms": "1000", "group.consumer.heartbeat.interval.ms": "1000",
    "group.consumer.min.session.timeout.ms": "6000", "group.consumer.session.timeout.ms": "12000",
}
PATIENCE = 60.0


def run(context: Context) -> None:
    need("java", "confluent")
    chosen = QUICK if context.quick else ASSIGNORS
    with context.broker("groups", PACE) as broker:
        topics = [topic_of(client, assignor) for client, assignors in chosen.items() for assignor in assignors]
        topics += [] if context.quick else [MIXED]
        run_program(clients.java("Admin", "create", broker.bootstrap, PARTITIONS, "", *topics), timeout=60)
        wire.await_topics(broker.port, dict.fromkeys(topics, PARTITIONS))

        def all_of(client: str) -> None:
            for assignor in chosen[client]:
                context.check(client, f"group {assignor}", one_group, broker, client, assignor)

        both = [threading.Thread(target=all_of, args=(client,)) for client in chosen]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        if not context.quick:
            context.check("java", "group of both protocols", both_protocols, broker)
        context.check("broker", "commits survive kill -9", commits_survive, broker, topics)
        context.check("java", "consumer group survives kill -9", members_survive, broker)


def topic_of(client: str, assignor: str) -> str:
    return f"group-{client}-{assignor}"


class Member:
    """A running consumer and the lines it has printed."""

    def __init__(self, broker, client: str, assignor: str, name: str, instance: str = "-", topic: str | None = None):
        topic = topic or topic_of(client, assignor)
        arguments = (broker.bootstrap, f"{topic}-readers", topic, assignor, instance)
        command = clients.java("Member", *arguments) if client == "java" else clients.confluent("member.py", *arguments)
        self.name = name
        self.output, self.errors = broker.root / f"{topic}-{name}.out", broker.root / f"{topic}-{name}.err"
        with open(self.output, "wb") as out, open(self.errors, "wb") as err:
            self.process = spawn(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        self.ended_at: int | None = None

    def events(self) -> list[list[str]]:
        text = self.output.read_text()
        return [line.split() for line in text[:text.rfind("\n") + 1].splitlines()]

    def owned(self) -> set[int]:
        own: set[int] = set()
        for _, what, *numbers in self.events():
            if what == "+":
                own.add(int(numbers[0]))
            elif what == "-":
                own.discard(int(numbers[0]))
        return own if self.ended_at is None else set()

    def revocations(self) -> int:
        return sum(1 for event in self.events() if event[1] == "-")

    def end(self, how=signal.SIGTERM) -> None:
        if self.ended_at is None:
            code = end(self.process, how, 20)
            self.ended_at = int(time.time() * 1000)
            if how == signal.SIGTERM:
                expect(code in (0, 143), f"member {self.name} ended with {code}", tail(self.errors.read_bytes()))

    def intervals(self) -> list[tuple[int, int, int, str]]:
        """(partition, from, to, member) of each span of ownership."""
        since, spans = {}, []
        for at, what, *numbers in self.events():
            if what == "+":
                since[int(numbers[0])] = int(at)
            elif what == "-" and int(numbers[0]) in since:
                spans.append((int(numbers[0]), since.pop(int(numbers[0])), int(at), self.name))
        last = self.ended_at or int(time.time() * 1000)
        return spans + [(partition, begun, last, self.name) for partition, begun in since.items()]


def one_group(broker, client: str, assignor: str) -> str:
    topic = topic_of(client, assignor)
    members: list[Member] = []
    with producing(broker, topic) as stop:
        try:
            first = Member(broker, client, assignor, "first")
            second = Member(broker, client, assignor, "second")
            static = Member(broker, client, assignor, "static", f"{topic}-instance")
            members += [first, second, static]
            settle(members, 2, "three members share the partitions")

            first.end(signal.SIGKILL)
            settle([second, static], 3, "two members take over from a killed one")

            before, quiet = static.owned(), second.revocations()
            static.end()
            again = Member(broker, client, assignor, "static-again", f"{topic}-instance")
            members.append(again)
            eventually(lambda: again.owned() == before, f"the restarted static member owns {sorted(before)} again", PATIENCE)
            expect(second.revocations() == quiet, "the other member was disturbed by the static member's restart")

            fourth = Member(broker, client, assignor, "fourth")
            members.append(fourth)
            settle([second, again, fourth], 2, "a new member gets its share")
            stop()
            ends = wire.offsets(broker.port, topic, PARTITIONS)
            eventually(lambda: committed(broker, topic) == ends, "everything is read and committed", PATIENCE, pause=1)
            refused = [event for member in members for event in member.events() if event[1] == "x"]
            expect(not refused, "a member was out of its group", str(refused))
            return f"{sum(ends)} records; {check_history(members, ends)} spans of ownership"
        finally:
            for member in members:
                member.end()


def both_protocols(broker) -> str:
    """A classic group becomes a consumer group member by member, and a classic group again."""
    members: list[Member] = []

    def join(name: str, assignor: str) -> Member:
        members.append(Member(broker, "java", assignor, name, topic=MIXED))
        return members[-1]

    with producing(broker, MIXED) as stop:
        try:
            old = [join("classic-1", "cooperative-sticky"), join("classic-2", "cooperative-sticky")]
            settle(old, 3, "two classic members share the partitions")
            new = [join("consumer-1", "server-uniform")]
            settle(old + new, 2, "a consumer of the newer protocol gets its share")
            expect(kind_of(broker, MIXED) == "Consumer", "the group is a consumer group")
            old[0].end()
            new.append(join("consumer-2", "server-uniform"))
            settle([old[1], *new], 2, "another takes the place of a classic one")
            for member in new:
                member.end(signal.SIGKILL)
            new = []
            settle([old[1]], 6, "the classic member has everything again")
            expect(kind_of(broker, MIXED) == "Classic", "the group is a classic group again")
            stop()
            ends = wire.offsets(broker.port, MIXED, PARTITIONS)
            eventually(lambda: committed(broker, MIXED) == ends, "everything is read and committed", PATIENCE, pause=1)
            return f"{sum(ends)} records; {check_history(members, ends)} spans of ownership"
        finally:
            for member in members:
                member.end()


def members_survive(broker) -> str:
    """The coordinator dies and comes back: its group goes on without a rebalance."""
    topic = topic_of("java", "server-uniform")
    members = [Member(broker, "java", "server-uniform", f"survivor-{number}") for number in range(3)]
    try:
        settle(members, 2, "three members share the partitions")
        before = [(member.owned(), member.revocations()) for member in members]
        broker.kill()
        broker.start()
        wire.await_topics(broker.port, {topic: PARTITIONS})
        said = lambda: tool("kafka-consumer-groups", "--bootstrap-server", broker.bootstrap, "--describe", "--state", "--group", f"{topic}-readers")[0]
        eventually(lambda: re.search(r"\sStable\s+3\s*$", said(), re.M), "the group is stable with its three members", PATIENCE, pause=1)
        time.sleep(3)
        expect([(member.owned(), member.revocations()) for member in members] == before, "somebody lost a partition")
        return "3 members"
    finally:
        for member in members:
            member.end()


def kind_of(broker, topic: str) -> str:
    said, _ = tool("kafka-groups", "--bootstrap-server", broker.bootstrap, "--list")
    found = re.search(rf"^{topic}-readers\s+(\w+)", said, re.M)
    return found[1] if found else said


@contextlib.contextmanager
def producing(broker, topic: str):
    """Records come all the time, until the value of this is called."""
    log = open(broker.root / f"{topic}-producer.log", "wb")
    feed = clients.confluent("acked.py", broker.bootstrap, topic, PARTITIONS, broker.root / f"{topic}.acks", 500)
    producer = spawn(feed, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield lambda: end(producer, signal.SIGTERM, 60)
    finally:
        end(producer, signal.SIGKILL)
        log.close()


def settle(members: list[Member], share: int, what: str) -> None:
    """Waits for a full and even assignment that is still the same a second later."""
    def even() -> bool:
        owned = [member.owned() for member in members]
        return all(len(own) == share for own in owned) and set().union(*owned) == set(range(PARTITIONS))

    def lasting() -> bool:
        if not even():
            return False
        time.sleep(1.0)
        return even()

    try:
        eventually(lasting, what, PATIENCE)
    except Exception:
        for member in members:
            expect(member.process.poll() is None, f"member {member.name} ended", tail(member.errors.read_bytes()))
        raise


def check_history(members: list[Member], ends: list[int]) -> int:
    """No partition had two owners at a time, and no record went unread."""
    for member in members:
        member.end()
    spans = sorted(span for member in members for span in member.intervals())
    for (partition, _, to, who), (next_partition, since, _, other) in zip(spans, spans[1:]):
        if partition == next_partition:
            expect(since >= to, f"partition {partition} was owned by {who} until {to} and by {other} from {since}")
    for partition, end_offset in enumerate(ends):
        reads = sorted(
            (int(event[3]), int(event[4])) for member in members for event in member.events()
            if event[1] == "r" and int(event[2]) == partition
        )
        reached = 0
        for first, last in reads:
            expect(first <= reached, f"records {reached} to {first - 1} of partition {partition} were read by nobody")
            reached = max(reached, last + 1)
        expect(reached == end_offset, f"partition {partition} was read up to {reached} of {end_offset}")
    return len(spans)


def committed(broker, topic: str) -> list[int]:
    """Committed offset of each partition, as the official tool prints it."""
    said, _ = tool("kafka-consumer-groups", "--bootstrap-server", broker.bootstrap, "--describe", "--offsets", "--group", f"{topic}-readers")
    found = {int(p): int(offset) for p, offset in re.findall(rf"^{topic}-readers\s+{topic}\s+(\d+)\s+(\d+)\s", said, re.M)}
    return [found.get(partition, -1) for partition in range(PARTITIONS)]


def commits_survive(broker, topics: list[str]) -> str:
    before = {topic: committed(broker, topic) for topic in topics}
    expect(all(offset > 0 for offsets in before.values() for offset in offsets), f"committed offsets {before}")
    broker.kill()
    broker.start()
    wire.await_topics(broker.port, dict.fromkeys(topics, PARTITIONS))
    for topic in topics:
        expect(committed(broker, topic) == before[topic], f"{topic} after kill -9: {committed(broker, topic)}, before {before[topic]}")
    return f"{len(topics)} groups"
