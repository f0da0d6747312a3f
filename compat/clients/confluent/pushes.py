"""A producer that sends a record now and then, so that it lives long enough to push metrics: pushes.py BOOTSTRAP TOPIC CLIENT-ID

It ends with SIGTERM.
"""
import signal
import sys
import time

from confluent_kafka import Producer


def main(bootstrap, topic, client_id):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    producer = Producer({"bootstrap.servers": bootstrap, "client.id": client_id, "enable.metrics.push": True})
    while True:
        producer.produce(topic, b"x")
        producer.poll(0)
        time.sleep(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
