"""``aura predict``, ``aura score`` and ``aura replay``."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aura.cli import console
from aura.dataset.names import recording_stem
from aura.errors import plural
from aura.folder import Folder
from aura.recording import Event
from aura.scoring import compare
from aura.scoring.report import score_dict, score_table
from aura.stages import manifest
from aura.stages.manifest import Entry
from aura.stages.run_layout import HIDDEN, run_folder

if TYPE_CHECKING:
    from aura.streaming.stream import Decision


def predict(given: argparse.Namespace) -> int:
    from aura.runners import local
    outcome = local.predict(given.paths, given.model, given.out,
                            console.settings(given), console.track)
    code = console.print_outcome("predict", outcome)
    if code == 1:
        return 1
    if given.pictures:
        draw_run(given.out / HIDDEN, run_folder(local.RUN_ID), given.out)
    used = [entry for _, entry in outcome.entries if not entry.refused]
    seconds = sum(e.recording.duration_s for e in used if e.recording)
    scorable = sum(e.signals.scorable_s for e in used if e.signals)
    events = sum(len(entry.predicted or ()) for entry in used)
    print(f"Predicted {plural(events, 'seizure')} in "
          f"{plural(len(used), 'recording')} ({console.length(seconds)}, of "
          f"which {console.length(scorable)} could be scored). The event "
          f"files are in {given.out}.")
    if not scorable:
        print("warning: Nothing could be scored. The event files do not show "
              "that there were no seizures.", file=sys.stderr)
    print(console.NOT_A_DEVICE)
    return code


def draw_run(shared: Path, run: str, out: Path) -> list[Entry]:
    folder = Folder(shared)
    return [entry for batch in sorted(folder.path(f"{run}/batches").iterdir())
            for entry in _draw_batch(
                folder, str(batch.relative_to(folder.root)), out)]


def _draw_batch(folder: Folder, batch: str, out: Path) -> Iterator[Entry]:
    from aura import plots
    from aura.stages import tables
    listed = manifest.read(folder, f"{batch}/predictions.json")
    features = tables.read(folder.read(f"{batch}/features.parquet"),
                           ("recording", "time_s", "mean_hr", "hr_base"))
    predictions = tables.read(folder.read(f"{batch}/predictions.parquet"))
    for number, recording in listed.recordings:
        entry = listed.entries[number]
        rows = features.rows_of(number)
        spans = entry.signals.unscorable if entry.signals else ()
        plots.draw(out / (recording_stem(recording.path) + ".png"),
                   title=recording.path,
                   time_s=features.values["time_s"][rows],
                   heart_rate_bpm=features.values["mean_hr"][rows],
                   baseline_bpm=features.values["hr_base"][rows],
                   probability=predictions.values["smoothed"][rows],
                   threshold=predictions.number("threshold"),
                   reference=recording.events if recording.annotated else None,
                   predicted=entry.predicted or (),
                   unscorable=np.array(spans, dtype=np.float64).reshape(-1, 2),
                   duration_s=recording.duration_s)
        yield entry


def score(given: argparse.Namespace) -> int:
    compared = compare.compare(
        given.reference, given.hypothesis, console.settings(given))
    scored = len(compared.recordings) - compared.without_hypothesis
    if given.json:
        print(json.dumps(score_dict(compared), indent=2, allow_nan=False))
    elif scored:
        print(score_table(compared))
    console.print_problems(compared.problems)
    faults = {path: [problem] for path, problem in compared.problems
              if problem.level == "error"}
    return console.exit_code("score", scored, faults.values(),
                             "No recording could be scored")


def replay(given: argparse.Namespace) -> int:
    from aura.runners import replay

    def show(decision: "Decision") -> None:
        if decision.alarm:
            print(f"{console.clock(decision.time_s)}  alarm, smoothed "
                  f"score {decision.smoothed:.2f}", flush=True)

    done = replay.replay(given.path, given.model, console.settings(given),
                         given.speed, show, by_beats=given.beats)
    if not done.scorable:
        print("warning signal.unscorable: Nothing could be scored. The "
              "replay does not show that there was no seizure.",
              file=sys.stderr)
    print(f"{plural(len(done.events), 'event')} in "
          f"{console.clock(done.recording.duration_s)}: {_spans(done.events)}")
    print("'aura predict' finds "
          + ("the same events." if done.identical
             else f"other events: {_spans(done.batch)}"))
    print(f"{done.scorable} of {plural(done.rows, 'row')} could be scored. "
          "Stream and batch differ in whether a row could be scored in "
          f"{plural(done.scorable_differs, 'row')}, and in whether it was "
          f"above the threshold in {plural(done.alarm_rows_differ, 'row')}.")
    print(f"Each second was decided {done.delay_s:g} s later, and took "
          f"{np.percentile(done.hop_ms, 50):.2f} ms (median) or "
          f"{np.percentile(done.hop_ms, 99):.2f} ms (99th percentile).")
    print(console.NOT_A_DEVICE)
    return 0


def _spans(events: Iterable[Event]) -> str:
    return ", ".join(f"{event.onset_s:.0f} to {event.end_s:.0f} s"
                     for event in events) or "none"
