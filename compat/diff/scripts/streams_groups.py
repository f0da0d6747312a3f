"""Streams groups: an application brings its topology, internal topics are made, tasks are shared; statuses, fencing, kinds, offsets.

Tasks are compared only where they follow from the rules: with more than one way to share, Kafka takes that of a hash's order.
"""
import time

from pair import Pair
from scripts.groups import enter, sync

APIS = ["StreamsGroupHeartbeat", "StreamsGroupDescribe"]
NOTHING = {"ActiveTasks": [], "StandbyTasks": [], "WarmupTasks": []}


def run(pair: Pair) -> None:
    pair.step("topics")
    for name, partitions in (("streamed", 4), ("streamed-too", 2), ("kept", 4), ("passed", 4)):
        pair.topic(name, partitions)
    pair.await_coordinators()
    refused(pair)
    topologies(pair)
    life(pair)
    two(pair)
    made(pair)
    statuses(pair)
    endpoints(pair)
    offsets(pair)
    kinds(pair)
    full(pair)
    described(pair)


def at_once(pair: Pair, group: str, **more: str) -> None:
    """The group waits for nobody."""
    configs = {"streams.initial.rebalance.delay.ms": "0", "streams.assignment.interval.ms": "0"} | more
    changes = [{"Name": name, "ConfigOperation": 0, "Value": value} for name, value in configs.items()]
    pair.call("IncrementalAlterConfigs", 1, Resources=[{"ResourceType": 32, "ResourceName": group, "Configs": changes}], ValidateOnly=False)


def subtopology(number: int, sources=(), changelogs=(), sinks=(), repartition=(), together=()) -> dict:
    def topics(names):
        infos = [name if isinstance(name, dict) else {"Name": name} for name in names]
        return [{"Partitions": 0, "ReplicationFactor": 0, "TopicConfigs": []} | info for info in infos]
    return {
        "SubtopologyId": str(number), "SourceTopics": list(sources), "SourceTopicRegex": [], "StateChangelogTopics": topics(changelogs),
        "RepartitionSinkTopics": list(sinks), "RepartitionSourceTopics": topics(repartition), "CopartitionGroups": list(together),
    }


def together(sources=(), repartition=()) -> dict:
    return {"SourceTopics": list(sources), "SourceTopicRegex": [], "RepartitionSourceTopics": list(repartition)}


def topology(*subtopologies: dict, epoch=0) -> dict:
    return {"Epoch": epoch, "Subtopologies": list(subtopologies)}


PLAIN = topology(subtopology(0, ["streamed"], ["kept"]))


def beat(pair: Pair, group: str, member: str, epoch: int, **more) -> dict | None:
    fields = {"GroupId": group, "MemberId": member, "MemberEpoch": epoch, "EndpointInformationEpoch": 0}
    return pair.call("StreamsGroupHeartbeat", 0, **(fields | more))


def enters(pair: Pair, group: str, member: str, what=PLAIN, **more) -> dict | None:
    fields = {"RebalanceTimeoutMs": 60_000, "Topology": what, "ProcessId": f"process-{member}", **NOTHING}
    return beat(pair, group, member, 0, **(fields | more))


def has(*active: int, standby=(), subtopology="0") -> dict:
    tasks = lambda numbers: [{"SubtopologyId": subtopology, "Partitions": list(numbers)}] if numbers else []
    return {"ActiveTasks": tasks(active), "StandbyTasks": tasks(standby), "WarmupTasks": []}


def describe(pair: Pair, *groups: str) -> None:
    pair.call("StreamsGroupDescribe", GroupIds=list(groups))


