"""Share groups: members join, live, are fenced, leave; where a group stands, is set and is forgotten; groups of other kinds.

Assignments are compared only where they follow from the rules: with more than one way to share, Kafka takes that of a hash's order.
"""
import time

from pair import Pair

APIS = ["ShareGroupHeartbeat", "ShareGroupDescribe", "DescribeShareGroupOffsets", "AlterShareGroupOffsets", "DeleteShareGroupOffsets"]
GROUP_RESOURCE = 32
# Kafka makes the state of partitions behind the answer.
MADE_WITHIN_SECONDS = 1.0


def run(pair: Pair) -> None:
    pair.step("topics")
    for name, partitions in (("shared", 3), ("shared-too", 1)):
        pair.topic(name, partitions)
    pair.await_coordinators()
    # The first state makes the topic in which it is kept.
    pair.step("the first group")
    at_once(pair, "first-share")
    enters(pair, "first-share", "a")
    time.sleep(5 * MADE_WITHIN_SECONDS)
    beat(pair, "first-share", "a", -1)
    refused(pair)
    life(pair)
    two(pair)
    kinds(pair)
    offsets(pair)
    full(pair)
    for version in pair.versions("ShareGroupDescribe"):
        described(pair, version)


def beat(pair: Pair, group: str, member: str, epoch: int, **more) -> dict | None:
    return pair.call("ShareGroupHeartbeat", **({"GroupId": group, "MemberId": member, "MemberEpoch": epoch} | more))


def enters(pair: Pair, group: str, member: str, topics=("shared",), **more) -> dict | None:
    return beat(pair, group, member, 0, **({"SubscribedTopicNames": None if topics is None else list(topics)} | more))


def describe(pair: Pair, *groups: str) -> None:
    pair.call("ShareGroupDescribe", GroupIds=list(groups))


def at_once(pair: Pair, group: str) -> None:
    """The group's assignment is computed whenever it may have changed."""
    config = {"Name": "share.assignment.interval.ms", "ConfigOperation": 0, "Value": "0"}
    pair.call("IncrementalAlterConfigs", Resources=[{"ResourceType": GROUP_RESOURCE, "ResourceName": group, "Configs": [config]}])


def refused(pair: Pair) -> None:
    group = "refused-share"
    for step, fields in {
        "no group": {"GroupId": ""}, "a blank group": {"GroupId": " "}, "no member": {"MemberId": ""}, "a blank member": {"MemberId": " "},
        "a long member": {"MemberId": "m" * 37}, "no subscription": {"SubscribedTopicNames": None}, "an empty subscription": {"SubscribedTopicNames": []},
        "an empty rack": {"RackId": ""}, "an epoch of -2": {"MemberEpoch": -2}, "an epoch in no group": {"MemberEpoch": 3},
        "leaves no group": {"MemberEpoch": -1}, "null group": {"GroupId": None}, "null member": {"MemberId": None},
    }.items():
        pair.step(step)
        enters(pair, group, "m", **fields)
    pair.step("described, not there")
    describe(pair, group, "")


def life(pair: Pair) -> None:
    group = "life-share"
    at_once(pair, group)
    pair.step("joins")
    enters(pair, group, "a")
    time.sleep(MADE_WITHIN_SECONDS)
    describe(pair, group)
    for step, epoch, fields in (
        ("gets its partitions", 2, {}), ("says everything", 3, {"SubscribedTopicNames": ["shared"]}), ("an epoch to come", 9, {}),
        ("the epoch before", 2, {}), ("an old epoch", 1, {}), ("begins anew", 0, {"SubscribedTopicNames": ["shared"]}), ("another rack", 3, {"RackId": "r"}),
        ("wants another topic", 3, {"SubscribedTopicNames": ["shared-too"]}),
    ):
        pair.step(step)
        beat(pair, group, "a", epoch, **fields)
        describe(pair, group)
    time.sleep(MADE_WITHIN_SECONDS)
    for step, epoch, fields in (
        ("gets the other topic", 4, {}), ("wants both", 5, {"SubscribedTopicNames": ["shared", "shared-too"]}), ("beats", 6, {}),
        ("wants one that is not there", 6, {"SubscribedTopicNames": ["nobody"]}), ("wants the first again", 7, {"SubscribedTopicNames": ["shared"]}),
    ):
        pair.step(step)
        beat(pair, group, "a", epoch, **fields)
        describe(pair, group)
    pair.step("somebody else")
    beat(pair, group, "nobody", 2)
    beat(pair, group, "nobody", -1)
    pair.step("a group with members stays")
    pair.call("DeleteGroups", GroupsNames=[group])
    pair.step("leaves")
    beat(pair, group, "a", -1)
    describe(pair, group)
    pair.step("leaves again")
    beat(pair, group, "a", -1)
    pair.step("listed, empty")
    pair.call("ListGroups", 5, StatesFilter=["empty"], TypesFilter=["share"])
    pair.step("deleted")
    pair.call("DeleteGroups", GroupsNames=[group, "nobody"])
    describe(pair, group)


