"""Two answers, field by field.

What every broker makes up for itself (ids, ports, paths) is held to a one-to-one mapping: a name that JVM and Ottla
gave to the same thing must go on meaning that thing. Times must both be now. All else must be equal.
"""
import re
import time
from dataclasses import dataclass
from pathlib import Path

import batches
from schema import ZERO_UUID, Field

# Field names whose values the broker makes up, and what they name. Zero, empty and null never stand for anything.
NAMED = {
    "TopicId": "topic", "NextTopicId": "topic",
    "MemberId": "member", "Leader": "member",
    "SessionId": "session", "ClusterId": "cluster", "Port": "port",
    "ReplicaDirectoryId": "directory", "VoterDirectoryId": "directory",
    "LogDir": "path", "Path": "path",
}
NEVER_NAMES = (None, "", 0, -1, ZERO_UUID)
# Moments: equal, or both within the run.
MOMENTS = {
    "Timestamp", "LogAppendTimeMs", "AppendTimeMs", "LastTimestamp", "LastFetchTimestamp", "LastCaughtUpTimestamp", "TransactionStartTimeMs",
    "FirstAppendTimeMs",
}
# What the machine, not the broker, decides at that moment; both must tell something.
GAUGES = {"UsableBytes"}
# Most of Kafka's arrays stand in the order of a hash table; in these the order tells something.
ORDERED = {
    "DescribeTopicPartitions.Topics", "DescribeTopicPartitions.Topics.Partitions", "Fetch.Responses.Partitions.AbortedTransactions",
    "Produce.Responses.PartitionResponses.RecordErrors", "DescribeConfigs.Results.Configs.Synonyms", "Metadata.Topics.Partitions",
    "Fetch.Responses", "Fetch.Responses.Partitions",
}
# Plain values in the order of a hash table.
SETS = {"ListTransactions.UnknownStateFilters"}
RANDOM_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[A-Za-z0-9_-]{22}$")
CLOCK_SLACK_MS = 10_000


@dataclass
class Difference:
    path: str  # API and field names; in brackets the key of an entry that only one side has
    jvm: object
    ottla: object


class Identities:
    """The one-to-one mapping between the two brokers' own names."""

    def __init__(self):
        self._ours: dict[str, dict] = {}
        self._theirs: dict[str, dict] = {}
        self.texts: dict[str, str] = {}

    def agree(self, kind: str, jvm, ottla) -> bool:
        """Whether the two name the same thing; what neither side ever named is learned."""
        if jvm in NEVER_NAMES or ottla in NEVER_NAMES:
            return jvm == ottla
        ours, theirs = self._ours.setdefault(kind, {}), self._theirs.setdefault(kind, {})
        if jvm not in ours and ottla not in theirs:
            if kind == "member" and RANDOM_UUID.sub("", jvm) != RANDOM_UUID.sub("", ottla):
                return False
            ours[jvm], theirs[ottla] = ottla, jvm
            if kind == "port":
                self.texts[f":{ottla}"] = f":{jvm}"
            elif isinstance(jvm, str) and jvm != ottla:
                self.texts[ottla] = jvm
        return ours.get(jvm) == ottla

    def ours(self, kind: str, jvm):
        """What Ottla calls the thing that the JVM calls `jvm`."""
        return self._ours.get(kind, {}).get(jvm, jvm)

    def theirs(self, kind: str, ottla):
        return self._theirs.get(kind, {}).get(ottla, ottla)

    def known(self, kind: str) -> list:
        return list(self._ours.get(kind, {}))

    def text(self, said: str) -> str:
        """A text of Ottla's in the JVM's names."""
        for ottla, jvm in self.texts.items():
            if ottla in said:
                said = said.replace(ottla, jvm)
        return said

    def request(self, fields: list[Field], values: dict) -> dict:
        """A request in the JVM's names, in Ottla's."""
        told = dict(values)
        for item in fields:
            if item.name not in told:
                continue
            value, kind = told[item.name], kind_of(item)
            if kind and item.array:
                told[item.name] = value and [self.ours(kind, one) for one in value]
            elif kind:
                told[item.name] = self.ours(kind, value)
            elif item.is_struct() and value is not None:
                inner = (self.request(item.fields, one) for one in (value if item.array else [value]))
                told[item.name] = list(inner) if item.array else next(inner)
        return told


