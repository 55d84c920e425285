"""``aura train`` and ``aura evaluate``."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from aura.cli import console
from aura.errors import plural
from aura.folder import Folder
from aura.runners import local
from aura.scoring.report import aligned, interval, number, with_interval
from aura.stages.manifest import FileOutcomes


def train(given: argparse.Namespace) -> int:
    settings = console.settings(given)
    console.print_patients(given.paths, settings.patients)
    report, outcome = local.train(
        given.paths, given.out, settings, console.track)
    code = console.print_outcome("train", outcome)
    if code == 1:
        return 1
    if not report.model_path:
        return console.fail("train", report.status_text)
    print(_summary(json.loads((given.out / "card.json").read_bytes()),
                   given.out, outcome))
    return code


def _summary(card: dict[str, Any], out: Path, outcome: FileOutcomes) -> str:
    data, found = card["data"], card["validation"]
    free = data["recordings_taken_as_free_of_seizures"]
    return "\n".join([
        f"{found['verdict']}.", "",
        f"Model {card['model_id'][:12]} is in {out}. Training data: "
        + ", ".join(plural(data[f"{noun}s"], noun) for noun in (
            "recording", "patient", "seizure")) + f", {data['hours']:.1f} h.",
        *([f"{plural(free, 'recording')} in folders without any annotation "
           f"({outcome.without_annotations}) counted as free of seizures "
           "(--annotated-only leaves them out)."] if free else []),
        *([f"{plural(outcome.not_understood, 'recording')} left out, because "
           "some annotation is not understood (see the warnings)."]
          if outcome.not_understood else []),
        f"The alarm threshold is {card['alarm']['threshold']:.3f}. The "
        f"target rate is {found['target_false_alarms_per_24h']:g} per 24 h; "
        "these hours cannot resolve a rate below "
        f"{found['smallest_resolvable_false_alarms_per_24h']:.2f}.",
        _promise(card["target_is_promised"], found),
        "", "On patients left out of training and tuning:",
        aligned([
            ("", "seizures found", "95 % interval", "false alarms",
             "per 24 h", "95 % interval", "latency"),
            *(_row(name, score) for name, score in (
                ("this model", found["pooled"]),
                ("heart-rate rule", found["one_line_rule"]),
                *sorted(found["patients"].items())))]),
        "", console.NOT_A_DEVICE])


def _promise(promised: bool, found: dict[str, Any]) -> str:
    """What people may expect whom the model has never seen."""
    new = found["strangers"]
    rate = new["false_alarms_per_24h"]
    kept = (rate["value"] or 0.0) <= found["target_false_alarms_per_24h"]
    few, one, many = (number(new["of_ten_above_target"][name], 1)
                      for name in ("low", "value", "high"))
    return (
        "The threshold is chosen " + (
            "so that new people like these, as a group, have this rate at "
            "most." if promised else "from too few people or hours to promise "
            "this rate to new people.")
        + f" People left out of training and tuning had "
        f"{with_interval(rate)} false alarms per 24 h"
        f"{'' if kept else ', WHICH IS ABOVE THE TARGET'}. Expect {one} "
        f"({few} to {many}) of ten new people to exceed the target.")


def _row(name: str, score: dict[str, Any]) -> tuple[str, ...]:
    rate = score["false_alarms_per_24h"]
    return (name, f"{score['found']}/{score['seizures']}",
            interval(score["sensitivity"]), str(score["false_alarms"]),
            number(rate["value"]), interval(rate),
            number(score["median_latency_s"], 0, " s"))


def evaluate(given: argparse.Namespace) -> int:
    from aura.evaluation import classifiers, markdown, study
    from aura.runners import evaluate
    settings = console.settings(given)
    # Better known now than after hours of work.
    Folder(given.out).try_writing()
    console.print_patients(given.paths, settings.patients)
    own = list(map(classifiers.named, given.detector or ()))
    found = evaluate.read(given.paths, settings, console.track,
                          study.all_features if own else None)
    code = console.print_outcome("evaluate", found.outcome)
    if code == 1:
        return 1
    for count, rule, text in (
            (found.taken_as_free, "taken_as_free_of_seizures", "in folders "
             f"without any annotation ({found.outcome.without_annotations}) "
             "counted as free of seizures, so every alarm there is a false "
             "one (--annotated-only leaves them out)"),
            (found.left_out, "not_annotated", "without annotations, or with "
             "some that are not understood, left out")):
        if count:
            print(f"warning evaluate.{rule}: {plural(count, 'recording')} "
                  f"{text}", file=sys.stderr)
    done = evaluate.evaluate(found, settings, _track_detectors, own)
    evaluate.write(done, given.out, not given.no_pictures)
    print("\n".join(markdown.overview(done)))
    print(f"\nreport.json, report.md and the figures are in {given.out}.")
    print(console.NOT_A_DEVICE)
    return code


def _track_detectors(detectors: Iterable[Any]) -> Iterator[Any]:
    from tqdm import tqdm
    with tqdm(list(detectors), disable=None, leave=False,
              unit="detector") as bar:
        for one in bar:
            bar.set_postfix_str(one.key)
            yield one
