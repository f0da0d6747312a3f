"""One member of a consumer group that tells what it owns and reads.

    member.py BOOTSTRAP GROUP TOPIC ASSIGNOR INSTANCE-ID|-

With server-ASSIGNOR the coordinator assigns (group.protocol=consumer).

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
    }
    if assignor.startswith("server-"):
        settings |= {"group.protocol": "consumer", "group.remote.assignor": assignor.removeprefix("server-")}
    else:
        settings |= {"partition.assignment.strategy": assignor, "session.timeout.ms": 12000, "heartbeat.interval.ms": 1000}
    if instance != "-":
        settings["group.instance.id"] = instance
    consumer = Consumer(settings)

    def gained(_consumer, partitions):
        for one in partitions:
            tell("+", one.partition)

    def lost(_consumer, partitions):
        for one in partitions:
            tell("-", one.partition)

    consumer.subscribe([topic], on_assign=gained, on_revoke=lost, on_lost=lost)
    while not stopping:
        read = {}
        for message in consumer.consume(500, 0.1):
            if message.error():
                sys.exit(str(message.error()))
            first, _ = read.get(message.partition(), (message.offset(), 0))
            read[message.partition()] = (first, message.offset())
        for partition, (first, last) in read.items():
            tell("r", partition, first, last)
        if read:
            try:
                consumer.commit(asynchronous=False)
            except KafkaException as refused:
                print(refused, file=sys.stderr)  # a rebalance is under way: the next owner reads these again
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
