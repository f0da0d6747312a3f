"""kcat behind the scenario language: each command starts it anew. Records go in by stdin and come out by a format string."""
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))
from session import FETCH_BYTES, FETCH_PARTITION_BYTES, REQUEST_BYTES, Cannot, Records, Refused, line, pairs, serve

SETTINGS = ["-X", f"message.max.bytes={REQUEST_BYTES}", "-X", "topic.metadata.propagation.max.ms=3000"]
SMALL_FETCHES = [
    "-X", f"fetch.max.bytes={FETCH_BYTES}", "-X", f"message.max.bytes={FETCH_BYTES}",
    "-X", f"fetch.message.max.bytes={FETCH_PARTITION_BYTES}",
]
# How librdkafka words the errors that scenarios ask for.
WORDED = {10: "Broker: Message size too large", 3: "Broker: Unknown topic or partition"}
HEAD = re.compile(rb"(\d+) (\d+) (-?\d+) (-?\d+) ([^|]*)\|")


class Program:
    def __init__(self, bootstrap, pool):
        self.bootstrap = bootstrap
        self.records = Records(pool)
        self.reading = None
        self.member = None

    def refusal(self, error):
        return None

    def version(self):
        said = subprocess.run(["kcat", "-V"], capture_output=True, text=True).stdout
        return "kcat " + re.search(r"Version (\S+)", said)[1] + ", librdkafka " + re.search(r"librdkafka ([\d.]+)", said)[1]

    def call(self, *arguments, stdin=b"", seconds=60):
        command = ["kcat", "-b", self.bootstrap, *map(str, arguments)]
        try:
            done = subprocess.run(command, input=stdin, capture_output=True, timeout=seconds)
        except subprocess.TimeoutExpired as late:
            return late.stdout or b""
        if done.returncode != 0 or b"ERROR" in done.stderr:
            raise refused(done.stderr)
        return done.stdout

    # What brokers tell.

    def topics(self):
        said = self.call("-L").decode()
        return " ".join(sorted(name for name in re.findall(r'topic "([^"]+)" with', said) if not name.startswith("__")))

    def offsets(self, topic, partitions, at):
        return pairs(self._offsets(topic, partitions, at))

    def _offsets(self, topic, partitions, at):
        spec = {"earliest": -2, "latest": -1}.get(at, at)
        queries = [word for p in range(int(partitions)) for word in ("-t", f"{topic}:{p}:{spec}")]
        said = self.call("-Q", *queries, seconds=20).decode()
        return {int(p): int(offset) for p, offset in re.findall(r"\[(\d+)\] offset (-?\d+)", said)}

    # Records.

    def produce(self, topic, count, partitions, codec="none", idempotent="no", size=None, **options):
        shares = [[] for _ in range(int(partitions))]
        for i, key, value, _ in self.records.numbered(count, options.get("from", 0), size):
            shares[i % int(partitions)].append((key or b"") + b"\t" + (value or b"") + b"\n")
        for partition, share in enumerate(shares):
            if share:
                self.call(
                    "-P", "-t", topic, "-p", partition, "-K", "\t", "-Z", "-z", codec, *SETTINGS,
                    "-H", "h=kcat", "-H", "h=again", "-H", "e=", "-X", "acks=all", "-X", "linger.ms=20",
                    "-X", f"enable.idempotence={'true' if idempotent == 'yes' else 'false'}", "-X", "message.timeout.ms=60000",
                    stdin=b"".join(share), seconds=200,
                )
        return count

    # Reading.

    def assign(self, topic, partitions, at, isolation="read_uncommitted"):
        starts = self._offsets(topic, partitions, at)
        ends = self._offsets(topic, partitions, "latest")
        self.reading = (topic, {p: offset if offset >= 0 else ends[p] for p, offset in starts.items()}, isolation)

    def join(self, group, topic, assignor, isolation="read_uncommitted"):
        if assignor == "sticky":
            raise Cannot("librdkafka has no eager sticky assignor")
        self.reading = None
        self.member = Member(self.bootstrap, group, topic, assignor, isolation)

    def owned(self):
        time.sleep(0.1)
        return " ".join(map(str, sorted(self.member.running().owned)))

    def read(self, count, seconds, file):
        if self.reading is None:
            return self.member.read(int(count), float(seconds), file)
        return self._read_assigned(int(count), float(seconds), file)

    def _read_assigned(self, count, seconds, file):
        """One partition after the other, up to its end; with a wait at the last one's end if there are too few."""
        topic, starts, isolation = self.reading
        deadline, seen = time.monotonic() + seconds, 0
        while True:
            for partition, start in starts.items():
                if seen < count:
                    out = self.call(
                        "-C", "-q", "-e", "-t", topic, "-p", partition, "-o", start, "-c", count - seen, *SMALL_FETCHES,
                        "-f", "%p %o %K %S %h|%k%s\n", "-X", f"isolation.level={isolation}", seconds=max(1, deadline - time.monotonic()),
                    )
                    rows = list(parse(out))
                    if rows:
                        starts[partition] = rows[-1][1] + 1
                    write(rows, file)
                    seen += len(rows)
            if seen >= count or time.monotonic() >= deadline:
                return seen
            time.sleep(0.1)

    def commit(self):
        """It commits as it ends, and then all it has put out."""
        if self.member.process is not None and len(list(parse(self.member.told))) != self.member.taken:
            raise Cannot("kcat commits more than was asked of it")

    def leave(self):
        if self.member is not None:
            self.member.end()
        self.member = self.reading = None


