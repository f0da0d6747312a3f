#!/usr/bin/env python3
"""Counts the instructions of the hot functions and holds them against benches/baseline.txt; UPDATE=1 writes that anew.

What takes more than 5 % more is marked. The counts are those of one compiler: beside another one's baseline, judge their ratios to each other.
"""
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BASELINE = HERE / "baseline.txt"
TOLERANCE = 0.05


def main() -> None:
    if not shutil.which("valgrind"):
        sys.exit("valgrind is missing: apt-get install valgrind")
    compiler = subprocess.run(["rustc", "--version"], check=True, capture_output=True, text=True).stdout.strip()
    counts = measure()
    if os.environ.get("UPDATE") == "1":
        rows = [f"{name} {count}\n" for name, count in sorted(counts.items())]
        BASELINE.write_text(f"# {compiler}\n" + "".join(rows))
        print(f"{BASELINE}: {len(rows)} counts")
        return
    compare(counts, compiler)


def measure() -> dict[str, int]:
    """Instructions by name of the bench."""
    target = Path(os.environ.get("CARGO_TARGET_DIR") or HERE.parent / "target").resolve()
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target), "GUNGRAUN_OUTPUT_FORMAT": "json"}
    environment["PATH"] = f"{runner(target)}{os.pathsep}{os.environ['PATH']}"
    command = ["cargo", "bench", "--quiet", "--manifest-path", str(HERE.parent / "Cargo.toml"), "--bench", "instructions"]
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment)
    if ran.returncode:
        sys.exit(f"the benches failed, code {ran.returncode}")
    counts = dict(count(json.loads(line)) for line in ran.stdout.splitlines() if line.startswith("{"))
    if not counts:
        sys.exit(f"no counts in what the benches printed: {ran.stdout[-300:]!r}")
    return counts


def runner(target: Path) -> Path:
    """The folder of the program that runs the benches, of the very version that they are built with."""
    locked = re.search(r'name = "gungraun-runner"\nversion = "(.+)"', (HERE.parent / "Cargo.lock").read_text())
    version = locked[1] if locked else sys.exit("Cargo.lock names no gungraun-runner")
    root = target / f"gungraun-runner-{version}"
    if not (root / "bin" / "gungraun-runner").exists():
        install = ["cargo", "install", "--quiet", "--locked", "--root", str(root), "gungraun-runner", "--version", version]
        if subprocess.run(install).returncode:
            sys.exit(f"gungraun-runner {version} could not be installed: {' '.join(install)}")
    return root / "bin"


def count(summary: dict) -> tuple[str, int]:
    total = summary["profiles"][0]["data"]["total"]["metrics"]
    return f"{summary['function_name']}/{summary['id']}", total["Ir"]["values"]["new"]


def compare(counts: dict[str, int], compiler: str) -> None:
    head, *rows = BASELINE.read_text().splitlines()
    before = {name: int(number) for name, number in (row.split() for row in rows)}
    if head != f"# {compiler}":
        print(f"the baseline is of {head.strip('# ')}, this is {compiler}")
    worse = 0
    width = max(map(len, {*counts, *before}))
    print(f"{'instructions':{width}}  {'baseline':>12} {'now':>12}")
    for name in sorted({*counts, *before}):
        old, new = before.get(name), counts.get(name)
        change = f"{new / old - 1:+8.1%}" if old and new else "  gone" if old else "   new"
        is_worse = bool(old and new and new > old * (1 + TOLERANCE))
        worse += is_worse
        print(f"{name:{width}}  {old or '-':>12} {new or '-':>12} {change}{'  MORE THAN 5 %' if is_worse else ''}")
    print(f"{worse} of {len(counts)} take more than 5 % more than the baseline")


if __name__ == "__main__":
    main()
