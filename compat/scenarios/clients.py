"""Every scenario of the language with every client: what applications do, each with a normal call and its error path."""
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from harness import clients, wire
from harness.broker import Broker
from harness.check import eventually, expect
from harness.context import Context
from harness.records import Expected, producer_ids
from harness.session import Refused, Session, Stage, Stagehand, offsets
from harness.shell import Failed, Skip

LIMIT_SECONDS = 90.0
AUTO_PARTITIONS = 2
# Error codes, as the protocol numbers them.
OFFSET_OUT_OF_RANGE, UNKNOWN_TOPIC_OR_PARTITION, REQUEST_TIMED_OUT, MESSAGE_TOO_LARGE = 1, 3, 7, 10
LEADER_NOT_AVAILABLE, NOT_LEADER_OR_FOLLOWER = 5, 6
TOPIC_ALREADY_EXISTS, INVALID_PARTITIONS, INVALID_CONFIG = 36, 37, 40
GAVE_UP = None
ASSIGNORS = ["range", "roundrobin", "sticky", "cooperative-sticky"]
# What these cannot do with Kafka itself is no failure here: each failed check is made again with the JVM broker.
JUDGED_BESIDE_KAFKA = {"java 1.1.1"}
# What a client does at times only, with Kafka itself as often; it may try again.
UNSTEADY = {
    ("kafka-python", "shared group, cooperative-sticky"): "fetches no more from partitions it keeps, in one run of ten with either broker",
}
ATTEMPTS = 3

# Takes an answer to AlterConfigs for success without looking at the errors of its resources.
READS_NO_CONFIG_ERRORS = {"rdkafka"}


def run(context: Context) -> None:
    with context.broker("clients") as broker, Kafka(context) as kafka:
        auto = {"auto.create.topics.enable": "true", "num.partitions": str(AUTO_PARTITIONS)}
        with context.broker("clients-auto", auto) as auto_broker:
            Tour(context, broker, auto_broker, kafka).all()


class Kafka:
    """A JVM broker, started when it is first asked for."""

    def __init__(self, context: Context):
        self.context, self.lock = context, threading.Lock()
        self.broker: Broker | None = None
        self.stagehand: Stagehand | None = None

    def needed(self) -> tuple[Broker, Stagehand]:
        with self.lock:
            if self.broker is None:
                auto = {"auto.create.topics.enable": "true", "num.partitions": str(AUTO_PARTITIONS)}
                self.broker = self.context.broker("clients-kafka", auto, kind="jvm")
                self.broker.start()
                self.stagehand = Stagehand(self.broker)
            return self.broker, self.stagehand

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.stagehand:
            self.stagehand.close()
        if self.broker:
            self.broker.close()


