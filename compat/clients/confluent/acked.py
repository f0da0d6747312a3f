"""An endless idempotent producer (acks=all) that writes down what was acknowledged.

    acked.py BOOTSTRAP TOPIC PARTITIONS JOURNAL [RECORDS-PER-SECOND [BYTES]]

Record n goes to partition n % PARTITIONS with the number as its value, followed by blanks up to BYTES. JOURNAL gets "n partition offset" for each acknowledgement.
SIGTERM ends it: no new records, everything in flight delivered, exit 0.
"""
import signal
import sys
import time

from confluent_kafka import Producer

stopping = False
failed = []


def main(bootstrap, topic, partitions, journal_path, rate=20000, size=0):
    def stop(*_):
        global stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    producer = Producer({
        "bootstrap.servers": bootstrap, "enable.idempotence": True, "acks": "all", "linger.ms": 5,
        "message.timeout.ms": 600000, "reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 500,
        "retry.backoff.ms": 50, "queue.buffering.max.messages": 20000,
        # There is one broker: what is known of it stays true while it is away.
        "metadata.recovery.strategy": "none",
    })
    with open(journal_path, "w", buffering=1 << 16) as journal:
        number, begun = 0, time.monotonic()
        while not stopping:
            try:
                value = (b"%d" % number).ljust(int(size))
                producer.produce(topic, value, partition=number % int(partitions), on_delivery=report(number, journal))
                number += 1
            except BufferError:
                producer.poll(0.05)
            producer.poll(0)
            ahead = number / float(rate) - (time.monotonic() - begun)
            if ahead > 0.01:
                producer.poll(ahead)
        left = producer.flush(120)
        journal.flush()
    if left or failed:
        sys.exit(f"{left} records left, failures: {failed[:3]}")


def report(number, journal):
    def delivered(error, message):
        if error is not None:
            failed.append(str(error))
        else:
            journal.write(f"{number} {message.partition()} {message.offset()}\n")
    return delivered


if __name__ == "__main__":
    main(*sys.argv[1:])
