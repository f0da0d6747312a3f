"""docs/clients.md, written from the rows of a run."""
from .clients import ALL
from .report import FAILED, PASSED, SKIPPED, Report
from .shell import REPOSITORY

PAGE = REPOSITORY / "docs" / "clients.md"
# Rows of these are about the broker itself.
NOT_CLIENTS = {"-", "broker", "fsck", "kafka"}
HEAD = """# Clients and tools known to work

What passed in a run of the compatibility suite, with unmodified libraries and programs; the suite writes this page
itself (`compat/run.sh --write-docs`). The scenarios are described in [compat/README.md](../compat/README.md).
"""


def write(report: Report) -> None:
    clients = sorted(report.versions, key=ALL.index)
    rows = {(client, scenario): (result, note) for client, scenario, result, _, note in report.rows}
    names = list(dict.fromkeys(scenario for client, scenario in rows if client in clients))
    # Assignors before codecs, whichever came first in the run.
    special = sorted((name for name in names if name.startswith(("codec ", "shared group"))), key=lambda name: name.startswith("codec "))
    parts = [
        HEAD,
        "## What applications do\n", *table(report, rows, clients, [name for name in names if name not in special]),
        "\n## Codecs and group assignors\n", *table(report, rows, clients, special),
        "\n`–`: the library has no such call or option.\n" if any(row[0] == SKIPPED for row in rows.values()) else "",
        "\n## Tools and other programs\n", *others(report, clients),
    ]
    PAGE.write_text("\n".join(part for part in parts if part) + "\n", encoding="utf-8")


def table(report: Report, rows: dict, clients: list[str], names: list[str]) -> list[str]:
    marks = {PASSED: "yes", FAILED: "**no**", SKIPPED: "–"}
    shown = [name.removeprefix("codec ").removeprefix("shared group, ") for name in names]
    lines = ["| client | " + " | ".join(shown) + " |", "| --- |" + " --- |" * len(names)]
    for client in clients:
        cells = [marks[rows[client, name][0]] if (client, name) in rows else "" for name in names]
        lines.append(f"| {report.versions[client]} | " + " | ".join(cells) + " |")
    return lines


def others(report: Report, clients: list[str]) -> list[str]:
    passed: dict[str, list[str]] = {}
    missing: dict[str, dict[str, None]] = {}
    for client, scenario, result, _, note in report.rows:
        if client in clients or client in NOT_CLIENTS:
            continue
        if result == PASSED:
            passed.setdefault(client, []).append(f"{scenario} ({note.split(',')[0]})" if note[:1].isdigit() else scenario)
        elif result == SKIPPED:
            missing.setdefault(client, {})[note.split(":")[0]] = None
    lines = ["| program | what it did | what it could not |", "| --- | --- | --- |"]
    for client in sorted(passed):
        lines.append(f"| {client} | {', '.join(passed[client])} | {'; '.join(missing.get(client, []))} |")
    return lines
