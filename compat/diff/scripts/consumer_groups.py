"""Consumer groups: members join, live, change their minds, are fenced, leave; how groups change their kind; what is told of them.

Assignments are compared only where they follow from the rules: with more than one way to share, Kafka takes that of a hash's order.
"""
import time

from pair import Pair
from schema import ZERO_UUID
from scripts.groups import enter, join, sync

APIS = ["ConsumerGroupHeartbeat", "ConsumerGroupDescribe"]
TURN = 8
ids: dict[str, str] = {}


def run(pair: Pair) -> None:
    pair.step("topics")
    for name in ("wanted", "wanted-too"):
        ids[name] = pair.topic(name, 4)
    pair.await_coordinators()
    for version in pair.versions("ConsumerGroupHeartbeat"):
        refused(pair, version)
        life(pair, version)
        two(pair, version)
        static(pair, version)
        offsets(pair, version)
        kinds(pair, version)
        mixed(pair, version)
    if 1 in pair.versions("ConsumerGroupHeartbeat"):
        patterns(pair)
    grown(pair)
    full(pair)
    for version in pair.versions("ConsumerGroupDescribe"):
        described(pair, version)


def beat(pair: Pair, version: int, group: str, member: str, epoch: int, **more) -> dict | None:
    return pair.call("ConsumerGroupHeartbeat", version, **({"GroupId": group, "MemberId": member, "MemberEpoch": epoch} | more))


def enters(pair: Pair, version: int, group: str, member: str, topics=("wanted",), **more) -> dict | None:
    fields = {"RebalanceTimeoutMs": 60_000, "SubscribedTopicNames": None if topics is None else list(topics), "TopicPartitions": []}
    return beat(pair, version, group, member, 0, **(fields | more))


def owns(*partitions: int, topic="wanted") -> list[dict]:
    return [{"TopicId": ids[topic], "Partitions": list(partitions)}]


def describe(pair: Pair, *groups: str) -> None:
    pair.call("ConsumerGroupDescribe", GroupIds=list(groups))


def refused(pair: Pair, version: int) -> None:
    group = f"refused-consumer-{version}"
    for step, fields in {
        "no group": {"GroupId": ""}, "a blank group": {"GroupId": " "}, "no member": {"MemberId": ""}, "no member, later": {"MemberId": "", "MemberEpoch": 3},
        "no timeout": {"RebalanceTimeoutMs": -1}, "partitions unsaid": {"TopicPartitions": None}, "with partitions": {"TopicPartitions": owns(0)},
        "no subscription": {"SubscribedTopicNames": None}, "an empty instance": {"InstanceId": ""}, "an empty rack": {"RackId": ""},
        "an unknown assignor": {"ServerAssignor": "mine"}, "an empty assignor": {"ServerAssignor": ""}, "an epoch of -3": {"MemberEpoch": -3},
        "an epoch in no group": {"MemberEpoch": 3}, "leaves no group": {"MemberEpoch": -1}, "leaves no group for a while": {"MemberEpoch": -2},
        "an instance leaves no group for a while": {"MemberEpoch": -2, "InstanceId": "me"}, "null group": {"GroupId": None}, "null member": {"MemberId": None},
    }.items():
        pair.step(step)
        # Who has no id gets one of the broker's making, and the group with it.
        if step == "no member" and version == 0:
            continue
        enters(pair, version, group, "m", **fields)
    pair.step("described, not there")
    describe(pair, group, "")


