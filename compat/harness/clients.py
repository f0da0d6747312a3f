"""How each client program is started."""
import subprocess

from .install import CLIENTS, KAFKA, need
from .records import pool
from .shell import WORK, Failed, Skip, name_of, run, spawn, tail

MATRIX = ["kcat", "confluent", "kafka-python", "franz-go", "sarama", "kafkajs", "java"]
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
NO_CODEC = 77

# Clients that can only send the same headers with every record.
FIXED_HEADERS = {"kcat": "h=kcat,h=again,e="}

SMALL_JVM = ["-Xmx256M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]


def java(program: str, *arguments) -> list:
    need("java")
    classpath = f"{WORK / 'java'}:{KAFKA}/libs/*"
    logging = f"-Dlog4j2.configurationFile={KAFKA}/log4j2.properties"
    return ["java", *SMALL_JVM, logging, "-cp", classpath, program, *arguments]


def old_java(version: str, program: str, *arguments) -> list:
    """A program with an old client library; codecs and logging come from the new one's jars."""
    folder = WORK / "old-java"
    others = [jar for name in ("lz4", "snappy", "zstd", "slf4j-api") for jar in sorted((KAFKA / "libs").glob(f"{name}*.jar"))]
    classpath = ":".join(map(str, [folder, folder / f"kafka-clients-{version}.jar", *others]))
    return ["java", *SMALL_JVM, "-cp", classpath, program, *arguments]


def confluent(program: str, *arguments) -> list:
    need("confluent")
    return [WORK / "confluent" / "bin" / "python", CLIENTS / "confluent" / program, *arguments]


def spawn_confluent(program: str, log, *arguments):
    """A confluent program in the background, its output in `log`."""
    return spawn(confluent(program, *arguments), stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def command(client: str, *arguments) -> list:
    if client == "java":
        return java("Client", *arguments)
    need(client)
    if client == "kcat":
        return ["python3", CLIENTS / "kcat" / "client.py", *arguments]
    if client in ("confluent", "kafka-python"):
        return [WORK / client / "bin" / "python", CLIENTS / client / "client.py", *arguments]
    if client == "kafkajs":
        return ["node", CLIENTS / "kafkajs" / "client.js", *arguments]
    return [WORK / client / "client", *arguments]


def produce(client: str, bootstrap: str, topic: str, codec: str, count: int, partitions: int, timeout: float) -> None:
    args = command(client, "produce", bootstrap, topic, codec, count, partitions, pool())
    done = run(args, timeout=timeout, env=environment(client), check=False)
    if done.returncode == NO_CODEC:
        raise Skip(f"{client} cannot load {codec}: {tail(done.stderr, 200)}")
    if done.returncode != 0:
        raise Failed(f"{name_of(args)} ended with {done.returncode}: {tail(done.stderr)}")


def consume(client: str, bootstrap: str, topic: str, count: int, partitions: int, timeout: float) -> bytes:
    args = command(client, "consume", bootstrap, topic, count, partitions)
    return run(args, timeout=timeout, env=environment(client)).stdout


def environment(client: str) -> dict[str, str]:
    if client == "kafkajs":
        return {"NODE_PATH": str(WORK / "kafkajs" / "node_modules"), "KAFKAJS_NO_PARTITIONER_WARNING": "1"}
    return {}


def tool(name: str, *arguments, timeout=120.0, stdin=None, check=True):
    """One of Kafka's own command line tools; answers (stdout, stderr) as text."""
    need("jvm")
    done = run(
        [KAFKA / "bin" / f"{name}.sh", *arguments], timeout=timeout, stdin=stdin, check=check,
        env={"KAFKA_HEAP_OPTS": "-Xmx512M", "KAFKA_JVM_OPTS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto"},
    )
    return done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
