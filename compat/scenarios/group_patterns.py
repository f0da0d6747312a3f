"""A group that subscribes to a pattern: topics that match belong to it, also one that comes later, and no other."""
import contextlib

from harness import clients, wire
from harness.check import eventually
from harness.shell import run as run_program
from scenarios.group_members import PARTITIONS, PATIENCE, Member, check_history, producing, settle

# The coordinator looks through new topics at most every ten seconds, members look for them every two.
NUMBERS = [0, 1, 2]


def by_pattern(broker, client: str, assignor: str) -> str:
    name = f"pattern-{client}"
    topics = [f"{name}-{number}" for number in NUMBERS]
    create(broker, topics[:2] + [f"no-{name}-0"])
    members: list[Member] = []

    def join(who: str) -> Member:
        members.append(Member(broker, client, assignor, who, name, pattern=f"^{name}-[0-9]+$"))
        return members[-1]

    with contextlib.ExitStack() as feeds:
        try:
            stops = [feeds.enter_context(producing(broker, topic)) for topic in topics[:2]]
            first, second = join("first"), join("second")
            settle([first, second], PARTITIONS, "two members share two topics")
            create(broker, topics[2:])
            stops.append(feeds.enter_context(producing(broker, topics[2])))
            third = join("third")
            settle([first, second, third], PARTITIONS, "a topic that came later is shared too")
            second.end()
            fourth = join("fourth")
            settle([first, third, fourth], PARTITIONS, "another takes the place of one that left")
            for stop in stops:
                stop()
            ends = [end for topic in topics for end in wire.offsets(broker.port, topic, PARTITIONS)]
            eventually(lambda: reached(members, len(ends)) == ends, "everything is read", PATIENCE)
            return f"{sum(ends)} records of {len(topics)} topics; {check_history(members, ends)} spans of ownership"
        finally:
            for member in members:
                member.end()


def create(broker, topics: list[str]) -> None:
    run_program(clients.java("Admin", "create", broker.bootstrap, PARTITIONS, "", *topics), timeout=60)
    wire.await_topics(broker.port, dict.fromkeys(topics, PARTITIONS))


def reached(members: list[Member], partitions: int) -> list[int]:
    """How far each partition was read."""
    ends = [0] * partitions
    for member in members:
        for event in member.events():
            if event[1] == "r":
                ends[int(event[2])] = max(ends[int(event[2])], int(event[4]) + 1)
    return ends
