"""A hanging transaction: records of a transaction that no coordinator knows of hold every reader of committed records back, until
`kafka-transactions` finds and aborts it."""
import struct
import time

from diff.batches import TRANSACTIONAL, batch, records
from harness import clients, wire
from harness.check import eventually, expect
from harness.clients import tool
from harness.shell import run as run_program

TOPIC = "hanging"
PRODUCE, INIT_PRODUCER_ID = 0, 22
# The tool looks for transactions that are older than the longest a producer may ask for, 15 minutes.
AGE_MS = 3_600_000
PATIENCE = 30.0


def find_and_abort(broker) -> str:
    """While nobody verifies, a batch comes whose partition was never added to its transaction, as clients of before did it."""
    run_program(clients.java("Admin", "create", broker.bootstrap, 1, "", TOPIC), timeout=60)
    wire.await_topics(broker.port, {TOPIC: 1})
    server = ("--bootstrap-server", broker.bootstrap)
    verify(server, "false")
    began = int(time.time() * 1000) - AGE_MS
    producer = idempotent_producer(broker.port)
    eventually(lambda: put(broker.port, producer, began) == 0, "the batch is appended", PATIENCE)
    verify(server, "true")
    broker.kill()
    broker.start()
    wire.await_topics(broker.port, {TOPIC: 1})
    expect(committed(broker) == [], "an open transaction was read")

    found, _ = tool("kafka-transactions", *server, "find-hanging", "--broker-id", "1")
    rows = [line.split() for line in found.splitlines()[1:] if line.strip()]
    expect(len(rows) == 1 and rows[0][:4] == [TOPIC, "0", str(producer), "0"], "find-hanging", found)
    expect(rows[0][5:7] == ["0", str(began)], "start offset and time of the transaction", found)
    tool("kafka-transactions", *server, "abort", "--topic", TOPIC, "--partition", "0", "--start-offset", "0")
    again, _ = tool("kafka-transactions", *server, "find-hanging", "--broker-id", "1")
    expect(not [line for line in again.splitlines()[1:] if line.strip()], "it is found again", again)
    run_program(clients.java("Transactions", broker.bootstrap, "fence", TOPIC), timeout=60)
    expect(committed(broker) == ["0"], "what was committed afterwards", str(committed(broker)))
    return f"producer {producer} found and aborted"


def verify(server: tuple[str, str], value: str) -> None:
    change = ("--add-config", f"transaction.partition.verification.enable={value}")
    tool("kafka-configs", *server, "--entity-type", "brokers", "--entity-default", "--alter", *change)


def idempotent_producer(port: int) -> int:
    """A producer id that no coordinator has given to a transactional id. Kafka gets its ids while the first one waits."""
    def given() -> int | None:
        answer = wire.call(port, INIT_PRODUCER_ID, 0, struct.pack(">hi", -1, 60_000))
        answer.take("i")
        error, producer, _ = answer.take("hqh")
        return None if error else producer

    return eventually(given, "a producer id above 0", PATIENCE)


def put(port: int, producer: int, timestamp: int) -> int:
    """Two records of its transaction (Produce version 7); answers the error code."""
    raw = batch(records(2), attributes=TRANSACTIONAL, pid=producer, epoch=0, sequence=0, timestamp=timestamp)
    text = lambda word: struct.pack(">h", len(word)) + word.encode()
    body = text("nobody") + struct.pack(">hii", -1, 5000, 1) + text(TOPIC) + struct.pack(">iii", 1, 0, len(raw)) + raw
    answer = wire.call(port, PRODUCE, 7, body)
    answer.take("i"), answer.string(), answer.take("i"), answer.take("i")
    return answer.take("h")


def committed(broker) -> list[str]:
    """The values that a reader of committed records gets, of what is decided."""
    printed = run_program(clients.confluent("read_all.py", broker.bootstrap, TOPIC, 1), timeout=60).stdout.decode()
    return [line.split()[2] for line in printed.splitlines()]
