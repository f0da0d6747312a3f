#!/usr/bin/env python3
"""Builds the images and tries them as their users do: size, start, health, stop, environment, compose, Kafka's own tools.

    docker/test.py      (`make docker-test`)

What is missing is installed by apt-get; without a running dockerd one is started and stopped again. Base images that cannot be
pulled are made by stand-ins.sh. With OTTLA_BIN the image holds that program instead of building one.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
sys.path.insert(0, str(REPOSITORY / "compat"))
from harness import wire  # noqa: E402
from harness.broker import free_port  # noqa: E402

WORK = REPOSITORY / "compat" / ".work" / "docker"
IMAGE, COMPAT_IMAGE = "ottla", "ottla-compat"
SIZE_LIMIT_BYTES = 30_000_000
FIRST_ANSWER_LIMIT_SECONDS = 0.3
STARTS = 5


def main() -> None:
    # So that what was started is ended, too, when this program is.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    install()
    WORK.mkdir(parents=True, exist_ok=True)
    with Daemon():
        base_images()
        build()
        for name, check in (
            ("image", image), ("start", start), ("environment", environment), ("compose", compose), ("compat", compat),
        ):
            print(f"{name}: {check()}", flush=True)


def install() -> None:
    wanted = {"dockerd": "docker.io", "docker": "docker.io", "debootstrap": "debootstrap"}
    packages = {package for program, package in wanted.items() if shutil.which(program) is None}
    if compose_command() is None:
        packages.add("docker-compose")
    if packages:
        if run("apt-get", "install", "-y", "--no-install-recommends", *packages, check=False).returncode:
            run("apt-get", "update")
            run("apt-get", "install", "-y", "--no-install-recommends", *packages)


class Daemon:
    """dockerd: the one that runs, or one of our own for as long as this program does."""

    def __enter__(self):
        self.process, self.place = None, None
        if run("docker", "info", check=False).returncode == 0:
            return self
        self.place = Path(tempfile.mkdtemp(prefix="ottla-docker-"))
        socket = f"unix://{self.place}/docker.sock"
        os.environ["DOCKER_HOST"] = socket
        for driver in ((), ("--storage-driver=vfs",)):
            command = ["dockerd", "-H", socket, "--data-root", WORK / "root", "--exec-root", self.place / "exec",
                       "--pidfile", self.place / "docker.pid", *driver]
            with open(WORK / "dockerd.log", "ab") as log:
                self.process = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log)
            while self.process.poll() is None:
                if run("docker", "info", check=False).returncode == 0:
                    return self
                time.sleep(0.2)
        sys.exit(f"dockerd does not start: see {WORK / 'dockerd.log'}")

    def __exit__(self, *_):
        if self.process:
            self.process.terminate()
            self.process.wait(60)
        if self.place:
            # dockerd leaves the host's network mounted there.
            run("umount", self.place / "exec" / "netns" / "default", check=False)
            shutil.rmtree(self.place, ignore_errors=True)


def base_images() -> None:
    named = set()
    for dockerfile in (HERE / "Dockerfile", HERE / "compat.Dockerfile"):
        named |= set(re.findall(r"^FROM (\S+:\S+)", dockerfile.read_text(), re.M))
    missing = [name for name in named if run("docker", "image", "inspect", name, check=False).returncode]
    if any(run("docker", "pull", "-q", name, check=False, limit=300).returncode for name in missing):
        print("the registry cannot be reached: making stand-ins of the base images", flush=True)
        run(HERE / "stand-ins.sh", WORK / "roots", limit=1800)


def build() -> None:
    dockerfile, arguments = (HERE / "Dockerfile").read_text(), []
    if program := os.environ.get("OTTLA_BIN"):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(program, Path(folder) / "ottla")
            tar = run("tar", "-C", folder, "-c", ".").stdout
        run("docker", "import", "-", "ottla-binary", stdin=tar)
        # The older builder would build the stage that nobody needs.
        dockerfile = re.sub(r"^FROM rust.*?\n\n", "", dockerfile, flags=re.M | re.S)
        arguments = ["--build-arg", "BINARY=ottla-binary"]
    run("docker", "build", "-f", "-", "-t", IMAGE, *arguments, REPOSITORY, stdin=dockerfile.encode(), limit=3600)
    run("docker", "build", "-f", HERE / "compat.Dockerfile", "-t", COMPAT_IMAGE, REPOSITORY, limit=1800)


def image() -> str:
    size = inspect(IMAGE)["Size"]
    expect(size < SIZE_LIMIT_BYTES, f"the image has {size} bytes")
    user = run("docker", "run", "--rm", IMAGE, "id", "-u").stdout.decode().strip()
    expect(user not in ("", "0"), f"it runs as uid {user}")
    return f"{size / 1e6:.1f} MB, uid {user}"


def start() -> str:
    firsts = sorted(first_answer() for _ in range(STARTS))
    # The quickest is what it takes by itself; the others tell how busy the machine is.
    expect(firsts[0] < FIRST_ANSWER_LIMIT_SECONDS, f"first answers {firsts} s after the container's start")
    with Container(IMAGE) as container:
        container.await_health()
        healthy = time.time() - container.started_at()
        probes = [probe["ExitCode"] for probe in container.state()["Health"]["Log"]]
        expect(probes == [0], f"the health check did not pass at its first probe: {probes}")
        cluster = container.run("cat", "/var/lib/kafka/data/meta.properties")
        begun = time.monotonic()
        run("docker", "stop", container.id)
        stopped = time.monotonic() - begun
        expect(container.state()["ExitCode"] == 0, f"it ended with {container.state()['ExitCode']} after its stop signal")
        run("docker", "start", container.id)
        container.await_health()
        expect(container.run("cat", "/var/lib/kafka/data/meta.properties") == cluster, "the volume was begun anew")
    took = ", ".join(f"{first * 1000:.0f}" for first in firsts)
    return f"first answer after {took} ms, healthy after {healthy:.1f} s (first probe), stopped in {stopped:.1f} s"


def first_answer() -> float:
    """Seconds from the container's start to the first Metadata answer, awaited from before. On the host's network: a
    published port is not reachable at once, whatever listens behind it."""
    port, controller, admin = free_port(), free_port(), free_port()
    variables = {
        **NODE, "KAFKA_CONTROLLER_QUORUM_VOTERS": f"1@localhost:{controller}",
        "KAFKA_LISTENERS": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}", "KAFKA_OTTLA_ADMIN_LISTENER": f"127.0.0.1:{admin}",
    }
    answered: list[float] = []

    def wait() -> None:
        wire.await_answer(port, lambda: True, 60.0)
        answered.append(time.time())

    waiting = threading.Thread(target=wait)
    waiting.start()
    with Container("--network", "host", *flags(variables), IMAGE) as container:
        waiting.join()
        expect(answered, f"no answer: {container.log()}")
        return answered[0] - container.started_at()


NODE = {
    "KAFKA_NODE_ID": "1", "KAFKA_PROCESS_ROLES": "broker,controller", "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
    "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093", "KAFKA_ADVERTISED_LISTENERS": "PLAINTEXT://localhost:9092",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
}


def environment() -> str:
    """What is said about variables, and a mounted file below them."""
    said = {
        "KAFKA_LOG_RETENTION_HOUR": "environment variable KAFKA_LOG_RETENTION_HOUR: unknown configuration log.retention.hour; did you mean",
        "KAFKA_HEAP_OPTS": "environment variable KAFKA_HEAP_OPTS has no effect",
        "KAFKA_NUM_PARTITIONS": "environment variable KAFKA_NUM_PARTITIONS: ",
    }
    with Container(*flags({**NODE, "KAFKA_LOG_RETENTION_HOUR": "4", "KAFKA_HEAP_OPTS": "-Xmx1G"}), IMAGE) as container:
        container.await_health()
        log = container.log()
        for name in ("KAFKA_LOG_RETENTION_HOUR", "KAFKA_HEAP_OPTS"):
            expect(sum(said[name] in line for line in log.splitlines()) == 1, f"{name} is not told in one line: {log}")
    refused = run("docker", "run", "--rm", *flags({**NODE, "KAFKA_NUM_PARTITIONS": "many"}), IMAGE, check=False)
    expect(refused.returncode == 1 and said["KAFKA_NUM_PARTITIONS"] in refused.stderr.decode(), f"a wrong value: {refused}")
    with tempfile.TemporaryDirectory() as mounted:
        os.chmod(mounted, 0o755)
        file = "".join(f"{name[6:].lower().replace('_', '.')}={value}\n" for name, value in NODE.items())
        (Path(mounted) / "server.properties").write_text(file)
        variables = flags({"CLUSTER_ID": "abcdefghijklmnopqrstuv", "KAFKA_LOG_DIRS": "/tmp/elsewhere"})
        with Container("-v", f"{mounted}:/mnt/shared/config:ro", *variables, IMAGE) as container:
            container.await_health()
            meta = container.run("cat", "/tmp/elsewhere/meta.properties")
            expect("cluster.id=abcdefghijklmnopqrstuv" in meta, f"the file and the variables were not both taken: {meta}")
    return "unknown, useless and wrong variables are named; variables go before a mounted file"


def compose() -> str:
    """One node as people start it, reached by its name from another container with Kafka's own tools."""
    with Compose("compose.yaml", KAFKA_PORT=str(free_port())) as project:
        project.run("up", "-d", "--no-build")
        container = Container.of(project.run("ps", "-q", "kafka").strip())
        container.await_health()
        tools = ("--network", f"{project.name}_default", "--entrypoint", "/bin/sh", COMPAT_IMAGE, "-c")
        script = (
            "cd /ottla/compat/.work/kafka/bin; server='--bootstrap-server kafka:19092'; "
            "./kafka-topics.sh $server --create --topic seen && "
            "echo across | ./kafka-console-producer.sh $server --topic seen && "
            "./kafka-console-consumer.sh $server --topic seen --from-beginning --max-messages 1 --timeout-ms 30000"
        )
        printed = run("docker", "run", "--rm", *tools, script).stdout.decode()
        expect("across" in printed.split(), f"a record from container to container: {printed}")
    return "a record went from container to container"


