"""Damages that are planted into a copy of a healthy directory, and where each is to be named."""
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from harness.check import expect

HEADER = 61
PARTITION = "kept-none-0"


class Batch(NamedTuple):
    position: int
    size: int
    base: int
    last: int
    attributes: int


@dataclass
class Damage:
    name: str
    # Answers the path and, where it matters, the byte that are to be named.
    plant: Callable[[Path], tuple[Path, int | None]]
    # --repair puts it right, and loses no more records than these.
    mended: bool = False
    lost: int = 0
    # Names of other files that may be named because of it.
    follows: tuple[str, ...] = ()


def plant(damage: Damage, copy: Path, root: Path) -> tuple[list[Path], tuple[Path, int | None]]:
    """The directories to be checked then, and the place."""
    if damage.plant is second_cluster:
        second = root / "second"
        shutil.rmtree(second, ignore_errors=True)
        second.mkdir()
        return [copy, second], second_cluster(copy)
    return [copy], damage.plant(copy)


def batches(log: Path) -> list[Batch]:
    data, found, at = log.read_bytes(), [], 0
    while at + HEADER <= len(data):
        base, length = struct.unpack_from(">qi", data, at)
        attributes, delta = struct.unpack_from(">hi", data, at + 21)
        found.append(Batch(at, 12 + length, base, base + delta, attributes))
        at += 12 + length
    return found


def logs(directory: Path, partition=PARTITION) -> list[Path]:
    found = sorted((directory / partition).glob("*.log"))
    expect(len(found) >= 4, f"{len(found)} segments of {partition}")
    return found


def patch(path: Path, at: int, change: Callable[[int], int]) -> None:
    data = bytearray(path.read_bytes())
    data[at] = change(data[at])
    path.chmod(0o644)
    path.write_bytes(data)


def flip(byte: int) -> int:
    return byte ^ 0x41