class Tour:
    """All clients, two at a time, each through all scenarios with the same few processes."""

    def __init__(self, context: Context, broker: Broker, auto_broker: Broker, kafka: Kafka):
        self.context, self.broker, self.auto_broker, self.kafka = context, broker, auto_broker, kafka
        self.stagehand = Stagehand(broker)
        self.auto_stagehand = Stagehand(auto_broker)
        self.waiting: queue.SimpleQueue = queue.SimpleQueue()

    def all(self) -> None:
        for client in self.context.clients:
            self.waiting.put(client)
        workers = [threading.Thread(target=self._work) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self.stagehand.close()
        self.auto_stagehand.close()

    def _work(self) -> None:
        while True:
            try:
                client = self.waiting.get_nowait()
            except queue.Empty:
                return
            idle = self._first(client)
            for name, body in scenarios(self.context).items():
                self.context.check(client, name, self._one, self.broker, client, name, body, idle)
            self.context.check(client, "auto-created topic", self._auto, self.auto_broker, client)
            for session in idle:
                session.close()

    def _first(self, client: str) -> list[Session]:
        """A session that has told its library's version; if that fails, the scenarios will tell why."""
        try:
            session = Session(client, self.broker)
            self.context.report.versions[client] = session.ask("version")
            return [session]
        except (Failed, Skip):
            return []

    def _one(self, broker: Broker, client: str, name: str, body, idle: list[Session]) -> str:
        unsteady = UNSTEADY.get((client, name))
        for attempt in range(1, 1 + (ATTEMPTS if unsteady else 1)):
            try:
                with Stage(broker, self.stagehand, client, f"{name} {attempt}", idle, LIMIT_SECONDS) as stage:
                    told = body(stage) or ""
                return told if attempt == 1 else f"{told}, attempt {attempt}: the client {unsteady}"
            except Failed as failure:
                failed = failure
        if client not in JUDGED_BESIDE_KAFKA or broker.kind == "jvm":
            raise failed
        kafka, stagehand = self.kafka.needed()
        self._fails_too(kafka, stagehand, client, name, body, failed)

    def _fails_too(self, kafka: Broker, stagehand: Stagehand, client: str, name: str, body, failure: Failed) -> None:
        own: list[Session] = []
        try:
            with Stage(kafka, stagehand, client, name, own, LIMIT_SECONDS) as stage:
                body(stage)
        except Failed as same:
            raise Skip(f"client cannot: fails with Kafka itself as well ({str(same)[:120]})") from None
        finally:
            for session in own:
                session.close()
        raise failure

    def _auto(self, broker: Broker, client: str) -> str:
        idle: list[Session] = []
        try:
            return self._one(broker, client, "auto-created topic", auto_created, idle)
        finally:
            for session in idle:
                session.close()


def scenarios(context: Context) -> dict:
    """By name; in the short form each client shares with the first assignor it has."""
    shares = {"shared group": lambda stage: shared_with_any(stage)}
    if not context.quick:
        shares = {f"shared group, {name}": lambda stage, name=name: shared(stage, name) for name in ASSIGNORS}
    return {
        "topics": topics,
        "topic configs": configs,
        "delete records": trimmed,
        "keys, headers, nulls": crossed,
        "restart from commit": restarted,
        **shares,
        "seek by time": by_time,
        "pause and resume": paused,
        "large record": large,
        "empty topic": empty,
        "unknown topic": unknown,
        "idempotent": idempotent,
    }


def refused(codes: set, what: str, call, *words, **options) -> None:
    """The call is refused with one of the codes."""
    try:
        answer = call(*words, **options)
    except Refused as refusal:
        expect(refusal.code in codes, f"{what}: refused with {refusal.code} instead of {codes}", str(refusal))
        return
    raise Failed(f"{what}: not refused but answered {answer!r}")


def topics(stage: Stage) -> None:
    client, topic = stage.session(), stage.name
    try:
        client.ask("create", topic, 2)
    except Skip:
        stage.topic(2)
        raise
    wire.await_topics(stage.broker.port, {topic: 2})
    expect(topic in client.ask("topics").split(), "the new topic is not listed")
    refused({TOPIC_ALREADY_EXISTS}, "creating it again", client.ask, "create", topic, 2)
    grows = can(client, "grow", topic, 4)
    if grows:
        wire.await_topics(stage.broker.port, {topic: 4})
        refused({INVALID_PARTITIONS}, "fewer partitions", client.ask, "grow", topic, 3)
    client.ask("delete", topic)
    eventually(lambda: topic not in client.ask("topics").split(), "the deleted topic is gone", 20)
    refused({UNKNOWN_TOPIC_OR_PARTITION}, "deleting it again", client.ask, "delete", topic)
    return "" if grows else "cannot add partitions"


def can(client, *words) -> bool:
    try:
        client.ask(*words)
    except Skip:
        return False
    return True


def configs(stage: Stage) -> None:
    client, topic = stage.session(), stage.topic(1, **{"retention.ms": 12345678})
    expect(client.ask("configured", topic, "retention.ms") == "12345678", "retention.ms as it was created")
    client.ask("configure", topic, **{"retention.ms": 87654321})
    eventually(lambda: client.ask("configured", topic, "retention.ms") == "87654321", "the changed retention.ms", 20)
    wrong = {"retention.ms": "long"}
    if stage.client in READS_NO_CONFIG_ERRORS:
        client.ask("configure", topic, **wrong)
    else:
        refused({INVALID_CONFIG}, "a value of the wrong kind", client.ask, "configure", topic, **wrong)
    expect(client.ask("configured", topic, "retention.ms") == "87654321", "retention.ms after a refused change")


def trimmed(stage: Stage) -> None:
    client, topic = stage.session(), stage.topic(2)
    stage.stagehand.ask("produce", topic, 20, 2)
    expect(client.ask("trim", topic, 0, 4) == "4", "the start after records were deleted")
    expect(client.offsets("offsets", topic, 2, "earliest") == {0: 4, 1: 0}, "the earliest offsets")
    refused({OFFSET_OUT_OF_RANGE}, "deleting beyond the end", client.ask, "trim", topic, 0, 11)
    client.ask("assign", topic, 2, "earliest")
    left = client.read(16)
    expect([line.split("\t")[1] for line in left if line.startswith("0\t")] == [str(n) for n in range(4, 10)], "what is left of partition 0")


def crossed(stage: Stage) -> None:
    """What the client writes reads the same in Java, and what Java writes reads the same in the client."""
    client, topic = stage.session(), stage.topic(3)
    expected, more = Expected(210, 3), Expected(210, 3, first=210)
    client.ask("produce", topic, 210, 3)
    expected.compare(stage.stagehand.read_all(topic, 3, 210, stage.file()), stage.client, clients.CURRENT_JAVA)
    stage.stagehand.ask("produce", topic, 210, 3, "from=210", "codec=lz4")
    client.ask("assign", topic, 3, "earliest")
    lines = client.read(420)
    expect(len(lines) == 420, f"read {len(lines)} of 420 records")
    older = [line for line in lines if int(line.split("\t")[1]) < 70]
    expected.compare(older, stage.client, stage.client)
    more.compare([line for line in lines if line not in set(older)], clients.CURRENT_JAVA, stage.client)


def restarted(stage: Stage) -> None:
    """A member commits in the middle and leaves; another process goes on exactly there, twice."""
    first, topic, group = stage.session(), stage.topic(3), f"{stage.name}-readers"
    first.ask("produce", topic, 300, 3)
    first.ask("join", group, topic, "any")
    lines = first.read(100)
    expect(len(lines) == 100, f"read {len(lines)} of 100 records")
    first.ask("commit")
    first.ask("leave")
    ends = {partition: 0 for partition in range(3)}
    for line in lines:
        partition, offset = map(int, line.split("\t")[:2])
        ends[partition] = offset + 1
    known = offsets(stage.stagehand.ask("committed", group, topic, 3))
    expect({p: max(offset, 0) for p, offset in known.items()} == ends, f"committed {known} after reading up to {ends}")

    second = stage.session()
    second.ask("join", group, topic, "any", isolation="read_committed")
    lines += second.read(200)
    second.ask("commit")
    second.ask("leave")
    Expected(300, 3).compare(lines, stage.client, stage.client)
    said = committed(stage, first, group, topic, 3)
    expect(said == {0: 100, 1: 100, 2: 100}, f"committed {said} after everything")

    first.ask("produce", topic, 3, 3, start=300)
    first.ask("join", group, topic, "any")
    Expected(3, 3, first=300).compare(first.read(3), stage.client, stage.client)


def committed(stage: Stage, client, group: str, topic: str, partitions: int) -> dict[int, int]:
    """Asked of the client under test, and of the stagehand where that has no such call."""
    try:
        return client.offsets("committed", group, topic, partitions)
    except Skip:
        return offsets(stage.stagehand.ask("committed", group, topic, partitions))


def shared_with_any(stage: Stage) -> str:
    """With the first assignor that the client has."""
    for assignor in ASSIGNORS:
        try:
            return shared(stage, assignor)
        except NoAssignor as cannot:
            reason = cannot
    raise reason


class NoAssignor(Skip):
    """The client has no such assignor."""


def shared(stage: Stage, assignor: str) -> str:
    """Two members have half of the partitions each and read everything once; the one that stays gets all of them."""
    first, topic, group = stage.session(), stage.topic_once(6), f"{stage.name}-{assignor}"
    try:
        first.ask("join", group, topic, assignor)
    except Skip as cannot:
        raise NoAssignor(str(cannot)) from None
    await_owned("the first member owns everything", [first], lambda one: one == set(range(6)))
    second = stage.session()
    second.ask("join", group, topic, assignor)

    def halves(one: set[int], other: set[int]) -> bool:
        return len(one) == 3 and len(other) == 3 and not one & other

    await_owned("two members have three partitions each", [first, second], halves)
    first.ask("produce", topic, 240, 6)
    lines = first.read(120) + second.read(120)
    Expected(240, 6).compare(lines, stage.client, stage.client)
    expect(halves(first.owned(), second.owned()), "the members kept what they had")
    first.ask("commit")
    second.ask("commit")
    second.ask("leave")
    await_owned("the member that stays owns everything", [first], lambda one: one == set(range(6)))
    first.ask("produce", topic, 60, 6, start=240)
    Expected(60, 6, first=240).compare(first.read(60), stage.client, stage.client)
    return assignor


def await_owned(what: str, members: list, holds) -> None:
    """Asks each member in a thread of its own what it owns, because some block until the others have joined as well."""
    owned: list[set[int]] = [set() for _ in members]
    reached = threading.Event()

    def ask(at: int) -> None:
        while not reached.is_set():
            owned[at] = members[at].owned()

    with ThreadPoolExecutor(len(members)) as pool:
        asking = [pool.submit(ask, at) for at in range(len(members))]
        try:
            eventually(lambda: holds(*owned) or any(one.done() for one in asking), what, 40)
        finally:
            reached.set()
    for one in asking:
        one.result()


def by_time(stage: Stage) -> None:
    client, topic = stage.session(), stage.topic(3)
    client.ask("produce", topic, 60, 3)
    middle = next_millisecond()
    client.ask("produce", topic, 60, 3, start=60)
    expect(client.offsets("offsets", topic, 3, middle) == {0: 20, 1: 20, 2: 20}, f"offsets at {middle}")
    client.ask("assign", topic, 3, middle)
    Expected(60, 3, first=60).compare(client.read(60), stage.client, stage.client)
    late = client.offsets("offsets", topic, 3, next_millisecond() + 3_600_000)
    # Some libraries turn the answer "none" into the end of the partition.
    expect(late in ({0: -1, 1: -1, 2: -1}, {0: 40, 1: 40, 2: 40}), f"offsets an hour from now: {late}")


def next_millisecond() -> int:
    """A point in time that everything before is older than and everything after is not."""
    now = int(time.time() * 1000) + 1
    while time.time() * 1000 < now:
        time.sleep(0.0002)
    return now


def paused(stage: Stage) -> None:
    client, topic = stage.session(), stage.topic(2)
    client.ask("assign", topic, 2, "earliest")
    client.ask("pause")
    client.ask("produce", topic, 20, 2)
    got = client.read(20, 0.5)
    expect(not got, f"{len(got)} records came while paused")
    client.ask("resume")
    Expected(20, 2).compare(client.read(20), stage.client, stage.client)


def large(stage: Stage) -> None:
    """A record of almost max.message.bytes through small fetches; one too large is refused and the next is not."""
    client, topic = stage.session(), stage.topic(1, **{"max.message.bytes": 2_000_000})
    client.ask("produce", topic, 1, 1, size=1_999_800)
    refused({MESSAGE_TOO_LARGE}, "a record too large", client.ask, "produce", topic, 1, 1, size=2_000_000)
    client.ask("produce", topic, 1, 1, start=1)
    client.ask("assign", topic, 1, "earliest")
    lines = client.read(2)
    Expected(1, 1, size=1_999_800).compare(lines[:1], stage.client, stage.client)
    Expected(1, 1, first=1).compare(lines[1:], stage.client, stage.client)


def empty(stage: Stage) -> None:
    client, topic = stage.session(), stage.topic(2)
    for at in ("earliest", "latest"):
        expect(client.offsets("offsets", topic, 2, at) == {0: 0, 1: 0}, f"{at} offsets of an empty topic")
    client.ask("assign", topic, 2, "earliest")
    got = client.read(1, 0.5)
    expect(not got, f"{len(got)} records came from an empty topic")
    client.ask("produce", topic, 4, 2)
    Expected(4, 2).compare(client.read(4), stage.client, stage.client)


def unknown(stage: Stage) -> None:
    """Neither asking nor producing makes a topic where auto-creation is off; some libraries say only that they gave up."""
    client, topic = stage.session(), stage.name
    codes = {UNKNOWN_TOPIC_OR_PARTITION, REQUEST_TIMED_OUT, GAVE_UP}
    refused(codes, "offsets of an unknown topic", client.ask, "offsets", topic, 1, "latest")
    refused(codes, "producing to an unknown topic", client.ask, "produce", topic, 1, 1)
    found = wire.metadata(stage.broker.port, [topic])[1]
    expect(found == {topic: {-1: (UNKNOWN_TOPIC_OR_PARTITION, -1)}}, f"the topic is there: {found}")


def idempotent(stage: Stage) -> None:
    """The batches on disk carry a producer id, and nothing is missing, twice or out of order."""
    client, topic = stage.session(), stage.topic(3)
    client.ask("produce", topic, 300, 3, idempotent="yes")
    ids = producer_ids(stage.broker.partition_dirs(topic))
    expect(ids and min(ids) >= 0, f"producer ids on disk: {ids}")
    client.ask("assign", topic, 3, "earliest")
    Expected(300, 3).compare(client.read(300), stage.client, stage.client)


def auto_created(stage: Stage) -> None:
    """Kafka creates the topic while it answers, and some libraries leave it to the application to try again."""
    client, topic = stage.session(), stage.name

    def produced() -> bool:
        try:
            client.ask("produce", topic, 10, AUTO_PARTITIONS)
            return True
        except Refused as refusal:
            expect(refusal.code in (UNKNOWN_TOPIC_OR_PARTITION, LEADER_NOT_AVAILABLE, NOT_LEADER_OR_FOLLOWER), "produce", str(refusal))
            return False

    eventually(produced, "records were taken", 20, pause=0.2)
    client.ask("assign", topic, AUTO_PARTITIONS, "earliest")
    Expected(10, AUTO_PARTITIONS).compare(client.read(10), stage.client, stage.client)
