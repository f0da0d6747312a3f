"""OffsetCommit, OffsetFetch and OffsetDelete."""
from pair import Pair
from schema import ZERO_UUID
from scripts.groups import enter, sync

APIS = ["OffsetCommit", "OffsetFetch", "OffsetDelete"]
TURN = 7
NOBODY = "bm9ib2R5IGhhcyB0aGlzIA"
ids: dict[str, str] = {}


def run(pair: Pair) -> None:
    pair.step("topics")
    for name in ("committed", "committed-too"):
        ids[name] = pair.topic(name, 3)
    pair.await_coordinators()
    for version in pair.versions("OffsetCommit"):
        commits(pair, version)
    for version in pair.versions("OffsetFetch"):
        fetches(pair, version)
    for version in pair.versions("OffsetDelete"):
        deletes(pair, version)


def topic(name: str, *parts) -> dict:
    rows = [{"PartitionIndex": p, "CommittedOffset": o, "CommittedMetadata": m, "CommittedLeaderEpoch": e} for p, o, m, e in parts]
    return {"Name": name, "TopicId": ids.get(name, NOBODY), "Partitions": rows}


def commits(pair: Pair, version: int) -> None:
    group = f"commits-{version}"

    def ask(step: str, *topics, **fields) -> None:
        pair.step(f"commit: {step}")
        pair.call("OffsetCommit", version, **({
            "GroupId": group, "GenerationIdOrMemberEpoch": -1, "MemberId": "", "RetentionTimeMs": -1, "Topics": list(topics),
        } | fields))

    ask("simple", topic("committed", (0, 5, "note", -1)))
    ask("again", topic("committed", (0, 7, None, 0)))
    ask("several", topic("committed", (0, 8, "", 1), (1, 9, "x", 2)), topic("committed-too", (2, 1, "y", -1)))
    ask("offset -1", topic("committed", (2, -1, "minus", -1)))
    ask("offset -2", topic("committed", (2, -2, "minus", -2)))
    ask("a huge offset", topic("committed", (2, 2**63 - 1, "huge", 2**31 - 1)))
    ask("long metadata", topic("committed", (0, 1, "m" * 4096, -1)))
    ask("metadata too long", topic("committed", (0, 1, "m" * 4097, -1), (1, 2, "fine", -1)))
    ask("unknown partition", topic("committed", (9, 1, "", -1), (-1, 1, "", -1), (0, 2, "", -1)))
    ask("unknown topic", topic("nobody", (0, 1, "", -1)))
    ask("known and unknown", topic("nobody", (0, 1, "", -1)), topic("committed", (0, 3, "", -1)))
    ask("impossible name", topic("a b", (0, 1, "", -1)))
    if version >= 10:
        ask("zero id", topic("committed", (0, 1, "", -1)) | {"TopicId": ZERO_UUID})
    ask("nothing")
    ask("no partition", topic("committed"))
    ask("a partition twice", topic("committed", (0, 4, "a", -1), (0, 5, "b", -1)))
    ask("a topic twice", topic("committed", (0, 6, "a", -1)), topic("committed", (1, 7, "b", -1)))
    ask("empty group", topic("committed", (0, 1, "", -1)), GroupId="")
    ask("a member of nothing", topic("committed", (0, 1, "", -1)), MemberId="somebody")
    ask("a generation of nothing", topic("committed", (0, 1, "", -1)), GenerationIdOrMemberEpoch=3)
    ask("a new group with a generation", topic("committed", (0, 1, "", -1)), GroupId=group + "-new", GenerationIdOrMemberEpoch=3, MemberId="x")
    ask("generation -2", topic("committed", (0, 1, "", -1)), GenerationIdOrMemberEpoch=-2)
    for retention in (0, 1000, -5):
        ask(f"retention {retention}", topic("committed", (0, 1, "", -1)), RetentionTimeMs=retention)
    ask("null topics", Topics=None)
    if version >= 7:
        ask("an instance of nothing", topic("committed", (0, 1, "", -1)), GroupInstanceId="me")
    pair.step("commit: what is kept")
    pair.call("OffsetFetch", 5, GroupId=group, Topics=None)
    members = group + "-members"
    pair.step("commit: a member")
    one = enter(pair, members)
    mine = {"GroupId": members, "GenerationIdOrMemberEpoch": one["GenerationId"], "MemberId": one["MemberId"]}
    ask("before the assignment", topic("committed", (0, 1, "", -1)), **mine)
    sync(pair, members, one)
    ask("as a member", topic("committed", (0, 2, "", -1)), **mine)
    ask("as another member", topic("committed", (0, 3, "", -1)), **(mine | {"MemberId": "somebody"}))
    ask("without a member", topic("committed", (0, 3, "", -1)), **(mine | {"MemberId": ""}))
    ask("an old generation", topic("committed", (0, 3, "", -1)), **(mine | {"GenerationIdOrMemberEpoch": 0}))
    ask("a generation to come", topic("committed", (0, 3, "", -1)), **(mine | {"GenerationIdOrMemberEpoch": 9}))
    ask("simply, to a group with members", topic("committed", (0, 3, "", -1)), GroupId=members)
    pair.step("commit: delete while subscribed")
    pair.call("OffsetDelete", 0, GroupId=members, Topics=[{"Name": "committed", "Partitions": [{"PartitionIndex": 0}]}])