def refused(pair: Pair) -> None:
    group = "refused-streams"
    one = [{"SubtopologyId": "0", "Partitions": [0]}]
    offsets = [{"SubtopologyId": "0", "Partition": 0, "Offset": 1}]
    pattern = subtopology(0, ["streamed"]) | {"SourceTopicRegex": ["s.*"]}
    for step, fields in {
        "no group": {"GroupId": ""}, "a blank group": {"GroupId": " "}, "no member": {"MemberId": ""}, "a blank member": {"MemberId": " "},
        "an instance": {"InstanceId": "me"}, "an empty instance": {"InstanceId": ""}, "an empty rack": {"RackId": ""}, "no timeout": {"RebalanceTimeoutMs": -1},
        "no topology": {"Topology": None}, "active unsaid": {"ActiveTasks": None}, "all unsaid": {"ActiveTasks": None, "StandbyTasks": None, "WarmupTasks": None},
        "with active": {"ActiveTasks": one}, "with standby": {"StandbyTasks": one}, "with warm-up": {"WarmupTasks": one},
        "offsets": {"TaskOffsets": offsets}, "end offsets": {"TaskEndOffsets": offsets}, "no offsets": {"TaskOffsets": []},
        "an epoch of -3": {"MemberEpoch": -3}, "a late topology": {"MemberEpoch": 3}, "an epoch in no group": {"MemberEpoch": 3, "Topology": None},
        "standby unsaid": {"MemberEpoch": 3, "Topology": None, "StandbyTasks": None},
        "leaves no group": {"MemberEpoch": -1, "Topology": None}, "leaves no group for a while": {"MemberEpoch": -2, "Topology": None},
        "a pattern": {"Topology": topology(pattern)}, "a changelog of 3": {"Topology": topology(subtopology(0, ["streamed"], [{"Name": "kept", "Partitions": 3}]))},
        "an internal topic": {"Topology": topology(subtopology(0, ["__consumer_offsets"]))}, "a bad name": {"Topology": topology(subtopology(0, ["streamed"], ["a/b"]))},
        "an empty name": {"Topology": topology(subtopology(0, ["streamed"], sinks=[""]))}, "null group": {"GroupId": None}, "null member": {"MemberId": None},
    }.items():
        pair.step(step)
        enters(pair, group, "m", **fields)
    pair.step("described, not there")
    describe(pair, group, "")


def topologies(pair: Pair) -> None:
    """What a topology must not be, whatever the topics."""
    for number, (step, what) in enumerate({
        "of an epoch below 0": topology(subtopology(0, ["streamed"]), epoch=-1),
        "of nothing": topology(),
        "with a subtopology twice": topology(subtopology(0, ["streamed"]), subtopology(0, ["streamed"])),
        "without a source": topology(subtopology(0, [], ["kept"])),
        "with a source that nobody writes": topology(subtopology(0, ["streamed"], repartition=["nobody-writes"])),
        "with a loop": topology(subtopology(0, [], repartition=["round"], sinks=["and-round"]), subtopology(1, [], repartition=["and-round"], sinks=["round"])),
        "with a repartition topic of -1": topology(subtopology(0, ["streamed"], sinks=["passed"]), subtopology(1, repartition=[{"Name": "passed", "Partitions": -1}])),
        "with a repartition topic twice": topology(subtopology(0, ["streamed"], sinks=["passed"]), subtopology(1, repartition=["passed", "passed"])),
        "with topics together that are not there": topology(subtopology(0, ["streamed"], together=[together([3])])),
        "with nothing together": topology(subtopology(0, ["streamed"], together=[together()])),
    }.items()):
        pair.step(f"a topology {step}")
        group = f"topology-{number}"
        at_once(pair, group)
        enters(pair, group, "m", what)
        beat(pair, group, "m", -1)
        pair.call("DeleteGroups", GroupsNames=[group])


def life(pair: Pair) -> None:
    group = "life-streams"
    at_once(pair, group)
    pair.step("joins")
    enters(pair, group, "a")
    for step, epoch, fields in (
        ("beats", 2, {}), ("says what it has", 2, has(0, 1, 2, 3)), ("an epoch to come", 3, {}), ("the epoch before", 1, has(0)), ("an old epoch", 1, {}),
        ("begins anew", 0, {"RebalanceTimeoutMs": 60_000, "Topology": PLAIN, **NOTHING}), ("with a topology", 2, {"Topology": PLAIN}),
        ("a task that is none", 2, has(4)), ("a task of nothing", 2, has(0, subtopology="7")), ("a task below 0", 2, has(-1)),
        ("another rack", 2, {"RackId": "r"}), ("another timeout", 3, {"RebalanceTimeoutMs": 5_000}), ("another process", 4, {"ProcessId": "elsewhere"}),
        ("tags", 5, {"ClientTags": [{"Key": "zone", "Value": "z"}, {"Key": "cluster", "Value": "c"}]}),
        ("the same tags in another order", 6, {"ClientTags": [{"Key": "cluster", "Value": "c"}, {"Key": "zone", "Value": "z"}]}),
        ("a tag twice", 6, {"ClientTags": [{"Key": "zone", "Value": "z"}, {"Key": "zone", "Value": "y"}]}),
    ):
        pair.step(step)
        beat(pair, group, "a", epoch, **fields)
        describe(pair, group)
    pair.step("somebody else")
    beat(pair, group, "nobody", 2)
    beat(pair, group, "nobody", -1)
    pair.step("a standby for one alone")
    at_once(pair, group, **{"streams.num.standby.replicas": "1"})
    beat(pair, group, "a", 6)
    describe(pair, group)
    pair.step("leaves")
    beat(pair, group, "a", -1)
    describe(pair, group)
    pair.step("leaves again")
    beat(pair, group, "a", -1)
    pair.step("listed, empty")
    pair.call("ListGroups", 5, StatesFilter=["empty"], TypesFilter=["streams"])
    pair.step("comes back with something else")
    enters(pair, group, "a", topology(subtopology(0, ["streamed-too"])))
    enters(pair, group, "a", topology(subtopology(0, ["streamed-too"]), epoch=1))
    pair.step("deleted")
    pair.call("DeleteGroups", GroupsNames=[group])
    describe(pair, group)


