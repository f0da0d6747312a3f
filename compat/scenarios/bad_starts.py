"""Directories that nobody should start on, and one that only looks so: each is refused in one line that says what to do, and stays as it
was to the byte; or is served as Kafka's broker serves it."""
import hashlib
import os
import re
import shutil
import signal
import struct
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from diff.batches import HEADER, batch, record
from harness.broker import Broker, ottla_binary
from harness.check import expect
from harness.context import Context
from harness.install import need
from harness.shell import Skip, run as run_program

TOPIC, PARTITIONS, RECORDS = "kept", 2, 6_000
METADATA = "__cluster_metadata-0"
FIRST = "00000000000000000000"
OTHER_CLUSTER = "b3R0bGEtb3RoZXItY2x1c3"
OTHER_DIRECTORY = "JEXY6aqzQY-32P5TStzaFg"
# Lines that call for attention, and the one that only tells of this machine.
LOUD = re.compile(r"\b(WARN|ERROR)\b|^ottla: ")
FEW_FILES = "files may be open at once"


@dataclass(frozen=True)
class Refusal:
    """What is done to the directories, and what the line about it says."""

    name: str
    damage: Callable[[list[Path]], None]
    line: str


def run(context: Context) -> None:
    if context.kind == "jvm":
        return
    if not context.quick:
        need("jvm")
    with in_two_directories(context.broker("bad-starts")) as broker:
        context.check("broker", "bad starts: a good directory", begin, broker)
        for refusal in REFUSALS:
            context.check("broker", f"refused: {refusal.name}", refused, broker, refusal)
        context.check("broker", "refused: a read-only mount", read_only, broker)
        context.check("broker", "refused: two processes", two_processes, broker)
        kinds = ["ottla"] if context.quick else ["ottla", "jvm"]
        for name, damage, lost, line in SERVED:
            for kind in kinds:
                context.check("broker" if kind == "ottla" else "kafka", f"served: {name}", served, broker, kind, damage, lost, line)
        context.check("broker", "served: a directory in place of a segment", one_partition_out, broker)


def in_two_directories(broker) -> Broker:
    broker.properties = properties(dirs(broker))
    broker.choose_ports()
    return broker


def properties(where: list[Path]) -> dict[str, str]:
    return {"log.dirs": ",".join(map(str, where)), "metadata.log.dir": str(where[0])}


def begin(broker) -> str:
    """A topic of several segments in each partition, and a clean stop."""
    tool(broker, "topics", "--create", "--topic", TOPIC, "--partitions", str(PARTITIONS), "--config", "segment.bytes=1048576")
    tool(
        broker, "producer-perf-test", "--topic", TOPIC, "--num-records", str(RECORDS), "--record-size", "1000", "--throughput", "-1",
        "--producer-props", f"bootstrap.servers={broker.bootstrap}", bootstrap=False,
    )
    broker.stop()
    expect(read_all(broker, "ottla", dirs(broker)) == RECORDS, "all records are read after a restart")
    return f"{RECORDS} records"


def dirs(broker) -> list[Path]:
    return [broker.root / "data", broker.root / "data-2"]


def tool(broker, name: str, *arguments: str, bootstrap=True) -> str:
    server = ["--bootstrap-server", broker.bootstrap] if bootstrap else []
    return run_program([ottla_binary(), name, *server, *arguments], timeout=120).stdout.decode()


