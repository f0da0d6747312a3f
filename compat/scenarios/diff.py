"""The same requests to Kafka's broker and to ours: the differential runner as one row."""
import sys

from harness.context import Context
from harness.install import need
from harness.shell import COMPAT, Failed, Skip, tail
from harness.shell import run as run_program

QUICK_LIMIT_SECONDS, FULL_LIMIT_SECONDS = 240, 3600


def run(context: Context) -> None:
    context.check("raw requests", "every answer as Kafka's", compare, context)


def compare(context: Context) -> str:
    if context.kind == "jvm":
        raise Skip("it compares with Kafka's broker already")
    need("jvm")
    arguments = ["--quick"] if context.quick else []
    limit = QUICK_LIMIT_SECONDS if context.quick else FULL_LIMIT_SECONDS
    done = run_program([COMPAT / "diff" / "run.sh", *arguments], timeout=limit, check=False)
    if done.returncode != 0:
        sys.stderr.write(done.stdout.decode(errors="replace"))
        raise Failed(tail(done.stdout, 2000) or tail(done.stderr))
    return tail(done.stdout, 250)
