"""``aura train`` and ``aura predict``."""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from aura.cli import console
from aura.settings import Settings

TREES = ("recordings: EDF, BDF or CSV files of beats, or folders of them (any "
         "layout)")


def register(verbs: Any) -> None:
    """Add the verbs to the parser."""
    train = verbs.add_parser(
        "train", help="learn from annotated recordings",
        description="Train a RandomForest on annotated recordings and "
        "validate it patient by patient. Annotations are read from files "
        "beside the recordings (.tse_bi, .csv_bi, BIDS *_events.tsv and "
        "more, see docs/formats.md), or from EDF+. A folder in which nothing "
        "at all is annotated, beside annotated ones, counts as people without "
        "seizures; AURA_ANNOTATED_ONLY=1 leaves it out.",
        epilog="example: aura train study/ --out model")
    train.add_argument("paths", nargs="+", type=Path, metavar="IN",
                       help=TREES)
    train.add_argument("--out", required=True, type=Path, metavar="MODEL",
                       help="folder for model.skops and card.json")
    train.add_argument("--target-far", type=float, metavar="N",
                       help="false alarms per 24 h at which the alarm "
                       "threshold is set (AURA_TARGET_FAR, 1)")
    train.add_argument("--seed", type=int, metavar="N",
                       help="seed of everything random (AURA_SEED, 1)")
    console.add_adapt(train, "scorable hours of a recording after which its "
                      "own past may raise the threshold; 0 for never")
    console.add_prefer(train)
    train.set_defaults(run=_train)
    predict = verbs.add_parser(
        "predict", help="find seizures with a trained model",
        description="Write one BIDS/HED-SCORE event file per recording, the "
        "input's tree mirrored: seizures as rows 'sz', a recording without "
        "one as a single row 'bckg'.",
        epilog="example: aura predict study/ --model model --out predictions")
    predict.add_argument("paths", nargs="+", type=Path, metavar="IN",
                         help=TREES)
    predict.add_argument("--model", required=True, type=Path,
                         help="folder that 'aura train' has written")
    predict.add_argument("--out", required=True, type=Path, metavar="DIR",
                         help="folder for the event files; DIR/.aura takes "
                         "what scoring and review need")
    predict.add_argument("--pictures", action="store_true",
                         help="draw a picture of each recording beside its "
                         "event file")
    console.add_adapt(predict, "scorable hours of a recording after which "
                      "its own past may raise the threshold; 0 leaves it to "
                      "the model")
    console.add_prefer(predict)
    predict.set_defaults(run=_predict)


def _train(given: argparse.Namespace) -> int:
    from aura.runners import local
    settings = console.adapted(
        given, console.preferred(given, Settings.load()))
    if given.target_far is not None:
        settings = replace(settings, target_far=given.target_far)
    if given.seed is not None:
        settings = replace(settings, seed=given.seed)
    report, outcome = local.train(
        given.paths, given.out, settings, console.track)
    console.tell_outcome(outcome)
    if not report.model_path:
        print(f"aura train: {report.status_text}", file=sys.stderr)
        return 1
    card = json.loads((given.out / "card.json").read_bytes())
    print(_told(card, given.out))
    return outcome.exit_code


def _told(card: dict[str, Any], out: Path) -> str:
    data, found = card["data"], card["validation"]
    free = data["recordings_taken_as_free_of_seizures"]
    lines = [
        f"{found['verdict']}.", "",
        f"model {card['model_id'][:12]} in {out}: "
        f"{console.counted(data['recordings'], 'recording')}, "
        f"{console.counted(data['patients'], 'patient')}, "
        f"{console.counted(data['seizures'], 'seizure')}, "
        f"{data['hours']:.1f} h",
        *([f"{console.counted(free, 'recording')} that nobody annotated, in "
           "folders without any annotation, count as free of seizures "
           "(AURA_ANNOTATED_ONLY=1 leaves them out)"] if free else []),
        f"alarm threshold {card['alarm']['threshold']:.3f}, set at "
        f"{found['target_false_alarms_per_24h']:g} false alarms per 24 h; "
        "the smallest rate that these hours resolve is "
        f"{found['smallest_resolvable_false_alarms_per_24h']:.2f}",
        "", "patients on whom nothing was trained or tuned:",
        console.table([
            ("", "seizures found", "95 % interval", "false alarms",
             "per 24 h", "95 % interval", "latency"),
            *(_row(name, score) for name, score in (
                ("this model", found["pooled"]),
                ("one-line rule", found["one_line_rule"]),
                *sorted(found["patients"].items())))]),
        "", console.NOT_A_DEVICE]
    return "\n".join(lines)


def _row(name: str, score: dict[str, Any]) -> tuple[str, ...]:
    rate, latency = score["false_alarms_per_24h"], score["median_latency_s"]
    return (
        name, f"{score['found']}/{score['seizures']}",
        _interval(score["sensitivity"]), str(score["false_alarms"]),
        "-" if rate["value"] is None else f"{rate['value']:.2f}",
        _interval(rate), "-" if latency is None else f"{latency:.0f} s")


def _interval(estimate: dict[str, float | None]) -> str:
    low, high = estimate["low"], estimate["high"]
    if estimate["value"] is None or low is None or high is None:
        return "-"
    return f"{low:.2f} to {high:.2f}"


def _predict(given: argparse.Namespace) -> int:
    from aura.runners import local
    settings = console.adapted(
        given, console.preferred(given, Settings.load()))
    outcome = local.predict(given.paths, given.model, given.out, settings,
                            console.track)
    console.tell_outcome(outcome)
    if given.pictures:
        from aura.cli.drawing import draw_all
        draw_all(given.out)
    used = [entry for _, entry in outcome.entries if not entry.refused]
    hours = sum(e.recording.duration_s for e in used if e.recording) / 3600
    scorable = sum(e.signals.scorable_s for e in used if e.signals) / 3600
    events = sum(len(entry.predicted or ()) for entry in used)
    print(f"{console.counted(len(used), 'recording')}, {hours:.1f} h of which "
          f"{scorable:.1f} h could be scored: "
          f"{console.counted(events, 'seizure')} predicted, in {given.out}")
    print(console.NOT_A_DEVICE)
    return outcome.exit_code