def compat() -> str:
    with Compose("compat.yaml") as project:
        done = project.start("up", "--no-build", "--no-log-prefix", "--abort-on-container-exit", "--exit-code-from", "compat")
        output = done.stdout.decode(errors="replace")
        table = output[output.find("client  "):]
        expect(done.returncode == 0, f"compat ended with {done.returncode}:\n{output[-4000:]}")
    return "\n" + "".join(line + "\n" for line in table.splitlines() if " official-tools " in line or " passed, " in line)


class Container:
    """One container, which goes away with its volumes at the end."""

    def __init__(self, *arguments: str):
        self.id = run("docker", "run", "-d", *arguments).stdout.decode().strip()

    @classmethod
    def of(cls, identity: str) -> "Container":
        container = cls.__new__(cls)
        container.id = identity
        return container

    def state(self) -> dict:
        return inspect(self.id)["State"]

    def started_at(self) -> float:
        seconds, fraction = self.state()["StartedAt"].rstrip("Z").split(".")
        return datetime.fromisoformat(seconds + "+00:00").timestamp() + float("0." + fraction)

    def await_health(self, patience=60.0) -> None:
        deadline = time.monotonic() + patience
        while (state := self.state())["Health"]["Status"] != "healthy":
            expect(state["Running"] and time.monotonic() < deadline, f"not healthy: {state} {self.log()}")
            time.sleep(0.05)

    def run(self, *command: str) -> str:
        return run("docker", "exec", self.id, *command).stdout.decode()

    def log(self) -> str:
        done = run("docker", "logs", self.id)
        return (done.stdout + done.stderr).decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        run("docker", "rm", "-f", "-v", self.id)