def flip_payload(directory: Path) -> tuple[Path, Batch]:
    """A bit of a record in the middle of a segment in the middle."""
    log = logs(directory)[1]
    found = batches(log)
    batch = found[len(found) // 2]
    patch(log, batch.position + HEADER + batch.size // 3, flip)
    return log, batch


def payload(directory: Path):
    log, batch = flip_payload(directory)
    return log, batch.position


def compressed_payload(directory: Path):
    log = sorted((directory / "kept-lz4-0").glob("*.log"))[0]
    batch = batches(log)[0]
    patch(log, batch.position + batch.size - 5, flip)
    return log, batch.position


def header(directory: Path):
    """The length of a batch."""
    log = logs(directory)[2]
    batch = batches(log)[1]
    patch(log, batch.position + 9, flip)
    return log, batch.position


def base_offset(directory: Path):
    """The checksum does not cover it."""
    log = logs(directory)[2]
    batch = batches(log)[2]
    patch(log, batch.position + 4, flip)
    return log, batch.position


def tail(directory: Path):
    log = logs(directory)[-1]
    batch = batches(log)[-1]
    with log.open("r+b") as file:
        file.truncate(batch.position + batch.size - 100)
    return log, batch.position


def zeros(directory: Path):
    log = logs(directory)[1]
    found = batches(log)
    page = next(batch for batch in found if batch.position > 8192).position // 4096 * 4096
    data = bytearray(log.read_bytes())
    data[page:page + 4096] = bytes(4096)
    log.write_bytes(data)
    hit = next(batch for batch in found if batch.position + batch.size > page)
    return log, hit.position


def missing_segment(directory: Path):
    found = logs(directory)
    for file in found[1].parent.glob(found[1].stem + ".*"):
        file.unlink()
    return found[2], 0


def swapped_segments(directory: Path):
    first, second = logs(directory)[1:3]
    aside = first.with_suffix(".aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)
    return first, 0


def truncated_index(directory: Path):
    index = logs(directory)[1].with_suffix(".index")
    with index.open("r+b") as file:
        file.truncate(index.stat().st_size - 3)
    return index, index.stat().st_size // 8 * 8


def half_index(directory: Path):
    index = logs(directory)[1].with_suffix(".index")
    half = index.stat().st_size // 16 * 8
    with index.open("r+b") as file:
        file.truncate(half)
    return index, half


def index_entry(directory: Path):
    index = logs(directory)[1].with_suffix(".index")
    patch(index, 8 * 3 + 7, flip)
    return index, 24


def time_entry(directory: Path):
    index = logs(directory)[1].with_suffix(".timeindex")
    patch(index, 12 + 7, flip) if index.stat().st_size > 12 else patch(index, 7, flip)
    return index, 12 if index.stat().st_size > 12 else 0


def txn_index(directory: Path):
    index = next(iter(sorted(file for file in directory.glob("numbered-*/*.txnindex") if file.stat().st_size)), None)
    expect(index, "a transaction index")
    with index.open("r+b") as file:
        file.truncate(index.stat().st_size - 34)
    return index, None


def epochs(directory: Path):
    path = directory / PARTITION / "leader-epoch-checkpoint"
    path.write_text("0\n1\n7 0\n")
    return path, None


def producer_snapshot(directory: Path):
    path = sorted((directory / PARTITION).glob("*.snapshot"))[-1]
    patch(path, path.stat().st_size - 3, flip)
    return path, None


def recovery_point(directory: Path):
    path = directory / "recovery-point-offset-checkpoint"
    lines = path.read_text().splitlines()
    name = PARTITION.rsplit("-", 1)[0]
    path.write_text("".join(f"{name} 0 99999999\n" if line.startswith(f"{name} 0 ") else f"{line}\n" for line in lines))
    return path, None


def checkpoint_line(directory: Path):
    path = directory / "replication-offset-checkpoint"
    path.write_text(path.read_text().replace(f"{PARTITION.rsplit('-', 1)[0]} 0 ", f"{PARTITION.rsplit('-', 1)[0]} zero "))
    return path, None


def second_cluster(directory: Path):
    second = directory.parent / "second" / "meta.properties"
    text = (directory / "meta.properties").read_text()
    lines = [line for line in text.splitlines() if not line.startswith(("cluster.id", "directory.id"))]
    second.write_text("\n".join([*lines, "cluster.id=AAAAAAAAAAAAAAAAAAAAAQ", "directory.id=AAAAAAAAAAAAAAAAAAAAZg"]) + "\n")
    return second, None


def topic_id(directory: Path):
    path = directory / PARTITION / "partition.metadata"
    path.write_text("version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAZg")
    return path, None


def group_record(directory: Path):
    """A value of a version that there is not, under a checksum that is right."""
    for log in sorted(directory.glob("__consumer_offsets-*/*.log")):
        data = bytearray(log.read_bytes())
        for batch in batches(log):
            if batch.attributes & 0x27:
                continue
            at = value_of_first_record(data, batch)
            if at is None:
                continue
            data[at:at + 2] = struct.pack(">h", 77)
            struct.pack_into(">I", data, batch.position + 17, crc32c(data[batch.position + 21:batch.position + batch.size]))
            log.write_bytes(data)
            return log, batch.position
    expect(False, "a record of a group")


def metadata_snapshot(directory: Path):
    path = sorted((directory / "__cluster_metadata-0").glob("*.checkpoint"))[-1]
    expect(not path.name.startswith("0" * 20), "a snapshot behind the first")
    patch(path, path.stat().st_size // 2, flip)
    return path, None


def metadata_log(directory: Path):
    log = sorted((directory / "__cluster_metadata-0").glob("*.log"))[0]
    found = batches(log)
    batch = found[len(found) // 2]
    patch(log, batch.position + batch.size - 2, flip)
    return log, batch.position


def value_of_first_record(data: bytes, batch: Batch) -> int | None:
    """Where the value of a batch's first record begins."""
    at = batch.position + HEADER
    _, at = varint(data, at)
    at += 1
    _, at = varint(data, at)
    _, at = varint(data, at)
    length, at = varint(data, at)
    at += max(length, 0)
    length, at = varint(data, at)
    return at if length >= 2 else None


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return (value >> 1) ^ -(value & 1), at


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 if crc & 1 else crc >> 1
    return crc ^ 0xFFFFFFFF


DAMAGES = [
    Damage("flipped payload byte", payload),
    Damage("flipped byte of a compressed payload", compressed_payload),
    Damage("flipped byte of a batch's length", header),
    Damage("flipped byte of a base offset", base_offset),
    Damage(
        "tail cut in the middle of a batch", tail, mended=True, lost=1000,
        follows=("recovery-point-offset-checkpoint", "replication-offset-checkpoint", PARTITION + "/"),
    ),
    Damage("zeroed page", zeros),
    Damage("missing middle segment", missing_segment),
    Damage("swapped segment names", swapped_segments, follows=(PARTITION + "/",)),
    Damage("truncated offset index", truncated_index, mended=True),
    Damage("offset index cut in half", half_index, mended=True),
    Damage("wrong offset index entry", index_entry, mended=True),
    Damage("wrong time index entry", time_entry, mended=True),
    Damage("truncated transaction index", txn_index, mended=True),
    Damage("wrong leader-epoch-checkpoint", epochs, mended=True),
    Damage("flipped byte of a producer snapshot", producer_snapshot, mended=True),
    Damage("recovery point behind the end", recovery_point, mended=True),
    Damage("malformed line of a checkpoint", checkpoint_line, mended=True),
    Damage("second directory of another cluster", second_cluster),
    Damage("wrong topic id in partition.metadata", topic_id),
    Damage("undecodable record of a group", group_record),
    Damage("flipped byte of a metadata snapshot", metadata_snapshot, mended=True),
    Damage("flipped byte of the metadata log", metadata_log),
]