class Copy:
    """A copy of the good directories, and a broker on them."""

    def __init__(self, broker, kind="ottla"):
        self.root = broker.root / "copy"
        shutil.rmtree(self.root, ignore_errors=True)
        self.dirs = [self.root / directory.name for directory in dirs(broker)]
        for source, copy in zip(dirs(broker), self.dirs):
            # Whoever copies a directory of a stopped broker need not copy its lock, and a refused start leaves none.
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns(".lock"))
        self.broker = Broker(kind, "bad-starts-copy", properties(self.dirs))
        # The harness asks it whether the directory is formatted.
        self.broker.data = self.dirs[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.broker.close()
        shutil.rmtree(self.root, ignore_errors=True)

    def start(self) -> tuple[int, list[str]]:
        """A start that is to end by itself: its exit code, and the lines that call for attention."""
        done = run_program([ottla_binary(), "start", self.broker.config], timeout=60, check=False)
        text = (done.stdout + done.stderr).decode(errors="replace")
        return done.returncode, [line for line in text.splitlines() if LOUD.search(line) and FEW_FILES not in line]

    def state(self) -> dict[str, str]:
        """What each file is: its name, and a checksum of its bytes."""
        return {str(path): digest(path) for directory in self.dirs for path in sorted(directory.rglob("*"))}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "directory"


def refused(broker, refusal: Refusal) -> str:
    with Copy(broker) as copy:
        refusal.damage(copy.dirs)
        return refused_unchanged(copy, refusal.line)


def refused_unchanged(copy: Copy, expected: str) -> str:
    before = copy.state()
    code, lines = copy.start()
    expect(code == 1, f"the start ends with 1, not {code}", "\n".join(lines))
    expect(len(lines) == 1, "one line tells of it", "\n".join(lines))
    expect(re.search(expected, lines[0]), f"the line says /{expected}/", lines[0])
    changed = {path for path, found in copy.state().items() ^ before.items()}
    expect(not changed, "nothing was changed", "\n".join(sorted(changed)))
    return re.sub(re.escape(str(copy.root)) + "/?", "", lines[0])


def read_only(broker) -> str:
    with Copy(broker) as copy:
        mounted = []
        try:
            for directory in copy.dirs:
                mount("--bind", directory, directory)
                mounted.append(directory)
                mount("-o", "remount,bind,ro", directory)
            return refused_unchanged(copy, "Read-only file system.*; mount the file system for writing")
        finally:
            for directory in mounted:
                subprocess.run(["umount", directory], check=False)


def mount(*arguments) -> None:
    try:
        done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, check=False)
    except FileNotFoundError:
        raise Skip("there is no mount") from None
    if done.returncode != 0:
        raise Skip(f"nothing can be mounted here: {done.stderr.decode().strip()}")


def two_processes(broker) -> str:
    with Copy(broker) as copy:
        copy.broker.start()
        other = Broker("ottla", "bad-starts-other", copy.broker.properties)
        # While it is still, nothing but the second process can change a byte.
        copy.broker.process.send_signal(signal.SIGSTOP)
        try:
            copy.broker.config = other.config
            told = refused_unchanged(copy, "another process, ours or a JVM broker, is using this directory; stop it first")
        finally:
            copy.broker.process.send_signal(signal.SIGCONT)
            other.close()
        tool(copy.broker, "topics", "--describe", "--topic", TOPIC)
        copy.broker.stop()
        return told


def served(broker, kind: str, damage: Callable[[list[Path]], None], lost: Callable[[list[Path]], int], line: str) -> str:
    """The broker starts; what is still there is read. Ours says so in one line at most."""
    with Copy(broker, kind) as copy:
        missing = lost(copy.dirs)
        damage(copy.dirs)
        read = read_all(copy.broker, kind, copy.dirs, copy.broker)
        expect(read == RECORDS - missing, f"{RECORDS - missing} records are read, not {read}", copy.broker.log_tail())
        if kind == "ottla":
            lines = [text for text in copy.broker.log_file.read_text().splitlines() if LOUD.search(text) and TOPIC in text]
            expect(len(lines) == bool(line) and all(re.search(line, text) for text in lines), f"one line says /{line}/", "\n".join(lines))
        for directory in copy.dirs:
            for index in directory.glob(f"{TOPIC}-*/*.index"):
                good = broker.root / index.relative_to(copy.root)
                whole = kind == "jvm" or index.read_bytes() == good.read_bytes()
                expect(whole, f"{index.name} is as it was")
        return f"{read} records"


