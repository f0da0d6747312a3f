"""confluent-kafka (librdkafka) behind the common command line."""
import sys
import zlib

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

PART = 1011


def produce(bootstrap, topic, codec, count, partitions, pool_file):
    with open(pool_file, "rb") as file:
        pool = file.read()
    settings = {
        "bootstrap.servers": bootstrap, "compression.type": codec, "acks": "all", "enable.idempotence": True,
        "linger.ms": 20, "batch.size": 1000000, "queue.buffering.max.messages": 500000,
    }
    try:
        producer = Producer(settings)
    except KafkaException as error:
        print(error, file=sys.stderr)
        sys.exit(77 if "compression" in str(error) else 1)
    failures = []

    def delivered(error, _message):
        if error is not None:
            failures.append(error)

    for i in range(int(count)):
        key = None if i % 7 == 3 and i % 97 != 5 else f"k{i}"
        start = (i * 1031) % (len(pool) - PART)
        value = None if i % 97 == 5 else b"%012d:" % i + pool[start:start + PART]
        headers = [("h", str(i)), ("h", b"again"), ("e", b"")]
        while True:
            try:
                producer.produce(topic, value, key, i % int(partitions), delivered, headers=headers)
                break
            except BufferError:
                producer.poll(0.5)
        producer.poll(0)
    if producer.flush(120) or failures:
        sys.exit(f"not delivered: {failures[:3]}")


def consume(bootstrap, topic, count, partitions):
    consumer = Consumer({
        "bootstrap.servers": bootstrap, "group.id": f"confluent-{topic}", "auto.offset.reset": "earliest",
        "message.max.bytes": 65536, "fetch.max.bytes": 65536, "fetch.message.max.bytes": 32768,
        "enable.partition.eof": True,
    })
    consumer.subscribe([topic])
    seen = 0
    while seen < int(count):
        for message in consumer.consume(500, 0.2):
            if message.error():
                if message.error().code() == KafkaError._PARTITION_EOF:
                    continue
                sys.exit(str(message.error()))
            seen += 1
            key, value = message.key(), message.value()
            headers = ",".join(f"{name}={(data or b'').decode()}" for name, data in message.headers() or [])
            print(
                message.partition(), message.offset(), "-" if key is None else "=" + key.decode(),
                "-" if value is None else f"={len(value)}:{zlib.crc32(value):08x}", headers, sep="\t",
            )
    consumer.close()


if __name__ == "__main__":
    {"produce": produce, "consume": consume}[sys.argv[1]](*sys.argv[2:])
