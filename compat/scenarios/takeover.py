"""A directory that a JVM broker began goes to ours and back, stopped cleanly and killed: everything that can be seen of it is the same
on both sides, clients live through it, and the JVM finds nothing in it that it would not find after itself."""
import hashlib
import itertools
import re
import struct
import time
from pathlib import Path

from diff import batches
from harness import clients, wire
from harness.broker import Broker, free_port, ottla_binary
from harness.check import eventually, expect
from harness.context import Context
from harness.install import need
from harness.session import Session
from harness.shell import end
from harness.shell import run as run_program
from scenarios.files import dump_everything
from scenarios.official_tools import ToolProcess, class_of

# One there and back each; how both end in it.
ROUNDS = {"dynamic": ["stop", "kill", "stop"], "static": ["kill", "stop"]}
# How a JVM ends whose next start is its own, so that it is known what it logs then.
BY_ITSELF = ["stop", "kill", "stop"]
# Much depends on which of its parts or clients comes first. These were all seen in 24 restarts of a JVM on a directory that no other
# broker had touched: the first in 8 of them, the second at 4 of 5 clean stops, the third in 1 and the last in 2 of the 17 that came
# behind a kill -9.
SEEN_BY_ITSELF = re.compile(
    r"Connection to node 1 .* could not be established|No share partition found for groupId"
    r"|Failed to load metadata from .* is no longer the leader|with error NOT_COORDINATOR|due to error NOT_COORDINATOR"
)
# So often a JVM is restarted on a directory of its own, before another line counts as one that it does not print there.
CONTROLS = 20
CLASSIC_GROUP = "classic-readers"
PATIENCE = 240.0
# Lines of a JVM's log that somebody would look at, and what differs in them from run to run.
UNUSUAL = re.compile(r"\b(WARN|ERROR|FATAL)\b")
VARIES = re.compile(r"\[[\d-]+ [\d:,]+\] |\d+(\.\d+)?|\b[\w-]{22}\b|(?<=-)\d+")
PROPERTIES = {
    # Snapshots of the metadata after little data, so that there are some to open.
    "metadata.log.max.record.bytes.between.snapshots": "20000",
    "metadata.log.max.snapshot.interval.ms": "10000",
    # Kafka forgets a younger start offset at kill -9.
    "log.flush.start.offset.checkpoint.interval.ms": "500",
    "log.initial.task.delay.ms": "500",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "2000",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "4",
    "group.share.min.record.lock.duration.ms": "1000",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SECURED:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
    "sasl.enabled.mechanisms": "SCRAM-SHA-256",
    "listener.name.secured.scram-sha-256.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
    "delegation.token.secret.key": "a-secret-of-the-cluster",
}
IGNORE = "ottla.takeover.ignore.security"
# What the official tools say, before and after.
TOLD = [
    ("kafka-topics", "--describe"),
    *(("kafka-configs", "--describe", "--all", "--entity-type", "topics", "--entity-name", topic) for topic in ("compacted", "grown")),
    *(("kafka-configs", "--describe", "--entity-type", kind) for kind in ("brokers", "groups", "client-metrics", "users", "clients", "ips")),
    ("kafka-acls", "--list"),
    ("kafka-groups", "--list"),
    *(("kafka-consumer-groups", "--describe", "--all-groups", what) for what in ("--offsets", "--members", "--state")),
    *(("kafka-share-groups", "--describe", "--all-groups", what) for what in ("--offsets", "--members", "--state")),
    *(("kafka-streams-groups", "--describe", "--all-groups", what) for what in ("--offsets", "--members", "--state")),
    ("kafka-client-metrics", "--list"),
    ("kafka-transactions", "list"),
    ("kafka-features", "describe"),
]
# The offset at which features were last finalised counts what every restart writes.
RESTARTED = re.compile(r"\s*Epoch: \d+")
# Whose time may be up between two looks, and where share groups begin again: behind what is done, and a restart forgets how far.
MOVES = re.compile(r"^(orphan-\d+|share-readers +plain-lz4) ")


