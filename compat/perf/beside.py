"""Two brokers beside each other: rounds in which they take turns, medians, and the table with its limits."""
import json
import statistics
import sys
from pathlib import Path

KINDS = ["ottla", "jvm"]


def rounds(kinds: list[str], count: int, measure) -> dict[str, list[dict]]:
    """What `measure(kind)` finds in each round; who goes first changes with every round."""
    found: dict[str, list[dict]] = {kind: [] for kind in kinds}
    for number in range(count):
        for kind in kinds if number % 2 == 0 else reversed(kinds):
            print(f"  … round {number + 1} of {count}: {kind}", file=sys.stderr, flush=True)
            found[kind].append(measure(kind))
    return found


def median(found: list[dict]) -> dict:
    """The median of each figure over the rounds."""
    middle = {}
    for key, value in found[0].items():
        if isinstance(value, dict):
            middle[key] = {part: statistics.median(one[key][part] for one in found) for part in value}
        else:
            middle[key] = statistics.median(one[key] for one in found)
    return middle


def write(where: Path, figures: dict) -> None:
    where.parent.mkdir(parents=True, exist_ok=True)
    where.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n")


def head() -> None:
    print(f"{'':<38}{'ottla':>12}{'kafka':>12}{'ratio':>8}   limit")


def line(row: str, ours: float | None, theirs: float | None, ratio_floor=None, ratio_ceiling=None, ceiling=None) -> None:
    """One row; the verdict is about the ratio, or about our own figure where the limit is absolute."""
    ratio = ours / theirs if ours is not None and theirs else None
    limit, met = "", None
    if ratio_floor is not None:
        limit, met = f"ratio ≥ {ratio_floor:g}", ratio is not None and ratio >= ratio_floor
    elif ratio_ceiling is not None:
        limit, met = f"ratio ≤ {ratio_ceiling:g}", ratio is not None and ratio <= ratio_ceiling
    elif ceiling is not None:
        limit, met = f"≤ {ceiling:g}", ours is not None and ours <= ceiling
    unknown = ours is None or (ceiling is None and ratio is None)
    verdict = "" if met is None or unknown else "met" if met else "NOT MET"
    shown = "" if ratio is None else f"{ratio:.2f}"
    print(f"{row:<38}{number(ours):>12}{number(theirs):>12}{shown:>8}   {limit:<12} {verdict}".rstrip())


def number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 10 else f"{value:.3f}"
