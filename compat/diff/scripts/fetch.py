"""Fetch: positions, limits, waiting, sessions."""
import batches
from batches import batch, records
from pair import Pair
from schema import ZERO_UUID

APIS = ["Fetch"]
NOBODY = "bm9ib2R5IGhhcyB0aGlzIA"
SIZE = len(batch(records(3)))
ids: dict[str, str] = {}


def run(pair: Pair) -> None:
    pair.step("topics")
    for name in ("fetched", "fetched-empty", "fetched-more"):
        ids[name] = pair.topic(name, 3)
    for name, partition, count in (("fetched", 0, 6), ("fetched", 1, 2), ("fetched-more", 0, 3)):
        for number in range(count):
            pair.call("Produce", 12, Acks=-1, TimeoutMs=5000, TopicData=[
                {"Name": name, "PartitionData": [{"Index": partition, "Records": batch(records(3), codec=number % 5, timestamp=1_700_000_000_000 + number)}]},
            ])
    pair.call("DeleteRecords", 2, TimeoutMs=5000, Topics=[{"Name": "fetched-more", "Partitions": [{"PartitionIndex": 0, "Offset": 4}]}])
    for version in pair.versions("Fetch"):
        positions(pair, version)
        limits(pair, version)
        requests(pair, version)
        if version >= 7:
            sessions(pair, version)


def topic(name: str, *parts, **more) -> dict:
    rows = [{"Partition": p, "FetchOffset": o, "PartitionMaxBytes": 1 << 20} | more for p, o in parts]
    return {"Topic": name, "TopicId": ids.get(name, NOBODY), "Partitions": rows}


def get(pair: Pair, version: int, *topics, **fields):
    return pair.call("Fetch", version, **({"MaxWaitMs": 0, "MinBytes": 1, "Topics": list(topics)} | fields))


def positions(pair: Pair, version: int) -> None:
    for offset in (0, 1, 2, 3, 4, 17, 18, 19, 1000, -1, -2, -3, 2**63 - 1):
        pair.step(f"from {offset}")
        get(pair, version, topic("fetched", (0, offset)))
    for offset in (0, 3, 4, 5, 9, 10):
        pair.step(f"from {offset} where the first four are deleted")
        get(pair, version, topic("fetched-more", (0, offset)))
    for isolation in (1, 2, -1, 127):
        pair.step(f"isolation {isolation}")
        get(pair, version, topic("fetched", (0, 2)), IsolationLevel=isolation)
    for epoch in (-1, 0, 1, 5, -2):
        pair.step(f"leader epoch {epoch}")
        get(pair, version, topic("fetched", (0, 2), CurrentLeaderEpoch=epoch))
    if version >= 12:
        for epoch in (0, 1, -2):
            for offset in (0, 6, 18):
                pair.step(f"last fetched epoch {epoch} at {offset}")
                get(pair, version, topic("fetched", (0, offset), LastFetchedEpoch=epoch))
    pair.step("replica ids")
    for replica in (-2, -3):
        fields = {"ReplicaId": replica} if version < 15 else {"ReplicaState": {"ReplicaId": replica, "ReplicaEpoch": -1}}
        get(pair, version, topic("fetched", (0, 2)), **fields)


def limits(pair: Pair, version: int) -> None:
    for size in (0, 1, 60, SIZE - 1, SIZE, SIZE + 1, 2 * SIZE, 2 * SIZE + 5, -1, -2**31, 2**31 - 1):
        pair.step(f"partition limit {size}")
        get(pair, version, topic("fetched", (0, 0), (1, 0), PartitionMaxBytes=size))
        pair.step(f"limit {size}")
        get(pair, version, topic("fetched", (0, 0), (1, 0)), MaxBytes=size)
        pair.step(f"both limits {size}")
        get(pair, version, topic("fetched", (0, 0), (1, 0), PartitionMaxBytes=size), topic("fetched-more", (0, 6)), MaxBytes=size)
    for least in (0, -1, 2**31 - 1):
        pair.step(f"at least {least}")
        get(pair, version, topic("fetched", (0, 0)), MinBytes=least, MaxWaitMs=20)
    for wait in (-1, 0, 30):
        pair.step(f"waits {wait}")
        get(pair, version, topic("fetched", (0, 18)), MaxWaitMs=wait)


