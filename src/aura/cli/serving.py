"""``aura run`` and ``aura serve``."""

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from aura.cli import console
from aura.settings import Settings

SOLUTIONS = ("training", "prediction")


def register(verbs: Any) -> None:
    """Add the verbs to the parser."""
    run = verbs.add_parser(
        "run", help="run a whole solution the way the platform does",
        description="Run a blueprint: its blocks as separate gRPC processes "
        "on this machine, called as the platform's orchestrator calls them. "
        "Inputs and results are in the shared folder.",
        epilog="example: aura run training --shared folder  "
        "(recordings in folder/training)")
    run.add_argument("solution", metavar="training|prediction|BUNDLE_DIR",
                     help="one of the project's solutions, or a folder with "
                     "a blueprint.json, such as a download")
    run.add_argument("--shared", required=True, type=Path, metavar="DIR",
                     help="the shared folder, with training/ or recordings/")
    how = run.add_mutually_exclusive_group()
    how.add_argument("--in-process", action="store_true",
                     help="the same stages without gRPC; the same digits")
    how.add_argument("--connect", type=Path, metavar="DOCKERINFO",
                     help="call blocks that run already, at the addresses of "
                     "this dockerinfo.json")
    how.add_argument("--containers", action="store_true",
                     help="start the images of the blueprint, by podman or "
                     "docker, on loopback; they are removed at the end")
    run.add_argument("--wait", type=float, metavar="SECONDS", default=60,
                     help="how long blocks that run already may take to be "
                     "ready, for --connect (60)")
    run.set_defaults(run=_run)
    serve = verbs.add_parser(
        "serve", help="serve one block",
        description="Serve a block over gRPC, with health and reflection, "
        "on AURA_HOST (127.0.0.1) and AURA_PORT (8061).",
        epilog="example: SHARED_FOLDER_PATH=/data aura serve feature-builder")
    serve.add_argument("block", metavar="BLOCK",
                       help="ecg-loader, feature-builder, seizure-trainer, "
                       "seizure-predictor or influx-exporter")
    serve.set_defaults(run=_serve)


def _serve(given: argparse.Namespace) -> int:
    from aura.rpc.server import serve_block
    return serve_block(given.block)


def _run(given: argparse.Namespace) -> int:
    return run_solution(given.solution, given.shared, given.in_process,
                        given.connect, given.containers, given.wait)


def blueprint_text(solution: str) -> str:
    """The blueprint of one of the project's solutions or of a bundle."""
    from aura.errors import MissingError
    if solution in SOLUTIONS:
        return resources.files("solutions").joinpath(
            f"{solution}.json").read_text("utf-8")
    path = Path(solution, "blueprint.json")
    if not path.is_file():
        raise MissingError(
            "run.no_solution", f"{solution!r} is neither "
            f"{' nor '.join(SOLUTIONS)} nor a folder with a blueprint.json",
            "write one with 'aura solution bundle', or unzip a download")
    return path.read_text("utf-8", errors="replace")


def run_solution(name: str, shared: Path, in_process: bool = False,
                 connect: Path | None = None,
                 containers: bool = False, wait_s: float = 60) -> int:
    """Run a solution and say how it ended."""
    from aura.errors import MissingError
    from aura.platform import blueprint
    from aura.runners import orchestrator
    if not shared.is_dir():
        raise MissingError("run.no_folder", f"there is no folder {shared}",
                           "make it, with recordings in it")
    # The blocks read them too, but would say it in five logs.
    settings = Settings.load(shared)
    plan = blueprint.parse(blueprint_text(name))
    transport: contextlib.AbstractContextManager[orchestrator.Transport]
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
        outcome = orchestrator.run(plan, nodes, _observe)
    for failure in outcome.failures:
        print(f"aura run: {failure}", file=sys.stderr)
        if failure.log:
            print(failure.log, file=sys.stderr)
    answers: list[Any] = [
        answer for result in outcome.results.values()
        for answer in result]
    if outcome.failures:
        return 1
    if not answers:
        print("aura run: no recordings were found", file=sys.stderr)
        return 1
    # The platform's limit is 4 MiB, and it is slow from 100 kB on.
    print(f"{sum(outcome.counts.values())} messages, the biggest of "
          f"{outcome.biggest_bytes} bytes")
    return _ended(shared, answers[-1].run_id)


@contextlib.contextmanager
def _connected(plan: Any, dockerinfo: Path,
               wait_s: float) -> Iterator[Any]:
    from aura.errors import MissingError
    from aura.platform import bundle
    from aura.rpc.client import Nodes
    if not dockerinfo.is_file():
        raise MissingError("run.no_dockerinfo", f"there is no {dockerinfo}",
                           "name the dockerinfo.json of the running solution")
    text = dockerinfo.read_text("utf-8", errors="replace")
    with Nodes(plan, bundle.addresses(text, plan),
               bundle.replicated(text)) as nodes:
        nodes.wait_ready(wait_s)
        yield nodes


def _observe(rpc: Any, answer: Any) -> None:
    if getattr(answer, "done", False):
        return
    count = getattr(answer, "batch_count", 0)
    place = f" {answer.batch_index + 1}/{count}" if count else ""
    print(f"{rpc}{place}: {answer.status_text}", file=sys.stderr)


def _ended(shared: Path, run_id: str) -> int:
    from aura.folder import Folder
    from aura.stages import manifest
    from aura.stages.manifest import Outcome
    from aura.stages.run_layout import run_folder
    folder = Folder(shared)
    run = run_folder(run_id)
    last = ("predictions.json" if folder.path(
        f"{run}/export_report.json").exists() else "features.json")
    entries = [
        ("", entry)
        for path in sorted(folder.path(f"{run}/batches").glob(f"*/{last}"))
        for entry in manifest.read(
            folder, str(path.relative_to(folder.root))).entries]
    outcome = Outcome(tuple(entries))
    console.tell_outcome(outcome)
    report = folder.path(f"{run}/training_report.json")
    if report.exists():
        content = json.loads(report.read_bytes())
        print(content["status_text"])
        if not content.get("model_path"):
            return 1
        print(f"model {content['model_id'][:12]} in {content['model_path']}")
    print(f"results in {run}")
    print(console.NOT_A_DEVICE)
    return outcome.exit_code
