"""
Writes the files that follow from the table of blocks and the solutions.

The table is src/aura/blocks.toml, the solutions are in solutions/. Their
Kubernetes objects, Compose services, licences, and parts of READMEs are made
from the templates beside this file. The table of docs/features.md is made
from src/aura/ecg/features.toml.

    python -m blocks            write the files that have changed
    python -m blocks --check    only compare; exit 1 if something is wrong
"""

import argparse
import importlib
import json
import keyword
import re
import string
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TABLE = "src/aura/blocks.toml"
FIRST_PORT, PORTS_APART = 8061, 10
MEGABYTES = {"Mi": "m", "Gi": "g"}
HEADLESS = """
  # Headless: the name has the address of every replica, and the runner
  # distributes batches over them.
  clusterIP: None"""
# What `python -m blocks` writes below, to the end of a part or of the file.
README_MARK = "| `SHARED_FOLDER_PATH` |"


class Template(string.Template):
    """Text with places such as ``@name``: YAML has its own use for ``$``."""

    delimiter = "@"

    @classmethod
    def of(cls, file: str, /, **values: object) -> str:
        text = (Path(__file__).parent / "templates" / file).read_text("utf-8")
        return cls(text).substitute(values)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check all files; 1 if something is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m blocks", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing")
    check = parser.parse_args(arguments).check
    try:
        from aura.blocks import BLOCKS
        from aura.errors import AuraError
    except Exception as error:
        print(f"{TABLE}: {error}", file=sys.stderr)
        return 1
    wrong = list(problems(BLOCKS))
    if not wrong:
        try:
            files = {ROOT / name: text for name, text in products(BLOCKS)}
        except AuraError as error:
            wrong.append(f"solutions/: {error}")
            files = {}
        stale = [path for path, text in files.items()
                 if not path.is_file() or path.read_text("utf-8") != text]
        for path in stale:
            name = path.relative_to(ROOT).as_posix()
            if check:
                wrong.append(f"{name}: out of date; run 'python -m blocks'")
            else:
                print(f"{name}: written")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(files[path], "utf-8", newline="\n")
    print("\n".join(wrong), end="\n" * bool(wrong), file=sys.stderr)
    return 1 if wrong else 0


def problems(blocks: Sequence[Any]) -> Iterator[str]:
    """What is missing or does not fit together, with the file to mend."""
    for what in ("name", "folder", "service"):
        found = [getattr(block, what) for block in blocks]
        yield from (f"{TABLE}: two blocks have the {what} {one!r}"
                    for one in sorted({*found}) if found.count(one) > 1)
    rpcs = [rpc for block in blocks for rpc in block.rpcs]
    yield from (f"{TABLE}: two blocks have the rpc {rpc!r}"
                for rpc in sorted({*rpcs}) if rpcs.count(rpc) > 1)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))[
        "project"]["optional-dependencies"]
    for block in blocks:
        yield from _of_names(block)
        yield from _of_service(block)
        yield from _of_stage(block)
        if block.extra not in extras:
            yield (f"pyproject.toml: there is no extra {block.extra!r} with "
                   f"the libraries of {block.name}")
        for name, way_out in (
                (f"requirements/{block.folder}.txt", "run 'make lock'"),
                (f"blocks/{block.folder}/README.md", "write it"),
                (f"blocks/{block.folder}/model.proto", "run 'make protos'")):
            if not (ROOT / name).is_file():
                yield f"{name} is missing: {way_out}"


def _of_names(block: Any) -> Iterator[str]:
    if not re.fullmatch("[a-z]([a-z0-9-]{0,55}[a-z0-9])?", block.name):
        yield (f"{TABLE}: {block.name!r} cannot name objects of Kubernetes: "
               "use lower-case letters, digits and '-'")
    if (not re.fullmatch("[a-z][a-z0-9_]*", block.folder)
            or keyword.iskeyword(block.folder)):
        yield (f"{TABLE}: {block.folder!r} cannot name a Python module: use "
               "lower-case letters, digits and '_', and no keyword")


def _of_service(block: Any) -> Iterator[str]:
    from aura.rpc.aura_pb2 import DESCRIPTOR
    service = DESCRIPTOR.services_by_name.get(block.service)
    if service is None:
        yield (f"protos/aura.proto has no service {block.service}, which "
               f"{TABLE} names; add it and run 'make protos'")
    elif {*service.methods_by_name} != {*block.rpcs}:
        yield (f"{TABLE}: {block.name} has the rpcs "
               f"{', '.join(block.rpcs)}, but its service in "
               "protos/aura.proto has "
               f"{', '.join(service.methods_by_name)}")


def _of_stage(block: Any) -> Iterator[str]:
    place = f"src/aura/stages/{block.folder}.py"
    if not (ROOT / place).is_file():
        yield f"{place} is missing: {TABLE} names its class {block.stage}"
        return
    try:
        module = importlib.import_module(f"aura.stages.{block.folder}")
    except Exception as error:
        yield f"{place} cannot be imported: {error}"
        return
    stage = getattr(module, block.stage, None)
    if stage is None:
        yield f"{place} has no class {block.stage}, which {TABLE} names"
        return
    for method in ("ready", *block.rpcs.values()):
        if not callable(getattr(stage, method, None)):
            yield f"{place}: {block.stage} has no method {method}()"


