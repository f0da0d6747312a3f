"""Brings in the outside clients and tools, each into compat/.work, each only when it is missing or its recipe changed."""
import hashlib
import os
import shutil
import sys
import threading
import time
from functools import partial
from pathlib import Path

from .broker import faulty_binary, ottla_binary, target_directory
from .shell import COMPAT, REPOSITORY, WORK, Failed, Skip, run

CLIENTS = COMPAT / "clients"
KAFKA = WORK / "kafka"
# Versions of kafka-clients.jar and what their files must hash to.
OLD_CLIENTS = {
    "3.9.1": "7568b998572d256f0b7bc0afdc1b7a2588b8b08415c62ce314c864a6851ae9d9",
    "2.8.2": "0351de6b808f551e4c6cf230a83984d653e14776cc0f4621e7a3eab377e2f621",
    "2.1.1": "d5c1ed6e23e815fe43c0f050ef0651110b9e9b59cfc4d86e50bf7cc084132a93",
    "1.1.1": "a92dd1c76be061ad40e1d2421c8a6a3f148c6c3b82af2f2259ad40e7c400d7bc",
}
# Has every call that one version or another lacks, so that one program can be compiled for all.
COMPILED_AGAINST = "2.8.2"
# Log shippers and the Debian packages they are made of: unpacked, never installed, as they would replace the machine's log service.
SHIPPERS = {"rsyslog": ["rsyslog", "rsyslog-kafka"], "syslog-ng": ["syslog-ng-core", "syslog-ng-mod-rdkafka"]}
MAVEN_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
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
    """Downloads side by side; problems are told by the checks that need the part. What takes minutes goes on behind the first checks."""
    threads = {name: threading.Thread(target=_quietly, args=(name,), daemon=True) for name in names}
    for thread in threads.values():
        thread.start()
    for name, thread in threads.items():
        if name not in SLOW:
            thread.join()


def _quietly(name: str) -> None:
    try:
        need(name)
    except Failed:
        pass


def ottla() -> None:
    """The broker under test."""
    if os.environ.get("COMPAT_BROKER"):
        return
    if not os.environ.get("OTTLA_BIN"):
        run(["cargo", "build", "--release", "--locked"], cwd=REPOSITORY, timeout=1800)
    if not os.access(ottla_binary(), os.X_OK):
        raise Failed(f"{ottla_binary()} is not there")


def faulty() -> None:
    """The broker with the layer of faults, which no release build has."""
    if not os.environ.get("OTTLA_FAULTS_BIN"):
        target = target_directory() / "faults"
        run(["cargo", "build", "--locked", "--features", "faults", "--target-dir", target], cwd=REPOSITORY, timeout=1800)
    if not os.access(faulty_binary(), os.X_OK):
        raise Failed(f"{faulty_binary()} is not there")


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


def kafka_clients() -> None:
    """The old versions of the Java library, and the program that runs with each of them and with the newest."""
    need("jvm")
    if shutil.which("javac") is None or shutil.which("mvn") is None:
        _apt("default-jdk-headless", "maven")
    source = CLIENTS / "kafka-clients" / "Client.java"
    with _Recipe("kafka-clients", [source], str(OLD_CLIENTS)) as fresh:
        if fresh:
            return
        for version, wanted in OLD_CLIENTS.items():
            jar = WORK / "kafka-clients" / f"kafka-clients-{version}.jar"
            artifact = f"-Dartifact=org.apache.kafka:kafka-clients:{version}"
            _patiently(["mvn", "-q", "-B", MAVEN_COPY, artifact, f"-DoutputDirectory={jar.parent}"], timeout=120)
            if hashlib.sha256(jar.read_bytes()).hexdigest() != wanted:
                raise Failed(f"{jar.name} is not the file it was")
        classpath = WORK / "kafka-clients" / f"kafka-clients-{COMPILED_AGAINST}.jar"
        run(["javac", "-nowarn", "-Xlint:-deprecation", "-cp", classpath, "-d", WORK / "kafka-clients", source], timeout=120)


def kcat() -> None:
    if shutil.which("kcat") is None:
        _apt("kcat")


def librdkafka() -> None:
    """Headers and compiler for the C programs."""
    if not Path("/usr/include/librdkafka/rdkafka.h").exists() or shutil.which("cc") is None:
        _apt("librdkafka-dev", "gcc", "libc6-dev")


