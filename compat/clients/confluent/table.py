"""Prints "partition offset key number" of every record from the start to the end the topic has now, with "-" as the number of a
deletion: table.py BOOTSTRAP TOPIC PARTITIONS"""
import sys
import time

from confluent_kafka import Consumer, KafkaError, TopicPartition


def main(bootstrap, topic, partitions):
    consumer = Consumer({
        "bootstrap.servers": bootstrap, "group.id": "table", "enable.auto.commit": False,
        "enable.partition.eof": True, "auto.offset.reset": "error", "isolation.level": "read_committed",
    })
    starts = []
    for partition in range(int(partitions)):
        low, _ = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
        starts.append(TopicPartition(topic, partition, low))
    consumer.assign(starts)
    open_partitions = set(range(int(partitions)))
    out = sys.stdout.buffer
    heard = time.monotonic()
    while open_partitions:
        messages = consumer.consume(1000, 0.2)
        if messages:
            heard = time.monotonic()
        elif time.monotonic() - heard > 30:
            sys.exit("nothing arrived for 30 s")
        for message in messages:
            if message.error():
                if message.error().code() == KafkaError._PARTITION_EOF:
                    open_partitions.discard(message.partition())
                    continue
                sys.exit(str(message.error()))
            number = b"-" if message.value() is None else message.value().split(b" ", 1)[0]
            out.write(b"%d %d %s %s\n" % (message.partition(), message.offset(), message.key(), number))
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
