"""Client quotas and SCRAM credentials."""
from pair import Pair

APIS = ["DescribeClientQuotas", "AlterClientQuotas", "DescribeUserScramCredentials", "AlterUserScramCredentials"]
EXACT, DEFAULT, SPECIFIED = 0, 1, 2


def run(pair: Pair) -> None:
    for version in pair.versions("AlterClientQuotas"):
        altered(pair, version)
    for version in pair.versions("DescribeClientQuotas"):
        described(pair, version)
    for version in pair.versions("AlterUserScramCredentials"):
        credentials(pair, version)
    for version in pair.versions("DescribeUserScramCredentials"):
        for users in (None, [], ["scram"], ["nobody"], ["scram", "nobody", "scram-too"], ["scram", "scram"], [""]):
            pair.step(f"users {users}")
            pair.call("DescribeUserScramCredentials", version, Users=users and [{"Name": name} for name in users] if users is not None else None)


def entry(entity: dict, *ops, **more) -> dict:
    rows = [{"Key": key, "Value": 0.0 if value is None else value, "Remove": value is None} for key, value in ops]
    return {"Entity": [{"EntityType": kind, "EntityName": name} for kind, name in entity.items()], "Ops": rows} | more


def altered(pair: Pair, version: int) -> None:
    def ask(step: str, *entries, validate=False, port="broker") -> None:
        pair.step(f"alter: {step}")
        pair.call("AlterClientQuotas", version, port=port, Entries=list(entries), ValidateOnly=validate)

    rate = ("producer_byte_rate", 1e12)
    for step, entity in {
        "user": {"user": "u"}, "client": {"client-id": "c"}, "both": {"user": "u", "client-id": "c"}, "default user": {"user": None},
        "default client": {"client-id": None}, "default of both": {"user": None, "client-id": None}, "ip": {"ip": "10.0.0.1"}, "default ip": {"ip": None},
        "user and ip": {"user": "u", "ip": "10.0.0.1"}, "impossible ip": {"ip": "nowhere at all"}, "unknown kind": {"frob": "x"}, "nothing": {}, "empty user": {"user": ""},
        "empty kind": {"": "x"}, "empty client": {"client-id": ""}, "three": {"user": "u", "client-id": "c", "ip": "10.0.0.1"}, "odd user": {"user": "a b/ä%"},
    }.items():
        for validate in (True, False):
            ask(step, entry(entity, rate), validate=validate)
        ask(f"{step}, connections", entry(entity, ("connection_creation_rate", 1000.0)))
    for step, ops in {
        "all four": [("producer_byte_rate", 1e12), ("consumer_byte_rate", 2e12), ("request_percentage", 1e6), ("controller_mutation_rate", 1e9)],
        "removed": [("producer_byte_rate", None)], "removed again": [("producer_byte_rate", None)], "unknown key": [("frob", 1.0)], "unknown key removed": [("frob", None)],
        "zero": [("consumer_byte_rate", 0.0)], "negative": [("consumer_byte_rate", -5.0)], "a fraction": [("consumer_byte_rate", 1e9 + 0.5)],
        "a small fraction": [("request_percentage", 1e6 + 0.25)], "twice the same key": [("consumer_byte_rate", 1e9), ("consumer_byte_rate", 2e9)],
        "set and removed": [("consumer_byte_rate", 1e9), ("consumer_byte_rate", None)], "no op": [], "not a number": [("consumer_byte_rate", float("nan"))],
        "infinite": [("consumer_byte_rate", float("inf"))], "huge": [("consumer_byte_rate", 1e300)], "empty key": [("", 1.0)],
        "of an ip": [("connection_creation_rate", 5.0)],
    }.items():
        ask(step, entry({"user": "ops"}, *ops))
    ask("ip fraction", entry({"ip": "10.0.0.2"}, ("connection_creation_rate", 10.5)))
    ask("one entity twice", entry({"user": "ops"}, rate), entry({"user": "ops"}, ("consumer_byte_rate", 3e12)))
    ask("one kind twice", {"Entity": [{"EntityType": "user", "EntityName": "a"}, {"EntityType": "user", "EntityName": "b"}], "Ops": [{"Key": "producer_byte_rate", "Value": 1e12}]})
    ask("good and bad", entry({"user": "good"}, rate), entry({"user": "bad"}, ("frob", 1.0)))
    ask("nothing at all")
    ask("on the controller's listener", entry({"user": "direct"}, rate), port="controller")
    pair.step("alter: null entries")
    pair.call("AlterClientQuotas", version, Entries=None)