def requests(pair: Pair, version: int) -> None:
    steps = {
        "nothing": [],
        "no partition": [topic("fetched")],
        "empty partitions": [topic("fetched-empty", (0, 0), (1, 0))],
        "beyond an empty partition": [topic("fetched-empty", (0, 1))],
        "unknown partition": [topic("fetched", (7, 0))],
        "negative partition": [topic("fetched", (-1, 0))],
        "unknown topic": [topic("nobody", (0, 0))],
        "unknown beside known": [topic("nobody", (0, 0)), topic("fetched", (0, 0), (9, 0))],
        "zero id": [topic("", (0, 0)) | {"TopicId": ZERO_UUID}],
        "impossible name": [topic("a b", (0, 0))],
        "two topics": [topic("fetched", (0, 3), (1, 3)), topic("fetched-more", (0, 6))],
        "one topic in two rows": [topic("fetched", (0, 3)), topic("fetched", (1, 3))],
        "a partition twice": [topic("fetched", (0, 3), (0, 6))],
        "errors at once": [topic("fetched", (0, 99), (7, 0), (1, 0)), topic("fetched-empty", (0, 5))],
    }
    for step, topics in steps.items():
        pair.step(step)
        get(pair, version, *topics)
    pair.step("null topics")
    get(pair, version, Topics=None)
    pair.step("rack")
    get(pair, version, topic("fetched", (0, 3)), RackId="somewhere")
    if version >= 12:
        pair.step("null rack")
        get(pair, version, topic("fetched", (0, 3)), RackId=None)
        pair.step("cluster id")
        get(pair, version, topic("fetched", (0, 3)), _tags={9: b"nine"})
    if version >= 7:
        pair.step("forgotten without a session")
        get(pair, version, topic("fetched", (0, 3)), ForgottenTopicsData=[forget("fetched", 0)])


def forget(name: str, *partitions: int) -> dict:
    return {"Topic": name, "TopicId": ids.get(name, NOBODY), "Partitions": list(partitions)}


def sessions(pair: Pair, version: int) -> None:
    pair.step("a session opened")
    opened = get(pair, version, topic("fetched", (0, 0), (1, 3)), topic("fetched-empty", (0, 0)), SessionEpoch=0)
    session, epoch = opened["SessionId"], 0

    def go_on(step: str, *topics, **fields) -> None:
        nonlocal epoch
        epoch += 1
        pair.step(f"session: {step}")
        get(pair, version, *topics, **({"SessionId": session, "SessionEpoch": epoch} | fields))

    go_on("nothing moved")
    go_on("a position moved", topic("fetched", (0, 18)))
    go_on("nothing")
    go_on("back", topic("fetched", (0, 3)))
    go_on("a partition added", topic("fetched-more", (0, 6)))
    go_on("an error added", topic("fetched", (9, 0)))
    go_on("the error again")
    go_on("an unknown topic added", topic("nobody", (0, 0)))
    go_on("the unknown again")
    go_on("forgotten", ForgottenTopicsData=[forget("fetched", 0, 9), forget("nobody", 0)])
    go_on("forgotten twice", ForgottenTopicsData=[forget("fetched", 0)])
    go_on("what was never there forgotten", ForgottenTopicsData=[forget("fetched-empty", 2)])
    go_on("added and forgotten", topic("fetched", (2, 0)), ForgottenTopicsData=[forget("fetched", 2)])
    go_on("out of range", topic("fetched", (1, 500)))
    go_on("out of range still")
    go_on("in range again", topic("fetched", (1, 0)))
    pair.step("session: a repeated epoch")
    get(pair, version, SessionId=session, SessionEpoch=epoch)
    pair.step("session: an epoch ahead")
    get(pair, version, SessionId=session, SessionEpoch=epoch + 5)
    pair.step("session: a negative epoch")
    get(pair, version, SessionId=session, SessionEpoch=-2)
    go_on("still there")
    pair.step("session: an unknown one")
    get(pair, version, SessionId=123_456, SessionEpoch=1)
    get(pair, version, SessionId=-5, SessionEpoch=1)
    pair.step("session: opened anew")
    again = get(pair, version, topic("fetched", (0, 0)), SessionId=session, SessionEpoch=0)
    get(pair, version, SessionId=session, SessionEpoch=1)
    get(pair, version, SessionId=again["SessionId"], SessionEpoch=1)
    pair.step("session: closed")
    get(pair, version, topic("fetched", (0, 0)), SessionId=again["SessionId"], SessionEpoch=-1)
    get(pair, version, SessionId=again["SessionId"], SessionEpoch=2)
    pair.step("session: id without an epoch")
    get(pair, version, topic("fetched", (0, 0)), SessionId=77, SessionEpoch=0)
    pair.step("session: epoch without an id")
    get(pair, version, topic("fetched", (0, 0)), SessionId=0, SessionEpoch=4)
    pair.step("session: opened with nothing")
    get(pair, version, SessionId=0, SessionEpoch=0)
    if version >= 12:
        others = sorted({12, 13, version}) if version < 18 else [12]
        for other in others:
            pair.step(f"session: continued at version {other}")
            opened = get(pair, version, topic("fetched", (0, 0)), SessionEpoch=0)
            get(pair, other, topic("fetched", (1, 0)), SessionId=opened["SessionId"], SessionEpoch=1)
            get(pair, version, SessionId=opened["SessionId"], SessionEpoch=-1)
