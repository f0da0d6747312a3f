"""What may differ in what a tool prints, with the reason; everything else has to be equal."""
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """What matches becomes `to`; without one, the lines that match are left out."""

    pattern: str
    to: str | None
    reason: str


EVERYWHERE = [
    Rule(r"^\[\d{4}-\d\d-\d\d [\d:,]+\] .*", None, "a log line of the client: when it warns is a matter of time"),
    Rule(r"^\t(at |\.\.\. \d+ more).*", None, "stack frames tell where the client's threads stood"),
    Rule(r"(?<=opicId: )[\w-]{22}", "ID", "topic ids are random"),
]
NAMED = {
    "times": Rule(r"\b1[0-9]{12}\b", "MILLIS", "the time of the run"),
    "ids": Rule(r"\b[\w-]{22}(?=\W|$)", "ID", "cluster, directory and topic ids are random"),
    "producers": Rule(r"(?<=producerId: )\d+|^\d+(?=\t)", "PRODUCER", "producer ids count on with every producer"),
    "producer-column": Rule(r"(?<=\t)\d+(?=\s+\t(Empty|CompleteCommit|\d+\s+\tEmpty))", "PRODUCER", "producer ids count on with every producer"),
    "checksums": Rule(r"(?<=crc: )\d+", "CHECKSUM", "it covers times and producer ids"),
    "members": Rule(r"(?<=memberId=)[\w.-]+|(?<=topicPartitions=)[^)]*", "ANY", "ids of members are random, and so is the order of Java's immutable sets"),
    "sets": Rule(r"(?<=Valid states are: ).*", "STATES", "the tool prints a set in the order of a JVM's addresses"),
    "counts": Rule(r"\b\d+\b *", "COUNT", "how far the metadata log has come is a matter of time"),
    "ages": Rule(r"COUNTms ago *", "AGE", "how long ago the node was heard of"),
    "epoch": Rule(r"(?<=Epoch: )\d+", "OFFSET", "the epoch of features is an offset of the metadata log"),
    "figures": Rule(
        r"(?<=avg_throughput\":)[\d.]+|\d+(\.\d+)?(?= (ms|records/sec|MB/sec|B/sec))|(?<=th = )\d+|(?<=: )\d+\.\d+|(?<=\t)[\d.]+",
        "FIGURE", "how fast this machine was",
    ),
    "perf-row": Rule(
        r"^20\d\d-.*, (\d+\.\d+), \d+\.\d+, (\d+), \d+\.\d+, .*",
        r"\1 MB, \2 records", "how fast this machine was",
    ),
    "share-row": Rule(
        r"^20\d\d-[^,]*, 20\d\d-[^,]*, (\d+\.\d+), \d+\.\d+, \d+\.\d+, (\d+), \d+$",
        r"\1 MB, \2 records", "how fast this machine was",
    ),
    "own-keys": Rule(r"^  ottla\.", None, "keys that only this broker has"),
    "loggers": Rule(r" sensitive=false synonyms={}$", None, "loggers are named for what the program consists of"),
    "telemetry": Rule(
        r"\t(GetTelemetrySubscriptions|PushTelemetry)\(", None,
        "Kafka announces them only to a reporter class that takes clients' metrics",
    ),
    "unordered": Rule("", "", "the tool prints the lines in the order of a hash"),
}


def normalise(text: str, names: tuple[str, ...], broker) -> list[str]:
    """The lines, with what may differ made equal."""
    for port in (broker.port, broker.controller_port):
        text = re.sub(rf"\b{port}\b", "PORT", text)
    for root in (broker.root, broker.data.parent):
        text = text.replace(str(root), "ROOT")
    lines = text.splitlines()
    for rule in [*EVERYWHERE, *(NAMED[name] for name in names if name != "unordered")]:
        if rule.to is None:
            lines = [line for line in lines if not re.search(rule.pattern, line)]
        else:
            lines = [re.sub(rule.pattern, rule.to, line) for line in lines]
    return sorted(lines) if "unordered" in names else lines
