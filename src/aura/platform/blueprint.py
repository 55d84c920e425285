"""Blueprints as the canvas saves them: nodes, and links between rpcs."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import msgspec

from aura import state
from aura.errors import InvalidInputError, Problem
from aura.platform import broken

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

    @property
    def sinks(self) -> str:
        """The rpcs whose answers go to no other, as the setting `sinks`."""
        return " ".join(rpc.name for rpc in self.rpcs if rpc.is_sink)

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
    found = state.parse(
        text, _File, "blueprint.field", "the blueprint",
        "download the solution again, or save it on the canvas again",
        InvalidInputError, not_json="blueprint.json")
    return Blueprint(found.name, tuple(
        Node(node.container_name, node.image, tuple(
            _rpc(node.container_name, call)
            for call in node.operation_signature_list), node.node_type)
        for node in found.nodes))


def check(blueprint: Blueprint) -> list[Problem]:
    """List what would go wrong in a run."""
    return [problem for look in (_names, _links, _unreachable, _circles)
            for problem in look(blueprint)]


class _Operation(msgspec.Struct):
    operation_name: str


class _Signature(_Operation):
    input_message_name: str
    output_message_name: str
    # Older canvases did not write whether a message is a stream.
    input_message_stream: bool = False
    output_message_stream: bool = False


class _Link(msgspec.Struct):
    container_name: str
    operation_signature: _Operation


class _Call(msgspec.Struct):
    operation_signature: _Signature
    connected_to: list[_Link]


class _Container(msgspec.Struct):
    container_name: str
    operation_signature_list: list[_Call]
    image: str = ""
    node_type: str = ""


class _File(msgspec.Struct):
    name: str
    nodes: list[_Container]


def _rpc(node: str, call: _Call) -> Rpc:
    known = call.operation_signature
    return Rpc(node, known.operation_name, known.input_message_name,
               known.output_message_name, tuple(
                   (link.container_name,
                    link.operation_signature.operation_name)
                   for link in call.connected_to),
               known.input_message_stream, known.output_message_stream)


def _names(blueprint: Blueprint) -> Iterator[Problem]:
    names = [node.name for node in blueprint.nodes]
    for name in names:
        if not _NODE_NAME.fullmatch(name):
            yield broken("blueprint.name", name=name)
    for group in (names, *([str(rpc) for rpc in node.rpcs]
                           for node in blueprint.nodes)):
        for name, count in Counter(group).items():
            if count > 1:
                yield broken("blueprint.duplicate", name=name, count=count)


def _links(blueprint: Blueprint) -> Iterator[Problem]:
    known = {rpc.key: rpc for rpc in blueprint.rpcs}
    for rpc in blueprint.rpcs:
        if rpc.stream_in or rpc.stream_out:
            yield broken("blueprint.stream", rpc=rpc)
        for key in rpc.targets:
            target = known.get(key)
            if target is None:
                yield broken("blueprint.link", rpc=rpc, target=".".join(key))
            elif target.is_source:
                yield broken("blueprint.source", rpc=rpc, target=target)
            elif target.given != rpc.answer:
                yield broken("blueprint.type", rpc=rpc, target=target)


def _unreachable(blueprint: Blueprint) -> Iterator[Problem]:
    if not any(rpc.is_source for rpc in blueprint.rpcs):
        yield broken("blueprint.no_source")
    for node in blueprint.nodes:
        if not node.rpcs:
            yield broken("blueprint.unreachable/node", name=node.name)
    for rpc in blueprint.rpcs:
        if not rpc.is_source and not blueprint.feeding(rpc):
            yield broken("blueprint.unreachable/rpc", rpc=rpc)


def _circles(blueprint: Blueprint) -> Iterator[Problem]:
    try:
        TopologicalSorter(
            {rpc.key: rpc.targets for rpc in blueprint.rpcs}).prepare()
    except CycleError as error:
        yield broken("blueprint.circle", rpcs=", ".join(
            ".".join(key) for key in reversed(error.args[1][1:])))
