"""The rules of the platform for a block's ``model.proto``."""
# Three parsers read the file: a line-based one at onboarding, real ``protoc``
# in the orchestrator, and our own. The rules leave only what all understand.

import keyword
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aura.errors import Problem
from aura.platform import broken

FIRST_LINE = 'syntax = "proto3";'
# The onboarding parser takes uint32 and uint64 for messages.
SCALARS = frozenset({
    "double", "float", "int32", "int64", "bool", "string", "bytes",
    "sint32", "sint64", "fixed32", "fixed64", "sfixed32", "sfixed64"})
# Onboarding adds these to every block that is not a shared folder.
PLATFORM_NAMES = frozenset({
    "SharedFolderRequest", "SharedFolderStatus", "SharedFolderProvider"})
# A node's name is the block's name and a digit.
BLOCK_NAME = re.compile(r"[a-z]([-a-z0-9]{0,60}[a-z0-9])?")

_FORBIDDEN = re.compile(
    r"\b(package|import|enum|optional|map|oneof|uint32|uint64|option"
    r"|reserved)\b")
_COMMENT_WORDS = re.compile(
    _FORBIDDEN.pattern + r"|;|\bsyntax\b|^//\s*(service|message|rpc)\b")
_PRINTABLE = re.compile(r"[ -~]*")
_OPEN = re.compile(r"(message|service) ([A-Z][A-Za-z0-9]*) \{")
_FIELD = re.compile(r"  (repeated )?([A-Za-z][A-Za-z0-9]*) ([a-z][a-z0-9_]*)"
                    r" = ([1-9][0-9]*);")
_RPC = re.compile(r"  rpc ([a-z][a-z0-9_]*)\((stream )?([A-Z][A-Za-z0-9]*)\)"
                  r" returns \((stream )?([A-Z][A-Za-z0-9]*)\);")
_BIGGEST_NUMBER = 2 ** 29 - 1
_PROTOC_NUMBERS = range(19000, 20000)

Signature = tuple[tuple[bool, int, str], ...]


@dataclass(frozen=True)
class ProtoField:
    repeated: bool
    kind: str
    name: str
    number: int


@dataclass(frozen=True)
class Method:
    name: str
    streams_in: bool
    given: str
    streams_out: bool
    answer: str


