"""kill -9 of the broker while librdkafka and Java produce idempotently with acks=all: nothing acknowledged is lost, doubled or out of order."""
import random
import signal
import statistics
import subprocess
import time
from pathlib import Path

from harness import clients, wire
from harness.context import Context
from harness.shell import Failed, end, run as run_program, spawn, tail

PARTITIONS = 3
TOPICS = {"librdkafka": "killed-librdkafka", "java": "killed-java"}
WARM_UP_SECONDS = 20


def run(context: Context) -> None:
    rounds = context.size(20, 2)
    with context.broker("kill9") as broker:
        create = clients.java("Admin", "create", broker.bootstrap, PARTITIONS, "segment.bytes=1048576", *TOPICS.values())
        run_program(create, timeout=60)
        wire.await_topics(broker.port, {topic: PARTITIONS for topic in TOPICS.values()})
        producers = {name: Producing(name, broker) for name in TOPICS}
        recoveries: list[float] = []
        context.check("broker", f"{rounds} kill -9 rounds", kill_rounds, broker, producers, rounds, recoveries)
        for name, producer in producers.items():
            context.check(name, "acknowledged after kill -9", verify, broker, producer)


class Producing:
    """One running producer and its journal of acknowledgements."""

    def __init__(self, name: str, broker):
        self.name, self.topic = name, TOPICS[name]
        self.journal = broker.root / f"{name}.acks"
        arguments = (broker.bootstrap, self.topic, PARTITIONS, self.journal)
        command = clients.confluent("acked.py", *arguments) if name == "librdkafka" else clients.java("Acked", *arguments)
        self.log = broker.root / f"{name}.log"
        with open(self.log, "wb") as log:
            self.process = spawn(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop(self) -> None:
        code = end(self.process, signal.SIGTERM, 150)
        if code not in (0, 143):
            raise Failed(f"the producer ended with {code}: {tail(self.log.read_bytes())}")
        if self.name == "java" and not self.journal.read_text().endswith("end\n"):
            raise Failed(f"the producer did not deliver everything: {tail(self.journal.read_bytes(), 200)}")

    def acknowledged(self) -> list[tuple[int, int, int]]:
        rows = []
        for line in self.journal.read_text().splitlines():
            words = line.split()
            if len(words) == 3 and words[0].isdigit():
                rows.append((int(words[0]), int(words[1]), int(words[2])))
        return rows


def kill_rounds(broker, producers, rounds: int, recoveries: list[float]) -> str:
    chance = random.Random(9)
    for number in range(rounds):
        await_growth(broker, producers.values())
        time.sleep(chance.uniform(0.2, 1.2))
        broker.kill()
        begun = time.monotonic()
        broker.start()
        wire.await_topics(broker.port, {topic: PARTITIONS for topic in TOPICS.values()})
        recoveries.append(time.monotonic() - begun)
    await_growth(broker, producers.values())
    return f"recovery median {statistics.median(recoveries):.2f} s, worst {max(recoveries):.2f} s"


def await_growth(broker, producers) -> None:
    """Both topics grow: both producers are through to this broker process."""
    before = {p.topic: sum(wire.offsets(broker.port, p.topic, PARTITIONS)) for p in producers}
    deadline = time.monotonic() + WARM_UP_SECONDS
    for producer in producers:
        while sum(wire.offsets(broker.port, producer.topic, PARTITIONS)) <= before[producer.topic]:
            if producer.process.poll() is not None:
                raise Failed(f"{producer.name} ended: {tail(Path(producer.log).read_bytes())}")
            if time.monotonic() > deadline:
                raise Failed(f"{producer.name} wrote nothing for {WARM_UP_SECONDS} s")
            time.sleep(0.05)


def verify(broker, producer: Producing) -> str:
    producer.stop()
    acknowledged = producer.acknowledged()
    if not acknowledged:
        raise Failed("nothing was acknowledged")
    printed = run_program(clients.confluent("read_all.py", broker.bootstrap, producer.topic, PARTITIONS), timeout=300).stdout
    where: dict[int, tuple[int, int]] = {}
    last: dict[int, int] = {}
    next_offset: dict[int, int] = {}
    for line in printed.decode().splitlines():
        partition, offset, number = map(int, line.split())
        if number in where:
            raise Failed(f"record {number} stands at {where[number]} and at {(partition, offset)}")
        if number < last.get(partition, -1):
            raise Failed(f"record {number} follows {last[partition]} in partition {partition}")
        if offset != next_offset.get(partition, 0):
            raise Failed(f"offset {offset} follows {next_offset.get(partition, 0) - 1} in partition {partition}")
        where[number], last[partition], next_offset[partition] = (partition, offset), number, offset + 1
    for number, partition, offset in acknowledged:
        if where.get(number) != (partition, offset):
            raise Failed(f"record {number} was acknowledged at {(partition, offset)} and stands at {where.get(number)}")
    return f"{len(acknowledged)} acknowledged, {len(where)} in the log"
