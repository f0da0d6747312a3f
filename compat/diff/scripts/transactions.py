"""Transactions: who bears an id, what joins, how it ends, what readers of committed records see, and what is told of it."""
import time

import batches
from batches import TRANSACTIONAL, batch, records
from pair import Pair

APIS = [
    "AddPartitionsToTxn", "AddOffsetsToTxn", "EndTxn", "WriteTxnMarkers", "TxnOffsetCommit", "DescribeTransactions", "ListTransactions",
]
TURN = 8
# Of Produce and EndTxn: what clients send before and since transaction.version 2.
OLD, NEW = (11, 4), (12, 5)
NOBODY = {"id": 77_777, "epoch": 0}


def run(pair: Pair) -> None:
    pair.step("topics")
    pair.topic("transacted", 3)
    pair.topic("transacted-too", 1)
    pair.await_coordinators()
    coordinators(pair)
    for version in pair.versions("InitProducerId"):
        initialize(pair, version)
    for version in pair.versions("AddPartitionsToTxn"):
        add(pair, version)
    for version in pair.versions("AddOffsetsToTxn"):
        add_offsets(pair, version)
    for version in pair.versions("EndTxn"):
        end(pair, version)
    for style in (OLD, NEW):
        produce_and_read(pair, style)
    verify(pair)
    for version in pair.versions("TxnOffsetCommit"):
        commit_offsets(pair, version)
    for version in pair.versions("WriteTxnMarkers"):
        markers(pair, version)
    tell(pair)


def coordinators(pair: Pair) -> None:
    """The JVM makes the topic and loads its partitions in its own time; after that both are asked alike."""
    pair.step("coordinators")
    found = lambda answer: all(one["ErrorCode"] == 0 for one in answer["Coordinators"])
    pair.await_each(found, "FindCoordinator", 4, KeyType=1, CoordinatorKeys=["anything"])
    names = [f"warming-{number}" for number in range(200)]
    loaded = lambda answer: all(one["ErrorCode"] == 105 for one in answer["TransactionStates"])
    pair.await_each(loaded, "DescribeTransactions", 0, TransactionalIds=names)
    for version in [v for v in pair.versions("FindCoordinator") if v >= 1]:
        pair.step("the coordinator of a transaction")
        pair.call("FindCoordinator", version, Key="x", KeyType=1, CoordinatorKeys=["x", "", "a b"])
    pair.step("the topic of transactions")
    pair.call("DescribeConfigs", Resources=[{"ResourceType": 2, "ResourceName": "__transaction_state", "ConfigurationKeys": None}])
    pair.call("Metadata", Topics=[{"Name": "__transaction_state"}])


def settled(pair: Pair, name: str) -> None:
    """Waits, at each broker, until no end is on its way."""
    done = lambda answer: not answer["TransactionStates"][0]["TransactionState"].startswith("Prepare")
    pair.await_each(done, "DescribeTransactions", 0, TransactionalIds=[name])


def begin(pair: Pair, name: str, timeout=60_000, version=4) -> dict:
    """Who bears the id now; an earlier transaction is aborted first."""
    settled(pair, name)
    told = pair.call("InitProducerId", version, TransactionalId=name, TransactionTimeoutMs=timeout, ProducerId=-1, ProducerEpoch=-1)
    if told["ErrorCode"] == 51:
        settled(pair, name)
        told = pair.call("InitProducerId", version, TransactionalId=name, TransactionTimeoutMs=timeout, ProducerId=-1, ProducerEpoch=-1)
    return {"id": told["ProducerId"], "epoch": told["ProducerEpoch"]}


