"""``aura demo``: both solutions on synthetic ECG, or on a folder."""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from aura import state
from aura.cli import console
from aura.cli.predicting import draw_run
from aura.cli.solutions import run_solution
from aura.dataset.names import printable
from aura.folder import Folder
from aura.recording import Event
from aura.scoring.report import aligned
from aura.stages.manifest import Entry
from aura.stages.run_layout import RUNS
from aura.synthetic.cohort import write_cohort

PATIENTS, HOURS = 8, 1.0
MARK = ".made-by-aura-demo"
SEED_TRAINING, SEED_PREDICTION = 1, 2
LOUD = """\
*** SYNTHETIC ECG: heartbeats and seizures are simulated. The results   ***
*** show that the software works, not how well it detects seizures.     ***"""


def demo(given: argparse.Namespace) -> int:
    shared = given.out / "shared"
    _prepare(shared, given.data)
    codes = []
    for name in ("training", "prediction"):
        print(f"== {name} solution ==", flush=True)
        codes.append(run_solution("demo", name, shared))
        if codes[-1] == 1:
            return 1
    pictures = given.out / "pictures"
    shutil.rmtree(pictures, ignore_errors=True)
    run = max((shared / RUNS).glob("recordings-*"))
    drawn = draw_run(shared, f"{RUNS}/{run.name}", pictures)
    print("\n== events ==")
    print(aligned([
        ("recording", "annotated", "predicted"), *map(_row, drawn)]))
    if given.data:
        print("\nThe model was trained on these recordings, so this table "
              "does not show its performance. The validation above does.")
    else:
        print("\n" + LOUD)
    print(f"The figures are in {pictures}.")
    return max(codes)


def _prepare(shared: Path, data: Path | None) -> None:
    if data is not None and not data.is_dir():
        raise state.error("path.missing/cli", folder=data)
    if data is not None and shared.resolve().is_relative_to(data.resolve()):
        raise state.error("demo.inside", folder=shared, data=data)
    if (shared / MARK).exists():
        shutil.rmtree(shared)
    elif os.path.lexists(shared):
        raise state.error("demo.not_ours", folder=shared)
    Folder(shared).write(MARK, b"")
    if data is not None:
        for name in ("training", "recordings"):
            _copy(data, shared / name)
        return
    print(LOUD, flush=True)
    for name, patients, seed in (("training", PATIENTS, SEED_TRAINING),
                                 ("recordings", 2, SEED_PREDICTION)):
        write_cohort(shared / name, patients, HOURS, seed)


def _copy(data: Path, target: Path) -> None:
    try:
        # Links stay links, so that none leads out of the folder.
        shutil.copytree(data, target, symlinks=True)
    except shutil.Error as error:
        for source, _, why in error.args[0]:
            print(f"rejected {printable(str(source))}: path.read: it cannot "
                  f"be copied: {why}", file=sys.stderr)


def _row(entry: Entry) -> tuple[str, str, str]:
    recording = entry.recording
    annotated = recording is not None and recording.annotated
    return (entry.path, _spans(recording.events) if recording and annotated
            else "not annotated", _spans(entry.predicted or ()))


def _spans(events: Sequence[Event]) -> str:
    listed = [f"{console.clock(e.onset_s)}-{console.clock(e.end_s)}"
              for e in events]
    return ", ".join(listed) or "none"
