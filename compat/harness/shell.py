"""Running other programs: always with a time limit, always ended by their own pid."""
import os
import signal
import subprocess
import threading
from pathlib import Path

COMPAT = Path(__file__).resolve().parent.parent
REPOSITORY = COMPAT.parent
WORK = COMPAT / ".work"

_live: set[subprocess.Popen] = set()
_live_lock = threading.Lock()


class Failed(Exception):
    """A check that did not hold, or a program that failed."""


class Skip(Exception):
    """A check that cannot be made here; the text says why."""


def spawn(args, **options) -> subprocess.Popen:
    """Starts a program in a session of its own and remembers it, so that nothing outlives the run."""
    process = subprocess.Popen([str(a) for a in args], start_new_session=True, **options)
    with _live_lock:
        _live.add(process)
    return process


def end(process: subprocess.Popen, how=signal.SIGTERM, patience=20.0) -> int:
    """Signals one process, waits, and kills it if it does not go. Answers its exit code."""
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            kill_session(process)
            process.wait(10)
    with _live_lock:
        _live.discard(process)
    return process.returncode


def kill_session(process: subprocess.Popen) -> None:
    """Kills a program and what it started; its session id is its own pid, so nobody else is hit."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def end_all() -> None:
    """Ends whatever is still running when the runner leaves."""
    with _live_lock:
        left = list(_live)
        _live.clear()
    for process in left:
        if process.poll() is None:
            kill_session(process)
            process.wait(10)


def run(args, timeout=120.0, stdin=None, env=None, cwd=None, check=True) -> subprocess.CompletedProcess:
    """Runs a program to its end. Output comes back as bytes; a failure carries the end of its stderr."""
    process = spawn(
        args,
        stdin=subprocess.PIPE if isinstance(stdin, (bytes, str)) else (stdin or subprocess.DEVNULL),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **(env or {})},
        cwd=cwd,
    )
    try:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        out, err = process.communicate(data if isinstance(data, bytes) else None, timeout=timeout)
    except subprocess.TimeoutExpired:
        kill_session(process)
        out, err = process.communicate(timeout=10)
        raise Failed(f"{name_of(args)} did not finish within {timeout:.0f} s: {tail(err) or tail(out)}") from None
    finally:
        with _live_lock:
            _live.discard(process)
    done = subprocess.CompletedProcess(args, process.returncode, out, err)
    if check and done.returncode != 0:
        raise Failed(f"{name_of(args)} ended with {done.returncode}: {tail(err) or tail(out)}")
    return done


def name_of(args) -> str:
    """The program as a reader would name it, with the verb after it."""
    words = [Path(str(args[0])).name] + [str(a) for a in args[1:3]]
    return " ".join(words)


def tail(data: bytes | None, limit=400) -> str:
    """The end of an output, on one line."""
    text = (data or b"").decode(errors="replace").strip()
    return " | ".join(line.strip() for line in text[-limit:].splitlines() if line.strip())
