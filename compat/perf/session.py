"""One broker through the load cases of a round, and what the cases ask of it."""
import os
import time
from dataclasses import dataclass

import measure
from brokers import BATCHES, open_broker, rdperf
from harness import wire
from harness.shell import run

PARTITIONS = 12
WARM_UP_RECORDS = 300_000


@dataclass(frozen=True)
class Sizes:
    """How much a run takes, and how its system calls are counted."""
    quick: bool
    counter: str | None

    def size(self, full, quick):
        return quick if self.quick else full


class Session:
    def __init__(self, kind: str, sizes: Sizes):
        self.kind, self.sizes = kind, sizes
        self.partitions = PARTITIONS
        self.records: dict[str, int] = {}
        self.broker = open_broker(kind)

    def __enter__(self):
        try:
            self.broker.start()
            self.fill("warm-up", self.size(WARM_UP_RECORDS, WARM_UP_RECORDS // 3))
            self.read("warm-up")
        except BaseException:
            self.broker.close()
            raise
        return self

    def __exit__(self, *_):
        self.broker.close()

    def size(self, full, quick):
        return self.sizes.size(full, quick)

    def create(self, topic: str) -> None:
        if topic not in self.records:
            wire.create(self.broker.port, {topic: PARTITIONS})
            self.records[topic] = 0

    def fill(self, topic: str, records: int) -> None:
        """Has at least so many records of 1 KB in the topic, and on the disk."""
        self.create(topic)
        have = sum(wire.offsets(self.broker.port, topic, PARTITIONS))
        if have < records:
            run(rdperf("produce", self.broker, topic, records=records - have, **BATCHES), timeout=900)
            self.rest()

    def read(self, topic: str) -> None:
        records = sum(wire.offsets(self.broker.port, topic, PARTITIONS))
        run(rdperf("consume", self.broker, topic, records=records, partitions=PARTITIONS), timeout=900)

    def rest(self) -> None:
        """What earlier cases wrote is on disk before the next begins, so that each finds the same."""
        os.sync()
        time.sleep(self.size(2, 0.5))

    def with_syscalls(self, found: dict, command: list) -> dict:
        """The figures with system calls for each request, counted on a shorter run of its own."""
        counted = measure.syscalls_per_request(self.broker, command, self.sizes.counter)
        return found if counted is None else {**found, "system calls/request": counted}
