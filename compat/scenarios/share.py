"""Share groups (KIP-932): Java's share consumers accept, release, reject and renew through kill -9; Kafka's tools agree, and read every record that is left."""
import contextlib
import re
import signal
import subprocess
import time
from collections import Counter, defaultdict

from harness import clients, wire
from harness.check import eventually, expect
from harness.clients import tool
from harness.context import Context
from harness.shell import end, run as run_program, spawn, tail

PARTITIONS = 3
TOPICS = ["planned", "killed", "numbered"]
LIMIT = 5
PATIENCE = 120.0
SETTINGS = {
    "group.share.min.record.lock.duration.ms": "1000",
    "group.share.min.heartbeat.interval.ms": "1000", "group.share.heartbeat.interval.ms": "1000",
    "group.share.min.session.timeout.ms": "6000", "group.share.session.timeout.ms": "10000",
    "share.coordinator.state.topic.num.partitions": "4",
}
GROUPS = {
    "planned-readers": {"share.record.lock.duration.ms": "5000"},
    "killed-readers": {"share.record.lock.duration.ms": "5000"},
    "uncommitted": {"share.isolation.level": "read_uncommitted"},
    "committed": {"share.isolation.level": "read_committed"},
}


def run(context: Context) -> None:
    count, kills = context.size(20_000, 2_000), context.size(6, 2)
    with context.broker("share", SETTINGS) as broker:
        run_program(clients.java("Admin", "create", broker.bootstrap, PARTITIONS, "", *TOPICS), timeout=60)
        wire.await_topics(broker.port, dict.fromkeys(TOPICS, PARTITIONS))
        for group, configs in GROUPS.items():
            added = ",".join(f"{key}={value}" for key, value in {"share.auto.offset.reset": "earliest", **configs}.items())
            tool("kafka-configs", "--bootstrap-server", broker.bootstrap, "--alter", "--entity-type", "groups", "--entity-name", group, "--add-config", added)
        context.check("java", "acknowledged as planned, every delivery counted", planned, broker, context.size(4_000, 1_000))
        context.check("java", "both isolation levels", isolation, broker, context.size(2_000, 400))
        context.check("java", f"three share consumers, {kills} kill -9", killed, broker, count, kills)
        context.check("tools", "kafka-share-groups", told_by_tools, broker)
        context.check("tools", "every record of the coordinators is read", decoded, broker)


class Consumer:
    """A running share consumer, and what it has told."""

    def __init__(self, broker, group: str, name: str, *topics: str):
        self.output, self.errors = broker.root / f"{group}-{name}.out", broker.root / f"{group}-{name}.err"
        with open(self.output, "wb") as out, open(self.errors, "wb") as err:
            command = clients.java("Share", broker.bootstrap, "consume", group, ",".join(topics))
            self.process = spawn(command, stdin=subprocess.PIPE, stdout=out, stderr=err)

    def events(self) -> list[list[str]]:
        text = self.output.read_text()
        return [line.split() for line in text[:text.rfind("\n") + 1].splitlines()]

    def end(self) -> None:
        """It closes, and gives back what it holds."""
        if self.process.poll() is None:
            self.process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(40)
        code = end(self.process)
        expect(code == 0, f"a share consumer ended with {code}", tail(self.errors.read_bytes()))

    def kill(self) -> None:
        end(self.process, signal.SIGKILL)


@contextlib.contextmanager
def consumers(broker, group: str, topic: str, number: int):
    running = [Consumer(broker, group, str(index), topic) for index in range(number)]
    try:
        yield running
    finally:
        for consumer in running:
            if consumer.process.poll() is None:
                consumer.kill()


def fill(broker, topic: str, count: int) -> None:
    run_program(clients.java("Share", broker.bootstrap, "fill", topic, count), timeout=120)


def share_groups(broker, *arguments, check=True) -> str:
    return tool("kafka-share-groups", "--bootstrap-server", broker.bootstrap, *arguments, check=check)[0]


def offsets(broker, group: str) -> dict[tuple[str, int], tuple[str, str]]:
    """(topic, partition) to start offset and lag, as the tool prints them."""
    rows = [line.split() for line in share_groups(broker, "--describe", "--group", group, "--offsets").splitlines()]
    return {(row[1], int(row[2])): (row[3], row[4]) for row in rows if row and row[0] == group}


def is_done(broker, group: str) -> bool:
    told = offsets(broker, group)
    return len(told) == PARTITIONS and all(lag == "0" for _, lag in told.values())


