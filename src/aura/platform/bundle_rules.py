"""
What the platform would refuse in a solution, or wire wrongly.

The canvas checks little: it matches ports by structure alone and looks for
nodes without a link. What it lets through fails when the orchestrator reads
the download, hangs in a run, or goes to the wrong place. `check` looks at
all files of a bundle and lists everything that it finds.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

from aura.errors import Problem
from aura.platform import (
    blueprint,
    bundle_files,
    deployment_rules,
    proto_rules,
)
from aura.platform.blueprint import Rpc
from aura.platform.bundle import DOCKERINFO_FILE, ORCHESTRATOR, PROTOS
from aura.platform.bundle_files import AGAIN, Download, is_shared_folder

# The platform's script makes a Service <node>webui for every node.
LONGEST_NODE = 63 - len("webui")
_SHARED_FOLDER_RPCS = {"provideFolder", "mountVolume"}

_WIRE = "wire it anew on the canvas"
_ONBOARD = "mend the block's model.proto and onboard the block again"
# What to do about findings of those who do not say it themselves.
_WAYS_OUT = (
    ("proto.clash", "copy the message as it is into both files, and onboard "
     "the changed block again"),
    ("proto.ambiguous", "give one of them another field type or number, and "
     "onboard its block again"),
    ("proto.", _ONBOARD),
    ("blueprint.name", "onboard the block under another name"),
    ("blueprint.duplicate", "rename a node on the canvas"),
    ("blueprint.stream", "use blocks that answer single messages"),
    ("blueprint.", _WIRE),
)


def check(files: Mapping[str, bytes]) -> list[Problem]:
    """Everything that is the matter with a bundle."""
    found = bundle_files.read(files)
    problems = list(found.problems)
    for look in (_protos, _wiring, _special, _operations, _dockerinfo,
                 deployment_rules.check):
        problems += look(found)
    return list(dict.fromkeys(problems))


def _problem(rule: str, text: str) -> Problem:
    return Problem(rule, "error", text)


def _with_way_out(problem: Problem) -> Problem:
    way_out = next(text for prefix, text in _WAYS_OUT
                   if problem.rule.startswith(prefix))
    return _problem(problem.rule, f"{problem.text}; {way_out}")


def _protos(found: Download) -> Iterator[Problem]:
    texts = {name: found.texts[f"{PROTOS}/{name}.proto"]
             for name in found.protos}
    for problem in proto_rules.check_all(texts):
        # Of nodes the blueprint's rule is told.
        if problem.rule != "proto.block_name":
            yield _with_way_out(problem)
    if found.blueprint is None:
        return
    names = {node.name for node in found.nodes}
    for name in sorted(names - found.protos.keys()):
        yield _problem("solution.proto", (
            f"there is no {PROTOS}/{name}.proto, by which name the "
            f"orchestrator looks for it; {AGAIN}"))
    for name in sorted(found.protos.keys() - {
            node.name for node in found.blueprint.nodes}):
        yield _problem("solution.proto", (
            f"{PROTOS}/{name}.proto belongs to no node, and the orchestrator "
            "would merge it all the same; remove it"))


def _wiring(found: Download) -> Iterator[Problem]:
    if found.blueprint is None:
        return
    names = [node.name for node in found.blueprint.nodes]
    for problem in blueprint.check(found.blueprint):
        # One stream out of an rpc is well on the platform.
        if problem.rule != "blueprint.stream":
            yield _with_way_out(problem)
    for name in names:
        if name == ORCHESTRATOR or f"{name}webui" in names:
            yield _problem("solution.name", (
                f"node {name!r} has the name of a Service that the platform "
                "makes; onboard the block under another name"))
        if len(name) > LONGEST_NODE:
            yield _problem("solution.name", (
                f"node {name!r} is longer than {LONGEST_NODE}, and the "
                f"Service {name}webui would be refused; onboard the block "
                "under a shorter name"))
    for rpc in found.blueprint.rpcs:
        for key, count in Counter(rpc.targets).items():
            if count > 1:
                yield _problem("solution.link", (
                    f"{rpc} is linked to {'.'.join(key)} {count} times, which "
                    "the orchestrator refuses; remove all links but one"))
        if rpc.stream_in:
            yield _problem("solution.stream", (
                f"{rpc} takes a stream, which the orchestrator never ends "
                "and of which it loses messages; use a block that takes "
                "single messages"))


def _special(found: Download) -> Iterator[Problem]:
    if found.blueprint is None:
        return
    for node in found.blueprint.nodes:
        if is_shared_folder(node):
            yield _problem("solution.shared_folder", (
                f"{node.name} is a shared-folder node, which the orchestrator "
                "would call for ever; download the solution from the "
                "platform, whose deployer takes it out"))
        elif any(rpc.name in _SHARED_FOLDER_RPCS for rpc in node.rpcs):
            yield _problem("solution.shared_folder", (
                f"{node.name}.mountVolume is not implemented by any block; "
                "download the solution from the platform, whose deployer "
                "takes it out"))


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
                yield _problem("solution.operation", (
                    f"{rpc} is not in {PROTOS}/{node.name}.proto, which has "
                    f"{', '.join(methods) or 'no rpc'}; {_WIRE}"))
            else:
                yield from _signature(rpc, methods[rpc.name])


def _signature(rpc: Rpc, method: proto_rules.Method) -> Iterator[Problem]:
    for what, said, true in (("takes", rpc.given, method.given),
                             ("answers", rpc.answer, method.answer)):
        if said != true:
            yield _problem("solution.message", (
                f"{rpc} {what} {said} in the blueprint and {true} in its "
                f"proto; {_WIRE}"))
    for what, streams, truly in (
            ("takes", rpc.stream_in, method.streams_in),
            ("answers", rpc.stream_out, method.streams_out)):
        if streams != truly:
            yield _problem("solution.stream", (
                f"{rpc} {what} a {_kind(streams)} in the blueprint and a "
                f"{_kind(truly)} in its proto; {_WIRE}"))


def _kind(streams: bool) -> str:
    return "stream" if streams else "single message"


def _dockerinfo(found: Download) -> Iterator[Problem]:
    if found.entries is None:
        return
    names = Counter(name for name, _, _ in found.entries)
    needed = [*dict.fromkeys(node.name for node in found.nodes), ORCHESTRATOR]
    for name in needed:
        if name not in names:
            yield _problem("dockerinfo.missing", (
                f"{DOCKERINFO_FILE} has no entry of {name}; {AGAIN}"))
    for name, count in names.items():
        if count > 1:
            yield _problem("dockerinfo.duplicate", (
                f"{DOCKERINFO_FILE} has {count} entries of {name}, which the "
                "orchestrator refuses; remove all but one"))
        if found.blueprint is not None and name not in needed:
            yield _problem("dockerinfo.stranger", (
                f"{DOCKERINFO_FILE} has an entry of {name}, which is not in "
                "the blueprint; remove it"))
    owners: dict[tuple[str, int], str] = {}
    for name, host, port in found.entries:
        if owners.setdefault((host, port), name) != name:
            yield _problem("dockerinfo.address", (
                f"{name} and {owners[host, port]} have the same address "
                f"{host}:{port}; give each its own"))
