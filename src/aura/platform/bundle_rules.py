"""Finds what the platform would reject or wire wrongly in a solution."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from aura import blocks, state
from aura.errors import Problem
from aura.platform import blueprint, bundle_files, proto_rules
from aura.platform.blueprint import Rpc
from aura.platform.bundle import (
    CLAIM, DEPLOYMENTS, DOCKERINFO_FILE, GRPC_PORT, ORCHESTRATOR, PROTOS,
    PVC_FILE, SHARED_FOLDER_ENV)
from aura.platform.bundle_files import AGAIN, Download, is_shared_folder

# The platform's script makes a Service <node>webui for every node.
LONGEST_NODE = 63 - len("webui")
_SHARED_FOLDER_RPCS = {"provideFolder", "mountVolume"}

_LINK = "draw the link on the canvas again"
# The first prefix that fits gives the way out for a rule of another module.
_WAYS_OUT = state.beside(__file__)["way_out"]

Finding = tuple[str, str]  # Rule and text


def check(files: Mapping[str, bytes]) -> list[Problem]:
    found = bundle_files.read(files)
    problems = found.problems + [
        Problem(rule, "error", text)
        for look in (_protos, _wiring, _shared_folder_nodes, _operations,
                     _dockerinfo, _deployments) for rule, text in look(found)]
    return list(dict.fromkeys(problems))


def _with_way_out(problem: Problem) -> Finding:
    way_out = next(text for prefix, text in _WAYS_OUT.items()
                   if problem.rule.startswith(prefix))
    return problem.rule, f"{problem.text}; {way_out}"


def _protos(found: Download) -> Iterator[Finding]:
    texts = {name: found.texts[f"{PROTOS}/{name}.proto"]
             for name in found.protos}
    for problem in proto_rules.check_all(texts):
        # `_wiring` checks the names of nodes.
        if problem.rule != "proto.block_name":
            yield _with_way_out(problem)
    if found.blueprint is None:
        return
    for name in sorted({node.name for node in found.nodes}
                       - found.protos.keys()):
        yield "solution.proto", (
            f"there is no {PROTOS}/{name}.proto, in which the orchestrator "
            f"looks for the service of {name}; {AGAIN}")
    for name in sorted(found.protos.keys() - {
            node.name for node in found.blueprint.nodes}):
        yield "solution.proto", (
            f"{PROTOS}/{name}.proto belongs to no node, but the orchestrator "
            "would use it; remove it")


def _wiring(found: Download) -> Iterator[Finding]:
    if found.blueprint is None:
        return
    for problem in blueprint.check(found.blueprint):
        # The platform allows a stream out of an rpc.
        if problem.rule != "blueprint.stream":
            yield _with_way_out(problem)
    names = [node.name for node in found.blueprint.nodes]
    for name in names:
        if name == ORCHESTRATOR or f"{name}webui" in names:
            yield "solution.name", (
                f"the platform makes its own Service with the name of node "
                f"{name!r}; onboard the block under another name")
        if len(name) > LONGEST_NODE:
            yield "solution.name", (
                f"node {name!r} is longer than {LONGEST_NODE} characters, so "
                f"Kubernetes would reject the Service {name}webui; onboard "
                "the block under a shorter name")
    for rpc in found.blueprint.rpcs:
        for key, count in Counter(rpc.targets).items():
            if count > 1:
                yield "solution.link", (
                    f"{rpc} is linked to {'.'.join(key)} {count} times, which "
                    "the orchestrator rejects; remove all links but one")
        if rpc.stream_in:
            yield "solution.stream", (
                f"{rpc} takes a stream, in which the orchestrator loses "
                "messages; use a block that takes single messages")


def _shared_folder_nodes(found: Download) -> Iterator[Finding]:
    way_out = ("download the solution from the platform, whose deployer "
               "removes it")
    for node in found.blueprint.nodes if found.blueprint else ():
        if is_shared_folder(node):
            yield "solution.shared_folder", (
                f"{node.name} is a shared-folder node, which the orchestrator "
                f"would call without end; {way_out}")
        elif any(rpc.name in _SHARED_FOLDER_RPCS for rpc in node.rpcs):
            yield "solution.shared_folder", (
                f"no block implements {node.name}.mountVolume; {way_out}")


def _operations(found: Download) -> Iterator[Finding]:
    for node in found.nodes:
        if node.name not in found.protos:
            continue
        methods = {method.name: method
                   for method in found.protos[node.name].methods}
        for rpc in node.rpcs:
            if rpc.name in _SHARED_FOLDER_RPCS:
                continue
            if rpc.name not in methods:
                yield "solution.operation", (
                    f"{rpc} is not in {PROTOS}/{node.name}.proto, which has "
                    f"{', '.join(methods) or 'no rpc'}; {_LINK}")
            else:
                yield from _signature(rpc, methods[rpc.name])


def _signature(rpc: Rpc, method: proto_rules.Method) -> Iterator[Finding]:
    kinds = {False: "a single message", True: "a stream"}
    for rule, verb, planned, declared in (
            ("message", "takes", rpc.given, method.given),
            ("message", "returns", rpc.answer, method.answer),
            ("stream", "takes", kinds[rpc.stream_in],
             kinds[method.streams_in]),
            ("stream", "returns", kinds[rpc.stream_out],
             kinds[method.streams_out])):
        if planned != declared:
            yield f"solution.{rule}", (
                f"{rpc} {verb} {planned} in the blueprint, but {declared} in "
                f"its proto; {_LINK}")


def _dockerinfo(found: Download) -> Iterator[Finding]:
    if found.entries is None:
        return
    names = Counter(name for name, _, _ in found.entries)
    needed = [*dict.fromkeys(node.name for node in found.nodes), ORCHESTRATOR]
    for name in needed:
        if name not in names:
            yield "dockerinfo.missing", (
                f"{DOCKERINFO_FILE} has no entry for {name}; {AGAIN}")
    for name, count in names.items():
        if count > 1:
            yield "dockerinfo.duplicate", (
                f"{DOCKERINFO_FILE} has {count} entries for {name}, which "
                "the orchestrator rejects; remove all but one")
        if found.blueprint is not None and name not in needed:
            yield "dockerinfo.stranger", (
                f"{DOCKERINFO_FILE} has an entry for {name}, which is not in "
                "the blueprint; remove it")
    owners: dict[tuple[str, int], str] = {}
    for name, host, port in found.entries:
        if owners.setdefault((host, port), name) != name:
            yield "dockerinfo.address", (
                f"{name} and {owners[host, port]} have the same address "
                f"{host}:{port}; give each its own")


def _deployments(found: Download) -> Iterator[Finding]:
    if not any(path.startswith(f"{DEPLOYMENTS}/") for path in found.texts):
        yield _missing(f"folder {DEPLOYMENTS}")
        return
    images = {node.name: node.image for node in found.nodes}
    ports = {name: (host, port) for name, host, port in found.entries or ()}
    for name in [*images, ORCHESTRATOR]:
        yield from _deployment(found, name, images.get(name))
    for name in [*images, ORCHESTRATOR]:
        wanted = {"kind": "Service", "metadata.name": name,
                  "spec.selector.app": name,
                  "spec.ports.0.targetPort": GRPC_PORT}
        # An address elsewhere has nothing to do with this Service.
        if name in ports and ports[name][0] == name:
            wanted["spec.ports.0.port"] = ports[name][1]
        yield from _mismatches(
            found, f"{DEPLOYMENTS}/{name}_service.yaml", wanted)
    yield from _shared_folders(found)
    for path in found.objects if found.blueprint else ():
        whose = re.fullmatch(r"(.+)_(deployment|service|service_webui)\.yaml",
                             PurePosixPath(path).name)
        if whose and whose[1] not in (*images, ORCHESTRATOR):
            yield "deployment.stranger", (
                f"{path} would start {whose[1]}, which is not in the "
                "blueprint; remove it")


def _deployment(found: Download, name: str,
                image: str | None) -> Iterator[Finding]:
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


def _shared_folders(found: Download) -> Iterator[Finding]:
    folders: dict[str, str] = {}
    for node in found.nodes:
        path = f"{DEPLOYMENTS}/{node.name}_deployment.yaml"
        if path not in found.objects:
            continue
        pod = _at(found.objects[path], "spec.template.spec")
        folder = folders[node.name] = _folder_of(pod)
        if folder and not _is_mounted(pod, folder):
            yield "deployment.shared_folder", (
                f"{path} sets {SHARED_FOLDER_ENV} to {folder!r}, where the "
                f"claim {CLAIM!r} is not mounted; {AGAIN}")
    if len(set(folders.values())) > 1:
        yield "deployment.shared_folder", (
            "not all nodes have the same shared folder: " + ", ".join(
                f"{name} {folder or 'none'}"
                for name, folder in folders.items())
            + "; link the shared folder to each block on the canvas")
    elif folders and not any(folders.values()) and _needs_folder(found):
        yield "deployment.shared_folder", (
            "no node has a shared folder, where the blocks exchange their "
            "files; link a shared folder to each block on the canvas")
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


def _missing(path: str) -> Finding:
    return "deployment.missing", f"there is no {path}; {AGAIN}"


def _mismatches(found: Download, path: str,
                wanted: Mapping[str, Any]) -> Iterator[Finding]:
    if path not in found.texts:
        yield _missing(path)
    for place, value in wanted.items() if path in found.objects else ():
        if (given := _at(found.objects[path], place)) != value:
            yield _mismatch(path, place, value, given)


def _mismatch(path: str, place: str, wanted: Any, given: Any) -> Finding:
    return "deployment.mismatch", (
        f"{path}: {place} is {'missing' if given is None else repr(given)}, "
        f"but the rest of the bundle has {wanted!r}; {AGAIN}")


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
