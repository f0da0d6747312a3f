"""Random well-formed requests: made from the definitions, with values drawn from pools in which most things exist.

Kept out of the pools is what ends in a wait, in a throttled client, or in a difference that ARCHITECTURE.md gives its
reason for: a second member of a group, batches of share states that end before they begin, low quotas, transactions, a partition that one Produce names twice, the zero id in a Fetch.
"""
import random
import time

import batches
from pair import Pair
from schema import ZERO_UUID, Field
from scripts.configs import GROUP_VALUES, METRICS_VALUES, VALUES

TOPICS = {
    "random-one": (1, {}), "random-three": (3, {}), "random-compact": (2, {"cleanup_policy": "compact"}),
    "random-append": (1, {"message_timestamp_type": "LogAppendTime"}), "random-small": (1, {"max_message_bytes": "300"}),
    "random-plain": (1, {"compression_type": "uncompressed"}),
}
TEMPORARY = [f"random-temporary-{number}" for number in range(6)]
UNKNOWN_ID = "bm9ib2R5IGhhcyB0aGlzIA"
# More of what holds data and less of what waits for the disk.
WEIGHTS = {
    "Produce": 30, "Fetch": 30, "ListOffsets": 10, "Metadata": 10, "OffsetCommit": 10, "OffsetFetch": 10, "DeleteRecords": 5,
    "JoinGroup": 2, "DescribeConfigs": 2, "AddRaftVoter": 0,
    "AddPartitionsToTxn": 0, "WriteTxnMarkers": 0, "TxnOffsetCommit": 0, "WriteShareGroupState": 0,
    # What a client is told depends on the moment, and on an id that the broker makes up.
    "GetTelemetrySubscriptions": 0, "PushTelemetry": 0,
    # Kafka never answers when a partition does not exist, and fails where one group is named twice. At a partition below 0
    # it fails when the group is made already.
    "DescribeShareGroupOffsets": 0, "AlterShareGroupOffsets": 0,
}
WEIGHT = 3


def run(pair: Pair, count: int, seed: int) -> None:
    if count <= 0:
        return
    pair.script, pair.step_name = "random", f"the world of seed {seed}"
    world = World(pair, random.Random(seed))
    names = [name for name in pair.served if WEIGHTS.get(name, WEIGHT)]
    weights = [WEIGHTS.get(name, WEIGHT) for name in names]
    for number in range(count):
        name = world.dice.choices(names, weights)[0]
        version = world.dice.choice(pair.served[name])
        pair.step_name = f"seed {seed}, request {number}"
        answer = pair.call(name, version, **world.request(name, version))
        world.learn(name, answer)


