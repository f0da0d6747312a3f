"""The states of share groups: begun, written, read, summed up, forgotten, and who is fenced."""
from pair import Pair

APIS = [
    "InitializeShareGroupState", "ReadShareGroupState", "WriteShareGroupState", "DeleteShareGroupState", "ReadShareGroupStateSummary",
]
NOBODY = "bm9ib2R5IGhhcyB0aGlzIA"
ids: dict[str, str] = {}


def run(pair: Pair) -> None:
    pair.step("topics")
    for name in ("stated", "stated-too"):
        ids[name] = pair.topic(name, 2)
    before(pair)
    coordinators(pair)
    for version in pair.versions("WriteShareGroupState"):
        for summary in pair.versions("ReadShareGroupStateSummary"):
            states(pair, f"stated-{version}-{summary}", version, summary)
    requests(pair)


def before(pair: Pair) -> None:
    pair.step("before the topic is there")
    read(pair, "nobody")


def coordinators(pair: Pair) -> None:
    """The JVM makes the topic and loads its partitions in its own time; after that both are asked alike."""
    pair.step("coordinators")
    found = lambda answer: all(one["ErrorCode"] == 0 for one in answer["Coordinators"])
    pair.await_each(found, "FindCoordinator", 6, KeyType=2, CoordinatorKeys=[f"g:{NOBODY}:0"])
    loaded = lambda answer: all(part["ErrorCode"] not in (14, 15, 16) for topic in answer["Results"] for part in topic["Partitions"])
    for number in range(300):
        row = [{"TopicId": NOBODY, "Partitions": [{"Partition": number, "LeaderEpoch": 0}]}]
        pair.await_each(loaded, "ReadShareGroupStateSummary", 0, GroupId=f"warming-{number}", Topics=row)
    pair.settle()
    for version in [v for v in pair.versions("FindCoordinator") if v >= 1]:
        for key in (f"g:{NOBODY}:0", f"a:b:{NOBODY}:-5", f"g:{NOBODY}:1:", f"{NOBODY}:0", f":{NOBODY}:0", f" :{NOBODY}:0", f"g:{NOBODY}:x", "g:x:0", "", "g", ":::"):
            pair.step(f"the coordinator of {key}")
            pair.call("FindCoordinator", version, Key=key, KeyType=2, CoordinatorKeys=[key])
    pair.step("the topic of share states")
    pair.call("DescribeConfigs", Resources=[{"ResourceType": 2, "ResourceName": "__share_group_state", "ConfigurationKeys": None}])
    pair.call("Metadata", Topics=[{"Name": "__share_group_state"}])


def rows(topic: str, partitions: list[dict]) -> list[dict]:
    return [{"TopicId": ids.get(topic, NOBODY), "Partitions": partitions}]


def begin(pair: Pair, group: str, state=0, start=-1, topic="stated", partition=0):
    row = {"Partition": partition, "StateEpoch": state, "StartOffset": start}
    return pair.call("InitializeShareGroupState", GroupId=group, Topics=rows(topic, [row]))


def read(pair: Pair, group: str, leader=-1, topic="stated", partition=0):
    return pair.call("ReadShareGroupState", GroupId=group, Topics=rows(topic, [{"Partition": partition, "LeaderEpoch": leader}]))


def write(pair: Pair, version: int, group: str, *batches, state=0, leader=0, start=0, done=0, topic="stated", partition=0):
    made = [{"FirstOffset": first, "LastOffset": last, "DeliveryState": kind, "DeliveryCount": count} for first, last, kind, count in batches]
    row = {"Partition": partition, "StateEpoch": state, "LeaderEpoch": leader, "StartOffset": start, "DeliveryCompleteCount": done, "StateBatches": made}
    return pair.call("WriteShareGroupState", version, GroupId=group, Topics=rows(topic, [row]))


def forget(pair: Pair, group: str, topic="stated", partition=0):
    return pair.call("DeleteShareGroupState", GroupId=group, Topics=rows(topic, [{"Partition": partition}]))


def sum_up(pair: Pair, version: int, group: str, topic="stated", partition=0):
    row = {"Partition": partition, "LeaderEpoch": 0}
    return pair.call("ReadShareGroupStateSummary", version, GroupId=group, Topics=rows(topic, [row]))


