"""The two brokers as one: every request goes to both, and what they answer is compared.

Scripts see the JVM's answers and speak in the JVM's names; what Ottla calls the same thing is put in on the way.
"""
import socket
import struct
import time
from collections import Counter
from dataclasses import dataclass

from compare import Comparison, Declared, Difference, Identities
from schema import Api, Malformed, uvarint

PATIENCE_SECONDS = 15.0
CLOSED, SILENT = "the connection was closed", "no answer"
# After these the JVM's broker lags behind its controller; see `Pair.settle`.
CHANGES_METADATA = {
    "CreateTopics", "DeleteTopics", "CreatePartitions", "AlterConfigs", "IncrementalAlterConfigs", "AlterClientQuotas",
    "AlterUserScramCredentials", "ElectLeaders", "AlterPartitionReassignments", "UnregisterBroker",
    "CreateAcls", "DeleteAcls", "AddRaftVoter", "RemoveRaftVoter", "UpdateFeatures",
}


class Connection:
    """A socket to one broker that is opened anew when the broker closed it."""

    def __init__(self, port: int):
        self.port, self.socket, self.correlation = port, None, 0

    def send(self, frame: bytes) -> None:
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.socket.sendall(struct.pack(">i", len(frame)) + frame)
        except OSError:
            pass  # told by the answer that does not come

    def request(self, api: Api, version: int, body: bytes, client_id: str | None) -> None:
        self.correlation += 1
        raw = b"" if client_id is None else client_id.encode()
        frame = struct.pack(">hhih", api.key, version, self.correlation, -1 if client_id is None else len(raw)) + raw
        self.send(frame + (uvarint(0) if api.header_version(version) == 2 else b"") + body)

    def answer(self, patience=PATIENCE_SECONDS) -> bytes | str:
        """The next frame, or what happened instead."""
        try:
            self.socket.settimeout(patience)
            [size] = struct.unpack(">i", self._exactly(4))
            return self._exactly(size)
        except TimeoutError:
            self.close()
            return SILENT
        except OSError:
            self.close()
            return CLOSED

    def _exactly(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise ConnectionError
            data += piece
        return bytes(data)

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None


@dataclass
class Pending:
    """A request on its way, on a connection of its own."""

    pair: "Pair"
    step: "Step"
    connections: tuple[Connection, Connection]

    def answer(self, patience=PATIENCE_SECONDS):
        got = self.pair.receive(self.step, self.connections, patience)
        for connection in self.connections:
            connection.close()
        return got


@dataclass
class Step:
    script: str
    name: str
    api: Api
    version: int
    fields: dict


@dataclass
class Finding:
    """One kind of difference: the first time it was seen, and how often."""

    difference: Difference
    step: Step
    count: int = 1


class Pair:
    def __init__(self, apis: dict[str, Api], jvm, ottla, declared: Declared, quick: bool):
        self.apis, self.jvm, self.ottla, self.declared, self.quick = apis, jvm, ottla, declared, quick
        self.identities = Identities()
        self.began_ms = int(time.time() * 1000)
        self.connections: dict = {}
        self.findings: dict[tuple, Finding] = {}
        self.asked: Counter = Counter()  # (API, version) to requests
        self.served: dict[str, range] = {}
        self.script, self.step_name = "", ""
        self.identities.agree("path", str(jvm.data), str(ottla.data))
        self.identities.agree("port", jvm.port, ottla.port)
        self.identities.agree("port", jvm.controller_port, ottla.controller_port)
        self.identities.texts[f"port {ottla.port}"] = f"port {jvm.port}"

    # What scripts call ---------------------------------------------------------------------------------------------

    def versions(self, name: str) -> list[int]:
        """The versions to go through; in a quick run the outermost and the first flexible one."""
        served = self.served[name]
        if not self.quick:
            return list(served)
        return sorted({served[0], max(served[0], min(self.apis[name].request.flexible.low, served[-1])), served[-1]})

    def latest(self, name: str) -> int:
        return self.served[name][-1]

    def step(self, name: str) -> None:
        """Names what the next requests are about."""
        self.step_name = name

    def call(self, name: str, version: int | None = None, /, *, at="main", port="broker", client_id="diff", **fields):
        """One request to both; the JVM's answer, or None where the connection was closed."""
        step = self._step(name, version, fields)
        connections = self._connections(at, port)
        self._send(step, connections, client_id)
        answer = self.receive(step, connections)
        if name in CHANGES_METADATA and not (fields.get("validateOnly") or fields.get("ValidateOnly")) and succeeded(answer):
            self.settle()
        return answer

    def table(self, name: str, steps: dict[str, dict], versions=None, port="broker") -> None:
        """Every step at every version."""
        for version in self.versions(name) if versions is None else versions:
            for step, fields in steps.items():
                self.step(step)
                self.call(name, version, port=port, **fields)

    def topic(self, name: str, partitions=1, **configs) -> str:
        """Creates a topic; answers its id. Dots in the names of configs are spelled as underscores."""
        rows = [{"Name": key.replace("_", "."), "Value": value} for key, value in configs.items()]
        made = self.call("CreateTopics", 7, timeoutMs=10_000, Topics=[
            {"Name": name, "NumPartitions": partitions, "ReplicationFactor": 1, "Configs": rows},
        ])["Topics"][0]
        if made["ErrorCode"]:
            raise RuntimeError(f"topic {name}: {made}")
        return made["TopicId"]

    def start(self, name: str, version: int | None = None, /, *, client_id="diff", **fields) -> Pending:
        """A request whose answer is fetched later."""
        step = self._step(name, version, fields)
        connections = (Connection(self.jvm.port), Connection(self.ottla.port))
        self._send(step, connections, client_id)
        return Pending(self, step, connections)

    def one_way(self, name: str, version: int | None = None, /, *, at="main", **fields) -> None:
        """A request that is not answered (acks 0)."""
        self._send(self._step(name, version, fields), self._connections(at, "broker"), "diff")

    def raw(self, frame: bytes, name="ApiVersions", version=0) -> None:
        """Any frame; whatever comes back is compared as bytes behind the correlation id."""
        step = self._step(name, version, {"frame": frame})
        connections = (Connection(self.jvm.port), Connection(self.ottla.port))
        for connection in connections:
            connection.send(frame)
        answers = [connection.answer(3.0) for connection in connections]
        for connection in connections:
            connection.close()
        if answers[0] != answers[1]:
            self._report(step, [Difference(f"{name}.answer", *answers)])

    def disconnect(self, at="main") -> None:
        for connection in self.connections.pop((at, "broker"), ()):
            connection.close()

    # How it is done ------------------------------------------------------------------------------------------------

    def _step(self, name: str, version: int | None, fields: dict) -> Step:
        version = self.latest(name) if version is None else version
        self.asked[name, version] += 1
        return Step(self.script, self.step_name, self.apis[name], version, fields)

    def _connections(self, at: str, port: str) -> tuple[Connection, Connection]:
        if (at, port) not in self.connections:
            numbers = [b.port if port == "broker" else b.controller_port for b in (self.jvm, self.ottla)]
            self.connections[at, port] = (Connection(numbers[0]), Connection(numbers[1]))
        return self.connections[at, port]

    def _send(self, step: Step, connections: tuple[Connection, Connection], client_id: str | None) -> None:
        message = step.api.request
        ours = self.identities.request(message.fields, step.fields)
        connections[0].request(step.api, step.version, message.encode(step.version, step.fields), client_id)
        connections[1].request(step.api, step.version, message.encode(step.version, ours), client_id)

    def receive(self, step: Step, connections: tuple[Connection, Connection], patience=PATIENCE_SECONDS):
        raw = [connection.answer(patience) for connection in connections]
        answers = [self._decode(step, connection, data) for connection, data in zip(connections, raw)]
        jvm, ottla = answers
        if isinstance(jvm, str) or isinstance(ottla, str):
            for connection in connections:
                connection.close()
            if jvm != ottla:
                self._report(step, [Difference(f"{step.api.name}.answer", jvm, ottla)])
            return None if isinstance(jvm, str) else jvm
        comparison = Comparison(self.identities, self.began_ms)
        comparison.struct(step.api.name, step.api.response.fields, jvm, ottla)
        self._report(step, comparison.found)
        return jvm

    def _decode(self, step: Step, connection: Connection, data: bytes | str) -> dict | str:
        if isinstance(data, str):
            return data
        try:
            if struct.unpack_from(">i", data)[0] != connection.correlation:
                return "an answer with another correlation id"
            at = 4 + (1 if step.api.answers_flexibly(step.version) else 0)
            version = step.version if step.version in step.api.response.versions else 0
            if step.api.name == "ApiVersions" and data[4:6] == b"\0\x23":
                version = 0
            return step.api.response.decode(version, data[at:])
        except (Malformed, struct.error) as problem:
            return f"an answer that cannot be read: {problem}; {data[:60].hex()}"

    def _report(self, step: Step, differences: list[Difference]) -> None:
        for difference in differences:
            if self.declared.covers(difference):
                continue
            key = (step.script, step.name, difference.path, repr(difference.jvm)[:200], repr(difference.ottla)[:200])
            if key in self.findings:
                self.findings[key].count += 1
            else:
                self.findings[key] = Finding(difference, step)

    def settle(self) -> None:
        """Waits until the JVM's broker holds what its controller answered.

        The offset of the metadata in force is in the ApiVersions answer, and it is set before logs and coordinators
        are told; so the next one after it, of the idle records that the JVM writes all the time, is awaited as well.
        """
        quorum = self._ask(0, "DescribeQuorum", 0, Topics=[{"TopicName": "__cluster_metadata", "Partitions": [{"PartitionIndex": 0}]}])
        wanted = quorum["Topics"][0]["Partitions"][0]["HighWatermark"] - 1
        deadline = time.monotonic() + 30
        reached = None
        while time.monotonic() < deadline:
            offset = self._ask(0, "ApiVersions", 3, ClientSoftwareName="diff", ClientSoftwareVersion="1")["FinalizedFeaturesEpoch"]
            if reached is not None and offset > reached:
                return
            if reached is None and offset >= wanted:
                reached = offset
            time.sleep(0.002)
        raise RuntimeError("the JVM broker does not catch up with its controller")

    def await_each(self, wanted, name: str, version: int, **fields) -> None:
        """Asks each broker, uncompared, until its answer is as wanted."""
        for side in (0, 1):
            deadline = time.monotonic() + 60
            while not wanted(self._ask(side, name, version, **fields)):
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{name} never answers as wanted at the {('JVM', 'Ottla')[side]} broker")
                time.sleep(0.005)

    def await_coordinators(self) -> None:
        """Until every partition of the offsets topic is there and loaded."""
        self.await_each(lambda answer: answer["ErrorCode"] == 0, "FindCoordinator", 2, Key="anything", KeyType=0)
        groups = [f"warming-{number}" for number in range(40)]
        self.await_each(lambda answer: all(g["ErrorCode"] == 0 for g in answer["Groups"]), "DescribeGroups", 5, Groups=groups)

    def await_producer_ids(self) -> None:
        """Until each has a block of producer ids and has given the first: the JVM fetches its own when it is asked."""
        self.await_each(lambda answer: answer["ErrorCode"] == 0, "InitProducerId", 4, TransactionalId=None, TransactionTimeoutMs=1000)

    def await_members(self, group: str, count: int, state: str | None = None) -> None:
        """Until a group has that many members (and is in a state), so that what was started is known to have arrived."""
        def arrived(answer: dict) -> bool:
            told = answer["Groups"][0]
            return len(told["Members"]) == count and state in (None, told["GroupState"])

        self.await_each(arrived, "DescribeGroups", 5, Groups=[group])

    def _ask(self, side: int, name: str, version: int, **fields) -> dict:
        api = self.apis[name]
        connection = self._connections("aside", "broker")[side]
        connection.request(api, version, api.request.encode(version, fields), "aside")
        data = connection.answer()
        if isinstance(data, str):
            raise RuntimeError(f"{name} to the {('JVM', 'Ottla')[side]} broker: {data}")
        at = 4 + (1 if api.answers_flexibly(version) else 0)
        return api.response.decode(version, data[at:])


def succeeded(answer: dict | None) -> bool:
    """Whether an answer tells of anything that was done."""
    if answer is None:
        return False
    entries = [entry for rows in answer.values() if isinstance(rows, list) for entry in rows if isinstance(entry, dict)]
    return any(map(succeeded, entries)) if entries else answer.get("ErrorCode", 0) == 0
