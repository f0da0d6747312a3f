"""Moves records from one topic to another exactly once, as one of several workers of a group, and aborts one transaction in five
on purpose. Twin of java/Worker.java, which tells more.

    worker.py BOOTSTRAP FROM TO GROUP TRANSACTIONAL-ID PROTOCOL RECORDS PAUSE-MS
"""
import random
import signal
import sys
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition

PATIENCE = 60
stopping = False


def main(bootstrap, source, to, group, transactional_id, protocol, most, pause_ms):
    def stop(*_):
        global stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    common = {
        "bootstrap.servers": bootstrap, "reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 500,
        "socket.timeout.ms": 10000,
        # There is one broker: what is known of it stays true while it is away.
        "metadata.recovery.strategy": "none",
    }
    pace = {"session.timeout.ms": 2500, "heartbeat.interval.ms": 500} if protocol == "classic" else {}
    consumer = Consumer(common | pace | {
        "group.id": group, "group.protocol": protocol, "isolation.level": "read_committed", "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    })
    producer = Producer(common | {"transactional.id": transactional_id, "linger.ms": 5})
    again(producer.init_transactions, PATIENCE)
    consumer.subscribe([source])
    while not stopping:
        messages = [message for message in consumer.consume(int(most), 0.2) if readable(message)]
        if messages and not move(consumer, producer, to, messages, int(pause_ms) / 1000):
            rewind(consumer)
    consumer.close()


def readable(message):
    """An error that is told while the broker is away is none of ours."""
    if message.error() and message.error().fatal():
        sys.exit(str(message.error()))
    return message.error() is None


def move(consumer, producer, to, messages, pause):
    """One transaction; answers whether it was committed."""
    aborts = random.randrange(5) == 0
    offsets = {}
    try:
        producer.begin_transaction()
        for message in messages:
            producer.produce(to, b"aborted" if aborts else b"done " + message.value(), message.key())
            offsets[message.partition()] = TopicPartition(message.topic(), message.partition(), message.offset() + 1)
        again(producer.send_offsets_to_transaction, list(offsets.values()), consumer.consumer_group_metadata(), PATIENCE)
        time.sleep(pause)
        again(producer.abort_transaction if aborts else producer.commit_transaction, PATIENCE)
    except KafkaException as refused:
        error = refused.args[0]
        print("refused", error, flush=True)
        if error.fatal() or not error.txn_requires_abort() and error.code() != KafkaError._STATE:
            raise
        again(producer.abort_transaction, PATIENCE)
        return False
    print("abort" if aborts else "commit", len(messages), flush=True)
    return not aborts


def rewind(consumer):
    """Back to what is committed. What a rebalance takes away meanwhile needs no seek."""
    for partition in again(consumer.committed, consumer.assignment(), PATIENCE):
        partition.offset = partition.offset if partition.offset >= 0 else OFFSET_BEGINNING
        again(consumer.seek, partition)


def again(call, *arguments):
    """The call, repeated for as long as it may be."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return call(*arguments)
        except KafkaException as refused:
            if not refused.args[0].retriable() or time.monotonic() > until:
                raise


if __name__ == "__main__":
    main(*sys.argv[1:])
