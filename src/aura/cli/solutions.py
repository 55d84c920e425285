"""``aura run``, ``aura solution`` and ``aura onboard``."""

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aura import state
from aura.cli import console
from aura.cli.serving import print_answer
from aura.errors import plural
from aura.folder import Folder
from aura.platform import (
    blueprint, bundle_files, bundle_rules, onboarding, repository)
from aura.platform.bundle import (
    BLUEPRINT_FILE, DEPLOYMENTS, DOCKERINFO_FILE, PROTOS, make_bundle,
    with_images)
from aura.settings import Settings
from aura.stages import manifest
from aura.stages.manifest import FileOutcomes
from aura.stages.run_layout import TrainingSummary, run_folder

if TYPE_CHECKING:
    from aura.rpc.client import Transport

BIGGEST_FILE = 4 * 2 ** 20


def run(given: argparse.Namespace) -> int:
    return run_solution("run", given.solution, given.shared, given.in_process,
                        given.connect, given.containers, given.wait)


def run_solution(verb: str, name: str, shared: Path, in_process: bool = False,
                 connect: Path | None = None,
                 containers: bool = False, wait_s: float = 60) -> int:
    from aura.runners import orchestrator
    if not shared.is_dir():
        raise state.error("run.no_folder", folder=shared)
    # The blocks read the settings too, but would report faults in five logs.
    settings = Settings.load(shared)
    plan = blueprint.parse(blueprint_text(name))
    transport: contextlib.AbstractContextManager["Transport"]
    if in_process:
        transport = orchestrator.InProcess(plan, shared, settings)
    elif connect is not None:
        transport = _connected(plan, connect, wait_s)
    elif containers:
        from aura.runners.containers import LocalContainers
        transport = LocalContainers(plan, shared)
    else:
        from aura.runners.processes import LocalProcesses
        transport = LocalProcesses(plan, shared)
    with transport as nodes:
        result = orchestrator.run(plan, nodes, print_answer)
    for failure in result.failures:
        console.fail(verb, failure)
        if failure.log:
            print(failure.log, file=sys.stderr)
    if result.failures:
        return 1
    answers: list[Any] = [
        answer for some in result.results.values() for answer in some]
    if not answers:
        return console.fail(verb, f"No recording was found in {shared}.")
    # The platform's limit is 4 MiB, and it is slow from 100 kB on.
    print(f"{plural(sum(result.counts.values()), 'message')}, the biggest of "
          f"{plural(result.biggest_bytes, 'byte')}")
    return _print_results(verb, shared, answers[-1].run_id)


def blueprint_text(solution: str) -> str:
    """The blueprint of a solution of the project, a bundle or a file."""
    known = repository.solutions()
    if solution in known:
        return known[solution]
    for path in (Path(solution), Path(solution, "blueprint.json")):
        if path.is_file():
            return path.read_text("utf-8", errors="replace")
    raise state.error(
        "run.no_solution", name=solution, solutions=", ".join(known))


@contextlib.contextmanager
def _connected(plan: Any, dockerinfo: Path,
               wait_s: float) -> "Iterator[Transport]":
    from aura.rpc.client import Nodes
    if not dockerinfo.is_file():
        raise state.error("run.no_dockerinfo", path=dockerinfo)
    text = dockerinfo.read_text("utf-8", errors="replace")
    with Nodes(plan, bundle_files.addresses(text, plan),
               bundle_files.replicated(text)) as nodes:
        nodes.wait_ready(wait_s)
        yield nodes


def _print_results(verb: str, shared: Path, run_id: str) -> int:
    folder = Folder(shared)
    run = run_folder(run_id)
    batches = folder.path(f"{run}/batches")
    manifests = (sorted(batches.glob("*/predictions.json"))
                 or sorted(batches.glob("*/features.json")))
    code = console.print_outcome(verb, FileOutcomes(tuple(
        ("", entry) for path in manifests for entry in manifest.read(
            folder, str(path.relative_to(folder.root))).entries)))
    if code == 1:
        return 1
    report = folder.path(f"{run}/training_report.json")
    if report.exists():
        found = state.parse(report.read_bytes(), TrainingSummary,
                            "run.report", report.name, "run it again")
        if not found.model_path:
            return console.fail(verb, found.status_text)
        print(found.status_text)
        print(f"Model {found.model_id[:12]} is in {found.model_path}.")
    print(f"The results are in {run}.")
    print(console.NOT_A_DEVICE)
    return code


def bundle(given: argparse.Namespace) -> int:
    onboarding.check_name(given.model)
    content = with_images(json.loads(blueprint_text(given.solution)),
                          given.registry, given.tag, given.model)
    files = make_bundle(content)
    _write(given.out, files, BLUEPRINT_FILE)
    print(f"Wrote {plural(len(files), 'file')} of the solution "
          f"{content['name']} to {given.out}.")
    return 0


def check(given: argparse.Namespace) -> int:
    problems = bundle_rules.check(_read(given.folder))
    for problem in problems:
        print(f"{problem.rule}: {problem.text}")
    if not problems:
        print(f"{given.folder}: no fault found")
    return 1 if problems else 0


def onboard(given: argparse.Namespace) -> int:
    image, files = onboarding.context(
        given.model, given.registry, given.tag, given.name)
    _write(given.out, files, onboarding.REQUEST_FILE)
    request = given.out / onboarding.REQUEST_FILE
    request.chmod(0o755)
    print(f"The build context is in {given.out}. Next, run\n"
          f"  docker build -t {image} {given.out}\n"
          f"  docker push {image}\n"
          f"  ACUMOS_TOKEN=user:token {request} HOST")
    print(console.NOT_A_DEVICE)
    return 0


def _read(folder: Path) -> dict[str, bytes]:
    if not folder.is_dir():
        raise state.error("solution.folder", folder=folder)
    inside = Folder(folder)
    found = {}
    for pattern in (BLUEPRINT_FILE, DOCKERINFO_FILE, f"{PROTOS}/*.proto",
                    f"{DEPLOYMENTS}/*.yaml", f"{DEPLOYMENTS}/*.yml"):
        for path in sorted(inside.root.glob(pattern)):
            name = path.relative_to(inside.root).as_posix()
            with inside.open(name) as stream:
                found[name] = stream.read(BIGGEST_FILE)
    return found


def _write(out: Path, files: Mapping[str, bytes], mark: str) -> None:
    """Write a folder, and remove the files of an earlier call from it."""
    if out.is_dir() and any(out.iterdir()):
        if not (out / mark).is_file():
            raise state.error("out.taken", folder=out)
        for below in {Path(name).parent for name in files} - {Path(".")}:
            for path in (out / below).glob("*"):
                if path.is_file():
                    path.unlink()
    folder = Folder(out)
    for name, content in files.items():
        folder.write(name, content).chmod(0o644)
