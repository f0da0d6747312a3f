"""Every client with every codec: 200,000 records of 1 KiB through 1 MiB segments and small fetch limits, each once and in order."""
from harness import clients, wire
from harness.context import Context
from harness.install import need
from harness.records import Expected
from harness.shell import Failed, Skip

PARTITIONS = 3
SEGMENTS_FLOOR = 150


def run(context: Context) -> None:
    count = context.size(200_000, 2_000)
    expected = Expected(count, PARTITIONS)
    with context.broker("codecs") as broker:
        create_topics(broker, [topic_of(c, z) for z in clients.CODECS for c in clients.MATRIX])
        for codec in clients.CODECS:
            for index, client in enumerate(clients.MATRIX):
                passed = context.check(client, f"codec {codec}", one, context, broker, client, codec, expected)
                if passed and not context.quick:
                    other = clients.MATRIX[(index + 1 + clients.CODECS.index(codec)) % len(clients.MATRIX)]
                    if other != client:
                        context.check(other, f"reads {client}'s {codec}", read, broker, client, other, codec, expected)


def one(context: Context, broker, client: str, codec: str, expected: Expected) -> str:
    need(client)
    topic, count = topic_of(client, codec), expected.count
    try:
        clients.produce(client, broker.bootstrap, topic, codec, count, PARTITIONS, context.size(300, 60))
    except Skip:
        fails_against_the_jvm_too(context, client, codec, expected)
        raise
    ends = wire.offsets(broker.port, topic, PARTITIONS)
    if ends != [len(lines) for lines in expected.numbered]:
        raise Failed(f"{count} records were sent and the partitions end at {ends}")
    read(broker, client, client, codec, expected)
    segments = broker.segments(topic)
    if count >= 200_000 and segments < SEGMENTS_FLOOR:
        raise Failed(f"{segments} segments on disk, at least {SEGMENTS_FLOOR} were wanted")
    return f"{count} records, {segments} segments"


def read(broker, producer: str, consumer: str, codec: str, expected: Expected) -> str:
    timeout = max(60, expected.count / 1000)
    printed = clients.consume(consumer, broker.bootstrap, topic_of(producer, codec), expected.count, PARTITIONS, timeout)
    expected.compare(printed, clients.FIXED_HEADERS.get(producer))
    return f"{expected.count} records"


def topic_of(client: str, codec: str) -> str:
    return f"codec-{client}-{codec}"


def create_topics(broker, topics: list[str]) -> None:
    """1 MiB is the smallest segment Kafka allows."""
    clients.run(clients.java("Admin", "create", broker.bootstrap, PARTITIONS, "segment.bytes=1048576", *topics), timeout=120)
    wire.await_topics(broker.port, {topic: PARTITIONS for topic in topics})


def fails_against_the_jvm_too(context: Context, client: str, codec: str, expected: Expected) -> None:
    """A codec may only be missing because of the client: then it is missing against Kafka as well."""
    if context.kind == "jvm":
        return
    with context.broker("codecs-jvm", kind="jvm") as other:
        topic = topic_of(client, codec)
        create_topics(other, [topic])
        try:
            clients.produce(client, other.bootstrap, topic, codec, expected.count, PARTITIONS, 60)
        except Skip:
            return
    raise Failed(f"{client} sends {codec} to Kafka but not to this broker")
