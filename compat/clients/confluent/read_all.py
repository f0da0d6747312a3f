"""Prints "partition offset value" of every record from the start to the end the topic has now: read_all.py BOOTSTRAP TOPIC PARTITIONS"""
import sys
import time

from confluent_kafka import Consumer, KafkaError, TopicPartition


def records(bootstrap, topic, partitions):
    """Every committed record from the start to the end the topic has now."""
    consumer = Consumer({
        "bootstrap.servers": bootstrap, "group.id": "read-all", "enable.auto.commit": False,
        "enable.partition.eof": True, "auto.offset.reset": "error", "isolation.level": "read_committed",
    })
    starts = []
    for partition in range(int(partitions)):
        low, _ = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
        starts.append(TopicPartition(topic, partition, low))
    consumer.assign(starts)
    open_partitions = set(range(int(partitions)))
    heard = time.monotonic()
    while open_partitions:
        messages = consumer.consume(1000, 0.2)
        if messages:
            heard = time.monotonic()
        elif time.monotonic() - heard > 30:
            sys.exit("nothing arrived for 30 s")
        for message in messages:
            if not message.error():
                yield message
            elif message.error().code() == KafkaError._PARTITION_EOF:
                open_partitions.discard(message.partition())
            else:
                sys.exit(str(message.error()))
    consumer.close()


if __name__ == "__main__":
    for record in records(*sys.argv[1:]):
        sys.stdout.buffer.write(b"%d %d %s\n" % (record.partition(), record.offset(), record.value() or b""))
