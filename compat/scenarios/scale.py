"""A thousand topics of ten partitions on one node: created, listed, restarted cleanly and after kill -9."""
import time

from harness import clients, wire
from harness.check import expect
from harness.context import Context
from harness.shell import run as run_program

PARTITIONS = 10
DESCRIPTORS_LIMIT = 20_000


def run(context: Context) -> None:
    topics = context.size(1_000, 100)
    with context.broker("scale") as broker:
        if context.check("broker", f"{topics} × {PARTITIONS} created", created, broker, topics):
            context.check("broker", f"{topics} × {PARTITIONS} listed", listed, broker, topics)
            context.check("broker", f"{topics} × {PARTITIONS} clean restart", restarted, broker, topics, True)
            context.check("broker", f"{topics} × {PARTITIONS} after kill -9", restarted, broker, topics, False)


def names(topics: int) -> dict[str, int]:
    return {f"scale-{number:04}": PARTITIONS for number in range(topics)}


def created(broker, topics: int) -> str:
    begun = time.monotonic()
    run_program(clients.java("Admin", "many", broker.bootstrap, topics, PARTITIONS), timeout=900)
    wire.await_topics(broker.port, names(topics), patience=300)
    return f"{time.monotonic() - begun:.1f} s; {cost(broker)}"


def listed(broker, topics: int) -> str:
    begun = time.monotonic()
    found = wire.metadata(broker.port, None, timeout=60)[1]
    seconds = time.monotonic() - begun
    expect(sum(1 for name in found if name.startswith("scale-")) == topics, f"{len(found)} topics in Metadata")
    said = run_program(clients.java("Admin", "list", broker.bootstrap), timeout=120).stdout
    expect(int(said) >= topics, "topics by the admin client", said.decode())
    return f"all metadata in {seconds * 1000:.0f} ms; {cost(broker)}"


def restarted(broker, topics: int, clean: bool) -> str:
    stopping = time.monotonic()
    if clean:
        broker.stop(patience=300)
    else:
        broker.kill()
    begun = time.monotonic()
    broker.start(patience=300)
    answered = time.monotonic() - begun
    wire.await_topics(broker.port, names(topics), patience=300)
    some = list(names(topics))[:: max(1, topics // 10)]
    for name in some:
        expect(wire.offsets(broker.port, name, PARTITIONS) == [0] * PARTITIONS, f"offsets of {name}")
    stop = f"stop {begun - stopping:.1f} s, " if clean else ""
    return f"{stop}first answer {answered:.1f} s, all led {time.monotonic() - begun:.1f} s; {cost(broker)}"


def cost(broker) -> str:
    descriptors = broker.descriptors()
    if broker.kind == "ottla":
        expect(descriptors <= DESCRIPTORS_LIMIT, f"{descriptors} open descriptors")
    return f"{broker.resident_mib():.0f} MiB, {descriptors} descriptors"
