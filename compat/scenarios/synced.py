"""kill -9 and a power cut, again and again, while librdkafka produces to a topic that is acknowledged after a sync: what was acknowledged is there.

The broker is built with the feature `faults`: a layer under its logs keeps notes of what is not durable yet, and after each kill
`ottla power-cut` takes that back from the files, as a seed decides: unsynced sectors, lengths, names.
"""
import os
import random
import re
import subprocess
import time

from harness import clients, wire
from harness.broker import Broker, faulty_binary
from harness.check import expect
from harness.context import Context
from harness.install import need
from harness.shell import run as run_program, spawn
from scenarios.kill9 import PARTITIONS, TOPICS, Producing, await_growth, verify

TOPIC = TOPICS["librdkafka"]
ROUNDS = 100
PROPERTIES = {"ottla.sync.ack.topics": "killed-*,__consumer_offsets", "log.segment.bytes": str(1 << 20)}


class PoweredBroker(Broker):
    """A broker whose power can be cut."""

    rounds, taken_back = 0, 0

    def _spawn(self) -> None:
        self.rounds += 1
        self.environment["OTTLA_FAULTS"] = f"dir={self.root / 'faults'},seed={self.rounds}"
        with open(self.log_file, "ab") as log:
            self.process = spawn([faulty_binary(), "start", self.config], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.root, env=self.environment)

    def lose_power(self) -> None:
        self.kill()
        printed = run_program([faulty_binary(), "power-cut", self.data], env=self.environment, timeout=120).stdout.decode()
        self.taken_back += sum(map(int, re.findall(r"\d+", printed)))


def run(context: Context) -> None:
    need("confluent", "faulty")
    rounds = context.size(ROUNDS, 12)
    with PoweredBroker("ottla", "synced", PROPERTIES, dict(os.environ)) as broker:
        create = ["topics", "--bootstrap-server", broker.bootstrap, "--create", "--topic", TOPIC, "--partitions", str(PARTITIONS)]
        run_program([faulty_binary(), *create], timeout=60)
        wire.await_topics(broker.port, {TOPIC: PARTITIONS})
        producer = Producing("librdkafka", broker)
        context.check("broker", f"{rounds} power cuts", cut_rounds, broker, producer, rounds)
        context.check("librdkafka", "acknowledged after power cuts", verify, broker, producer)


def cut_rounds(broker: PoweredBroker, producer: Producing, rounds: int) -> str:
    chance = random.Random(13)
    for _ in range(rounds):
        await_growth(broker, [producer])
        time.sleep(chance.uniform(0.1, 0.7))
        broker.lose_power()
        broker.start()
        wire.await_topics(broker.port, {TOPIC: PARTITIONS})
    await_growth(broker, [producer])
    # Syncs are short: in a few rounds it is chance whether a cut falls into one.
    expect(broker.taken_back > 0 or rounds < ROUNDS, "no power cut took anything back")
    return f"{broker.taken_back} files and names were taken back"
