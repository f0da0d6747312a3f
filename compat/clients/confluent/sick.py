"""Reads a partition up to its end or to the first error: sick.py BOOTSTRAP TOPIC PARTITION OFFSET

Prints how many records were read, the offset behind the last one, and "end" or the number of the broker's error.
"""
import sys
import time

from confluent_kafka import Consumer, KafkaError, TopicPartition

PATIENCE = 30


def main(bootstrap, topic, partition, offset):
    consumer = Consumer({
        "bootstrap.servers": bootstrap, "group.id": "sick", "enable.auto.commit": False, "enable.partition.eof": True,
        "auto.offset.reset": "error",
    })
    consumer.assign([TopicPartition(topic, int(partition), int(offset))])
    count, following = 0, int(offset)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        message = consumer.poll(0.5)
        if message is None:
            continue
        error = message.error()
        if error is None:
            count, following = count + 1, message.offset() + 1
        elif error.code() == KafkaError._PARTITION_EOF:
            return f"{count} {following} end"
        elif error.code() > 0:
            return f"{count} {following} {error.code()}"
    return f"{count} {following} nothing"


if __name__ == "__main__":
    print(main(*sys.argv[1:]))
