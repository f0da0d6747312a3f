"""Two log shippers with output modules for Kafka, each with its own configuration: every line of a file arrives once and in order."""
import os
import subprocess

from harness import wire
from harness.check import eventually, expect
from harness.context import Context
from harness.install import SHIPPERS, need
from harness.session import Stagehand
from harness.shell import WORK, end, run as run_program, spawn, tail

LINES = 10_000
PATIENCE = 60.0

RSYSLOG = """
global(workDirectory="{state}")
module(load="imfile" pollingInterval="1")
module(load="omkafka")
template(name="line" type="string" string="%msg%")
input(type="imfile" file="{lines}" tag="compat" freshStartTail="off" addMetadata="off")
action(type="omkafka" broker=["{bootstrap}"] topic="{topic}" template="line" partitions.auto="on"
       confParam=["compression.codec=lz4", "queue.buffering.max.ms=20"])
"""

SYSLOG_NG = """
@version: 3.38
source file {{ file("{lines}" flags(no-parse) read-old-records(yes)); }};
destination kafka {{
  kafka-c(bootstrap-servers("{bootstrap}") topic("{topic}") message("$MESSAGE")
          config(compression.codec("gzip") queue.buffering.max.ms("20")));
}};
log {{ source(file); destination(kafka); }};
"""


def run(context: Context) -> None:
    with context.broker("shippers") as broker:
        stagehand = Stagehand(broker)
        for name in SHIPPERS:
            context.check(name, f"ships {LINES:,} lines", ship, broker, stagehand, name)
        stagehand.close()


def ship(broker, stagehand: Stagehand, name: str) -> str:
    need(name, "kcat")
    topic = stagehand.topic(f"shipped-by-{name}", 1)
    state = broker.root / name
    state.mkdir()
    lines = state / "lines"
    lines.write_text("".join(f'line {n:05d} with "quotes", = and \\ in it\n' for n in range(LINES)))
    config = state / "config"
    text = RSYSLOG if name == "rsyslog" else SYSLOG_NG
    config.write_text(text.format(state=state, lines=lines, bootstrap=broker.bootstrap, topic=topic).lstrip())
    with open(state / "log", "wb") as log:
        command, libraries = program(name, config, state)
        process = spawn(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "LD_LIBRARY_PATH": libraries})
    try:
        def arrived() -> bool:
            expect(process.poll() is None, f"{name} ended with {process.returncode}", tail((state / "log").read_bytes()))
            return wire.offsets(broker.port, topic, 1)[0] >= LINES

        eventually(arrived, f"{LINES} lines arrived", PATIENCE)
        read = run_program(["kcat", "-C", "-q", "-e", "-b", broker.bootstrap, "-t", topic, "-p", "0", "-o", "beginning"], timeout=PATIENCE)
        expect(read.stdout == lines.read_bytes(), "the lines are not the file's", read.stdout.decode(errors="replace")[:200])
    finally:
        code = end(process)
    expect(code == 0, f"{name} ended with {code}", tail((state / "log").read_bytes()))
    return version(name)


def program(name: str, config, state) -> tuple[list, str]:
    """Its command line, and where its libraries are."""
    root = WORK / name
    found = [str(path) for path in [*root.glob("usr/lib/*-linux-gnu"), *root.glob("lib/*-linux-gnu"), *root.glob("usr/lib/syslog-ng")]]
    if name == "rsyslog":
        modules = next(root.glob("usr/lib/*/rsyslog"))
        command = [root / "usr/sbin/rsyslogd", "-n", "-f", config, "-i", state / "pid", "-M", modules]
    else:
        modules = next(root.glob("usr/lib/syslog-ng/*/libkafka.so")).parent
        command = [
            root / "usr/sbin/syslog-ng", "-F", "-f", config, f"--module-path={modules}", f"--persist-file={state / 'persist'}",
            f"--pidfile={state / 'pid'}", f"--control={state / 'control'}",
        ]
    return command, ":".join(found)


def version(name: str) -> str:
    """The module's package and its version, from the archive's name."""
    archive = next((WORK / name / "archives").glob(f"{SHIPPERS[name][-1]}_*.deb"))
    return " ".join(archive.name.split("_")[:2])
