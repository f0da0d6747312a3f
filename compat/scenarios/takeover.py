"""A directory that a JVM broker began goes to ours and back, stopped cleanly and killed: nothing is lost, and the JVM finds
nothing in it that it would not find after itself."""
import re

from harness.check import expect
from harness.context import Context
from harness.install import need
from harness.records import Expected
from scenarios.files import PARTITIONS, PROPERTIES, dump_everything, serves_everything, workload

# One there and back each; how both end in it.
ROUNDS = ["stop", "kill", "stop"]
# Lines of a JVM's log that somebody would look at, and what differs in them from run to run.
UNUSUAL = re.compile(r"\b(WARN|ERROR|FATAL)\b")
VARIES = re.compile(r"\[[\d-]+ [\d:,]+\] |\d+(\.\d+)?|\b[\w-]{22}\b|(?<=-)\d+")


def run(context: Context) -> None:
    need("java", "confluent")
    if context.kind == "jvm" or context.quick:
        return
    expected = Expected(20_000, PARTITIONS)
    with context.broker("takeover", PROPERTIES, kind="jvm") as broker:
        if not context.check("kafka", "takeover: workload, kill -9", workload, broker, expected):
            return
        usual: set[str] = set()
        for end in ("stop", "kill"):
            context.check("kafka", f"takeover: starts after itself, {end}", by_itself, broker, expected, end, usual)
        for number, end in enumerate(ROUNDS, 1):
            name = f"takeover, round {number}, {end}"
            if not context.check("broker", name, serve, broker, "ottla", expected, end):
                return
            context.check("kafka-dump-log", name, dump_everything, broker, end == "stop")
            if not context.check("kafka", name, taken_back, broker, expected, end, usual):
                return


def serve(broker, kind: str, expected: Expected, how: str) -> str:
    """Starts on what is there, finds all of it, adds to it, and ends."""
    broker.become(kind)
    seconds = broker.start()
    serves_everything(broker, expected)
    if how == "kill":
        broker.kill()
        return f"start {seconds:.1f} s, killed"
    return f"start {seconds:.1f} s, stop {broker.stop():.1f} s"


def by_itself(broker, expected: Expected, how: str, usual: set[str]) -> str:
    before = len(log(broker))
    told = serve(broker, "jvm", expected, how)
    usual.update(unusual(log(broker)[before:]))
    return told


def taken_back(broker, expected: Expected, how: str, usual: set[str]) -> str:
    """As after itself, and says nothing that it does not say then."""
    broker.become("jvm")
    before = len(log(broker))
    told = serve(broker, "jvm", expected, how)
    new = {kind: line for kind, line in unusual(log(broker)[before:]).items() if kind not in usual}
    expect(not new, "lines in the JVM's log that a restart of its own does not print", " | ".join(list(new.values())[:5]))
    return told


def log(broker) -> str:
    return broker.log_file.read_text(errors="replace") if broker.log_file.exists() else ""


def unusual(text: str) -> dict[str, str]:
    """The lines by what stays the same in them."""
    return {VARIES.sub("_", line): line for line in text.splitlines() if UNUSUAL.search(line)}
