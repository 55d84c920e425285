"""
Solutions as the platform hands them out for a download.

A bundle holds the blueprint, the addresses for the orchestrator, one proto
per node and what Kubernetes needs. Everything is as the platform's own
deployer writes it, with its peculiarities: the shared folder is named in the
environment without a leading slash, and no node is given any other setting.
Equal inputs give equal bytes.
"""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from aura import blocks
from aura.errors import InvalidInputError
from aura.platform import blueprint
from aura.platform.blueprint import Blueprint

BLUEPRINT_FILE, DOCKERINFO_FILE = "blueprint.json", "dockerinfo.json"
PROTOS, DEPLOYMENTS = "microservice", "deployments"
PVC_FILE = f"{DEPLOYMENTS}/pvc.yaml"

ORCHESTRATOR = "orchestrator"
ORCHESTRATOR_IMAGE = ("cicd.ai4eu-dev.eu:7444/generic-parallel-orchestrator"
                      "/orchestrator_container:1.4")
ORCHESTRATOR_NODE_PORT = 30555
# The deployer names the mount after the canvas's node and then drops it.
SHARED_FOLDER = "sharedfolder1"
SHARED_FOLDER_ENV = "SHARED_FOLDER_PATH"
CLAIM = "pipeline"
PULL_SECRET = "acumos-registry"
GRPC_PORT, PAGE_PORT, SERVICE_PORT = 8061, 8062, 8556