def initialize(pair: Pair, version: int) -> None:
    name = f"initialized-{version}"

    def ask(step: str, transactional_id=name, **fields) -> dict:
        pair.step(f"init: {step}")
        given = {"TransactionTimeoutMs": 60_000, "ProducerId": -1, "ProducerEpoch": -1} | fields
        return pair.call("InitProducerId", version, TransactionalId=transactional_id, **given)

    ask("an empty id", "")
    for timeout in (0, -1, 900_001, 2**31 - 1):
        ask(f"timeout {timeout}", TransactionTimeoutMs=timeout)
    if version >= 6:
        two_phases(ask, name)
    first = ask("new")
    again = ask("again")
    if version >= 3:
        mine = {"ProducerId": again["ProducerId"], "ProducerEpoch": again["ProducerEpoch"]}
        ask("as its producer", **mine)
        ask("as its producer, again", **mine)
        ask("as the producer before", ProducerId=first["ProducerId"], ProducerEpoch=first["ProducerEpoch"])
        ask("as an epoch to come", **(mine | {"ProducerEpoch": 99}))
        ask("as another producer", ProducerId=77_777, ProducerEpoch=0)
        ask("as another producer in the last epoch", ProducerId=77_777, ProducerEpoch=32_766)
        ask("an id alone", ProducerId=5)
        ask("an epoch alone", ProducerEpoch=3)
        ask("a new id as a producer", name + "-claimed", ProducerId=5, ProducerEpoch=3)
    pair.step("init: over an open transaction")
    producer = begin(pair, name)
    join(pair, 3, name, producer, [("transacted", [0])])
    ask("over an open transaction")
    settled(pair, name)
    ask("after that is aborted")
    describe(pair, name, f"{name}-True-False", f"{name}-False-True")


def two_phases(ask, name: str) -> None:
    """What version 6 adds: transactions without a timeout, and with a prepared one kept."""
    for enable, keep in ((True, False), (False, True), (True, True)):
        flags = {"Enable2Pc": enable, "KeepPreparedTxn": keep}
        for timeout in (60_000, -1, 2**31 - 1):
            ask(f"{flags}, timeout {timeout}", f"{name}-{enable}-{keep}", TransactionTimeoutMs=timeout, **flags)
        ask(f"{flags}, an empty id", "", **flags)
        ask(f"{flags}, no id", None, **flags)
        ask(f"{flags}, as another producer", f"{name}-{enable}-{keep}", ProducerId=77_777, ProducerEpoch=0, **flags)


def describe(pair: Pair, *names: str) -> None:
    pair.call("DescribeTransactions", 0, TransactionalIds=list(names))


def rows(topics) -> list[dict]:
    return [{"Name": name, "Partitions": parts} for name, parts in topics]


def join(pair: Pair, version: int, name: str, producer: dict, topics, verify=False):
    if version < 4:
        return pair.call(
            "AddPartitionsToTxn", version, V3AndBelowTransactionalId=name, V3AndBelowProducerId=producer["id"],
            V3AndBelowProducerEpoch=producer["epoch"], V3AndBelowTopics=rows(topics),
        )
    return pair.call("AddPartitionsToTxn", version, Transactions=[{
        "TransactionalId": name, "ProducerId": producer["id"], "ProducerEpoch": producer["epoch"], "VerifyOnly": verify, "Topics": rows(topics),
    }])