class World:
    """What exists, and a maker of requests about it."""

    def __init__(self, pair: Pair, dice: random.Random):
        self.pair, self.dice = pair, dice
        self.ids = {name: pair.topic(name, partitions, **configs) for name, (partitions, configs) in TOPICS.items()}
        pair.await_coordinators()
        self.producers = [pair.call("InitProducerId", TransactionTimeoutMs=1000)["ProducerId"] for _ in range(3)]
        self.sequences: dict[tuple, int] = {}
        self.members: list[str] = []
        self.groups = ["random-a", "random-b", "random-c"]
        self.made = 0

    def learn(self, name: str, answer: dict | None) -> None:
        if answer and name == "JoinGroup" and answer["MemberId"]:
            self.members = self.members[-8:] + [answer["MemberId"]]

    def request(self, name: str, version: int) -> dict:
        api = self.pair.apis[name]
        fields = self.struct(name, api.request.fields, version)
        if version in api.request.flexible and self.dice.random() < 0.03:
            fields["_tags"] = {90 + self.dice.randrange(9): self.dice.randbytes(3)}
        return getattr(self, "fix_" + name, lambda fields, version: fields)(fields, version)

    def struct(self, api: str, fields: list[Field], version: int) -> dict:
        told = {}
        for item in fields:
            if version not in item.versions or (version in item.tagged and self.dice.random() < 0.8):
                continue
            if version in item.nullable and self.dice.random() < 0.08:
                told[item.name] = None
            elif item.array:
                told[item.name] = [self.one(api, item, version) for _ in range(self.dice.choice((0, 1, 1, 1, 2, 3)))]
            else:
                told[item.name] = self.one(api, item, version)
        return told

    def one(self, api: str, item: Field, version: int):
        if item.is_struct():
            return self.struct(api, item.fields, version)
        pool = POOLS.get(f"{api}.{item.name}") or POOLS.get(item.name) or POOLS.get(item.entity or "") or POOLS[item.type]
        return pool(self) if callable(pool) else self.dice.choice(pool)

    # Pools that depend on what there is --------------------------------------------------------------------------------

    def topic(self) -> str:
        return self.dice.choices([self.dice.choice(list(TOPICS)), self.dice.choice(TEMPORARY), "nobody", self.dice.choice(("", "a b", "x" * 250))], (80, 10, 8, 2))[0]

    def topic_id(self) -> str:
        return self.dice.choices([self.dice.choice(list(self.ids.values())), UNKNOWN_ID, ZERO_UUID], (85, 10, 5))[0]

    def group(self) -> str:
        return self.dice.choices([self.dice.choice(self.groups), "nobody", ""], (85, 10, 5))[0]

    def fresh_group(self) -> str:
        self.made += 1
        self.groups = self.groups[:3] + self.groups[3:][-5:] + [f"random-joined-{self.made}"]
        return self.groups[-1]

    def member(self) -> str:
        return self.dice.choice(["", "", "nobody", *self.members])

    def records(self) -> bytes:
        dice = self.dice
        count = dice.randint(1, 4)
        key = dice.choice((b"k", b"k", None))
        size = dice.choice((1, 10, 100, 400))
        # All of one time, so that no segment is rolled: what lies before the start of a log goes at its own time.
        now = int(time.time() * 1000)
        given = dict(codec=dice.choice((0, 0, 0, 1, 2, 3, 4)), timestamp=dice.choice((now, now, now - 100_000)))
        if dice.random() < 0.3:
            pid, epoch = dice.choice(self.producers), dice.choice((0, 0, 0, 1))
            at = (pid, epoch)
            given |= dict(pid=pid, epoch=epoch, sequence=dice.choice((self.sequences.get(at, 0), self.sequences.get(at, 0), 0, 3)))
            self.sequences[at] = given["sequence"] + count
        if dice.random() < 0.1:
            given |= dice.choice((
                dict(crc=1), dict(magic=3), dict(count=count + 1), dict(last_delta=9), dict(max_timestamp=5), dict(attributes=8), dict(attributes=32), dict(length=3),
            ))
        return batches.batch(batches.records(count, size, key), **given)

    # Requests whose fields depend on each other ------------------------------------------------------------------------

    def fix_Produce(self, fields: dict, version: int) -> dict:
        seen = set()
        for topic in fields["TopicData"]:
            name = topic.get("Name", topic.get("TopicId"))
            topic["PartitionData"] = [p for p in topic["PartitionData"] if (name, p["Index"]) not in seen and not seen.add((name, p["Index"]))]
            for part in topic["PartitionData"]:
                part["Records"] = part["Records"] or self.records()
        return fields | {"TransactionalId": None}

    def fix_Fetch(self, fields: dict, version: int) -> dict:
        session, epoch = self.dice.choice(((0, -1), (0, -1), (0, -1), (0, 0), (77, 1), (77, -1)))
        fields.pop("ReplicaState", None)
        fields["Topics"] = [topic for topic in fields["Topics"] if topic.get("TopicId") != ZERO_UUID]
        return fields | ({"SessionId": session, "SessionEpoch": epoch} if version >= 7 else {})

    def fix_DescribeLogDirs(self, fields: dict, version: int) -> dict:
        return fields | {"Topics": fields["Topics"] or []}

    def fix_DescribeTopicPartitions(self, fields: dict, version: int) -> dict:
        if fields["Cursor"] and self.dice.random() < 0.8:
            fields["Topics"].append({"Name": fields["Cursor"]["TopicName"]})
        return fields

    def fix_AlterClientQuotas(self, fields: dict, version: int) -> dict:
        for entry in fields["Entries"]:
            kinds = {part["EntityType"]: part for part in entry["Entity"]}
            entry["Entity"] = list(kinds.values())
            del entry["Ops"][1:]  # of several wrong ones Kafka tells the first of a hash table
        return fields

    def fix_UpdateFeatures(self, fields: dict, version: int) -> dict:
        # Of several that are refused Kafka names the one that its hash map has first.
        return {**fields, "FeatureUpdates": fields["FeatureUpdates"][:1]}

    def fix_CreateTopics(self, fields: dict, version: int) -> dict:
        """Of several wrong configs Kafka tells the first of a hash table."""
        for topic in fields["Topics"]:
            del topic["Configs"][1:]
        return fields

    def fix_AlterConfigs(self, fields: dict, version: int) -> dict:
        """A resource that is named twice is never answered by Kafka, nor are two of unknown kinds."""
        for row in fields["Resources"]:
            self.fill_configs(row)
        named = {(row["ResourceType"] if row["ResourceType"] in (2, 16, 32) else 0, row["ResourceName"]): row for row in fields["Resources"]}
        return fields | {"Resources": list(named.values())}

    def fix_IncrementalAlterConfigs(self, fields: dict, version: int) -> dict:
        for row in fields["Resources"]:
            self.fill_configs(row)
        return fields

    def fill_configs(self, row: dict) -> None:
        """Gives the keys of a resource of that kind; the topics that hold records keep theirs."""
        kinds = {2: VALUES, 16: METRICS_VALUES, 32: GROUP_VALUES}
        if row["ResourceType"] == 2:
            row["ResourceName"] = self.dice.choice(TEMPORARY + ["nobody"])
        del row["Configs"][1:]
        for config in row["Configs"]:
            config["Name"], config["Value"] = self.dice.choice(kinds.get(row["ResourceType"], VALUES))

    def fix_JoinGroup(self, fields: dict, version: int) -> dict:
        protocols = [{"Name": name, "Metadata": bytes(6) + b"\xff" * 4} for name in self.dice.choice((("range",), ("range", "sticky")))]
        return fields | {"GroupId": self.fresh_group(), "ProtocolType": "consumer", "Protocols": protocols, "MemberId": self.dice.choice(("", "", "nobody"))}

    def fix_DescribeConfigs(self, fields: dict, version: int) -> dict:
        return fields | {"IncludeDocumentation": False} if version >= 3 else fields


