"""Writes a solution as the platform's deployer does, to the byte."""

import json
import re
from collections.abc import Mapping
from typing import Any

from aura import blocks, state
from aura.platform import blueprint, repository
from aura.platform.repository import template

BLUEPRINT_FILE, DOCKERINFO_FILE = "blueprint.json", "dockerinfo.json"
PROTOS, DEPLOYMENTS = "microservice", "deployments"
PVC_FILE = f"{DEPLOYMENTS}/pvc.yaml"

ORCHESTRATOR = "orchestrator"
ORCHESTRATOR_IMAGE = ("cicd.ai4eu-dev.eu:7444/generic-parallel-orchestrator"
                      "/orchestrator_container:1.4")
ORCHESTRATOR_NODE_PORT = 30555
# The deployer names the mount after the shared folder's node on the canvas.
SHARED_FOLDER = "sharedfolder1"
SHARED_FOLDER_ENV = "SHARED_FOLDER_PATH"
CLAIM = "pipeline"
GRPC_PORT, SERVICE_PORT = 8061, 8556
PREDICTOR = blocks.offering("predict").name

_NAME = "[a-z0-9]+(?:[._-]+[a-z0-9]+)*"
_REGISTRY = re.compile(rf"{_NAME}(?::[0-9]{{1,5}}(?=/|$))?(?:/{_NAME})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
# Every YAML reader reads these as strings without quotes.
_PLAIN = re.compile(r"[A-Za-z/]([A-Za-z0-9/._:-]*[A-Za-z0-9])?")
_NOT_PLAIN = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def image_name(registry: str, name: str, tag: str) -> str:
    if not _REGISTRY.fullmatch(registry):
        raise state.error("solution.registry", registry=registry)
    if not _TAG.fullmatch(tag):
        raise state.error("solution.tag", tag=tag)
    return f"{registry}/{name}:{tag}"


def with_images(content: Mapping[str, Any], registry: str, tag: str,
                model: str = PREDICTOR) -> dict[str, Any]:
    """Name the images of a solution, with an onboarded model if given."""
    text, node_name = json.dumps(content), f'"{PREDICTOR}1"'
    if model != PREDICTOR and node_name not in text:
        raise state.error("solution.model", content=content["name"])
    text = text.replace(node_name, json.dumps(f"{model}1"))
    changed: dict[str, Any] = json.loads(text)
    for entry, node in zip(
            changed["nodes"], blueprint.parse(text).nodes, strict=True):
        name = blocks.offering(node.rpcs[0].name).name
        name = model if name == PREDICTOR else name
        entry["image"] = image_name(registry, name, tag)
        entry["proto_uri"] = (
            f"org/acumos/aura/{name}/{tag}/{name}-{tag}.proto")
    return changed


def make_bundle(content: Mapping[str, Any]) -> dict[str, bytes]:
    text = json.dumps(content, indent=1) + "\n"
    nodes = blueprint.parse(text).nodes
    names = [node.name for node in nodes]
    folders = {node.name: blocks.offering(node.rpcs[0].name).folder
               for node in nodes}
    files = {
        BLUEPRINT_FILE: text,
        DOCKERINFO_FILE: _dockerinfo(names),
        PVC_FILE: template("deployer/pvc.yaml"),
        **{f"{PROTOS}/{name}.proto": repository.text(
            f"blocks/{folder}/model.proto")
           for name, folder in folders.items()}}
    for name, where in [*((node.name, node.image) for node in nodes),
                        (ORCHESTRATOR, ORCHESTRATOR_IMAGE)]:
        files[f"{DEPLOYMENTS}/{name}_deployment.yaml"] = _deployment(
            name, where)
        files[f"{DEPLOYMENTS}/{name}_service.yaml"] = _service(name)
    return {path: files[path].encode("utf-8") for path in sorted(files)}


def _dockerinfo(names: list[str]) -> str:
    return json.dumps({"docker_info_list": [
        {"container_name": name, "ip_address": name, "port": str(port)}
        for name, port in [*((name, SERVICE_PORT) for name in names),
                           (ORCHESTRATOR, GRPC_PORT)]]}, indent=1) + "\n"


def _deployment(name: str, where: str) -> str:
    port = "mc-api" if name == ORCHESTRATOR else "protobuf-api"
    return template("deployer/deployment.yaml").format(
        name=_scalar(name), image=_scalar(where), port=port)


def _service(name: str) -> str:
    kind = "orchestrator" if name == ORCHESTRATOR else "block"
    return template(f"deployer/{kind}_service.yaml").format(
        name=_scalar(name), port=GRPC_PORT, service_port=SERVICE_PORT,
        node_port=ORCHESTRATOR_NODE_PORT)


def _scalar(text: str) -> str:
    # No single quotes: the deployer removes them all from such files.
    plain = _PLAIN.fullmatch(text) and text.lower() not in _NOT_PLAIN
    return text if plain else json.dumps(text)