def run(context: Context) -> None:
    need("java", "jvm")
    if context.kind == "jvm" or context.quick:
        return
    for quorum, rounds in ROUNDS.items():
        there_and_back(context, quorum, rounds)


def there_and_back(context: Context, quorum: str, rounds: list[str]) -> None:
    with Directory(quorum) as broker, Whole(broker) as whole:
        if not context.check("broker", f"takeover, {quorum} quorum: begun by a JVM; guards stop ours by name", whole.begin, broker):
            return
        usual: set[str] = set()
        odd: dict[str, str] = {}
        for how in BY_ITSELF:
            if not context.check("kafka", f"takeover, {quorum}: JVM after itself, {how}", whole.by_itself, broker, how, usual):
                return
        for number, how in enumerate(rounds, 1):
            name = f"takeover, {quorum}, round {number}, {how}"
            if not context.check("broker", name, whole.taken_over, broker, how, usual, odd):
                return
            if not context.check("kafka", name, whole.hand_over, broker, "jvm", how):
                return
        if not context.check("kafka", f"takeover, {quorum}: everything is decoded", whole.decoded, broker, odd):
            return
    context.check("kafka", f"takeover, {quorum}: the JVM's log behind ours", explained, quorum, odd, usual)


def explained(quorum: str, odd: dict[str, str], usual: set[str]) -> str:
    """A JVM that follows ours has logged nothing that a JVM does not log that follows itself."""
    left = {kind: line for kind, line in odd.items() if kind not in usual and not SEEN_BY_ITSELF.search(line)}
    rare = len(left)
    restarts = 0
    if left:
        with Directory(quorum, "control") as broker, Whole(broker) as whole:
            whole.begin(broker)
            for how in itertools.islice(itertools.cycle(["kill", "stop"]), CONTROLS):
                whole.hand_over(broker, "jvm", how)
                restarts += 1
                left = {kind: line for kind, line in left.items() if kind not in whole.logged}
                if not left:
                    break
    expect(not left, f"{len(left)} kinds of lines that {restarts} restarts of its own do not print", " | ".join(list(left.values())[:5]))
    return f"{len(odd)} kinds of lines, {rare} of them seen in {restarts} more restarts of a JVM by itself"


class Directory(Broker):
    """Two log directories and one server.properties, on the same ports for whoever runs on it."""

    def __init__(self, quorum: str, name: str = "takeover"):
        self.ports: list[int] = []
        super().__init__("jvm", f"{name}-{quorum}", PROPERTIES, {"QUORUM": quorum})
        self.quorum = quorum
        self.write_config()

    def choose_ports(self) -> None:
        if not self.ports:
            self.ports = [free_port() for _ in range(4)]
        self.port, self.controller_port, self.admin_port, self.secured_port = self.ports

    def write_config(self, own: dict[str, str] | None = None) -> None:
        listeners = ",".join([
            f"PLAINTEXT://127.0.0.1:{self.port}", f"SECURED://127.0.0.1:{self.secured_port}", f"CONTROLLER://127.0.0.1:{self.controller_port}",
        ])
        self.properties = {
            **PROPERTIES, "listeners": listeners, "advertised.listeners": listeners,
            "log.dirs": f"{self.data}/one,{self.data}/two",
            "ottla.admin.listener": f"127.0.0.1:{self.admin_port}", IGNORE: "true",
            **({"controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}"} if self.quorum == "static" else {}),
        }
        super().write_config(own)
        if self.quorum == "static":
            lines = self.config.read_text().splitlines(keepends=True)
            self.config.write_text("".join(line for line in lines if not line.startswith("controller.quorum.bootstrap")))

    def become(self, kind: str) -> None:
        self.kind = kind

    def end(self, how: str) -> float:
        if how == "stop":
            return self.stop()
        self.kill()
        return 0.0


