"""`ottla fsck`: nothing to say against healthy directories of both brokers, every planted damage named where it is, what can be
put right put right, and everything readable salvaged; at the speed of the disk and with bounded memory."""
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from harness import clients, wire
from harness.broker import Broker, ottla_binary
from harness.check import eventually, expect
from harness.clients import CODECS, tool
from harness.context import Context
from harness.install import need
from harness.shell import WORK, run as run_program, spawn
from scenarios import files, planted

PROPERTIES = {**files.PROPERTIES, "log.cleaner.backoff.ms": "100"}
TOPIC = "kept-none"
COMPACTED = "compacted"
GROUP = "kept-readers"
# Most of 64 MiB, whatever is read.
RESIDENT_MIB_MAX = 64


def run(context: Context) -> None:
    need("java", "confluent", "ottla")
    if context.kind == "jvm":
        return
    count = context.size(20_000, 5_000)
    for kind in ["ottla"] if context.quick else ["jvm", "ottla"]:
        root = WORK / "run" / f"{os.getpid()}-fsck-copies-{kind}"
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        try:
            with context.broker(f"fsck-{kind}", PROPERTIES, kind=kind) as broker:
                if not context.check("broker", f"fsck, {kind}: workload", workload, broker, root, count):
                    continue
                context.check("broker", f"fsck, {kind}: a running broker", refuses_running, broker)
            for how in ("killed", "clean"):
                context.check("fsck", f"{kind}'s directory, {how}", healthy, root / how)
            judge(context, kind, root, count)
        finally:
            shutil.rmtree(root, ignore_errors=True)
    if not context.quick:
        context.check("fsck", "speed and memory", speed, context)


def judge(context: Context, kind: str, root: Path, count: int) -> None:
    """Every damage in a copy of its own."""
    for damage in planted.DAMAGES:
        copy = root / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(root / "clean", copy)
        context.check("fsck", f"{kind}: {damage.name}", found, damage, copy, root, count)
    context.check("fsck", f"{kind}: export", exported, root, count)


def workload(broker: Broker, root: Path, count: int) -> str:
    """Topics of several segments with every codec, transactions, groups; kill -9, a copy, a clean stop, a copy."""
    topics = [f"kept-{codec}" for codec in CODECS]
    run_program(clients.java("Admin", "create", broker.bootstrap, 1, "segment.bytes=1048576", *topics), timeout=60)
    run_program(clients.java("Admin", "create", broker.bootstrap, 3, "segment.bytes=1048576", "numbered"), timeout=60)
    wire.await_topics(broker.port, {**dict.fromkeys(topics, 1), "numbered": 3})
    for index, codec in enumerate(CODECS):
        # Java's batches of 16 KiB for the one in which damage is planted.
        producer = (clients.CURRENT_JAVA, "confluent")[index % 2]
        clients.produce(producer, broker.bootstrap, f"kept-{codec}", codec, count, 1, 120)
    run_program(clients.java("Transactions", broker.bootstrap, "produce", "numbered", "counting", 1000), timeout=300)
    compacted(broker)
    read = ("--topic", TOPIC, "--group", GROUP, "--from-beginning", "--max-messages", "100", "--timeout-ms", "60000")
    tool("kafka-console-consumer", "--bootstrap-server", broker.bootstrap, *read)
    broker.kill()
    shutil.copytree(broker.data, root / "killed")
    broker.start()
    wire.await_topics(broker.port, {TOPIC: 1})
    time.sleep(6)  # beyond the snapshot interval
    broker.stop()
    shutil.copytree(broker.data, root / "clean")
    broker.start()
    return f"{broker.segments(TOPIC)} segments of {TOPIC}"


def compacted(broker: Broker) -> None:
    """A topic of updated and deleted keys, in transactions too, that the cleaner has been through."""
    configs = "cleanup.policy=compact,segment.bytes=1048576,min.cleanable.dirty.ratio=0.01,delete.retention.ms=100"
    run_program(clients.java("Admin", "create", broker.bootstrap, 1, configs, COMPACTED), timeout=60)
    wire.await_topics(broker.port, {COMPACTED: 1})
    run_program(clients.java("Updates", broker.bootstrap, COMPACTED, 20_000, 500, 20_000, "none", 200), timeout=120)
    checkpoint = broker.data / "cleaner-offset-checkpoint"
    cleaned = lambda: checkpoint.exists() and f"{COMPACTED} 0" in checkpoint.read_text()
    eventually(cleaned, "the cleaner's checkpoint", 60)


def refuses_running(broker: Broker) -> str:
    done = fsck(broker.data)
    expect(done.returncode == 2 and b"another process" in done.stderr, "a running broker is refused", done.stderr.decode())
    return done.stderr.decode().strip()[-80:]


def healthy(directory: Path) -> str:
    before = tree(directory)
    done = fsck(directory)
    said = done.stdout.decode()
    expect(done.returncode == 0 and "damage: " not in said, f"nothing is damaged, exit {done.returncode}", said)
    expect(tree(directory) == before, "nothing is changed")
    return said.strip().splitlines()[-1]