class Member:
    """kcat as a balanced consumer. It starts at the first question, because only then it is known how much it is to read."""

    def __init__(self, bootstrap, group, topic, assignor, isolation):
        strategy = [] if assignor == "any" else ["-X", f"partition.assignment.strategy={assignor}"]
        self.command = [
            "kcat", "-b", bootstrap, "-u", *SMALL_FETCHES, *strategy, "-X", "auto.offset.reset=earliest",
            "-X", "session.timeout.ms=10000", "-X", "heartbeat.interval.ms=500", "-X", f"isolation.level={isolation}",
            "-f", "%p %o %K %S %h|%k%s\n",
        ]
        self.group = ["-G", group, topic]
        self.process = None
        self.owned: set[int] = set()
        self.told = b""
        self.taken = 0

    def running(self):
        if self.process is None:
            self.process = self._start([])
        return self

    def _start(self, limit):
        command = [*self.command, *limit, *self.group]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        threading.Thread(target=self._hear, args=(process,), daemon=True).start()
        threading.Thread(target=self._take, args=(process,), daemon=True).start()
        return process

    def _hear(self, process):
        """`… rebalanced (memberid M): assigned: T [0], T [1]`, or with a cooperative assignor `… incremental assignment of …: T [1]`."""
        for text in process.stderr:
            found = re.search(rb"rebalanced.*(assigned|incremental assignment|revoked|incremental revoke).*: (.*)", text)
            if found:
                partitions = {int(p) for p in re.findall(rb"\[(\d+)\]", found[2])}
                gained = found[1] in (b"assigned", b"incremental assignment")
                self.owned = self.owned | partitions if gained else self.owned - partitions

    def _take(self, process):
        while piece := process.stdout.read1(65536):
            self.told += piece

    def read(self, count, seconds, file):
        alone = self.process is None
        process = self._start(["-c", str(count)]) if alone else self.process
        deadline = time.monotonic() + seconds
        while True:
            ended = process.poll() is not None
            rows = list(parse(self.told))[self.taken:self.taken + count]
            if len(rows) >= count or time.monotonic() >= deadline or ended:
                break
            time.sleep(0.05)
        if alone:
            stop(process, seconds if len(rows) >= count else 0)
            self.told, self.taken = b"", 0
        else:
            self.taken += len(rows)
        write(rows, file)
        return len(rows)

    def end(self):
        if self.process is not None:
            stop(self.process, 0)


def stop(process, patience):
    """Waits for an end it comes to by itself, then asks for one."""
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def parse(out):
    """(partition, offset, key, value, headers) of each whole record."""
    at = 0
    while match := HEAD.match(out, at):
        partition, offset, key_size, value_size = (int(match[n]) for n in (1, 2, 3, 4))
        at = match.end()
        key_end = at + max(key_size, 0)
        end = key_end + max(value_size, 0)
        if len(out) <= end:
            return
        headers = [tuple(pair.split(b"=", 1)) for pair in match[5].split(b",") if pair]
        yield (
            partition, offset, None if key_size < 0 else out[at:key_end], None if value_size < 0 else out[key_end:end],
            [(name.decode(), value) for name, value in headers],
        )
        at = end + 1


def write(rows, file):
    with open(file, "a", encoding="utf-8") as out:
        out.writelines(line(*row) for row in rows)


def refused(stderr):
    text = stderr.decode(errors="replace")
    if "ompression" in text and "not" in text:
        return Cannot(text)
    return Refused(next((code for code, words in WORDED.items() if words in text), None), text[-300:])


if __name__ == "__main__":
    serve(Program(*sys.argv[1:]))
