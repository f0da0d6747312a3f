"""The records every client sends in the codec matrix (clients/README.md), and the check of what came back."""
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


class Expected:
    """The lines a consumer must print, by partition, in order."""

    def __init__(self, count: int, partitions: int):
        noise = pool().read_bytes()
        self.count, self.partitions = count, partitions
        self.numbered: list[list[str]] = [[] for _ in range(partitions)]
        for i in range(count):
            offset = i // partitions
            key = "-" if i % 7 == 3 and i % 97 != 5 else f"=k{i}"
            value = "-"
            if i % 97 != 5:
                start = (i * 1031) % (POOL_BYTES - PART)
                value = f"={PART + 13}:{zlib.crc32(noise[start:start + PART], zlib.crc32(b'%012d:' % i)):08x}"
            self.numbered[i % partitions].append(f"{i % partitions}\t{offset}\t{key}\t{value}\th={i},h=again,e=")

    def compare(self, printed: bytes, fixed_headers: str | None = None) -> None:
        """Every record once and in order; the first difference is told in full."""
        at = [0] * self.partitions
        lines = printed.decode("utf-8", errors="replace").splitlines()
        for line in lines:
            partition = int(line.split("\t", 1)[0])
            if at[partition] >= len(self.numbered[partition]):
                raise Failed(f"a record too many in partition {partition}: {line!r}")
            expected = self.numbered[partition][at[partition]]
            if fixed_headers is not None:
                expected = expected.rsplit("\t", 1)[0] + "\t" + fixed_headers
            if line != expected:
                raise Failed(f"read {line!r} where {expected!r} was sent")
            at[partition] += 1
        if sum(at) != self.count:
            raise Failed(f"read {sum(at)} of {self.count} records: {at} by partition")
