"""Every client with every codec: 200,000 records of 1 KiB through 1 MiB segments and small fetch limits, each once and in order."""
import queue
import threading

from harness import clients, wire
from harness.context import Context
from harness.install import need
from harness.records import Expected
from harness.session import Session, Stage, Stagehand
from harness.shell import Failed

PARTITIONS = 3
SEGMENTS_FLOOR = 150


def run(context: Context) -> None:
    expected = Expected(context.size(200_000, 2_000), PARTITIONS)
    waiting: queue.SimpleQueue = queue.SimpleQueue()
    for client in context.clients:
        waiting.put(client)
    with context.broker("codecs") as broker:
        stagehand = Stagehand(broker)

        def work() -> None:
            idle: dict[str, list[Session]] = {}
            while not waiting.empty():
                try:
                    client = waiting.get_nowait()
                except queue.Empty:
                    break
                for codec in clients.CODECS:
                    reader = reader_of(context, client, codec)
                    context.check(client, f"codec {codec}", one, broker, stagehand, client, reader, codec, expected, idle)
            for sessions in idle.values():
                for session in sessions:
                    session.close()

        workers = [threading.Thread(target=work) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        stagehand.close()


def reader_of(context: Context, client: str, codec: str) -> str:
    """In the short form clients read what they wrote; in full another one does, with each codec a different one."""
    if context.quick:
        return client
    others = [one for one in context.clients if one == client or codec not in clients.WITHOUT_CODECS.get(one, ())]
    return others[(others.index(client) + 1 + clients.CODECS.index(codec)) % len(others)]


def one(broker, stagehand: Stagehand, client: str, reader: str, codec: str, expected: Expected, idle: dict) -> str:
    need(clients.part_of(client), clients.part_of(reader))
    count = expected.count
    limit = max(60.0, count / 500)
    with Stage(broker, stagehand, client, f"codec {codec}", idle.setdefault(client, []), limit) as stage:
        topic = stage.topic(PARTITIONS, **{"segment.bytes": 1 << 20})
        stage.session().ask("produce", topic, count, PARTITIONS, codec=codec)
    ends = wire.offsets(broker.port, topic, PARTITIONS)
    if ends != [len(records) for records in expected.by_partition]:
        raise Failed(f"{count} records were sent and the partitions end at {ends}")
    segments = broker.segments(topic)
    if count >= 200_000 and segments < SEGMENTS_FLOOR:
        raise Failed(f"{segments} segments on disk, at least {SEGMENTS_FLOOR} were wanted")
    with Stage(broker, stagehand, reader, f"reads {topic}", idle.setdefault(reader, []), limit) as stage:
        player = stage.session()
        player.ask("assign", topic, PARTITIONS, "earliest")
        expected.compare(player.read(count, limit), client, reader)
    stagehand.ask("delete", topic)
    return f"{count} records, {segments} segments" + ("" if reader == client else f", read by {reader}")
