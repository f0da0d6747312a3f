"""Kafka Streams counts words with exactly_once_v2 in both protocols: through restarts, kill -9 of an instance and of the broker."""
import queue
import signal
import subprocess
import threading

from harness import clients, wire
from harness.broker import ottla_binary
from harness.check import eventually, expect
from harness.context import Context
from harness.shell import Failed, end, run as run_program, spawn, tail

PARTITIONS = 4
PERIODS = [3, 7, 19, 61, 211, 997]
TASKS = {f"{subtopology}_{partition}" for subtopology in (0, 1) for partition in range(PARTITIONS)}
STATEFUL = {task for task in TASKS if task.startswith("1_")}
PATIENCE = 120.0
PROTOCOLS = ["classic", "streams"]
RESET = "kafka-streams-application-reset"
# Everything happens within seconds, in both protocols.
BROKER = {
    "group.min.session.timeout.ms": "1000",
    "group.streams.min.session.timeout.ms": "1000",
    "group.streams.session.timeout.ms": "6000",
    "group.streams.min.heartbeat.interval.ms": "100",
    "group.streams.heartbeat.interval.ms": "500",
    "group.streams.initial.rebalance.delay.ms": "500",
}
CLASSIC = ["main.consumer.session.timeout.ms=6000", "main.consumer.heartbeat.interval.ms=500", "acceptable.recovery.lag=1000000000"]


def run(context: Context) -> None:
    lines = context.size(40_000, 4_000)
    standby = 0 if context.quick else 1
    for protocol in PROTOCOLS:
        with context.broker(f"streams-{protocol}", {**BROKER, "group.streams.num.standby.replicas": str(standby)}) as broker:
            create = clients.java("Admin", "create", broker.bootstrap, PARTITIONS, "segment.bytes=1048576", "lines", "words")
            run_program(create, timeout=60)
            wire.await_topics(broker.port, {"lines": PARTITIONS, "words": PARTITIONS})
            context.check("java streams", f"words counted once, {protocol} protocol", count, broker, protocol, lines, standby)
            if not context.quick and context.kind == "ottla":
                context.check("java streams", f"a JVM goes on and hands back, {protocol} protocol", hand_over, broker, protocol, lines)
            context.check("java streams", f"tools, {protocol} protocol", tools, broker, protocol, lines)


