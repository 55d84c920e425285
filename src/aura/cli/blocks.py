"""``aura run`` and ``aura serve``."""

import argparse
import json
import sys
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
    run.add_argument("solution", choices=SOLUTIONS)
    run.add_argument("--shared", required=True, type=Path, metavar="DIR",
                     help="the shared folder, with training/ or recordings/")
    run.add_argument("--in-process", action="store_true",
                     help="the same stages without gRPC; the same digits")
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
    return run_solution(given.solution, given.shared, given.in_process)


def run_solution(name: str, shared: Path, in_process: bool = False) -> int:
    """
    Run a solution and say how it ended.

    Parameters
    ----------
    name : str
        ``training`` or ``prediction``.
    shared : Path
        The shared folder.
    in_process : bool
        Without gRPC.

    Returns
    -------
    int
        Exit code.
    """
    from aura import blueprint, runner
    from aura.errors import MissingError
    from aura.processes import LocalProcesses
    if not shared.is_dir():
        raise MissingError("run.no_folder", f"there is no folder {shared}",
                           "make it, with recordings in it")
    # The blocks read them too, but would say it in five logs.
    settings = Settings.load(shared)
    text = resources.files("solutions").joinpath(f"{name}.json").read_text()
    plan = blueprint.parse(text)
    transport = (runner.InProcess(plan, shared, settings)
                 if in_process else LocalProcesses(plan, shared))
    with transport as nodes:
        outcome = runner.run(plan, nodes, _observe)
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
    return _ended(shared, answers[-1].run_id)


def _observe(rpc: Any, answer: Any) -> None:
    if getattr(answer, "done", False):
        return
    count = getattr(answer, "batch_count", 0)
    place = f" {answer.batch_index + 1}/{count}" if count else ""
    print(f"{rpc}{place}: {answer.status_text}", file=sys.stderr)


def _ended(shared: Path, run_id: str) -> int:
    from aura.stages import manifest
    from aura.stages.manifest import Outcome
    from aura.stages.workspace import run_folder
    from aura.workspace import Folder
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