def life(pair: Pair, version: int) -> None:
    group = f"life-{version}"
    pair.step("joins")
    enters(pair, version, group, "a")
    describe(pair, group)
    for step, epoch, fields in (
        ("beats", 2, {}), ("says everything", 2, {"RebalanceTimeoutMs": 60_000, "SubscribedTopicNames": ["wanted"], "TopicPartitions": owns(0, 1, 2, 3)}),
        ("an epoch to come", 3, {}), ("the epoch before", 1, {"TopicPartitions": owns(0)}), ("an old epoch", 1, {}),
        ("begins anew", 0, {"RebalanceTimeoutMs": 60_000, "SubscribedTopicNames": ["wanted"], "TopicPartitions": []}),
        ("another rack and timeout", 2, {"RackId": "r", "RebalanceTimeoutMs": 5_000}),
        ("wants another topic", 2, {"SubscribedTopicNames": ["wanted-too"], "TopicPartitions": owns(0, 1, 2, 3)}),
        ("gives up slowly", 2, {"TopicPartitions": owns(0)}), ("has given up", 2, {"TopicPartitions": []}),
        ("wants none", 3, {"SubscribedTopicNames": [], "TopicPartitions": owns(0, 1, 2, 3, topic="wanted-too")}), ("has none", 3, {"TopicPartitions": []}),
        ("wants one that is not there", 4, {"SubscribedTopicNames": ["nobody"], "TopicPartitions": []}), ("another assignor", 5, {"ServerAssignor": "range"}),
        ("wants the first again", 5, {"SubscribedTopicNames": ["wanted"], "TopicPartitions": []}),
    ):
        pair.step(step)
        beat(pair, version, group, "a", epoch, **fields)
        describe(pair, group)
    pair.step("somebody else")
    beat(pair, version, group, "nobody", 2)
    beat(pair, version, group, "nobody", -1)
    pair.step("leaves")
    beat(pair, version, group, "a", -1)
    describe(pair, group)
    pair.step("leaves again")
    beat(pair, version, group, "a", -1)
    pair.step("listed, empty")
    pair.call("ListGroups", 5, StatesFilter=["empty"], TypesFilter=["consumer"])
    pair.step("deleted")
    pair.call("DeleteGroups", GroupsNames=[group])
    describe(pair, group)


def two(pair: Pair, version: int) -> None:
    group = f"two-{version}"
    pair.step("one has everything")
    enters(pair, version, group, "a")
    pair.step("another comes")
    enters(pair, version, group, "b")
    describe(pair, group)
    for step, member, epoch, fields in (
        ("is to give up", "a", 2, {"TopicPartitions": owns(0, 1, 2, 3)}), ("waits", "b", 3, {"TopicPartitions": []}),
        ("has given up", "a", 2, {"TopicPartitions": owns(0, 1)}), ("gets it", "b", 3, {"TopicPartitions": []}),
        ("lost the answer", "b", 3, {}), ("beats", "a", 3, {}),
    ):
        pair.step(f"{member} {step}")
        beat(pair, version, group, member, epoch, **fields)
        describe(pair, group)
    pair.step("offsets of one with an old epoch")
    beat(pair, version, group, "b", -1)
    pair.step("the other has everything again")
    beat(pair, version, group, "a", 3, TopicPartitions=owns(0, 1))
    describe(pair, group)
    beat(pair, version, group, "a", -1)


def static(pair: Pair, version: int) -> None:
    group, me = f"static-consumer-{version}", {"InstanceId": "me"}
    pair.step("static: joins")
    enters(pair, version, group, "a", **me)
    pair.step("static: a second one")
    enters(pair, version, group, "b", **me)
    pair.step("static: as somebody else")
    beat(pair, version, group, "b", 2, **me)
    beat(pair, version, group, "a", 2, InstanceId="you")
    beat(pair, version, group, "b", -1, **me)
    pair.step("static: goes for a while")
    beat(pair, version, group, "a", -2, **me)
    describe(pair, group)
    pair.step("static: comes back")
    enters(pair, version, group, "b", **me)
    describe(pair, group)
    pair.step("static: the old one")
    beat(pair, version, group, "a", 2, **me)
    pair.step("static: goes")
    beat(pair, version, group, "b", -1, **me)
    describe(pair, group)