def kind_of(item: Field) -> str | None:
    """What a field's value names, if the broker makes it up."""
    if item.type == "uuid" and item.name in ("TopicIds", "Topics"):
        return "topic"
    return NAMED.get(item.name)


class Comparison:
    def __init__(self, identities: Identities, began_ms: int):
        self.identities, self.began_ms = identities, began_ms
        self.found: list[Difference] = []

    def struct(self, path: str, fields: list[Field], jvm: dict | None, ottla: dict | None) -> None:
        if jvm is None or ottla is None:
            self.equal(path, jvm, ottla)
            return
        if jvm.get("ErrorCode") != ottla.get("ErrorCode"):
            # What goes with another error differs as well, and says nothing more.
            self.equal(f"{path}.ErrorCode", *(f"{one.get('ErrorCode')} {one.get('ErrorMessage') or ''}" for one in (jvm, ottla)))
            return
        for item in fields:
            if item.name in jvm:
                self.field(f"{path}.{item.name}", item, jvm[item.name], ottla[item.name])
        self.equal(path + "._tags", jvm.get("_tags"), ottla.get("_tags"))

    def field(self, path: str, item: Field, jvm, ottla) -> None:
        if not item.array:
            self.one(path, item, jvm, ottla)
        elif jvm is None or ottla is None:
            self.equal(path, jvm, ottla)
        elif path in SETS:
            self.equal(path, sorted(jvm), sorted(ottla))
        elif not item.is_struct():
            if kind_of(item) and len(jvm) == len(ottla):
                for mine, theirs in zip(jvm, ottla):
                    self.one(path, item, mine, theirs)
            else:
                self.equal(path, jvm, ottla)
        else:
            self.entries(path, item, jvm, ottla)

    def entries(self, path: str, item: Field, jvm: list, ottla: list) -> None:
        if path not in ORDERED:
            jvm = sorted(jvm, key=lambda entry: self.sort_key(item.fields, entry, False))
            ottla = sorted(ottla, key=lambda entry: self.sort_key(item.fields, entry, True))
        if len(jvm) != len(ottla):
            named = {self.entry_key(item.fields, entry, False): entry for entry in jvm}
            named_by_us = {self.entry_key(item.fields, entry, True): entry for entry in ottla}
            if len(named) == len(jvm) and len(named_by_us) == len(ottla):
                for key in [k for k in named if k not in named_by_us]:
                    self.found.append(Difference(f"{path}[{key}].absent", named.pop(key), None))
                for key in [k for k in named_by_us if k not in named]:
                    self.found.append(Difference(f"{path}[{key}].present", None, named_by_us.pop(key)))
                jvm, ottla = list(named.values()), list(named_by_us.values())
            else:
                self.found.append(Difference(f"{path}.length", jvm, ottla))
                return
        for mine, theirs in zip(jvm, ottla):
            self.struct(path, item.fields, mine, theirs)

    def entry_key(self, fields: list[Field], entry: dict, ours: bool) -> str:
        """An entry's first plain field, by which entries are told apart."""
        for item in fields:
            value = entry.get(item.name)
            if not item.array and not item.is_struct() and item.name != "ErrorCode" and value not in NEVER_NAMES[:2] + (ZERO_UUID,):
                kind = kind_of(item)
                return str(self.identities.theirs(kind, value) if kind and ours else value)
        return ""

    def sort_key(self, fields: list[Field], entry: dict | None, ours: bool) -> list[str]:
        """An entry as text, without what differs between brokers, its errors last."""
        told, errors = [], []
        for item in fields:
            value, kind = (entry or {}).get(item.name), kind_of(item)
            if item.name in MOMENTS or kind == "path":
                continue
            if item.is_struct():
                inner = [self.sort_key(item.fields, one, ours) for one in (value if item.array else [value]) or ()]
                value = sorted(inner)
            elif kind and ours and not item.array:
                value = self.identities.theirs(kind, value)
            (errors if item.name.startswith("Error") else told).append(repr(value))
        return told + errors

    def one(self, path: str, item: Field, jvm, ottla) -> None:
        kind = kind_of(item)
        if item.is_struct():
            self.struct(path, item.fields, jvm, ottla)
        elif kind == "path":
            self.equal(path, jvm, ottla and self.identities.text(ottla))
        elif kind:
            if not self.identities.agree(kind, jvm, ottla):
                self.found.append(Difference(path, jvm, ottla))
        elif item.name in MOMENTS:
            self.moment(path, jvm, ottla)
        elif item.name in GAUGES:
            self.equal(path, jvm > 0, ottla > 0)
        elif item.type == "records":
            self.records(path, batches.describe(jvm), batches.describe(ottla))
        elif item.type == "string" and isinstance(ottla, str):
            ottla = self.identities.text(ottla)
            if not (isinstance(jvm, str) and same_but_for_moments(jvm, ottla)):
                self.equal(path, jvm, ottla)
        else:
            self.equal(path, jvm, ottla)

    def moment(self, path: str, jvm: int, ottla: int) -> None:
        low, high = self.began_ms - CLOCK_SLACK_MS, int(time.time() * 1000) + CLOCK_SLACK_MS
        if jvm != ottla and not (low <= jvm <= high and low <= ottla <= high):
            self.found.append(Difference(path, jvm, ottla))

    def records(self, path: str, jvm: list[dict] | None, ottla: list[dict] | None) -> None:
        if jvm is None or ottla is None or len(jvm) != len(ottla):
            self.equal(path, jvm, ottla)
            return
        for mine, theirs in zip(jvm, ottla):
            for name in mine | theirs:
                if name in MOMENTS:
                    self.moment(f"{path}.{name}", mine.get(name), theirs.get(name))
                else:
                    self.equal(f"{path}.{name}", mine.get(name), theirs.get(name))

    def equal(self, path: str, jvm, ottla) -> None:
        if jvm != ottla and not (jvm != jvm and ottla != ottla):  # not-a-number equals itself here
            self.found.append(Difference(path, jvm, ottla))


