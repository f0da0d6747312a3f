"""The cluster's own APIs: quorum, voters, brokers, elections, reassignments, producer ids, pages of topics."""
from pair import Pair
from schema import ZERO_UUID

APIS = [
    "DescribeQuorum", "AddRaftVoter", "RemoveRaftVoter", "UnregisterBroker", "ElectLeaders", "AlterPartitionReassignments",
    "ListPartitionReassignments", "InitProducerId", "DescribeTopicPartitions", "UpdateFeatures",
]
SOMEWHERE = "c29tZXdoZXJlLWVsc2UtMA"
TURN = 9


def run(pair: Pair) -> None:
    pair.step("topics")
    pair.topic("moved", 3)
    for name in ("paged-a", "paged-b", "paged-c"):
        pair.topic(name, 4)
    for port in ("broker", "controller"):
        quorum(pair, port)
        elections(pair, port)
        reassignments(pair, port)
        features(pair, port)
    pages(pair)
    producers(pair)


def quorum(pair: Pair, port: str) -> None:
    told = {}
    for version in pair.versions("DescribeQuorum"):
        for step, topics in {
            "the log": [("__cluster_metadata", [0])], "another partition": [("__cluster_metadata", [1])], "another topic": [("moved", [0])],
            "nothing": [], "no partition": [("__cluster_metadata", [])], "twice": [("__cluster_metadata", [0, 0])],
            "with another": [("__cluster_metadata", [0]), ("moved", [0])], "unknown": [("nobody", [0])],
        }.items():
            pair.step(f"quorum: {step} at the {port}'s listener")
            answer = pair.call("DescribeQuorum", version, port=port, Topics=[
                {"TopicName": name, "Partitions": [{"PartitionIndex": p} for p in parts]} for name, parts in topics
            ])
            if step == "the log":
                told = answer
    voter = told["Topics"][0]["Partitions"][0]["CurrentVoters"][0]
    cluster = pair.call("DescribeCluster")["ClusterId"]
    for version in pair.versions("RemoveRaftVoter"):
        for step, fields in {
            "unknown voter": {"VoterId": 7, "VoterDirectoryId": SOMEWHERE}, "another directory": {"VoterId": 1, "VoterDirectoryId": SOMEWHERE},
            "no directory": {"VoterId": 1, "VoterDirectoryId": ZERO_UUID}, "negative": {"VoterId": -1, "VoterDirectoryId": SOMEWHERE},
            "another cluster": {"ClusterId": "elsewhere", "VoterId": 7, "VoterDirectoryId": SOMEWHERE},
            "this cluster": {"ClusterId": cluster, "VoterId": 7, "VoterDirectoryId": SOMEWHERE},
            "the only voter": {"VoterId": 1, "VoterDirectoryId": voter.get("ReplicaDirectoryId", ZERO_UUID)},
        }.items():
            pair.step(f"remove voter: {step} at the {port}'s listener")
            pair.call("RemoveRaftVoter", version, port=port, **fields)
    here = [{"Name": "CONTROLLER", "Host": "127.0.0.1", "Port": 1}]
    for version in pair.versions("AddRaftVoter"):
        for step, fields in {
            "the same voter": {"VoterId": 1, "VoterDirectoryId": voter["ReplicaDirectoryId"], "Listeners": here},
            "its id in another directory": {"VoterId": 1, "VoterDirectoryId": SOMEWHERE, "Listeners": here},
            "another cluster": {"ClusterId": "elsewhere", "VoterId": 7, "VoterDirectoryId": SOMEWHERE, "Listeners": here},
            "no listener": {"VoterId": 7, "VoterDirectoryId": SOMEWHERE, "Listeners": []},
            "another listener's name": {"VoterId": 7, "VoterDirectoryId": SOMEWHERE, "Listeners": [{"Name": "FROB", "Host": "h", "Port": 1}]},
        }.items():
            pair.step(f"add voter: {step} at the {port}'s listener")
            pair.call("AddRaftVoter", version, port=port, TimeoutMs=1000, **fields)
    for version in pair.versions("UnregisterBroker"):
        for broker in (7, 0, -1, 2**31 - 1):
            pair.step(f"unregister broker {broker} at the {port}'s listener")
            pair.call("UnregisterBroker", version, port=port, BrokerId=broker)