def offsets(pair: Pair, version: int) -> None:
    group = f"offsets-consumer-{version}"
    enters(pair, version, group, "a")
    row = [{"Name": "wanted", "TopicId": ids["wanted"], "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 5, "CommittedMetadata": ""}]}]
    for step, at, fields in (
        ("a member", 9, {}), ("a member, before version 9", 8, {}), ("an epoch to come", 9, {"GenerationIdOrMemberEpoch": 9}), ("an old epoch", 9, {"GenerationIdOrMemberEpoch": 1}),
        ("nobody", 9, {"MemberId": "nobody"}), ("simply", 9, {"MemberId": "", "GenerationIdOrMemberEpoch": -1}), ("by id", 10, {}), ("stale, by id", 10, {"GenerationIdOrMemberEpoch": 1}),
    ):
        pair.step(f"commit: {step}")
        pair.call("OffsetCommit", at, **({"GroupId": group, "MemberId": "a", "GenerationIdOrMemberEpoch": 2, "Topics": row} | fields))
    for step, fields in {
        "a member": {"MemberId": "a", "MemberEpoch": 2}, "an epoch to come": {"MemberId": "a", "MemberEpoch": 3}, "nobody": {"MemberId": "nobody", "MemberEpoch": 2},
        "no member": {"MemberId": None, "MemberEpoch": -1},
    }.items():
        pair.step(f"fetch: {step}")
        asked = [{"Name": "wanted", "TopicId": ids["wanted"], "PartitionIndexes": [0, 1]}]
        pair.call("OffsetFetch", 9, Groups=[{"GroupId": group, "Topics": asked} | fields])
        pair.call("OffsetFetch", 9, Groups=[{"GroupId": group, "Topics": None} | fields])
    pair.step("offsets of topics in use stay")
    pair.call("OffsetDelete", 0, GroupId=group, Topics=[{"Name": "wanted", "Partitions": [{"PartitionIndex": 0}]}, {"Name": "wanted-too", "Partitions": [{"PartitionIndex": 0}]}])
    pair.step("a group with members stays")
    pair.call("DeleteGroups", GroupsNames=[group])
    beat(pair, version, group, "a", -1)
    pair.step("commit: simply, to an empty group")
    pair.call("OffsetCommit", 9, GroupId=group, MemberId="", GenerationIdOrMemberEpoch=-1, Topics=row)
    pair.step("an empty group goes")
    pair.call("DeleteGroups", GroupsNames=[group])
    pair.call("OffsetFetch", 9, Groups=[{"GroupId": group, "Topics": None, "MemberEpoch": -1}])


def kinds(pair: Pair, version: int) -> None:
    """Groups of one kind met with requests of the other."""
    group = f"kinds-{version}"
    enters(pair, version, group, "a")
    for at in pair.versions("DescribeGroups"):
        pair.step("a consumer group, described as a classic one")
        pair.call("DescribeGroups", at, Groups=[group])
    for step, fields in {"all": {}, "classic": {"TypesFilter": ["classic"]}, "consumer": {"TypesFilter": ["Consumer"]}, "stable": {"StatesFilter": ["stable"]}, "none": {"TypesFilter": ["none"]}}.items():
        pair.step(f"listed: {step}")
        pair.call("ListGroups", 5, **fields)
    me = {"GroupId": group, "MemberId": "a", "GenerationId": 2}
    pair.step("a consumer speaks the classic protocol")
    pair.call("Heartbeat", 4, **me)
    pair.call("SyncGroup", 5, **(me | {"ProtocolType": "consumer", "ProtocolName": "range", "Assignments": []}))
    pair.call("LeaveGroup", 5, GroupId=group, Members=[{"MemberId": "nobody"}, {"MemberId": "", "GroupInstanceId": "me"}, {"MemberId": "a", "GroupInstanceId": "me"}])
    pair.step("an administrator removes a consumer")
    pair.call("LeaveGroup", 5, GroupId=group, Members=[{"MemberId": "a"}])
    describe(pair, group)
    pair.step("a classic member enters the empty group")
    one = enter(pair, group)
    sync(pair, group, one)
    describe(pair, group)
    pair.step("the classic group of another assignment")
    enters(pair, version, group, "b")
    beat(pair, version, group, "b", 3)
    beat(pair, version, group, "b", -1)


def consumer(group: str, member="", topics=("wanted",), **more) -> dict:
    """A join with a subscription as a consumer writes it."""
    data = b"\0\0" + len(topics).to_bytes(4) + b"".join(len(name).to_bytes(2) + name.encode() for name in topics) + b"\xff" * 4
    return join(group, member=member, **({"Protocols": [{"Name": "range", "Metadata": data}]} | more))


def mixed(pair: Pair, version: int) -> None:
    group = f"mixed-{version}"
    owned = b"\0\0\0\0\0\1" + b"\0\6wanted" + b"\0\0\0\4" + b"".join(part.to_bytes(4) for part in range(4)) + b"\xff" * 4
    pair.step("a classic member alone")
    one = pair.call("JoinGroup", 4, **consumer(group))
    one = pair.call("JoinGroup", 4, **consumer(group, one["MemberId"]))
    sync(pair, group, one, assignment=owned)
    classic = {"GroupId": group, "MemberId": one["MemberId"]}
    names = {"ProtocolType": "consumer", "ProtocolName": "range", "Assignments": []}
    pair.step("one of the newer protocol comes")
    enters(pair, version, group, "n")
    describe(pair, group)
    pair.step("the classic one is told")
    pair.call("Heartbeat", 4, **classic, GenerationId=1)
    pair.call("Heartbeat", 4, **classic, GenerationId=2)
    pair.call("SyncGroup", 5, **classic, **names, GenerationId=1)
    pair.step("the classic one joins again")
    again = pair.call("JoinGroup", 5, **consumer(group, one["MemberId"]))
    describe(pair, group)
    for fields in ({}, {"ProtocolName": "other"}, {"ProtocolType": "connect"}, {"GenerationId": 9}):
        pair.step(f"the classic one synchronises {fields}")
        pair.call("SyncGroup", 5, **(classic | names | {"GenerationId": again["GenerationId"]} | fields))
    pair.step("the new one gets its share")
    beat(pair, version, group, "n", 2, TopicPartitions=[])
    describe(pair, group)
    pair.step("a classic member with other protocols")
    pair.call("JoinGroup", 5, **join(group, names=("mine",)))
    pair.call("JoinGroup", 5, **join(group, kind="connect"))
    pair.step("a classic member without an id")
    pair.call("JoinGroup", 5, **consumer(group))
    pair.step("the new one goes")
    beat(pair, version, group, "n", -1)
    describe(pair, group)
    pair.call("DescribeGroups", 5, Groups=[group])
    pair.step("the classic one goes on")
    pair.call("Heartbeat", 4, **classic, GenerationId=again["GenerationId"])
    last = pair.call("JoinGroup", 5, **consumer(group, one["MemberId"]))
    sync(pair, group, last, assignment=owned)
    pair.call("DescribeGroups", 5, Groups=[group])
    pair.call("LeaveGroup", 5, GroupId=group, Members=[{"MemberId": one["MemberId"]}])


def patterns(pair: Pair) -> None:
    """What a pattern describes is looked for behind the heartbeat."""
    group = "patterns"
    for pattern in ("wanted(", "[", "a**", "*", "a{2000}", "(?=a)", "\\8"):
        pair.step(f"pattern {pattern}")
        enters(pair, 1, group, "a", None, SubscribedTopicRegex=pattern)
    pair.step("a pattern")
    enters(pair, 1, group, "a", None, SubscribedTopicRegex="want.d")
    time.sleep(0.5)
    for step, epoch in (("is resolved", 1), ("stays", 2)):
        pair.step(f"the pattern {step}")
        beat(pair, 1, group, "a", epoch)
        describe(pair, group)
    pair.step("no pattern any more")
    beat(pair, 1, group, "a", 2, SubscribedTopicRegex="", TopicPartitions=owns(0, 1, 2, 3))
    beat(pair, 1, group, "a", 2, TopicPartitions=[])
    describe(pair, group)
    beat(pair, 1, group, "a", -1)


def grown(pair: Pair) -> None:
    group = "grown-consumer"
    pair.step("a topic to come")
    enters(pair, 0, group, "a", ("to-come",))
    ids["to-come"] = pair.topic("to-come", 1)
    pair.step("the topic has come")
    beat(pair, 0, group, "a", 2, TopicPartitions=[])
    pair.call("CreatePartitions", TimeoutMs=10_000, Topics=[{"Name": "to-come", "Count": 3}])
    pair.step("the topic has grown")
    beat(pair, 0, group, "a", 3, TopicPartitions=owns(0, topic="to-come"))
    describe(pair, group)
    pair.call("DeleteTopics", 5, TimeoutMs=10_000, TopicNames=["to-come"])
    pair.step("the topic has gone")
    beat(pair, 0, group, "a", 4, TopicPartitions=owns(0, 1, 2, topic="to-come"))
    beat(pair, 0, group, "a", 4, TopicPartitions=[])
    describe(pair, group)
    beat(pair, 0, group, "a", -1)


def full(pair: Pair) -> None:
    for number in range(6):
        pair.step(f"member {number} of a full group")
        enters(pair, 0, "full-consumer", f"m{number}", ())
    pair.step("a classic member of a full group")
    pair.call("JoinGroup", 5, **consumer("full-consumer"))
    for number in range(6):
        beat(pair, 0, "full-consumer", f"m{number}", -1)


def described(pair: Pair, version: int) -> None:
    group = f"described-consumer-{version}"
    enters(pair, 0, group, "a", RackId="r", InstanceId="me", ServerAssignor="range")
    for step, fields in {
        "one": {"GroupIds": [group]}, "with operations": {"GroupIds": [group], "IncludeAuthorizedOperations": True}, "twice": {"GroupIds": [group, group]},
        "none": {"GroupIds": []}, "null": {"GroupIds": None}, "unknown": {"GroupIds": ["nobody", group, ""]},
    }.items():
        pair.step(f"described: {step}")
        pair.call("ConsumerGroupDescribe", version, **fields)
    beat(pair, 0, group, "a", -1, InstanceId="me")