def two(pair: Pair) -> None:
    group = "two-share"
    at_once(pair, group)
    pair.step("one alone")
    enters(pair, group, "a", ("shared-too",))
    time.sleep(MADE_WITHIN_SECONDS)
    beat(pair, group, "a", 2)
    pair.step("another shares the partition")
    enters(pair, group, "b", ("shared-too",))
    beat(pair, group, "a", 3)
    describe(pair, group)
    pair.step("one wants something else")
    beat(pair, group, "b", 4, SubscribedTopicNames=["shared"])
    time.sleep(MADE_WITHIN_SECONDS)
    beat(pair, group, "b", 5)
    beat(pair, group, "a", 4)
    describe(pair, group)
    for member in ("a", "b"):
        beat(pair, group, member, -1)


def kinds(pair: Pair) -> None:
    """Groups of one kind met with requests of the other."""
    group, row = "kinds-share", [{"Name": "shared", "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 5, "CommittedMetadata": ""}]}]
    enters(pair, group, "a")
    pair.step("a share group, described as others are")
    pair.call("DescribeGroups", Groups=[group])
    pair.call("ConsumerGroupDescribe", GroupIds=[group])
    for step, fields in {"share": {"TypesFilter": ["Share"]}, "classic": {"TypesFilter": ["classic"]}, "stable": {"StatesFilter": ["stable"]}}.items():
        pair.step(f"listed: {step}")
        pair.call("ListGroups", 5, **fields)
    pair.step("a sharer speaks the classic protocol")
    me = {"GroupId": group, "MemberId": "a", "GenerationId": 2}
    pair.call("JoinGroup", 5, GroupId=group, SessionTimeoutMs=10_000, RebalanceTimeoutMs=10_000, MemberId="", ProtocolType="consumer", Protocols=[{"Name": "range", "Metadata": b""}])
    pair.call("Heartbeat", 4, **me)
    pair.call("SyncGroup", 5, **(me | {"ProtocolType": "consumer", "ProtocolName": "range", "Assignments": []}))
    pair.call("LeaveGroup", 5, GroupId=group, Members=[{"MemberId": "a"}])
    pair.step("a consumer enters")
    pair.call(
        "ConsumerGroupHeartbeat", GroupId=group, MemberId="c", MemberEpoch=0, RebalanceTimeoutMs=60_000, SubscribedTopicNames=["shared"], TopicPartitions=[],
    )
    pair.step("offsets of a share group")
    pair.call("OffsetCommit", 9, GroupId=group, MemberId="", GenerationIdOrMemberEpoch=-1, Topics=row)
    pair.call("OffsetCommit", 9, GroupId=group, MemberId="a", GenerationIdOrMemberEpoch=2, Topics=row)
    pair.call("OffsetFetch", 9, Groups=[{"GroupId": group, "Topics": [{"Name": "shared", "PartitionIndexes": [0]}]}])
    pair.call("OffsetFetch", 9, Groups=[{"GroupId": group, "Topics": None}])
    pair.call("OffsetDelete", 0, GroupId=group, Topics=[{"Name": "shared", "Partitions": [{"PartitionIndex": 0}]}])
    beat(pair, group, "a", -1)
    pair.step("a consumer group met with share requests")
    other = "kinds-share-other"
    pair.call("OffsetCommit", 9, GroupId=other, MemberId="", GenerationIdOrMemberEpoch=-1, Topics=row)
    enters(pair, other, "a")
    beat(pair, other, "a", 2)
    beat(pair, other, "a", -1)
    describe(pair, other)
    pair.call("AlterShareGroupOffsets", GroupId=other, Topics=[])
    pair.call("DeleteShareGroupOffsets", GroupId=other, Topics=[{"TopicName": "shared"}])
    pair.call("DescribeShareGroupOffsets", Groups=[{"GroupId": other, "Topics": None}])


def full(pair: Pair) -> None:
    for number in range(5):
        pair.step(f"member {number} of a full group")
        enters(pair, "full-share", f"m{number}", ("nowhere",))
    for number in range(5):
        beat(pair, "full-share", f"m{number}", -1)


def offsets(pair: Pair) -> None:
    group = "offsets-share"
    at_once(pair, group)

    def stands(step: str, topics=None, groups=(group,)) -> None:
        pair.step(step)
        for version in pair.versions("DescribeShareGroupOffsets"):
            pair.call("DescribeShareGroupOffsets", version, Groups=[{"GroupId": one, "Topics": topics} for one in groups])

    def sets(step: str, *rows: tuple[str, int, int], **fields) -> None:
        pair.step(step)
        topics = [{"TopicName": topic, "Partitions": [{"PartitionIndex": partition, "StartOffset": start}]} for topic, partition, start in rows]
        pair.call("AlterShareGroupOffsets", **({"GroupId": group, "Topics": topics} | fields))

    # Kafka never answers for a partition that is not there.
    some = [{"TopicName": "shared", "Partitions": [0, 2]}, {"TopicName": "nowhere", "Partitions": [0]}]
    stands("where a group stands that is not there")
    stands("where it stands in some", some)
    stands("no topics", [])
    stands("no groups", groups=())
    stands("no name", groups=("",))
    sets("set: no group", ("shared", 0, 0), GroupId="")
    sets("set: no topics")
    sets("set: unknown ones", ("nowhere", 0, 0), ("shared", 9, 0))
    sets("set: a new group", ("shared", 1, 0), ("nowhere", 0, 0), ("shared-too", 0, 0))
    time.sleep(MADE_WITHIN_SECONDS)
    stands("where it stands now")
    stands("where it stands in some now", some)
    describe(pair, group)
    pair.step("a member comes")
    enters(pair, group, "a", ("shared", "shared-too"))
    time.sleep(MADE_WITHIN_SECONDS)
    beat(pair, group, "a", 2)
    sets("set: a group with members", ("shared", 0, 0))
    pair.step("forgotten: a group with members")
    pair.call("DeleteShareGroupOffsets", GroupId=group, Topics=[{"TopicName": "shared"}])
    beat(pair, group, "a", -1)
    for step, topics, fields in (
        ("no group", ["shared"], {"GroupId": ""}), ("an unknown group", ["shared"], {"GroupId": "nobody"}), ("no topics", [], {}),
        ("some", ["shared", "nowhere"], {}), ("again", ["shared"], {}), ("the rest", ["shared-too", "shared"], {}),
    ):
        pair.step(f"forgotten: {step}")
        pair.call("DeleteShareGroupOffsets", **({"GroupId": group, "Topics": [{"TopicName": topic} for topic in topics]} | fields))
    stands("where it stands after that")
    pair.step("gone")
    pair.call("DeleteGroups", GroupsNames=[group])
    stands("where it stands after all")


def described(pair: Pair, version: int) -> None:
    group = "described-share"
    enters(pair, group, "a", RackId="r")
    for step, fields in {
        "one": {"GroupIds": [group]}, "with operations": {"GroupIds": [group], "IncludeAuthorizedOperations": True}, "twice": {"GroupIds": [group, group]},
        "none": {"GroupIds": []}, "null": {"GroupIds": None}, "unknown": {"GroupIds": ["nobody", group, ""]},
    }.items():
        pair.step(f"described: {step}")
        pair.call("ShareGroupDescribe", version, **fields)
    beat(pair, group, "a", -1)
