"""
The rules that a block's ``model.proto`` has to keep on the platform.

Three parsers read the file: a line-based one at onboarding, real ``protoc``
in the orchestrator, and our own ``protoc``. Many legal constructs are
refused, lost or mangled by one of them, some without a word. The rules below
leave only what all three understand: one layout, line by line.

`check` reads one file; `check_all` also compares the files of several
blocks, which meet on one canvas and in one merged file.
"""

import keyword
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from aura.errors import Problem

FIRST_LINE = 'syntax = "proto3";'
# The onboarding parser takes uint32 and uint64 for messages.
SCALARS = frozenset({
    "double", "float", "int32", "int64", "bool", "string", "bytes",
    "sint32", "sint64", "fixed32", "fixed64", "sfixed32", "sfixed64"})
# Onboarding adds these to every block that is not a shared folder.
PLATFORM_NAMES = frozenset({
    "SharedFolderRequest", "SharedFolderStatus", "SharedFolderProvider"})
# Nodes are named by the model's name and a digit.
BLOCK_NAME = re.compile(r"[a-z]([-a-z0-9]{0,60}[a-z0-9])?")

_FORBIDDEN = re.compile(
    r"\b(package|import|enum|optional|map|oneof|uint32|uint64|option"
    r"|reserved)\b")
_COMMENT_WORDS = re.compile(
    _FORBIDDEN.pattern + r"|\bsyntax\b|^//\s*(service|message|rpc)\b")
_PRINTABLE = re.compile(r"[ -~]*")
_MESSAGE = re.compile(r"message ([A-Z][A-Za-z0-9]*) \{")
_SERVICE = re.compile(r"service ([A-Z][A-Za-z0-9]*) \{")
_FIELD = re.compile(
    r"  (repeated )?([A-Za-z][A-Za-z0-9]*) ([a-z][a-z0-9_]*)"
    r" = ([1-9][0-9]*);")
_RPC = re.compile(
    r"  rpc ([a-z][a-z0-9_]*)\((stream )?([A-Z][A-Za-z0-9]*)\)"
    r" returns \((stream )?([A-Z][A-Za-z0-9]*)\);")
_LAYOUT = {
    "": "outside a block only 'message Name {', 'service Name {', comments "
        "and empty lines are read",
    "message": "a field is '  [repeated ]type name = N;' with single blanks, "
               "and a message ends with '}' alone",
    "service": "an rpc is '  rpc name(In) returns (Out);' on one line, and "
               "a service ends with '}' alone",
}
_BIGGEST_NUMBER = 2 ** 29 - 1
_PROTOC_NUMBERS = range(19000, 20000)

Signature = tuple[tuple[str, int, str], ...]


@dataclass(frozen=True)
class ProtoField:
    """One field of a message."""

    repeated: bool
    kind: str
    name: str
    number: int

    @property
    def signature(self) -> tuple[str, int, str]:
        """All that the canvas compares: role, number and type."""
        return ("repeated" if self.repeated else "", self.number, self.kind)


@dataclass(frozen=True)
class Method:
    """One rpc of a service."""

    name: str
    streams_in: bool
    given: str
    streams_out: bool
    answer: str