class Instance:
    """A running instance of the application, and what it is told and answers."""

    def __init__(self, broker, app: str, protocol: str, name: str, standby: int):
        self.log = broker.root / f"{name}.log"
        settings = [*CLASSIC, f"num.standby.replicas={standby}"] if protocol == "classic" else []
        command = clients.java("Streams", broker.bootstrap, "run", app, protocol, broker.root / f"state-{name}", *settings)
        with open(self.log, "ab") as log:
            self.process = spawn(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        self.answers: queue.SimpleQueue = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self.process.stdout:
            self.answers.put(line.decode().strip())
        self.answers.put(None)

    def ask(self, command: str) -> str | None:
        """The words of its answer; None if it cannot say for now."""
        try:
            self.process.stdin.write(f"{command}\n".encode())
            self.process.stdin.flush()
            answer = self.answers.get(timeout=PATIENCE)
        except (OSError, queue.Empty):
            answer = None
        if answer is None:
            raise Failed(f"an instance is gone: {tail(self.log.read_bytes())}")
        return answer.removeprefix("ok ") if answer.startswith("ok ") else None

    def tasks(self) -> tuple[set[str], set[str]] | None:
        """Its active and its standby tasks."""
        answer = self.ask("tasks")
        if answer is None:
            return None
        active, standby = ({task for task in part.strip().split(",") if task} for part in f"{answer} ".split("|"))
        return active, standby

    def close(self) -> None:
        said = self.ask("close")
        expect(said == "closed", "an instance closes", said or "")
        expect(self.process.wait(30) == 0, "an instance ends well", tail(self.log.read_bytes()))
        end(self.process)

    def kill(self) -> None:
        end(self.process, signal.SIGKILL)


def count(broker, protocol: str, lines: int, standby: int) -> str:
    app = f"count-{protocol}"
    part = lines // 4
    running: list[Instance] = []

    def start(name: str) -> Instance:
        running.append(Instance(broker, app, protocol, name, standby))
        return running[-1]

    try:
        first = start("first")
        write(broker, 0, part)
        alone = share([first], 0)
        second = start("second")
        write(broker, part, part)
        shared = share([first, second], standby)
        first.kill()
        write(broker, 2 * part, part)
        share([second], 0)
        first = start("first")
        share([first, second], standby)
        broker.kill()
        broker.start()
        wire.await_topics(broker.port, {"lines": PARTITIONS, "words": PARTITIONS})
        second.close()
        second = start("second")
        write(broker, 3 * part, lines - 3 * part)
        share([first, second], standby)
        read = said(broker, "check", lines)
        for instance in (first, second):
            instance.close()
        restored = start("restored")
        share([restored], 0)
        held = eventually(lambda: restored.ask("store"), "the store is restored", PATIENCE)
        expected = f"{sum(min(period, lines) for period in PERIODS)} {lines * len(PERIODS)}"
        expect(held == expected, f"a restored store holds {expected}", held)
        restored.close()
        return f"{read} keys and updates; restored {held}; alone {alone}, shared {shared}"
    finally:
        for instance in running:
            instance.kill()


def hand_over(broker, protocol: str, lines: int) -> str:
    """Kafka's broker takes over the group with its topology, tasks and offsets, and ours takes it back."""
    more = lines // 10
    for number, kind in enumerate(("jvm", "ottla"), 1):
        broker.stop()
        broker.become(kind)
        broker.start()
        wire.await_topics(broker.port, {"lines": PARTITIONS, "words": PARTITIONS})
        write(broker, lines + (number - 1) * more, more)
        instance = Instance(broker, f"count-{protocol}", protocol, "restored", 0)
        try:
            share([instance], 0)
            read = said(broker, "check", lines + number * more)
            instance.close()
        finally:
            instance.kill()
    return f"{read} keys and updates"


def share(instances: list[Instance], standby: int) -> str:
    """The instances have all tasks among them, none twice, each some; and a standby of each task with a store."""
    def settled():
        told = [instance.tasks() for instance in instances]
        if None in told:
            return None
        active = [task for one, _ in told for task in one]
        spares = [task for _, one in told for task in one]
        complete = sorted(active) == sorted(TASKS) and all(one for one, _ in told)
        return (complete and sorted(spares) == sorted(list(STATEFUL) * standby)) and told

    told = eventually(settled, f"{len(instances)} instances share the tasks", PATIENCE, 0.2)
    return "+".join(str(len(one)) for one, _ in told)


def said(broker, *arguments) -> str:
    return run_program(clients.java("Streams", broker.bootstrap, *arguments), timeout=300).stdout.decode().strip()


def write(broker, start: int, number: int) -> None:
    said(broker, "lines", start, number)


def tools(broker, protocol: str, lines: int) -> str:
    app = f"count-{protocol}"
    told = streams_groups(broker, app, lines) if protocol == "streams" else ""
    reset = ["--application-id", app, "--input-topics", "lines", "--force"]
    for aim in ([], ["--shift-by", "-3"], ["--to-offset", "5"], ["--by-duration", "P1D"]):
        alike(broker, "--dry-run", *reset, *aim, name=RESET)
    out = native(broker, RESET, *reset) if protocol == "streams" else tool(broker, RESET, *reset)
    expect(out.count("Done.") == 2, "the application is reset", out)
    names = tool(broker, "kafka-topics", "--list")
    expect(app not in names, "the internal topics are deleted", names)
    if protocol == "streams":
        out = native(broker, "kafka-streams-groups", "--delete", "--group", app)
        expect(out == f"Deletion of requested streams groups ('{app}') was successful.\n", "the group is deleted", out)
        listed = tool(broker, "kafka-streams-groups", "--list")
        expect(app not in listed, "the group is gone", listed)
    return f"{told}application reset"


def streams_groups(broker, app: str, lines: int) -> str:
    """What the tool tells of the group while an instance runs, and after it."""
    running = Instance(broker, app, "streams", "first", 0)
    try:
        share([running], 0)
        expect(alike(broker, "--list").split() == [app], "the group is listed")
        listed = alike(broker, "--list", "--state")
        expect(listed.split()[-2:] == [app, "Stable"], "the group is listed as stable", listed)
        state = described(broker, app, "--state")
        expect(len(state) == 2 and "Stable" in state[1], "the group is stable", "\n".join(state))
        described(broker, app, "--state", "--verbose")
        described(broker, app, "--members", "--verbose")
        described(broker, app)
        members = described(broker, app, "--members")
        expect(len(members) == 2, "the group has one member", "\n".join(members))
        offsets = described(broker, app, "--offsets", "--verbose")
        ends = dict(zip(range(PARTITIONS), wire.offsets(broker.port, "lines", PARTITIONS)))
        expect(committed(offsets, "lines") == ends, "all lines are committed", "\n".join(offsets))
        refused = tool(broker, "kafka-streams-groups", "--reset-offsets", "--group", app, "--all-input-topics", "--to-earliest", "--execute")
        expect("is inactive, but the current state is" in refused, "offsets of an active group stay", refused)
        running.close()
    finally:
        running.kill()
    state = described(broker, app, "--state")
    expect("Empty" in " ".join(state), "the group is empty", "\n".join(state))
    for aim in (["--to-latest"], ["--shift-by", "-3"], ["--shift-by", "-3", "--export"], ["--by-duration", "P1D"]):
        alike(broker, "--reset-offsets", "--group", app, "--all-input-topics", "--dry-run", *aim)
    alike(broker, "--reset-offsets", "--group", app, "--input-topic", "lines:1,0", "--to-offset", "5", "--dry-run")
    alike(broker, "--reset-offsets", "--group", app, "--input-topic", "words", "--to-offset", "5", "--dry-run")
    for aim, mode in (("--to-earliest", "--execute"), ("--to-current", "--dry-run")):
        told = tool(broker, "kafka-streams-groups", "--reset-offsets", "--group", app, "--all-input-topics", aim, mode)
        rows = [line for line in told.splitlines() if line.strip()]
        expect(committed(rows, "lines") == dict.fromkeys(range(PARTITIONS), 0), f"offsets {aim} are 0", told)
    return f"listed, described ({lines} lines), offsets reset; "


def described(broker, app: str, *what: str) -> list[str]:
    out = alike(broker, "--describe", "--group", app, *what)
    return [line for line in out.splitlines() if line.strip()]


def alike(broker, *arguments: str, name="kafka-streams-groups") -> str:
    """What the script prints, which is what our own tool prints."""
    def asked():
        script = clients.tool(name, "--bootstrap-server", broker.bootstrap, *arguments, check=False)[0]
        told.append((script, native(broker, name, *arguments)))
        return script == told[-1][1] and script

    told: list[tuple[str, str]] = []
    try:
        return eventually(asked, "both tools tell the same", 30, 0.5)
    except Failed as failure:
        raise Failed(f"{failure}: {' '.join(arguments)}: script {told[-1][0]!r}, native {told[-1][1]!r}") from None


def native(broker, name: str, *arguments: str) -> str:
    return run_program([ottla_binary(), name, "--bootstrap-server", broker.bootstrap, *arguments], timeout=60, check=False).stdout.decode()


def committed(rows: list[str], topic: str) -> dict[int, int]:
    """Partition to offset, from the rows of a description."""
    found = {}
    for row in rows[1:]:
        words = row.split()
        if topic in words:
            at = words.index(topic)
            found[int(words[at + 1])] = int(words[at + 2])
    return found


def tool(broker, name: str, *arguments) -> str:
    out, err = clients.tool(name, "--bootstrap-server", broker.bootstrap, *arguments, check=False)
    return out + err
