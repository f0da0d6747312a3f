"""What was checked and how it went: one row a client and scenario, and the closing count."""
import sys
import time
import traceback

from .shell import Failed, Skip

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


class Report:
    def __init__(self):
        self.rows: list[tuple[str, str, str, float, str]] = []
        # Of each client of the scenario language: the library and its version, as the program tells it.
        self.versions: dict[str, str] = {}

    def check(self, client: str, scenario: str, body, *arguments):
        """Runs one check; what it returns, if text, becomes the note. Answers whether it passed."""
        print(f"  … {scenario} · {client}", file=sys.stderr, flush=True)
        begun = time.monotonic()
        try:
            result, note = PASSED, body(*arguments)
        except Skip as reason:
            result, note = SKIPPED, str(reason)
        except Failed as failure:
            result, note = FAILED, str(failure)
        except Exception as error:  # a broken check is a failed check, never the end of the run
            traceback.print_exc()
            result, note = FAILED, f"{type(error).__name__}: {error}"
        self.add(client, scenario, result, time.monotonic() - begun, note or "")
        return result == PASSED

    def add(self, client: str, scenario: str, result: str, seconds: float, note: str) -> None:
        self.rows.append((client, scenario, result, seconds, note))
        if result != PASSED:
            print(f"    {result}: {note}", file=sys.stderr, flush=True)

    def count(self, result: str) -> int:
        return sum(1 for row in self.rows if row[2] == result)

    def print(self) -> None:
        if self.rows:
            client = max(len("client"), *(len(r[0]) for r in self.rows))
            scenario = max(len("scenario"), *(len(r[1]) for r in self.rows))
            print(f"\n{'client':<{client}}  {'scenario':<{scenario}}  result   seconds  note")
            # What did not pass stands last, where the cut-off end of a long log still shows it.
            for row in sorted(self.rows, key=lambda r: (r[2] != PASSED, r[0], r[1])):
                print(f"{row[0]:<{client}}  {row[1]:<{scenario}}  {row[2]:<7}  {row[3]:7.1f}  {row[4]}".rstrip())
        print(f"\n{self.count(PASSED)} passed, {self.count(FAILED)} failed, {self.count(SKIPPED)} skipped", flush=True)
