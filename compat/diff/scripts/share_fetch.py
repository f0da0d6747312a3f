"""Records delivered to share groups: acquired, accepted, released, rejected, renewed; sessions, limits, bad input."""
from batches import batch, records
from pair import Pair

APIS = ["ShareFetch", "ShareAcknowledge"]
NOBODY = "bm9ib2R5IGhhcyB0aGlzIA"
FINAL = -1
ids: dict[str, str] = {}
epochs: dict[tuple[str, str], int] = {}


def run(pair: Pair) -> None:
    pair.step("topics")
    pair.await_each(lambda told: all(one["ErrorCode"] == 0 for one in told["Coordinators"]), "FindCoordinator", 6, KeyType=2, CoordinatorKeys=[f"g:{NOBODY}:0"])
    loaded = lambda answer: all(part["ErrorCode"] not in (14, 15, 16) for topic in answer["Results"] for part in topic["Partitions"])
    for number in range(300):
        row = [{"TopicId": NOBODY, "Partitions": [{"Partition": number, "LeaderEpoch": 0}]}]
        pair.await_each(loaded, "ReadShareGroupStateSummary", 0, GroupId=f"warming-{number}", Topics=row)
    for name in ("delivered", "delivered-more"):
        ids[name] = pair.topic(name, 2)
    for partition, count in ((0, 5), (1, 2)):
        for number in range(count):
            produce(pair, "delivered", partition, 10)
    for version in pair.versions("ShareFetch"):
        refused(pair, version)
        words(pair, version)
        malformed(pair, version)
        sessions(pair, version)
        if version >= 2:
            renewals(pair, version)
            limited(pair, version)


def produce(pair: Pair, topic: str, partition: int, count: int) -> None:
    pair.call("Produce", 12, Acks=-1, TimeoutMs=5000, TopicData=[{"Name": topic, "PartitionData": [{"Index": partition, "Records": batch(records(count), timestamp=1_700_000_000_000)}]}])


def begin(pair: Pair, group: str, start=0, topic="delivered", partitions=(0, 1)) -> None:
    rows = [{"Partition": index, "StateEpoch": 0, "StartOffset": start} for index in partitions]
    pair.call("InitializeShareGroupState", GroupId=group, Topics=[{"TopicId": ids[topic], "Partitions": rows}])


def said(first: int, last: int, *types: int) -> dict:
    return {"FirstOffset": first, "LastOffset": last, "AcknowledgeTypes": list(types)}


def rows(topic: str, partitions: dict[int, list]) -> list[dict]:
    return [{"TopicId": ids.get(topic, NOBODY), "Partitions": [{"PartitionIndex": index, "AcknowledgementBatches": batches} for index, batches in partitions.items()]}]


def following(group: str, member: str, epoch) -> int:
    """The epoch of the next request of a session, which is counted here."""
    if epoch is None:
        epoch = epochs.get((group, member), 0)
        epochs[group, member] = epoch + 1
    return epoch


def get(pair: Pair, version: int, group: str, member: str, partitions={0: []}, topic="delivered", epoch=None, **fields):
    given = {"MaxWaitMs": 1000, "MinBytes": 1, "MaxBytes": 1 << 20, "MaxRecords": 500, "BatchSize": 500} | fields
    return pair.call("ShareFetch", version, GroupId=group, MemberId=member, ShareSessionEpoch=following(group, member, epoch), Topics=rows(topic, partitions), **({"ForgottenTopicsData": []} | given))


def tell(pair: Pair, version: int, group: str, member: str, partitions, topic="delivered", epoch=None, **fields):
    return pair.call("ShareAcknowledge", version, GroupId=group, MemberId=member, ShareSessionEpoch=following(group, member, epoch), Topics=rows(topic, partitions), **fields)


def summary(pair: Pair, group: str) -> None:
    asked = [{"TopicId": ids["delivered"], "Partitions": [{"Partition": index, "LeaderEpoch": 0} for index in (0, 1)]}]
    pair.call("ReadShareGroupStateSummary", GroupId=group, Topics=asked)
    pair.call("ReadShareGroupState", GroupId=group, Topics=asked)


def refused(pair: Pair, version: int) -> None:
    for step, group, member in (("no group", None, "m"), ("no member", "g", None), ("an empty member", "g", ""), ("a long member", "g", "m" * 37), ("nobody's session", "g", "m")):
        for epoch in (1, 5, FINAL, -2):
            pair.step(f"{version}: {step}, epoch {epoch}")
            get(pair, version, group, member, epoch=epoch)
            tell(pair, version, group, member, {0: []}, epoch=epoch)
        if member == "m" and group:
            continue
        get(pair, version, group, member, epoch=0)
    pair.step(f"{version}: an acknowledgement in epoch 0")
    get(pair, version, "g", "m", {0: [said(0, 0, 1)]}, epoch=0)
    tell(pair, version, "g", "m", {0: [said(0, 0, 1)]}, epoch=0)
    pair.step(f"{version}: a partition twice")
    group = f"refused-{version}"
    begin(pair, group)
    pair.call("ShareFetch", version, GroupId=group, MemberId="m", ShareSessionEpoch=0, MaxWaitMs=0, MinBytes=0, MaxBytes=1, MaxRecords=1, BatchSize=1, Topics=rows("delivered", {0: []}) * 2, ForgottenTopicsData=[])