def two(pair: Pair) -> None:
    group = "two-streams"
    at_once(pair, group)
    pair.step("one has everything")
    enters(pair, group, "a")
    beat(pair, group, "a", 2, **has(0, 1, 2, 3))
    pair.step("another comes")
    enters(pair, group, "b")
    describe(pair, group)
    for step, member, epoch, fields in (
        ("is to give up", "a", 2, has(0, 1, 2, 3)), ("waits", "b", 3, NOTHING), ("does not say", "a", 2, {}), ("has given up", "a", 2, has(0, 1)),
        ("gets it", "b", 3, NOTHING), ("lost the answer", "b", 3, {}), ("beats", "a", 3, has(0, 1)),
    ):
        pair.step(f"{member} {step}")
        beat(pair, group, member, epoch, **fields)
        describe(pair, group)
    pair.step("a standby for each")
    at_once(pair, group, **{"streams.num.standby.replicas": "1"})
    for member, epoch, fields in (("a", 3, has(0, 1)), ("b", 3, has(2, 3)), ("a", 4, has(0, 1, standby=(2, 3))), ("b", 4, has(2, 3, standby=(0, 1)))):
        beat(pair, group, member, epoch, **fields)
        describe(pair, group)
    pair.step("one goes")
    beat(pair, group, "b", -1)
    for fields in (has(0, 1, standby=(2, 3)), has(0, 1), has(0, 1, 2, 3)):
        beat(pair, group, "a", 4, **fields)
        describe(pair, group)
    beat(pair, group, "a", -1)


def made(pair: Pair) -> None:
    """Internal topics are made behind the heartbeat."""
    group = "made-streams"
    at_once(pair, group)
    changelog = {"Name": "made-changelog", "ReplicationFactor": 1, "TopicConfigs": [{"Key": "cleanup.policy", "Value": "compact"}, {"Key": "retention.ms", "Value": "77"}]}
    what = topology(subtopology(0, ["streamed-too"], [changelog]))
    pair.step("an internal topic is missing")
    enters(pair, group, "a", what)
    pair.settle()
    time.sleep(1)
    pair.step("it is there")
    beat(pair, group, "a", 2)
    beat(pair, group, "a", 3)
    describe(pair, group)
    pair.call("Metadata", 12, Topics=[{"Name": "made-changelog"}])
    pair.call("DescribeConfigs", 4, Resources=[{"ResourceType": 2, "ResourceName": "made-changelog", "ConfigurationKeys": ["cleanup.policy", "retention.ms"]}])
    pair.step("its source has grown")
    pair.call("CreatePartitions", TimeoutMs=10_000, Topics=[{"Name": "streamed-too", "Count": 3}])
    time.sleep(1)
    beat(pair, group, "a", 3)
    beat(pair, group, "a", 4)
    describe(pair, group)
    pair.step("its topics have gone")
    pair.call("DeleteTopics", 5, TimeoutMs=10_000, TopicNames=["made-changelog", "streamed-too"])
    time.sleep(1)
    beat(pair, group, "a", 4, **NOTHING)
    beat(pair, group, "a", 5, **NOTHING)
    describe(pair, group)
    beat(pair, group, "a", -1)
    pair.step("an internal topic that cannot be made")
    group = "unmade-streams"
    at_once(pair, group)
    enters(pair, group, "a", topology(subtopology(0, ["streamed"], ["kept"], sinks=["wide"]), subtopology(1, repartition=[{"Name": "wide", "Partitions": 2, "ReplicationFactor": 1}])))
    beat(pair, group, "a", -1)
    pair.settle()


