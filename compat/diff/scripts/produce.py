"""Produce: every attribute of a batch, every way to get one wrong, and the order an idempotent producer keeps."""
import struct

import batches
from batches import APPEND_TIME, CODECS, CONTROL, DELETE_HORIZON, TRANSACTIONAL, batch, old_message, record, records
from pair import Pair
from schema import ZERO_UUID

APIS = ["Produce"]
NOBODY = "bm9ib2R5IGhhcyB0aGlzIA"
T0 = 1_700_000_000_000
ids: dict[str, str] = {}


def run(pair: Pair) -> None:
    pair.step("topics")
    for name, configs in {
        "produced": {}, "produced-compact": {"cleanup_policy": "compact"}, "produced-append": {"message_timestamp_type": "LogAppendTime"},
        "produced-small": {"max_message_bytes": "200"}, "produced-insync": {"min_insync_replicas": "2"},
        "produced-bounded": {"message_timestamp_before_max_ms": "1000", "message_timestamp_after_max_ms": "1000"},
        "produced-plain": {"compression_type": "uncompressed"}, "produced-gzip": {"compression_type": "gzip"},
        "produced-lz4": {"compression_type": "lz4"}, "produced-snappy": {"compression_type": "snappy"},
        "produced-small-segments": {"segment_bytes": "1048576"},
    }.items():
        ids[name] = pair.topic(name, 2, **configs)
    for version in pair.versions("Produce"):
        requests(pair, version)
        attributes(pair, version)
    for version in pair.versions("Produce")[-2:]:
        broken(pair, version)
        topics(pair, version)
        old(pair, version)
        sequences(pair, version)
    pair.step("all that was written")
    for name in ids:
        read(pair, name)


def read(pair: Pair, topic: str, partition=0) -> None:
    pair.call("Fetch", 12, MaxWaitMs=0, MinBytes=0, Topics=[{"Topic": topic, "Partitions": [
        {"Partition": partition, "FetchOffset": 0, "PartitionMaxBytes": 1 << 24},
    ]}])


def data(name: str, *parts) -> dict:
    """A topic's part of a request: (partition, records) each."""
    return {"Name": name, "TopicId": ids.get(name, NOBODY), "PartitionData": [{"Index": i, "Records": r} for i, r in parts]}


def put(pair: Pair, version: int, raw, topic="produced", partition=0, acks=-1, **fields) -> dict | None:
    answer = pair.call("Produce", version, Acks=acks, TimeoutMs=5000, TopicData=[data(topic, (partition, raw))], **fields)
    return answer and answer["Responses"] and answer["Responses"][0]["PartitionResponses"][0]


def requests(pair: Pair, version: int) -> None:
    fine = batch(records(2))
    for acks in (-1, 1, 2, -2, 32767):
        pair.step(f"acks {acks}")
        put(pair, version, fine, acks=acks)
    pair.step("acks 0")
    pair.one_way("Produce", version, Acks=0, TimeoutMs=5000, TopicData=[data("produced", (0, fine))])
    pair.call("ApiVersions", 0)
    pair.step("acks 0 for an unknown topic")
    pair.one_way("Produce", version, at="one way", Acks=0, TimeoutMs=5000, TopicData=[data("nobody", (0, fine))])
    pair.call("SaslHandshake", 0, at="one way", Mechanism="PLAIN")
    for patience in (0, -1):
        pair.step(f"a timeout of {patience}")
        pair.call("Produce", version, Acks=-1, TimeoutMs=patience, TopicData=[data("produced", (1, fine))])
    steps = {
        "nothing": [],
        "a topic without partitions": [data("produced")],
        "two partitions": [data("produced", (0, fine), (1, fine))],
        "two topics": [data("produced", (0, fine)), data("produced-compact", (0, fine))],
        "an unknown partition": [data("produced", (2, fine))],
        "a negative partition": [data("produced", (-1, fine))],
        "an unknown topic": [data("nobody", (0, fine))],
        "known and unknown": [data("produced", (0, fine), (9, fine)), data("nobody", (0, fine))],
        "the zero id": [data("", (0, fine)) | {"TopicId": ZERO_UUID}],
        "an impossible name": [data("a b", (0, fine))],
        "no bytes": [data("produced", (0, b""))],
        "null topic data": None,
        "null partition data": [data("produced") | {"PartitionData": None}],
    }
    for step, told in steps.items():
        pair.step(step)
        pair.call("Produce", version, Acks=-1, TimeoutMs=5000, TopicData=told)
    pair.step("in-sync replicas missing")
    put(pair, version, fine, "produced-insync")
    put(pair, version, fine, "produced-insync", acks=1)
    if version >= 9:
        pair.step("unknown tagged fields")
        put(pair, version, fine, _tags={0: b"", 5: b"five"})


