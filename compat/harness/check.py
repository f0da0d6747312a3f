"""Small words every scenario uses."""
import time

from .shell import Failed


def expect(condition, what: str, evidence: str = "") -> None:
    """The condition holds, or the check fails with what was expected and the beginning of what was seen."""
    if not condition:
        seen = " | ".join(line for line in evidence.splitlines() if line.strip())[:300]
        raise Failed(f"{what}: {seen}" if seen else what)


def eventually(condition, what: str, patience: float, pause=0.1):
    """Waits until `condition` answers something true, and answers that."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f"not within {patience:.0f} s: {what}")
        time.sleep(pause)