@dataclass
class Proto:
    """What one file declares, and what its lines break."""

    messages: dict[str, list[ProtoField]] = field(default_factory=dict)
    services: dict[str, list[Method]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def complain(self, rule: str, text: str) -> None:
        """Add a problem with the rule's full name."""
        self.problems.append(Problem(f"proto.{rule}", "error", text))

    @property
    def methods(self) -> list[Method]:
        """The rpcs of all services."""
        return [method for methods in self.services.values()
                for method in methods]

    @property
    def ports(self) -> set[str]:
        """Names of the messages that rpcs take and give."""
        return {name for method in self.methods
                for name in (method.given, method.answer)}


def check(text: str) -> list[Problem]:
    """Check one ``model.proto`` against every rule of the platform."""
    proto = parse(text)
    return proto.problems + _ambiguous(_signatures(proto))


def check_all(models: Mapping[str, str]) -> list[Problem]:
    """Check the files of several blocks, alone and against each other."""
    protos = {name: parse(text) for name, text in models.items()}
    problems = [Problem(entry.rule, entry.level, f"{name}: {entry.text}")
                for name, proto in protos.items()
                for entry in proto.problems]
    for name in models:
        if not BLOCK_NAME.fullmatch(name):
            problems.append(Problem(
                "proto.block_name", "error",
                f"{name!r} becomes a Kubernetes name: lower-case letters, "
                "digits and '-', beginning with a letter, at most 62"))
    signatures = {name: signature for proto in protos.values()
                  for name, signature in _signatures(proto).items()}
    return problems + _clashes(protos) + _ambiguous(signatures)


def parse(text: str) -> Proto:
    """Read a ``model.proto`` by its layout."""
    proto = Proto()
    _check_characters(proto, text)
    lines = text.split("\n")
    if lines[0] != FIRST_LINE:
        proto.complain(
            "first_line", f"line 1 has to be {FIRST_LINE} and nothing else")
    _read_lines(proto, lines[1:] if "syntax" in lines[0] else lines,
                2 if "syntax" in lines[0] else 1)
    for check_meaning in (_check_names, _check_services, _check_fields):
        check_meaning(proto)
    return proto


def _check_characters(proto: Proto, text: str) -> None:
    if not text.endswith("\n"):
        proto.complain("characters", "the last line has no line end")
    for number, line in enumerate(text.split("\n"), 1):
        if not _PRINTABLE.fullmatch(line):
            proto.complain(
                "characters", f"line {number} has a tab, a carriage return "
                "or a character beyond ASCII")
        elif line.endswith(" "):
            proto.complain(
                "characters", f"line {number} ends with a blank")


def _read_lines(proto: Proto, lines: list[str], first: int) -> None:
    block, name = "", ""
    for number, line in enumerate(lines, first):
        if block and line == "}":
            block = ""
        elif line.startswith("//") and not block:
            _read_comment(proto, number, line)
        elif line == "":
            continue
        elif _FORBIDDEN.search(line):
            word = _FORBIDDEN.findall(line)[0]
            proto.complain(
                "forbidden", f"line {number} has {word!r}, which one of the "
                "platform's parsers refuses or mangles")
        elif "//" in line or "/*" in line or "*/" in line:
            proto.complain(
                "comment", f"line {number} has a comment inside a block, "
                "behind code or of the form /* */")
        elif not block and (opened := _open(line)):
            block, name = opened
            _declare(proto, block, name, number)
        elif not _read_entry(proto, block, name, line):
            proto.complain(
                "layout", f"line {number} cannot be read: {_LAYOUT[block]}")
    if block:
        proto.complain("layout", f"{block} {name} is not closed by '}}'")


def _read_comment(proto: Proto, number: int, line: str) -> None:
    if ";" in line or _COMMENT_WORDS.search(line):
        proto.complain(
            "comment", f"line {number} is a comment with a ';', 'syntax' or "
            "a forbidden word, or begins like code")


def _open(line: str) -> tuple[str, str] | None:
    for block, pattern in (("message", _MESSAGE), ("service", _SERVICE)):
        if found := pattern.fullmatch(line):
            return block, found[1]
    return None


def _declare(proto: Proto, block: str, name: str, number: int) -> None:
    if name in proto.messages or name in proto.services:
        proto.complain(
            "duplicate", f"line {number} declares {name} a second time")
    if block == "message":
        proto.messages[name] = []
    else:
        proto.services[name] = []


def _read_entry(proto: Proto, block: str, name: str, line: str) -> bool:
    if block == "message" and (found := _FIELD.fullmatch(line)):
        proto.messages[name].append(ProtoField(
            bool(found[1]), found[2], found[3], int(found[4])))
        return True
    if block == "service" and (found := _RPC.fullmatch(line)):
        proto.services[name].append(Method(
            found[1], bool(found[2]), found[3], bool(found[4]), found[5]))
        return True
    return False


def _check_names(proto: Proto) -> None:
    names = [*proto.messages, *proto.services,
             *(method.name for method in proto.methods),
             *(entry.name for fields in proto.messages.values()
               for entry in fields)]
    for name in names:
        if keyword.iskeyword(name):
            proto.complain("name", f"{name!r} is a word of Python")
        if name in PLATFORM_NAMES:
            proto.complain(
                "name", f"{name!r} is added by the platform itself")


def _check_services(proto: Proto) -> None:
    if len(proto.services) != 1:
        proto.complain(
            "service", f"there are {len(proto.services)} services; the "
            "orchestrator takes the first for all rpcs, so declare one")
    if not proto.methods:
        proto.complain("service", "without an rpc the block has no port")
    names = [method.name for method in proto.methods]
    for name in sorted(set(_repeated(names))):
        proto.complain("duplicate", f"rpc {name} is declared twice")
    for method in proto.methods:
        if method.streams_in and method.streams_out:
            proto.complain(
                "stream", f"rpc {method.name} streams in and out, at which "
                "the orchestrator crashes")
        for name in (method.given, method.answer):
            if name not in proto.messages:
                proto.complain(
                    "undefined", f"rpc {method.name} uses {name}, which "
                    "this file does not define")
        if method.answer == "Empty":
            proto.complain(
                "empty", f"rpc {method.name} answers Empty, which could be "
                "wired to a source; answer a report")


def _check_fields(proto: Proto) -> None:
    for name, fields in proto.messages.items():
        for what in ("name", "number"):
            for value in _repeated([getattr(e, what) for e in fields]):
                proto.complain(
                    "duplicate", f"{name} has two fields of {what} {value}")
        for entry in fields:
            if entry.kind not in SCALARS and entry.kind not in proto.messages:
                proto.complain(
                    "type", f"{name}.{entry.name} is a {entry.kind}, which "
                    "is neither a safe scalar nor a message of this file")
            if (entry.number > _BIGGEST_NUMBER
                    or entry.number in _PROTOC_NUMBERS):
                proto.complain(
                    "number", f"{name}.{entry.name} has the number "
                    f"{entry.number}, which protoc refuses")
        if (not fields) != (name == "Empty"):
            proto.complain(
                "empty", "the message without fields is 'Empty', which "
                f"marks a source; {name} has {len(fields)} fields")


def _repeated(values: list[str]) -> Iterator[str]:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            yield value
        seen.add(value)


def _signatures(proto: Proto) -> dict[str, Signature]:
    return {name: tuple(entry.signature for entry in proto.messages[name])
            for name in sorted(proto.ports & proto.messages.keys())
            if name != "Empty"}


def _ambiguous(signatures: dict[str, Signature]) -> list[Problem]:
    problems = []
    first: dict[Signature, str] = {}
    for name, signature in signatures.items():
        if signature == (("", 1, "string"),):
            problems.append(Problem(
                "proto.one_string", "error",
                f"{name} is one string, which the canvas takes for any "
                "other such message and for a shared folder"))
        elif signature in first:
            problems.append(Problem(
                "proto.ambiguous", "error",
                f"{name} and {first[signature]} have fields of the same "
                "types, by which alone the canvas matches ports"))
        first.setdefault(signature, name)
    return problems


def _clashes(protos: Mapping[str, Proto]) -> list[Problem]:
    problems = []
    known: dict[str, tuple[str, object]] = {}
    for block, proto in protos.items():
        for name, content in {**proto.messages, **proto.services}.items():
            other, expected = known.setdefault(name, (block, content))
            if content != expected:
                problems.append(Problem(
                    "proto.clash", "error",
                    f"{block} and {other} define {name} differently; the "
                    "orchestrator refuses to merge them"))
    return problems
