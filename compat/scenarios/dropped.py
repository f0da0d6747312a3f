"""Every connection is cut each second: idempotent producers keep order without doubles, groups keep their assignment and progress."""
import time
from types import SimpleNamespace

from harness import clients, wire
from harness.check import eventually, expect
from harness.context import Context
from harness.install import need
from harness.proxy import Proxy
from harness.shell import end, run as run_program
from scenarios.group_members import Member, check_history, settle
from scenarios.groups import committed
from scenarios.kill9 import Producing, verify

PARTITIONS = 3
GROUP_PARTITIONS = 6
GROUPS = {"java": "range", "librdkafka": "cooperative-sticky"}
EVERY_SECONDS = 1.0


def run(context: Context) -> None:
    need("java", "confluent")
    seconds = context.size(60, 10)
    with Proxy() as proxy, context.broker("dropped", {"advertised.listeners": f"PLAINTEXT://127.0.0.1:{proxy.port}"}) as broker:
        proxy.cutting = False
        proxy.open(broker.port, EVERY_SECONDS)
        create(broker, PARTITIONS, ["killed-librdkafka", "killed-java"])
        create(broker, GROUP_PARTITIONS, [f"group-{client}-{assignor}" for client, assignor in GROUPS.items()])
        through = SimpleNamespace(bootstrap=f"127.0.0.1:{proxy.port}", port=broker.port, root=broker.root)
        proxy.cutting = True
        producers = [Producing(name, through) for name in ("librdkafka", "java")]
        context.check("broker", "connections cut", cut_for, proxy, seconds)
        # A reader that waits for the end of each partition needs connections that outlive its long polls.
        proxy.cutting = False
        for producer in producers:
            context.check(producer.name, "acknowledged through cuts", verify, through, producer)
        proxy.cutting = True
        for client, assignor in GROUPS.items():
            context.check(client, "group through cuts", group, through, client, assignor, seconds)


def create(broker, partitions: int, topics: list[str]) -> None:
    run_program(clients.java("Admin", "create", broker.bootstrap, partitions, "", *topics), timeout=120)
    wire.await_topics(broker.port, dict.fromkeys(topics, partitions))


def cut_for(proxy: Proxy, seconds: int) -> str:
    before = proxy.cuts
    time.sleep(seconds)
    expect(proxy.cuts - before >= seconds, f"{proxy.cuts - before} connections were cut in {seconds} s")
    return f"{proxy.cuts - before} connections in {seconds} s"


def group(through, client: str, assignor: str, seconds: int) -> str:
    """Two members settle, and then no cut moves a partition; all that was sent is read."""
    topic = f"group-{client}-{assignor}"
    journal = through.root / f"{topic}.acks"
    with open(through.root / f"{topic}-producer.log", "wb") as log:
        feed = clients.spawn_confluent("acked.py", log, through.bootstrap, topic, GROUP_PARTITIONS, journal, 500)
    members: list[Member] = []
    try:
        members = [Member(through, client, assignor, name, topic) for name in ("first", "second")]
        settle(members, GROUP_PARTITIONS // 2, "two members share the partitions")
        quiet = [member.revocations() for member in members]
        time.sleep(seconds)
        expect([member.revocations() for member in members] == quiet, "a cut connection moved partitions")
        end(feed, patience=60)
        ends = wire.offsets(through.port, topic, GROUP_PARTITIONS)
        eventually(lambda: committed(through, topic) == ends, "everything is read and committed", 60, pause=1)
        return f"{sum(ends)} records; {check_history(members, ends)} spans of ownership"
    finally:
        end(feed)
        for member in members:
            member.end()
