"""What is served, asked in every way."""
from pair import Pair

APIS = ["ApiVersions"]
TURN = 0


def served(pair: Pair) -> dict[str, range]:
    """The APIs that Ottla announces, with their versions: those that the definitions know and Kafka announces too."""
    pair.served["ApiVersions"] = range(0, 5)
    api = pair.apis["ApiVersions"]
    connection = pair._connections("main", "broker")[1]
    connection.request(api, 0, b"", "diff")
    announced = api.response.decode(0, connection.answer()[4:])["ApiKeys"]
    by_key = {known.key: known for known in pair.apis.values()}
    found = {}
    for row in announced:
        known = by_key[row["ApiKey"]]
        found[known.name] = range(max(row["MinVersion"], known.request.versions.low), row["MaxVersion"] + 1)
    return found


def run(pair: Pair) -> None:
    for version in pair.versions("ApiVersions"):
        # Where unstable versions are served, Kafka's controllers announce a metadata.version that is not released, too:
        # features, which are told since version 3, are compared as brokers announce them.
        for port in ("broker", "controller") if version < 3 else ("broker",):
            pair.step(f"on the {port}'s listener")
            pair.call("ApiVersions", version, port=port, ClientSoftwareName="diff", ClientSoftwareVersion="1.0")
        pair.step("no client id")
        pair.call("ApiVersions", version, client_id=None, ClientSoftwareName="diff", ClientSoftwareVersion="1.0")
        if version >= 3:
            for name, software in {"empty name": "", "spaces": "a b", "odd": "-x", "umlaut": "ä", "fine": "A.b-9"}.items():
                pair.step(f"software name: {name}")
                pair.call("ApiVersions", version, ClientSoftwareName=software, ClientSoftwareVersion="1.0")
                pair.step(f"software version: {name}")
                pair.call("ApiVersions", version, ClientSoftwareName="diff", ClientSoftwareVersion=software)
            pair.step("null name")
            pair.call("ApiVersions", version, ClientSoftwareName=None, ClientSoftwareVersion="1.0")
            pair.step("unknown tagged fields")
            pair.call("ApiVersions", version, ClientSoftwareName="diff", ClientSoftwareVersion="1", _tags={0: b"", 99: b"xyz"})
    for version in (5, 6, 32767, -1):
        pair.step("a version nobody has")
        api = pair.apis["ApiVersions"]
        pair.raw(b"\0\x12" + version.to_bytes(2, "big", signed=True) + b"\0\0\0\x07\xff\xff\0" + b"\x02a\x02b\0")
    pair.step("frames that are no requests")
    pair.raw(b"")
    pair.raw(b"\0")
    pair.raw(b"\0\x12\0\0")
    pair.raw(b"\0\x12\0\0\0\0\0\x01")
    pair.raw(b"\x7f\x12\0\0\0\0\0\x01\xff\xff")
    pair.raw(b"\xff\xff\0\0\0\0\0\x01\xff\xff")
    pair.raw(b"\0\x11\0\0\0\0\0\x01\xff\xff\0\5PLAIN" + b"left over", "SaslHandshake")
    pair.raw(b"\0\x03\0\x0e\0\0\0\x01\xff\xff\0\0\0")
    pair.raw(b"\0\0\0\x02\0\0\0\x01\xff\xff" + bytes(20), "Produce", 3)
