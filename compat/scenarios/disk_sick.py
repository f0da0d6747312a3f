"""One of two log directories goes bad, and the other serves on; a flipped byte in a cold segment is found, named and not served."""
import os
import struct
import subprocess
import urllib.request
from pathlib import Path

from diff.batches import batch
from harness import clients, wire
from harness.check import eventually, expect
from harness.context import Context
from harness.install import need
from harness.shell import run as run_program

from .disk_full import cannot_mount, metric, mount_tmpfs

MIB = 1 << 20
RECORDS = 9_000
# KAFKA_STORAGE_ERROR and CORRUPT_MESSAGE.
STORAGE_ERROR, CORRUPT = 56, "2"
HEADER = struct.Struct(">qi")


def run(context: Context) -> None:
    need("confluent", "java")
    if context.kind == "jvm":
        return
    damaged(context)
    failing(context)


def damaged(context: Context) -> None:
    with context.broker("disk-damaged", {"ottla.scrub.bytes.per.second": "0"}) as broker:
        for topic in ("read", "scrubbed"):
            run_program(clients.java("Admin", "create", broker.bootstrap, 1, f"segment.bytes={MIB}", topic), timeout=60)
            clients.produce("confluent", broker.bootstrap, topic, "none", RECORDS, 1, 60)
        broker.stop()
        places = {topic: flip(broker.partition_dirs(topic)[0]) for topic in ("read", "scrubbed")}
        broker.start()
        context.check("librdkafka", "a damaged batch, read cold", read_cold, broker, *places["read"])
        broker.stop()
        broker.properties["ottla.scrub.bytes.per.second"] = str(1 << 30)
        broker.choose_ports()
        broker.start()
        context.check("broker", "a damaged batch, scrubbed", scrubbed, broker, *places["scrubbed"])


def flip(directory: Path) -> tuple[int, int, int]:
    """One bit of a batch in the middle of the second segment. Answers its first offset, the one behind it and its position."""
    path = sorted(directory.glob("*.log"))[1]
    data = bytearray(path.read_bytes())
    position, batches = 0, []
    while position < len(data):
        base, length = HEADER.unpack_from(data, position)
        last = struct.unpack_from(">i", data, position + 23)[0]
        batches.append((base, base + last + 1, position, length))
        position += 12 + length
    base, following, position, length = batches[len(batches) // 2]
    with open(path, "r+b") as file:
        file.seek(position + 12 + length // 2)
        file.write(bytes([data[position + 12 + length // 2] ^ 1]))
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return base, following, position


def named(broker, topic: str, base: int, position: int) -> None:
    found = [text for text in metrics(broker, "ottla_log_damaged_batch_position") if f'topic="{topic}"' in text]
    expect(len(found) == 1 and 'partition="0"' in found[0] and f'offset="{base}"' in found[0], "the batch is on /metrics", "\n".join(found))
    expect(float(found[0].rsplit(" ", 1)[1]) == position, "with its position", found[0])
    told = [text for text in broker.log_file.read_text().splitlines() if "a batch is damaged" in text and f"{topic}-0" in text]
    expect(len(told) == 1 and str(position) in told[0], "it is named once in the log", "\n".join(told))


def metrics(broker, name: str) -> list[str]:
    text = urllib.request.urlopen(f"http://127.0.0.1:{broker.admin_port}/metrics", timeout=5).read().decode()
    return [line for line in text.splitlines() if line.startswith(name)]


def read(broker, topic: str, offset: int) -> tuple[int, int, str]:
    said = run_program(clients.confluent("sick.py", broker.bootstrap, topic, 0, offset), timeout=90).stdout.decode().split()
    return int(said[0]), int(said[1]), said[2]


def read_cold(broker, base: int, following: int, position: int) -> str:
    count, stopped, error = read(broker, "read", 0)
    expect((count, stopped, error) == (base, base, CORRUPT), f"{count} records up to {stopped}, then {error}; the damage is at {base}")
    named(broker, "read", base, position)
    count, stopped, error = read(broker, "read", following)
    expect((stopped, error) == (RECORDS, "end") and count == RECORDS - following, f"behind it {count} records up to {stopped}, then {error}")
    return f"{base} records before it, {count} behind it"


def scrubbed(broker, base: int, following: int, position: int) -> str:
    eventually(lambda: metric(broker, "ottla_log_scrub_rounds") >= 1, "a round ends", 30)
    named(broker, "scrubbed", base, position)
    count, stopped, error = read(broker, "scrubbed", 0)
    expect((count, error) == (base, CORRUPT), f"{count} records up to {stopped}, then {error}")
    return f"{int(metric(broker, 'ottla_log_scrub_checked_bytes')) // MIB} MiB checked"


def failing(context: Context) -> None:
    broker = context.broker("disk-sick", {"log.flush.offset.checkpoint.interval.ms": "500"})
    mounted = broker.root / "second"
    if not mount_tmpfs(mounted, 64 * MIB):
        context.check("broker", "disk-sick", cannot_mount)
        return
    try:
        (mounted / "data").mkdir()
        broker.properties["log.dirs"] = f"{broker.data},{mounted / 'data'}"
        broker.choose_ports()
        with broker:
            context.check("broker", "one directory of two fails", one_fails, broker, mounted)
    finally:
        broker.kill()
        subprocess.run(["umount", "-l", mounted], check=False)
        broker.close()


def one_fails(broker, mounted: Path) -> str:
    """The second directory's file system is taken away below the broker."""
    topics = [f"spread-{number}" for number in range(6)]
    run_program(clients.java("Admin", "create", broker.bootstrap, 1, "retention.ms=-1", *topics), timeout=60)
    for topic in topics:
        clients.produce("confluent", broker.bootstrap, topic, "none", 500, 1, 60)
    lost = sorted(topic for topic in topics if (mounted / "data" / f"{topic}-0").exists())
    kept = sorted(set(topics) - set(lost))
    expect(lost and kept, f"{len(lost)} and {len(kept)} partitions in the two directories")
    subprocess.run(["umount", "-l", mounted], check=True)
    eventually(lambda: wire.produce(broker.port, lost[0], 0, batch()) == STORAGE_ERROR, "its partitions say so", 30)
    eventually(lambda: metric(broker, "ottla_log_directory_offline") == 1, "one directory is offline", 10)
    for topic in lost:
        leader = wire.metadata(broker.port, [topic])[1][topic][0]
        expect(leader[0] in (5, 56) or leader[1] == -1, f"{topic} has {leader}")
    for topic in kept:
        expect(wire.produce(broker.port, topic, 0, batch()) == 0, f"{topic} takes records")
        count, _, error = read(broker, topic, 0)
        expect((count, error) == (501, "end"), f"{topic} gives {count} records, then {error}")
    expect(broker.process.poll() is None, "the broker lives")
    return f"{len(lost)} partitions offline, {len(kept)} serve"
