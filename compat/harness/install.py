"""Brings in the outside clients and tools, each into compat/.work, each only when it is missing or its recipe changed."""
import hashlib
import os
import shutil
import sys
import threading
import time
from pathlib import Path

from .broker import ottla_binary
from .shell import COMPAT, REPOSITORY, WORK, Failed, Skip, run

CLIENTS = COMPAT / "clients"
KAFKA = WORK / "kafka"
# Versions of kafka-clients.jar and what their files must hash to.
OLD_CLIENTS = {
    "2.1.1": "d5c1ed6e23e815fe43c0f050ef0651110b9e9b59cfc4d86e50bf7cc084132a93",
    "2.8.2": "0351de6b808f551e4c6cf230a83984d653e14776cc0f4621e7a3eab377e2f621",
    "3.9.1": "7568b998572d256f0b7bc0afdc1b7a2588b8b08415c62ce314c864a6851ae9d9",
}
_once: dict[str, Exception | None] = {}
_locks: dict[str, threading.Lock] = {}
_guard = threading.Lock()


def need(*names: str) -> None:
    """Makes sure that each part is there; a part that cannot be had fails every check that asks for it."""
    for name in names:
        with _guard:
            lock = _locks.setdefault(name, threading.Lock())
        with lock:
            if name not in _once:
                print(f"  … preparing {name}", file=sys.stderr, flush=True)
                try:
                    PARTS[name]()
                    _once[name] = None
                except (Failed, OSError) as problem:
                    _once[name] = problem
            if _once[name] is not None:
                raise Failed(f"{name} could not be prepared: {_once[name]}")


def prepare_all(names: list[str]) -> None:
    """Downloads side by side; problems are told by the checks that need the part."""
    threads = [threading.Thread(target=_quietly, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _quietly(name: str) -> None:
    try:
        need(name)
    except Failed:
        pass


def ottla() -> None:
    """The broker under test."""
    if not os.environ.get("OTTLA_BIN"):
        run(["cargo", "build", "--release", "--locked"], cwd=REPOSITORY, timeout=1800)
    if not os.access(ottla_binary(), os.X_OK):
        raise Failed(f"{ottla_binary()} is not there")


def jvm() -> None:
    """Kafka's jars, from which its broker and its tools run."""
    if shutil.which("java") is None or (shutil.which("mvn") is None and not KAFKA.exists()):
        _apt("default-jdk-headless", "maven")
    _patiently([COMPAT / "jvm" / "install.sh", KAFKA], timeout=300)


def java_programs() -> None:
    """Our own Java programs against Kafka's jars."""
    need("jvm")
    if shutil.which("javac") is None:
        _apt("default-jdk-headless")
    sources = sorted((CLIENTS / "java").glob("*.java"))
    with _Recipe("java", sources) as fresh:
        if not fresh:
            run(["javac", "-nowarn", "-cp", f"{KAFKA}/libs/*", "-d", WORK / "java", *sources], timeout=120)


def old_java() -> None:
    """Old client libraries, and one program compiled against the oldest of them."""
    need("jvm")
    if shutil.which("javac") is None:
        _apt("default-jdk-headless")
    source = CLIENTS / "old-java" / "Old.java"
    with _Recipe("old-java", [source]) as fresh:
        if fresh:
            return
        for version, wanted in OLD_CLIENTS.items():
            jar = WORK / "old-java" / f"kafka-clients-{version}.jar"
            address = f"https://repo1.maven.org/maven2/org/apache/kafka/kafka-clients/{version}/{jar.name}"
            _patiently(["curl", "-sSfL", "-o", jar, address], timeout=120)
            if hashlib.sha256(jar.read_bytes()).hexdigest() != wanted:
                raise Failed(f"{address} is not the file it was")
        oldest = WORK / "old-java" / f"kafka-clients-{next(iter(OLD_CLIENTS))}.jar"
        run(["javac", "-nowarn", "-cp", oldest, "-d", WORK / "old-java", source], timeout=120)


def kcat() -> None:
    if shutil.which("kcat") is None:
        _apt("kcat")


def librdkafka() -> None:
    """Headers and compiler for the C programs."""
    if not Path("/usr/include/librdkafka/rdkafka.h").exists() or shutil.which("cc") is None:
        _apt("librdkafka-dev", "gcc", "libc6-dev")


def confluent() -> None:
    _venv("confluent")


def kafka_python() -> None:
    _venv("kafka-python")


def franz_go() -> None:
    _go("franz-go")


def sarama() -> None:
    _go("sarama")


def kafkajs() -> None:
    if shutil.which("npm") is None:
        _apt("nodejs", "npm")
    folder = WORK / "kafkajs"
    recipe = [CLIENTS / "kafkajs" / "package.json"]
    with _Recipe("kafkajs", recipe) as fresh:
        if not fresh:
            shutil.copy(recipe[0], folder)
            _patiently(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder, timeout=180)


PARTS = {
    "ottla": ottla,
    "jvm": jvm,
    "java": java_programs,
    "old-java": old_java,
    "kcat": kcat,
    "librdkafka": librdkafka,
    "confluent": confluent,
    "kafka-python": kafka_python,
    "franz-go": franz_go,
    "sarama": sarama,
    "kafkajs": kafkajs,
}


def _venv(name: str) -> None:
    requirements = CLIENTS / name / "requirements.txt"
    with _Recipe(name, [requirements]) as fresh:
        if fresh:
            return
        folder = WORK / name
        run([sys.executable, "-m", "venv", "--clear", folder], timeout=120)
        _patiently([folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements], timeout=240)


def _go(name: str) -> None:
    if shutil.which("go") is None:
        raise Failed("no Go toolchain (https://go.dev/dl)")
    folder = CLIENTS / name
    with _Recipe(name, [folder / f for f in ("main.go", "go.mod", "go.sum")]) as fresh:
        if not fresh:
            _patiently(["go", "build", "-o", WORK / name / "client", "."], cwd=folder, timeout=300)


class _Recipe:
    """A folder under .work, stamped with the hash of what it was made from once it is complete."""

    def __init__(self, name: str, sources: list[Path]):
        self.folder = WORK / name
        self.stamp = self.folder / ".made-from"
        self.hash = hashlib.sha256(b"".join(s.read_bytes() for s in sources)).hexdigest()

    def __enter__(self) -> bool:
        fresh = self.stamp.exists() and self.stamp.read_text() == self.hash
        if not fresh:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
        return fresh

    def __exit__(self, kind, *_):
        if kind is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.stamp.write_text(self.hash)


def _patiently(args, timeout, cwd=None) -> None:
    """The network may stumble: three attempts."""
    for attempt in range(3):
        try:
            run(args, timeout=timeout, cwd=cwd)
            return
        except Failed:
            if attempt == 2:
                raise
            time.sleep(3 * (attempt + 1))


_apt_lock = threading.Lock()


def _apt(*packages: str) -> None:
    if shutil.which("apt-get") is None:
        raise Skip(f"install {', '.join(packages)} by hand: there is no apt-get here")
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    with _apt_lock:
        environment = {"DEBIAN_FRONTEND": "noninteractive"}
        for attempt in range(3):
            try:
                run([*as_root, "apt-get", "install", "-y", "--no-install-recommends", *packages], timeout=300, env=environment)
                return
            except Failed:
                if attempt == 2:
                    raise
                run([*as_root, "apt-get", "update"], timeout=180, env=environment, check=False)