def add(pair: Pair, version: int) -> None:
    name = f"joined-{version}"
    pair.step("add: a producer")
    producer = begin(pair, name)
    older = producer | {"epoch": producer["epoch"] - 1}
    newer = producer | {"epoch": producer["epoch"] + 1}
    one = [("transacted", [0])]
    for step, (who, as_producer, topics) in {
        "an empty id": ("", producer, one), "an unknown id": ("nobody-here", producer, one), "another producer": (name, NOBODY, one),
        "an epoch before": (name, older, one), "an epoch to come": (name, newer, one), "one": (name, producer, one), "again": (name, producer, one),
        "more": (name, producer, [("transacted", [0, 1]), ("transacted-too", [0])]), "twice": (name, producer, [("transacted", [2, 2])]),
        "an unknown topic": (name, producer, [("nobody", [0])]), "known and unknown": (name, producer, [("transacted", [0, 9]), ("nobody", [0])]),
        "nothing": (name, producer, []), "no partition": (name, producer, [("transacted", [])]), "internal": (name, producer, [("__consumer_offsets", [0])]),
    }.items():
        pair.step(f"add: {step}")
        join(pair, version, who, as_producer, topics)
        if version >= 4:
            pair.step(f"verify: {step}")
            join(pair, version, who, as_producer, topics, verify=True)
    pair.step("add: what there is")
    describe(pair, name)
    pair.step("add: after the end")
    pair.call("EndTxn", 4, TransactionalId=name, ProducerId=producer["id"], ProducerEpoch=producer["epoch"], Committed=True)
    settled(pair, name)
    describe(pair, name)
    join(pair, version, name, producer, one)
    if version >= 4:
        pair.step("add: two transactions")
        row = {"ProducerId": producer["id"], "ProducerEpoch": producer["epoch"], "VerifyOnly": True, "Topics": rows(one)}
        pair.call("AddPartitionsToTxn", version, Transactions=[row | {"TransactionalId": name}, row | {"TransactionalId": "nobody-here"}])


def add_offsets(pair: Pair, version: int) -> None:
    name = f"offsets-added-{version}"
    pair.step("add offsets: a producer")
    producer = begin(pair, name)

    def ask(step: str, who=name, group="transacting", **fields) -> None:
        pair.step(f"add offsets: {step}")
        given = {"ProducerId": producer["id"], "ProducerEpoch": producer["epoch"]} | fields
        pair.call("AddOffsetsToTxn", version, TransactionalId=who, GroupId=group, **given)

    ask("an empty id", "")
    ask("an unknown id", "nobody-here")
    ask("another producer", ProducerId=77_777)
    ask("an epoch before", ProducerEpoch=producer["epoch"] - 1)
    ask("one")
    ask("again")
    ask("an empty group", group="")
    ask("another group", group="transacting-too")
    describe(pair, name)


def end(pair: Pair, version: int) -> None:
    name = f"ended-{version}"
    new = version >= 5

    def ask(step: str, producer: dict, commit=True, who=name) -> dict:
        pair.step(f"end: {step}")
        told = pair.call("EndTxn", version, TransactionalId=who, ProducerId=producer["id"], ProducerEpoch=producer["epoch"], Committed=commit)
        if who:
            settled(pair, who)
        return {"id": told["ProducerId"], "epoch": told["ProducerEpoch"]} if new and told["ErrorCode"] == 0 else producer

    pair.step("end: a producer")
    producer = begin(pair, name)
    ask("an empty id", producer, who="")
    ask("an unknown id", producer, who="nobody-here")
    ask("another producer", NOBODY)
    ask("an epoch to come", producer | {"epoch": producer["epoch"] + 1})
    ask("a commit of nothing", producer)
    producer = ask("an abort of nothing", producer, commit=False)
    for commit in (True, False):
        word = "commit" if commit else "abort"
        join(pair, 5 if new else 3, name, producer, [("transacted", [0]), ("transacted-too", [0])])
        before, producer = producer, ask(f"a {word}", producer, commit)
        describe(pair, name)
        ask(f"the {word}, as before", before, commit)
        ask(f"the other after a {word}, as before", before, not commit)
        ask("two epochs before", before | {"epoch": before["epoch"] - 1}, commit)
        if commit:
            # Within a tenth of a second after an end it is taken for a commit that came too early.
            time.sleep(0.2)
            ask("a commit without transaction", producer)
        producer = ask(f"an abort after a {word}", producer, commit=False)
        producer = begin(pair, name)


def put(pair: Pair, version: int, name: str | None, producer: dict, sequence: int, topic="transacted", partition=0, count=2, bits=TRANSACTIONAL):
    raw = batch(records(count), attributes=bits, pid=producer["id"], epoch=producer["epoch"], sequence=sequence)
    return pair.call(
        "Produce", version, TransactionalId=name, Acks=-1, TimeoutMs=5000,
        TopicData=[{"Name": topic, "PartitionData": [{"Index": partition, "Records": raw}]}],
    )


