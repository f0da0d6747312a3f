"""Prints "partition offset value" of every record from the start to the end the topic has now: read_all.py BOOTSTRAP TOPIC PARTITIONS"""
import sys
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

PATIENCE = 30


def records(bootstrap, topic, partitions):
    """Every committed record from the start to the end the topic has now."""
    consumer = Consumer({
        "bootstrap.servers": bootstrap, "group.id": "read-all", "enable.auto.commit": False,
        "enable.partition.eof": True, "auto.offset.reset": "error", "isolation.level": "read_committed",
    })
    starts = []
    for partition in range(int(partitions)):
        starts.append(TopicPartition(topic, partition, start(consumer, TopicPartition(topic, partition))))
    consumer.assign(starts)
    open_partitions = set(range(int(partitions)))
    heard = time.monotonic()
    while open_partitions:
        messages = consumer.consume(1000, 0.2)
        if messages:
            heard = time.monotonic()
        elif time.monotonic() - heard > PATIENCE:
            sys.exit(f"nothing arrived for {PATIENCE} s")
        for message in messages:
            if not message.error():
                yield message
            elif message.error().code() == KafkaError._PARTITION_EOF:
                open_partitions.discard(message.partition())
            else:
                sys.exit(str(message.error()))
    consumer.close()


def start(consumer, partition):
    """A broker that has just started may know of a leader before that serves, and then it is asked again."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return consumer.get_watermark_offsets(partition, timeout=PATIENCE)[0]
        except KafkaException as refused:
            if refused.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


if __name__ == "__main__":
    for record in records(*sys.argv[1:]):
        sys.stdout.buffer.write(b"%d %d %s\n" % (record.partition(), record.offset(), record.value() or b""))