def words(pair: Pair, version: int) -> None:
    group = f"words-{version}"
    pair.step(f"{group}: two members")
    begin(pair, group)
    for member in ("a", "b"):
        get(pair, version, group, member, MaxRecords=10)
    for step, member, batches in (
        ("accepted", "a", [said(0, 4, 1)]), ("released", "a", [said(5, 6, 2)]), ("rejected", "a", [said(7, 7, 3)]), ("a gap", "a", [said(8, 8, 0)]),
        ("another's", "a", [said(10, 12, 1)]), ("again", "a", [said(0, 4, 1)]), ("one by one", "b", [said(10, 13, 1, 2, 3, 0)]),
        ("two stretches", "b", [said(14, 15, 1), said(17, 18, 2)]), ("what is not there", "b", [said(16, 99, 1)]), ("far away", "b", [said(1000, 1000, 1)]),
    ):
        pair.step(f"{group}: {step}")
        tell(pair, version, group, member, {0: batches})
        summary(pair, group)
    for number in range(4):
        pair.step(f"{group}: more, {number}")
        get(pair, version, group, "a", MaxRecords=10, MaxWaitMs=300)
    pair.step(f"{group}: accepted beside a fetch")
    get(pair, version, group, "a", {0: [said(9, 9, 1)], 1: []}, MaxRecords=500)
    summary(pair, group)
    pair.step(f"{group}: the end of a session gives back")
    tell(pair, version, group, "a", {0: [said(20, 24, 1)]}, epoch=FINAL)
    epochs.pop((group, "a"))
    # Kafka gives back a while after it has answered, and wakes who waits for it.
    get(pair, version, group, "c", MaxRecords=500, MaxWaitMs=5000)
    summary(pair, group)


def malformed(pair: Pair, version: int) -> None:
    group = f"malformed-{version}"
    pair.step(f"{group}: a member")
    begin(pair, group)
    get(pair, version, group, "m", MaxRecords=10)
    for step, batches in {
        "reversed": [said(5, 0, 1)], "out of order": [said(5, 9, 1), said(0, 4, 1)], "overlapping": [said(0, 4, 1), said(3, 5, 1)], "touching": [said(0, 4, 2), said(4, 5, 2)],
        "no types": [said(0, 4)], "too few": [said(0, 4, 1, 1)], "too many": [said(0, 1, 1, 1, 1)], "unknown": [said(0, 4, 9)], "below 0": [said(0, 4, -1)],
        "renewed": [said(0, 4, 4)], "offsets below 0": [said(-5, -1, 1)], "all there are": [said(0, 2**63 - 1, 1)], "nothing": [],
    }.items():
        pair.step(f"{group}: {step}")
        tell(pair, version, group, "m", {0: batches})
        summary(pair, group)
        get(pair, version, group, "m", {0: batches}, MaxRecords=0, MaxWaitMs=0)
    for step, topic, partition in (("an unknown topic", "nobody", 0), ("an unknown partition", "delivered", 7), ("an unread partition", "delivered", 1)):
        pair.step(f"{group}: {step}")
        tell(pair, version, group, "m", {partition: [said(0, 0, 1)]}, topic=topic)
        # Kafka fails over every ShareFetch of a session that has an unknown topic.
        if topic in ids:
            get(pair, version, group, "m", {partition: [said(0, 0, 1)]}, topic=topic, MaxRecords=0, MaxWaitMs=0)


def sessions(pair: Pair, version: int) -> None:
    group = f"sessions-{version}"
    pair.step(f"{group}: begun")
    begin(pair, group)
    # Of one partition: of several, Kafka's answer lacks those that it is still loading or still busy with.
    get(pair, version, group, "m", MaxRecords=5)
    for epoch in (0, 7, 1, 1, 2):
        pair.step(f"{group}: epoch {epoch}")
        get(pair, version, group, "m", {}, epoch=epoch, MaxRecords=5, MaxWaitMs=200)
    epochs[group, "m"] = 3
    pair.step(f"{group}: an unknown partition joins")
    get(pair, version, group, "third", {9: []}, MaxWaitMs=0)
    get(pair, version, group, "third", {}, MaxWaitMs=0)
    pair.step(f"{group}: the last fetch")
    get(pair, version, group, "m", {}, epoch=FINAL, MaxWaitMs=0)
    get(pair, version, group, "m", {}, epoch=FINAL, MaxWaitMs=0)


def renewals(pair: Pair, version: int) -> None:
    group = f"renewed-{version}"
    pair.step(f"{group}: a member")
    begin(pair, group)
    get(pair, version, group, "m", MaxRecords=10)
    nothing = {"MaxBytes": 0, "MinBytes": 0, "MaxRecords": 0, "MaxWaitMs": 0}
    for step, batches in {"all": [said(0, 9, 4)], "some": [said(2, 3, 4)], "one by one": [said(0, 2, 4, 1, 4)], "what is done": [said(1, 1, 4)]}.items():
        pair.step(f"{group}: {step}")
        tell(pair, version, group, "m", {0: batches}, IsRenewAck=True)
        get(pair, version, group, "m", {0: batches}, IsRenewAck=True, **nothing)
        summary(pair, group)
    for key in nothing:
        pair.step(f"{group}: with {key}")
        get(pair, version, group, "m", {0: [said(0, 0, 4)]}, epoch=1, IsRenewAck=True, **(nothing | {key: 1}))


def limited(pair: Pair, version: int) -> None:
    group = f"limited-{version}"
    pair.step(f"{group}: begun")
    begin(pair, group)
    for number, limit in enumerate((3, 4, 10, 1)):
        pair.step(f"{group}: {limit} records")
        get(pair, version, group, "m", MaxRecords=limit, ShareAcquireMode=1)
    tell(pair, version, group, "m", {0: [said(0, 2, 2), said(5, 6, 1)]})
    get(pair, version, group, "m", MaxRecords=2, ShareAcquireMode=1)
    summary(pair, group)
