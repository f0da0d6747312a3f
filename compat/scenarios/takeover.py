"""A directory that a JVM broker began goes to ours and back, stopped cleanly and killed: nothing is lost, and the JVM finds
nothing in it that it would not find after itself."""
import re

from harness.check import expect
from harness.context import Context
from harness.install import need
from harness.records import Expected
from scenarios.files import PARTITIONS, PROPERTIES, dump_everything, hand_over, workload

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
            if not context.check("broker", name, hand_over, broker, "ottla", expected, end):
                return
            context.check("kafka-dump-log", name, dump_everything, broker, end == "stop")
            if not context.check("kafka", name, taken_back, broker, expected, end, usual):
                return


def by_itself(broker, expected: Expected, how: str, usual: set[str]) -> str:
    told, lines = by_jvm(broker, expected, how)
    usual.update(lines)
    return told


def taken_back(broker, expected: Expected, how: str, usual: set[str]) -> str:
    """As after itself, and says nothing that it does not say then."""
    told, lines = by_jvm(broker, expected, how)
    new = [line for kind, line in lines.items() if kind not in usual]
    expect(not new, "lines in the JVM's log that a restart of its own does not print", " | ".join(new[:5]))
    return told


def by_jvm(broker, expected: Expected, how: str) -> tuple[str, dict[str, str]]:
    """The hand-over to the JVM, and the unusual lines it logged meanwhile."""
    broker.become("jvm")
    before = len(log(broker))
    told = hand_over(broker, "jvm", expected, how)
    return told, unusual(log(broker)[before:])


def log(broker) -> str:
    return broker.log_file.read_text(errors="replace") if broker.log_file.exists() else ""


def unusual(text: str) -> dict[str, str]:
    """The lines by what stays the same in them."""
    return {VARIES.sub("_", line): line for line in text.splitlines() if UNUSUAL.search(line)}