def gathered(running: list[Consumer]):
    """Deliveries (time, count) and what was done (time, kind, confirmed), by value."""
    deliveries, done = defaultdict(list), defaultdict(list)
    for consumer in running:
        for at, what, *rest in consumer.events():
            if what == "d":
                deliveries[rest[0]].append((int(at), int(rest[1])))
            else:
                done[rest[1]].append((int(at), rest[0], what == "ok"))
    return deliveries, done


def planned(broker, count: int) -> str:
    fill(broker, "planned", count)
    with consumers(broker, "planned-readers", "planned", 2) as running:
        eventually(lambda: is_done(broker, "planned-readers"), "everything is acknowledged", PATIENCE, pause=1)
        for consumer in running:
            consumer.end()
    deliveries, done = gathered(running)
    lost = [one for each in done.values() for one in each if not one[2]]
    expect(not lost, "acknowledgements were lost", str(lost[:3]))
    kinds: Counter = Counter()
    for number in range(count):
        counts = [times for _, times in sorted(deliveries[str(number)])]
        ends = [kind for _, kind, _ in sorted(done[str(number)])]
        expected = {
            13: ([1, 2], ["release", "accept"]),
            25: ([1], ["reject"]),
            49: ([1, 2, 3, 4, 5], ["release"] * LIMIT),
        }.get(number % 100, ([1], ["accept"]))
        if number % 100 == 37:
            expect(counts == [1] and ends[-1] == "accept" and set(ends[:-1]) == {"renew"}, f"{number} was not renewed and accepted", f"{counts} {ends}")
        else:
            expect((counts, ends) == expected, f"{number} went another way", f"{counts} {ends}")
        kinds.update(ends)
    return f"{count} records; " + ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))


def isolation(broker, count: int) -> str:
    run_program(clients.java("Transactions", broker.bootstrap, "produce", "numbered", "share-numbers", count), timeout=300)
    seen = {}
    for group in ["committed", "uncommitted"]:
        with consumers(broker, group, "numbered", 1) as running:
            eventually(lambda: is_done(broker, group), f"{group}: everything is acknowledged", PATIENCE, pause=1)
            running[0].end()
        deliveries, _ = gathered(running)
        seen[group] = Counter({value: len(each) for value, each in deliveries.items()})
    aborted = seen["uncommitted"].pop("aborted", 0)
    expect("aborted" not in seen["committed"], "an aborted record was delivered to readers of committed ones")
    for group, values in seen.items():
        missing = {str(number) for number in range(count)} - set(values)
        expect(not missing, f"{group}: records are missing", str(sorted(missing)[:5]))
    expect(aborted >= count, f"{aborted} of {count} aborted records were delivered to readers of all")
    return f"{count} committed and {aborted} aborted records"


