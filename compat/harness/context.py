"""What a scenario is given."""
import os
from dataclasses import dataclass, field

from .broker import Broker, BrokerElsewhere
from .install import need
from .report import Report
from .shell import Failed


@dataclass
class Context:
    report: Report
    quick: bool
    clients: list[str]
    kind: str = field(default_factory=lambda: os.environ.get("BROKER", "ottla"))

    def broker(self, name: str, properties: dict[str, str] | None = None, kind: str | None = None) -> Broker:
        """A broker of the kind under test (or the one named), not yet started."""
        kind = kind or self.kind
        if kind != "jvm" and (where := os.environ.get("COMPAT_BROKER")):
            return BrokerElsewhere(where, name)
        need("jvm" if kind == "jvm" else "ottla")
        return Broker(kind, name, properties)

    def size(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def check(self, client: str, scenario: str, body, *arguments) -> bool:
        """One row of the table. A failure tells the end of the log of the broker among the arguments."""
        def told():
            try:
                return body(*arguments)
            except Failed as failure:
                brokers = [one for one in arguments if isinstance(one, Broker)]
                logs = "".join(f" [{one.kind} log: {one.log_tail()}]" for one in brokers if one.log_tail())
                raise Failed(f"{failure}{logs}") from None

        return self.report.check(client, scenario, told)
