"""
A solution as it was downloaded: its files, as far as they can be read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from aura.errors import InvalidInputError, Problem
from aura.platform import blueprint, proto_rules
from aura.platform.blueprint import Blueprint, Node
from aura.platform.bundle import (
    BLUEPRINT_FILE,
    DEPLOYMENTS,
    DOCKERINFO_FILE,
    PROTOS,
    entries,
)
from aura.platform.proto_rules import Proto

AGAIN = "download the solution again"


@dataclass
class Download:
    """What could be read of a bundle."""

    # Content of each file that is text.
    texts: dict[str, str] = field(default_factory=dict)
    blueprint: Blueprint | None = None  # Whether it can run or not
    # By the node's name.
    protos: dict[str, Proto] = field(default_factory=dict)
    # Name, host and port from ``dockerinfo.json``.
    entries: list[tuple[str, str, int]] | None = None
    # The Kubernetes objects, by path.
    objects: dict[str, Any] = field(default_factory=dict)
    # What could not be read.
    problems: list[Problem] = field(default_factory=list)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes, shared-folder nodes excepted: those are never run."""
        return tuple(node for node in (
            self.blueprint.nodes if self.blueprint else ())
            if not is_shared_folder(node))

    def complain(self, rule: str, text: str) -> None:
        """Note something that could not be read."""
        self.problems.append(Problem(rule, "error", text))


def is_shared_folder(node: Node) -> bool:
    """Whether a node stands on the canvas for the shared folder."""
    return (node.kind == "SharedFolder"
            or any(rpc.name == "provideFolder" for rpc in node.rpcs))


def read(files: Mapping[str, bytes]) -> Download:
    """Read the files of a bundle, each as far as it can be read."""
    found = Download()
    for path in sorted(files):
        try:
            found.texts[path] = files[path].decode("utf-8")
        except UnicodeDecodeError:
            found.complain("solution.text", f"{path} is no UTF-8 text; "
                           f"{AGAIN}")
    for path in (BLUEPRINT_FILE, DOCKERINFO_FILE):
        if path not in files:
            found.complain("solution.missing", f"there is no {path}; {AGAIN}")
    _read_json(found)
    for path, text in found.texts.items():
        pure = PurePosixPath(path)
        if path.startswith(f"{PROTOS}/") and pure.suffix == ".proto":
            found.protos[pure.stem] = proto_rules.parse(text)
        elif path.startswith(f"{DEPLOYMENTS}/"):
            for content in _objects(text):
                found.objects[path] = content
            if path not in found.objects:
                found.complain("deployment.yaml", f"{path} is no YAML of one "
                               f"Kubernetes object; {AGAIN}")
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


def _objects(text: str) -> Iterator[dict[str, Any]]:
    import yaml  # type: ignore[import-untyped]
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return
    if isinstance(content, dict):
        yield content
