"""Record batches, built and read without any library: every attribute, every codec, and every way to get them wrong.

The compressors store: what they write is a valid stream that holds the data as it is. The readers understand stored
and, but for zstd, also really compressed streams.
"""
import gzip
import struct
import zlib

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
CODECS = {"none": NONE, "gzip": GZIP, "snappy": SNAPPY, "lz4": LZ4, "zstd": ZSTD}
APPEND_TIME, TRANSACTIONAL, CONTROL, DELETE_HORIZON = 8, 16, 32, 64
HEADER = struct.Struct(">qiibIhiqqqhii")
HEADER_BYTES = HEADER.size


def _table() -> list[int]:
    rows = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        rows.append(byte)
    return rows


_CRC = _table()


def crc32c(data: bytes) -> int:
    value = 0xFFFFFFFF
    for byte in data:
        value = _CRC[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF


def varint(value: int) -> bytes:
    """Zigzag, as all numbers in records."""
    value = value << 1 ^ value >> 63
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _sized(data: bytes | None) -> bytes:
    return varint(-1) if data is None else varint(len(data)) + data


def record(value: bytes | None = b"v", key: bytes | None = None, offset_delta=0, timestamp_delta=0, headers=(), attributes=0) -> bytes:
    """One record of format 2, with its length in front."""
    body = struct.pack("b", attributes) + varint(timestamp_delta) + varint(offset_delta) + _sized(key) + _sized(value)
    body += varint(len(headers))
    for name, content in headers:
        body += _sized(name) + _sized(content)
    return varint(len(body)) + body


def records(count: int, size=10, key: bytes | None = b"k", step_ms=0) -> list[bytes]:
    return [record(b"%0*d" % (size, n), key and key + b"%d" % n, n, n * step_ms) for n in range(count)]


def batch(
    items: list[bytes] | None = None, codec=NONE, attributes=0, timestamp=1_700_000_000_000, max_timestamp=None, base_offset=0,
    leader_epoch=-1, magic=2, crc=None, length=None, last_delta=None, pid=-1, epoch=-1, sequence=-1, count=None, payload=None,
) -> bytes:
    """A batch of format 2; what is given instead of computed may be as wrong as the caller likes."""
    items = [record()] if items is None else items
    payload = compress(codec, b"".join(items)) if payload is None else payload
    count = len(items) if count is None else count
    last_delta = len(items) - 1 if last_delta is None else last_delta
    covered = struct.pack(
        ">hiqqqhii", attributes | codec, last_delta, timestamp, timestamp if max_timestamp is None else max_timestamp,
        pid, epoch, sequence, count,
    ) + payload
    crc = crc32c(covered) if crc is None else crc
    after = struct.pack(">ibI", leader_epoch, magic, crc) + covered
    return struct.pack(">qi", base_offset, len(after) if length is None else length) + after


def control(kind: int, pid: int, epoch: int, coordinator_epoch=0, timestamp=1_700_000_000_000) -> bytes:
    """A control batch: an abort (0) or commit (1) marker."""
    item = record(struct.pack(">hi", 0, coordinator_epoch), struct.pack(">hh", 0, kind))
    return batch([item], attributes=TRANSACTIONAL | CONTROL, pid=pid, epoch=epoch, timestamp=timestamp)


def old_message(magic: int, value: bytes = b"v", key: bytes | None = b"k", codec=NONE, offset=0, timestamp=1_700_000_000_000, crc=None) -> bytes:
    """One message of format 0 or 1."""
    body = struct.pack(">bb", magic, codec) + (struct.pack(">q", timestamp) if magic == 1 else b"")
    for part in (key, value):
        body += struct.pack(">i", -1) if part is None else struct.pack(">i", len(part)) + part
    crc = zlib.crc32(body) if crc is None else crc
    return struct.pack(">qiI", offset, len(body) + 4, crc) + body


# Codecs --------------------------------------------------------------------------------------------------------------

XERIAL = b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1)


def compress(codec: int, data: bytes) -> bytes:
    if codec == GZIP:
        return gzip.compress(data, mtime=0)
    if codec == SNAPPY:
        block = _uvarint(len(data)) + _snappy_literals(data)
        return XERIAL + struct.pack(">i", len(block)) + block
    if codec == LZ4:
        # Frame version 1, independent blocks of at most 64 KiB, no checksums; 0x82 is the header's check byte.
        out = bytes.fromhex("04224d18604082")
        for at in range(0, len(data), 65536):
            piece = data[at:at + 65536]
            out += struct.pack("<I", len(piece) | 1 << 31) + piece
        return out + bytes(4)
    if codec == ZSTD:
        # A single segment with its size in 4 bytes, then raw blocks.
        out = bytes.fromhex("28b52ffda0") + struct.pack("<I", len(data))
        pieces = [data[at:at + 65536] for at in range(0, len(data), 65536)] or [b""]
        for number, piece in enumerate(pieces):
            out += struct.pack("<I", len(piece) << 3 | (number + 1 == len(pieces)))[:3] + piece
        return out
    return data


