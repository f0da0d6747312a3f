"""confluent-kafka (librdkafka) behind the scenario language."""
import sys
from pathlib import Path

import confluent_kafka
from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Producer, TopicPartition, admin

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))
from session import FETCH_BYTES, FETCH_PARTITION_BYTES, REQUEST_BYTES, Cannot, Reader, Records, Refused, pairs, serve

PATIENCE = 15


class Program(Reader):
    def __init__(self, bootstrap, pool):
        super().__init__()
        self.common = {"bootstrap.servers": bootstrap, "log_level": 3, "topic.metadata.propagation.max.ms": 3000}
        self.records = Records(pool)
        self.consumer = None
        self._admin = None

    def refusal(self, error):
        inner = error.args[0] if isinstance(error, KafkaException) and error.args else None
        return Refused(inner.code() if isinstance(inner, KafkaError) and inner.code() > 0 else None, str(error))

    def version(self):
        return f"confluent-kafka {confluent_kafka.__version__}, librdkafka {confluent_kafka.libversion()[0]}"

    # Administration.

    @property
    def admin(self):
        if self._admin is None:
            self._admin = admin.AdminClient(self.common)
        return self._admin

    def create(self, topic, partitions, **configs):
        one(self.admin.create_topics([admin.NewTopic(topic, int(partitions), 1, config=configs)]))

    def grow(self, topic, partitions):
        one(self.admin.create_partitions([admin.NewPartitions(topic, int(partitions))]))

    def configure(self, topic, **configs):
        entries = [
            admin.ConfigEntry(name, value, incremental_operation=admin.AlterConfigOpType.SET) for name, value in configs.items()
        ]
        one(self.admin.incremental_alter_configs([admin.ConfigResource("topic", topic, incremental_configs=entries)]))

    def configured(self, topic, config):
        return one(self.admin.describe_configs([admin.ConfigResource("topic", topic)]))[config].value

    def trim(self, topic, partition, offset):
        return one(self.admin.delete_records([TopicPartition(topic, int(partition), int(offset))])).low_watermark

    def delete(self, topic):
        one(self.admin.delete_topics([topic]))

    def topics(self):
        return " ".join(sorted(name for name in self.admin.list_topics(timeout=PATIENCE).topics if not name.startswith("__")))

    def offsets(self, topic, partitions, at):
        return pairs({p: offset for p, offset in self._offsets(topic, partitions, at)})

    def _offsets(self, topic, partitions, at):
        spec = {"earliest": admin.OffsetSpec.earliest, "latest": admin.OffsetSpec.latest}.get(at)
        wanted = spec() if spec else admin.OffsetSpec.for_timestamp(int(at))
        asked = {TopicPartition(topic, p): wanted for p in range(int(partitions))}
        for partition, future in self.admin.list_offsets(asked, isolation_level=IsolationLevel.READ_UNCOMMITTED).items():
            yield partition.partition, future.result(PATIENCE).offset

    def committed(self, group, topic, partitions):
        asked = admin._ConsumerGroupTopicPartitions(group, [TopicPartition(topic, p) for p in range(int(partitions))])
        found = one(self.admin.list_consumer_group_offsets([asked])).topic_partitions
        return pairs({one_of.partition: max(one_of.offset, -1) for one_of in found})

    # Records.

    def produce(self, topic, count, partitions, codec="none", idempotent="no", size=None, **options):
        producer = Producer({
            **self.common, "compression.type": codec, "acks": "all", "enable.idempotence": idempotent == "yes", "linger.ms": 20,
            "max.in.flight": 1 if idempotent == "no" else 5, "batch.size": 1000000, "message.max.bytes": REQUEST_BYTES,
            "queue.buffering.max.messages": 500000, "message.timeout.ms": 60000,
        })
        failures = []

        def delivered(error, _message):
            if error is not None:
                failures.append(error)

        for i, key, value, headers in self.records.numbered(count, options.get("from", 0), size):
            while True:
                try:
                    producer.produce(topic, value, key, i % int(partitions), delivered, headers=headers)
                    break
                except BufferError:
                    producer.poll(0.5)
            producer.poll(0)
        left = producer.flush(120)
        if failures:
            raise KafkaException(failures[0])
        if left:
            raise Refused(None, f"{left} records were not delivered")
        return count

    # Reading.

    def _consumer(self, group, **settings):
        self.leave()
        return Consumer({
            **self.common, "group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest",
            "session.timeout.ms": 10000, "heartbeat.interval.ms": 500, "fetch.error.backoff.ms": 100,
            "fetch.max.bytes": FETCH_BYTES, "message.max.bytes": FETCH_BYTES, "fetch.message.max.bytes": FETCH_PARTITION_BYTES,
            **settings,
        })

    def assign(self, topic, partitions, at, isolation="read_uncommitted"):
        starts = [
            TopicPartition(topic, p, offset if offset >= 0 else confluent_kafka.OFFSET_END)
            for p, offset in self._offsets(topic, partitions, at)
        ]
        self.consumer = self._consumer("unused", **{"isolation.level": isolation})
        self.consumer.assign(starts)

    def join(self, group, topic, assignor, isolation="read_uncommitted"):
        settings = {"isolation.level": isolation}
        if assignor == "sticky":
            raise Cannot("librdkafka has no eager sticky assignor")
        if assignor != "any":
            settings["partition.assignment.strategy"] = assignor
        self.consumer = self._consumer(group, **settings)
        lost = lambda _, partitions: self.forget(one_of.partition for one_of in partitions)
        self.consumer.subscribe([topic], on_revoke=lost, on_lost=lost)

    def poll(self, seconds, limit):
        rows = []
        for message in self.consumer.consume(limit, seconds):
            if message.error():
                raise KafkaException(message.error())
            rows.append((message.partition(), message.offset(), message.key(), message.value(), message.headers()))
        return rows

    def owned(self):
        self.fill(0.1)
        return " ".join(str(p) for p in sorted(one_of.partition for one_of in self.consumer.assignment()))

    def commit(self):
        topic = self.consumer.assignment()[0].topic
        self.consumer.commit(offsets=[TopicPartition(topic, p, offset) for p, offset in self.next.items()], asynchronous=False)

    def pause(self):
        self.consumer.pause(self.consumer.assignment())

    def resume(self):
        self.consumer.resume(self.consumer.assignment())

    def leave(self):
        if self.consumer is not None:
            self.consumer.close()
        self.consumer = None
        self.waiting.clear()
        self.next.clear()


def one(futures):
    """The result of the only future in a dictionary of them."""
    (future,) = futures.values()
    return future.result(PATIENCE)


if __name__ == "__main__":
    serve(Program(*sys.argv[1:]))
