"""
Blueprints: which blocks a solution is made of, and who feeds whom.

A blueprint is the JSON file that the platform's canvas saves. `parse` reads
it into nodes and rpcs and refuses what would hang, crash or be mis-wired
when it runs.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aura.errors import InvalidInputError, Problem

EMPTY = "Empty"
# Kubernetes' Service names are stricter than most: RFC 1035 labels.
_NODE_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")

Key = tuple[str, str]


@dataclass(frozen=True)
class Rpc:
    """One connected rpc of one node."""

    node: str  # The node and its operation; together they are the `key`
    name: str
    given: str  # Names of the message that goes in and the one that comes out
    answer: str
    targets: tuple[Key, ...] = ()  # Keys of the rpcs that get each answer
    # Whether the message that goes in, or the one that comes out, is a stream.
    stream_in: bool = False
    stream_out: bool = False

    @property
    def key(self) -> Key:
        """What links name: the node and the operation."""
        return self.node, self.name

    @property
    def is_source(self) -> bool:
        """Whether it is called on and on until its data end."""
        return self.given == EMPTY

    @property
    def is_sink(self) -> bool:
        """Whether nobody gets its answers."""
        return not self.targets

    def __str__(self) -> str:
        return f"{self.node}.{self.name}"


@dataclass(frozen=True)
class Node:
    """One container of a solution, with the rpcs that are connected."""

    name: str
    image: str
    rpcs: tuple[Rpc, ...]
    kind: str = ""


@dataclass(frozen=True)
class Blueprint:
    """A solution: its name and its nodes in the order of the file."""

    name: str
    nodes: tuple[Node, ...]

    @property
    def rpcs(self) -> tuple[Rpc, ...]:
        """All connected rpcs of all nodes."""
        return tuple(rpc for node in self.nodes for rpc in node.rpcs)

    def feeding(self, rpc: Rpc) -> tuple[Rpc, ...]:
        """The rpcs whose answers an rpc gets, one entry per link."""
        return tuple(other for other in self.rpcs
                     for target in other.targets if target == rpc.key)


def parse(text: str) -> Blueprint:
    """Read a blueprint and make sure that it can run."""
    blueprint = read(text)
    for problem in check(blueprint):
        raise InvalidInputError(problem.rule, problem.text)
    return blueprint


def read(text: str) -> Blueprint:
    """Read a blueprint, whether it can run or not."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(
            "blueprint.json", f"this is no JSON: {error}",
            "download the solution again") from None
    return Blueprint(
        _get(content, "name", str, "the blueprint"),
        tuple(_node(entry, number) for number, entry in enumerate(
            _get(content, "nodes", list, "the blueprint"), 1)))


def check(blueprint: Blueprint) -> list[Problem]:
    """What would go wrong if a blueprint were run."""
    return [Problem(f"blueprint.{rule}", "error", text)
            for look in (_names, _links, _feeding, _circles)
            for rule, text in look(blueprint)]


def _node(entry: Any, number: int) -> Node:
    where = f"node {number}"
    name = _get(entry, "container_name", str, where)
    where = f"node {name!r}"
    calls = _get(entry, "operation_signature_list", list, where)
    return Node(name, _get(entry, "image", str, where, ""),
                tuple(_rpc(name, call, where) for call in calls),
                _get(entry, "node_type", str, where, ""))


def _rpc(node: str, call: Any, where: str) -> Rpc:
    signature = _get(call, "operation_signature", dict, where)
    targets = tuple(
        (_get(link, "container_name", str, where),
         _get(_get(link, "operation_signature", dict, where),
              "operation_name", str, where))
        for link in _get(call, "connected_to", list, where))
    # Older canvases did not write whether a message is a stream.
    return Rpc(
        node, _get(signature, "operation_name", str, where),
        _get(signature, "input_message_name", str, where),
        _get(signature, "output_message_name", str, where), targets,
        _get(signature, "input_message_stream", bool, where, False),
        _get(signature, "output_message_stream", bool, where, False))


def _get(content: Any, key: str, kind: type, where: str,
         default: Any = None) -> Any:
    value = content.get(key, default) if isinstance(content, dict) else None
    if not isinstance(value, kind):
        raise InvalidInputError(
            "blueprint.field",
            f"{where} has no {key!r}, or it is no {kind.__name__}",
            "save the solution on the canvas again")
    return value


def _names(blueprint: Blueprint) -> Iterator[tuple[str, str]]:
    for node in blueprint.nodes:
        if not _NODE_NAME.fullmatch(node.name):
            yield "name", (
                f"node {node.name!r} becomes a Kubernetes name: lower-case "
                "letters, digits and '-', beginning with a letter")
    for name, count in Counter(
            node.name for node in blueprint.nodes).items():
        if count > 1:
            yield "duplicate", f"{count} nodes have the name {name!r}"
    for node in blueprint.nodes:
        for name, count in Counter(rpc.name for rpc in node.rpcs).items():
            if count > 1:
                yield "duplicate", f"{node.name}.{name} stands there twice"


def _links(blueprint: Blueprint) -> Iterator[tuple[str, str]]:
    known = {rpc.key: rpc for rpc in blueprint.rpcs}
    for rpc in blueprint.rpcs:
        if rpc.stream_in or rpc.stream_out:
            yield "stream", f"{rpc} streams; only single messages are run"
        for key in rpc.targets:
            target = known.get(key)
            if target is None:
                yield "link", f"{rpc} is linked to {'.'.join(key)}, " + (
                    "which is not in the blueprint")
            elif target.is_source:
                yield "source", (
                    f"{rpc} is linked to {target}, which takes Empty and is "
                    "called by itself")
            elif target.given != rpc.answer:
                yield "type", (
                    f"{rpc} answers {rpc.answer}, {target} takes "
                    f"{target.given}")


def _feeding(blueprint: Blueprint) -> Iterator[tuple[str, str]]:
    if not any(rpc.is_source for rpc in blueprint.rpcs):
        yield "no_source", "no rpc takes Empty, so nothing would ever start"
    for node in blueprint.nodes:
        if not node.rpcs:
            yield "unreachable", f"node {node.name!r} is not connected"
    for rpc in blueprint.rpcs:
        if not rpc.is_source and not blueprint.feeding(rpc):
            yield "unreachable", f"{rpc} gets no {rpc.given} from any node"


def _circles(blueprint: Blueprint) -> Iterator[tuple[str, str]]:
    # Take away, again and again, what nothing that is left feeds.
    left = {rpc.key: rpc for rpc in blueprint.rpcs}
    while True:
        fed = {key for rpc in left.values() for key in rpc.targets}
        free = left.keys() - fed
        if not free:
            break
        for key in free:
            del left[key]
    if left:
        yield "circle", (
            "messages would go round for ever: "
            + ", ".join(str(rpc) for rpc in left.values()))
