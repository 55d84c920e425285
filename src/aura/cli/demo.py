"""``aura demo``: the whole promise on synthetic ECG, or on a folder."""

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aura.cli import console
from aura.recording import Event
from aura.stages.manifest import Entry

PATIENTS, HOURS = 8, 1.0
SEED_TRAINING, SEED_PREDICTION = 1, 2
LOUD = """\
*** SYNTHETIC ECG: beats and seizures are invented. What follows shows ***
*** that the software works, and nothing about detecting seizures.     ***"""


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    demo = verbs.add_parser(
        "demo", help="run both solutions on synthetic ECG, or on a folder",
        description="Train and predict through the five blocks as gRPC "
        "processes, on synthetic ECG with planted seizures or on annotated "
        "recordings, and draw pictures.")
    demo.add_argument("--data", type=Path, metavar="DIR",
                      help="annotated recordings instead of synthetic ones")
    demo.add_argument("--out", type=Path, metavar="DIR",
                      default=Path("demo-output"),
                      help="folder for everything (demo-output)")
    demo.set_defaults(run=_demo)


def _demo(given: argparse.Namespace) -> int:
    from aura.cli.blocks import run_solution
    shared = given.out / "shared"
    _prepare(shared, given.data)
    print("== training solution ==", flush=True)
    code = run_solution("training", shared)
    if code == 1:
        return 1
    print("== prediction solution ==", flush=True)
    code = max(code, run_solution("prediction", shared))
    if code == 1:
        return 1
    from aura.cli.drawing import draw_run
    from aura.stages.workspace import RUNS
    pictures = given.out / "pictures"
    shutil.rmtree(pictures, ignore_errors=True)
    run = max((shared / RUNS).glob("recordings-*"))
    drawn = draw_run(shared, f"{RUNS}/{run.name}", pictures)
    print("\n== events ==")
    print(console.table([
        ("recording", "annotated", "predicted"), *map(_row, drawn)]))
    if given.data:
        print("\nThe model has seen these very recordings: this is no "
              "performance. The validation above is.")
    else:
        print("\n" + LOUD)
    print(f"pictures in {pictures}")
    return code


def _prepare(shared: Path, data: Path | None) -> None:
    if shared.exists():
        shutil.rmtree(shared)
    shared.mkdir(parents=True)
    if data is not None:
        for name in ("training", "recordings"):
            shutil.copytree(data, shared / name)
        return
    from aura.cohort import write_cohort
    print(LOUD, flush=True)
    for name, patients, seed in (
            ("training", PATIENTS, SEED_TRAINING),
            ("recordings", 2, SEED_PREDICTION)):
        write_cohort(shared / name, patients, HOURS, seed)


def _row(entry: Entry) -> tuple[str, str, str]:
    recording = entry.recording
    annotated = recording is not None and recording.annotated
    return (entry.path,
            _spans(recording.events) if recording and annotated
            else "nobody looked", _spans(entry.predicted or ()))


def _spans(events: Sequence[Event]) -> str:
    listed = [f"{console.clock(e.onset_s)}-{console.clock(e.end_s)}"
              for e in events]
    return ", ".join(listed) or "none"
