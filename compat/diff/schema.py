"""Kafka's message definitions as a codec: reads the JSON in the kafka-clients jar, encodes and decodes any of them.

A message is a dict of field names as the definition spells them. Missing fields take their default; `_tags` holds
tagged fields the definition does not know, as {tag: bytes}. Uuids are Kafka's text form (base64url without padding),
records are bytes. The encoder takes null anywhere, also where the definition does not allow it.
"""
import base64
import json
import re
import struct
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

FIXED = {
    "bool": ">?", "int8": ">b", "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I", "int64": ">q", "float64": ">d",
}
ZERO_UUID = "AAAAAAAAAAAAAAAAAAAAAA"


class Malformed(Exception):
    """Bytes that are no message of the definition."""


@dataclass(frozen=True)
class Versions:
    low: int
    high: int

    @staticmethod
    def parse(text: str) -> "Versions":
        if text == "none":
            return Versions(0, -1)
        if text.endswith("+"):
            return Versions(int(text[:-1]), 32767)
        low, _, high = text.partition("-")
        return Versions(int(low), int(high or low))

    def __contains__(self, version: int) -> bool:
        return self.low <= version <= self.high


@dataclass
class Field:
    name: str
    type: str  # the element's type for an array
    array: bool
    versions: Versions
    nullable: Versions
    tagged: Versions
    tag: int | None
    flexible: Versions | None  # where it differs from the message's
    fields: list["Field"] = field(default_factory=list)
    default: object = None
    entity: str | None = None

    def is_struct(self) -> bool:
        return self.type not in FIXED and self.type not in ("string", "bytes", "records", "uuid")


@dataclass
class Message:
    name: str
    api_key: int | None
    versions: Versions
    flexible: Versions
    fields: list[Field]

    def encode(self, version: int, values: dict) -> bytes:
        out = bytearray()
        _encode_struct(out, self.fields, values, version, version in self.flexible, self.name)
        return bytes(out)

    def decode(self, version: int, data: bytes) -> dict:
        """The message that `data` is from its first byte to its last."""
        reader = Reader(data)
        values = _decode_struct(reader, self.fields, version, version in self.flexible)
        if reader.at != len(data):
            raise Malformed(f"{len(data) - reader.at} bytes after the end of {self.name} {version}")
        return values


@dataclass
class Api:
    name: str
    key: int
    request: Message
    response: Message

    def header_version(self, version: int) -> int:
        return 2 if version in self.request.flexible else 1

    def answers_flexibly(self, version: int) -> bool:
        """Whether tagged fields follow the correlation id. ApiVersions never has them: a client that does not know
        the broker's versions yet has to read the answer."""
        return version in self.response.flexible and self.name != "ApiVersions"


def load(libs: Path) -> dict[str, Api]:
    """Every API by its name, from the kafka-clients jar in `libs`."""
    [jar] = libs.glob("kafka-clients-*.jar")
    messages: dict[str, Message] = {}
    with zipfile.ZipFile(jar) as archive:
        for entry in archive.namelist():
            if re.fullmatch(r"common/message/\w+(Request|Response)\.json", entry):
                text = re.sub(r"^\s*//.*$", "", archive.read(entry).decode(), flags=re.M)
                message = _message(json.loads(text))
                messages[message.name] = message
    apis = {}
    for name, request in messages.items():
        response = messages.get(name.removesuffix("Request") + "Response")
        if name.endswith("Request") and request.api_key is not None and response is not None:
            short = name.removesuffix("Request")
            apis[short] = Api(short, request.api_key, request, response)
    if len(apis) < 60:
        raise Malformed(f"{jar} holds the definitions of {len(apis)} APIs only")
    return apis


def _message(definition: dict) -> Message:
    commons = {c["name"]: c["fields"] for c in definition.get("commonStructs", [])}
    return Message(
        definition["name"], definition.get("apiKey"), Versions.parse(definition["validVersions"]),
        Versions.parse(definition.get("flexibleVersions", "none")), [_field(f, commons) for f in definition.get("fields", [])],
    )


def _field(definition: dict, commons: dict) -> Field:
    kind = definition["type"]
    array = kind.startswith("[]")
    kind = kind.removeprefix("[]")
    inner = definition.get("fields") or commons.get(kind, [])
    made = Field(
        definition["name"], kind, array,
        Versions.parse(definition["versions"]), Versions.parse(definition.get("nullableVersions", "none")),
        Versions.parse(definition.get("taggedVersions", "none")), definition.get("tag"),
        Versions.parse(definition["flexibleVersions"]) if "flexibleVersions" in definition else None,
        [_field(f, commons) for f in inner], entity=definition.get("entityType"),
    )
    made.default = _default(made, definition.get("default"))
    return made


def _default(made: Field, text):
    if text == "null":
        return None
    if made.array:
        return []
    if made.type == "bool":
        return text in (True, "true")
    if made.type == "float64":
        return float(text or 0)
    if made.type in FIXED:
        return int(str(text), 0) if text not in (None, "") else 0
    if made.type == "string":
        return text or ""
    if made.type in ("bytes", "records"):
        return b""
    if made.type == "uuid":
        return ZERO_UUID
    return {}


