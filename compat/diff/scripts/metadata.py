"""Metadata and DescribeCluster."""
from pair import Pair
from schema import ZERO_UUID

APIS = ["Metadata", "DescribeCluster"]
NOBODY = "bm9ib2R5IGhhcyB0aGlzIA"


def run(pair: Pair) -> None:
    pair.step("topics")
    one, three = pair.topic("metadata-one"), pair.topic("metadata-three", 3)
    for version in pair.versions("Metadata"):
        named = lambda *names: [{"Name": name} for name in names]
        steps = {
            "all": {"Topics": None} if version >= 1 else {"Topics": []},
            "none": {"Topics": []},
            "one": {"Topics": named("metadata-one")},
            "three partitions and again": {"Topics": named("metadata-three", "metadata-one", "metadata-three")},
            "unknown": {"Topics": named("nobody-made-this"), "AllowAutoTopicCreation": False},
            "unknown, to be created where that is off": {"Topics": named("nobody-made-this"), "AllowAutoTopicCreation": True},
            "known and unknown": {"Topics": named("metadata-one", "nobody-made-this")},
            "impossible names": {"Topics": named("", ".", "..", "a b", "ä", "x" * 249, "x" * 250)},
            "operations": {
                "Topics": named("metadata-one"), "IncludeClusterAuthorizedOperations": True, "IncludeTopicAuthorizedOperations": True,
            },
            "operations of the impossible": {"Topics": named("a b"), "IncludeTopicAuthorizedOperations": True},
            "operations of no name": {"Topics": named("", "metadata-one"), "IncludeTopicAuthorizedOperations": True},
            "operations of the unknown": {"Topics": named("nobody-made-this"), "IncludeTopicAuthorizedOperations": True},
            "topics null at every version": {"Topics": None},
        }
        if version >= 10:
            by_id = lambda *ids: [{"TopicId": i, "Name": None} for i in ids]
            steps |= {
                "by id": {"Topics": by_id(one)},
                "by ids": {"Topics": by_id(three, one, three)},
                "unknown id": {"Topics": by_id(NOBODY)},
                "known and unknown id": {"Topics": by_id(NOBODY, one)},
                "no name and no id": {"Topics": by_id(ZERO_UUID)},
                "id and name": {"Topics": [{"TopicId": one, "Name": "metadata-one"}]},
                "id and another's name": {"Topics": [{"TopicId": one, "Name": "metadata-three"}]},
                "an id and a name": {"Topics": [{"TopicId": one, "Name": None}, {"Name": "metadata-three"}]},
                "unknown tagged fields": {"Topics": by_id(one), "_tags": {7: b"seven"}},
            }
        for step, fields in steps.items():
            pair.step(step)
            pair.call("Metadata", version, **fields)
    for version in pair.versions("Metadata"):
        if version < 10:
            pair.step("null name")
            pair.call("Metadata", version, Topics=[{"Name": None}])
    for version in pair.versions("DescribeCluster"):
        for port in ("broker", "controller"):
            for operations in (False, True):
                for kind in (1, 2, 3, 0, -1):
                    pair.step(f"endpoints {kind} on the {port}'s listener")
                    pair.call("DescribeCluster", version, port=port, IncludeClusterAuthorizedOperations=operations, EndpointType=kind)
        pair.step("with fenced brokers")
        pair.call("DescribeCluster", version, IncludeFencedBrokers=True)