def one_partition_out(broker) -> str:
    """What is no file is nobody's to replace: that partition is out of service, the others are served."""
    with Copy(broker) as copy:
        segment = segments(copy.dirs, 0)[0]
        segment.unlink()
        segment.mkdir()
        files = {path: digest(path) for path in segment.parent.iterdir()}
        read = read_all(copy.broker, "ottla", copy.dirs, copy.broker, partitions=range(1, PARTITIONS))
        expect(0 < read < RECORDS, "the other partitions are read")
        lines = [text for text in copy.broker.log_file.read_text().splitlines() if "ERROR" in text]
        told = [text for text in lines if f"{TOPIC}-0" in text and "it is no file; put back the file that was there" in text]
        expect(lines and told == lines, "each line tells of that, and what to do", "\n".join(lines))
        after = {path: digest(path) for path in segment.parent.iterdir()}
        expect(after == files, "the partition's files are as they were", "\n".join(map(str, after.items() ^ files.items())))
        return lines[0].rpartition("error=")[2].replace(str(copy.root), "")


def read_all(broker, kind: str, where: list[Path], on: Broker | None = None, partitions=range(PARTITIONS)) -> int:
    """Starts a broker, counts the records that a consumer gets, and stops it."""
    running = on or broker
    running.start()
    try:
        count = 0
        for partition in partitions:
            out = tool(
                running, "console-consumer", "--topic", TOPIC, "--partition", str(partition), "--offset", "earliest", "--timeout-ms", "1000",
                "--formatter-property", "print.value=false", "--formatter-property", "print.offset=true",
            )
            count += len(out.splitlines())
        return count
    finally:
        running.stop()


# What is done to the directories.


def segments(where: list[Path], partition: int) -> list[Path]:
    return sorted(path for directory in where for path in directory.glob(f"{TOPIC}-{partition}/*.log"))


def identity(change: Callable[[str], str], which: int) -> Callable[[list[Path]], None]:
    def damage(where: list[Path]) -> None:
        file = where[which] / "meta.properties"
        file.write_text(change(file.read_text()))
    return damage


def replaced_by_directory(name: str) -> Callable[[list[Path]], None]:
    def damage(where: list[Path]) -> None:
        (where[0] / name).unlink(missing_ok=True)
        (where[0] / name).mkdir()
    return damage


def without(*names: str, which=0) -> Callable[[list[Path]], None]:
    def damage(where: list[Path]) -> None:
        for name in names:
            path = where[which] / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return damage


def split(log: bytes) -> list[bytes]:
    """Its batches."""
    found, at = [], 0
    while at < len(log):
        length = 12 + struct.unpack_from(">i", log, at + 8)[0]
        found.append(log[at:at + length])
        at += length
    return found


def metadata_log(where: list[Path]) -> tuple[Path, list[bytes]]:
    """The metadata log from its beginning, without snapshots of what was written to it."""
    directory = where[0] / METADATA
    for snapshot in directory.glob("*.checkpoint"):
        if not snapshot.name.startswith(FIRST):
            snapshot.unlink()
    log = directory / f"{FIRST}.log"
    return log, split(log.read_bytes())


def no_middle(where: list[Path]) -> None:
    log, batches = metadata_log(where)
    middle = len(batches) // 2
    log.write_bytes(b"".join(batches[:middle]))
    base = HEADER.unpack_from(batches[middle + 1])[0]
    (log.parent / f"{base:020}.log").write_bytes(b"".join(batches[middle + 1:]))


def one_more(value: bytes) -> Callable[[list[Path]], None]:
    def damage(where: list[Path]) -> None:
        log, batches = metadata_log(where)
        base, _, epoch, *_, = HEADER.unpack_from(batches[-1])
        delta = struct.unpack_from(">i", batches[-1], 23)[0]
        log.write_bytes(b"".join(batches) + batch([record(value)], base_offset=base + delta + 1, leader_epoch=epoch))
    return damage


def twins(where: list[Path]) -> None:
    shutil.copy(where[0] / "meta.properties", where[1] / "meta.properties")


def damaged(where: list[Path]) -> None:
    log, batches = metadata_log(where)
    log.write_bytes(b"".join([batches[0], batches[1][:-1] + bytes([batches[1][-1] ^ 1]), *batches[2:]]))


