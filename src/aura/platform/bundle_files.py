"""Reads the files of a solution that was downloaded, as far as possible."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from aura import state
from aura.errors import InvalidInputError, Problem
from aura.platform import blueprint, proto_rules
from aura.platform.blueprint import Blueprint, Node
from aura.platform.bundle import (
    BLUEPRINT_FILE, DEPLOYMENTS, DOCKERINFO_FILE, PROTOS)
from aura.platform.proto_rules import Proto

AGAIN = "download the solution again"
_Name = Annotated[str, Meta(min_length=1)]


class _Entry(msgspec.Struct):
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
    docker_info_list: list[_Entry]


@dataclass
class Download:
    """The readable parts of a bundle, and problems with the others."""

    texts: dict[str, str] = field(default_factory=dict)  # By path
    blueprint: Blueprint | None = None  # Also one that cannot run
    protos: dict[str, Proto] = field(default_factory=dict)  # By node
    entries: list[tuple[str, str, int]] | None = None  # Name, host, port
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

    def complain(rule: str, text: str) -> None:
        found.problems.append(Problem(rule, "error", f"{text}; {AGAIN}"))

    for path in sorted(files):
        try:
            found.texts[path] = files[path].decode("utf-8")
        except UnicodeDecodeError:
            complain("solution.text", f"{path} is not UTF-8 text")
    for path in (BLUEPRINT_FILE, DOCKERINFO_FILE):
        if path not in files:
            complain("solution.missing", f"there is no {path}")
    _read_json(found)
    for path, text in found.texts.items():
        pure = PurePosixPath(path)
        if path.startswith(f"{PROTOS}/") and pure.suffix == ".proto":
            found.protos[pure.stem] = proto_rules.parse(text)
        elif path.startswith(f"{DEPLOYMENTS}/"):
            content = _object(text)
            if content is None:
                complain("deployment.yaml",
                         f"{path} is not the YAML of one Kubernetes object")
            else:
                found.objects[path] = content
    return found


def _read_json(found: Download) -> None:
    try:
        if BLUEPRINT_FILE in found.texts:
            found.blueprint = blueprint.read(found.texts[BLUEPRINT_FILE])
    except InvalidInputError as error:
        found.problems.append(error.problem)
    try:
        if DOCKERINFO_FILE in found.texts:
            found.entries = entries(found.texts[DOCKERINFO_FILE])
    except InvalidInputError as error:
        found.problems.append(error.problem)


def _object(text: str) -> dict[str, Any] | None:
    import yaml
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def addresses(text: str, solution: Blueprint) -> dict[str, str]:
    """The address of each node of a solution, from a ``dockerinfo.json``."""
    listed = {name: f"{host}:{port}" for name, host, port in entries(text)}
    for node in solution.nodes:
        if node.name not in listed:
            raise InvalidInputError(
                "dockerinfo.missing",
                f"{DOCKERINFO_FILE} has no address of {node.name}",
                "add an entry with this container_name")
    return {node.name: listed[node.name] for node in solution.nodes}


def replicated(text: str) -> set[str]:
    """Nodes whose host is a headless Service: ``"replicas": true``."""
    return {one.container_name for one in _listed(text) if one.replicas}


def entries(text: str) -> list[tuple[str, str, int]]:
    """Name, host and port of each entry of a ``dockerinfo.json``."""
    return [(one.container_name, one.ip_address, int(one.port))
            for one in _listed(text)]


def _listed(text: str) -> list[_Entry]:
    return state.parse(
        text, _Entries, "dockerinfo.field", DOCKERINFO_FILE,
        f"correct it, or {AGAIN}", InvalidInputError,
        not_json="dockerinfo.json").docker_info_list
