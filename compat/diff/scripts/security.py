"""ACLs, SASL and delegation tokens on a broker that has none of them."""
from pair import Pair

APIS = [
    "DescribeAcls", "CreateAcls", "DeleteAcls", "SaslHandshake", "SaslAuthenticate",
    "CreateDelegationToken", "RenewDelegationToken", "ExpireDelegationToken", "DescribeDelegationToken",
]


def run(pair: Pair) -> None:
    for port in ("broker", "controller"):
        acls(pair, port)
        tokens(pair, port)
    for version in pair.versions("SaslHandshake"):
        for port in ("broker", "controller"):
            for mechanism in ("PLAIN", "SCRAM-SHA-256", "frob", "", None):
                pair.step(f"handshake {mechanism}")
                pair.call("SaslHandshake", version, port=port, at="sasl", Mechanism=mechanism)
    for version in pair.versions("SaslAuthenticate"):
        for port in ("broker", "controller"):
            for data in (b"", b"\0a\0b", None):
                pair.step(f"authenticate {data}")
                pair.call("SaslAuthenticate", version, port=port, at="sasl", AuthBytes=data)


def acls(pair: Pair, port: str) -> None:
    fine = {"ResourceTypeFilter": 2, "ResourceNameFilter": "t", "PatternTypeFilter": 3, "PrincipalFilter": "User:u", "HostFilter": "*", "Operation": 3, "PermissionType": 3}
    changes = [
        {}, {"ResourceTypeFilter": 0}, {"ResourceTypeFilter": 1}, {"ResourceTypeFilter": 99}, {"ResourceTypeFilter": -1}, {"ResourceNameFilter": None},
        {"PatternTypeFilter": 0}, {"PatternTypeFilter": 1}, {"PatternTypeFilter": 2}, {"PatternTypeFilter": 4}, {"PatternTypeFilter": 99},
        {"PrincipalFilter": None}, {"HostFilter": None}, {"Operation": 0}, {"Operation": 1}, {"Operation": 99}, {"PermissionType": 0}, {"PermissionType": 1}, {"PermissionType": 99},
    ]
    for version in pair.versions("DescribeAcls"):
        for change in changes:
            pair.step(f"describe {change} at the {port}'s listener")
            pair.call("DescribeAcls", version, port=port, **(fine | change))
    for version in pair.versions("DeleteAcls"):
        for change in changes:
            pair.step(f"delete {change} at the {port}'s listener")
            pair.call("DeleteAcls", version, port=port, Filters=[fine | change])
        pair.step("delete nothing, two, null")
        pair.call("DeleteAcls", version, port=port, Filters=[])
        pair.call("DeleteAcls", version, port=port, Filters=[fine, fine])
        pair.call("DeleteAcls", version, port=port, Filters=None)
    one = {"ResourceType": 2, "ResourceName": "t", "ResourcePatternType": 3, "Principal": "User:u", "Host": "*", "Operation": 3, "PermissionType": 3}
    for version in pair.versions("CreateAcls"):
        for change in (
            {}, {"ResourceType": 0}, {"ResourceType": 1}, {"ResourceType": 99}, {"ResourceName": ""}, {"ResourcePatternType": 1}, {"ResourcePatternType": 2},
            {"ResourcePatternType": 0}, {"Principal": "u"}, {"Principal": ""}, {"Host": ""}, {"Operation": 1}, {"Operation": 0}, {"PermissionType": 1}, {"PermissionType": 0},
        ):
            pair.step(f"create {change} at the {port}'s listener")
            pair.call("CreateAcls", version, port=port, Creations=[one | change])
        pair.step("create nothing, two, null")
        pair.call("CreateAcls", version, port=port, Creations=[])
        pair.call("CreateAcls", version, port=port, Creations=[one, one])
        pair.call("CreateAcls", version, port=port, Creations=None)


def tokens(pair: Pair, port: str) -> None:
    for version in pair.versions("CreateDelegationToken"):
        for step, fields in {
            "plain": {}, "renewers": {"Renewers": [{"PrincipalType": "User", "PrincipalName": "r"}]}, "a group as renewer": {"Renewers": [{"PrincipalType": "Group", "PrincipalName": "r"}]},
            "an owner": {"OwnerPrincipalType": "User", "OwnerPrincipalName": "o"}, "half an owner": {"OwnerPrincipalType": "User", "OwnerPrincipalName": None},
            "lifetime 5": {"MaxLifetimeMs": 5}, "lifetime -7": {"MaxLifetimeMs": -7},
        }.items():
            pair.step(f"token: {step} at the {port}'s listener")
            pair.call("CreateDelegationToken", version, port=port, **({"MaxLifetimeMs": -1, "Renewers": []} | fields))
    for hmac in (b"", b"x" * 64):
        for version in pair.versions("RenewDelegationToken"):
            pair.step(f"token: renewed at the {port}'s listener")
            pair.call("RenewDelegationToken", version, port=port, Hmac=hmac, RenewPeriodMs=1000)
        for version in pair.versions("ExpireDelegationToken"):
            pair.step(f"token: expired at the {port}'s listener")
            pair.call("ExpireDelegationToken", version, port=port, Hmac=hmac, ExpiryTimePeriodMs=1000)
    if port == "broker":
        for version in pair.versions("DescribeDelegationToken"):
            for owners in (None, [], [{"PrincipalType": "User", "PrincipalName": "r"}]):
                pair.step(f"token: described, {owners}")
                pair.call("DescribeDelegationToken", version, Owners=owners)
