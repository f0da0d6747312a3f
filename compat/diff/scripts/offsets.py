"""ListOffsets, OffsetForLeaderEpoch, DeleteRecords, DescribeProducers and log directories."""
from batches import batch, record
from pair import Pair

APIS = ["ListOffsets", "OffsetForLeaderEpoch", "DeleteRecords", "DescribeProducers", "DescribeLogDirs", "AlterReplicaLogDirs"]
T0 = 1_700_000_000_000
LIST = "offsets-listed"


def run(pair: Pair) -> None:
    pair.step("topics")
    pair.topic(LIST, 3)
    pair.topic("offsets-append", 1, message_timestamp_type="LogAppendTime")
    pair.topic("offsets-deleted", 3)
    pair.topic("offsets-compacted", 1, cleanup_policy="compact")
    pid = pair.call("InitProducerId", TransactionTimeoutMs=60_000)["ProducerId"]
    for number in range(5):
        steps = [record(b"x", b"k", n, n * 10) for n in range(3)]
        wrote = dict(timestamp=T0 + number * 100, max_timestamp=T0 + number * 100 + 20)
        produce(pair, LIST, 0, batch(steps, codec=number, **wrote))
        produce(pair, LIST, 1, batch(steps, timestamp=T0 + 900 - number * 100, max_timestamp=T0 + 920 - number * 100))
        for partition in range(3):
            produce(pair, "offsets-deleted", partition, batch(steps, pid=pid, epoch=0, sequence=number * 3, **wrote))
        produce(pair, "offsets-compacted", 0, batch(steps, **wrote))
    produce(pair, "offsets-append", 0, batch())
    for version in pair.versions("ListOffsets"):
        listed(pair, version)
    for version in pair.versions("OffsetForLeaderEpoch"):
        epochs(pair, version)
    for version in pair.versions("DescribeProducers"):
        producers(pair, version)
    for version in pair.versions("DeleteRecords"):
        deleted(pair, version)
    for version in pair.versions("DescribeLogDirs"):
        directories(pair, version)
    for version in pair.versions("AlterReplicaLogDirs"):
        moves(pair, version)


def produce(pair: Pair, topic: str, partition: int, raw: bytes) -> None:
    pair.call("Produce", 9, Acks=-1, TimeoutMs=5000, TopicData=[{"Name": topic, "PartitionData": [{"Index": partition, "Records": raw}]}])


def listed(pair: Pair, version: int) -> None:
    def ask(*asked, **fields) -> None:
        topics = [{"Name": name, "Partitions": [{"PartitionIndex": p, "Timestamp": t} | more for p, t, more in rows]} for name, rows in asked]
        pair.call("ListOffsets", version, **({"ReplicaId": -1, "Topics": topics, "TimeoutMs": 5000} | fields))

    for at in (-1, -2, -3, -4, -5, -6, -7, -100, 0, 1, T0 - 1, T0, T0 + 1, T0 + 10, T0 + 15, T0 + 100, T0 + 420, T0 + 421, T0 + 500, 2**63 - 1, -2**63):
        pair.step(f"at {at}")
        ask((LIST, [(0, at, {}), (1, at, {}), (2, at, {})]), ("offsets-compacted", [(0, at, {})]))
    for at in (-1, -2, -3, 0):
        for isolation in (1, 2, -1):
            pair.step(f"at {at}, isolation {isolation}")
            ask((LIST, [(0, at, {})]), IsolationLevel=isolation)
        for replica in (-2, -3, 1, 5):
            pair.step(f"at {at}, replica {replica}")
            ask((LIST, [(0, at, {})]), ReplicaId=replica)
        for epoch in (0, 1, -2):
            pair.step(f"at {at}, leader epoch {epoch}")
            ask((LIST, [(0, at, {"CurrentLeaderEpoch": epoch})]))
    pair.step("append time")
    ask(("offsets-append", [(0, 0, {})]))
    ask(("offsets-append", [(0, 2**62, {})]))
    steps = {
        "nothing": [],
        "no partition": [(LIST, [])],
        "unknown topic": [("nobody", [(0, -1, {})])],
        "unknown partition": [(LIST, [(9, -1, {}), (-1, -1, {}), (0, -1, {})])],
        "a partition twice": [(LIST, [(0, -1, {}), (0, -2, {})])],
        "a partition twice, and another": [(LIST, [(0, -1, {}), (1, -1, {}), (0, -2, {})])],
        "a topic twice": [(LIST, [(0, -1, {})]), (LIST, [(1, -1, {})])],
        "known and unknown": [("nobody", [(0, -1, {})]), (LIST, [(0, -1, {})])],
        "impossible name": [("a b", [(0, -1, {})]), ("", [(0, -1, {})])],
    }
    for step, asked in steps.items():
        pair.step(step)
        ask(*asked)
    pair.step("null topics")
    ask(Topics=None)
    for patience in (0, -1):
        pair.step(f"a timeout of {patience}")
        ask((LIST, [(0, -1, {})]), TimeoutMs=patience)


