"""Classic groups: members come, synchronise, stay, leave, are fenced; static members; what the group's APIs tell."""
from pair import Pair

APIS = ["FindCoordinator", "JoinGroup", "SyncGroup", "Heartbeat", "LeaveGroup", "DescribeGroups", "ListGroups", "DeleteGroups"]
TURN = 6


def run(pair: Pair) -> None:
    pair.step("coordinators")
    pair.await_coordinators()
    for version in pair.versions("FindCoordinator"):
        coordinators(pair, version)
    for version in pair.versions("JoinGroup"):
        refused_joins(pair, version)
        alone(pair, version)
    for version in [v for v in pair.versions("JoinGroup") if v >= 5]:
        static(pair, version)
    two_members(pair)
    full(pair)
    for version in pair.versions("SyncGroup"):
        syncs(pair, version)
    for version in pair.versions("Heartbeat"):
        heartbeats(pair, version)
    for version in pair.versions("LeaveGroup"):
        leaves(pair, version)
    for version in pair.versions("DescribeGroups"):
        described(pair, version)
    for version in pair.versions("ListGroups"):
        listed(pair, version)
    for version in pair.versions("DeleteGroups"):
        deleted(pair, version)


def coordinators(pair: Pair, version: int) -> None:
    for key in ("g", "", "ä", "x" * 300):
        for kind in (0, 3, -1, 127):
            if version == 0 and kind:
                continue
            pair.step(f"kind {kind}, a key of {len(key)}")
            pair.call("FindCoordinator", version, Key=key, KeyType=kind, CoordinatorKeys=[key])
    if version >= 4:
        for keys in ([], ["a", "b"], ["a", "a"], ["a", "", "b"], None):
            pair.step(f"keys {keys}")
            pair.call("FindCoordinator", version, KeyType=0, CoordinatorKeys=keys)
    else:
        pair.step("null key")
        pair.call("FindCoordinator", version, Key=None)


def protocols(*names: str) -> list[dict]:
    """Protocols, each with the subscription of a consumer to no topic: Kafka never answers one it cannot read."""
    return [{"Name": name, "Metadata": bytes(6) + b"\xff" * 4} for name in names]


def join(group: str, member="", session=10_000, rebalance=10_000, kind="consumer", names=("range",), **more) -> dict:
    return {
        "GroupId": group, "SessionTimeoutMs": session, "RebalanceTimeoutMs": rebalance, "MemberId": member, "ProtocolType": kind,
        "Protocols": protocols(*names),
    } | more


def enter(pair: Pair, group: str, version=4, **more) -> dict:
    """Joins a group that nobody else is in, with the member id it is given."""
    answer = pair.call("JoinGroup", version, **join(group, **more))
    if answer["ErrorCode"] == 79:
        answer = pair.call("JoinGroup", version, **join(group, **(more | {"member": answer["MemberId"]})))
    return answer


def sync(pair: Pair, group: str, joined: dict, version=3, assignment=b"mine", **more) -> dict | None:
    return pair.call("SyncGroup", version, **({
        "GroupId": group, "GenerationId": joined["GenerationId"], "MemberId": joined["MemberId"],
        "ProtocolType": "consumer", "ProtocolName": "range",
        "Assignments": [{"MemberId": joined["MemberId"], "Assignment": assignment}],
    } | more))


def refused_joins(pair: Pair, version: int) -> None:
    group = f"refused-{version}"
    for step, fields in {
        "empty group": join(""),
        "session too short": join(group, session=100),
        "session too long": join(group, session=10_000_000),
        "session of 0": join(group, session=0),
        "no protocol": join(group, names=()),
        "no protocol type": join(group, kind=""),
        "an unknown member": join(group, member="somebody"),
        "null group": join(None),
        "null protocols": join(group, Protocols=None),
    }.items():
        pair.step(step)
        pair.call("JoinGroup", version, **fields)
    if version >= 5:
        for name in ("", "a b", "x" * 300, ".", "ok"):
            pair.step(f"instance {name[:5]!r}, an unknown member")
            pair.call("JoinGroup", version, **join(group, member="somebody", GroupInstanceId=name))


