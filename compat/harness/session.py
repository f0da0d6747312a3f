"""Client programs that obey the scenario language (clients/README.md): a line in, a line out, always within a limit."""
import itertools
import queue
import subprocess
import threading
import time
from pathlib import Path

from . import clients, wire
from .records import pool
from .shell import Failed, Skip, end, kill_session, spawn, tail

PATIENCE = 60.0
_numbers = itertools.count()


class Refused(Failed):
    """The client was answered with an error; `code` is Kafka's number, or None where the library itself gave up."""

    def __init__(self, code: int | None, text: str):
        super().__init__(text)
        self.code = code


class Session:
    """One running client program."""

    def __init__(self, client: str, broker, command: list | None = None):
        self.client, self.broker = client, broker
        self.name = f"{clients.slug(client)}-{next(_numbers)}"
        self.errors: Path = broker.root / f"{self.name}.err"
        with open(self.errors, "wb") as errors:
            self.process = spawn(
                command or clients.command(client, broker.bootstrap, pool()),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=clients.environment(client),
            )
        self.answers: queue.SimpleQueue = queue.SimpleQueue()
        self.lock = threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self.process.stdout:
            self.answers.put(line.decode(errors="replace").strip())
        self.answers.put(None)

    def ask(self, *words, patience: float = PATIENCE, **options) -> str:
        """The words after `ok`. A refusal, an inability and a hang are raised as Refused, Skip and Failed."""
        # `start` stands for `from`, which Python keeps for itself.
        named = {"from" if name == "start" else name: value for name, value in options.items()}
        command = " ".join([*map(str, words), *(f"{name}={value}" for name, value in named.items() if value is not None)])
        with self.lock:
            try:
                self.process.stdin.write(command.encode() + b"\n")
                self.process.stdin.flush()
                answer = self.answers.get(timeout=patience)
            except queue.Empty:
                self.kill()
                raise Failed(f"{self.client} did not answer `{command}` within {patience:.0f} s{self._told()}") from None
            except OSError:
                answer = None
        if answer is None:
            self.process.wait(10)
            raise Failed(f"{self.client} ended with {self.process.returncode} at `{command}`{self._told()}")
        verdict, _, rest = answer.partition(" ")
        if verdict == "ok":
            return rest
        if verdict == "cannot":
            raise Skip(f"client cannot: {rest}")
        code, _, text = rest.partition(" ")
        raise Refused(int(code) if code.isdigit() else None, f"{self.client} `{command}`: {rest[:300]}")

    def _told(self) -> str:
        told = tail(self.errors.read_bytes(), 300)
        return f": {told}" if told else ""

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def close(self) -> None:
        """The end of input ends a program."""
        if self.alive:
            try:
                self.process.stdin.close()
                self.process.wait(10)
            except (OSError, subprocess.TimeoutExpired):
                pass
        end(self.process)

    def kill(self) -> None:
        kill_session(self.process)
        end(self.process)


class Stagehand:
    """Makes and removes topics and looks things up for all scenarios on a broker, through one Java client."""

    def __init__(self, broker):
        self.broker = broker
        self.session = Session(clients.CURRENT_JAVA, broker)
        self.reading = threading.Lock()

    def topic(self, name: str, partitions: int, **configs) -> str:
        self.session.ask("create", name, partitions, **{key.replace("_", "."): value for key, value in configs.items()})
        wire.await_topics(self.broker.port, {name: partitions})
        wire.offsets(self.broker.port, name, partitions)  # a JVM announces a partition before it serves it
        return name

    def ask(self, *words) -> str:
        return self.session.ask(*words)

    def read_all(self, topic: str, partitions: int, count: int, file: Path) -> list[str]:
        """The lines of `count` records from the start."""
        with self.reading:
            self.ask("assign", topic, partitions, "earliest")
            self.ask("read", count, PATIENCE / 2, file)
        return file.read_text(encoding="utf-8").splitlines()

    def close(self) -> None:
        self.session.close()


class Stage:
    """What one scenario has: the sessions of one client, topics of its own, files. Sessions that did well serve the next scenario."""

    def __init__(self, broker, stagehand: Stagehand, client: str, scenario: str, idle: list[Session], limit: float):
        self.broker, self.stagehand, self.client, self.idle = broker, stagehand, client, idle
        self.name = f"{clients.slug(scenario)}-{clients.slug(client)}"
        self.deadline = time.monotonic() + limit
        self.limit = limit
        self.sessions: list[Session] = []

    def session(self) -> "Player":
        while self.idle:
            session = self.idle.pop()
            if session.alive:
                break
        else:
            session = Session(self.client, self.broker)
        self.sessions.append(session)
        return Player(self, session)

    def topic(self, partitions: int, **configs) -> str:
        return self.stagehand.topic(self.name, partitions, **configs)

    def topic_once(self, partitions: int) -> str:
        """The same topic for every attempt within a scenario."""
        found = wire.metadata(self.broker.port, [self.name])[1][self.name]
        return self.name if -1 not in found else self.topic(partitions)

    def file(self) -> Path:
        path = self.broker.root / f"{self.name}-{next(_numbers)}.records"
        path.touch()
        return path

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for session in self.sessions:
            try:
                if kind is None or issubclass(kind, Skip):
                    session.ask("leave", patience=20)
                    self.idle.append(session)
                else:
                    session.kill()
            except (Failed, Skip):
                session.kill()


class Player:
    """A session within the time of its scenario."""

    def __init__(self, stage: Stage, session: Session):
        self.stage, self.session = stage, session

    def ask(self, *words, **options) -> str:
        left = self.stage.deadline - time.monotonic()
        if left <= 0:
            raise Failed(f"not finished within the scenario's {self.stage.limit:.0f} s, at `{words[0]}`")
        return self.session.ask(*words, patience=left, **options)

    def read(self, count: int, seconds: float = 30.0) -> list[str]:
        """The lines of at most `count` records; fewer came if the time is over."""
        file = self.stage.file()
        said = self.ask("read", count, seconds, file)
        lines = file.read_text(encoding="utf-8").splitlines()
        if int(said) != len(lines):
            raise Failed(f"{self.session.client} says it read {said} records and wrote {len(lines)}")
        file.unlink()
        return lines

    def owned(self) -> set[int]:
        return set(map(int, self.ask("owned").split()))

    def offsets(self, *words) -> dict[int, int]:
        return offsets(self.ask(*words))


def offsets(said: str) -> dict[int, int]:
    """`0=5 1=7` as a dictionary."""
    return {int(partition): int(offset) for partition, _, offset in (pair.partition("=") for pair in said.split())}
