"""What is measured, and on what."""
import os
import platform
import time
from pathlib import Path

from brokers import OTHER_BINARY, RDPERF
from harness import install
from harness.broker import ottla_binary
from harness.shell import WORK, run


def machine() -> dict[str, str]:
    return {
        "CPU": f"{os.cpu_count()} × {cpu_model()}",
        "memory": f"{memory_gib():.0f} GiB",
        "kernel": platform.release(),
        "file system": file_system(WORK),
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def memory_gib() -> float:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 30)


def file_system(path: Path) -> str:
    """Type and device of what is mounted over the path."""
    best, found = "", "?"
    for line in Path("/proc/mounts").read_text().splitlines():
        device, mounted, kind = line.split()[:3]
        if str(path.resolve()).startswith(mounted) and len(mounted) >= len(best):
            best, found = mounted, f"{kind} on {device}"
    return found


def versions(kinds: list[str]) -> dict[str, str]:
    of = {
        "ottla": lambda: ottla_version(ottla_binary()), "other": lambda: ottla_version(Path(os.environ[OTHER_BINARY])), "jvm": kafka_version,
    }
    told = {kind: of[kind]() for kind in kinds if kind in of}
    told["client"] = f"librdkafka {run([RDPERF, 'version']).stdout.decode().strip()}"
    return told


def ottla_version(binary: Path) -> str:
    built = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(binary.stat().st_mtime))
    return f"{run([binary, '--version']).stdout.decode().strip()} ({binary}, of {built})"


def kafka_version() -> str:
    jars = sorted((install.KAFKA / "libs").glob("kafka-clients-*.jar"))
    return f"Apache Kafka {jars[0].stem.removeprefix('kafka-clients-')}" if jars else "Apache Kafka"