def killed(broker, count: int, kills: int) -> str:
    with consumers(broker, "killed-readers", "killed", 3) as running:
        for round_ in range(kills):
            part = count // kills
            fill_from = round_ * part
            run_program(clients.java("Share", broker.bootstrap, "fill", "killed", part), timeout=120)
            before = sum(len(consumer.events()) for consumer in running)
            eventually(lambda: sum(len(one.events()) for one in running) > before + part // 10, f"round {fill_from}: records are delivered", PATIENCE)
            if round_ % 2 == 1:
                running[round_ % 3].kill()
                running.append(Consumer(broker, "killed-readers", f"again-{round_}", "killed"))
            broker.kill()
            broker.start()
        eventually(lambda: is_done(broker, "killed-readers"), "everything is acknowledged", PATIENCE, pause=1)
        for consumer in running:
            if consumer.process.poll() is None:
                consumer.end()
    return judged(running, count // kills, kills)


def judged(running: list[Consumer], part: int, rounds: int) -> str:
    """Every number was written once a round. What was confirmed is over: there are no more deliveries behind confirmed ends than
    there are records left, and nobody gets a record more often than the limit."""
    deliveries, done = gathered(running)
    again = lost = 0
    for number in map(str, range(part)):
        each, ends = sorted(deliveries[number]), done[number]
        expect(len(each) >= rounds, f"{number} was delivered {len(each)} times in {rounds} rounds")
        expect(all(1 <= times <= LIMIT for _, times in each), f"{number} was delivered too often", str(each))
        confirmed = sorted(at for at, kind, is_ok in ends if is_ok and kind in ("accept", "reject"))
        expect(len(confirmed) <= rounds, f"{number} was accepted or rejected {len(confirmed)} times in {rounds} rounds", f"{each} {sorted(ends)}")
        if len(confirmed) == rounds:
            late = [at for at, _ in each if at > confirmed[-1]]
            expect(not late, f"{number} was delivered after all of it was confirmed", f"{each} {sorted(ends)}")
        again += len(each) - rounds
        lost += sum(1 for _, _, is_ok in ends if not is_ok)
    return f"{part * rounds} records, {again} delivered again, {lost} acknowledgements unconfirmed"


def told_by_tools(broker) -> str:
    listed = share_groups(broker, "--list").split()
    expect(sorted(listed) == sorted(GROUPS), "the tool lists other groups", " ".join(listed))
    states = share_groups(broker, "--list", "--state")
    group = "planned-readers"
    eventually(lambda: re.search(rf"{group}\s+Empty", share_groups(broker, "--list", "--state")), f"{group} is empty: {states}", 30, pause=1)
    with consumers(broker, group, "planned", 2):
        eventually(lambda: members(broker, group) == [PARTITIONS], "two members share the partitions", 60, pause=1)
        expect("Stable" in share_groups(broker, "--describe", "--group", group, "--state"), "a group with members is stable")
        refused = tool("kafka-share-groups", "--bootstrap-server", broker.bootstrap, "--reset-offsets", "--group", group, "--topic", "planned", "--to-earliest", "--execute", check=False)
        expect("not empty" in "".join(refused).lower() or "state" in "".join(refused).lower(), "the offsets of a group with members are not reset", str(refused))
    eventually(lambda: re.search(rf"{group}\s+Empty", share_groups(broker, "--list", "--state")), f"{group} is empty again", 60, pause=1)
    share_groups(broker, "--reset-offsets", "--group", group, "--topic", "planned", "--to-earliest", "--execute")
    expect({start for start, _ in offsets(broker, group).values()} == {"0"}, "reset to the beginning", str(offsets(broker, group)))
    share_groups(broker, "--delete-offsets", "--group", group, "--topic", "planned")
    expect(not offsets(broker, group), "offsets are deleted", str(offsets(broker, group)))
    share_groups(broker, "--delete", "--group", group)
    expect(group not in share_groups(broker, "--list").split(), "the group is deleted")
    with consumers(broker, group, "planned", 1) as running:
        eventually(lambda: any(event[1] == "d" for event in running[0].events()), "a deleted group begins anew", PATIENCE)
        running[0].end()
    return f"{len(listed)} groups"


def members(broker, group: str) -> list[int]:
    """How many partitions are assigned, once two members are there."""
    text = share_groups(broker, "--describe", "--group", group, "--members")
    rows = [line for line in text.splitlines() if line.startswith(group)]
    return [sum(len(partitions.split(",")) for row in rows for partitions in re.findall(r"planned:([\d,]+)", row))] if len(rows) == 2 else []


def decoded(broker) -> str:
    told = []
    for topic, formatter in [
        ("__share_group_state", "org.apache.kafka.tools.consumer.group.share.ShareGroupStateMessageFormatter"),
        ("__consumer_offsets", "org.apache.kafka.tools.consumer.GroupMetadataMessageFormatter"),
    ]:
        out, errors = tool(
            "kafka-console-consumer", "--bootstrap-server", broker.bootstrap, "--topic", topic, "--from-beginning", "--formatter", formatter,
            "--timeout-ms", "5000", check=False,
        )
        expect("Exception" not in errors.replace("TimeoutException", ""), f"{topic} could not be read", errors[-500:])
        formatted = out.count('"key"')
        expect(formatted > 0, f"no record of {topic} was read")
        told.append(f"{topic}: {formatted} formatted")
    broker.stop()
    for topic, decoder in [("__share_group_state", "--share-group-state-decoder"), ("__consumer_offsets", "--offsets-decoder")]:
        records = 0
        for log in sorted(broker.data.glob(f"{topic}-*/*.log")):
            out, errors = tool("kafka-dump-log", decoder, "--files", str(log))
            expect("unknown" not in out.lower() and not errors.strip(), f"{log} could not be read", f"{out[-300:]} {errors[-300:]}")
            records += len(re.findall(r"^\| offset:", out, re.MULTILINE))
        expect(records > 0, f"{topic} holds records")
        told.append(f"{records} in {topic}")
    return ", ".join(told)