class Whole(Session):
    """Whole.java, and beside it a producer of raw batches: what both see before a hand-over must be there after it."""

    def __init__(self, broker: Directory):
        secured = f"127.0.0.1:{broker.secured_port}"
        super().__init__("Whole", broker, clients.java("Whole", broker.bootstrap, secured, broker.root / "streams"))
        self.seen, self.number = broker.root / "seen.txt", 0
        self.tools, self.sequence = ToolProcess(), None
        self.tokens, self.told = "", {}
        # Where the log of the running JVM begins, and what was unusual in that of the last one.
        self.mark, self.logged = 0, {}
        # Who ran before the one that runs.
        self.follows = "jvm"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        if self.tools.process:
            end(self.tools.process)

    def begin(self, broker: Directory) -> str:
        self.ask("begin", patience=PATIENCE)
        broker.stop()
        guards_stop(broker)
        self.start(broker)
        self.sequence = Sequence(broker.port)
        self.ask("round", self.number, patience=PATIENCE)
        return f"{self.look()} facts"

    def start(self, broker: Directory) -> float:
        self.mark = len(log(broker))
        return broker.start()

    def by_itself(self, broker: Directory, how: str, usual: set[str]) -> str:
        """What a JVM logs that follows a JVM is usual."""
        restarted = self.number > 0
        told = self.hand_over(broker, "jvm", how)
        if restarted:
            usual.update(self.logged)
        return told

    def taken_over(self, broker: Directory, how: str, usual: set[str], odd: dict[str, str]) -> str:
        """Ours goes on; what the JVM before it has logged from its start to its end is kept apart if that followed ours."""
        followed = self.follows
        told = self.hand_over(broker, "ottla", how)
        if followed == "ottla":
            odd.update(self.logged)
        else:
            usual.update(self.logged)
        return told

    def decoded(self, broker: Directory, odd: dict[str, str]) -> str:
        broker.stop()
        odd.update(unusual(log(broker)[self.mark:]))
        return dump_everything(broker, True, CLASSIC_GROUP)

    def look(self) -> str:
        """What there is to be found again."""
        seen = self.ask("show", self.seen, patience=PATIENCE)
        self.told = {call: self.tool(call) for call in TOLD}
        return seen

    def tool(self, call: tuple[str, ...]) -> list[str]:
        name, *arguments = call
        code, out, errors = self.tools.call(class_of(name), ["--bootstrap-server", self.broker.bootstrap, *arguments], "")
        expect(code == 0, " ".join(call), errors)
        lines = [RESTARTED.sub("", line) for line in (out + errors).splitlines() if line.strip() and not MOVES.search(line)]
        # Some print what they keep in hash tables.
        return sorted(" ".join(sorted(re.split(r"[\s,]+", line))) for line in lines)

    def hand_over(self, broker: Directory, kind: str, how: str) -> str:
        """Who runs on the directory ends, `kind` goes on with it, and finds everything."""
        stopped = broker.end(how)
        if broker.kind == "jvm":
            self.logged = unusual(log(broker)[self.mark:])
        else:
            dump_everything(broker, how == "stop", CLASSIC_GROUP)
        self.follows = broker.kind
        broker.become(kind)
        started = self.start(broker)
        facts = self.ask("same", self.seen, patience=PATIENCE)
        for call, before in self.told.items():
            now = self.tool(call)
            differing = [f"-{line}" for line in before if line not in now] + [f"+{line}" for line in now if line not in before]
            expect(not differing, f"{' '.join(call)} says", "\n".join(differing))
        if kind == "jvm":
            tokens = self.ask("tokens", patience=PATIENCE)
            expect(self.tokens in ("", tokens), "the delegation tokens", f"{self.tokens} {tokens}")
            self.tokens = tokens
        self.sequence.goes_on()
        self.ask("end", self.number, patience=PATIENCE)
        self.number += 1
        self.ask("round", self.number, patience=PATIENCE)
        self.look()
        return f"{kind} start {started:.1f} s, {facts}; what was before ended in {stopped:.1f} s"


