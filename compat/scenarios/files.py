"""Every file we wrote, judged by Kafka's own tools; then a JVM broker takes the directory over, and gives it back."""
import re
import time
from pathlib import Path

from harness import clients, wire
from harness.check import expect
from harness.clients import CODECS, tool
from harness.context import Context
from harness.install import need
from harness.records import Expected
from harness.shell import Failed, run as run_program

PARTITIONS = 3
GROUP = "kept-readers"
# A snapshot of the metadata after little data, so that there is one to open.
PROPERTIES = {
    "metadata.log.max.record.bytes.between.snapshots": "100",
    "metadata.log.max.snapshot.interval.ms": "5000",
    # Kafka forgets a younger start offset at kill -9.
    "log.flush.start.offset.checkpoint.interval.ms": "500",
    "log.initial.task.delay.ms": "500",
}
# What DumpLogSegments prints on something wrong; everything else it prints is data. It counts every file from -1, so that
# a segment that does not begin at 0 "jumps" from there, on a JVM's directory too: only a jump from a record is one.
COMPLAINTS = re.compile(
    r"isvalid: false|Mismatches in|mismatch in|out of order timestamp|not found in the log|^  \d+ is followed by \d+"
    r"|invalid bytes at the end|Exception|[Cc]orrupt|Ignoring unknown file|Could not|Failed to"
)


def run(context: Context) -> None:
    need("java", "confluent")
    expected = Expected(context.size(20_000, 2_000), PARTITIONS)
    with context.broker("files", PROPERTIES) as broker:
        if not context.check("broker", "files: workload", workload, broker, expected):
            return
        context.check("kafka-dump-log", "logs after kill -9", dump_everything, broker, False)
        context.check("broker", "files: clean stop", clean_stop, broker)
        context.check("kafka-dump-log", "logs, indexes, snapshots", dump_everything, broker)
        context.check("kafka-metadata-shell", "opens our snapshot", metadata_shell, broker)
        if context.kind != "jvm":
            context.check("kafka", "JVM takes the directory over", hand_over, broker, "jvm", expected)
            context.check("kafka-dump-log", "logs after the JVM", dump_everything, broker)
        context.check("broker", "starts on the directory again", hand_over, broker, context.kind, expected)


def topic_of(codec: str) -> str:
    return f"kept-{codec}"


def workload(broker, expected: Expected) -> str:
    """Every codec, idempotent producers, groups, deleted records, a deleted topic, new partitions, changed configs, a kill -9."""
    server = ("--bootstrap-server", broker.bootstrap)
    topics = [topic_of(codec) for codec in CODECS]
    create = clients.java("Admin", "create", broker.bootstrap, PARTITIONS, "segment.bytes=1048576", *topics, "gone", "grown")
    run_program(create, timeout=60)
    wire.await_topics(broker.port, dict.fromkeys(topics, PARTITIONS))
    for index, codec in enumerate(CODECS):
        producer = ("confluent", clients.CURRENT_JAVA)[index % 2]
        clients.produce(producer, broker.bootstrap, topic_of(codec), codec, expected.count, PARTITIONS, 120)
    tool("kafka-topics", *server, "--delete", "--topic", "gone")
    tool("kafka-topics", *server, "--alter", "--topic", "grown", "--partitions", "4")
    tool("kafka-configs", *server, "--entity-type", "topics", "--entity-name", "grown", "--alter", "--add-config", "retention.ms=86400000")
    request = broker.root / "trim.json"
    request.write_text('{"version":1,"partitions":[{"topic":"grown","partition":0,"offset":-1}]}')
    clients.run(clients.java("Fill", broker.bootstrap, "grown", f"0:{now()},{now()}", f"1:{now()}"), timeout=60)
    tool("kafka-delete-records", *server, "--offset-json-file", request)
    printed, _ = tool(
        "kafka-console-consumer", *server, "--topic", topic_of("gzip"), "--group", GROUP, "--from-beginning",
        "--max-messages", str(expected.count), "--timeout-ms", "60000",
    )
    time.sleep(2)
    broker.kill()
    return f"{len(topics) * expected.count} records"


def now() -> int:
    return int(time.time() * 1000)


def clean_stop(broker) -> str:
    """Starts after the kill, finds everything, and stops as asked."""
    seconds = broker.start()
    wire.await_topics(broker.port, {topic_of(codec): PARTITIONS for codec in CODECS})
    time.sleep(6)  # beyond the snapshot interval, for the snapshot the next checks open
    return f"start {seconds:.1f} s, stop {broker.stop():.1f} s"


