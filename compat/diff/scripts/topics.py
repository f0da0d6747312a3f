"""CreateTopics, DeleteTopics and CreatePartitions."""
from pair import Pair
from schema import ZERO_UUID

APIS = ["CreateTopics", "DeleteTopics", "CreatePartitions"]
NOBODY = "bm9ib2R5IGhhcyB0aGlzIA"


def run(pair: Pair) -> None:
    for version in pair.versions("CreateTopics"):
        create(pair, version)
    for version in pair.versions("CreatePartitions"):
        grow(pair, version)
    for version in pair.versions("DeleteTopics"):
        delete(pair, version)


def topic(name: str, partitions=1, replicas=1, assignments=(), **configs) -> dict:
    return {
        "Name": name, "NumPartitions": partitions, "ReplicationFactor": replicas,
        "Assignments": [{"PartitionIndex": index, "BrokerIds": list(ids)} for index, ids in assignments],
        "Configs": [{"Name": key.replace("_", "."), "Value": value} for key, value in configs.items()],
    }


def create(pair: Pair, version: int) -> None:
    name = f"created-{version}-"
    steps = {
        "plain": [topic(name + "plain")],
        "again": [topic(name + "plain")],
        "partitions and replicas": [topic(name + "three", 3)],
        "defaults": [topic(name + "defaults", -1, -1)],
        "configs": [topic(name + "configs", 1, 1, cleanup_policy="compact", retention_ms="1000", max_message_bytes="2000")],
        "an assignment": [topic(name + "assigned", -1, -1, [(0, [1]), (1, [1])])],
        "an assignment and counts": [topic(name + "both", 1, 1, [(0, [1])])],
        "an assignment with counts of -1 and 1": [topic(name + "both2", -1, 1, [(0, [1])])],
        "an assignment with a gap": [topic(name + "gap", -1, -1, [(0, [1]), (2, [1])])],
        "an assignment from 1": [topic(name + "from1", -1, -1, [(1, [1])])],
        "an assignment out of order": [topic(name + "unsorted", -1, -1, [(1, [1]), (0, [1])])],
        "an assignment twice": [topic(name + "twice", -1, -1, [(0, [1]), (0, [1])])],
        "an assignment of no replica": [topic(name + "nobody", -1, -1, [(0, [])])],
        "an assignment of one replica twice": [topic(name + "same", -1, -1, [(0, [1, 1])])],
        "an assignment to an unknown broker": [topic(name + "unknown", -1, -1, [(0, [7])])],
        "an assignment to a negative broker": [topic(name + "negative", -1, -1, [(0, [-1])])],
        "an assignment of uneven counts": [topic(name + "uneven", -1, -1, [(0, [1]), (1, [1, 2])])],
        "no partitions": [topic(name + "p0", 0)],
        "negative partitions": [topic(name + "p-2", -2)],
        "no replicas": [topic(name + "r0", 1, 0)],
        "negative replicas": [topic(name + "r-2", 1, -2)],
        "too many replicas": [topic(name + "r2", 1, 2)],
        "too many partitions": [topic(name + "many", 2**31 - 1)],
        "the same twice": [topic(name + "dup"), topic(name + "dup")],
        "the same twice beside another": [topic(name + "dup"), topic(name + "dup"), topic(name + "beside")],
        "no topic": [],
        "a collision": [topic(name + "a.b"), topic(name + "a_b")],
        "a collision later": [topic(name + "a_b")],
        "empty name": [topic("")],
        "dot": [topic(".")],
        "dots": [topic("..")],
        "a space": [topic("a b")],
        "a slash": [topic("a/b")],
        "an umlaut": [topic("ä")],
        "a name of 250": [topic("x" * 250)],
        "the longest name": [topic("y" * (247 - len(str(version))) + f"-{version}")],
        "an internal name": [topic("__cluster_metadata")],
        "unknown config": [topic(name + "c1", frobnicate="1")],
        "config out of range": [topic(name + "c2", segment_bytes="1")],
        "config of the wrong type": [topic(name + "c3", retention_ms="soon")],
        "empty config": [topic(name + "c4", retention_ms="")],
        "null config": [topic(name + "c5", retention_ms=None)],
        "an impossible policy": [topic(name + "c6", cleanup_policy="burn")],
        "policies": [topic(name + "c7", cleanup_policy="compact,delete")],
        "codec": [topic(name + "c8", compression_type="rar")],
        "min.insync above replicas": [topic(name + "c9", min_insync_replicas="2")],
        "config with an empty name": [topic(name + "c10", **{"": "1"})],
        "remote storage": [topic(name + "c11", remote_storage_enable="true")],
        "local retention": [topic(name + "c12", local_retention_ms="100000000000")],
        "a broker's config": [topic(name + "c13", log_retention_hours="1")],
        "good and bad": [topic(name + "good"), topic(name + "bad", 0), topic(name + "plain"), topic("b d")],
    }
    last = version == pair.latest("CreateTopics")
    for step, topics in steps.items():
        for validate in (True, False):
            if pair.quick and not (last and validate or step in ("plain", "again", "partitions and replicas", "defaults", "an assignment", "good and bad")):
                continue
            pair.step(step + (", validated only" if validate else ""))
            pair.call("CreateTopics", version, timeoutMs=10_000, validateOnly=validate, Topics=topics)
    pair.step("a config named twice")
    twice = topic(name + "c20")
    twice["Configs"] = [{"Name": "retention.ms", "Value": "1"}, {"Name": "retention.ms", "Value": "2"}]
    pair.call("CreateTopics", version, timeoutMs=10_000, Topics=[twice])
    for patience in (0, -1):
        pair.step(f"a timeout of {patience}")
        pair.call("CreateTopics", version, timeoutMs=patience, validateOnly=True, Topics=[topic(name + f"t{patience}")])
    pair.step("on the controller's listener")
    pair.call("CreateTopics", version, port="controller", timeoutMs=10_000, Topics=[topic(name + "direct", 2)])
    pair.step("null topics")
    pair.call("CreateTopics", version, timeoutMs=10_000, Topics=None)
    pair.step("null name")
    pair.call("CreateTopics", version, timeoutMs=10_000, Topics=[topic(None)])
    pair.step("null assignments")
    pair.call("CreateTopics", version, timeoutMs=10_000, Topics=[topic(name + "null") | {"Assignments": None}])
    pair.step("what is there now")
    pair.call("Metadata", Topics=[{"Name": name + end} for end in ("plain", "three", "defaults", "assigned", "good", "direct")])


