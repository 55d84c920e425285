"""
What of a download's Kubernetes objects does not fit the rest of it.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from aura import blocks
from aura.errors import Problem
from aura.platform.bundle import (
    CLAIM,
    DEPLOYMENTS,
    GRPC_PORT,
    ORCHESTRATOR,
    PVC_FILE,
    SHARED_FOLDER_ENV,
)
from aura.platform.bundle_files import AGAIN, Download


def check(found: Download) -> list[Problem]:
    """Compare the Kubernetes objects with blueprint and addresses."""
    if not any(path.startswith(f"{DEPLOYMENTS}/") for path in found.texts):
        return [_missing(f"folder {DEPLOYMENTS}")]
    return [problem
            for look in (_deployments, _services, _shared_folder, _strangers)
            for problem in look(found)]


def _deployments(found: Download) -> Iterator[Problem]:
    images = {node.name: node.image for node in found.nodes}
    for name in [*images, ORCHESTRATOR]:
        path = f"{DEPLOYMENTS}/{name}_deployment.yaml"
        content = found.objects.get(path)
        if content is None:
            if path not in found.texts:
                yield _missing(path)
            continue
        wanted: dict[str, Any] = {
            "kind": "Deployment", "metadata.name": name,
            "spec.selector.matchLabels.app": name,
            "spec.template.metadata.labels.app": name,
            "spec.template.spec.containers.0.name": name}
        if images.get(name):
            wanted["spec.template.spec.containers.0.image"] = images[name]
        yield from _mismatches(path, content, wanted)
        ports = _at(content, "spec.template.spec.containers.0.ports")
        if not any(_at(port, "containerPort") == GRPC_PORT
                   for port in _listed(ports)):
            yield _mismatch(path, "containerPort", GRPC_PORT, "not there")


def _services(found: Download) -> Iterator[Problem]:
    ports = {name: (host, port) for name, host, port in found.entries or ()}
    for name in [*(node.name for node in found.nodes), ORCHESTRATOR]:
        path = f"{DEPLOYMENTS}/{name}_service.yaml"
        content = found.objects.get(path)
        if content is None:
            if path not in found.texts:
                yield _missing(path)
            continue
        wanted = {"kind": "Service", "metadata.name": name,
                  "spec.selector.app": name,
                  "spec.ports.0.targetPort": GRPC_PORT}
        # An entry that leads elsewhere is no matter of this Service.
        if name in ports and ports[name][0] == name:
            wanted["spec.ports.0.port"] = ports[name][1]
        yield from _mismatches(path, content, wanted)


def _shared_folder(found: Download) -> Iterator[Problem]:
    folders: dict[str, str] = {}
    for node in found.nodes:
        path = f"{DEPLOYMENTS}/{node.name}_deployment.yaml"
        if path not in found.objects:
            continue
        pod = _at(found.objects[path], "spec.template.spec")
        folder = _folder_of(pod)
        folders[node.name] = folder
        if folder and not _is_mounted(pod, folder):
            yield _problem("shared_folder", (
                f"{path} names {folder!r} in {SHARED_FOLDER_ENV}, where the "
                f"claim {CLAIM!r} is not mounted; {AGAIN}"))
    if len(set(folders.values())) > 1:
        yield _problem("shared_folder", (
            "not all nodes have the same shared folder: " + ", ".join(
                f"{name} {folder or 'none'}"
                for name, folder in folders.items())
            + "; wire the shared folder to each block on the canvas"))
    elif folders and not any(folders.values()) and _needs_folder(found):
        yield _problem("shared_folder", (
            "no node has a shared folder, by which the blocks hand on their "
            "files; wire a shared folder to each block on the canvas"))
    if any(folders.values()):
        if PVC_FILE not in found.texts:
            yield _missing(PVC_FILE)
        elif PVC_FILE in found.objects:
            yield from _mismatches(PVC_FILE, found.objects[PVC_FILE], {
                "kind": "PersistentVolumeClaim", "metadata.name": CLAIM,
                "spec.accessModes.0": "ReadWriteMany"})


def _strangers(found: Download) -> Iterator[Problem]:
    if found.blueprint is None:
        return
    names = {*(node.name for node in found.nodes), ORCHESTRATOR}
    for path in found.objects:
        whose = re.fullmatch(
            r"(.+)_(deployment|service|service_webui)\.yaml",
            PurePosixPath(path).name)
        if whose and whose[1] not in names:
            yield _problem("stranger", (
                f"{path} would start {whose[1]}, which is not in the "
                "blueprint; remove it"))


def _needs_folder(found: Download) -> bool:
    ours = {rpc for block in blocks.BLOCKS for rpc in block.rpcs}
    return any(rpc.name in ours for node in found.nodes for rpc in node.rpcs)


def _folder_of(pod: Any) -> str:
    for entry in _listed(_at(pod, "containers.0.env")):
        if _at(entry, "name") == SHARED_FOLDER_ENV:
            return str(_at(entry, "value") or "")
    return ""


def _is_mounted(pod: Any, folder: str) -> bool:
    claims = {_at(volume, "name") for volume in _listed(_at(pod, "volumes"))
              if _at(volume, "persistentVolumeClaim.claimName") == CLAIM}
    # The kubelet puts the slash before the path; the blocks do, too.
    return any(
        _at(mount, "name") in claims
        and str(_at(mount, "mountPath")).strip("/") == folder.strip("/")
        for mount in _listed(_at(pod, "containers.0.volumeMounts")))


def _missing(path: str) -> Problem:
    return _problem("missing", f"there is no {path}; {AGAIN}")


def _mismatches(path: str, content: Mapping[str, Any],
                wanted: Mapping[str, Any]) -> Iterator[Problem]:
    for place, value in wanted.items():
        if (given := _at(content, place)) != value:
            yield _mismatch(path, place, value, given)


def _mismatch(path: str, place: str, wanted: Any, given: Any) -> Problem:
    return _problem("mismatch", (
        f"{path}: {place} is {given!r}, the rest of the bundle says "
        f"{wanted!r}; {AGAIN}"))


def _at(content: Any, place: str) -> Any:
    for key in place.split("."):
        if isinstance(content, dict):
            content = content.get(key)
        elif isinstance(content, list) and key == "0" and content:
            content = content[0]
        else:
            return None
    return content


def _listed(content: Any) -> list[Any]:
    return content if isinstance(content, list) else []


def _problem(rule: str, text: str) -> Problem:
    return Problem(f"deployment.{rule}", "error", text)