def dump_everything(broker, stopped=True, group=GROUP) -> str:
    """kafka-dump-log over all files, each kind with the decoder that belongs to it.

    After a kill the active indexes may be in any state; they are rebuilt at the next start.
    """
    plain, offsets, cluster, indexes, snapshots = [], [], [], [], []
    for file in sorted(broker.data.rglob("*")):
        folder = file.parent.name
        if folder.endswith("-delete"):
            continue  # on its way out; a JVM leaves its indexes there at their preallocated size
        if file.suffix in (".log", ".checkpoint") and folder.startswith("__cluster_metadata-"):
            cluster.append(file)
        elif file.suffix == ".log":
            (offsets if folder.startswith("__consumer_offsets-") else plain).append(file)
        elif file.suffix in (".index", ".timeindex"):
            indexes.append(file)
        elif file.suffix in (".snapshot", ".txnindex"):
            snapshots.append(file)
    expect(plain and cluster and (indexes or not stopped), f"{len(plain)} logs, {len(cluster)} metadata logs, {len(indexes)} indexes")
    records = dump(plain, "--deep-iteration", "--print-data-log").count(" offset: ")
    groups = dump(offsets, "--deep-iteration", "--offsets-decoder")
    expect(not offsets or group in groups, "the offsets decoder shows the group", groups[-300:])
    metadata = dump(cluster, "--deep-iteration", "--cluster-metadata-decoder")
    expect("TOPIC_RECORD" in metadata and "REGISTER_BROKER_RECORD" in metadata, "the metadata decoder shows topics and broker", metadata[-300:])
    if stopped:
        dump(indexes, "--index-sanity-check")
        # An entry is compared with the batch it points to only in this form.
        dump(indexes, "--verify-index-only")
    dump(snapshots)
    return f"{records} records in {len(plain)} logs; {len(indexes)} indexes, {len(snapshots)} snapshots, {len(offsets)} + {len(cluster)} internal"


def dump(files: list[Path], *options: str) -> str:
    said = ""
    for at in range(0, len(files), 300):
        batch = ",".join(str(file) for file in files[at:at + 300])
        output, errors = tool("kafka-dump-log", *options, "--files", batch, timeout=300)
        for line in (output + errors).splitlines():
            complaint = COMPLAINTS.search(line.split(" payload: ")[0])
            expect(not complaint, f"kafka-dump-log {' '.join(options)}", line)
        said += output
    return said


def metadata_shell(broker) -> str:
    taken = sorted((broker.data / "__cluster_metadata-0").glob("*.checkpoint"))
    expect(taken, "a snapshot in __cluster_metadata-0")
    topics = shell_lists(taken[-1], "/image/topics/byName", ["kept-zstd", "grown"])
    expect("gone" not in topics, "a deleted topic in the snapshot", " ".join(topics))
    shell_lists(taken[-1], "/image/cluster/brokers", ["1"])
    return taken[-1].name


def shell_lists(snapshot, path: str, wanted: list[str]) -> list[str]:
    """What the shell lists, once it lists all that is wanted. On a busy machine it sometimes runs its command before its
    loader, a thread beside it, has published the snapshot; then it is asked again."""
    for _ in range(5):
        said, errors = tool("kafka-metadata-shell", "--snapshot", snapshot, "ls", path)
        if set(wanted) <= set(said.split()):
            return said.split()
    raise Failed(f"{path} in the snapshot lists {said!r}: {errors[-600:]}")


def hand_over(broker, kind: str, expected: Expected, how: str = "stop") -> str:
    """The other implementation starts on the directory, serves all of it, takes more, and stops cleanly or is killed."""
    broker.become(kind)
    seconds = broker.start()
    try:
        serves_everything(broker, expected)
    except BaseException:
        broker.stop()  # the directory is still worth judging
        raise
    if how == "kill":
        broker.kill()
        return f"{kind} start {seconds:.1f} s, killed"
    return f"{kind} start {seconds:.1f} s, stop {broker.stop():.1f} s"


def serves_everything(broker, expected: Expected) -> None:
    """Records, start offsets, configs and groups are there, and more of each is taken."""
    server = ("--bootstrap-server", broker.bootstrap)
    topics = {topic_of(codec): PARTITIONS for codec in CODECS}
    wire.await_topics(broker.port, {**topics, "grown": 4})
    for topic in topics:
        printed = run_program(clients.confluent("read_all.py", broker.bootstrap, topic, PARTITIONS), timeout=120).stdout
        expect(len(re.findall(rb"^\d+ \d+ ", printed, re.M)) >= expected.count, f"records of {topic}")
    starts = wire.offsets(broker.port, "grown", 4, wire.EARLIEST)
    expect(starts == [2, 0, 0, 0], f"start offsets {starts} where two records of partition 0 were deleted")
    described, _ = tool("kafka-topics", *server, "--describe", "--topic", "grown")
    expect("retention.ms=86400000" in described, "the topic's config", described)
    listed, _ = tool("kafka-topics", *server, "--list")
    expect("gone" not in listed.split(), "the deleted topic stays away", listed)
    described, _ = tool("kafka-consumer-groups", *server, "--describe", "--group", GROUP)
    offsets = [int(n) for n in re.findall(rf"^{GROUP}\s+{topic_of('gzip')}\s+\d+\s+(\d+)", described, re.M)]
    expect(sum(offsets) == expected.count, f"committed offsets {offsets}", described)
    clients.run(clients.java("Fill", broker.bootstrap, "grown", f"2:{now()}", f"3:{now()}"), timeout=60)
    tool("kafka-consumer-groups", *server, "--reset-offsets", "--group", GROUP, "--topic", topic_of("gzip"), "--to-earliest", "--execute")
    tool("kafka-consumer-groups", *server, "--reset-offsets", "--group", GROUP, "--topic", topic_of("gzip"), "--to-latest", "--execute")