def found(damage: planted.Damage, copy: Path, root: Path, count: int) -> str:
    """Named at its place and nowhere else; mended if it can be, and then a broker serves it."""
    directories, (path, position) = planted.plant(damage, copy, root)
    before = [tree(directory) for directory in directories]
    done = fsck(*directories)
    damages = [line for line in done.stdout.decode().splitlines() if line.startswith("damage: ")]
    expect(done.returncode == 1 and damages, f"it is found, exit {done.returncode}", done.stdout.decode())
    place = f"damage: {path}: " + (f"byte {position}" if position is not None else "")
    expect(damages[0].startswith(place), f"named first as {place}", damages[0])
    strangers = [line for line in damages if not any(f"/{name}" in line for name in (path.name, *damage.follows))]
    expect(not strangers, "nothing else is named", "\n".join(strangers))
    expect([tree(directory) for directory in directories] == before, "nothing is changed")
    told = damages[0].removeprefix(f"damage: {path}: ")[:90]
    done = fsck("--repair", *directories)
    expect(done.returncode == (0 if damage.mended else 1), f"--repair ended with {done.returncode}", done.stdout.decode())
    if not damage.mended:
        unfixable = [tree(directory) for directory in directories] == before
        expect(unfixable or damage.name.startswith("second"), "--repair changed something", done.stdout.decode())
        return told
    again = fsck(*directories)
    expect(again.returncode == 0, "clean after --repair", again.stdout.decode())
    served(copy, count, damage.lost)
    return f"mended: {told}"


def served(directory: Path, count: int, lost: int) -> None:
    """Ottla starts on it and serves every record."""
    broker = Broker("ottla", "fsck-served", PROPERTIES)
    try:
        broker.data = directory
        broker.choose_ports()
        broker.start()
        wire.await_topics(broker.port, {TOPIC: 1, "numbered": 3})
        expect(wire.offsets(broker.port, TOPIC, 1)[0] >= count - lost, "the end of the log")
        read = run_program(clients.confluent("read_all.py", broker.bootstrap, TOPIC, 1), timeout=120).stdout
        expect(len(re.findall(rb"^0 \d+ ", read, re.M)) >= count - lost, "records served")
        broker.stop()
    finally:
        broker.close()


def exported(root: Path, count: int) -> str:
    """Around a damaged batch every record is salvaged, to lines and into a topic."""
    copy = root / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(root / "clean", copy)
    log, batch = planted.flip_payload(copy)
    output = root / "salvaged.jsonl"
    done = fsck(copy, "--export", f"{TOPIC}-0", "--output", output)
    expect(done.returncode == 0, "export", done.stderr.decode())
    records = [json.loads(line) for line in output.read_text().splitlines()]
    offsets = [record["offset"] for record in records]
    gone = set(range(batch.base, batch.last + 1))
    expect(offsets == sorted(set(range(count)) - gone), f"offsets around {log.name} byte {batch.position}, {len(offsets)} of {count}")
    whole = fsck(root / "clean", "--export", "numbered-0").stdout.decode().splitlines()
    fates = {json.loads(line).get("transaction") for line in whole}
    expect(fates == {None, "aborted"}, f"transactions told as {fates}")
    broker = Broker("ottla", "fsck-salvaged", PROPERTIES)
    with broker:
        run_program(clients.java("Admin", "create", broker.bootstrap, 1, "retention.ms=-1", "salvaged"), timeout=60)
        wire.await_topics(broker.port, {"salvaged": 1})
        done = fsck(copy, "--export", f"{TOPIC}-0", "--to-topic", "salvaged", "--bootstrap-server", broker.bootstrap)
        expect(done.returncode == 0, "export to a topic", done.stderr.decode())
        end = wire.offsets(broker.port, "salvaged", 1)[0]
        expect(end == len(offsets), f"{end} records in the topic, {len(offsets)} exported")
    return f"{len(offsets)} of {count} records around {len(gone)} that cannot be read; {len(whole)} lines with transactions"


def speed(context: Context) -> str:
    """A directory of a gigabyte and more, beside `cat`; both read from the page cache if it is large enough."""
    with context.broker("fsck-speed") as broker:
        run_program(clients.java("Admin", "create", broker.bootstrap, 4, "retention.ms=-1", "large"), timeout=60)
        wire.await_topics(broker.port, {"large": 4})
        tool(
            "kafka-producer-perf-test", "--topic", "large", "--num-records", "1400000", "--record-size", "1024", "--throughput", "-1",
            "--producer-props", f"bootstrap.servers={broker.bootstrap}", "batch.size=65536", timeout=300,
        )
        broker.stop()
        logs = sorted(broker.data.rglob("*.log"))
        size = sum(log.stat().st_size for log in logs)
        timed(["cat", *logs])
        cat, _ = timed(["cat", *logs])
        check, peak = timed([ottla_binary(), "fsck", broker.data])
    expect(peak <= RESIDENT_MIB_MAX, f"{peak:.0f} MiB resident")
    gib = size / 2**30
    return f"{gib:.2f} GiB: fsck {gib / check:.2f} GiB/s, cat {gib / cat:.2f} GiB/s, peak {peak:.0f} MiB"


def timed(command: list) -> tuple[float, float]:
    """Seconds and the most MiB resident of a program that must end well."""
    begun, peak = time.monotonic(), 0
    process = spawn(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        # What the kernel keeps for the parent after the end begins with the parent's own peak.
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                peak = int(line.split()[1])
        time.sleep(0.005)
    expect(process.returncode == 0, f"{command[0]} ended with {process.returncode}")
    return time.monotonic() - begun, peak / 1024


def fsck(*arguments) -> subprocess.CompletedProcess:
    return run_program([ottla_binary(), "fsck", *arguments], timeout=120, check=False)


def tree(directory: Path) -> dict[str, tuple]:
    """What every file is: its bytes, its time and its mode."""
    files = {}
    for path in sorted(directory.rglob("*")):
        stat = path.stat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        files[str(path.relative_to(directory))] = (content, stat.st_mtime_ns, stat.st_mode)
    return files