class Sequence:
    """A producer of raw batches: a duplicate is told where it was written, a gap is refused, and what comes next is taken."""

    TOPIC, PARTITION = "plain-none", 1
    INIT_PRODUCER_ID, PRODUCE = 22, 0
    OUT_OF_ORDER = 45

    def __init__(self, port: int):
        self.port = port
        answer = eventually(self.identified, "a producer id", 30)
        self.pid, self.epoch = answer
        self.next, self.last = 0, -1
        self.append()

    def identified(self) -> tuple[int, int] | None:
        answer = wire.call(self.port, self.INIT_PRODUCER_ID, 0, struct.pack(">hi", -1, 60_000))
        answer.take("i")
        error, pid, epoch = answer.take("hqh")
        return None if error else (pid, epoch)

    def produce(self, sequence: int) -> tuple[int, int]:
        """Error code and base offset of a batch of two records."""
        now = int(time.time() * 1000)
        batch = batches.batch(batches.records(2), timestamp=now, pid=self.pid, epoch=self.epoch, sequence=sequence)
        topic = self.TOPIC.encode()
        body = struct.pack(">hhii", -1, -1, 30_000, 1) + struct.pack(">h", len(topic)) + topic
        body += struct.pack(">iii", 1, self.PARTITION, len(batch)) + batch
        deadline = time.monotonic() + 30
        while True:
            answer = wire.call(self.port, self.PRODUCE, 3, body, timeout=30.0)
            answer.take("i"), answer.string(), answer.take("i")
            _, error, offset, _ = answer.take("ihqq")
            # A JVM answers before it leads.
            if error not in wire.RETRIABLE or time.monotonic() > deadline:
                return error, offset
            time.sleep(0.1)

    def append(self) -> None:
        error, self.last = self.produce(self.next)
        expect(error == 0, f"a batch at sequence {self.next} was answered {error}")
        self.next += 2

    def goes_on(self) -> None:
        error, offset = self.produce(self.next - 2)
        expect((error, offset) == (0, self.last), f"a duplicate was answered {error} at {offset} where it stands at {self.last}")
        error, _ = self.produce(self.next + 2)
        expect(error == self.OUT_OF_ORDER, f"a gap in the sequence was answered {error}")
        self.append()


def guards_stop(broker: Directory) -> None:
    """Without the operator's word nothing starts, and nothing on the disk is touched."""
    before = fingerprint(broker.data)
    for removed, named in [([IGNORE], "authorizer.class.name"), ([IGNORE, "authorizer.class.name"], "SECURED://")]:
        config = broker.root / "guarded.properties"
        lines = broker.config.read_text().splitlines(keepends=True)
        config.write_text("".join(line for line in lines if line.split("=")[0] not in removed))
        done = run_program([ottla_binary(), "start", config], timeout=30, check=False)
        said = (done.stdout + done.stderr).decode(errors="replace")
        expect(done.returncode == 1, f"the start with {named} ended with {done.returncode}", said)
        expect(named in said and IGNORE in said, f"{named} is not named", said)
        expect(len(said.splitlines()) == 1, "one line says why", said)
    expect(fingerprint(broker.data) == before, "a refused start changed files")


def fingerprint(directory: Path) -> dict[str, str]:
    files = [file for file in sorted(directory.rglob("*")) if file.is_file()]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def log(broker: Broker) -> str:
    return broker.log_file.read_text(errors="replace") if broker.log_file.exists() else ""


def unusual(text: str) -> dict[str, str]:
    """The lines by what stays the same in them."""
    return {VARIES.sub("_", line): line for line in text.splitlines() if UNUSUAL.search(line)}
