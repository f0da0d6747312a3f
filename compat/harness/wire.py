"""The requests the runner sends by itself: is the broker answering, where does each partition end, and what did a group commit?

Everything else goes through real clients; these avoid starting one just to wait.
"""
import socket
import struct
import time

from .shell import Failed

PRODUCE, METADATA, LIST_OFFSETS, OFFSET_FETCH, CREATE_TOPICS = 0, 3, 2, 9, 19
EARLIEST, LATEST = -2, -1
# UNKNOWN_TOPIC_OR_PARTITION, LEADER_NOT_AVAILABLE, NOT_LEADER_OR_FOLLOWER, OFFSET_NOT_AVAILABLE
RETRIABLE = {3, 5, 6, 78}


def _string(text: str | None) -> bytes:
    if text is None:
        return struct.pack(">h", -1)
    raw = text.encode()
    return struct.pack(">h", len(raw)) + raw


class _Reader:
    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def take(self, layout: str):
        values = struct.unpack_from(">" + layout, self.data, self.at)
        self.at += struct.calcsize(">" + layout)
        return values if len(values) > 1 else values[0]

    def string(self):
        length = self.take("h")
        if length < 0:
            return None
        self.at += length
        return self.data[self.at - length:self.at].decode()


def call(port: int, key: int, version: int, body: bytes, timeout=5.0) -> _Reader:
    """One request on a connection of its own; the answer comes back positioned after the response header."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        connection.settimeout(timeout)
        frame = struct.pack(">hhi", key, version, 7) + _string("compat") + body
        connection.sendall(struct.pack(">i", len(frame)) + frame)
        size = struct.unpack(">i", _exactly(connection, 4))[0]
        answer = _Reader(_exactly(connection, size))
    if answer.take("i") != 7:
        raise Failed("the answer's correlation id is not the request's")
    return answer


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise ConnectionError("closed by the broker")
        data += piece
    return data


def metadata(port: int, topics: list[str] | None = None, timeout=5.0):
    """Metadata version 4 without auto-creation: (broker count, {topic: {partition: (error, leader)}})."""
    body = struct.pack(">i", -1) if topics is None else struct.pack(">i", len(topics)) + b"".join(map(_string, topics))
    answer = call(port, METADATA, 4, body + b"\0", timeout)
    answer.take("i")
    brokers = answer.take("i")
    for _ in range(brokers):
        answer.take("i"), answer.string(), answer.take("i"), answer.string()
    answer.string(), answer.take("i")
    found = {}
    for _ in range(answer.take("i")):
        error, name, _ = answer.take("h"), answer.string(), answer.take("b")
        partitions = found.setdefault(name, {})
        if error:
            partitions[-1] = (error, -1)
        for _ in range(answer.take("i")):
            error, index, leader = answer.take("hii")
            partitions[index] = (error, leader)
            for _ in range(2):
                for _ in range(answer.take("i")):
                    answer.take("i")
    return brokers, found


def create(port: int, topics: dict[str, int], timeout=120.0) -> None:
    """Makes topics of one replica (CreateTopics version 4) and waits until they are led."""
    rows = b"".join(_string(name) + struct.pack(">ihii", partitions, 1, 0, 0) for name, partitions in topics.items())
    body = struct.pack(">i", len(topics)) + rows + struct.pack(">ib", int(timeout * 1000), 0)
    answer = call(port, CREATE_TOPICS, 4, body, timeout)
    answer.take("i")
    for _ in range(answer.take("i")):
        name, error, _ = answer.string(), answer.take("h"), answer.string()
        if error:
            raise Failed(f"creating {name}: error {error}")
    await_topics(port, topics)


def offsets(port: int, topic: str, partitions: int, at: int = LATEST) -> list[int]:
    """The offset of each partition at `at` (ListOffsets version 1).

    Retriable answers are retried for a while: a JVM announces a new partition before it serves it.
    """
    deadline = time.monotonic() + 15
    while True:
        found = offsets_now(port, topic, partitions, at)
        errors = {f"{topic}-{index}": error for index, (error, _) in enumerate(found) if error}
        if not errors:
            return [offset for _, offset in found]
        if not set(errors.values()) <= RETRIABLE or time.monotonic() > deadline:
            raise Failed(f"ListOffsets answered errors {errors}")
        time.sleep(0.05)


def produce(port: int, topic: str, partition: int, batch: bytes) -> int:
    """The error that one batch is answered with (Produce version 7, acks=all)."""
    body = _string(None) + struct.pack(">hii", -1, 10_000, 1) + _string(topic)
    body += struct.pack(">iii", 1, partition, len(batch)) + batch
    answer = call(port, PRODUCE, 7, body, timeout=15.0)
    answer.take("i"), answer.string(), answer.take("i")
    return answer.take("ih")[1]


def offsets_now(port: int, topic: str, partitions: int, at: int = LATEST) -> list[tuple[int, int]]:
    """The error and the offset of each partition, as one ListOffsets answers."""
    body = struct.pack(">i", -1) + struct.pack(">i", 1) + _string(topic) + struct.pack(">i", partitions)
    body += b"".join(struct.pack(">iq", index, at) for index in range(partitions))
    answer = call(port, LIST_OFFSETS, 1, body)
    answer.take("i"), answer.string()
    rows = [answer.take("ihqq") for _ in range(answer.take("i"))]
    found = {index: (error, offset) for index, error, _, offset in rows}
    return [found[index] for index in range(partitions)]


def await_offsets(port: int, topics: list[str], partitions: int, patience: float) -> None:
    """Waits until every partition of every topic tells where it ends, all of them in one answer."""
    rows = b"".join(struct.pack(">iq", index, LATEST) for index in range(partitions))
    body = struct.pack(">ii", -1, len(topics)) + b"".join(_string(topic) + struct.pack(">i", partitions) + rows for topic in topics)
    deadline = time.monotonic() + patience
    while _offset_errors(call(port, LIST_OFFSETS, 1, body, timeout=60.0)):
        if time.monotonic() > deadline:
            raise Failed(f"not every partition told its end within {patience:.0f} s")
        time.sleep(0.005)


def _offset_errors(answer: _Reader) -> int:
    errors = 0
    for _ in range(answer.take("i")):
        answer.string()
        errors += sum(answer.take("ihqq")[1] != 0 for _ in range(answer.take("i")))
    return errors


def committed(port: int, group: str, topic: str, partition: int) -> int | None:
    """What a group has committed, if the coordinator tells (OffsetFetch version 5)."""
    body = _string(group) + struct.pack(">i", 1) + _string(topic) + struct.pack(">ii", 1, partition)
    answer = call(port, OFFSET_FETCH, 5, body)
    answer.take("i")
    if not answer.take("i"):
        return None
    answer.string(), answer.take("i")
    _, offset, _ = answer.take("iqi")
    answer.string()
    refused = answer.take("h") or answer.take("h")
    return None if refused else offset


def await_answer(port: int, alive, patience: float) -> float:
    """Seconds until the first Metadata answer that names a broker."""
    return _await(lambda: metadata(port, [], timeout=2.0)[0] > 0, "Metadata answer", alive, patience)


def await_committed(port: int, group: str, topic: str, partition: int, offset: int, alive, patience: float) -> float:
    """Seconds until an OffsetFetch answers that offset."""
    answered = lambda: committed(port, group, topic, partition) == offset  # noqa: E731
    return _await(answered, f"committed offset of {group}", alive, patience)


def _await(answered, what: str, alive, patience: float) -> float:
    start = time.monotonic()
    while time.monotonic() - start < patience:
        try:
            if answered():
                return time.monotonic() - start
        except (OSError, struct.error):
            pass
        if not alive():
            raise Failed("the broker ended while starting")
        time.sleep(0.002)
    raise Failed(f"no {what} within {patience:.0f} s")


def await_topics(port: int, topics: dict[str, int], patience=60.0) -> float:
    """Seconds until every named topic has all its partitions with a leader."""
    start = time.monotonic()
    while True:
        try:
            found = metadata(port, list(topics), timeout=10.0)[1]
            if all(
                len(found.get(name, {})) == count and all(e == 0 and leader >= 0 for e, leader in found[name].values())
                for name, count in topics.items()
            ):
                return time.monotonic() - start
        except (OSError, struct.error):
            pass
        if time.monotonic() - start > patience:
            raise Failed(f"{len(topics)} topics were not all led within {patience:.0f} s")
        time.sleep(0.02)