def statuses(pair: Pair) -> None:
    for number, (step, what) in enumerate({
        "a source is missing": topology(subtopology(0, ["absent"], ["kept"])),
        "five sources are missing": topology(subtopology(0, ["e-absent", "b-absent", "c-absent", "d-absent", "a-absent", "streamed"])),
        "unequal sources": topology(subtopology(0, ["streamed", "few"], together=[together([0, 1])])),
        "an unequal repartition topic": topology(subtopology(0, ["few"], sinks=["passed"]), subtopology(1, ["streamed"], repartition=[{"Name": "passed", "Partitions": 3}], together=[together([0], [0])])),
        "a changelog of another size": topology(subtopology(0, ["few"], ["kept"])),
    }.items()):
        if step == "unequal sources":
            pair.topic("few", 2)
        pair.step(f"status: {step}")
        group = f"status-{number}"
        at_once(pair, group)
        enters(pair, group, "a", what)
        beat(pair, group, "a", 2)
        describe(pair, group)
        beat(pair, group, "a", -1)
    pair.step("status: delayed")
    enters(pair, "delayed-streams", "a")
    beat(pair, "delayed-streams", "a", 1)
    beat(pair, "delayed-streams", "a", -1)
    pair.step("status: an old topology")
    at_once(pair, "old-streams")
    enters(pair, "old-streams", "a", topology(subtopology(0, ["streamed"]), epoch=2))
    enters(pair, "old-streams", "b", topology(subtopology(0, ["few"]), epoch=1), ProcessId="process-a")
    beat(pair, "old-streams", "b", 3)
    pair.step("status: shutdown")
    beat(pair, "old-streams", "a", 2, ShutdownApplication=True)
    beat(pair, "old-streams", "b", 3)
    beat(pair, "old-streams", "a", -1, ShutdownApplication=True)
    beat(pair, "old-streams", "b", -1)


def endpoints(pair: Pair) -> None:
    group, here = "endpoints-streams", {"UserEndpoint": {"Host": "here", "Port": 8080}}
    at_once(pair, group)
    pair.step("an endpoint")
    enters(pair, group, "a", **here)
    for step, epoch, fields in (("is told", 2, {}), ("does not know the latest", 2, {"EndpointInformationEpoch": -1}), ("moves", 2, {"UserEndpoint": {"Host": "there", "Port": 1}}), ("has moved", 3, {})):
        pair.step(f"an endpoint {step}")
        beat(pair, group, "a", epoch, **fields)
    describe(pair, group)
    pair.step("no endpoint")
    enters(pair, group, "b", ProcessId="process-b")
    beat(pair, group, "b", 4)
    beat(pair, group, "b", -1)
    beat(pair, group, "a", -1)


def offsets(pair: Pair) -> None:
    group = "offsets-streams"
    at_once(pair, group)
    enters(pair, group, "a")
    beat(pair, group, "a", 2, **has(0, 1, 2, 3))
    row = lambda topic, partition=0: [{"Name": topic, "Partitions": [{"PartitionIndex": partition, "CommittedOffset": 5, "CommittedMetadata": ""}]}]
    for step, at, fields in (
        ("a member", 9, {}), ("a member, before version 9", 8, {}), ("an epoch to come", 9, {"GenerationIdOrMemberEpoch": 9}), ("an old epoch", 9, {"GenerationIdOrMemberEpoch": 1}),
        ("an old epoch, another topic", 9, {"GenerationIdOrMemberEpoch": 1, "Topics": row("few")}), ("another topic", 9, {"Topics": row("few")}),
        ("nobody", 9, {"MemberId": "nobody"}), ("simply", 9, {"MemberId": "", "GenerationIdOrMemberEpoch": -1}), ("an instance", 9, {"GroupInstanceId": "me"}),
    ):
        pair.step(f"commit: {step}")
        pair.call("OffsetCommit", at, **({"GroupId": group, "MemberId": "a", "GenerationIdOrMemberEpoch": 2, "Topics": row("streamed")} | fields))
    for step, fields in {
        "a member": {"MemberId": "a", "MemberEpoch": 2}, "an epoch to come": {"MemberId": "a", "MemberEpoch": 3}, "nobody": {"MemberId": "nobody", "MemberEpoch": 2},
        "no member": {"MemberId": None, "MemberEpoch": -1},
    }.items():
        pair.step(f"fetch: {step}")
        pair.call("OffsetFetch", 9, Groups=[{"GroupId": group, "Topics": [{"Name": "streamed", "PartitionIndexes": [0, 1]}]} | fields])
        pair.call("OffsetFetch", 9, Groups=[{"GroupId": group, "Topics": None} | fields])
    pair.step("offsets of topics in use stay")
    pair.call("OffsetDelete", 0, GroupId=group, Topics=[{"Name": name, "Partitions": [{"PartitionIndex": 0}]} for name in ("streamed", "few", "kept")])
    pair.step("a group with members stays")
    pair.call("DeleteGroups", GroupsNames=[group])
    beat(pair, group, "a", -1)
    pair.step("commit: simply, to an empty group")
    pair.call("OffsetCommit", 9, GroupId=group, MemberId="", GenerationIdOrMemberEpoch=-1, Topics=row("streamed", 1))
    pair.call("OffsetDelete", 0, GroupId=group, Topics=[{"Name": "streamed", "Partitions": [{"PartitionIndex": 0}]}])
    pair.step("an empty group goes")
    pair.call("DeleteGroups", GroupsNames=[group])
    pair.call("OffsetFetch", 9, Groups=[{"GroupId": group, "Topics": None, "MemberEpoch": -1}])