def alone(pair: Pair, version: int) -> None:
    group = f"alone-{version}"
    pair.step("joins")
    one = enter(pair, group, version, names=("range", "roundrobin"))
    pair.step("joins again with its id")
    one = pair.call("JoinGroup", version, **join(group, member=one["MemberId"], names=("range", "roundrobin"))) or one
    pair.step("synchronises")
    sync(pair, group, one)
    pair.step("synchronises again")
    sync(pair, group, one, assignment=b"other")
    pair.step("beats")
    pair.call("Heartbeat", 3, GroupId=group, GenerationId=one["GenerationId"], MemberId=one["MemberId"])
    pair.step("joins again, the same")
    again = pair.call("JoinGroup", version, **join(group, member=one["MemberId"], names=("range", "roundrobin")))
    pair.step("synchronises with the old generation")
    sync(pair, group, one)
    pair.step("joins again with other protocols")
    again = pair.call("JoinGroup", version, **join(group, member=one["MemberId"], names=("sticky",)))
    pair.step("synchronises with protocol names that are wrong")
    sync(pair, group, again, 5, ProtocolType="connect", ProtocolName="sticky")
    sync(pair, group, again, 5, ProtocolType="consumer", ProtocolName="range")
    sync(pair, group, again, 5, ProtocolType=None, ProtocolName=None)
    pair.step("another joins with no protocol in common")
    pair.call("JoinGroup", version, **join(group, names=("mine",)))
    pair.step("another joins with another type")
    pair.call("JoinGroup", version, **join(group, kind="connect"))
    pair.step("described")
    pair.call("DescribeGroups", Groups=[group])
    pair.step("leaves")
    leave(pair, group, one["MemberId"])
    pair.step("leaves again")
    leave(pair, group, one["MemberId"])
    pair.step("joins the empty group by its old id")
    pair.call("JoinGroup", version, **join(group, member=one["MemberId"]))
    pair.step("an empty group")
    pair.call("DescribeGroups", Groups=[group])


def leave(pair: Pair, group: str, member: str, instance: str | None = None, version=4) -> dict | None:
    return pair.call("LeaveGroup", version, GroupId=group, MemberId=member, Members=[{"MemberId": member, "GroupInstanceId": instance}])


def static(pair: Pair, version: int) -> None:
    group, me = f"static-{version}", {"GroupInstanceId": "me"}
    pair.step("static: joins")
    first = pair.call("JoinGroup", version, **join(group, **me))
    sync(pair, group, first, **me)
    pair.step("static: restarts")
    second = pair.call("JoinGroup", version, **join(group, **me))
    pair.step("static: the old id is fenced")
    pair.call("Heartbeat", 3, GroupId=group, GenerationId=first["GenerationId"], MemberId=first["MemberId"], GroupInstanceId="me")
    sync(pair, group, first, **me)
    pair.call("JoinGroup", version, **join(group, member=first["MemberId"], **me))
    pair.call("OffsetCommit", 7, GroupId=group, GenerationIdOrMemberEpoch=first["GenerationId"], MemberId=first["MemberId"], Topics=[], **me)
    pair.step("static: the new id")
    sync(pair, group, second, **me)
    pair.call("Heartbeat", 3, GroupId=group, GenerationId=second["GenerationId"], MemberId=second["MemberId"], GroupInstanceId="me")
    pair.step("static: an instance that is not there")
    pair.call("Heartbeat", 3, GroupId=group, GenerationId=second["GenerationId"], MemberId=second["MemberId"], GroupInstanceId="you")
    sync(pair, group, second, GroupInstanceId="you")
    pair.call("JoinGroup", version, **join(group, member=second["MemberId"], GroupInstanceId="you"))
    pair.step("static: restarts with other metadata")
    third = pair.call("JoinGroup", version, **join(group, names=("range", "sticky"), **me))
    sync(pair, group, third, **me)
    pair.step("static: described")
    pair.call("DescribeGroups", Groups=[group])
    pair.step("static: leaves by a wrong id, by its instance, and again")
    leave(pair, group, first["MemberId"], "me")
    leave(pair, group, "", "me")
    leave(pair, group, "", "me")
    pair.call("DescribeGroups", Groups=[group])