def attributes(pair: Pair, version: int) -> None:
    for codec, number in CODECS.items():
        pair.step(f"codec {codec}")
        put(pair, version, batch(records(3), number))
        pair.step(f"codec {codec}, append time")
        put(pair, version, batch(records(3), number), "produced-append")
    fine = records(2)
    for bits in (APPEND_TIME, TRANSACTIONAL, CONTROL, TRANSACTIONAL | CONTROL, DELETE_HORIZON, 128, 1 << 14, 5, 6, 7):
        pair.step(f"attributes {bits}")
        put(pair, version, batch(fine, attributes=bits))
    pair.step("control bit with a marker's record")
    put(pair, version, batches.control(1, -1, -1))


def broken(pair: Pair, version: int) -> None:
    fine, two = batch(records(2)), records(2)
    steps = {
        "wrong crc": batch(two, crc=1),
        "magic 3": batch(two, magic=3),
        "magic 127": batch(two, magic=127),
        "a length too short": batch(two, length=20),
        "a length too long": batch(two, length=len(fine)),
        "a length of 0": batch(two, length=0),
        "a negative length": batch(two, length=-1),
        "cut in the header": fine[:30],
        "cut after the length": fine[:12],
        "cut after the magic": fine[:17],
        "cut in a record": fine[:-1],
        "bytes behind": fine + b"\0",
        "many bytes behind": fine + bytes(70),
        "two batches": fine + fine,
        "a base offset": batch(two, base_offset=7),
        "a leader epoch": batch(two, leader_epoch=7),
        "count too high": batch(two, count=3),
        "count too low": batch(two, count=1),
        "count negative": batch(two, count=-1),
        "count 0": batch(two, count=0),
        "no record": batch([]),
        "no record, last delta 0": batch([], last_delta=0, count=0),
        "last delta too high": batch(two, last_delta=5),
        "last delta too low": batch(two, last_delta=0),
        "last delta negative": batch(two, last_delta=-1),
        "record with a negative length": batch([b"\x01"]),
        "record of length 0": batch([b"\0"]),
        "record too long": batch([b"\x7e" + record()[1:]]),
        "record too short": batch([b"\x04" + record()[1:]]),
        "record with attributes": batch([record(attributes=1)]),
        "null value": batch([record(None)]),
        "null key and value": batch([record(None, None)]),
        "empty key and value": batch([record(b"", b"")]),
        "headers": batch([record(headers=[(b"a", b"1"), (b"a", None), (b"", b"")])]),
        "null header key": batch([record(headers=[(None, b"1")])]),
        "timestamps": batch([record(timestamp_delta=5), record(offset_delta=1, timestamp_delta=-5)], max_timestamp=T0 + 5),
        "max timestamp too low": batch([record(timestamp_delta=5)], max_timestamp=T0),
        "max timestamp too high": batch([record(timestamp_delta=5)], max_timestamp=T0 + 50),
        "no timestamps": batch(two, timestamp=-1),
        "timestamp -2": batch(two, timestamp=-2),
        "timestamp 0": batch(two, timestamp=0),
        "compressed noise": [batch(two, codec, payload=b"noise that is no stream") for codec in (1, 2, 3, 4)],
        "compressed nothing": [batch(two, codec, payload=b"") for codec in (1, 2, 3, 4)],
        "compressed short": [batch(two, codec, payload=batches.compress(codec, b"".join(two))[:-3]) for codec in (1, 2, 3, 4)],
        "compressed with bytes behind": [batch(two, codec, payload=batches.compress(codec, b"".join(two) + b"\0\0")) for codec in (1, 2, 3, 4)],
        "compressed, count too high": [batch(two, codec, count=3) for codec in (1, 2, 3, 4)],
        "compressed, count too low": [batch(two, codec, count=1) for codec in (1, 2, 3, 4)],
        "compressed, no record": [batch([], codec) for codec in (1, 2, 3, 4)],
        "compressed, wrong crc": [batch(two, codec, crc=3) for codec in (1, 2, 3, 4)],
        "compressed, max timestamp wrong": [batch(two, codec, max_timestamp=T0 + 9) for codec in (1, 2, 3, 4)],
        "snappy without frame": batch(two, 2, payload=batches.compress(2, b"".join(two))[20:]),
        "plain with bytes behind the records": batch([b"".join(two) + b"\0\0"], count=2, last_delta=1),
        "only a length": struct.pack(">qi", 0, 0),
        "noise": b"this is no batch at all, and longer than a header would have to be, so that it is looked at",
    }
    for step, raws in steps.items():
        for number, raw in enumerate(raws if isinstance(raws, list) else [raws]):
            pair.step(step if not isinstance(raws, list) else f"{step}, codec {number + 1}")
            put(pair, version, raw)
    for topic in ("produced-append", "produced-compact", "produced-plain", "produced-gzip"):
        for step in ("wrong crc", "count too high", "null value", "compressed noise", "compressed, max timestamp wrong", "max timestamp too high",
                     "timestamp 0", "no record", "last delta too high"):
            for number, raw in enumerate(steps[step] if isinstance(steps[step], list) else [steps[step]]):
                pair.step(f"{step} {number} into {topic}")
                put(pair, version, raw, topic)


