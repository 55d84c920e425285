"""``aura predict``, ``aura score`` and ``aura replay``."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from aura.cli import console
from aura.errors import plural
from aura.folder import Folder

if TYPE_CHECKING:
    from aura.recording import Event
    from aura.stages.manifest import Entry
    from aura.streaming.stream import Decision


def register(verbs: console.Verbs) -> None:
    predict = verbs.add(
        "predict", _predict, "find seizures with a trained model",
        "Write one BIDS/HED-SCORE event file per recording, with the input's "
        "subfolders. Each seizure is a row 'sz'; a recording without a "
        "seizure has a single row 'bckg'.",
        "aura predict study --model model --out predictions")
    console.add_recordings(predict)
    console.add_model(predict)
    console.add_out(predict, "folder for the event files; 'aura review' and "
                    "'aura export' need its subfolder .aura")
    predict.add_argument("--pictures", action="store_true",
                         help="draw a figure of each recording beside its "
                         "event file")
    console.add_settings(predict, "adapt_after_h", "prefer", "strict")
    score = verbs.add(
        "score", _score, "compare predictions with annotations",
        "Score predicted events against annotated recordings, by events and "
        "by seconds as SzCORE does, pooled and per patient, with exact 95 % "
        "intervals.", "aura score study predictions")
    score.add_argument("reference", type=Path, metavar="REFERENCE",
                       help="folder of annotated recordings, or of annotation "
                       "files alone")
    score.add_argument("hypothesis", type=Path, metavar="HYPOTHESIS",
                       help=console.PREDICTIONS)
    score.add_argument("--json", action="store_true",
                       help="print counts, rates and intervals as one JSON "
                       "object")
    console.add_settings(score, "prefer", "strict")
    replay = verbs.add(
        "replay", _replay, "play a recording to a model as if it were live",
        "Feed a recording to a model second by second, and print each alarm "
        "when it is raised. At the end, print the events beside those of "
        "'aura predict', and the time that each second took.",
        "aura replay study/a.edf --model model --speed 60")
    replay.add_argument("path", type=Path, metavar="FILE",
                        help="an EDF or BDF recording, or a CSV file of beats")
    console.add_model(replay)
    replay.add_argument("--speed", type=_speed, default=0.0, metavar="N",
                        help="seconds of recording per second; 0 means as "
                        "fast as possible [default: 0]")
    replay.add_argument("--beats", action="store_true",
                        help="feed the beats that 'aura predict' finds "
                        "instead of the samples; to find them it looks up to "
                        "15 min ahead")
    console.add_settings(replay, "adapt_after_h")


def _speed(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1e6:
        raise argparse.ArgumentTypeError(f"{text} is not 0 to 1000000")
    return value


def _predict(given: argparse.Namespace) -> int:
    from aura.runners import local
    outcome = local.predict(given.paths, given.model, given.out,
                            console.settings(given), console.track)
    code = console.print_outcome("predict", outcome)
    if code == 1:
        return 1
    if given.pictures:
        from aura.stages.run_layout import run_folder
        draw_run(given.out / local.HIDDEN, run_folder(local.RUN_ID), given.out)
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


def draw_run(shared: Path, run: str, out: Path) -> "list[Entry]":
    """Draw a figure of each recording of a run."""
    folder = Folder(shared)
    return [entry for batch in sorted(folder.path(f"{run}/batches").iterdir())
            for entry in _draw_batch(
                folder, str(batch.relative_to(folder.root)), out)]


def _draw_batch(folder: Folder, batch: str, out: Path) -> "Iterator[Entry]":
    import numpy as np

    from aura import plots
    from aura.dataset.names import recording_stem
    from aura.stages import manifest, tables
    listed = manifest.read(folder, f"{batch}/predictions.json")
    features = tables.read(folder.read(f"{batch}/features.parquet"),
                           ("recording", "time_s", "mean_hr", "hr_base"))
    predictions = tables.read(folder.read(f"{batch}/predictions.parquet"))
    numbers = features.values["recording"]
    for number, recording in listed.recordings:
        entry = listed.entries[number]
        rows = slice(*np.searchsorted(numbers, [number, number + 1]))
        spans = entry.signals.unscorable if entry.signals else ()
        plots.draw(out / (recording_stem(recording.path) + ".png"),
                   title=recording.path,
                   time_s=features.values["time_s"][rows],
                   heart_rate_bpm=features.values["mean_hr"][rows],
                   baseline_bpm=features.values["hr_base"][rows],
                   probability=predictions.values["smoothed"][rows],
                   threshold=float(predictions.metadata["threshold"]),
                   reference=recording.events if recording.annotated else None,
                   predicted=entry.predicted or (),
                   unscorable=np.array(spans, dtype=np.float64).reshape(-1, 2),
                   duration_s=recording.duration_s)
        yield entry


def _score(given: argparse.Namespace) -> int:
    from aura.scoring import compare
    from aura.scoring.report import score_dict, score_table
    settings = console.settings(given)
    compared = compare.compare(
        given.reference, given.hypothesis, settings.ecg_channel,
        settings.alias_key, settings.prefer, bool(settings.strict))
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


def _replay(given: argparse.Namespace) -> int:
    import numpy as np

    from aura.runners import replay

    def show(decision: "Decision") -> None:
        if decision.alarm:
            print(f"{console.clock(decision.time_s)}  alarm, smoothed "
                  f"probability {decision.smoothed:.2f}", flush=True)

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


def _spans(events: "Iterable[Event]") -> str:
    return ", ".join(f"{event.onset_s:.0f} to {event.end_s:.0f} s"
                     for event in events) or "none"