def read(pair: Pair, topic="transacted", partition=0, offset=0) -> None:
    for isolation in (0, 1):
        pair.call("Fetch", 12, ReplicaId=-1, MaxWaitMs=0, MinBytes=0, MaxBytes=1 << 20, IsolationLevel=isolation, SessionId=0, SessionEpoch=-1, RackId="", Topics=[
            {"Topic": topic, "Partitions": [{"Partition": partition, "FetchOffset": offset, "PartitionMaxBytes": 1 << 20, "CurrentLeaderEpoch": -1, "LastFetchedEpoch": -1, "LogStartOffset": -1}]},
        ], ForgottenTopicsData=[])
        for timestamp in (-1, -2, -3, 0):
            pair.call("ListOffsets", 9, ReplicaId=-1, IsolationLevel=isolation, Topics=[
                {"Name": topic, "Partitions": [{"PartitionIndex": partition, "Timestamp": timestamp, "CurrentLeaderEpoch": -1}]},
            ])


def finish(pair: Pair, version: int, name: str, producer: dict, commit: bool) -> dict:
    told = pair.call("EndTxn", version, TransactionalId=name, ProducerId=producer["id"], ProducerEpoch=producer["epoch"], Committed=commit)
    settled(pair, name)
    return {"id": told["ProducerId"], "epoch": told["ProducerEpoch"]} if version >= 5 else producer


def produce_and_read(pair: Pair, style: tuple[int, int]) -> None:
    produce, end_version = style
    name, partition = f"produced-{produce}", 0 if style == OLD else 1
    sequence = 0

    def send(step: str, producer: dict, at: int, **more) -> None:
        pair.step(f"{produce}: {step}")
        if style == OLD and not more:
            join(pair, 3, name, producer, [("transacted", [partition])])
        put(pair, produce, name, producer, at, partition=partition, **more)

    pair.step(f"{produce}: a producer")
    producer = begin(pair, name)
    for commit in (True, False, True):
        word = "committed" if commit else "aborted"
        send(f"records to be {word}", producer, sequence)
        send("more", producer, sequence + 2)
        send("again", producer, sequence + 2)
        send("a gap", producer, sequence + 9)
        send("not of the transaction", producer, sequence + 4, bits=0)
        read(pair, partition=partition)
        pair.call("DescribeProducers", Topics=[{"Name": "transacted", "PartitionIndexes": [partition]}])
        pair.step(f"{produce}: {word}")
        producer = finish(pair, end_version, name, producer, commit)
        sequence = 0 if style == NEW else sequence + 4
        read(pair, partition=partition)
        read(pair, partition=partition, offset=3)
        pair.call("DescribeProducers", Topics=[{"Name": "transacted", "PartitionIndexes": [partition]}])
    pair.step(f"{produce}: two transactions, the later one ends first")
    other = begin(pair, name + "-other")
    send("the earlier", producer, sequence)
    if style == OLD:
        join(pair, 3, name + "-other", other, [("transacted", [partition])])
    put(pair, produce, name + "-other", other, 0, partition=partition)
    finish(pair, end_version, name + "-other", other, False)
    read(pair, partition=partition)
    finish(pair, end_version, name, producer, True)
    read(pair, partition=partition)
    pair.step(f"{produce}: fenced")
    old = begin(pair, name)
    begin(pair, name)
    send("by a new instance", old, 0)
    pair.step(f"{produce}: two producers at once")
    twin = [batch(records(1), attributes=TRANSACTIONAL, pid=pid, epoch=0, sequence=0) for pid in (1, 2)]
    pair.call("Produce", produce, TransactionalId=name, Acks=-1, TimeoutMs=5000, TopicData=[
        {"Name": "transacted", "PartitionData": [{"Index": index, "Records": raw} for index, raw in enumerate(twin)]},
    ])