def described(pair: Pair, version: int) -> None:
    def ask(step: str, *components, strict=False) -> None:
        pair.step(f"describe: {step}")
        rows = [{"EntityType": kind, "MatchType": match, "Match": name} for kind, match, name in components]
        pair.call("DescribeClientQuotas", version, Components=rows, Strict=strict)

    for strict in (False, True):
        ask("everything", strict=strict)
        for kind in ("user", "client-id", "ip"):
            ask(f"{kind} default", (kind, DEFAULT, None), strict=strict)
            ask(f"{kind} any", (kind, SPECIFIED, None), strict=strict)
        ask("user u", ("user", EXACT, "u"), strict=strict)
        ask("user nobody", ("user", EXACT, "nobody"), strict=strict)
        ask("both", ("user", EXACT, "u"), ("client-id", EXACT, "c"), strict=strict)
        ask("both any", ("user", SPECIFIED, None), ("client-id", SPECIFIED, None), strict=strict)
        ask("ip", ("ip", EXACT, "10.0.0.1"), strict=strict)
        ask("ip and user", ("ip", EXACT, "10.0.0.1"), ("user", EXACT, "u"), strict=strict)
        ask("unknown kind", ("frob", EXACT, "u"), strict=strict)
        ask("empty kind", ("", EXACT, "u"), strict=strict)
        ask("a kind twice", ("user", EXACT, "u"), ("user", EXACT, "v"), strict=strict)
        ask("unknown match", ("user", 9, "u"), strict=strict)
        ask("negative match", ("user", -1, None), strict=strict)
        ask("exact null", ("user", EXACT, None), strict=strict)
        ask("default with a name", ("user", DEFAULT, "u"), strict=strict)
        ask("any with a name", ("user", SPECIFIED, "u"), strict=strict)
    pair.step("describe: null components")
    pair.call("DescribeClientQuotas", version, Components=None)


def credentials(pair: Pair, version: int) -> None:
    def put(name, mechanism=1, iterations=4096, salt=b"salt", password=b"p" * 32) -> dict:
        return {"Name": name, "Mechanism": mechanism, "Iterations": iterations, "Salt": salt, "SaltedPassword": password}

    def drop(name, mechanism=1) -> dict:
        return {"Name": name, "Mechanism": mechanism}

    for step, (deletions, upsertions) in {
        "one": ([], [put("scram")]), "again": ([], [put("scram", iterations=5000)]), "the other mechanism": ([], [put("scram", 2)]),
        "another": ([], [put("scram-too", 2, 8192)]), "too few iterations": ([], [put("scram", iterations=4095)]),
        "too many iterations": ([], [put("scram", iterations=16385)]), "the most iterations": ([], [put("scram", iterations=16384)]),
        "mechanism 0": ([], [put("scram", 0)]), "mechanism 3": ([], [put("scram", 3)]), "mechanism -1": ([], [put("scram", -1)]),
        "empty name": ([], [put("")]), "empty salt": ([], [put("scram", salt=b"")]), "empty password": ([], [put("scram", password=b"")]),
        "one user twice": ([], [put("twice"), put("twice")]), "one user in both mechanisms": ([], [put("both"), put("both", 2)]),
        "put and dropped": ([drop("scram")], [put("scram")]), "put and the other dropped": ([drop("scram", 2)], [put("scram")]),
        "dropped": ([drop("scram-too", 2)], []), "dropped again": ([drop("scram-too", 2)], []), "unknown dropped": ([drop("nobody")], []),
        "dropped twice": ([drop("scram"), drop("scram")], []), "dropped with mechanism 0": ([drop("scram", 0)], []), "dropped with mechanism 7": ([drop("scram", 7)], []),
        "empty name dropped": ([drop("")], []), "nothing": ([], []), "good and bad": ([drop("nobody")], [put("good"), put("bad", iterations=1)]),
        "null": (None, []), "put again": ([], [put("scram"), put("scram-too", 2)]),
    }.items():
        pair.step(f"scram: {step}")
        pair.call("AlterUserScramCredentials", version, Deletions=deletions, Upsertions=upsertions)
    pair.step("scram: on the controller's listener")
    pair.call("AlterUserScramCredentials", version, port="controller", Deletions=[drop("nobody")], Upsertions=[put("direct")])