def lz4() -> None:
    """The library, for a C program that decompresses by itself."""
    if not Path("/usr/include/lz4frame.h").exists():
        _apt("liblz4-dev")


def confluent() -> None:
    _venv("confluent")


def kafka_python() -> None:
    _venv("kafka-python")


def aiokafka() -> None:
    _venv("aiokafka")


def go() -> None:
    """The Go clients: one module, a program each."""
    if shutil.which("go") is None:
        raise Failed("no Go toolchain (https://go.dev/dl)")
    folder = CLIENTS / "go"
    with _Recipe("go", sorted(file for file in folder.rglob("*") if file.is_file())) as fresh:
        if not fresh:
            _patiently(["go", "build", "-o", f"{WORK / 'go'}/", "./franz-go", "./franz-go-worker", "./sarama", "./kafka-go"], cwd=folder, timeout=600)


def load() -> None:
    """The load generator for coordinators."""
    if shutil.which("go") is None:
        raise Failed("no Go toolchain (https://go.dev/dl)")
    folder = COMPAT / "perf" / "load"
    with _Recipe("load", sorted(folder.iterdir())) as fresh:
        if not fresh:
            _patiently(["go", "build", "-o", WORK / "load" / "load", "."], cwd=folder, timeout=300)


def rust() -> None:
    """The Rust clients: one crate, a program each; librdkafka is compiled with it."""
    for name, package in (("cc", "gcc"), ("make", "make"), ("c++", "g++")):
        if shutil.which(name) is None:
            _apt(package)
    folder = CLIENTS / "rust"
    with _Recipe("rust", sorted(file for file in folder.rglob("*") if file.is_file())) as fresh:
        if fresh:
            return
        target = WORK / "rust-target"
        environment = {"CARGO_TARGET_DIR": str(target)}
        _patiently(["nice", "cargo", "build", "--locked", "--bins"], cwd=folder, timeout=900, env=environment)
        for name in ("rskafka", "rdkafka"):
            shutil.copy(target / "debug" / name, WORK / "rust")


def kafkajs() -> None:
    if shutil.which("npm") is None:
        _apt("nodejs", "npm")
    folder = WORK / "kafkajs"
    recipe = [CLIENTS / "kafkajs" / "package.json"]
    with _Recipe("kafkajs", recipe) as fresh:
        if not fresh:
            shutil.copy(recipe[0], folder)
            _patiently(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder, timeout=180)


def shipper(name: str) -> None:
    """Its packages, and what of their dependencies the machine does not have, unpacked into one folder."""
    with _Recipe(name, [], str(SHIPPERS[name])) as fresh:
        if fresh:
            return
        archives = WORK / name / "archives"
        (archives / "partial").mkdir(parents=True)
        _apt("--reinstall", "--download-only", "-o", f"Dir::Cache::archives={archives}", *SHIPPERS[name])
        for archive in sorted(archives.glob("*.deb")):
            run(["dpkg", "-x", archive, WORK / name], timeout=60)


PARTS = {
    "ottla": ottla,
    "faulty": faulty,
    "jvm": jvm,
    "java": java_programs,
    "kafka-clients": kafka_clients,
    "kcat": kcat,
    "librdkafka": librdkafka,
    "lz4": lz4,
    "confluent": confluent,
    "kafka-python": kafka_python,
    "aiokafka": aiokafka,
    "go": go,
    "load": load,
    "rust": rust,
    "kafkajs": kafkajs,
    **{name: partial(shipper, name) for name in SHIPPERS},
}

SLOW = {"rust"}


def _venv(name: str) -> None:
    requirements = CLIENTS / name / "requirements.txt"
    with _Recipe(name, [requirements]) as fresh:
        if fresh:
            return
        folder = WORK / name
        run([sys.executable, "-m", "venv", "--clear", folder], timeout=120)
        _patiently([folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements], timeout=240)


class _Recipe:
    """A folder under .work, stamped with the hash of what it was made from once it is complete."""

    def __init__(self, name: str, sources: list[Path], more: str = ""):
        self.folder = WORK / name
        self.stamp = self.folder / ".made-from"
        self.hash = hashlib.sha256(b"".join(s.read_bytes() for s in sources) + more.encode()).hexdigest()

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


def _patiently(args, timeout, cwd=None, env=None) -> None:
    """The network may stumble: three attempts."""
    for attempt in range(3):
        try:
            run(args, timeout=timeout, cwd=cwd, env=env)
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
