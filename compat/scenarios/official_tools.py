"""Kafka's command line tools: what they print and how they end, here and against Kafka's own broker, given the same calls."""
import json
import queue
import re
import shlex
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from harness.clients import SMALL_JVM, java
from harness.context import Context
from harness.install import KAFKA, need
from harness.shell import WORK, Failed, end, run as run_program, spawn
from scenarios.official_calls import CALLS, FILES, Call
from scenarios.official_rules import normalise

SCENARIO = "official-tools"
CALL_LIMIT_SECONDS = 40
# Reading calls are asked again while the answers differ: a JVM's broker follows its controller some time later.
READS_AGAIN = 8


def run(context: Context) -> None:
    need("java")
    with ThreadPoolExecutor(2) as pair:
        brokers = [context.broker("official"), context.broker("official-reference", kind="jvm")]
        try:
            sides = list(pair.map(Side, brokers))
            outcomes: dict[str, Outcome] = {}
            for call in CALLS:
                outcomes.setdefault(call.tool, Outcome(call.tool)).of(call, pair, sides, context.kind == "jvm")
            for outcome in outcomes.values():
                outcome.tell(context)
        finally:
            for broker in brokers:
                broker.close()


@dataclass
class Outcome:
    """What the calls of one tool came to."""

    tool: str
    seconds: float = 0.0
    equal: int = 0
    different: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def of(self, call: Call, pair: ThreadPoolExecutor, sides: list["Side"], itself: bool) -> None:
        begun = time.monotonic()
        try:
            difference = compare(pair, sides, call)
        except Failed as failure:
            difference = str(failure)
        self.seconds += time.monotonic() - begun
        if call.missing and not itself:
            if difference:
                self.missing.append(f"{call.missing}: {call.arguments}: {difference}")
                return
            difference = f"prints as against Kafka: it is no longer true that {call.missing}"
        if difference:
            print(f"    {call.tool} {call.arguments}: {difference}", file=sys.stderr, flush=True)
            self.different.append(f"{call.arguments}: {difference}")
        else:
            self.equal += 1

    def tell(self, context: Context) -> None:
        if self.different:
            context.report.add(self.tool, SCENARIO, "failed", self.seconds, "; ".join(self.different))
        elif self.equal:
            context.report.add(self.tool, SCENARIO, "passed", self.seconds, f"{self.equal} calls print and end the same")
        for call in self.missing:
            context.report.add(self.tool, SCENARIO, "skipped", 0.0, call)


class Side:
    """One broker, the JVM that calls tools against it, and the files the calls name."""

    def __init__(self, broker):
        self.broker = broker
        broker.start()
        self.files = broker.root / "files"
        self.files.mkdir()
        for name, text in FILES.items():
            (self.files / name).write_text(text.replace("{files}", str(self.files)))
        self.tools = ToolProcess()

    def fill(self, text: str) -> str:
        """Names of this side's places put in."""
        return (
            text.replace("{b}", f"--bootstrap-server {self.broker.bootstrap}")
            .replace("{controller}", f"127.0.0.1:{self.broker.controller_port}")
            .replace("{address}", self.broker.bootstrap)
            .replace("{files}", str(self.files))
            .replace("{data}", str(self.broker.data))
            .replace("{config}", str(self.broker.config))
        )

    def call(self, call: Call) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        arguments = shlex.split(self.fill(call.arguments))
        if not call.alone:
            return self.tools.call(class_of(call.tool), arguments, call.stdin)
        environment = {"KAFKA_HEAP_OPTS": "-Xmx256M", "KAFKA_JVM_OPTS": " ".join(SMALL_JVM[1:])}
        command = [KAFKA / "bin" / f"{call.tool}.sh", *arguments]
        done = run_program(command, CALL_LIMIT_SECONDS, stdin=call.stdin, env=environment, check=False)
        return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


class ToolProcess:
    """Tools.java: starting a JVM for each of the calls would take longer than all of them."""

    def __init__(self):
        self.process: subprocess.Popen | None = None

    def call(self, name: str, arguments: list[str], stdin: str) -> tuple[int, str, str]:
        if self.process is None:
            log = open(WORK / "run" / "official-tools.log", "ab")
            self.process = spawn(java("Tools"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        request = {"class": name, "arguments": arguments, "stdin": stdin}
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()
        answers: queue.SimpleQueue = queue.SimpleQueue()
        threading.Thread(target=lambda p: answers.put(p.stdout.readline()), args=(self.process,), daemon=True).start()
        try:
            answer = answers.get(timeout=CALL_LIMIT_SECONDS)
        except queue.Empty:
            answer = b""
        if not answer:
            end(self.process)
            self.process = None
            raise Failed(f"the tool did not come back within {CALL_LIMIT_SECONDS} s, or took the JVM with it")
        told = json.loads(answer)
        return told["code"], told["out"], told["err"]


_classes: dict[str, str] = {}


def class_of(tool: str) -> str:
    """The class that a launcher starts."""
    if tool not in _classes:
        launcher = (KAFKA / "bin" / f"{tool}.sh").read_text()
        _classes[tool] = re.search(r'(\S+) "\$@"', launcher)[1]
    return _classes[tool]


def compare(pair: ThreadPoolExecutor, sides: list[Side], call: Call) -> str:
    """The first difference between the two; empty when there is none."""
    difference = ""
    for _ in range(READS_AGAIN if call.reads else 1):
        told = pair.map(lambda side: side.call(call), sides)
        here, kafka = (seen(side, call, one) for side, one in zip(sides, told))
        difference = first_difference(here, kafka)
        if not difference:
            break
    if not difference and kafka[0] != [str(call.code)]:
        return f"the list expects exit code {call.code}, Kafka's is {kafka[0][0]}: {' | '.join(kafka[1] + kafka[2])[:300]}"
    return difference


def seen(side: Side, call: Call, told: tuple[int, str, str]) -> list[list[str]]:
    code, out, err = told
    return [[str(code)], normalise(out, call.rules, side.broker), normalise(err, call.rules, side.broker)]


def first_difference(here: list[list[str]], kafka: list[list[str]]) -> str:
    for what, mine, theirs in zip(("exit code", "output", "error output"), here, kafka):
        if mine != theirs:
            at = next((i for i, (a, b) in enumerate(zip(mine, theirs)) if a != b), min(len(mine), len(theirs)))
            line = [lines[at] if at < len(lines) else "(nothing more)" for lines in (mine, theirs)]
            return f"{what}: here {line[0]!r}, against Kafka {line[1]!r}"
    return ""
