"""Reads the files of a solution that was downloaded, as far as possible."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from aura import state
from aura.errors import InvalidInputError, Problem
from aura.platform import blueprint, broken, proto_rules
from aura.platform.blueprint import Blueprint, Node
from aura.platform.bundle import (
    BLUEPRINT_FILE, DEPLOYMENTS, DOCKERINFO_FILE, PROTOS)
from aura.platform.proto_rules import Proto

T = TypeVar("T")
_Name = Annotated[str, Meta(min_length=1)]


class Address(msgspec.Struct):
    """Where a node of a solution listens."""

    container_name: _Name
    ip_address: _Name
    # Text in a download; the platform's script makes numbers of them.
    port: int | str
    replicas: bool = False

    def __post_init__(self) -> None:
        text = str(self.port)
        if not (text.isascii() and text.isdigit() and not text.startswith("0")
                and len(text) < 6 and int(text) < 65536):
            raise ValueError("a port is a number from 1 to 65535")


class _Entries(msgspec.Struct):
    docker_info_list: list[Address]


@dataclass
class Download:
    """The readable parts of a bundle, and problems with the others."""

    texts: dict[str, str] = field(default_factory=dict)  # By path
    blueprint: Blueprint | None = None  # Also one that cannot run
    protos: dict[str, Proto] = field(default_factory=dict)  # By node
    addresses: list[Address] | None = None
    objects: dict[str, Any] = field(default_factory=dict)  # By path
    problems: list[Problem] = field(default_factory=list)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes without shared-folder nodes, which never run."""
        return tuple(node for node in (self.blueprint.nodes if self.blueprint
                                       else ()) if not is_shared_folder(node))


def is_shared_folder(node: Node) -> bool:
    """Whether a node is the shared folder on the canvas."""
    return (node.kind == "SharedFolder"
            or any(rpc.name == "provideFolder" for rpc in node.rpcs))


def read(files: Mapping[str, bytes]) -> Download:
    found = Download()
    for path in sorted(files):
        try:
            found.texts[path] = files[path].decode("utf-8")
        except UnicodeDecodeError:
            found.problems.append(broken("solution.text", path=path))
    for path in (BLUEPRINT_FILE, DOCKERINFO_FILE):
        if path not in files:
            found.problems.append(broken("solution.missing", path=path))
    found.blueprint = _parsed(found, BLUEPRINT_FILE, blueprint.read)
    found.addresses = _parsed(found, DOCKERINFO_FILE, listed)
    for path, text in found.texts.items():
        pure = PurePosixPath(path)
        if path.startswith(f"{PROTOS}/") and pure.suffix == ".proto":
            found.protos[pure.stem] = proto_rules.parse(text)
        elif path.startswith(f"{DEPLOYMENTS}/"):
            content = _object(text)
            if content is None:
                found.problems.append(broken("deployment.yaml", path=path))
            else:
                found.objects[path] = content
    return found


def _parsed(found: Download, path: str, parse: Callable[[str], T]) -> T | None:
    try:
        return parse(found.texts[path]) if path in found.texts else None
    except InvalidInputError as error:
        found.problems.append(error.problem)
        return None


def _object(text: str) -> dict[str, Any] | None:
    import yaml
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def addresses(text: str, solution: Blueprint) -> dict[str, str]:
    """The address of each node of a solution, from a ``dockerinfo.json``."""
    known = {one.container_name: f"{one.ip_address}:{one.port}"
             for one in listed(text)}
    for node in solution.nodes:
        if node.name not in known:
            raise state.error(
                "dockerinfo.missing/addresses",
                dockerinfo_file=DOCKERINFO_FILE, name=node.name)
    return {node.name: known[node.name] for node in solution.nodes}


def replicated(text: str) -> set[str]:
    """Nodes whose host is a headless Service: ``"replicas": true``."""
    return {one.container_name for one in listed(text) if one.replicas}


def listed(text: str) -> list[Address]:
    return state.parse(
        text, _Entries, "dockerinfo.field", DOCKERINFO_FILE,
        "correct it, or download the solution again", InvalidInputError,
        not_json="dockerinfo.json").docker_info_list
