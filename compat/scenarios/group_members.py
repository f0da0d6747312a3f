"""Running members of consumer groups, and what is true of their partitions at any time."""
import contextlib
import signal
import subprocess
import time

from harness import clients
from harness.check import eventually, expect
from harness.shell import end, spawn, tail

PARTITIONS = 6
PATIENCE = 60.0


def event(words: list[str]) -> list[str]:
    """What a member told. Partitions of several topics, which end in a number, are told as TOPIC-NUMBER:PARTITION and counted
    through here."""
    if words[1] in ("+", "-", "r") and ":" in words[2]:
        topic, _, partition = words[2].rpartition(":")
        words[2] = str(int(topic.rpartition("-")[2]) * PARTITIONS + int(partition))
    return words


class Member:
    """A running consumer and the lines it has printed."""

    def __init__(self, broker, client: str, assignor: str, name: str, topic: str, instance: str = "-", pattern: str | None = None):
        arguments = (broker.bootstrap, f"{topic}-readers", pattern or topic, assignor, instance)
        command = clients.java("Member", *arguments) if client == "java" else clients.confluent("member.py", *arguments)
        self.name = name
        self.output, self.errors = broker.root / f"{topic}-{name}.out", broker.root / f"{topic}-{name}.err"
        with open(self.output, "wb") as out, open(self.errors, "wb") as err:
            self.process = spawn(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        self.ended_at: int | None = None

    def events(self) -> list[list[str]]:
        text = self.output.read_text()
        return [event(line.split()) for line in text[:text.rfind("\n") + 1].splitlines()]

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
        """(partition, from, to, member) of each span of ownership; of one that no revocation ended the member says so."""
        since, spans = {}, []
        for at, what, *numbers in self.events():
            if what == "+":
                since[int(numbers[0])] = int(at)
            elif what == "-" and int(numbers[0]) in since:
                spans.append((int(numbers[0]), since.pop(int(numbers[0])), int(at), self.name))
        last = self.ended_at or int(time.time() * 1000)
        return spans + [(partition, begun, last, f"{self.name}, which was never told to give it up,") for partition, begun in since.items()]


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
        return all(len(own) == share for own in owned) and set().union(*owned) == set(range(share * len(members)))

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
