"""What stands side by side: our broker, Kafka's own, and the floor; and the program that loads them."""
import os

from beside import KINDS
from harness import install
from harness.broker import Broker
from harness.shell import COMPAT, WORK, run

# A program that does only what a broker cannot do without: what it misses as well is out of reach.
FLOOR = "floor"
ALL_KINDS = [*KINDS, FLOOR]
# Another build of our broker, in place of Kafka's.
OTHER, OTHER_BINARY = "other", "OTTLA_OTHER_BIN"
CLIENT, FLOOR_SOURCES = (COMPAT / "perf" / name for name in ("client", "floor"))
# How records are sent where it is their number that counts.
BATCHES = {"linger__ms": 5, "batch__size": 1_000_000, "batch__num__messages": 10_000}
RDPERF, FLOOR_BINARY = (WORK / "perf" / name for name in ("rdperf", "floor"))


def prepare(kinds: list[str], parts: list[str] = ()) -> None:
    """Installs and compiles what the kinds need; of the parts that only some cases need, those that can be had."""
    wanted = ["librdkafka", *(["lz4"] if FLOOR in kinds else []), *(kind for kind in kinds if kind in KINDS)]
    install.prepare_all([*wanted, *parts])
    install.need(*wanted)
    RDPERF.parent.mkdir(parents=True, exist_ok=True)
    run(["cc", "-O2", "-Wall", "-o", RDPERF, *sorted(CLIENT.glob("*.c")), "-lrdkafka", "-lpthread"])
    if FLOOR in kinds:
        run(["cc", "-O3", "-msse4.2", "-Wall", "-o", FLOOR_BINARY, *sorted(FLOOR_SOURCES.glob("*.c")), "-llz4", "-lpthread"])


class Floor(Broker):
    def command(self) -> list:
        return [FLOOR_BINARY, self.config]


class Other(Broker):
    def command(self) -> list:
        return [os.environ[OTHER_BINARY], "start", self.config]


def open_broker(kind: str, properties: dict[str, str] | None = None) -> Broker:
    """A broker in a directory of its own, not yet started."""
    if kind == OTHER:
        return Other("ottla", f"perf-{kind}", properties)
    return (Floor if kind == FLOOR else Broker)(kind, f"perf-{kind}", properties)


def rdperf(verb: str, broker: Broker, topic: str, **arguments) -> list:
    """The command line of the load program: an underscore stands for a hyphen, two for the dot in a setting of librdkafka."""
    given = {"broker": broker.bootstrap, "topic": topic, **arguments}
    return [RDPERF, verb, *(f"{name.replace('__', '.').replace('_', '-')}={value}" for name, value in given.items())]
