"""One broker process, ours or Kafka's own, on free ports and in a directory that goes away afterwards."""
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from . import wire
from .shell import COMPAT, WORK, Failed, end, spawn, tail

TICKS = os.sysconf("SC_CLK_TCK")

# Small enough for a laptop and the same for both brokers.
COMMON = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "100",
    "auto.create.topics.enable": "false",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Broker:
    """`kind` is "ottla" or "jvm"; both are started on the same server.properties."""

    def __init__(self, kind: str, name: str, properties: dict[str, str] | None = None, environment: dict[str, str] | None = None):
        self.kind, self.name = kind, name
        self.environment = {**os.environ, **(environment or {})}
        self.root = WORK / "run" / f"{os.getpid()}-{name}"
        shutil.rmtree(self.root, ignore_errors=True)
        self.data = self.root / "data"
        self.data.mkdir(parents=True)
        self.properties = properties or {}
        self.process: subprocess.Popen | None = None
        self.choose_ports()

    def choose_ports(self) -> None:
        self.port, self.controller_port, self.admin_port = free_port(), free_port(), free_port()
        own = {"ottla.admin.listener": f"127.0.0.1:{self.admin_port}"} if self.kind == "ottla" else {}
        self.write_config(own)

    def write_config(self, own: dict[str, str] | None = None) -> None:
        listeners = f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}"
        settings = {
            **COMMON,
            "listeners": listeners,
            "advertised.listeners": listeners,
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{self.controller_port}",
            "log.dirs": str(self.data),
            **self.properties,
            **(own or {}),
        }
        self.config = self.root / "server.properties"
        self.config.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def log_file(self) -> Path:
        return self.root / f"{self.kind}.log"

    def log_tail(self) -> str:
        """The last lines of its log, on one."""
        return tail(self.log_file.read_bytes()) if self.log_file.exists() else ""

    def become(self, kind: str) -> None:
        """The other implementation takes the directory over at the next start."""
        self.kind = kind
        self.choose_ports()

    def start(self, patience=120.0, answered=wire.await_answer) -> float:
        """Starts it; answers the seconds from process start to the first Metadata answer, or to what else is waited for."""
        attempts = 3 if not (self.data / "meta.properties").exists() else 1
        for attempt in range(attempts):
            self._spawn()
            try:
                return answered(self.port, lambda: self.process.poll() is None, patience)
            except Failed as failure:
                self.kill()
                text = self.log_file.read_text(errors="replace") if self.log_file.exists() else ""
                in_use = "in use" in text.lower()
                if not in_use or attempt + 1 == attempts:
                    raise Failed(f"{self.kind} broker: {failure}; {tail(text.encode())}") from None
                self.choose_ports()
        raise AssertionError("unreachable")

    def command(self) -> list:
        """What is run as the broker."""
        return [ottla_binary(), "start", self.config] if self.kind == "ottla" else [COMPAT / "jvm" / "start.sh", self.config]

    def _spawn(self) -> None:
        with open(self.log_file, "ab") as log:
            self.process = spawn(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.root, env=self.environment)

    @property
    def pid(self) -> int:
        return self.process.pid

    def stop(self, patience=90.0) -> float:
        """A clean stop; answers its seconds. A JVM ends with 143 after SIGTERM, ours with 0."""
        begun = time.monotonic()
        code = end(self.process, signal.SIGTERM, patience)
        expected = {0} if self.kind == "ottla" else {0, 143}
        if code not in expected:
            raise Failed(f"the {self.kind} broker ended with {code} after SIGTERM: {tail(self.log_file.read_bytes())}")
        return time.monotonic() - begun

    def kill(self) -> None:
        """kill -9."""
        if self.process:
            end(self.process, signal.SIGKILL)

    def close(self) -> None:
        self.kill()
        if not os.environ.get("COMPAT_KEEP"):
            shutil.rmtree(self.root, ignore_errors=True)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    # What the process costs, read from outside.

    def cpu_seconds(self) -> float:
        return sum(self._times())

    def user_seconds(self) -> float:
        return self._times()[0]

    def _times(self) -> tuple[float, float]:
        """CPU seconds outside of the kernel and in it."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) / TICKS, int(fields[12]) / TICKS

    def resident_mib(self) -> float:
        return self._status("VmRSS") / 1024

    def peak_mib(self) -> float:
        return self._status("VmHWM") / 1024

    def _status(self, field: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])
        return 0

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def partition_dirs(self, topic: str) -> list[Path]:
        return sorted(p for p in self.data.glob(f"{topic}-*") if p.name[len(topic) + 1:].isdigit())

    def segments(self, topic: str) -> int:
        return sum(len(list(p.glob("*.log"))) for p in self.partition_dirs(topic))

    def bytes_on_disk(self, topic: str) -> int:
        """Blocks taken by everything under the topic's directories, those marked for deletion included (a JVM's indexes are sparse)."""
        total = 0
        for directory in self.data.glob(f"{topic}-*"):
            for file in directory.glob("*"):
                try:
                    total += file.stat().st_blocks * 512
                except FileNotFoundError:
                    pass
        return total


class BrokerElsewhere(Broker):
    """A broker that somebody else runs, in a container beside this one: `where` is its address, its controller's address and
    its log directory, which can be read here."""

    def __init__(self, where: str, name: str):
        address, controller, data = where.split(",")
        self.port, self.controller_port = (int(text.rsplit(":", 1)[1]) for text in (address, controller))
        super().__init__("ottla", name, {"log.dirs": data})
        self.data = Path(data)

    def choose_ports(self) -> None:
        self.write_config()

    def start(self, patience=60.0) -> float:
        return wire.await_answer(self.port, lambda: True, patience)


def ottla_binary() -> Path:
    given = os.environ.get("OTTLA_BIN")
    return Path(given) if given else target_directory() / "release" / "ottla"


def faulty_binary() -> Path:
    """The broker with the layer of faults under its logs."""
    given = os.environ.get("OTTLA_FAULTS_BIN")
    return Path(given) if given else target_directory() / "faults" / "debug" / "ottla"


def target_directory() -> Path:
    return Path(os.environ.get("CARGO_TARGET_DIR") or COMPAT.parent / "target")
