"""What a broker process costs while a client runs: CPU, context switches, system calls, memory; all read from outside."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from harness.broker import Broker
from harness.shell import Failed, end, kill_session, run, spawn, tail
from memory import make_ready

GIB = 1 << 30
SYSCALLS = "raw_syscalls:sys_enter"


class Cost:
    """What a process has taken since it began: CPU seconds, those outside of the kernel, and context switches of all its threads."""

    def __init__(self, broker: Broker):
        self.cpu_seconds, self.user_seconds = broker.cpu_seconds(), broker.user_seconds()
        self.switches = 0
        for status in Path(f"/proc/{broker.pid}/task").glob("*/status"):
            try:
                lines = status.read_text().splitlines()
            except (FileNotFoundError, ProcessLookupError):
                continue  # a thread that has just ended
            self.switches += sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)

    def since(self, before: "Cost") -> tuple[float, float, int]:
        cpu, user = self.cpu_seconds - before.cpu_seconds, self.user_seconds - before.user_seconds
        return cpu, user, max(0, self.switches - before.switches)


class Driven:
    """A client program that prints "begin" where its measured part begins, and one line of JSON at its end."""

    def __init__(self, broker: Broker, command: list, timeout: float = 900):
        self.broker, self.command = broker, command
        self.errors = tempfile.TemporaryFile()
        self.process = spawn(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors)
        self.watchdog = threading.Timer(timeout, kill_session, [self.process])
        self.watchdog.start()

    def begun(self) -> None:
        if self.process.stdout.readline() != b"begin\n":
            raise self.failure("did not begin")

    def ended(self) -> dict:
        """What it printed at its end."""
        line = self.process.stdout.readline()
        if not line:
            raise self.failure("printed nothing at its end")
        return json.loads(line)

    def failure(self, what: str) -> Failed:
        end(self.process, patience=1)
        self.errors.seek(0)
        return Failed(f"{Path(self.command[0]).name} {self.command[1]} {what}: {tail(self.errors.read())}; the broker: {self.broker.log_tail()}")

    def close(self) -> None:
        self.watchdog.cancel()
        end(self.process, signal.SIGKILL)
        self.process.stdout.close()
        self.errors.close()


@contextmanager
def driven(broker: Broker, command: list):
    client = Driven(broker, command)
    try:
        yield client
    finally:
        client.close()


def figures(broker: Broker, command: list, record_bytes: int, written: int = 0) -> dict[str, float]:
    """Runs the client to its end and tells what was reached and what the broker took for it, for one record of `record_bytes`;
    it is about to have `written` bytes written."""
    make_ready(written)
    with driven(broker, command) as client:
        client.begun()
        before = Cost(broker)
        said = client.ended()
        cpu, user, switches = Cost(broker).since(before)
    records = said["records"]
    found = {
        "records/s": records / said["seconds"],
        "broker CPU, µs/record": cpu * 1e6 / records,
        "outside the kernel, µs/record": user * 1e6 / records,
        "broker CPU, s/GiB": cpu / (records * record_bytes / GIB),
        **{figure: value for figure, value in said.items() if figure.endswith(" ms")},
        "switches/request": switches / max(1, said["requests"]),
        "records/request": records / max(1, said["requests"]),
        "resident, MiB": broker.resident_mib(),
    }
    return found


def counter() -> str | None:
    """The program that can count system calls here: perf, strace (which slows what it counts) or none."""
    if shutil.which("perf"):
        if run(["perf", "stat", "-e", SYSCALLS, "true"], check=False).returncode == 0:
            return "perf"
    return "strace" if shutil.which("strace") else None


def syscalls_per_request(broker: Broker, command: list, by: str | None) -> float | None:
    """System calls of the broker for each request of a client that runs for this alone."""
    if by is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "told"
        count = {
            "perf": ["perf", "stat", "-x", ",", "-e", SYSCALLS, "-o", told, "-p", broker.pid],
            "strace": ["strace", "-c", "-f", "-o", told, "-p", broker.pid],
        }[by]
        counting = spawn(count, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            await_attached(counting, broker, by)
            with driven(broker, command) as client:
                client.begun()
                requests = client.ended()["all requests"]
        finally:
            end(counting, signal.SIGINT)
        return counted(told.read_text(), by) / max(1, requests)


def await_attached(counting: subprocess.Popen, broker: Broker, by: str, patience: float = 10) -> None:
    """Waits until all threads of the broker are looked at: perf has an event open for each, strace is each one's tracer."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and counting.poll() is None:
        try:
            if attached(counting, broker, by):
                return
        except (FileNotFoundError, ProcessLookupError):
            pass  # a descriptor or a thread that has just gone
        time.sleep(0.01)
    raise Failed(f"{by} did not attach to the broker")


def attached(counting: subprocess.Popen, broker: Broker, by: str) -> bool:
    threads = list(Path(f"/proc/{broker.pid}/task").iterdir())
    if by == "perf":
        looked_at = sum("perf_event" in os.readlink(link) for link in Path(f"/proc/{counting.pid}/fd").iterdir())
    else:
        looked_at = sum(f"TracerPid:\t{counting.pid}\n" in (thread / "status").read_text() for thread in threads)
    return looked_at >= len(threads)


def counted(told: str, by: str) -> int:
    """What perf counted for the one event, or the calls in each row of strace's table: share, seconds, µs a call, calls, …, name."""
    if by == "perf":
        rows = [line.split(",")[0] for line in told.splitlines() if SYSCALLS in line]
    else:
        rows = [line.split()[3] for line in told.splitlines() if len(line.split()) >= 5 and not line.endswith(" total")]
    calls = sum(int(row) for row in rows if row.isdigit())
    if not calls:
        raise Failed(f"{by} has counted no system calls: {told[-200:]!r}")
    return calls


def evict(paths: list[Path]) -> None:
    """Writes files out and takes them from the page cache."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