def two_members(pair: Pair) -> None:
    group = "two"
    pair.step("two: the first")
    one = enter(pair, group, 6)
    sync(pair, group, one)
    pair.step("two: the second asks for an id")
    two = pair.call("JoinGroup", 6, **join(group))
    pair.step("two: the second joins")
    waiting = pair.start("JoinGroup", 6, **join(group, member=two["MemberId"]))
    pair.await_members(group, 2, "PreparingRebalance")
    pair.step("two: the first is told")
    beat = dict(GroupId=group, MemberId=one["MemberId"])
    pair.call("Heartbeat", 3, GenerationId=one["GenerationId"], **beat)
    sync(pair, group, one)
    pair.call("OffsetCommit", 7, GroupId=group, GenerationIdOrMemberEpoch=one["GenerationId"], MemberId=one["MemberId"], Topics=[])
    pair.step("two: the first joins again")
    one = pair.call("JoinGroup", 6, **join(group, member=one["MemberId"]))
    pair.step("two: the second is in")
    two = waiting.answer()
    pair.step("two: the second awaits the assignment")
    waiting = pair.start("SyncGroup", 3, GroupId=group, GenerationId=two["GenerationId"], MemberId=two["MemberId"], Assignments=[])
    pair.step("two: heartbeats meanwhile")
    pair.call("Heartbeat", 3, GenerationId=one["GenerationId"], **beat)
    pair.step("two: the leader assigns")
    sync(pair, group, one, Assignments=[
        {"MemberId": one["MemberId"], "Assignment": b"first"}, {"MemberId": two["MemberId"], "Assignment": b"second"},
        {"MemberId": "nobody", "Assignment": b"third"},
    ])
    pair.step("two: the second has it")
    waiting.answer()
    pair.step("two: described")
    pair.call("DescribeGroups", Groups=[group])
    pair.step("two: it cannot be deleted")
    pair.call("DeleteGroups", GroupsNames=[group])
    pair.step("two: the second leaves")
    leave(pair, group, two["MemberId"])
    pair.call("Heartbeat", 3, GenerationId=one["GenerationId"], **beat)
    pair.step("two: a follower's request is superseded")
    one = pair.call("JoinGroup", 6, **join(group, member=one["MemberId"]))
    sync(pair, group, one)
    pair.step("two: the first leaves")
    leave(pair, group, one["MemberId"])


def full(pair: Pair) -> None:
    group = "full"
    pair.step("full: four members")
    waiting, first = [], None
    for number in range(4):
        asked = pair.call("JoinGroup", 6, **join(group))
        if number == 0:
            first = pair.call("JoinGroup", 6, **join(group, member=asked["MemberId"]))
        else:
            waiting.append(pair.start("JoinGroup", 6, **join(group, member=asked["MemberId"])))
            pair.await_members(group, number + 1)
    pair.step("full: all are in")
    pair.call("JoinGroup", 6, **join(group, member=first["MemberId"]))
    for pending in waiting:
        pending.answer()
    pair.step("full: the fifth")
    pair.call("JoinGroup", 6, **join(group))
    pair.call("JoinGroup", 3, **join(group))
    pair.call("JoinGroup", 6, **join(group, GroupInstanceId="fifth"))
    pair.call("DescribeGroups", Groups=[group])