_NAME = "[a-z0-9]+(?:[._-]+[a-z0-9]+)*"
_REGISTRY = re.compile(rf"{_NAME}(?::[0-9]{{1,5}}(?=/|$))?(?:/{_NAME})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
# What every reader of YAML takes for a string without quotes.
_PLAIN = re.compile(r"[A-Za-z/]([A-Za-z0-9/._:-]*[A-Za-z0-9])?")
_NOT_PLAIN = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def image_name(registry: str, name: str, tag: str) -> str:
    """Full name of a block's image."""
    if not _REGISTRY.fullmatch(registry):
        raise InvalidInputError(
            "solution.registry", f"{registry!r} is no registry",
            "write it as host:port/path or as a name, in lower case and "
            "without https://")
    if not _TAG.fullmatch(tag):
        raise InvalidInputError(
            "solution.tag", f"{tag!r} is no tag of an image",
            "letters, digits, '_', '.' and '-' are allowed, at most 128")
    return f"{registry}/{name}:{tag}"


def with_images(content: Mapping[str, Any], registry: str,
                tag: str) -> dict[str, Any]:
    """A blueprint whose nodes run the images of a registry."""
    changed: dict[str, Any] = copy.deepcopy(dict(content))
    nodes = blueprint.parse(json.dumps(content)).nodes
    for entry, node in zip(changed["nodes"], nodes, strict=True):
        name = blocks.offering(node.rpcs[0].name).name
        entry["image"] = image_name(registry, name, tag)
        entry["proto_uri"] = (
            f"org/acumos/aura/{name}/{tag}/{name}-{tag}.proto")
    return changed


def make_bundle(content: Mapping[str, Any],
                protos: Mapping[str, str]) -> dict[str, bytes]:
    """All files of a solution."""
    text = json.dumps(content, indent=1) + "\n"
    nodes = blueprint.parse(text).nodes
    names = [node.name for node in nodes]
    files = {
        BLUEPRINT_FILE: text,
        DOCKERINFO_FILE: _dockerinfo(names),
        PVC_FILE: _yaml(_claim()),
        **{f"{PROTOS}/{name}.proto": protos[name] for name in names}}
    for name, where in [*((node.name, node.image) for node in nodes),
                        (ORCHESTRATOR, ORCHESTRATOR_IMAGE)]:
        files[f"{DEPLOYMENTS}/{name}_deployment.yaml"] = _yaml(
            _deployment(name, where))
        files[f"{DEPLOYMENTS}/{name}_service.yaml"] = _yaml(_service(name))
    return {path: files[path].encode("utf-8") for path in sorted(files)}


def addresses(text: str, solution: Blueprint) -> dict[str, str]:
    """Where the nodes of a solution listen, from a ``dockerinfo.json``."""
    listed = {name: f"{host}:{port}" for name, host, port in entries(text)}
    for node in solution.nodes:
        if node.name not in listed:
            raise InvalidInputError(
                "dockerinfo.missing", f"there is no address of {node.name}",
                f"add an entry with its container_name to {DOCKERINFO_FILE}")
    return {node.name: listed[node.name] for node in solution.nodes}


def replicated(text: str) -> set[str]:
    """
    Nodes whose host is a name for several servers: ``"replicas": true``.

    Such a name is a headless Service's, which has the address of every pod.
    The platform knows no such entry and does not look at it.
    """
    entries(text)
    return {entry["container_name"]
            for entry in json.loads(text)["docker_info_list"]
            if entry.get("replicas") is True}


def entries(text: str) -> list[tuple[str, str, int]]:
    """Name, host and port of each entry of a ``dockerinfo.json``."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(
            "dockerinfo.json", f"{DOCKERINFO_FILE} is no JSON: {error}",
            "download the solution again") from None
    listed = (content.get("docker_info_list")
              if isinstance(content, dict) else None)
    if not isinstance(listed, list):
        raise InvalidInputError(
            "dockerinfo.field", f"{DOCKERINFO_FILE} has no list "
            "'docker_info_list'", "download the solution again")
    return [_entry(number, entry) for number, entry in enumerate(listed, 1)]


def _entry(number: int, entry: Any) -> tuple[str, str, int]:
    fields = entry if isinstance(entry, dict) else {}
    name, host = fields.get("container_name"), fields.get("ip_address")
    # As downloaded ports are text; the platform's script makes them numbers.
    port = re.fullmatch("[1-9][0-9]{0,4}", str(fields.get("port")))
    if (not isinstance(name, str) or not name or not isinstance(host, str)
            or not host or not port or int(port[0]) > 65535):
        raise InvalidInputError(
            "dockerinfo.field", f"entry {number} of {DOCKERINFO_FILE} lacks "
            "a container_name, an ip_address or a port from 1 to 65535",
            "mend the entry, or download the solution again")
    return name, host, int(port[0])


def _dockerinfo(names: list[str]) -> str:
    return json.dumps({"docker_info_list": [
        {"container_name": name, "ip_address": name, "port": str(port)}
        for name, port in [*((name, SERVICE_PORT) for name in names),
                           (ORCHESTRATOR, GRPC_PORT)]]}, indent=1) + "\n"


def _deployment(name: str, where: str) -> dict[str, Any]:
    port = "mc-api" if name == ORCHESTRATOR else "protobuf-api"
    return {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "imagePullSecrets": [{"name": PULL_SECRET}],
                    "containers": [{
                        "name": name, "image": where,
                        "ports": [
                            {"name": port, "containerPort": GRPC_PORT},
                            {"name": "webui", "containerPort": PAGE_PORT}],
                        "env": [{"name": SHARED_FOLDER_ENV,
                                 "value": SHARED_FOLDER}],
                        "volumeMounts": [
                            {"mountPath": SHARED_FOLDER, "name": name}]}],
                    "volumes": [{
                        "name": name,
                        "persistentVolumeClaim": {"claimName": CLAIM}}]}}}}


def _service(name: str) -> dict[str, Any]:
    port: dict[str, Any] = {
        "name": "protobuf-api", "port": SERVICE_PORT, "targetPort": GRPC_PORT}
    if name == ORCHESTRATOR:
        port = {"name": "mc-api", "nodePort": ORCHESTRATOR_NODE_PORT,
                "port": GRPC_PORT, "targetPort": GRPC_PORT}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"selector": {"app": name}, "type": "NodePort",
                     "ports": [port]}}


def _claim() -> dict[str, Any]:
    # An empty class binds to a volume that is there; none is made for it.
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": CLAIM},
            "spec": {"storageClassName": "", "accessModes": ["ReadWriteMany"],
                     "resources": {"requests": {"storage": "1Gi"}}}}


def _yaml(content: Mapping[str, Any]) -> str:
    return "---\n" + "\n".join(_lines(content)) + "\n"


def _lines(content: Any) -> Iterator[str]:
    # Single quotes never: the deployer takes them all out of such files.
    if isinstance(content, Mapping):
        for key, value in content.items():
            if isinstance(value, (Mapping, list)):
                yield f"{key}:"
                yield from (f"  {line}" for line in _lines(value))
            else:
                yield f"{key}: {_scalar(value)}"
    elif isinstance(content, list):
        for value in content:
            first, *others = _lines(value)
            yield f"- {first}"
            yield from (f"  {line}" for line in others)
    else:
        yield _scalar(content)


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and (
            value.lower() not in _NOT_PLAIN):
        return value
    return json.dumps(value)