def _uvarint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def _snappy_literals(data: bytes) -> bytes:
    out = b""
    for at in range(0, len(data), 65536):
        piece = data[at:at + 65536]
        out += bytes([61 << 2]) + struct.pack("<H", len(piece) - 1) + piece
    return out


def decompress(codec: int, data: bytes) -> bytes | None:
    """The data, or None where this reader does not understand the stream."""
    if codec == NONE:
        return data
    try:
        if codec == GZIP:
            return gzip.decompress(data)
        if codec == SNAPPY:
            return _unsnap(data)
        if codec == LZ4:
            return _unlz4(data)
        return _unzstd(data)
    except (IndexError, struct.error, EOFError, OSError, zlib.error):
        return None


def _unsnap(data: bytes) -> bytes:
    if not data.startswith(XERIAL[:8]):
        return _unsnap_block(data)
    out, at = b"", 16
    while at < len(data):
        [length] = struct.unpack_from(">i", data, at)
        out += _unsnap_block(data[at + 4:at + 4 + length])
        at += 4 + length
    return out


def _unsnap_block(data: bytes) -> bytes:
    at = 0
    while data[at] >= 0x80:
        at += 1
    at += 1
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        kind = tag & 3
        if kind == 0:
            length = tag >> 2
            if length >= 60:
                extra = length - 59
                length = int.from_bytes(data[at:at + extra], "little")
                at += extra
            out += data[at:at + length + 1]
            at += length + 1
            continue
        if kind == 1:
            length, distance = (tag >> 2 & 7) + 4, (tag >> 5) << 8 | data[at]
            at += 1
        else:
            width = 2 if kind == 2 else 4
            length, distance = (tag >> 2) + 1, int.from_bytes(data[at:at + width], "little")
            at += width
        _copy(out, distance, length)
    return bytes(out)


def _copy(out: bytearray, distance: int, length: int) -> None:
    for _ in range(length):
        out.append(out[-distance])


def _unlz4(data: bytes) -> bytes:
    flags = data[4]
    at = 7 + (8 if flags & 8 else 0)
    out = bytearray()
    while True:
        [size] = struct.unpack_from("<I", data, at)
        at += 4
        if size == 0:
            return bytes(out)
        piece = data[at:at + (size & 0x7FFFFFFF)]
        at += len(piece) + (4 if flags & 16 else 0)
        if size >> 31:
            out += piece
        else:
            _unlz4_block(out, piece)


def _unlz4_block(out: bytearray, data: bytes) -> None:
    at = 0

    def extended(length: int) -> int:
        nonlocal at
        if length == 15:
            while True:
                length += data[at]
                at += 1
                if data[at - 1] != 255:
                    break
        return length

    while at < len(data):
        token = data[at]
        at += 1
        literals = extended(token >> 4)
        out += data[at:at + literals]
        at += literals
        if at >= len(data):
            return
        distance = data[at] | data[at + 1] << 8
        at += 2
        _copy(out, distance, extended(token & 15) + 4)


def _unzstd(data: bytes) -> bytes | None:
    descriptor = data[4]
    at = 5 + (0 if descriptor & 32 else 1) + (0, 1, 2, 4)[descriptor & 3]
    at += (1 if descriptor & 32 else 0, 2, 4, 8)[descriptor >> 6]
    out = b""
    while True:
        header = int.from_bytes(data[at:at + 3], "little")
        at += 3
        size, kind = header >> 3, header >> 1 & 3
        if kind == 0:
            out += data[at:at + size]
            at += size
        elif kind == 1:
            out += data[at:at + 1] * size
            at += 1
        else:
            return None
        if header & 1:
            return out


# Reading -------------------------------------------------------------------------------------------------------------


def describe(data: bytes | None) -> list[dict] | None:
    """The whole batches in `data`, each as a dict. A batch cut off by the fetch's limit is left out: clients drop it."""
    if data is None:
        return None
    found, at = [], 0
    while at + 17 <= len(data):
        base, length = struct.unpack_from(">qi", data, at)
        if length < 0 or at + 12 + length > len(data):
            break
        found.append(_describe_one(data[at:at + 12 + length]))
        at += 12 + length
    return found


def _describe_one(data: bytes) -> dict:
    if data[16] != 2:
        return {"Magic": data[16], "Bytes": data.hex()}
    base, length, leader_epoch, magic, crc, attributes, delta, first, last, pid, epoch, sequence, count = HEADER.unpack_from(data)
    payload = data[HEADER_BYTES:]
    told = {
        "BaseOffset": base, "LeaderEpoch": leader_epoch, "Magic": magic, "CrcIsRight": crc == crc32c(data[21:]),
        "Attributes": attributes, "LastOffsetDelta": delta, "BaseTimestamp": first, "ProducerId": pid, "ProducerEpoch": epoch,
        "BaseSequence": sequence, "Count": count,
    }
    if attributes & CONTROL:
        # Markers are made by the broker, at a time of its own.
        told["FirstAppendTimeMs"] = told.pop("BaseTimestamp")
    told["AppendTimeMs" if attributes & (APPEND_TIME | CONTROL) else "MaxTimestamp"] = last
    plain = decompress(attributes & 7, payload)
    told["Records" if plain is not None else "Payload"] = (payload if plain is None else plain).hex()
    return told
