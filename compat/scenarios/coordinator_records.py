"""Every record in the topics of the coordinators, read by Kafka's own formatters and decoders: not in a scenario of its own, but
after what others have written."""
import json
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from harness.check import expect
from harness.clients import tool

OFFSETS, TRANSACTIONS = "__consumer_offsets", "__transaction_state"
FORMATTERS = "org.apache.kafka.tools.consumer"
# Which types of records each formatter prints; those of groups of the consumer protocol have none, only a decoder.
PRINTED = {
    "OffsetsMessageFormatter": (OFFSETS, {0, 1}),
    "GroupMetadataMessageFormatter": (OFFSETS, {2}),
    "TransactionLogMessageFormatter": (TRANSACTIONS, {0}),
}
DECODERS = {OFFSETS: "--offsets-decoder", TRANSACTIONS: "--transaction-log-decoder"}
UNREADABLE = re.compile(r"Unknown record type|Error at offset|Failed to decode|Could not|[Cc]orrupt|invalid bytes|isvalid: false")
RECORD = re.compile(r"^\|? ?offset: \d+ .*? key: (\{.*?\}) payload: (\{.*\}|<DELETE>)$")
ANY_RECORD = re.compile(r"^\|? ?offset: \d+ ")
# The console consumer is in a group itself while it reads.
OWN_GROUP = re.compile(r'"group(Id)?":"console-consumer-')
LAST_SECONDS = 8


def read_every_record(broker, topics=(OFFSETS, TRANSACTIONS)) -> str:
    """The formatters against the running broker, then the decoders over the files of the stopped one: they agree on what is
    there, and nothing is unknown to either."""
    names = [name for name, (topic, _) in PRINTED.items() if topic in topics]
    with ThreadPoolExecutor(len(names)) as readers:
        printed = dict(zip(names, readers.map(lambda name: formatted(broker, name), names)))
    broker.stop()
    told = []
    for topic in topics:
        decoded = decode(broker, topic)
        expect(decoded, f"there are no records in {topic}")
        for name, records in printed.items():
            of_topic, types = PRINTED[name]
            if of_topic != topic:
                continue
            there = Counter(one for one in decoded.elements() if one[0] in types)
            missing, surplus = there - records, records - there
            expect(not missing and not surplus, f"{name}: {missing.total()} records missing, {surplus.total()} too many", str([*missing, *surplus][:2]))
        types = Counter(one[0] for one in decoded.elements())
        told.append(f"{topic}: {decoded.total()} records of types {' '.join(map(str, sorted(types)))}")
    return "; ".join(told)


def formatted(broker, name: str) -> Counter:
    """What the console consumer prints through a formatter, from the start until nothing comes any more."""
    topic, types = PRINTED[name]
    said, errors = tool(
        "kafka-console-consumer", "--bootstrap-server", broker.bootstrap, "--topic", topic, "--from-beginning",
        "--formatter", f"{FORMATTERS}.{name}", "--timeout-ms", str(LAST_SECONDS * 1000), timeout=300,
    )
    expect("Processed a total of" in errors, f"{name} of the console consumer", errors[-300:])
    found, at, decoder = Counter(), 0, json.JSONDecoder()
    while at < len(said.rstrip()):
        record, at = decoder.raw_decode(said, at)
        expect(record["key"]["type"] in types, f"{name} printed", str(record)[:300])
        value = record["value"]
        add(found, int(record["key"]["type"]), record["key"]["data"], value and value["data"])
    return found


def decode(broker, topic: str) -> Counter:
    """What kafka-dump-log reads in the files: each record by its type, its key and what identifies its value."""
    logs = sorted(log for directory in broker.partition_dirs(topic) for log in directory.glob("*.log"))
    said, errors = tool("kafka-dump-log", "--deep-iteration", DECODERS[topic], "--files", ",".join(map(str, logs)), timeout=300)
    found = Counter()
    for line in (said + errors).splitlines():
        expect(not UNREADABLE.search(line), f"kafka-dump-log {DECODERS[topic]}", line)
        if not ANY_RECORD.search(line) or " endTxnMarker: " in line:
            continue
        record = RECORD.search(line)
        expect(record, "a record that is not decoded", line)
        key, value = json.loads(record[1]), None if record[2] == "<DELETE>" else json.loads(record[2])["data"]
        add(found, int(key["type"]), key["data"], value)
    return found


def add(found: Counter, kind: int, key: dict, value: dict | None) -> None:
    # Of a classic group the decoder shows subscriptions in clear and the formatter as bytes.
    value = value and {name: what for name, what in value.items() if name != "members"}
    shown = json.dumps(key, separators=(",", ":"), sort_keys=True)
    if not OWN_GROUP.search(shown):
        found[kind, shown, json.dumps(value, sort_keys=True)] += 1