def topics(pair: Pair, version: int) -> None:
    import time
    now = int(time.time() * 1000)
    for step, keyed in {"no key": None, "a key": b"k", "an empty key": b""}.items():
        pair.step(f"compacted: {step}")
        put(pair, version, batch([record(key=keyed)]), "produced-compact")
        pair.step(f"compacted, compressed: {step}")
        put(pair, version, batch([record(key=keyed), record(key=keyed, offset_delta=1)], batches.GZIP), "produced-compact")
    pair.step("compacted: every second without a key")
    put(pair, version, batch([record(key=None if n % 2 else b"k", offset_delta=n) for n in range(6)]), "produced-compact")
    pair.step("bounded: old")
    put(pair, version, batch(records(2)), "produced-bounded")
    pair.step("bounded: in the future")
    put(pair, version, batch(records(2), timestamp=now + 3_600_000_000), "produced-bounded")
    pair.step("bounded: the future in a second record")
    put(pair, version, batch([record(), record(offset_delta=1, timestamp_delta=4_000_000_000)], timestamp=T0, max_timestamp=T0 + 4_000_000_000), "produced")
    pair.step("the far future")
    put(pair, version, batch(records(1), timestamp=4_000_000_000_000))
    put(pair, version, batch(records(1), batches.GZIP, timestamp=4_000_000_000_000))
    put(pair, version, batch(records(1), timestamp=4_000_000_000_000), "produced-append")
    for size in (50, 100, 139, 140, 150, 300):
        pair.step(f"limit of 200: a value of {size}")
        put(pair, version, batch([record(b"x" * size)]), "produced-small")
        put(pair, version, batch([record(b"x" * size)], batches.GZIP), "produced-small")
    for topic in ("produced-plain", "produced-gzip", "produced-lz4", "produced-snappy"):
        for codec, number in CODECS.items():
            pair.step(f"{codec} into {topic}")
            put(pair, version, batch(records(3, step_ms=7), number, max_timestamp=T0 + 14), topic)
        pair.step(f"two batches into {topic}")
        put(pair, version, batch(records(3)) + batch(records(2)), topic)
    for topic in ("__consumer_offsets", "__cluster_metadata", "__transaction_state"):
        if version < 13:
            pair.step(f"into {topic}")
            put(pair, version, batch(), topic)