def features(pair: Pair, port: str) -> None:
    """Levels up and down. The feature of share groups stays out: it is at level 0 here."""
    level, elr, transactions = "metadata.version", "eligible.leader.replicas.version", "transaction.version"
    groups, streams = "group.version", "streams.version"
    upgrade, safe, unsafe = 1, 2, 3
    for version in pair.versions("UpdateFeatures"):
        for step, updates in {
            "nothing": [], "unknown": [("no.such.feature", 1, upgrade)], "no name": [("", 1, upgrade)],
            "the same level": [(level, 30, upgrade)], "the same level twice": [(level, 30, upgrade), (level, 30, upgrade)],
            "too high": [(level, 31, upgrade)], "too low": [(level, 6, safe)], "negative": [(level, -1, upgrade)], "off": [(level, 0, safe)],
            "down by an upgrade": [(level, 29, upgrade)], "down": [(level, 29, safe)], "down at any price": [(level, 20, unsafe)],
            "the same, as a downgrade": [(elr, 1, safe)], "ELR off by an upgrade": [(elr, 0, upgrade)], "ELR off": [(elr, 0, safe)],
            "ELR on by a downgrade": [(elr, 1, unsafe)], "ELR on": [(elr, 1, upgrade)], "ELR too high": [(elr, 2, upgrade)],
            "transactions too high": [(transactions, 3, upgrade)], "transactions down": [(transactions, 1, safe)], "transactions up": [(transactions, 2, upgrade)],
            "groups off": [(groups, 0, safe)], "groups on": [(groups, 1, upgrade)], "groups too high": [(groups, 2, upgrade)],
            "streams off": [(streams, 0, safe)], "streams on": [(streams, 1, upgrade)], "streams too high": [(streams, 2, upgrade)],
            "no such kind of change": [(elr, 0, 4)], "no kind of change": [(elr, 1, 0)], "good and bad": [(elr, 1, upgrade), ("no.such.feature", 1, upgrade)],
            "the quorum's level": [("kraft.version", 1, upgrade)], "the quorum's level, down": [("kraft.version", 0, safe)],
        }.items():
            for dry in (True, False):
                pair.step(f"features: {step}{', only to see' if dry else ''} at the {port}'s listener")
                rows = [{"Feature": name, "MaxVersionLevel": to, "UpgradeType": kind} for name, to, kind in updates]
                pair.call("UpdateFeatures", version, port=port, FeatureUpdates=rows, ValidateOnly=dry)
    pair.step(f"features: downgrades allowed at the {port}'s listener")
    pair.call("UpdateFeatures", 0, port=port, FeatureUpdates=[{"Feature": elr, "MaxVersionLevel": 0, "AllowDowngrade": True}])


def elections(pair: Pair, port: str) -> None:
    for version in pair.versions("ElectLeaders"):
        for kind in (0, 1, 2, -1):
            for step, topics in {
                "all": None, "none": [], "some": [("moved", [0, 1])], "unknown": [("nobody", [0]), ("moved", [9, -1])], "no partition": [("moved", [])],
                "twice": [("moved", [0, 0])], "known and unknown": [("moved", [0]), ("nobody", [0])],
            }.items():
                pair.step(f"election {kind}: {step} at the {port}'s listener")
                asked = None if topics is None else [{"Topic": name, "Partitions": p} for name, p in topics]
                pair.call("ElectLeaders", version, port=port, ElectionType=kind, TopicPartitions=asked, TimeoutMs=5000)
        pair.step(f"election: no time at the {port}'s listener")
        pair.call("ElectLeaders", version, port=port, ElectionType=0, TopicPartitions=[{"Topic": "moved", "Partitions": [0]}], TimeoutMs=0)


