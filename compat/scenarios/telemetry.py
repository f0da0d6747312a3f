"""Metrics that clients push (KIP-714): what Java and librdkafka count arrives on the admin listener, and stops when it is asked no more."""
import re
import subprocess
import urllib.request

from harness import clients, wire
from harness.check import eventually, expect
from harness.clients import tool
from harness.context import Context
from harness.install import KAFKA, need
from harness.shell import Failed, end, spawn

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
    """What clients pushed of themselves as a whole: by name and client id, the numbers of a client added up."""
    with urllib.request.urlopen(f"http://127.0.0.1:{broker.admin_port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found: dict[tuple[str, str], float] = {}
    for line in text.splitlines():
        # Java counts by topic and in all under one name.
        if (sample := SAMPLE.match(line)) and 'topic="' not in sample[2]:
            client = re.search(r'client_id="([^"]*)"', sample[2])[1]
            found[sample[1], client] = found.get((sample[1], client), 0.0) + float(sample[3])
    return found


def produce(broker, client: str, records: int, rate: int) -> None:
    properties = [f"bootstrap.servers={broker.bootstrap}", f"client.id={client}"]
    size = ["--num-records", records, "--record-size", 100, "--throughput", rate]
    tool("kafka-producer-perf-test", "--topic", TOPIC, *size, "--command-property", *properties)


def java_pushes(broker, records: int) -> str:
    """What a producer and a consumer have counted is there in full once they have pushed it, while they live on."""
    lines = "".join(f"{number}\n" for number in range(records))
    sent = counted(broker, "java-producer", "ottla_client_producer_record_send_total", records, "console-producer", stdin=lines.encode())
    read = counted(
        broker, "java-consumer", "ottla_client_consumer_fetch_manager_records_consumed_total", records, "console-consumer", "--from-beginning",
    )
    with urllib.request.urlopen(f"http://127.0.0.1:{broker.admin_port}/metrics", timeout=10) as answer:
        errors = [line for line in answer.read().decode().splitlines() if 'api="PushTelemetry",error' in line]
    expect(not errors, "no push is refused", "\n".join(errors))
    return f"record-send-total {sent:.0f}, records-consumed-total {read:.0f}, {len(samples(broker))} metrics"


def counted(broker, client: str, metric: str, records: int, program: str, *arguments, stdin=b"") -> float:
    """Runs one of Kafka's console clients until it has pushed that it counted all records."""
    log = broker.root / f"{client}.log"
    command = [KAFKA / "bin" / f"kafka-{program}.sh", "--bootstrap-server", broker.bootstrap, "--topic", TOPIC]
    with open(log, "wb") as said:
        running = spawn([*command, "--command-property", f"client.id={client}", *arguments], stdin=subprocess.PIPE, stdout=said, stderr=said)
    try:
        running.stdin.write(stdin)
        running.stdin.flush()
        return eventually(lambda: all_of(samples(broker).get((metric, client)), records), f"{client} pushes {records} as {metric}", PATIENCE)
    finally:
        running.stdin.close()
        end(running)


def all_of(count: float | None, records: int) -> float:
    if count is not None and count > records:
        raise Failed(f"{count} are shown of {records}")
    return count if count == records else 0.0


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