@dataclass
class Proto:
    """The declarations of one file, and the rules that it breaks."""

    messages: dict[str, list[ProtoField]] = field(default_factory=dict)
    services: dict[str, list[Method]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def complain(self, key: str, **facts: Any) -> None:
        self.problems.append(broken(f"proto.{key}", **facts))

    @property
    def methods(self) -> list[Method]:
        return [method for methods in self.services.values()
                for method in methods]

    @property
    def signatures(self) -> dict[str, Signature]:
        """Role, number and type of each field: what the canvas compares."""
        ports = {name for method in self.methods
                 for name in (method.given, method.answer)}
        return {name: tuple((entry.repeated, entry.number, entry.kind)
                            for entry in self.messages[name])
                for name in sorted(ports & self.messages.keys())
                if name != "Empty"}


def check(text: str) -> list[Problem]:
    proto = parse(text)
    return proto.problems + list(_ambiguous(proto.signatures))


def check_all(models: Mapping[str, str]) -> list[Problem]:
    """Check the files of several blocks, alone and against each other."""
    protos = {name: parse(text) for name, text in models.items()}
    problems = [Problem(entry.rule, entry.level, f"{name}: {entry.text}")
                for name, proto in protos.items() for entry in proto.problems]
    problems += [broken("proto.block_name", name=name)
                 for name in models if not BLOCK_NAME.fullmatch(name)]
    signatures = {name: signature for proto in protos.values()
                  for name, signature in proto.signatures.items()}
    return [*problems, *_clashes(protos), *_ambiguous(signatures)]


def parse(text: str) -> Proto:
    """Read a ``model.proto`` by its layout."""
    proto = Proto()
    lines = text.split("\n")
    if not text.endswith("\n"):
        proto.complain("characters/end")
    _check_characters(proto, lines)
    if lines[0] != FIRST_LINE:
        proto.complain("first_line", line=FIRST_LINE)
    _read_lines(proto, ["" if "syntax" in lines[0] else lines[0], *lines[1:]])
    for look in (_check_names, _check_services, _check_messages):
        look(proto)
    return proto


def _check_characters(proto: Proto, lines: list[str]) -> None:
    for number, line in enumerate(lines, 1):
        if not _PRINTABLE.fullmatch(line):
            proto.complain("characters/odd", number=number)
        elif line.endswith(" "):
            proto.complain("characters/blank", number=number)


def _read_lines(proto: Proto, lines: list[str]) -> None:
    block, name = "", ""
    for number, line in enumerate(lines, 1):
        if line == "":
            continue
        if block and line == "}":
            block = ""
        elif line.startswith("//") and not block:
            if _COMMENT_WORDS.search(line):
                proto.complain("comment/words", number=number)
        elif found := _FORBIDDEN.search(line):
            proto.complain("forbidden", number=number, word=found[0])
        elif re.search(r"//|/\*|\*/", line):
            proto.complain("comment/place", number=number)
        elif not block and (found := _OPEN.fullmatch(line)):
            block, name = found.groups()
            if name in proto.messages or name in proto.services:
                proto.complain("duplicate/block", number=number, name=name)
            if block == "message":
                proto.messages[name] = []
            else:
                proto.services[name] = []
        elif block == "message" and (found := _FIELD.fullmatch(line)):
            proto.messages[name].append(ProtoField(
                bool(found[1]), found[2], found[3], int(found[4])))
        elif block == "service" and (found := _RPC.fullmatch(line)):
            proto.services[name].append(Method(
                found[1], bool(found[2]), found[3], bool(found[4]), found[5]))
        else:
            proto.complain(f"layout/{block or 'outside'}", number=number)
    if block:
        proto.complain("layout/open", block=block, name=name)


def _check_names(proto: Proto) -> None:
    for name in (*proto.messages, *proto.services,
                 *(method.name for method in proto.methods),
                 *(entry.name for fields in proto.messages.values()
                   for entry in fields)):
        if keyword.iskeyword(name):
            proto.complain("name/keyword", name=name)
        if name in PLATFORM_NAMES:
            proto.complain("name/platform", name=name)


def _check_services(proto: Proto) -> None:
    if len(proto.services) != 1:
        proto.complain("service/count", count=len(proto.services))
    if not proto.methods:
        proto.complain("service/empty")
    for name in _repeated(method.name for method in proto.methods):
        proto.complain("duplicate/rpc", name=name)
    for method in proto.methods:
        if method.streams_in and method.streams_out:
            proto.complain("stream", name=method.name)
        for name in (method.given, method.answer):
            if name not in proto.messages:
                proto.complain("undefined", rpc=method.name, name=name)
        if method.answer == "Empty":
            proto.complain("empty/answer", name=method.name)


def _check_messages(proto: Proto) -> None:
    for name, fields in proto.messages.items():
        for what in ("name", "number"):
            for value in _repeated(getattr(e, what) for e in fields):
                proto.complain(
                    "duplicate/field", name=name, what=what, value=value)
        for entry in fields:
            if entry.kind not in SCALARS and entry.kind not in proto.messages:
                proto.complain("type", name=name, field=entry)
            if (entry.number > _BIGGEST_NUMBER
                    or entry.number in _PROTOC_NUMBERS):
                proto.complain("number", name=name, field=entry)
        if (not fields) != (name == "Empty"):
            proto.complain("empty/fields", name=name, count=len(fields))


def _repeated(values: Iterable[str]) -> list[str]:
    return [value for value, count in Counter(values).items() if count > 1]


def _ambiguous(signatures: Mapping[str, Signature]) -> Iterator[Problem]:
    first: dict[Signature, str] = {}
    for name, signature in signatures.items():
        if signature == ((False, 1, "string"),):
            yield broken("proto.one_string", name=name)
        elif signature in first:
            yield broken("proto.ambiguous", name=name, other=first[signature])
        first.setdefault(signature, name)


def _clashes(protos: Mapping[str, Proto]) -> Iterator[Problem]:
    known: dict[str, tuple[str, object]] = {}
    for block, proto in protos.items():
        for name, content in {**proto.messages, **proto.services}.items():
            other, expected = known.setdefault(name, (block, content))
            if content != expected:
                yield broken("proto.clash", block=block, other=other,
                             name=name)