def grow(pair: Pair, version: int) -> None:
    name = f"grown-{version}"
    pair.step("topics")
    pair.topic(name, 2)
    pair.topic(name + "-other", 1)

    def to(count: int, *assignments, topic=name) -> dict:
        return {"Name": topic, "Count": count, "Assignments": [{"BrokerIds": list(ids)} for ids in assignments] if assignments else None}

    steps = {
        "the same count": [to(2)],
        "fewer": [to(1)],
        "none": [to(0)],
        "negative": [to(-1)],
        "three": [to(3)],
        "an assignment": [to(5, [1], [1])],
        "an assignment too short": [to(8, [1])],
        "an assignment too long": [to(8, [1], [1], [1], [1])],
        "an assignment to an unknown broker": [to(6, [9])],
        "an assignment of two replicas": [to(6, [1, 2])],
        "an assignment of one broker twice": [to(6, [1, 1])],
        "an assignment of nobody": [to(6, [])],
        "an empty list of assignments": [to(6) | {"Assignments": []}],
        "unknown": [to(3, topic="nobody-made-this")],
        "empty name": [to(3, topic="")],
        "twice": [to(7), to(8)],
        "twice beside another": [to(7), to(8), to(2, topic=name + "-other")],
        "nothing": [],
        "internal": [to(60, topic="__cluster_metadata")],
    }
    for step, topics in steps.items():
        for validate in (True, False):
            pair.step(step + (", validated only" if validate else ""))
            pair.call("CreatePartitions", version, TimeoutMs=10_000, ValidateOnly=validate, Topics=topics)
    pair.step("a timeout of 0")
    pair.call("CreatePartitions", version, TimeoutMs=0, Topics=[to(9), to(9)])
    pair.call("CreatePartitions", version, TimeoutMs=0, Topics=[])
    pair.step("on the controller's listener")
    pair.call("CreatePartitions", version, port="controller", TimeoutMs=10_000, Topics=[to(7)])
    pair.step("null topics")
    pair.call("CreatePartitions", version, TimeoutMs=10_000, Topics=None)
    pair.step("what is there now")
    pair.call("Metadata", Topics=[{"Name": name}])


def delete(pair: Pair, version: int) -> None:
    name = f"deleted-{version}-"
    pair.step("topics")
    ids = {end: pair.topic(name + end) for end in "abcdefgh"}

    def names(*ends: str) -> dict:
        if version >= 6:
            return {"Topics": [{"Name": name + end} for end in ends]}
        return {"TopicNames": [name + end for end in ends]}

    steps = {
        "one": names("a"),
        "again": names("a"),
        "twice": names("b", "b"),
        "known and unknown": names("c", "nobody"),
        "nothing": names(),
        "unknown": names("nobody"),
    }
    if version >= 6:
        steps |= {
            "by id": {"Topics": [{"Name": None, "TopicId": ids["d"]}]},
            "by id again": {"Topics": [{"Name": None, "TopicId": ids["d"]}]},
            "unknown id": {"Topics": [{"Name": None, "TopicId": NOBODY}]},
            "neither": {"Topics": [{"Name": None, "TopicId": ZERO_UUID}]},
            "both": {"Topics": [{"Name": name + "e", "TopicId": ids["e"]}]},
            "twice, by name and id": {"Topics": [{"Name": name + "f"}, {"Name": None, "TopicId": ids["f"]}]},
            "id twice": {"Topics": [{"Name": None, "TopicId": ids["f"]}] * 2},
            "both, and not the same": {"Topics": [{"Name": name + "g", "TopicId": ids["h"]}]},
            "empty name": {"Topics": [{"Name": ""}]},
            "null topics": {"Topics": None},
        }
    else:
        steps |= {"empty name": {"TopicNames": [""]}, "null topics": {"TopicNames": None}, "null name": {"TopicNames": [None]}}
    for step, fields in steps.items():
        pair.step(step)
        pair.call("DeleteTopics", version, TimeoutMs=10_000, **fields)
    pair.step("a timeout of 0")
    pair.call("DeleteTopics", version, TimeoutMs=0, **names("nobody"))
    pair.step("on the controller's listener")
    pair.call("DeleteTopics", version, port="controller", TimeoutMs=10_000, **names("h"))
    pair.step("what is left")
    pair.call("Metadata", Topics=[{"Name": name + end} for end in "abcdefgh"])
