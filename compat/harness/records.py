"""The records every client sends (clients/README.md), and the check of what came back."""
import random
import zlib
from pathlib import Path

from .shell import WORK, Failed

PART = 1011
POOL_BYTES = 4 << 20
# 188 of 256 byte values: no codec gains more than about 6 %, and the two delimiters of kcat's input are left out.
ALPHABET = bytes([*range(0x21, 0x7F), *range(0xA1, 0xFF)])


def pool() -> Path:
    """The file of noise that values are cut from; the same on every machine."""
    path = WORK / "noise.bin"
    if not path.exists() or path.stat().st_size != POOL_BYTES:
        noise = random.Random(20260701).randbytes(POOL_BYTES)
        table = bytes(ALPHABET[n % len(ALPHABET)] for n in range(256))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(noise.translate(table))
    return path


def headers(number: int, producer: str, reader: str) -> str:
    """What a reader shows of what a producer could send."""
    sent = [("h", "kcat" if producer == "kcat" else str(number)), ("h", "again"), ("e", "")]
    if producer == "rskafka":
        sent = [("e", ""), ("h", str(number))]
    if reader == "rskafka":
        sent = sorted(dict(sent).items())
    return ",".join(f"{name}={value}" for name, value in sent)


class Expected:
    """`count` records of a topic filled from 0 on: number i is in partition i % partitions at offset i // partitions."""

    def __init__(self, count: int, partitions: int, first: int = 0, size: int | None = None):
        noise = pool().read_bytes()
        self.count = count
        self.by_partition: list[list[tuple[int, str]]] = [[] for _ in range(partitions)]
        for i in range(first, first + count):
            key = "-" if i % 7 == 3 and i % 97 != 5 else f"=k{i}"
            value = "-"
            if size:
                value = f"={size}:{zlib.crc32(noise[:size]):08x}"
            elif i % 97 != 5:
                start = (i * 1031) % (POOL_BYTES - PART)
                value = f"={PART + 13}:{zlib.crc32(noise[start:start + PART], zlib.crc32(b'%012d:' % i)):08x}"
            self.by_partition[i % partitions].append((i, f"{i % partitions}\t{i // partitions}\t{key}\t{value}\t"))

    def compare(self, lines: list[str], producer: str, reader: str) -> None:
        """Every record once and each partition in order; the first difference is told in full."""
        at = [0] * len(self.by_partition)
        for line in lines:
            partition = int(line.split("\t", 1)[0])
            if partition >= len(at) or at[partition] >= len(self.by_partition[partition]):
                raise Failed(f"a record too many in partition {partition}: {line!r}")
            number, expected = self.by_partition[partition][at[partition]]
            expected += headers(number, producer, reader)
            if line != expected:
                raise Failed(f"read {line!r} where {expected!r} was sent")
            at[partition] += 1
        if sum(at) != self.count:
            raise Failed(f"read {sum(at)} of {self.count} records: {at} by partition")


def producer_ids(directories: list[Path]) -> set[int]:
    """The producer ids in the headers of all batches (magic 2) of a topic's log files."""
    found = set()
    for file in (file for directory in directories for file in sorted(directory.glob("*.log"))):
        data, at = file.read_bytes(), 0
        while at + 61 <= len(data) and int.from_bytes(data[at + 8:at + 12]):
            found.add(int.from_bytes(data[at + 43:at + 51], signed=True))
            at += 12 + int.from_bytes(data[at + 8:at + 12])
    return found