def reassignments(pair: Pair, port: str) -> None:
    for version in pair.versions("AlterPartitionReassignments"):
        for step, topics in {
            "where it is": [("moved", [(0, [1])])], "cancelled": [("moved", [(0, None)])], "to an unknown broker": [("moved", [(0, [7])])], "to more": [("moved", [(0, [1, 7])])],
            "to nobody": [("moved", [(0, [])])], "to one twice": [("moved", [(0, [1, 1])])], "to a negative broker": [("moved", [(0, [-1])])],
            "unknown partition": [("moved", [(9, [1])])], "unknown topic": [("nobody", [(0, [1])])], "unknown, cancelled": [("nobody", [(0, None)]), ("moved", [(9, None)])],
            "nothing": [], "no partition": [("moved", [])], "twice": [("moved", [(0, [1]), (0, [1])])], "good and bad": [("moved", [(0, [1]), (1, [7])])],
        }.items():
            for change in (True, False):
                pair.step(f"reassign: {step} at the {port}'s listener")
                pair.call("AlterPartitionReassignments", version, port=port, TimeoutMs=5000, AllowReplicationFactorChange=change, Topics=[
                    {"Name": name, "Partitions": [{"PartitionIndex": p, "Replicas": r} for p, r in parts]} for name, parts in topics
                ])
        pair.step(f"reassign: no time, null at the {port}'s listener")
        pair.call("AlterPartitionReassignments", version, port=port, TimeoutMs=0, Topics=[{"Name": "moved", "Partitions": [{"PartitionIndex": 0, "Replicas": [1]}]}])
        pair.call("AlterPartitionReassignments", version, port=port, TimeoutMs=5000, Topics=None)
    for version in pair.versions("ListPartitionReassignments"):
        for step, topics in {
            "all": None, "none": [], "some": [("moved", [0])], "unknown": [("nobody", [0]), ("moved", [9])], "no partition": [("moved", [])], "twice": [("moved", [0, 0])],
        }.items():
            pair.step(f"list reassignments: {step} at the {port}'s listener")
            asked = None if topics is None else [{"Name": name, "PartitionIndexes": p} for name, p in topics]
            pair.call("ListPartitionReassignments", version, port=port, TimeoutMs=5000, Topics=asked)
        pair.step(f"list reassignments: no time at the {port}'s listener")
        pair.call("ListPartitionReassignments", version, port=port, TimeoutMs=0, Topics=None)


def pages(pair: Pair) -> None:
    for version in pair.versions("DescribeTopicPartitions"):
        def ask(step: str, names, limit=2000, cursor=None) -> None:
            pair.step(f"pages: {step}")
            pair.call("DescribeTopicPartitions", version, Topics=[{"Name": n} for n in names], ResponsePartitionLimit=limit, Cursor=cursor)

        paged = ["paged-c", "paged-a", "paged-b"]
        for limit in (0, -1, 1, 3, 4, 5, 8, 11, 12, 13, 2**31 - 1):
            ask(f"limit {limit}", paged, limit)
        for topic in ("paged-a", "paged-b", "paged-c", "paged-aa", "a", "z", "", "nobody", "a b"):
            for index in (0, 2, 3, 4, 99, -1):
                ask(f"from {topic} {index}", paged, 5, {"TopicName": topic, "PartitionIndex": index})
        ask("unknown", ["nobody", "paged-a"])
        ask("unknown with a limit", ["nobody", "paged-a", "zz"], 2)
        for name in ("", "a b", ".", "x" * 250):
            ask(f"the name {name[:5]!r}", [name])
            ask(f"the name {name[:5]!r} beside a topic", [name, "paged-a"])
        ask("twice", ["paged-a", "paged-a"])
        ask("internal", ["__consumer_offsets"])
        ask("a cursor in the middle of the unknown", ["nobody", "paged-a"], 2, {"TopicName": "nobody", "PartitionIndex": 0})
        pair.step("pages: everything")
        pair.call("DescribeTopicPartitions", version, Topics=[], ResponsePartitionLimit=2000)
        pair.call("DescribeTopicPartitions", version, Topics=[], ResponsePartitionLimit=2, Cursor={"TopicName": "paged-b", "PartitionIndex": 1})
        pair.step("pages: null")
        pair.call("DescribeTopicPartitions", version, Topics=None)


def producers(pair: Pair) -> None:
    for version in pair.versions("InitProducerId"):
        for step, fields in {
            "new": {}, "again": {}, "timeout 0": {"TransactionTimeoutMs": 0}, "timeout -1": {"TransactionTimeoutMs": -1},
            "an id and an epoch": {"ProducerId": 5, "ProducerEpoch": 3}, "an id alone": {"ProducerId": 5}, "an epoch alone": {"ProducerEpoch": 3},
            "an empty transactional id": {"TransactionalId": ""},
        }.items():
            pair.step(f"producer id: {step}")
            pair.call("InitProducerId", version, **({"TransactionalId": None, "TransactionTimeoutMs": 60_000} | fields))
