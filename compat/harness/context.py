"""What a scenario is given."""
import os
from dataclasses import dataclass, field

from .broker import Broker
from .install import need
from .report import Report


@dataclass
class Context:
    report: Report
    quick: bool
    kind: str = field(default_factory=lambda: os.environ.get("BROKER", "ottla"))

    def broker(self, name: str, properties: dict[str, str] | None = None, kind: str | None = None) -> Broker:
        """A broker of the kind under test (or the one named), not yet started."""
        kind = kind or self.kind
        need("jvm" if kind == "jvm" else "ottla")
        return Broker(kind, name, properties)

    def size(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def check(self, client: str, scenario: str, body, *arguments) -> bool:
        return self.report.check(client, scenario, body, *arguments)