def verify(pair: Pair) -> None:
    """Partitions that nobody added, in every version of Produce."""
    for version in [v for v in pair.versions("Produce") if 3 <= v <= 12]:
        name = f"verified-{version}"
        pair.step(f"produce {version}: without a producer")
        put(pair, version, name, NOBODY, 0, "transacted-too")
        pair.step(f"produce {version}: nobody added it")
        producer = begin(pair, name)
        put(pair, version, name, producer, 0, "transacted-too")
        pair.step(f"produce {version}: another id")
        put(pair, version, "nobody-here", producer, 0, "transacted-too")
        pair.step(f"produce {version}: no id")
        put(pair, version, None, producer, 0, "transacted-too")
        pair.step(f"produce {version}: not from 0")
        put(pair, version, name, producer, 5, "transacted-too")
        pair.step(f"produce {version}: the end")
        pair.call("EndTxn", 4, TransactionalId=name, ProducerId=producer["id"], ProducerEpoch=producer["epoch"], Committed=False)
        settled(pair, name)
    read(pair, "transacted-too")


def commit_offsets(pair: Pair, version: int) -> None:
    name, group = f"offsets-{version}", f"transacting-{version}"
    adds = version >= 5

    def ask(step: str, producer: dict, *parts, topic="transacted", **fields) -> None:
        pair.step(f"offsets: {step}")
        given = {"GroupId": group, "GenerationId": -1, "MemberId": ""} | fields
        pair.call(
            "TxnOffsetCommit", version, TransactionalId=name, ProducerId=producer["id"], ProducerEpoch=producer["epoch"], **given,
            Topics=[{"Name": topic, "Partitions": [
                {"PartitionIndex": p, "CommittedOffset": o, "CommittedLeaderEpoch": -1, "CommittedMetadata": m} for p, o, m in parts
            ]}],
        )

    def fetch(step: str) -> None:
        pair.step(f"offsets: {step}")
        asked = [{"Name": "transacted", "PartitionIndexes": [0, 1, 2]}]
        for stable in (False, True):
            for topics in (asked, None):
                pair.call("OffsetFetch", 9, Groups=[{"GroupId": group, "Topics": topics, "MemberEpoch": -1}], RequireStable=stable)

    pair.step("offsets: a producer")
    producer = begin(pair, name)
    ask("nobody added the group", producer, (0, 5, "m"))
    if adds:
        producer = finish(pair, 5, name, producer, False)
    else:
        pair.call("AddOffsetsToTxn", 3, TransactionalId=name, ProducerId=producer["id"], ProducerEpoch=producer["epoch"], GroupId=group)
    ask("one", producer, (0, 6, "m"))
    ask("another producer", NOBODY, (0, 7, ""))
    ask("an epoch to come", producer | {"epoch": producer["epoch"] + 1}, (0, 7, ""))
    ask("an empty group", producer, (0, 7, ""), GroupId="")
    ask("an unknown partition", producer, (0, 8, None), (9, 1, ""))
    ask("an unknown topic", producer, (0, 8, ""), topic="nobody")
    ask("long metadata", producer, (1, 1, "m" * 4097), (2, 2, ""))
    if version >= 3:
        ask("a generation of nothing", producer, (0, 9, ""), GenerationId=3, MemberId="somebody")
        ask("a member of nothing", producer, (0, 9, ""), MemberId="somebody")
        ask("an instance of nothing", producer, (0, 9, ""), GroupInstanceId="somebody")
    fetch("while it is open")
    pair.step("offsets: committed beside it")
    pair.call("OffsetCommit", 8, GroupId=group, GenerationIdOrMemberEpoch=-1, MemberId="", Topics=[
        {"Name": "transacted", "Partitions": [{"PartitionIndex": 2, "CommittedOffset": 99, "CommittedLeaderEpoch": -1, "CommittedMetadata": ""}]},
    ])
    fetch("while it is open, and another is there")
    producer = finish(pair, 5 if adds else 4, name, producer, True)
    fetch("committed")
    if not adds:
        pair.call("AddOffsetsToTxn", 3, TransactionalId=name, ProducerId=producer["id"], ProducerEpoch=producer["epoch"], GroupId=group)
    ask("to be aborted", producer, (0, 50, ""), (1, 51, ""))
    fetch("while the next is open")
    finish(pair, 5 if adds else 4, name, producer, False)
    fetch("aborted")
    pair.call("ListGroups", 4, StatesFilter=[])


