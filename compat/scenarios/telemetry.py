"""Metrics that clients push (KIP-714): what Java and librdkafka count arrives on the admin listener, and stops when it is asked no more."""
import re
import subprocess
import urllib.request

from harness import clients, wire
from harness.check import eventually, expect
from harness.clients import tool
from harness.context import Context
from harness.install import need
from harness.shell import end, spawn

TOPIC = "measured"
PATIENCE = 30.0
SAMPLE = re.compile(r'^(ottla_client_\w+)\{(.*)\} (\S+)$')


def run(context: Context) -> None:
    need("java", "confluent")
    if context.kind == "jvm":
        return
    records = context.size(5_000, 500)
    with context.broker("telemetry") as broker:
        tool("kafka-topics", "--bootstrap-server", broker.bootstrap, "--create", "--topic", TOPIC)
        wire.await_topics(broker.port, {TOPIC: 1})
        subscribe(broker, "--metrics", "org.apache.kafka.", "--interval", "1000")
        if not context.check("kafka-clients 4.3.1", "pushes metrics", java_pushes, broker, records):
            return
        context.check("kafka-clients 4.3.1", "pushes only what is asked for", java_is_asked, broker)
        context.check("confluent", "pushes metrics", librdkafka_pushes, broker)


def subscribe(broker, *what) -> None:
    tool("kafka-client-metrics", "--bootstrap-server", broker.bootstrap, "--alter", "--name", "all", *what)


def samples(broker) -> dict[tuple[str, str], float]:
    """What clients pushed: by name and client id, the numbers of a client added up."""
    with urllib.request.urlopen(f"http://127.0.0.1:{broker.admin_port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found: dict[tuple[str, str], float] = {}
    for line in text.splitlines():
        if sample := SAMPLE.match(line):
            client = re.search(r'client_id="([^"]*)"', sample[2])[1]
            found[sample[1], client] = found.get((sample[1], client), 0.0) + float(sample[3])
    return found


def produce(broker, client: str, records: int, rate: int) -> None:
    properties = [f"bootstrap.servers={broker.bootstrap}", f"client.id={client}"]
    size = ["--num-records", records, "--record-size", 100, "--throughput", rate]
    tool("kafka-producer-perf-test", "--topic", TOPIC, *size, "--command-property", *properties)


def java_pushes(broker, records: int) -> str:
    """What a producer and a consumer have counted is there in full after their last push, with which they end."""
    produce(broker, "java-producer", records, records // 4)
    server = ("--bootstrap-server", broker.bootstrap, "--command-property", "client.id=java-consumer")
    tool("kafka-console-consumer", *server, "--topic", TOPIC, "--from-beginning", "--max-messages", records)
    found = samples(broker)
    sent = found.get(("ottla_client_producer_record_send_total", "java-producer"))
    read = found.get(("ottla_client_consumer_fetch_manager_records_consumed_total", "java-consumer"))
    expect(sent == records, f"{records} records were sent, {sent} are shown")
    expect(read is not None and read >= records, f"{records} records were read, {read} are shown")
    return f"record-send-total {sent:.0f}, records-consumed-total {read:.0f}, {len(found)} metrics"


def java_is_asked(broker) -> str:
    """A subscription for other prefixes and another client."""
    subscribe(broker, "--metrics", "org.apache.kafka.producer.node", "--interval", "1000", "--match", "client_id=chosen.*")
    produce(broker, "chosen-1", 300, 100)
    produce(broker, "other-1", 300, 100)
    names = {name for name, client in samples(broker) if client == "chosen-1"}
    expect(names, "the chosen client pushes")
    expect(all(name.startswith("ottla_client_producer_node") for name in names), "only what is asked for", "\n".join(names))
    expect(not any(client == "other-1" for _, client in samples(broker)), "nobody else pushes")
    return ", ".join(sorted(names))


def librdkafka_pushes(broker) -> str:
    subscribe(broker, "--metrics", "*", "--interval", "1000", "--match", "")
    log = broker.root / "pushes.log"
    with open(log, "wb") as said:
        producer = spawn(clients.confluent("pushes.py", broker.bootstrap, TOPIC, "rd"), stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    try:
        name = ("ottla_client_producer_request_latency_avg", "rd")
        found = eventually(lambda: (found := samples(broker)).get(name) and found, "librdkafka's metrics are shown", PATIENCE)
    finally:
        end(producer)
    return f"{sum(client == 'rd' for _, client in found)} metrics"
