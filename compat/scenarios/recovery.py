"""After kill -9 the broker answers at once, each partition as soon as it is recovered, and clients that stay connected notice nothing
but a pause. So it is too when it is killed, or stopped, in the middle of that, and a JVM broker can go on from there."""
import re
import time
import urllib.error
import urllib.request

from harness import clients, wire
from harness.check import eventually, expect
from harness.context import Context
from harness.install import need
from harness.shell import Failed, run as run_program
from scenarios.kill9 import PARTITIONS, TOPICS, Producing, await_growth, verify

BULK, BULK_PARTITIONS = "bulk", 8
# One thread reads them, so that there is something to see.
PROPERTIES = {"num.recovery.threads.per.data.dir": "1"}
NOT_LEADER_OR_FOLLOWER = 6
RECOVERED_WITHIN_SECONDS = 120
LEFT = re.compile(r"recovering: \d+ partitions are not open yet")


def run(context: Context) -> None:
    need("java", "confluent")
    mebibytes = context.size(1500, 64)
    with context.broker("recovery", PROPERTIES) as broker:
        create = clients.java("Admin", "create", broker.bootstrap, PARTITIONS, "segment.bytes=1048576", *TOPICS.values())
        run_program(create, timeout=60)
        create = clients.java("Admin", "create", broker.bootstrap, BULK_PARTITIONS, "segment.bytes=1073741824", BULK)
        run_program(create, timeout=60)
        fill = clients.confluent("bulk.py", broker.bootstrap, BULK, BULK_PARTITIONS, mebibytes)
        run_program(fill, timeout=300)
        ends = wire.offsets(broker.port, BULK, BULK_PARTITIONS)
        producers = [Producing(name, broker) for name in TOPICS]
        for what, body in [
            ("little is read after kill -9", killed), ("partitions serve as they are recovered", served_one_by_one),
            ("killed while it recovers", killed_again), ("stopped while it recovers", stopped),
        ]:
            if not context.check("broker", f"recovery: {what}", body, broker, producers, ends, context.quick):
                return
        for producer in producers:
            context.check(producer.name, "acknowledged before, between and after recoveries", verify, broker, producer)
        if context.kind == "ottla" and not context.quick:
            context.check("kafka", "takes over what was recovered", taken_over, broker, ends)


def killed(broker, producers, ends: list[int], _quick: bool) -> str:
    """What was synced is not read again, though it lies in the segments that are written to."""
    await_growth(broker, producers)
    broker.kill()
    first = broker.start()
    ready = await_bulk(broker, ends)
    await_growth(broker, producers)
    return f"first answer after {first:.2f} s, all partitions after {ready:.2f} s"


def served_one_by_one(broker, producers, ends: list[int], quick: bool) -> str:
    broker.kill()
    forget_recovery_points(broker)
    begun = time.monotonic()
    first = broker.start()
    told = [error for error, _ in wire.offsets_now(broker.port, BULK, BULK_PARTITIONS)]
    expect(set(told) <= {0, NOT_LEADER_OR_FOLLOWER}, "errors of partitions that are not open", str(told))
    if not quick:
        expect(NOT_LEADER_OR_FOLLOWER in told, "a recovery that is still under way", str(told))
    if broker.kind == "ottla":
        code, said = readiness(broker)
        expect((code, said) == (200, "ready") or (code == 503 and LEFT.fullmatch(said)), f"/readyz says {code}: {said}")
        expect(quick or code == 503, f"/readyz says {code} while partitions wait")
    await_growth(broker, producers)
    served = time.monotonic() - begun
    waiting = sum(error != 0 for error, _ in wire.offsets_now(broker.port, BULK, BULK_PARTITIONS))
    await_bulk(broker, ends)
    took = time.monotonic() - begun
    if broker.kind == "ottla":
        eventually(lambda: readiness(broker)[0] == 200, "/readyz says that all is served", 5)
    return f"first answer {first:.2f} s, producers {served:.2f} s with {waiting} partitions to come, all {took:.2f} s"


def killed_again(broker, producers, ends: list[int], _quick: bool) -> str:
    broker.kill()
    forget_recovery_points(broker)
    broker.start()
    broker.kill()
    broker.start()
    await_growth(broker, producers)
    await_bulk(broker, ends)
    return "nothing is lost"


def stopped(broker, producers, ends: list[int], quick: bool) -> str:
    """What was not recovered must not count as stopped cleanly."""
    broker.kill()
    forget_recovery_points(broker)
    broker.start()
    took = broker.stop()
    marker = broker.data / ".kafka_cleanshutdown"
    if not quick:
        expect(not marker.exists(), "a clean stop in the middle of a recovery leaves no marker", str(marker))
    broker.start()
    await_growth(broker, producers)
    await_bulk(broker, ends)
    return f"stopped within {took:.2f} s"


def taken_over(broker, ends: list[int]) -> str:
    expected = {topic: wire.offsets(broker.port, topic, PARTITIONS) for topic in TOPICS.values()}
    broker.kill()
    broker.become("jvm")
    first = broker.start()
    for topic, offsets in [*expected.items(), (BULK, ends)]:
        expect(wire.offsets(broker.port, topic, len(offsets)) == offsets, f"ends of {topic}", str(offsets))
    return f"first answer after {first:.2f} s"


def readiness(broker) -> tuple[int, str]:
    try:
        answer = urllib.request.urlopen(f"http://127.0.0.1:{broker.admin_port}/readyz", timeout=5)
    except urllib.error.HTTPError as refused:
        answer = refused
    return answer.status, answer.read().decode().strip()


def forget_recovery_points(broker) -> None:
    """As a broker leaves it that syncs a segment only when it is full."""
    checkpoint = broker.data / "recovery-point-offset-checkpoint"
    if not checkpoint.exists():
        return
    lines = [line for line in checkpoint.read_text().splitlines()[2:] if not line.startswith(f"{BULK} ")]
    checkpoint.write_text("\n".join(["0", str(len(lines)), *lines]) + "\n")


def await_bulk(broker, ends: list[int]) -> float:
    """Seconds until every partition of the large topic answers, each with its end."""
    begun = time.monotonic()
    while time.monotonic() - begun < RECOVERED_WITHIN_SECONDS:
        found = wire.offsets_now(broker.port, BULK, BULK_PARTITIONS)
        errors = {error for error, _ in found if error}
        if not errors:
            expect([end for _, end in found] == ends, "ends after the recovery", str(found))
            return time.monotonic() - begun
        expect(errors == {NOT_LEADER_OR_FOLLOWER}, "errors of partitions that are not open", str(errors))
        time.sleep(0.02)
    raise Failed(f"not recovered within {RECOVERED_WITHIN_SECONDS} s")