def kinds(pair: Pair) -> None:
    """Groups of one kind met with requests of another."""
    group = "kinds-streams"
    at_once(pair, group)
    enters(pair, group, "a")
    for at in pair.versions("DescribeGroups"):
        pair.step("a streams group, described as a classic one")
        pair.call("DescribeGroups", at, Groups=[group])
    pair.step("a streams group, described as a consumer group")
    pair.call("ConsumerGroupDescribe", GroupIds=[group])
    for step, fields in {"streams": {"TypesFilter": ["Streams"]}, "stable": {"StatesFilter": ["stable"], "TypesFilter": ["streams"]}, "not ready": {"StatesFilter": ["not_ready"]}}.items():
        pair.step(f"listed: {step}")
        pair.call("ListGroups", 5, **fields)
    me = {"GroupId": group, "MemberId": "a", "GenerationId": 2}
    pair.step("a member speaks the classic protocol")
    pair.call("Heartbeat", 4, **me)
    pair.call("SyncGroup", 5, **(me | {"ProtocolType": "consumer", "ProtocolName": "range", "Assignments": []}))
    pair.call("LeaveGroup", 5, GroupId=group, Members=[{"MemberId": "a"}])
    pair.call("JoinGroup", 5, GroupId=group, MemberId="", SessionTimeoutMs=10_000, RebalanceTimeoutMs=10_000, ProtocolType="consumer", Protocols=[{"Name": "range", "Metadata": b""}])
    pair.step("a consumer comes")
    fields = {"RebalanceTimeoutMs": 60_000, "SubscribedTopicNames": ["streamed"], "TopicPartitions": []}
    pair.call("ConsumerGroupHeartbeat", 1, GroupId=group, MemberId="c", MemberEpoch=0, **fields)
    beat(pair, group, "a", -1)
    pair.step("a consumer comes to an empty group")
    pair.call("ConsumerGroupHeartbeat", 1, GroupId=group, MemberId="c", MemberEpoch=0, **fields)
    pair.step("a classic member enters the empty group")
    one = enter(pair, group)
    sync(pair, group, one)
    describe(pair, group)
    pair.step("a streams member comes to a classic group")
    enters(pair, group, "b")
    beat(pair, group, "b", 3)
    beat(pair, group, "b", -1)
    pair.call("LeaveGroup", 5, GroupId=group, Members=[{"MemberId": one["MemberId"]}])
    pair.step("a streams member comes to an empty classic group")
    enters(pair, group, "b")
    describe(pair, group)
    beat(pair, group, "b", -1)
    pair.step("a streams member comes to a consumer group")
    pair.call("ConsumerGroupHeartbeat", 1, GroupId="kinds-consumer", MemberId="c", MemberEpoch=0, **fields)
    enters(pair, "kinds-consumer", "b")
    pair.call("ConsumerGroupHeartbeat", 1, GroupId="kinds-consumer", MemberId="c", MemberEpoch=-1)
    enters(pair, "kinds-consumer", "b")


def full(pair: Pair) -> None:
    for number in range(6):
        pair.step(f"member {number} of a full group")
        enters(pair, "full-streams", f"m{number}")
    pair.step("a member of a full group begins anew")
    enters(pair, "full-streams", "m0")
    for number in range(6):
        beat(pair, "full-streams", f"m{number}", -1)


def described(pair: Pair) -> None:
    group = "described-streams"
    at_once(pair, group)
    enters(pair, group, "a", RackId="r")
    beat(pair, group, "a", 2)
    for step, fields in {
        "one": {"GroupIds": [group]}, "with operations": {"GroupIds": [group], "IncludeAuthorizedOperations": True}, "twice": {"GroupIds": [group, group]},
        "none": {"GroupIds": []}, "null": {"GroupIds": None}, "unknown": {"GroupIds": ["nobody", group, ""]},
    }.items():
        pair.step(f"described: {step}")
        pair.call("StreamsGroupDescribe", 0, **fields)
    beat(pair, group, "a", -1)