def syncs(pair: Pair, version: int) -> None:
    group = f"syncs-{version}"
    pair.step("sync: a member")
    one = enter(pair, group)
    for step, fields in {
        "unknown group": {"GroupId": "nobody"}, "empty group": {"GroupId": ""}, "unknown member": {"MemberId": "somebody"},
        "empty member": {"MemberId": ""}, "generation behind": {"GenerationId": one["GenerationId"] - 1},
        "generation ahead": {"GenerationId": one["GenerationId"] + 1}, "generation -1": {"GenerationId": -1},
        "no assignment": {"Assignments": []}, "an assignment for nobody": {"Assignments": [{"MemberId": "x", "Assignment": b"x"}]},
        "twice assigned": {"Assignments": [{"MemberId": one["MemberId"], "Assignment": b"1"}, {"MemberId": one["MemberId"], "Assignment": b"2"}]},
        "null assignments": {"Assignments": None},
    }.items():
        pair.step(f"sync: {step}")
        sync(pair, group, one, version, **fields)
    if version >= 5:
        pair.step("sync: no protocol told")
        sync(pair, group, one, version, ProtocolType=None, ProtocolName=None)


def heartbeats(pair: Pair, version: int) -> None:
    group = f"beats-{version}"
    pair.step("heartbeat: a member")
    one = enter(pair, group)
    fine = {"GroupId": group, "GenerationId": one["GenerationId"], "MemberId": one["MemberId"]}
    pair.step("heartbeat: before the assignment")
    pair.call("Heartbeat", version, **fine)
    sync(pair, group, one)
    for step, fields in {
        "fine": {}, "unknown group": {"GroupId": "nobody"}, "empty group": {"GroupId": ""}, "unknown member": {"MemberId": "somebody"},
        "empty member": {"MemberId": ""}, "generation behind": {"GenerationId": 0}, "generation ahead": {"GenerationId": 99},
        "generation -1": {"GenerationId": -1}, "null group": {"GroupId": None},
    }.items():
        pair.step(f"heartbeat: {step}")
        pair.call("Heartbeat", version, **(fine | fields))


def leaves(pair: Pair, version: int) -> None:
    group = f"leaves-{version}"
    pair.step("leave: a member")
    one = enter(pair, group)
    member = one["MemberId"]

    def ask(step: str, group: str, *members) -> None:
        pair.step(f"leave: {step}")
        told = [{"MemberId": m, "GroupInstanceId": i, "Reason": "done"} for m, i in members]
        pair.call("LeaveGroup", version, GroupId=group, MemberId=members[0][0] if members else "", Members=told)

    ask("unknown group", "nobody", ("x", None))
    ask("empty group", "", ("x", None))
    ask("unknown member", group, ("x", None))
    ask("empty member", group, ("", None))
    if version >= 3:
        ask("nobody", group)
        ask("unknown instance", group, ("", "who"))
        ask("known and unknown", group, ("x", None), (member, None), ("", "who"))
    ask("itself", group, (member, None))
    ask("again", group, (member, None))
    pair.step("leave: an id that never joined")
    pending = pair.call("JoinGroup", 4, **join(group))
    ask("an id that never joined", group, (pending["MemberId"], None))


def described(pair: Pair, version: int) -> None:
    for groups in (["alone-0"], ["two"], ["nobody"], ["full", "nobody", "two"], [], [""], ["two", "two"], None):
        for operations in (False, True):
            pair.step(f"describe {groups}")
            pair.call("DescribeGroups", version, Groups=groups, IncludeAuthorizedOperations=operations)


def listed(pair: Pair, version: int) -> None:
    for states in ([], ["Stable"], ["empty"], ["Empty", "Stable"], ["Frobnicating"], [""], ["stable", "Dead", "preparingrebalance", "PreparingRebalance"]):
        for types in [[]] if version < 5 else ([], ["classic"], ["Consumer"], ["CLASSIC", "consumer"], ["odd"], [""]):
            pair.step(f"list {states} {types}")
            pair.call("ListGroups", version, StatesFilter=states, TypesFilter=types)


def deleted(pair: Pair, version: int) -> None:
    for groups in (["nobody"], [], [""], ["full"], [f"alone-{version}"], [f"alone-{version}"], ["nobody", "full", f"leaves-{version}"], [f"static-{version + 5}"] * 2):
        pair.step(f"delete {groups}")
        pair.call("DeleteGroups", version, GroupsNames=groups)
    pair.step("null groups")
    pair.call("DeleteGroups", version, GroupsNames=None)
