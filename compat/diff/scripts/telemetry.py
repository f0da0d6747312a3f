"""Metrics of clients: who is told to push what, who comes too early, and what is refused.

Instance ids are chosen here, so that subscription ids, which follow from them, have to be equal.
"""
import base64
import gzip

from pair import Pair
from schema import ZERO_UUID

APIS = ["GetTelemetrySubscriptions", "PushTelemetry"]
TURN = 8
ONE_UUID = base64.urlsafe_b64encode(bytes(15) + b"\1").decode().rstrip("=")
NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
MAX_BYTES = 1 << 20
made = 0


def run(pair: Pair) -> None:
    subscribe(pair, "diff-all", metrics="org.apache.kafka.producer.,b,a,a-rather-long.name", interval_ms="100000")
    subscribe(pair, "diff-some", metrics="a,c", interval_ms="90000", match="client_id=some.*,client_source_address=127[.]0[.]0[.]1")
    subscribe(pair, "diff-software", metrics="*", match="client_software_name=diff-software,client_software_version=1[.].*")
    subscribe(pair, "diff-nothing", interval_ms="80000", match="client_id=nothing")
    who(pair)
    when(pair)
    what(pair)
    changed(pair)
    for name in ("diff-all", "diff-some", "diff-software", "diff-nothing"):
        subscribe(pair, name, metrics=None, interval_ms=None, match=None)


def subscribe(pair: Pair, name: str, **configs) -> None:
    pair.step(f"subscription {name}")
    rows = [{"Name": key.replace("_", "."), "Value": value or "", "ConfigOperation": 1 if value is None else 0} for key, value in configs.items()]
    pair.call("IncrementalAlterConfigs", Resources=[{"ResourceType": 16, "ResourceName": name, "Configs": rows}], ValidateOnly=False)


def new_id() -> str:
    global made
    made += 1
    return base64.urlsafe_b64encode(bytes([made, 3, 200]) * 5 + bytes([made])).decode().rstrip("=")


def get(pair: Pair, instance: str, **more) -> dict:
    return pair.call("GetTelemetrySubscriptions", ClientInstanceId=instance, **more)


def push(pair: Pair, instance: str, subscription: int, metrics=b"", **more) -> None:
    fields = {"ClientInstanceId": instance, "SubscriptionId": subscription, "Terminating": False, "CompressionType": NONE, "Metrics": metrics}
    pair.call("PushTelemetry", **(fields | more))


def who(pair: Pair) -> None:
    for client in ("any", "some-1", "nothing", "", None):
        pair.step(f"client id {client}")
        get(pair, new_id(), client_id=client)
    pair.step("named software")
    pair.call("ApiVersions", 3, at="telemetry", ClientSoftwareName="diff-software", ClientSoftwareVersion="1.2")
    get(pair, new_id(), at="telemetry")
    pair.step("reserved ids")
    for instance in (ZERO_UUID, ONE_UUID):
        push(pair, instance, 0)
    get(pair, ONE_UUID)


def when(pair: Pair) -> None:
    mine = new_id()
    pair.step("first")
    right = get(pair, mine)["SubscriptionId"]
    pair.step("asked again at once")
    get(pair, mine)
    pair.step("pushed for another subscription")
    push(pair, mine, right ^ 1)
    pair.step("asked after that")
    get(pair, mine)
    pair.step("pushed too early")
    push(pair, mine, right)
    pair.step("asked after that, too early")
    get(pair, mine)
    pair.step("the last push is never too early")
    push(pair, mine, right, Terminating=True)
    pair.step("after the last push")
    push(pair, mine, right)
    push(pair, mine, right)
    push(pair, mine, right, Terminating=True)
    push(pair, mine, right, Terminating=True)
    pair.step("unasked")
    push(pair, new_id(), 5)


def message(number: int, body: bytes) -> bytes:
    assert number < 16 and len(body) < 1 << 14
    return bytes([number << 3 | 2, len(body) & 0x7F | 0x80, len(body) >> 7]) + body


def metrics_data(padding=0) -> bytes:
    """MetricsData with one gauge."""
    point = message(1, bytes([4 << 3 | 1]) + bytes(8))
    metric = message(1, b"org.apache.kafka.producer.x" + b"y" * padding) + message(5, point)
    return message(1, message(2, message(2, metric)))


def what(pair: Pair) -> None:
    good = metrics_data()
    for name, (codec, metrics) in {
        "plain": (NONE, good), "gzip": (GZIP, gzip.compress(good)), "nothing": (NONE, b""), "nothing by gzip": (GZIP, b""),
        "cut": (NONE, good[:-3]), "cut gzip": (GZIP, gzip.compress(good)[:-9]), "gzip of what is cut": (GZIP, gzip.compress(good[:-3])),
        "no gzip": (GZIP, good), "no snappy": (SNAPPY, b"\xff" * 20), "no lz4": (LZ4, good), "no zstd": (ZSTD, good),
        "codec 5": (5, good), "codec -1": (-1, good), "codec 127": (127, b""),
        "too much": (NONE, bytes(MAX_BYTES + 1)), "too much within": (GZIP, gzip.compress(metrics_data(9_000) * 200)),
        "just not too much": (NONE, (metrics_data(9_000) * 200)[:len(metrics_data(9_000)) * 100]),
    }.items():
        mine = new_id()
        pair.step(name)
        right = get(pair, mine)["SubscriptionId"]
        push(pair, mine, right, metrics, CompressionType=codec)
        pair.step(f"{name}, asked after that")
        get(pair, mine)
        pair.step(f"{name}, the last")
        push(pair, mine, right, metrics, CompressionType=codec, Terminating=True)


def changed(pair: Pair) -> None:
    mine = new_id()
    get(pair, mine)
    subscribe(pair, "diff-all", metrics="d")
    pair.step("asked after a change")
    right = get(pair, mine)["SubscriptionId"]
    push(pair, mine, right)
    subscribe(pair, "diff-all", interval_ms=None)
    pair.step("pushed after a change")
    push(pair, mine, right)
    get(pair, mine)