def fetches(pair: Pair, version: int) -> None:
    group = f"commits-{pair.versions('OffsetCommit')[-1]}"

    def rows(*asked):
        named = lambda name: {"TopicId": ids.get(name, NOBODY)} if version >= 10 else {"Name": name}
        return [named(name) | {"PartitionIndexes": p} for name, p in asked]

    def ask(step: str, *asked, group=group, stable=False, everything=False, **more) -> None:
        pair.step(f"fetch: {step}")
        topics = None if everything else rows(*asked)
        if version >= 8:
            pair.call("OffsetFetch", version, Groups=[{"GroupId": group, "Topics": topics, "MemberEpoch": -1} | more], RequireStable=stable)
        else:
            pair.call("OffsetFetch", version, GroupId=group, Topics=topics, RequireStable=stable)

    ask("one", ("committed", [0]))
    ask("some", ("committed", [0, 1, 2, 9, -1]), ("committed-too", [2]))
    ask("never committed", ("committed-too", [0]))
    ask("unknown topic", ("nobody", [0]), ("committed", [0]))
    ask("everything", everything=True)
    ask("nothing")
    ask("no partition", ("committed", []))
    ask("twice", ("committed", [0, 0]), ("committed", [1]))
    ask("stable", ("committed", [0]), stable=True)
    ask("unknown group", ("committed", [0]), group="nobody-here")
    ask("unknown group, everything", group="nobody-here", everything=True)
    ask("empty group", ("committed", [0]), group="")
    ask("a name of spaces", ("a b", [0]))
    if version >= 9:
        ask("as a member", ("committed", [0]), MemberId="somebody", MemberEpoch=3)
        ask("as a member of an unknown group", ("committed", [0]), group="nobody-here", MemberId="somebody", MemberEpoch=3)
        ask("as nobody with an epoch", ("committed", [0]), MemberId=None, MemberEpoch=3)
    if version >= 8:
        pair.step("fetch: groups")
        one = lambda name: {"GroupId": name, "Topics": rows(("committed", [0])), "MemberEpoch": -1}
        pair.call("OffsetFetch", version, Groups=[])
        pair.call("OffsetFetch", version, Groups=[one(group), one("nobody-here"), one("")])
        pair.call("OffsetFetch", version, Groups=[one(group), one(group)])
        pair.call("OffsetFetch", version, Groups=[one(group) | {"Topics": None}, one("nobody-here") | {"Topics": None}])
        pair.step("fetch: null groups")
        pair.call("OffsetFetch", version, Groups=None)


def deletes(pair: Pair, version: int) -> None:
    group = f"commits-{pair.versions('OffsetCommit')[-1]}"

    def ask(step: str, group: str, *asked) -> None:
        pair.step(f"delete: {step}")
        pair.call("OffsetDelete", version, GroupId=group, Topics=[
            {"Name": name, "Partitions": [{"PartitionIndex": p} for p in parts]} for name, parts in asked
        ])

    ask("unknown group", "nobody-here", ("committed", [0]))
    ask("empty group", "", ("committed", [0]))
    ask("one", group, ("committed", [0]))
    ask("again", group, ("committed", [0]))
    ask("known and unknown", group, ("committed", [1, 9, -1]), ("nobody", [0]))
    ask("nothing", group)
    ask("no partition", group, ("committed", []))
    ask("twice", group, ("committed", [2, 2]), ("committed", [1]))
    pair.step("delete: what is left")
    pair.call("OffsetFetch", 5, GroupId=group, Topics=None)
    ask("in a group with members", "full", ("committed", [0]))
    ask("in a group that had members", "two", ("committed", [0]))
