"""One member of a consumer group that tells what it owns and reads.

    member.py BOOTSTRAP GROUP TOPIC|^PATTERN ASSIGNOR INSTANCE-ID|-

With server-ASSIGNOR the coordinator assigns (group.protocol=consumer). With a pattern PARTITION is TOPIC:PARTITION below.

Lines: "MILLIS + PARTITION", "MILLIS - PARTITION", "MILLIS r PARTITION FIRST-OFFSET LAST-OFFSET". SIGTERM ends it cleanly.
"""
import signal
import sys
import time

from confluent_kafka import Consumer, KafkaException

stopping = False


def tell(*words):
    print(int(time.time() * 1000), *words, flush=True)


def main(bootstrap, group, topic, assignor, instance):
    def stop(*_):
        global stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    settings = {
        "bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False,
        # New topics are looked for as often.
        "topic.metadata.refresh.interval.ms": 2000,
        # A connection cut again and again is waited for up to 10 s by default: then the session can be over before it is back.
        "reconnect.backoff.max.ms": 1000,
    }
    if assignor.startswith("server-"):
        settings |= {"group.protocol": "consumer", "group.remote.assignor": assignor.removeprefix("server-")}
    else:
        settings |= {"partition.assignment.strategy": assignor, "session.timeout.ms": 12000, "heartbeat.interval.ms": 1000}
    if instance != "-":
        settings["group.instance.id"] = instance
    consumer = Consumer(settings)

    def place(name, partition):
        return f"{name}:{partition}" if topic.startswith("^") else partition

    def gained(_consumer, partitions):
        for one in partitions:
            tell("+", place(one.topic, one.partition))

    def lost(_consumer, partitions):
        for one in partitions:
            tell("-", place(one.topic, one.partition))

    consumer.subscribe([topic], on_assign=gained, on_revoke=lost, on_lost=lost)
    while not stopping:
        read = {}
        for message in consumer.consume(500, 0.1):
            if message.error():
                sys.exit(str(message.error()))
            where = place(message.topic(), message.partition())
            first, _ = read.get(where, (message.offset(), 0))
            read[where] = (first, message.offset())
        for where, (first, last) in read.items():
            tell("r", where, first, last)
        if read:
            try:
                consumer.commit(asynchronous=False)
            except KafkaException as refused:
                print(refused, file=sys.stderr)  # a rebalance is under way: the next owner reads these again
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