def products(blocks: Sequence[Any]) -> Iterator[tuple[str, str]]:
    """Name and content of each file that follows from the tables."""
    from aura.blocks import offering
    from aura.ecg import features
    from aura.platform import blueprint, repository
    plans = {name: blueprint.parse(text)
             for name, text in repository.solutions().items()}
    nodes_of = {name: {node.name: offering(node.rpcs[0].name)
                       for node in plan.nodes} for name, plan in plans.items()}
    solutions = {name: list(nodes.values())
                 for name, nodes in nodes_of.items()}
    yield from _base(blocks)
    yield from _policies(blocks, solutions)
    for name, nodes in nodes_of.items():
        yield from _solution(name, nodes)
    yield "compose.yaml", _between(
        "compose.yaml", "  # The blocks.\n", "\n  influxdb:\n",
        "".join(_services(blocks)) + "\n" + "".join(
            _run(name, needed) for name, needed in solutions.items()))
    for block in blocks:
        place = f"blocks/{block.folder}"
        yield f"{place}/license.json", Template.of("license.json")
        path = ROOT / place / "README.md"
        head = path.read_text("utf-8").partition(README_MARK)[0]
        yield f"{place}/README.md", head + Template.of(
            "README.md", name=block.name, service=block.service)
    yield "docs/features.md", _between(
        "docs/features.md", "| column | unit | window |\n|---|---|---|\n",
        "\n`hr_base` needs", "".join(
            f"| `{one.name}` | {one.unit} | {one.window} |\n"
            for one in features.SCHEMA))
    yield "README.md", _between(
        "README.md", "|---|---|---|---|---|\n", "\nAll blocks also read",
        "".join(map(_row, blocks)))


def _base(blocks: Sequence[Any]) -> Iterator[tuple[str, str]]:
    for block in blocks:
        place = f"k8s/base/{block.name}"
        pod = block.pod
        yield f"{place}/block.yaml", Template.of(
            "block.yaml", name=block.name, service=block.service,
            headless=HEADLESS if pod.replicas > 1 else "",
            replicas=pod.replicas, cpu=pod.cpu, memory=pod.memory,
            most_cpu=pod.most_cpu, most_memory=pod.most_memory)
        yield f"{place}/kustomization.yaml", Template.of("kustomization.yaml")
    yield "k8s/base/kustomization.yaml", Template.of(
        "base.yaml", blocks=_list(block.name for block in blocks))
    yield "k8s/components/exec-probes/kustomization.yaml", Template.of(
        "exec-probes.yaml") + "".join(Template.of(
            "exec-probe.yaml", name=block.name, service=block.service)
            for block in blocks)


def _policies(blocks: Sequence[Any],
              solutions: dict[str, list[Any]]) -> Iterator[tuple[str, str]]:
    place = "k8s/components/network-policy"
    yield f"{place}/blocks.yaml", (
        "# The runners of a solution may call its blocks; a block may call "
        "nothing.\n" + "---\n".join(Template.of(
            "policy-of-block.yaml", name=block.name, runners=", ".join(
                f"aura-{name}" for name, needed in solutions.items()
                if block in needed) or "none") for block in blocks))
    yield f"{place}/runners.yaml", (
        "# The runner of a solution may call its blocks and look up their "
        "names.\n" + "---\n".join(Template.of(
            "policy-of-run.yaml", name=name, blocks=", ".join(
                block.name for block in needed))
            for name, needed in solutions.items()))


def _solution(name: str, nodes: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield (f"k8s/clusters/local/{name}/kustomization.yaml",
           Template.of("old-cluster.yaml", name=name))
    place = f"k8s/solutions/{name}"
    yield f"{place}/run.yaml", Template.of("run.yaml", name=name)
    yield f"{place}/kustomization.yaml", Template.of(
        "solution.yaml", name=name, blocks=_list(
            f"../../base/{block.name}" for block in nodes.values()))
    yield f"{place}/dockerinfo.json", (
        '{"docker_info_list": [\n ' + ",\n ".join(json.dumps({
            "container_name": node, "ip_address": block.name, "port": 8061,
            **({"replicas": True} if block.pod.replicas > 1 else {})})
            for node, block in nodes.items()) + "\n]}\n")


def _services(blocks: Sequence[Any]) -> Iterator[str]:
    for number, block in enumerate(blocks):
        most = block.pod.most_memory
        yield Template.of(
            "compose-block.yaml", name=block.name,
            memory=most[:-2] + MEGABYTES[most[-2:]],
            port=FIRST_PORT + number * PORTS_APART)
        if block.environment:
            yield "    environment:\n      SHARED_FOLDER_PATH: /data/shared\n"
            yield from (f"      {name}: ${{{name}:-{value}}}\n"
                        for name, value in block.environment.items())


def _run(name: str, needed: Sequence[Any]) -> str:
    return Template.of("compose-run.yaml", name=name, blocks="".join(
        f"      {block.name}: {{condition: service_healthy}}\n"
        for block in needed))


def _row(block: Any) -> str:
    from aura.rpc.aura_pb2 import DESCRIPTOR
    methods = DESCRIPTOR.services_by_name[block.service].methods
    cells = (block.rpcs, {one.input_type.name: None for one in methods},
             {one.output_type.name: None for one in methods}, block.settings)
    return (f"| [{block.name}](blocks/{block.folder}) | " + " | ".join(
        ", ".join(f"`{one}`" for one in cell) for cell in cells) + " |\n")


def _list(names: Iterator[str]) -> str:
    return "".join(f"- {name}\n" for name in names)


def _between(name: str, start: str, end: str, text: str) -> str:
    """A file with other text between two marks."""
    head, mark, rest = (ROOT / name).read_text("utf-8").partition(start)
    _, tail_mark, tail = rest.partition(end)
    if not mark or not tail_mark:
        raise SystemExit(f"{name} has no lines {start!r} and {end!r}, between "
                         "which the blocks are written")
    return head + mark + text + tail_mark + tail


if __name__ == "__main__":
    sys.exit(main())
