"""Java's transactional producer and readers of committed records: ends, fencing, records moved with their offsets through kill -9,
and a transaction that hangs."""
import subprocess
import time

from harness import clients, wire
from harness.context import Context
from harness.shell import Failed, end, run as run_program, spawn, tail
from scenarios import hanging

PARTITIONS = 3
TOPICS = ["numbered", "moved", "fenced"]
MOVE_SECONDS = 150


def run(context: Context) -> None:
    count, kills = context.size(20_000, 2_000), context.size(10, 2)
    with context.broker("transactions") as broker:
        create = clients.java("Admin", "create", broker.bootstrap, PARTITIONS, "segment.bytes=1048576", *TOPICS)
        run_program(create, timeout=60)
        wire.await_topics(broker.port, {topic: PARTITIONS for topic in TOPICS})
        context.check("java", "transactions committed and aborted", produce, broker, count)
        context.check("java", "a fenced transactional producer", fence, broker)
        context.check("java", f"records moved with offsets, {kills} kill -9", move, broker, count, kills)
        context.check("kafka-transactions", "a hanging transaction", hanging.find_and_abort, broker)


def said(broker, *arguments) -> str:
    return run_program(clients.java("Transactions", broker.bootstrap, *arguments), timeout=300).stdout.decode().strip()


def produce(broker, count: int) -> str:
    said(broker, "produce", "numbered", "counting", count)
    return said(broker, "check", "numbered", count)


def fence(broker) -> str:
    told = said(broker, "fence", "fenced")
    said(broker, "check", "fenced", 1)
    return told


def move(broker, count: int, kills: int) -> str:
    log = broker.root / "move.log"
    with open(log, "wb") as output:
        command = clients.java("Transactions", broker.bootstrap, "move", "numbered", "moved", "mover", count)
        mover = spawn(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        for _ in range(kills):
            before = sum(wire.offsets(broker.port, "moved", PARTITIONS))
            deadline = time.monotonic() + MOVE_SECONDS
            while sum(wire.offsets(broker.port, "moved", PARTITIONS)) <= before and mover.poll() is None:
                if time.monotonic() > deadline:
                    raise Failed(f"nothing is moved: {tail(log.read_bytes())}")
                time.sleep(0.02)
            broker.kill()
            broker.start()
        code = mover.wait(MOVE_SECONDS)
    except subprocess.TimeoutExpired:
        code = "no end"
    finally:
        end(mover)
    if code != 0:
        raise Failed(f"the mover ended with {code}: {tail(log.read_bytes())}")
    return f"{said(broker, 'check', 'moved', count)}; {log.read_text().strip().splitlines()[-1]}"
