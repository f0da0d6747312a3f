"""The scenario language (../README.md) for clients in Python: a program's methods are the commands, by name."""
import sys
import time
import zlib
from collections import deque

PART = 1011
FETCH_PARTITION_BYTES, FETCH_BYTES = 32768, 65536
REQUEST_BYTES = 16 << 20


class Cannot(Exception):
    """The library has no such call or option."""


class Refused(Exception):
    """An answer of the broker (code > 0) or of the library itself (None)."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def serve(program) -> None:
    """Obeys the lines of standard input. `program.refusal(error)` turns a library's exception into Refused, or None."""
    for line in sys.stdin:
        verb, *words = line.split()
        arguments = [word for word in words if "=" not in word]
        options = dict(word.split("=", 1) for word in words if "=" in word)
        method = getattr(program, verb, None)
        try:
            if method is None:
                raise Cannot(f"no call for {verb}")
            said = method(*arguments, **options)
            answer = "ok" if said is None else f"ok {said}"
        except Cannot as reason:
            answer = f"cannot {reason}"
        except Exception as error:
            refused = error if isinstance(error, Refused) else program.refusal(error)
            code = getattr(refused, "code", None) or "client"
            answer = f"error {code} {type(error).__name__}: {error}"
        print(" ".join(answer.split()), flush=True)
    program.leave()


class Records:
    """What `produce` sends."""

    def __init__(self, pool_file):
        with open(pool_file, "rb") as file:
            self.pool = file.read()

    def numbered(self, count, first=0, size=None):
        """(number, key, value, headers) of each record."""
        for i in range(int(first), int(first) + int(count)):
            key = None if i % 7 == 3 and i % 97 != 5 else b"k%d" % i
            if size:
                value = self.pool[:int(size)]
            elif i % 97 == 5:
                value = None
            else:
                start = (i * 1031) % (len(self.pool) - PART)
                value = b"%012d:" % i + self.pool[start:start + PART]
            yield i, key, value, [("h", b"%d" % i), ("h", b"again"), ("e", b"")]


def line(partition, offset, key, value, headers) -> str:
    """A record as `read` writes it."""
    shown_key = "-" if key is None else "=" + key.decode()
    shown_value = "-" if value is None else f"={len(value)}:{zlib.crc32(value):08x}"
    shown = ",".join(f"{name}={(data or b'').decode()}" for name, data in headers or [])
    return f"{partition}\t{offset}\t{shown_key}\t{shown_value}\t{shown}\n"


def pairs(offsets: dict) -> str:
    return " ".join(f"{partition}={offset}" for partition, offset in sorted(offsets.items()))


class Reader:
    """`read` and `commit` over `poll(seconds, limit)`, which answers (partition, offset, key, value, headers) rows."""

    def __init__(self):
        self.waiting: deque = deque()
        self.next: dict[int, int] = {}
        self.paused = False

    def read(self, count, seconds, file):
        deadline, seen = time.monotonic() + float(seconds), 0
        with open(file, "a", encoding="utf-8") as out:
            while seen < int(count):
                if not self.waiting or self.paused:
                    left = deadline - time.monotonic()
                    if left <= 0:
                        break
                    self.fill(min(left, 0.2))
                    if self.paused:
                        continue
                while self.waiting and seen < int(count):
                    row = self.waiting.popleft()
                    self.next[row[0]] = row[1] + 1
                    out.write(line(*row))
                    seen += 1
        return seen

    def fill(self, seconds) -> None:
        rows = self.poll(seconds, 500)
        self.waiting.extend(rows)  # not before the poll, which may call `forget`

    def forget(self, partitions) -> None:
        """Another member's now."""
        gone = set(partitions)
        self.waiting = deque(row for row in self.waiting if row[0] not in gone)
        for partition in gone:
            self.next.pop(partition, None)