class Compose:
    """One compose file under a project name of its own."""

    def __init__(self, file: str, **variables: str):
        self.name = f"ottla{os.getpid()}"
        self.command = [*compose_command(), "--ansi", "never", "-p", self.name, "-f", HERE / file]
        self.variables = variables

    def start(self, *arguments: str) -> subprocess.CompletedProcess:
        return run(*self.command, *arguments, check=False, limit=1200, variables=self.variables)

    def run(self, *arguments: str) -> str:
        done = self.start(*arguments)
        expect(done.returncode == 0, f"compose {' '.join(arguments)}: {done.stderr.decode()[-2000:]}")
        return done.stdout.decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.start("down", "-v")


def compose_command() -> list[str] | None:
    if shutil.which("docker") and run("docker", "compose", "version", check=False).returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


def flags(variables: dict[str, str]) -> list[str]:
    return [word for name, value in variables.items() for word in ("-e", f"{name}={value}")]


def inspect(name: str) -> dict:
    return json.loads(run("docker", "inspect", name).stdout)[0]


def expect(condition, what: str) -> None:
    if not condition:
        sys.exit(f"docker/test.py: {what}")


def run(*command, check=True, stdin=None, limit=600.0, variables=None) -> subprocess.CompletedProcess:
    words = [str(word) for word in command]
    environment = {"DEBIAN_FRONTEND": "noninteractive", **os.environ, **(variables or {})}
    if words[:2] == ["docker", "build"] and run("docker", "buildx", "version", check=False).returncode:
        environment["DOCKER_BUILDKIT"] = "0"
    try:
        done = subprocess.run(words, input=stdin or b"", capture_output=True, timeout=limit, env=environment)
    except subprocess.TimeoutExpired:
        done = subprocess.CompletedProcess(words, 124, b"", f"not finished within {limit:.0f} s".encode())
    if check and done.returncode:
        said = (done.stdout + done.stderr).decode(errors="replace")[-2000:]
        sys.exit(f"docker/test.py: {' '.join(words[:6])} ended with {done.returncode}: {said}")
    return done


if __name__ == "__main__":
    main()
