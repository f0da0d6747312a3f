"""Fills a topic with so many MiB, spread evenly over its partitions, in records of 100 kB that cannot be compressed.

    bulk.py BOOTSTRAP TOPIC PARTITIONS MIB
"""
import os
import sys

from confluent_kafka import Producer

RECORD_BYTES = 100_000


def main(bootstrap, topic, partitions, mib):
    producer = Producer({
        "bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 20, "batch.size": 900_000, "queue.buffering.max.kbytes": 200_000,
    })
    failed = []
    value = os.urandom(RECORD_BYTES)

    def delivered(error, _):
        if error is not None:
            failed.append(str(error))

    for number in range((int(mib) << 20) // RECORD_BYTES):
        while True:
            try:
                producer.produce(topic, value, partition=number % int(partitions), on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.05)
        producer.poll(0)
    left = producer.flush(300)
    if left or failed:
        sys.exit(f"{left} records left, failures: {failed[:3]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