# Encoding ------------------------------------------------------------------------------------------------------------


def uvarint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _encode_struct(out: bytearray, fields: list[Field], values: dict, version: int, flexible: bool, where: str) -> None:
    unknown = set(values) - {f.name for f in fields} - {"_tags"}
    if unknown:
        raise KeyError(f"{where} has no {', '.join(sorted(unknown))}")
    tagged: dict[int, bytes] = dict(values.get("_tags", {}))
    for item in fields:
        if version not in item.versions:
            continue
        if version in item.tagged:
            # What equals its default is left out, unless the caller spelled it.
            if item.name in values:
                piece = bytearray()
                _encode_field(piece, item, values[item.name], version, flexible)
                tagged[item.tag] = bytes(piece)
            continue
        _encode_field(out, item, values.get(item.name, item.default), version, flexible)
    if flexible:
        out += uvarint(len(tagged))
        for tag in sorted(tagged):
            out += uvarint(tag) + uvarint(len(tagged[tag])) + tagged[tag]


def _encode_field(out: bytearray, item: Field, value, version: int, flexible: bool) -> None:
    if item.flexible is not None:
        flexible = version in item.flexible
    if not item.array:
        _encode_one(out, item, value, version, flexible)
        return
    if flexible:
        out += uvarint(0 if value is None else len(value) + 1)
    else:
        out += struct.pack(">i", -1 if value is None else len(value))
    for element in value or ():
        if item.is_struct():
            _encode_struct(out, item.fields, element, version, flexible, item.name)
        else:
            _encode_one(out, item, element, version, flexible)


def _encode_one(out: bytearray, item: Field, value, version: int, flexible: bool) -> None:
    if item.type in FIXED:
        out += struct.pack(FIXED[item.type], value)
    elif item.type == "uuid":
        out += uuid_bytes(value)
    elif item.type in ("string", "bytes", "records"):
        data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
        if flexible:
            out += uvarint(0 if data is None else len(data) + 1)
        else:
            out += struct.pack(">h" if item.type == "string" else ">i", -1 if data is None else len(data))
        out += data or b""
    else:
        if item.nullable.low <= item.nullable.high and version in item.nullable:
            out += struct.pack(">b", -1 if value is None else 1)
            if value is None:
                return
        _encode_struct(out, item.fields, value, version, flexible, item.name)


def uuid_bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "==")


def uuid_text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


# Decoding ------------------------------------------------------------------------------------------------------------


class Reader:
    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self.data):
            raise Malformed(f"{count} bytes wanted at {self.at} of {len(self.data)}")
        self.at += count
        return self.data[self.at - count:self.at]

    def fixed(self, layout: str):
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def uvarint(self) -> int:
        value, shift = 0, 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def tags(self) -> dict[int, bytes]:
        return {self.uvarint(): self.take(self.uvarint()) for _ in range(self.uvarint())}


def _decode_struct(reader: Reader, fields: list[Field], version: int, flexible: bool) -> dict:
    values = {}
    for item in fields:
        if version in item.versions and version not in item.tagged:
            values[item.name] = _decode_field(reader, item, version, flexible)
    if flexible:
        found = reader.tags()
        for item in fields:
            if version in item.versions and version in item.tagged:
                values[item.name] = item.default
                if item.tag in found:
                    inner = Reader(found.pop(item.tag))
                    values[item.name] = _decode_field(inner, item, version, flexible)
                elif item.is_struct() and not item.array:
                    values[item.name] = None if item.default is None else defaults(item.fields, version)
        if found:
            values["_tags"] = found
    return values


def defaults(fields: list[Field], version: int) -> dict:
    """A struct of nothing but defaults."""
    return {item.name: item.default for item in fields if version in item.versions}


def _decode_field(reader: Reader, item: Field, version: int, flexible: bool):
    if item.flexible is not None:
        flexible = version in item.flexible
    if not item.array:
        return _decode_one(reader, item, version, flexible)
    count = reader.uvarint() - 1 if flexible else reader.fixed(">i")
    if count < 0:
        return None
    if item.is_struct():
        return [_decode_struct(reader, item.fields, version, flexible) for _ in range(count)]
    return [_decode_one(reader, item, version, flexible) for _ in range(count)]


def _decode_one(reader: Reader, item: Field, version: int, flexible: bool):
    if item.type in FIXED:
        return reader.fixed(FIXED[item.type])
    if item.type == "uuid":
        return uuid_text(reader.take(16))
    if item.type in ("string", "bytes", "records"):
        if flexible:
            length = reader.uvarint() - 1
        else:
            length = reader.fixed(">h" if item.type == "string" else ">i")
        if length < 0:
            return None
        data = reader.take(length)
        return data.decode("utf-8", "replace") if item.type == "string" else data
    if version in item.nullable and reader.fixed(">b") < 0:
        return None
    return _decode_struct(reader, item.fields, version, flexible)