def old(pair: Pair, version: int) -> None:
    for magic in (0, 1):
        steps = {
            "a message": old_message(magic), "wrong crc": old_message(magic, crc=1), "two": old_message(magic) + old_message(magic, offset=1),
            "null value": old_message(magic, None), "no key": old_message(magic, key=None),
            "compressed": old_message(magic, batches.compress(1, old_message(magic)), None, 1),
            "behind a batch": batch() + old_message(magic), "before a batch": old_message(magic) + batch(),
            "cut": old_message(magic)[:-2],
        }
        for step, raw in steps.items():
            for topic in ("produced", "produced-compact", "produced-append"):
                pair.step(f"format {magic} into {topic}: {step}")
                put(pair, version, raw, topic)


def sequences(pair: Pair, version: int) -> None:
    pair.step("a producer id")
    first = pair.call("InitProducerId", TransactionTimeoutMs=60_000)["ProducerId"]
    second = pair.call("InitProducerId", TransactionTimeoutMs=60_000)["ProducerId"]

    def send(step: str, pid: int, epoch: int, sequence: int, count=2, partition=0, **more) -> None:
        pair.step(f"idempotent: {step}")
        put(pair, version, batch(records(count), pid=pid, epoch=epoch, sequence=sequence, **more), "produced-small-segments", partition)

    send("the first, not from 0", first, 0, 5, partition=1)
    send("the first", first, 0, 0)
    send("again", first, 0, 0)
    send("again, but longer", first, 0, 0, 3)
    send("the next", first, 0, 2)
    send("a gap", first, 0, 6)
    for sequence in (4, 6, 8, 10, 12):
        send(f"at {sequence}", first, 0, sequence)
    send("again, of five", first, 0, 4)
    send("again, before five", first, 0, 2)
    send("again, the first", first, 0, 0)
    send("overlapping", first, 0, 13)
    send("a new epoch, not from 0", first, 1, 14)
    send("a new epoch", first, 1, 0)
    send("the old epoch", first, 0, 14)
    send("epoch far on", first, 100, 0)
    send("epoch of the past", first, 3, 0)
    send("negative sequence", second, 0, -1)
    send("negative epoch", second, -1, 0)
    send("negative id but -1", -2, 0, 0)
    send("epoch without id", -1, 0, 0)
    send("sequence without id", -1, -1, 5)
    send("the last sequence", second, 0, 2**31 - 2, 2)
    send("round the end", second, 0, 2**31 - 1, 3)
    send("after the end", second, 0, 2, 2)
    send("after the end, wrong", second, 0, 1, 2)
    send("nobody's id", 123_456_789, 0, 0)
    send("nobody's id, not from 0", 123_456_790, 0, 9)
    pair.step("idempotent: two batches at once")
    twin = batch(records(2), pid=second, epoch=1, sequence=0)
    put(pair, version, twin + batch(records(2), pid=second, epoch=1, sequence=2), "produced-small-segments")
    pair.step("idempotent: compressed")
    put(pair, version, batch(records(2), batches.GZIP, pid=second, epoch=2, sequence=0), "produced-small-segments")
    put(pair, version, batch(records(2), batches.GZIP, pid=second, epoch=2, sequence=0), "produced-small-segments")
    pair.step("idempotent: with acks 1")
    put(pair, version, batch(records(2), pid=second, epoch=2, sequence=2), "produced-small-segments", acks=1)
    pair.step("idempotent: producers")
    pair.call("DescribeProducers", Topics=[{"Name": "produced-small-segments", "PartitionIndexes": [0, 1]}])
