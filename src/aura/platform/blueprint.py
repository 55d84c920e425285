"""Blueprints as the canvas saves them: nodes, and links between rpcs."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from aura.errors import InvalidInputError, Problem

EMPTY = "Empty"
_NODE_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")  # RFC 1035

Key = tuple[str, str]


@dataclass(frozen=True)
class Rpc:
    """One connected rpc of one node."""

    node: str
    name: str
    given: str  # Name of the message that it takes
    answer: str  # Name of the message that it returns
    targets: tuple[Key, ...] = ()  # Keys of the rpcs that get each answer
    stream_in: bool = False
    stream_out: bool = False

    @property
    def key(self) -> Key:
        """How links name it: by the node and the rpc."""
        return self.node, self.name

    @property
    def is_source(self) -> bool:
        """Whether it is called again and again until its data end."""
        return self.given == EMPTY

    @property
    def is_sink(self) -> bool:
        """Whether its answers go to no other rpc."""
        return not self.targets

    def __str__(self) -> str:
        return f"{self.node}.{self.name}"


@dataclass(frozen=True)
class Node:
    """One container of a solution, with its connected rpcs."""

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
        return tuple(rpc for node in self.nodes for rpc in node.rpcs)

    def feeding(self, rpc: Rpc) -> tuple[Rpc, ...]:
        """The rpcs whose answers an rpc gets, one entry per link."""
        return tuple(other for other in self.rpcs
                     for target in other.targets if target == rpc.key)


def parse(text: str) -> Blueprint:
    """Read a blueprint, and reject one that cannot run."""
    blueprint = read(text)
    for problem in check(blueprint):
        raise InvalidInputError(problem.rule, problem.text)
    return blueprint


def read(text: str) -> Blueprint:
    """Read a blueprint, also one that cannot run."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(
            "blueprint.json", f"the blueprint is not JSON: {error}",
            "download the solution again") from None
    return Blueprint(_get(content, "name", str, "the blueprint"),
                     tuple(_node(entry, number) for number, entry in enumerate(
                         _get(content, "nodes", list, "the blueprint"), 1)))


def check(blueprint: Blueprint) -> list[Problem]:
    """List what would go wrong in a run."""
    return [Problem(f"blueprint.{rule}", "error", text)
            for look in (_names, _links, _unreachable, _circles)
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
    targets = tuple((_get(link, "container_name", str, where),
                     _get(_get(link, "operation_signature", dict, where),
                          "operation_name", str, where))
                    for link in _get(call, "connected_to", list, where))
    # Older canvases did not write whether a message is a stream.
    return Rpc(node, _get(signature, "operation_name", str, where),
               _get(signature, "input_message_name", str, where),
               _get(signature, "output_message_name", str, where), targets,
               _get(signature, "input_message_stream", bool, where, False),
               _get(signature, "output_message_stream", bool, where, False))


def _get(content: Any, key: str, kind: type, where: str,
         default: Any = None) -> Any:
    value = content.get(key, default) if isinstance(content, dict) else None
    if not isinstance(value, kind):
        raise InvalidInputError("blueprint.field", f"{where} has no {key!r} "
                                f"of type {kind.__name__}",
                                "save the solution on the canvas again")
    return value


def _names(blueprint: Blueprint) -> Iterator[tuple[str, str]]:
    names = [node.name for node in blueprint.nodes]
    for name in names:
        if not _NODE_NAME.fullmatch(name):
            yield "name", (
                f"node {name!r} becomes a Kubernetes name: lower-case "
                "letters, digits and '-', beginning with a letter")
    for group in (names, *([str(rpc) for rpc in node.rpcs]
                           for node in blueprint.nodes)):
        for name, count in Counter(group).items():
            if count > 1:
                yield "duplicate", f"{name} is in the blueprint {count} times"


def _links(blueprint: Blueprint) -> Iterator[tuple[str, str]]:
    known = {rpc.key: rpc for rpc in blueprint.rpcs}
    for rpc in blueprint.rpcs:
        if rpc.stream_in or rpc.stream_out:
            yield "stream", f"{rpc} streams; only single messages can be run"
        for key in rpc.targets:
            target = known.get(key)
            if target is None:
                yield "link", (f"{rpc} is linked to {'.'.join(key)}, which is "
                               "not in the blueprint")
            elif target.is_source:
                yield "source", (f"{rpc} is linked to {target}, which takes "
                                 "Empty and needs no link")
            elif target.given != rpc.answer:
                yield "type", (f"{rpc} returns {rpc.answer}, but {target} "
                               f"takes {target.given}")


def _unreachable(blueprint: Blueprint) -> Iterator[tuple[str, str]]:
    if not any(rpc.is_source for rpc in blueprint.rpcs):
        yield "no_source", "no rpc takes Empty, so the run would never start"
    for node in blueprint.nodes:
        if not node.rpcs:
            yield "unreachable", f"node {node.name!r} is not connected"
    for rpc in blueprint.rpcs:
        if not rpc.is_source and not blueprint.feeding(rpc):
            yield "unreachable", f"{rpc} gets no {rpc.given} from any node"


def _circles(blueprint: Blueprint) -> Iterator[tuple[str, str]]:
    try:
        TopologicalSorter(
            {rpc.key: rpc.targets for rpc in blueprint.rpcs}).prepare()
    except CycleError as error:
        yield "circle", ("messages would go in a circle: " + ", ".join(
            ".".join(key) for key in reversed(error.args[1][1:])))
