"""The table: what each case found, pair by pair, and whether it is what it must be."""
import statistics

from beside import number
from cases import CASES

# Figures of every round: {case: [{kind: {figure: value}}]}, a round each.
Found = dict[str, list[dict[str, dict[str, float]]]]
OURS, THEIRS, FLOOR, OTHER = "ottla", "jvm", "floor", "other"
NAMES = {"jvm": "kafka"}


def short(kind: str, case: str, figures: dict[str, float]) -> str:
    """One case of one broker on one line."""
    told = ", ".join(f"{figure} {number(value)}" for figure, value in figures.items())
    return f"{NAMES.get(kind, kind)} {case}: {told}"


def median(found: Found, case: str, kind: str, figure: str) -> float | None:
    values = [each[kind][figure] for each in found[case] if figure in each.get(kind, {})]
    return statistics.median(values) if values else None


def ratios(found: Found, case: str, figure: str, *, of: str = OURS, to: str = THEIRS) -> list[float]:
    """Ratios of a figure in each round in which both brokers have it."""
    pairs = [(each.get(of, {}).get(figure), each.get(to, {}).get(figure)) for each in found[case]]
    return sorted(a / b for a, b in pairs if a is not None and b)


def figures_of(found: Found, case: str) -> list[str]:
    """Names of figures in the order in which they were found."""
    return list(dict.fromkeys(figure for each in found[case] for figures in each.values() for figure in figures))


def table(found: Found, kinds: list[str]) -> list[str]:
    beside = THEIRS if THEIRS in kinds else OTHER
    head = f"{'':<34}" + "".join(f"{NAMES.get(kind, kind):>12}" for kind in kinds)
    lines = [head + f"{'ratio min':>12}{'median':>9}{'max':>9}"]
    for case in found:
        lines += ["", f"{case}: {CASES[case].about}"]
        for figure in figures_of(found, case):
            row = f"  {figure:<32}" + "".join(f"{number(median(found, case, kind, figure)):>12}" for kind in kinds)
            found_ratios = ratios(found, case, figure, to=beside)
            if found_ratios:
                row += f"{found_ratios[0]:>12.3f}{statistics.median(found_ratios):>9.3f}{found_ratios[-1]:>9.3f}"
            lines.append(row)
    return lines


def verdicts(found: Found) -> list[str]:
    """Each thing that must be reached with what was, and what the floor has in the same place."""
    lines = [f"{'must be reached':<52}{'limit':>14}{'found':>10}  verdict"]
    for case in found:
        for figure, limit in CASES[case].wanted.items():
            value = reached(found, case, figure, limit, OURS)
            if value is None:
                verdict = "not measured"
            else:
                verdict = limit.verdict(value) + floor_of(found, case, figure, limit)
            lines.append(f"{case + ', ' + figure:<52}{str(limit):>14}{number(value):>10}  {verdict}")
    return lines


def reached(found: Found, case: str, figure: str, limit, kind: str) -> float | None:
    if limit.absolute:
        return median(found, case, kind, figure)
    each = ratios(found, case, figure, of=kind)
    return statistics.median(each) if each else None


def floor_of(found: Found, case: str, figure: str, limit) -> str:
    value = reached(found, case, figure, limit, FLOOR)
    if value is None:
        return ""
    return f"; the floor has {number(value)}: {limit.verdict(value)}"


def compared(before: dict, after: dict) -> list[str]:
    """Two runs' medians for each broker, and the later one's ratio to the earlier."""
    lines = [f"{'':<44}{'':<8}{'before':>12}{'after':>12}{'ratio':>9}"]
    for case in (case for case in after["found"] if case in before["found"]):
        lines += ["", case]
        for figure in figures_of(after["found"], case):
            for kind in after["kinds"]:
                then, now = (median(run["found"], case, kind, figure) for run in (before, after))
                if then is None or now is None:
                    continue
                ratio = f"{now / then:>9.3f}" if then else f"{'-':>9}"
                lines.append(f"  {figure:<42}{NAMES.get(kind, kind):<8}{number(then):>12}{number(now):>12}{ratio}")
    return lines
