"""Finds what the platform would reject or wire wrongly in a solution."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from aura import blocks, state
from aura.errors import Problem
from aura.platform import blueprint, broken, bundle_files, proto_rules
from aura.platform.blueprint import Rpc
from aura.platform.bundle import (
    CLAIM, DEPLOYMENTS, GRPC_PORT, ORCHESTRATOR, PROTOS, PVC_FILE,
    SHARED_FOLDER_ENV)
from aura.platform.bundle_files import Download, is_shared_folder

# The platform's script makes a Service <node>webui for every node.
LONGEST_NODE = 63 - len("webui")
# The first prefix that fits gives the way out for a rule of another module.
_WAYS_OUT = state.beside(__file__, "way_out.toml")
_SHARED_FOLDER_RPCS = {"provideFolder", "mountVolume"}


def check(files: Mapping[str, bytes]) -> list[Problem]:
    found = bundle_files.read(files)
    problems = found.problems + [
        problem
        for look in (_protos, _wiring, _shared_folder_nodes, _operations,
                     _dockerinfo, _deployments) for problem in look(found)]
    return list(dict.fromkeys(problems))


def _with_way_out(problem: Problem) -> Problem:
    way_out = next(text for prefix, text in _WAYS_OUT.items()
                   if problem.rule.startswith(prefix))
    return replace(problem, text=f"{problem.text}; {way_out}")


def _protos(found: Download) -> Iterator[Problem]:
    texts = {name: found.texts[_proto(name)] for name in found.protos}
    for problem in proto_rules.check_all(texts):
        # `_wiring` checks the names of nodes.
        if problem.rule != "proto.block_name":
            yield _with_way_out(problem)
    if found.blueprint is None:
        return
    for name in sorted({node.name for node in found.nodes}
                       - found.protos.keys()):
        yield broken("solution.proto/missing", path=_proto(name), name=name)
    for name in sorted(found.protos.keys() - {
            node.name for node in found.blueprint.nodes}):
        yield broken("solution.proto/stray", path=_proto(name))


def _wiring(found: Download) -> Iterator[Problem]:
    if found.blueprint is None:
        return
    for problem in blueprint.check(found.blueprint):
        # The platform allows a stream out of an rpc.
        if problem.rule != "blueprint.stream":
            yield _with_way_out(problem)
    names = [node.name for node in found.blueprint.nodes]
    for name in names:
        if name == ORCHESTRATOR or f"{name}webui" in names:
            yield broken("solution.name/taken", name=name)
        if len(name) > LONGEST_NODE:
            yield broken("solution.name/long", name=name, most=LONGEST_NODE)
    for rpc in found.blueprint.rpcs:
        for key, count in Counter(rpc.targets).items():
            if count > 1:
                yield broken("solution.link", rpc=rpc, target=".".join(key),
                             count=count)
        if rpc.stream_in:
            yield broken("solution.stream/input", rpc=rpc)


def _shared_folder_nodes(found: Download) -> Iterator[Problem]:
    for node in found.blueprint.nodes if found.blueprint else ():
        if is_shared_folder(node):
            yield broken("solution.shared_folder/node", name=node.name)
        elif any(rpc.name in _SHARED_FOLDER_RPCS for rpc in node.rpcs):
            yield broken("solution.shared_folder/rpc", name=node.name)


def _operations(found: Download) -> Iterator[Problem]:
    for node in found.nodes:
        if node.name not in found.protos:
            continue
        methods = {method.name: method
                   for method in found.protos[node.name].methods}
        for rpc in node.rpcs:
            if rpc.name in _SHARED_FOLDER_RPCS:
                continue
            if rpc.name not in methods:
                yield broken("solution.operation", rpc=rpc,
                             path=_proto(node.name),
                             methods=", ".join(methods) or "no rpc")
            else:
                yield from _signature(rpc, methods[rpc.name])


def _signature(rpc: Rpc, method: proto_rules.Method) -> Iterator[Problem]:
    kinds = {False: "a single message", True: "a stream"}
    for rule, verb, planned, declared in (
            ("message", "takes", rpc.given, method.given),
            ("message", "returns", rpc.answer, method.answer),
            ("stream", "takes", kinds[rpc.stream_in],
             kinds[method.streams_in]),
            ("stream", "returns", kinds[rpc.stream_out],
             kinds[method.streams_out])):
        if planned != declared:
            yield broken(f"solution.{rule}/other", rpc=rpc, verb=verb,
                         planned=planned, declared=declared)


def _dockerinfo(found: Download) -> Iterator[Problem]:
    if found.addresses is None:
        return
    names = Counter(one.container_name for one in found.addresses)
    needed = [*dict.fromkeys(node.name for node in found.nodes), ORCHESTRATOR]
    for name in needed:
        if name not in names:
            yield broken("dockerinfo.missing", name=name)
    for name, count in names.items():
        if count > 1:
            yield broken("dockerinfo.duplicate", name=name, count=count)
        if found.blueprint is not None and name not in needed:
            yield broken("dockerinfo.stranger", name=name)
    owners: dict[tuple[str, int], str] = {}
    for one in found.addresses:
        place = one.ip_address, int(one.port)
        other = owners.setdefault(place, one.container_name)
        if other != one.container_name:
            yield broken("dockerinfo.address", address=one, other=other)


def _deployments(found: Download) -> Iterator[Problem]:
    if not any(path.startswith(f"{DEPLOYMENTS}/") for path in found.texts):
        yield broken("deployment.missing", path=f"folder {DEPLOYMENTS}")
        return
    images = {node.name: node.image for node in found.nodes}
    addresses = {one.container_name: one for one in found.addresses or ()}
    for name in [*images, ORCHESTRATOR]:
        yield from _deployment(found, name, images.get(name))
    for name in [*images, ORCHESTRATOR]:
        wanted = {"kind": "Service", "metadata.name": name,
                  "spec.selector.app": name,
                  "spec.ports.0.targetPort": GRPC_PORT}
        # An address elsewhere has nothing to do with this Service.
        if name in addresses and addresses[name].ip_address == name:
            wanted["spec.ports.0.port"] = int(addresses[name].port)
        yield from _mismatches(
            found, f"{DEPLOYMENTS}/{name}_service.yaml", wanted)
    yield from _shared_folders(found)
    for path in found.objects if found.blueprint else ():
        whose = re.fullmatch(r"(.+)_(deployment|service|service_webui)\.yaml",
                             PurePosixPath(path).name)
        if whose and whose[1] not in (*images, ORCHESTRATOR):
            yield broken("deployment.stranger", path=path, name=whose[1])


def _deployment(found: Download, name: str,
                image: str | None) -> Iterator[Problem]:
    path = f"{DEPLOYMENTS}/{name}_deployment.yaml"
    wanted = {"kind": "Deployment", "metadata.name": name,
              "spec.selector.matchLabels.app": name,
              "spec.template.metadata.labels.app": name,
              "spec.template.spec.containers.0.name": name}
    if image:
        wanted["spec.template.spec.containers.0.image"] = image
    yield from _mismatches(found, path, wanted)
    if path in found.objects and not any(
            _at(port, "containerPort") == GRPC_PORT for port in _list_at(
                found.objects[path], "spec.template.spec.containers.0.ports")):
        yield _mismatch(path, "containerPort", GRPC_PORT, None)


def _shared_folders(found: Download) -> Iterator[Problem]:
    folders: dict[str, str] = {}
    for node in found.nodes:
        path = f"{DEPLOYMENTS}/{node.name}_deployment.yaml"
        if path not in found.objects:
            continue
        pod = _at(found.objects[path], "spec.template.spec")
        folder = folders[node.name] = _folder_of(pod)
        if folder and not _is_mounted(pod, folder):
            yield broken("deployment.shared_folder/mount", path=path,
                         variable=SHARED_FOLDER_ENV, folder=folder,
                         claim=CLAIM)
    if len(set(folders.values())) > 1:
        yield broken("deployment.shared_folder/differ", folders=", ".join(
            f"{name} {folder or 'none'}" for name, folder in folders.items()))
    elif folders and not any(folders.values()) and _needs_folder(found):
        yield broken("deployment.shared_folder/none")
    if any(folders.values()):
        yield from _mismatches(found, PVC_FILE, {
            "kind": "PersistentVolumeClaim", "metadata.name": CLAIM,
            "spec.accessModes.0": "ReadWriteMany"})


def _needs_folder(found: Download) -> bool:
    ours = {rpc for block in blocks.BLOCKS for rpc in block.rpcs}
    return any(rpc.name in ours for node in found.nodes for rpc in node.rpcs)


def _folder_of(pod: Any) -> str:
    for entry in _list_at(pod, "containers.0.env"):
        if _at(entry, "name") == SHARED_FOLDER_ENV:
            return str(_at(entry, "value") or "")
    return ""


def _is_mounted(pod: Any, folder: str) -> bool:
    claims = {_at(volume, "name") for volume in _list_at(pod, "volumes")
              if _at(volume, "persistentVolumeClaim.claimName") == CLAIM}
    # The kubelet adds the slash before the path, and so do the blocks.
    return any(_at(mount, "name") in claims
               and str(_at(mount, "mountPath")).strip("/") == folder.strip("/")
               for mount in _list_at(pod, "containers.0.volumeMounts"))


def _mismatches(found: Download, path: str,
                wanted: Mapping[str, Any]) -> Iterator[Problem]:
    if path not in found.texts:
        yield broken("deployment.missing", path=path)
    for place, value in wanted.items() if path in found.objects else ():
        if (given := _at(found.objects[path], place)) != value:
            yield _mismatch(path, place, value, given)


def _mismatch(path: str, place: str, wanted: Any, given: Any) -> Problem:
    return broken("deployment.mismatch", path=path, place=place, wanted=wanted,
                  given="missing" if given is None else repr(given))


def _proto(name: str) -> str:
    return f"{PROTOS}/{name}.proto"


def _at(content: Any, place: str) -> Any:
    for key in place.split("."):
        if isinstance(content, dict):
            content = content.get(key)
        elif isinstance(content, list) and key == "0" and content:
            content = content[0]
        else:
            return None
    return content


def _list_at(content: Any, place: str) -> list[Any]:
    found = _at(content, place)
    return found if isinstance(found, list) else []