POOLS = {
    # By type.
    "bool": (False, True), "int8": (0, 1, 2, 3, -1), "int16": (0, 1, -1), "uint16": (0, 9092), "int32": (0, 1, 2, -1, 9), "int64": (-1, 0, 1, 5, 2**40),
    "uint32": (0, 1), "float64": (1e12, 2e12, 1e12 + 0.5), "string": ("", "a", "b", "nobody"), "bytes": (b"", b"x", b"xyz"), "records": World.records,
    "uuid": (ZERO_UUID, UNKNOWN_ID),
    # By what the definitions call an entity.
    "topicName": World.topic, "groupId": World.group, "brokerId": (-1, -1, 1, 7), "transactionalId": ("",),
    # By name.
    "TopicId": World.topic_id, "GroupId": World.group, "MemberId": World.member, "GroupInstanceId": (None, None, None, "me"),
    "Partition": (0, 0, 0, 1, 2, 9, -1), "PartitionIndex": (0, 0, 0, 1, 2, 9, -1), "Partitions": (0, 0, 1, 2, 9, -1), "Index": (0, 0, 0, 1, 2, 9, -1),
    "PartitionIndexes": (0, 0, 1, 2, 9, -1), "ReplicaId": (-1, -1, -1, -2), "Groups": World.group, "GroupsNames": World.group,
    "TimeoutMs": (5000, 5000, 5000, 0), "timeoutMs": (5000, 5000, 5000, 0), "MaxWaitMs": (0, 1, 5), "MinBytes": (0, 1, 100, -1),
    "MaxBytes": (1 << 20, 1 << 20, 0, 100, 300), "PartitionMaxBytes": (1 << 20, 1 << 20, 0, 100, 300), "FetchOffset": (0, 0, 1, 2, 5, 10, 50, -1, 1000),
    "Offset": (0, 1, 3, 5, -1, -2, 10_000), "CommittedOffset": (0, 5, 100, -1), "CommittedLeaderEpoch": (-1, 0, 3), "CommittedMetadata": ("", "m", "note"),
    "CurrentLeaderEpoch": (-1, -1, -1, 0, 1), "LeaderEpoch": (-1, 0, 1), "LastFetchedEpoch": (-1, -1, -1, 0, 1), "IsolationLevel": (0, 0, 1, 2),
    "ListOffsets.Timestamp": (-1, -2, -3, -4, -5, 0, 1_700_000_000_000, 2**50), "Acks": (-1, -1, 1, 1, 2), "Produce.TimeoutMs": (5000,),
    "ListOffsets.ReplicaId": (-1, -1, -1, -2, 1), "Key": World.group, "CoordinatorKeys": World.group, "KeyType": (0, 0, 0, 3, -1),
    "GenerationId": (-1, 0, 1, 2), "GenerationIdOrMemberEpoch": (-1, -1, -1, 0, 1), "RetentionTimeMs": (-1, 1000), "MemberEpoch": (-1, -1, 0, 1),
    "SessionTimeoutMs": (1_000_000, 1_000_000, 100), "RebalanceTimeoutMs": (1_000_000,), "StatesFilter": ("Stable", "Empty", "empty", "x"), "TypesFilter": ("classic", "consumer", "x"),
    "CreateTopics.Name": lambda world: world.dice.choice(TEMPORARY * 2 + list(TOPICS) + ["", "a b", "random.temporary-1"]), "DeleteTopics.Name": TEMPORARY * 3 + ["nobody", "", "a b"],
    "TopicNames": TEMPORARY * 3 + ["nobody", "", "a b"], "DeleteTopics.TopicId": (ZERO_UUID, ZERO_UUID, UNKNOWN_ID), "NumPartitions": (1, 1, 2, -1, 0), "ReplicationFactor": (1, 1, 1, -1, 0, 2), "BrokerIds": (1, 1, 7),
    "CreatePartitions.Name": lambda world: world.dice.choice(TEMPORARY * 2 + ["random-three", "nobody", ""]), "Count": (1, 2, 3, 4, 5, 6, 0, -1), "Replicas": (1, 1, 7),
    "ResourceType": (2, 2, 2, 16, 32, 5, 0), "DescribeConfigs.ResourceName": lambda world: world.topic(), "ResourceName": ("random-r", "1", ""), "ConfigurationKeys": ("retention.ms", "cleanup.policy", "x"),
    "ConfigOperation": (0, 0, 1, 2, 3), "ResourceTypes": (2, 4, 16, 32, 0), "EntityType": ("user", "client-id", "ip", "frob"), "EntityName": ("q1", "q2", None, "10.0.0.1"),
    "Match": ("q1", "q2", None), "MatchType": (0, 1, 2), "AlterClientQuotas.Key": ("producer_byte_rate", "consumer_byte_rate", "request_percentage", "frob"),
    "Users": ("s1", "s2"), "AlterUserScramCredentials.Name": ("s1", "s2", "s3", ""), "Mechanism": (1, 1, 2, 0), "SaslHandshake.Mechanism": ("PLAIN", "x"), "Iterations": (4096, 5000, 1), "SaltedPassword": (b"p" * 32,),
    "DescribeQuorum.TopicName": ("__cluster_metadata", "__cluster_metadata", "random-one"), "BrokerId": (7, 0, -1), "VoterId": (7,), "ClusterId": (None, "x"), "Path": ("/nowhere", "", "relative"),
    "ElectionType": (0, 0, 1), "TopicName": World.topic, "ResponsePartitionLimit": (2000, 1, 2, 5, 0), "ClientSoftwareName": ("diff", "", "a b"), "ClientSoftwareVersion": ("1", "-"),
    "EndpointType": (1, 1, 2, 0), "ProducerId": (-1,), "ProducerEpoch": (-1,), "TransactionTimeoutMs": (600_000, 600_000, 1_000_000, 0, -1), "Topic": World.topic, "DescribeProducers.Name": World.topic,
}