def same_but_for_moments(jvm: str, ottla: str) -> bool:
    """Whether two texts tell the same but for milliseconds of the clock, or what is counted from them."""
    numbers = r"-?\d{13,}"
    if re.sub(numbers, "#", jvm) != re.sub(numbers, "#", ottla):
        return False
    pairs = zip(re.findall(numbers, jvm), re.findall(numbers, ottla))
    return all(abs(int(mine) - int(theirs)) <= CLOCK_SLACK_MS for mine, theirs in pairs)


class Declared:
    """The differences that are meant to be: `API.Field.Path  reason`, one a line."""

    LINES_MAX = 20

    def __init__(self, file: Path):
        self.reasons: dict[str, str] = {}
        self.used: set[str] = set()
        for line in file.read_text().splitlines():
            if not line or line.startswith("#"):
                continue
            pattern, _, reason = line.partition("  ")
            if not reason.strip() or re.search(r"ErrorCode", pattern):
                raise ValueError(f"{file}: a line names a field that is no error code, and its reason: {line}")
            self.reasons[pattern] = reason.strip()
        if len(self.reasons) > self.LINES_MAX:
            raise ValueError(f"{file}: {len(self.reasons)} lines, more than {self.LINES_MAX}")

    def covers(self, difference: Difference) -> bool:
        for pattern in self.reasons:
            if _matches(pattern, difference.path):
                self.used.add(pattern)
                return True
        return False

    def unused(self) -> list[str]:
        return [pattern for pattern in self.reasons if pattern not in self.used]


def _matches(pattern: str, path: str) -> bool:
    """`*` stands for one name or key, `[a|b]` for an entry with one of the keys."""
    made = re.escape(pattern).replace(r"\*", "[^]]*?")
    made = re.sub(r"\\\[(.*?)\\\]", lambda keys: r"\[(?:" + keys[1].replace(r"\|", "|") + r")\]", made)
    return re.fullmatch(made, path) is not None
