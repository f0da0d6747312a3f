"""What a client meets on a full disk; each verb prints one line.

    full.py BOOTSTRAP create TOPIC         "ok", or the number of the broker's error and its message
    full.py BOOTSTRAP commit TOPIC GROUP   reads a record and commits behind it: the offset
    full.py BOOTSTRAP transaction TOPIC ID "open" once records are written; a line on the input, then "committed" or "aborted"
"""
import sys

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

PATIENCE = 30


def create(bootstrap, topic):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    try:
        admin.create_topics([NewTopic(topic, 1, 1)], request_timeout=PATIENCE)[topic].result(PATIENCE)
        return "ok"
    except KafkaException as refused:
        return f"{refused.args[0].code()} {refused.args[0].str()}"


def commit(bootstrap, topic, group):
    consumer = Consumer({
        "bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest",
    })
    consumer.subscribe([topic])
    message = consumer.poll(PATIENCE)
    if message is None or message.error():
        sys.exit(f"nothing to read: {message and message.error()}")
    committed = consumer.commit(message=message, asynchronous=False)
    consumer.close()
    return committed[0].offset


def transaction(bootstrap, topic, identity):
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": identity, "transaction.timeout.ms": 600000})
    producer.init_transactions(PATIENCE)
    producer.begin_transaction()
    for number in range(100):
        producer.produce(topic, b"%d" % number)
    producer.flush(PATIENCE)
    print("open", flush=True)
    if sys.stdin.readline().strip() == "abort":
        producer.abort_transaction(PATIENCE)
        return "aborted"
    producer.commit_transaction(PATIENCE)
    return "committed"


if __name__ == "__main__":
    bootstrap, verb, *rest = sys.argv[1:]
    print({"create": create, "commit": commit, "transaction": transaction}[verb](bootstrap, *rest), flush=True)
