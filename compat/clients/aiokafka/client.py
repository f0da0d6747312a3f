"""aiokafka behind the scenario language. Its event loop turns in a thread of its own, so that heartbeats go on between commands."""
import asyncio
import sys
import threading
from pathlib import Path

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import for_code

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))
from session import FETCH_BYTES, FETCH_PARTITION_BYTES, REQUEST_BYTES, Cannot, Reader, Records, Refused, pairs, serve

ASSIGNORS = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor, "sticky": StickyPartitionAssignor}
PATIENCE_MS = 10000
UNFINISHED = 5000


class Program(Reader, ConsumerRebalanceListener):
    def __init__(self, bootstrap, pool):
        super().__init__()
        self.bootstrap = bootstrap
        self.records = Records(pool)
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.consumer = None
        self.lookup = None
        self._admin = None

    def wait(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    def refusal(self, error):
        return Refused(getattr(error, "errno", None), str(error))

    def version(self):
        return f"aiokafka {aiokafka.__version__}"

    # Administration.

    @property
    def admin(self):
        if self._admin is None:
            self._admin = self.wait(self._started(lambda: AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)))
        return self._admin

    async def _started(self, make):
        made = make()
        await made.start()
        return made

    def create(self, topic, partitions, **configs):
        answer = self.wait(self.admin.create_topics([NewTopic(topic, int(partitions), 1, topic_configs=configs)]))
        expect_none(row[1] for row in answer.topic_errors)

    def grow(self, topic, partitions):
        self.wait(self.admin.create_partitions({topic: NewPartitions(int(partitions))}))

    def configure(self, topic, **configs):
        answers = self.wait(self.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs)]))
        expect_none(row[0] for answer in answers for row in answer.resources)

    def configured(self, topic, config):
        answers = self.wait(self.admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {config: None})]))
        (resource,) = answers[0].resources
        expect_none([resource[0]])
        return resource[4][0][1]

    def trim(self, topic, partition, offset):
        where = TopicPartition(topic, int(partition))
        return self.wait(self.admin.delete_records({where: RecordsToDelete(int(offset))}))[where]

    def delete(self, topic):
        expect_none(row[1] for row in self.wait(self.admin.delete_topics([topic])).topic_error_codes)

    def topics(self):
        return " ".join(sorted(name for name in self.wait(self.admin.list_topics()) if not name.startswith("__")))

    def offsets(self, topic, partitions, at):
        return pairs(self._offsets(topic, partitions, at))

    def _offsets(self, topic, partitions, at):
        (told,) = self.wait(self.admin.describe_topics([topic]))
        expect_none([told["error_code"]])
        if self.lookup is None:
            self.lookup = self.wait(self._started(lambda: AIOKafkaConsumer(
                bootstrap_servers=self.bootstrap, request_timeout_ms=PATIENCE_MS, group_id=None,
            )))
        asked = [TopicPartition(topic, p) for p in range(int(partitions))]
        if at == "earliest":
            found = self.wait(self.lookup.beginning_offsets(asked))
        elif at == "latest":
            found = self.wait(self.lookup.end_offsets(asked))
        else:
            found = self.wait(self.lookup.offsets_for_times({one: int(at) for one in asked}))
            found = {one: -1 if place is None else place.offset for one, place in found.items()}
        return {one.partition: offset for one, offset in found.items()}

    def committed(self, group, topic, partitions):
        asked = [TopicPartition(topic, p) for p in range(int(partitions))]
        found = self.wait(self.admin.list_consumer_group_offsets(group, partitions=asked))
        return pairs({one.partition: found[one].offset for one in asked})

    # Records.

    def produce(self, topic, count, partitions, codec="none", idempotent="no", size=None, **options):
        numbered = self.records.numbered(count, options.get("from", 0), size)
        try:
            self.wait(self._produce(topic, numbered, int(partitions), None if codec == "none" else codec, idempotent == "yes"))
        except RuntimeError as error:
            if "Compression library" in str(error):
                raise Cannot(str(error)) from None
            raise
        return count

    async def _produce(self, topic, numbered, partitions, codec, idempotent):
        producer = await self._started(lambda: AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, compression_type=codec, acks="all", enable_idempotence=idempotent, linger_ms=20,
            max_batch_size=131072, max_request_size=REQUEST_BYTES, request_timeout_ms=PATIENCE_MS,
        ))
        try:
            unfinished = []
            for i, key, value, headers in numbered:
                sent = await producer.send(topic, value=value, key=key, headers=headers, partition=i % partitions)
                unfinished.append(sent)
                if len(unfinished) >= UNFINISHED:
                    await asyncio.gather(*unfinished)
                    unfinished.clear()
            await asyncio.gather(*unfinished)
        finally:
            await producer.stop()

    # Reading.

    def _consume(self, topics, group=None, **settings):
        self.leave()
        self.consumer = self.wait(self._started(lambda: AIOKafkaConsumer(
            *topics, bootstrap_servers=self.bootstrap, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False,
            session_timeout_ms=10000, heartbeat_interval_ms=500, fetch_max_wait_ms=100,
            max_partition_fetch_bytes=FETCH_PARTITION_BYTES, fetch_max_bytes=FETCH_BYTES, **settings,
        )))

    def assign(self, topic, partitions, at, isolation="read_uncommitted"):
        starts = self._offsets(topic, partitions, at)
        ends = self._offsets(topic, partitions, "latest")
        self._consume([], isolation_level=isolation)

        self._here(lambda: self.consumer.assign([TopicPartition(topic, p) for p in starts]))
        for p, offset in starts.items():
            self._here(lambda p=p, offset=offset: self.consumer.seek(TopicPartition(topic, p), offset if offset >= 0 else ends[p]))

    def join(self, group, topic, assignor, isolation="read_uncommitted"):
        settings = {"isolation_level": isolation}
        if assignor != "any":
            if assignor not in ASSIGNORS:
                raise Cannot(f"aiokafka has no {assignor} assignor")
            settings["partition_assignment_strategy"] = [ASSIGNORS[assignor]]
        self._consume([], group, **settings)

        self._here(lambda: self.consumer.subscribe([topic], listener=self))

    async def on_partitions_revoked(self, revoked):
        self.forget(one.partition for one in revoked)

    async def on_partitions_assigned(self, assigned):
        pass

    def poll(self, seconds, limit):
        polled = self.wait(self.consumer.getmany(timeout_ms=int(seconds * 1000), max_records=limit))
        return [(r.partition, r.offset, r.key, r.value, r.headers) for rows in polled.values() for r in rows]

    def owned(self):
        return " ".join(str(p) for p in sorted(one.partition for one in self.consumer.assignment()))

    def commit(self):
        topic = next(iter(self.consumer.assignment())).topic
        self.wait(self.consumer.commit({TopicPartition(topic, p): offset for p, offset in self.next.items()}))

    def pause(self):
        self._here(lambda: self.consumer.pause(*self.consumer.assignment()))

    def resume(self):
        self._here(lambda: self.consumer.resume(*self.consumer.assignment()))

    def _here(self, call):
        """What aiokafka does at once still has to happen in its event loop."""
        async def called():
            return call()

        return self.wait(called())

    def leave(self):
        if self.consumer is not None:
            self.wait(self.consumer.stop())
        self.consumer = None
        self.waiting.clear()
        self.next.clear()


def expect_none(codes):
    for code in codes:
        if code:
            raise for_code(code)()


if __name__ == "__main__":
    serve(Program(*sys.argv[1:]))