def states(pair: Pair, group: str, version: int, summary: int) -> None:
    def told(step: str) -> None:
        pair.step(f"{group}: what is told after {step}")
        read(pair, group)
        sum_up(pair, summary, group)

    for topic, partition in (("stated", 0), ("stated", 2), ("stated", -1), ("nobody", 0)):
        pair.step(f"{group}: {topic} {partition} without state")
        read(pair, group, topic=topic, partition=partition)
        write(pair, version, group, topic=topic, partition=partition)
        forget(pair, group, topic=topic, partition=partition)
        sum_up(pair, summary, group, topic=topic, partition=partition)
        if (topic, partition) != ("stated", 0):
            begin(pair, group, topic=topic, partition=partition)
    pair.step(f"{group}: begun")
    begin(pair, group)
    told("the beginning")
    for step, batches in {
        "nothing": [], "one": [(0, 9, 0, 1)], "a part": [(3, 4, 2, 1)], "another count": [(2, 6, 0, 2)], "two at once": [(10, 19, 0, 1), (15, 24, 4, 1)],
        "a neighbour": [(25, 29, 4, 1)], "far away": [(100, 100, 2, 1)], "twice": [(40, 44, 0, 1), (40, 44, 0, 1)], "a lower count": [(0, 9, 4, 1)],
        "other states": [(50, 50, 1, 1), (51, 51, 3, 7), (52, 52, -1, -1)],
    }.items():
        pair.step(f"{group}: written, {step}")
        write(pair, version, group, *batches, done=len(batches))
        told(step)
    for start in (-1, 3, 17, 0, 60):
        pair.step(f"{group}: start {start}")
        write(pair, version, group, (70, 79, 0, 1), start=start, done=start)
        told(f"start {start}")
    pair.step(f"{group}: leaders")
    for leader in (-1, 0, 3, 2, -1):
        read(pair, group, leader=leader)
        write(pair, version, group, leader=leader, start=60)
        told(f"leader {leader}")
    for state in (-1, 0, 5, 4, -2):
        pair.step(f"{group}: state {state}")
        write(pair, version, group, (80, 80, 0, 1), state=state, leader=-1, start=60)
        told(f"state {state}")
        begin(pair, group, state=state, start=state * 10)
        told(f"another beginning, state {state}")
    pair.step(f"{group}: forgotten")
    forget(pair, group)
    told("the end")
    forget(pair, group)
    begin(pair, group, state=1, start=5)
    told("it began again")
    pair.step(f"{group}: enough for a snapshot")
    for number in range(510):
        write(pair, version, group, (number, number, 2, 1), state=1, leader=-1, start=-1, done=number)
    told("a snapshot")


def requests(pair: Pair) -> None:
    """What is named twice, not at all, or among others."""
    def both(name: str, version: int, part: dict, **fields) -> None:
        two = lambda *partitions: [part | {"Partition": partition} for partition in partitions]
        for step, group, topics in (
            ("no group", "", rows("stated", two(0))), ("no topic", "named", []), ("no partition", "named", rows("stated", [])),
            ("no partition of one", "named", rows("stated", two(0)) + rows("stated-too", [])), ("two", "named", rows("stated", two(0, 1))),
            ("twice", "named", rows("stated", two(1, 0, 1))), ("two topics", "named", rows("stated", two(1)) + rows("nobody", two(0))),
            ("a long group", "x" * 300, rows("stated", two(0))), ("a group with colons", "a:b", rows("stated", two(0))),
        ):
            pair.step(f"{name}: {step}")
            pair.call(name, version, GroupId=group, Topics=topics)

    for version in pair.versions("InitializeShareGroupState"):
        both("InitializeShareGroupState", version, {"StateEpoch": 0, "StartOffset": 0})
    for version in pair.versions("ReadShareGroupState"):
        both("ReadShareGroupState", version, {"LeaderEpoch": 0})
    for version in pair.versions("WriteShareGroupState"):
        both("WriteShareGroupState", version, {"StateEpoch": 0, "LeaderEpoch": 0, "StartOffset": 0, "DeliveryCompleteCount": 0, "StateBatches": []})
    for version in pair.versions("ReadShareGroupStateSummary"):
        both("ReadShareGroupStateSummary", version, {"LeaderEpoch": 0})
    for version in pair.versions("DeleteShareGroupState"):
        both("DeleteShareGroupState", version, {})
