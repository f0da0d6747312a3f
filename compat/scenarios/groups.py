"""Consumer groups with every assignor: members join, one is killed, a static one restarts; each partition has one owner, always."""
import re
import signal
import threading
import time

from harness import clients, wire
from harness.check import eventually, expect
from harness.clients import tool
from harness.context import Context
from harness.install import need
from harness.shell import run as run_program
from scenarios import group_patterns
from scenarios.coordinator_records import OFFSETS, read_every_record
from scenarios.group_members import PARTITIONS, PATIENCE, Member, check_history, producing, settle

ASSIGNORS = {
    "java": ["range", "roundrobin", "sticky", "cooperative-sticky", "server-uniform", "server-range"],
    # librdkafka has no eager sticky assignor.
    "librdkafka": ["range", "roundrobin", "cooperative-sticky", "server-uniform"],
}
QUICK = {"java": ["range", "server-uniform"], "librdkafka": ["cooperative-sticky"]}
# Whose classic members become whose consumers of the newer protocol, and back.
MIGRATIONS = [("java", "java"), ("librdkafka", "librdkafka"), ("java", "librdkafka")]
# Where the coordinator assigns, it also says how often members are heard from, and how long they may be silent.
PACE = {
    "group.consumer.min.heartbeat.interval.ms": "1000", "group.consumer.heartbeat.interval.ms": "1000",
    "group.consumer.min.session.timeout.ms": "6000", "group.consumer.session.timeout.ms": "12000",
}


def run(context: Context) -> None:
    need("java", "confluent")
    chosen = QUICK if context.quick else ASSIGNORS
    with context.broker("groups", PACE) as broker:
        topics = [topic_of(client, assignor) for client, assignors in chosen.items() for assignor in assignors]
        topics += [] if context.quick else [mixed(*clients_of) for clients_of in MIGRATIONS]
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
        for classic, newer in [] if context.quick else MIGRATIONS:
            context.check(classic, f"group of both protocols, the newer by {newer}", both_protocols, broker, classic, newer)
        context.check("broker", "commits survive kill -9", commits_survive, broker, topics)
        context.check("java", "consumer group survives kill -9", members_survive, broker)
        for client in ["java"] if context.quick else ASSIGNORS:
            context.check(client, "group by pattern, server-uniform", group_patterns.by_pattern, broker, client, "server-uniform")
        if not context.quick:
            context.check("kafka", "every record of the coordinators is read", read_every_record, broker, [OFFSETS])


def mixed(classic: str, newer: str) -> str:
    return f"group-mixed-{classic}-{newer}"


def topic_of(client: str, assignor: str) -> str:
    return f"group-{client}-{assignor}"


def one_group(broker, client: str, assignor: str) -> str:
    topic = topic_of(client, assignor)
    members: list[Member] = []
    with producing(broker, topic) as stop:
        try:
            first = Member(broker, client, assignor, "first", topic)
            second = Member(broker, client, assignor, "second", topic)
            static = Member(broker, client, assignor, "static", topic, f"{topic}-instance")
            members += [first, second, static]
            settle(members, 2, "three members share the partitions")

            first.end(signal.SIGKILL)
            settle([second, static], 3, "two members take over from a killed one")

            before, quiet = static.owned(), second.revocations()
            static.end()
            again = Member(broker, client, assignor, "static-again", topic, f"{topic}-instance")
            members.append(again)
            eventually(lambda: again.owned() == before, f"the restarted static member owns {sorted(before)} again", PATIENCE)
            expect(second.revocations() == quiet, "the other member was disturbed by the static member's restart")

            fourth = Member(broker, client, assignor, "fourth", topic)
            members.append(fourth)
            settle([second, again, fourth], 2, "a new member gets its share")
            left = time.monotonic()
            second.end()
            settle([again, fourth], 3, "two members take over from one that leaves")
            left = time.monotonic() - left
            stop()
            ends = wire.offsets(broker.port, topic, PARTITIONS)
            eventually(lambda: committed(broker, topic) == ends, "everything is read and committed", PATIENCE, pause=1)
            refused = [event for member in members for event in member.events() if event[1] == "x"]
            expect(not refused, "a member was out of its group", str(refused))
            return f"{sum(ends)} records; {check_history(members, ends)} spans of ownership; {left:.0f} s after leaving"
        finally:
            for member in members:
                member.end()


def both_protocols(broker, classic: str, newer: str) -> str:
    """A classic group becomes a consumer group member by member, and a classic group again."""
    members: list[Member] = []
    topic = mixed(classic, newer)

    def join(name: str, assignor: str) -> Member:
        client = newer if assignor.startswith("server-") else classic
        members.append(Member(broker, client, assignor, name, topic))
        return members[-1]

    with producing(broker, topic) as stop:
        try:
            old = [join("classic-1", "cooperative-sticky"), join("classic-2", "cooperative-sticky")]
            settle(old, 3, "two classic members share the partitions")
            new = [join("consumer-1", "server-uniform")]
            settle(old + new, 2, "a consumer of the newer protocol gets its share")
            expect(kind_of(broker, topic) == "Consumer", "the group is a consumer group")
            old[0].end()
            new.append(join("consumer-2", "server-uniform"))
            settle([old[1], *new], 2, "another takes the place of a classic one")
            for member in new:
                member.end(signal.SIGKILL)
            new = []
            settle([old[1]], 6, "the classic member has everything again")
            expect(kind_of(broker, topic) == "Classic", "the group is a classic group again")
            stop()
            ends = wire.offsets(broker.port, topic, PARTITIONS)
            eventually(lambda: committed(broker, topic) == ends, "everything is read and committed", PATIENCE, pause=1)
            return f"{sum(ends)} records; {check_history(members, ends)} spans of ownership"
        finally:
            for member in members:
                member.end()


def members_survive(broker) -> str:
    """The coordinator dies and comes back: its group goes on without a rebalance."""
    topic = topic_of("java", "server-uniform")
    members = [Member(broker, "java", "server-uniform", f"survivor-{number}", topic) for number in range(3)]
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
