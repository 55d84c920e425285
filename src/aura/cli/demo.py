"""``aura demo``: the whole promise on synthetic ECG, or on a folder."""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aura.cli import console
from aura.dataset.find import printable
from aura.errors import InvalidInputError, MissingError, PreconditionError
from aura.folder import Folder
from aura.recording import Event
from aura.stages.manifest import Entry

PATIENTS, HOURS = 8, 1.0
MARK = ".made-by-aura-demo"
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
    from aura.cli.serving import run_solution
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
    from aura.stages.run_layout import RUNS
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
    if data is not None:
        _check_data(shared, data)
    if (shared / MARK).exists():
        shutil.rmtree(shared)
    elif os.path.lexists(shared):
        raise PreconditionError(
            "demo.not_ours", f"{shared} was not made by a demo, and would be "
            "made anew", "give another --out")
    Folder(shared).write(MARK, b"")
    if data is not None:
        for name in ("training", "recordings"):
            _copy(data, shared / name)
        return
    from aura.synthetic.cohort import write_cohort
    print(LOUD, flush=True)
    for name, patients, seed in (
            ("training", PATIENTS, SEED_TRAINING),
            ("recordings", 2, SEED_PREDICTION)):
        write_cohort(shared / name, patients, HOURS, seed)


def _copy(data: Path, target: Path) -> None:
    try:
        # Links stay links, so that none leads out of the folder.
        shutil.copytree(data, target, symlinks=True)
    except shutil.Error as error:
        for source, _, why in error.args[0]:
            print(f"refused {printable(str(source))}: path.read: it cannot be "
                  f"copied: {why}", file=sys.stderr)


def _check_data(shared: Path, data: Path) -> None:
    if not data.is_dir():
        raise MissingError("path.missing", f"there is no folder {data}",
                           "check the name")
    if shared.resolve().is_relative_to(data.resolve()):
        raise InvalidInputError(
            "demo.inside", f"{shared} would be inside of {data}",
            "give another --out")


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
