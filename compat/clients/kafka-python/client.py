"""kafka-python behind the scenario language."""
import re
import sys
from pathlib import Path

import kafka
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from kafka.structs import OffsetAndMetadata

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))
from session import FETCH_BYTES, FETCH_PARTITION_BYTES, REQUEST_BYTES, Cannot, Reader, Records, Refused, pairs, serve

ASSIGNORS = {
    "range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor, "sticky": StickyPartitionAssignor,
    "cooperative-sticky": CooperativeStickyAssignor,
}


class Program(Reader, ConsumerRebalanceListener):
    def __init__(self, bootstrap, pool):
        super().__init__()
        self.bootstrap = bootstrap
        self.records = Records(pool)
        self.consumer = None
        self._admin = None

    def refusal(self, error):
        return Refused(getattr(error, "errno", None), str(error))

    def version(self):
        return f"kafka-python {kafka.__version__}"

    # Administration.

    @property
    def admin(self):
        if self._admin is None:
            self._admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        return self._admin

    def create(self, topic, partitions, **configs):
        self.admin.create_topics({topic: {"num_partitions": int(partitions), "replication_factor": 1, "configs": configs}})

    def grow(self, topic, partitions):
        self.admin.create_partitions({topic: int(partitions)})

    def configure(self, topic, **configs):
        done = self.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs)])["topic"][topic]
        if done != "OK":  # the error as text, beginning with its number
            raise Refused(int(re.search(r"\[Error (\d+)\]", done)[1]), done)

    def configured(self, topic, config):
        found = self.admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all")
        return found["topic"][topic][config]["value"]

    def trim(self, topic, partition, offset):
        self.admin.delete_records({TopicPartition(topic, int(partition)): int(offset)})
        return self._offsets(topic, int(partition) + 1, "earliest")[int(partition)]

    def delete(self, topic):
        self.admin.delete_topics([topic])

    def topics(self):
        return " ".join(sorted(name for name in self.admin.list_topics() if not name.startswith("__")))

    def offsets(self, topic, partitions, at):
        return pairs(self._offsets(topic, partitions, at))

    def _offsets(self, topic, partitions, at):
        spec = {"earliest": -2, "latest": -1}.get(at)
        asked = {TopicPartition(topic, p): int(at) if spec is None else spec for p in range(int(partitions))}
        found = self.admin.list_partition_offsets(asked)
        return {p.partition: -1 if one is None else one.offset for p, one in found.items()}

    def committed(self, group, topic, partitions):
        asked = [TopicPartition(topic, p) for p in range(int(partitions))]
        found = self.admin.list_group_offsets({group: asked})[group]
        return pairs({p.partition: found[p].offset if p in found else -1 for p in asked})

    # Records.

    def produce(self, topic, count, partitions, codec="none", idempotent="no", size=None, **options):
        try:
            producer = KafkaProducer(
                bootstrap_servers=self.bootstrap, compression_type=None if codec == "none" else codec, acks="all",
                enable_idempotence=idempotent == "yes", max_in_flight_requests_per_connection=1, linger_ms=20, batch_size=131072,
                max_request_size=REQUEST_BYTES, max_block_ms=5000,
            )
        except AssertionError as error:
            raise Cannot(str(error)) from None
        try:
            futures = []
            for i, key, value, headers in self.records.numbered(count, options.get("from", 0), size):
                futures.append(producer.send(topic, value=value, key=key, headers=headers, partition=i % int(partitions)))
                if len(futures) >= 5000:
                    for future in futures:
                        future.get(timeout=60)
                    futures = []
            producer.flush(timeout=120)
            for future in futures:
                future.get(timeout=60)
        finally:
            producer.close()
        return count

    # Reading.

    def _consumer(self, group=None, **settings):
        self.leave()
        return KafkaConsumer(
            bootstrap_servers=self.bootstrap, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False,
            session_timeout_ms=10000, heartbeat_interval_ms=500, fetch_max_wait_ms=100,
            max_partition_fetch_bytes=FETCH_PARTITION_BYTES, fetch_max_bytes=FETCH_BYTES, **settings,
        )

    def assign(self, topic, partitions, at, isolation="read_uncommitted"):
        starts = self._offsets(topic, partitions, at)
        ends = self._offsets(topic, partitions, "latest")
        self.consumer = self._consumer(isolation_level=isolation)
        self.consumer.assign([TopicPartition(topic, p) for p in starts])
        for p, offset in starts.items():
            self.consumer.seek(TopicPartition(topic, p), offset if offset >= 0 else ends[p])

    def join(self, group, topic, assignor, isolation="read_uncommitted"):
        settings = {"isolation_level": isolation}
        if assignor != "any":
            settings["partition_assignment_strategy"] = [ASSIGNORS[assignor]]
        self.consumer = self._consumer(group, **settings)
        self.consumer.subscribe([topic], listener=self)

    def on_partitions_revoked(self, revoked):
        self.forget(one.partition for one in revoked)

    def on_partitions_assigned(self, assigned):
        pass

    def poll(self, seconds, limit):
        polled = self.consumer.poll(timeout_ms=int(seconds * 1000), max_records=limit)
        return [(r.partition, r.offset, r.key, r.value, r.headers) for rows in polled.values() for r in rows]

    def owned(self):
        self.fill(0.1)
        return " ".join(str(p) for p in sorted(one.partition for one in self.consumer.assignment()))

    def commit(self):
        topic = next(iter(self.consumer.assignment())).topic
        self.consumer.commit({TopicPartition(topic, p): OffsetAndMetadata(offset, "", -1) for p, offset in self.next.items()})

    def pause(self):
        self.consumer.pause(*self.consumer.assignment())

    def resume(self):
        self.consumer.resume(*self.consumer.assignment())

    def leave(self):
        if self.consumer is not None:
            self.consumer.close()
        self.consumer = None
        self.waiting.clear()
        self.next.clear()


if __name__ == "__main__":
    serve(Program(*sys.argv[1:]))
