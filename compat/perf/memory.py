"""Memory that a case finds ready.

The host of a virtual machine may take free pages from it and give them back at their next use, for several times the price of
writing them, charged to whoever happens to write. A case that fills the page cache would measure the host. So as much as is about to
be filled is taken, touched and let go right before.
"""
import ctypes
import mmap
from pathlib import Path

# What a client's own queue takes beside what is written.
CLIENT_BYTES = 1 << 30


def make_ready(size: int) -> None:
    """Has `size` bytes, and what a client needs, from the host; at most half of what is available."""
    size = min(size + CLIENT_BYTES, available_bytes() // 2)
    with mmap.mmap(-1, size) as memory:
        view = (ctypes.c_char * size).from_buffer(memory)
        ctypes.memset(view, 1, size)
        del view  # or the memory could not be let go


def available_bytes() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0