def epochs(pair: Pair, version: int) -> None:
    def ask(*asked, **fields) -> None:
        topics = [{"Topic": name, "Partitions": [
            {"Partition": p, "LeaderEpoch": epoch, "CurrentLeaderEpoch": current} for p, epoch, current in rows
        ]} for name, rows in asked]
        pair.call("OffsetForLeaderEpoch", version, **({"ReplicaId": -1, "Topics": topics} | fields))

    for epoch in (-1, 0, 1, 7, -2, 2**31 - 1):
        for current in (-1, 0, 1, -2):
            pair.step(f"epoch {epoch}, current {current}")
            ask((LIST, [(0, epoch, current), (2, epoch, current)]))
    for replica in (-2, -3, 1, 5):
        pair.step(f"replica {replica}")
        ask((LIST, [(0, 0, -1)]), ReplicaId=replica)
    for step, asked in {
        "nothing": [], "no partition": [(LIST, [])], "unknown": [("nobody", [(0, 0, -1)]), (LIST, [(9, 0, -1), (-1, 0, -1)])],
        "twice": [(LIST, [(0, 0, -1), (0, 7, -1)])], "a topic twice": [(LIST, [(0, 0, -1)]), (LIST, [(1, 0, -1)])],
        "impossible name": [("a b", [(0, 0, -1)])],
    }.items():
        pair.step(step)
        ask(*asked)
    pair.step("null topics")
    ask(Topics=None)


def producers(pair: Pair, version: int) -> None:
    for step, topics in {
        "some": [("offsets-deleted", [0, 1])], "none": [(LIST, [0])], "unknown": [("nobody", [0]), (LIST, [9, -1])],
        "nothing": [], "no partition": [(LIST, [])], "twice": [("offsets-deleted", [0, 0]), ("offsets-deleted", [1])],
        "impossible name": [("a b", [0]), ("", [0])],
    }.items():
        pair.step(step)
        pair.call("DescribeProducers", version, Topics=[{"Name": name, "PartitionIndexes": p} for name, p in topics])
    pair.step("null topics")
    pair.call("DescribeProducers", version, Topics=None)


def deleted(pair: Pair, version: int) -> None:
    topic = "offsets-deleted"

    def ask(step: str, *asked, **fields) -> None:
        pair.step(step)
        topics = [{"Name": name, "Partitions": [{"PartitionIndex": p, "Offset": o} for p, o in rows]} for name, rows in asked]
        pair.call("DeleteRecords", version, **({"Topics": topics, "TimeoutMs": 5000} | fields))

    for offset in (0, 2 + version, 1, 3 + version, 15, 16, 1000, -2, -3, 2**63 - 1):
        ask(f"to {offset}", (topic, [(0, offset)]))
    ask("all", (topic, [(1, -1)]))
    ask("all again", (topic, [(1, -1)]))
    ask("unknown", ("nobody", [(0, 0)]), (topic, [(9, 0), (-1, 0)]))
    ask("known and unknown", ("nobody", [(0, 0)]), (topic, [(2, 1)]))
    ask("twice", (topic, [(2, 1), (2, 2)]))
    ask("nothing")
    ask("no partition", (topic, []))
    ask("a compacted topic", ("offsets-compacted", [(0, 2)]))
    ask("an internal topic", ("__cluster_metadata", [(0, 2)]))
    ask("a timeout of 0", (topic, [(2, 2)]), TimeoutMs=0)
    ask("a timeout of -1", (topic, [(2, 2)]), TimeoutMs=-1)
    ask("null topics", Topics=None)
    ask("impossible name", ("a b", [(0, 0)]))
    pair.step("what is left")
    pair.call("ListOffsets", 8, ReplicaId=-1, Topics=[{"Name": topic, "Partitions": [{"PartitionIndex": p, "Timestamp": -2} for p in range(3)]}])


def directories(pair: Pair, version: int) -> None:
    for step, topics in {
        "some": [(LIST, [0, 1]), ("offsets-append", [0])], "an unknown partition": [(LIST, [9])], "unknown": [("nobody", [0])],
        "nothing": [], "no partition": [(LIST, [])], "twice": [(LIST, [0, 0])],
    }.items():
        pair.step(step)
        pair.call("DescribeLogDirs", version, Topics=[{"Topic": name, "Partitions": p} for name, p in topics])
    pair.step("everything")
    pair.call("DescribeLogDirs", version, Topics=None)


def moves(pair: Pair, version: int) -> None:
    here = str(pair.jvm.data)
    for step, asked in {
        "where it is": [(here, [(LIST, [0])])],
        "a directory that is none": [("/nowhere", [(LIST, [0])])],
        "a relative directory": [("nowhere", [(LIST, [0])])],
        "an empty name": [("", [(LIST, [0])])],
        "an unknown partition": [(here, [(LIST, [9])])],
        "an unknown topic": [(here, [("nobody", [0])])],
        "nothing": [],
        "no topic": [(here, [])],
        "no partition": [(here, [(LIST, [])])],
        "two directories": [(here, [(LIST, [0])]), ("/nowhere", [(LIST, [1])])],
        "one partition to two directories": [(here, [(LIST, [0])]), ("/nowhere", [(LIST, [0])])],
    }.items():
        pair.step(step)
        dirs = [{"Path": path, "Topics": [{"Name": name, "Partitions": p} for name, p in topics]} for path, topics in asked]
        pair.call("AlterReplicaLogDirs", version, Dirs=dirs)
