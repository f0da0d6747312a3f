"""Cases at a given rate: how long a record takes from the moment it was meant to be sent to its consumer, whatever stands beside it."""
import json
import subprocess
import threading
from contextlib import contextmanager

import measure
from brokers import rdperf
from harness.shell import WORK, Failed, end, spawn
from session import Session

KIB = 1024
PRODUCERS = 1_000
SLOW_CONSUMERS = 200
SLOW_RATE, REPLAY_RATE = 5_000, 20_000
# By so much what stands beside a tail outlasts it: the time that its client takes to begin.
BESIDE_SECONDS = 6
# Seconds of warm-up, and of the run that system calls are counted on.
WARM_UP, COUNTED = (2, 1), (2, 1)
# Client of the cold replay: its CPU is not to be the tail's.
REPLAY_NICENESS = 19
# What it reads lasts for as long as the tail does: to take it from the page cache again would be work of its own.
REPLAY_RECORDS = (5_000_000, 250_000)


def end_to_end(rate: int):
    def of(session: Session) -> dict[str, float]:
        return tail(session, f"tail-{rate}", rate, session.size(15, 3))

    return of


def tail(session: Session, topic: str, rate: int, seconds: float) -> dict[str, float]:
    found = bare_tail(session, topic, rate, seconds)
    return session.with_syscalls(found, tail_command(session, topic, rate, session.size(*COUNTED)))


def bare_tail(session: Session, topic: str, rate: int, seconds: float) -> dict[str, float]:
    session.create(topic)
    written = int(rate * KIB * (seconds + session.size(*WARM_UP)))
    return measure.figures(session.broker, tail_command(session, topic, rate, seconds), KIB, written)


def tail_command(session: Session, topic: str, rate: int, seconds: float) -> list:
    warm_up = session.size(*WARM_UP)
    return rdperf("open-loop", session.broker, topic, rate=rate, seconds=seconds, warm_up=warm_up, partitions=session.partitions, linger__ms=0)


def many_producers(session: Session) -> dict[str, float]:
    """A connection each, one record a second, their moments spread over it; the latency is that of the acknowledgement."""
    session.create("many")
    command = connections(session, "paced", "many", PRODUCERS, session.size(15, 4))
    found = measure.figures(session.broker, command, KIB)
    return session.with_syscalls(found, connections(session, "paced", "many", PRODUCERS, session.size(*COUNTED)))


def slow_consumers(session: Session) -> dict[str, float]:
    """A tail beside consumers that take their answers in small pieces with pauses."""
    session.fill("produce-1k", session.size(2_000_000, 250_000))
    seconds = session.size(15, 3)
    beside = connections(session, "slow", "produce-1k", SLOW_CONSUMERS, seconds + BESIDE_SECONDS)
    with measure.driven(session.broker, beside) as slow:
        slow.begun()
        found = bare_tail(session, "tail-slow", SLOW_RATE, seconds)
        read = slow.ended()
    return {**found, "slow consumers, MB/s": read["bytes"] / read["seconds"] / 1e6}


def connections(session: Session, verb: str, topic: str, count: int, seconds: float) -> list:
    given = {
        "broker": session.broker.bootstrap, "pid": session.broker.pid, "topic": topic, "partitions": session.partitions,
        "connections": count, "warm-up": f"{session.size(*WARM_UP)}s", "time": f"{seconds}s",
    }
    return [WORK / "load" / "load", *(f"-{name}={value}" for name, value in given.items()), verb]


def cold_replay(session: Session) -> dict[str, float]:
    """A tail alone, and one beside a consumer that reads a topic from the disk."""
    session.fill("produce-1k", session.size(*REPLAY_RECORDS))
    seconds = session.size(15, 4)
    alone = bare_tail(session, "tail-cold", REPLAY_RATE, seconds)
    with replayed(session, "produce-1k") as replay:
        beside = bare_tail(session, "tail-cold", REPLAY_RATE, seconds)
    figures = {**beside, **{f"alone, {figure}": alone[figure] for figure in ("p50 ms", "p99 ms", "p99.9 ms", "max ms")}}
    return {**figures, "tail p99 grows, ×": beside["p99 ms"] / alone["p99 ms"], "replay, MB/s": replay.megabytes_per_second()}


class Replay(threading.Thread):
    """Reads a topic to its end, taken from the page cache before, and again if there is time."""

    def __init__(self, session: Session, topic: str):
        super().__init__(daemon=True)
        self.session, self.topic = session, topic
        self.stopped = threading.Event()
        self.rounds: list[tuple[float, float]] = []  # megabytes, seconds
        self.failure: Exception | None = None
        self.client: subprocess.Popen | None = None

    def run(self) -> None:
        try:
            while not self.stopped.is_set():
                self.once()
                self.evict()
        except Exception as failure:  # noqa: BLE001 — told by the one who waits
            self.failure = failure

    def evict(self) -> None:
        folders = self.session.broker.partition_dirs(self.topic)
        measure.evict([file for folder in folders for file in folder.glob("*.log")])

    def once(self) -> None:
        records = self.session.size(*REPLAY_RECORDS)
        command = rdperf("consume", self.session.broker, self.topic, records=records, partitions=self.session.partitions)
        self.client = spawn(["nice", "-n", REPLAY_NICENESS, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        said = self.client.communicate(timeout=600)[0].splitlines()
        if self.stopped.is_set():
            return
        if self.client.returncode or len(said) != 2:
            raise Failed("the cold replay did not end well")
        figures = json.loads(said[1])
        self.rounds.append((figures["records"] * KIB / 1e6, figures["seconds"]))

    def megabytes_per_second(self) -> float:
        """Of the rounds that were whole; 0 where not even one was."""
        return sum(of for of, _ in self.rounds) / sum(seconds for _, seconds in self.rounds) if self.rounds else 0.0


@contextmanager
def replayed(session: Session, topic: str):
    replay = Replay(session, topic)
    replay.evict()
    session.rest()
    replay.start()
    try:
        yield replay
    finally:
        replay.stopped.set()
        if replay.client:
            end(replay.client)
        replay.join(60)
    if replay.failure:
        raise Failed(f"cold replay: {replay.failure}")
