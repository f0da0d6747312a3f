"""How each client program is started."""
import subprocess

from .install import CLIENTS, KAFKA, OLD_CLIENTS, need
from .records import pool
from .shell import WORK, Failed, run, spawn, tail

CURRENT_JAVA = "java 4.3.1"
# Every client of the scenarios; the oldest Java is reported beside what it does with Kafka itself. Those in Rust stand last, as
# they are still being compiled when the others begin.
ALL = [
    CURRENT_JAVA, *(f"java {version}" for version in OLD_CLIENTS), "confluent", "kcat", "franz-go", "sarama", "kafka-go",
    "kafka-python", "aiokafka", "kafkajs", "rskafka", "rdkafka",
]
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
# Zstandard came with 2.1 (KIP-110).
WITHOUT_CODECS = {"java 1.1.1": {"zstd"}}

SMALL_JVM = ["-Xmx256M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]


def slug(name: str) -> str:
    """A name as part of a topic's or a file's."""
    return name.replace(" ", "-").replace(",", "")


def part_of(client: str) -> str:
    """The part to install for a client."""
    if client.startswith("java "):
        return "kafka-clients"
    if client in ("franz-go", "sarama", "kafka-go"):
        return "go"
    return "rust" if client in ("rskafka", "rdkafka") else client


def command(client: str, *arguments) -> list:
    """A program of the scenario language."""
    part = part_of(client)
    need(part)
    if part == "kafka-clients":
        return kafka_clients(client.removeprefix("java "), "Client", *arguments)
    if part in ("go", "rust"):
        return [WORK / part / client, *arguments]
    if client == "kafkajs":
        return ["node", CLIENTS / "kafkajs" / "client.js", *arguments]
    python = "python3" if client == "kcat" else WORK / client / "bin" / "python"
    return [python, CLIENTS / client / "client.py", *arguments]


def produce(client: str, bootstrap: str, topic: str, codec: str, count: int, partitions: int, timeout: float) -> None:
    """One idempotent `produce` in a program of its own, for scenarios that only need records."""
    said = run(
        command(client, bootstrap, pool()), timeout=timeout, env=environment(client),
        stdin=f"produce {topic} {count} {partitions} codec={codec} idempotent=yes\n",
    ).stdout
    if not said.startswith(b"ok"):
        raise Failed(f"{client} could not produce: {tail(said)}")


def environment(client: str) -> dict[str, str]:
    if client == "kafkajs":
        return {"NODE_PATH": str(WORK / "kafkajs" / "node_modules"), "KAFKAJS_NO_PARTITIONER_WARNING": "1"}
    return {}


def kafka_clients(version: str, program: str, *arguments) -> list:
    """A program with the library of that version; codecs and logging come from the newest one's jars."""
    folder = WORK / "kafka-clients"
    if version in OLD_CLIENTS:
        names = ("lz4", "snappy", "zstd", "slf4j-api")
        jars = [folder / f"kafka-clients-{version}.jar", *(jar for name in names for jar in sorted((KAFKA / "libs").glob(f"{name}*.jar")))]
    else:
        jars = [f"{KAFKA}/libs/*"]
    logging = f"-Dlog4j2.configurationFile={KAFKA}/log4j2.properties"
    return ["java", *SMALL_JVM, logging, "-cp", ":".join(map(str, [folder, *jars])), program, *arguments]


def java(program: str, *arguments) -> list:
    """One of the programs in clients/java, which know the newest library only."""
    need("java")
    classpath = f"{WORK / 'java'}:{KAFKA}/libs/*"
    logging = f"-Dlog4j2.configurationFile={KAFKA}/log4j2.properties"
    return ["java", *SMALL_JVM, logging, "-cp", classpath, program, *arguments]


def confluent(program: str, *arguments) -> list:
    need("confluent")
    return [WORK / "confluent" / "bin" / "python", CLIENTS / "confluent" / program, *arguments]


def spawn_confluent(program: str, log, *arguments):
    """A confluent program in the background, its output in `log`."""
    return spawn(confluent(program, *arguments), stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def tool(name: str, *arguments, timeout=120.0, stdin=None, check=True):
    """One of Kafka's own command line tools; answers (stdout, stderr) as text."""
    need("jvm")
    done = run(
        [KAFKA / "bin" / f"{name}.sh", *arguments], timeout=timeout, stdin=stdin, check=check,
        env={"KAFKA_HEAP_OPTS": "-Xmx512M", "KAFKA_JVM_OPTS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto"},
    )
    return done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