def markers(pair: Pair, version: int) -> None:
    name = f"marked-{version}"
    pair.step("markers: an open transaction")
    begin(pair, name)
    producer = begin(pair, name)
    put(pair, 12, name, producer, 0, partition=2)

    def ask(step: str, *parts, topic="transacted", commit=False, **fields) -> None:
        pair.step(f"markers: {step}")
        # Of two markers of one millisecond the first is the newest.
        time.sleep(0.003)
        row = {"ProducerId": producer["id"], "ProducerEpoch": producer["epoch"], "TransactionResult": commit, "CoordinatorEpoch": 0, "TransactionVersion": 0}
        pair.call("WriteTxnMarkers", version, Markers=[row | fields | {"Topics": [{"Name": topic, "PartitionIndexes": list(parts)}]}])

    ask("an unknown partition", 9)
    ask("an unknown topic", 0, topic="nobody")
    ask("known and unknown", 9, 1)
    ask("an epoch before", 2, ProducerEpoch=producer["epoch"] - 1)
    ask("no epoch", 2, ProducerEpoch=-1)
    if version >= 2:
        ask("of version 2, in the same epoch", 2, TransactionVersion=2)
    ask("an abort", 2, CoordinatorEpoch=7)
    ask("again", 2, CoordinatorEpoch=7)
    ask("of an earlier coordinator", 2, CoordinatorEpoch=6)
    ask("of nobody's transaction", 2, ProducerId=88_888 + version)
    ask("for offsets", 0, topic="__consumer_offsets", ProducerId=88_888 + version)
    pair.step("markers: nothing")
    pair.call("WriteTxnMarkers", version, Markers=[])
    read(pair, partition=2)
    pair.call("DescribeProducers", Topics=[{"Name": "transacted", "PartitionIndexes": [2]}])


def tell(pair: Pair) -> None:
    pair.step("describe")
    describe(pair)
    describe(pair, "", "nobody-here", "ended-5", "ended-5")
    producer = begin(pair, "told")
    join(pair, 3, "told", producer, [("transacted", [0, 1]), ("transacted-too", [0])])
    describe(pair, "told")
    for version in pair.versions("ListTransactions"):
        for step, fields in {
            "all": {}, "ongoing": {"StateFilters": ["Ongoing"]}, "two states": {"StateFilters": ["Ongoing", "Empty"]},
            "unknown states": {"StateFilters": ["Frob", "ongoing", "Dead", "PrepareEpochFence", ""]}, "known and unknown": {"StateFilters": ["Ongoing", "Frob"]},
            "a producer": {"ProducerIdFilters": [producer["id"]]}, "nobody": {"ProducerIdFilters": [77_777]},
            "a producer in another state": {"ProducerIdFilters": [producer["id"]], "StateFilters": ["Empty"]},
            "older than an hour": {"DurationFilter": 3_600_000}, "of any age": {"DurationFilter": 0}, "age -5": {"DurationFilter": -5},
            "a name": {"TransactionalIdPattern": "to.*"}, "half a name": {"TransactionalIdPattern": "tol"}, "any name": {"TransactionalIdPattern": ""},
            "no pattern": {"TransactionalIdPattern": "("},
        }.items():
            pair.step(f"list: {step}")
            pair.call("ListTransactions", version, **({"StateFilters": [], "ProducerIdFilters": [], "DurationFilter": -1, "TransactionalIdPattern": None} | fields))
