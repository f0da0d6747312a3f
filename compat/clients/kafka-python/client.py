"""kafka-python behind the common command line."""
import sys
import zlib

from kafka import KafkaConsumer, KafkaProducer

PART = 1011


def produce(bootstrap, topic, codec, count, partitions, pool_file):
    with open(pool_file, "rb") as file:
        pool = file.read()
    try:
        producer = KafkaProducer(
            bootstrap_servers=bootstrap, compression_type=None if codec == "none" else codec, acks="all",
            enable_idempotence=True, linger_ms=20, batch_size=131072,
        )
    except AssertionError as error:
        print(error, file=sys.stderr)
        sys.exit(77)
    futures = []
    for i in range(int(count)):
        key = None if i % 7 == 3 and i % 97 != 5 else b"k%d" % i
        start = (i * 1031) % (len(pool) - PART)
        value = None if i % 97 == 5 else b"%012d:" % i + pool[start:start + PART]
        headers = [("h", str(i).encode()), ("h", b"again"), ("e", b"")]
        futures.append(producer.send(topic, value=value, key=key, headers=headers, partition=i % int(partitions)))
        if len(futures) >= 5000:
            for future in futures:
                future.get(timeout=60)
            futures = []
    producer.flush(timeout=120)
    for future in futures:
        future.get(timeout=60)
    producer.close()


def consume(bootstrap, topic, count, partitions):
    consumer = KafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=f"kafka-python-{topic}", auto_offset_reset="earliest",
        max_partition_fetch_bytes=32768, fetch_max_bytes=65536, consumer_timeout_ms=60000,
    )
    seen = 0
    for record in consumer:
        seen += 1
        value = record.value
        headers = ",".join(f"{name}={(data or b'').decode()}" for name, data in record.headers)
        print(
            record.partition, record.offset, "-" if record.key is None else "=" + record.key.decode(),
            "-" if value is None else f"={len(value)}:{zlib.crc32(value):08x}", headers, sep="\t",
        )
        if seen == int(count):
            break
    consumer.close()


if __name__ == "__main__":
    {"produce": produce, "consume": consume}[sys.argv[1]](*sys.argv[2:])