def level(feature: str, number: int) -> bytes:
    """A FeatureLevelRecord."""
    return bytes([1, 12, 0, len(feature) + 1]) + feature.encode() + struct.pack(">h", number) + b"\0"


def acl(principal: str) -> bytes:
    """An AccessControlEntryRecord: the principal may read the topic t."""
    texts = [bytes([len(text) + 1]) + text.encode() for text in ("t", principal, "*")]
    return bytes([1, 18, 0]) + b"i" * 16 + b"\2" + texts[0] + b"\3" + texts[1] + texts[2] + b"\3\3\0"


REFUSALS = [
    Refusal("no meta.properties", without("meta.properties"), "meta.properties.*copied in part.*copy"),
    Refusal("no meta.properties anywhere", lambda where: [without("meta.properties", which=n)(where) for n in (0, 1)], "no meta.properties.*copied in part"),
    Refusal("no meta.properties in the second directory", without("meta.properties", which=1), "data-2/meta.properties.*copied in part"),
    Refusal("no metadata log", without(METADATA), "metadata log .* is missing or empty.*copy it"),
    Refusal("metadata without the first half", lambda where: metadata_log(where)[0].write_bytes(b""), "is missing or empty|does not continue"),
    Refusal("meta.properties of another version", identity(lambda text: text.replace("version=1", "version=2"), 0), "version 2 is of another Kafka.*start the release"),
    Refusal("an unknown metadata record", one_more(bytes([1, 99, 0])), "unknown .*record of type 99.*a newer Kafka wrote it, go on with that one"),
    Refusal("an unknown version of a metadata record", one_more(bytes([1, 2, 9])), "version 9.*a newer Kafka wrote it, go on with that one"),
    Refusal("an unknown feature", one_more(level("moon.version", 1)), "moon.version at level 1.*a newer Kafka wrote it, go on with that one"),
    Refusal("a newer metadata.version", one_more(level("metadata.version", 99)), "metadata.version at level 99.*a newer Kafka wrote it, go on with that one"),
    Refusal("an ACL", one_more(acl("User:alice")), "an ACL for User:alice on t .*ottla.takeover.ignore.security=true"),
    Refusal("another cluster's directory", identity(lambda text: re.sub("cluster.id=.*", f"cluster.id={OTHER_CLUSTER}", text), 1), f"cluster.id {OTHER_CLUSTER}.*one cluster"),
    Refusal("another node's directory", identity(lambda text: text.replace("node.id=1", "node.id=7"), 1), "node.id 7 but this node is 1; correct"),
    Refusal("the same directory twice", twins, "same directory.id; one of them is a copy"),
    Refusal("a voter's other directory", identity(lambda text: re.sub("directory.id=.*", f"directory.id={OTHER_DIRECTORY}", text), 0), f"but this is directory {OTHER_DIRECTORY}"),
    Refusal("a missing middle segment of the metadata log", no_middle, "the segment with offset .* is missing before it"),
    Refusal("damage in the metadata log", damaged, "checksum does not match; restore the file"),
    Refusal("a directory in place of quorum-state", replaced_by_directory(f"{METADATA}/quorum-state"), "quorum-state: Is a directory.*put back the file"),
    Refusal("a directory in place of the metadata log's segment", replaced_by_directory(f"{METADATA}/{FIRST}.log"), "it is no file; put back the file"),
]


def truncated_index(where: list[Path]) -> None:
    index = segments(where, 0)[0].with_suffix(".index")
    os.truncate(index, index.stat().st_size - 3)


def middle_of(where: list[Path]) -> Path:
    return segments(where, 0)[1]


def no_middle_segment(where: list[Path]) -> None:
    segment = middle_of(where)
    for file in segment.parent.glob(f"{segment.stem}.*"):
        file.unlink()


def records_in_middle(where: list[Path]) -> int:
    return int(segments(where, 0)[2].stem) - int(middle_of(where).stem)


SERVED = [
    ("a truncated index", truncated_index, lambda _: 0, "rebuilding missing or malformed indexes"),
    ("a missing middle segment", no_middle_segment, records_in_middle, ""),
]
