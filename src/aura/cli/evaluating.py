"""``aura evaluate``."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from aura.cli import console
from aura.folder import Folder
from aura.settings import Settings


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    verb = verbs.add_parser(
        "evaluate", help="compare detectors on people they have never seen",
        description="Nested, patient-wise cross-validation of the forest "
        "that 'aura train' makes, beside a one-line rule, Jeppesen's "
        "modified CSI x slope, logistic regression and gradient boosting. "
        "A folder in which nothing at all is annotated counts as people "
        "without seizures: each half of them is scored by what the other "
        "half and all patients have taught.",
        epilog="example: aura evaluate patients/ healthy/ --out evaluation")
    verb.add_argument("paths", nargs="+", type=Path, metavar="IN",
                      help="recordings, or folders of them (any layout)")
    verb.add_argument("--out", required=True, type=Path, metavar="DIR",
                      help="folder for report.json, report.md and pictures")
    verb.add_argument("--target-far", type=float, metavar="N",
                      help="false alarms per 24 h at which thresholds are "
                      "chosen (AURA_TARGET_FAR, 1)")
    verb.add_argument("--seed", type=int, metavar="N",
                      help="seed of everything random (AURA_SEED, 1)")
    verb.add_argument("--annotated-only", action="store_true",
                      help="leave out folders in which nothing is annotated "
                      "(AURA_ANNOTATED_ONLY)")
    console.add_adapt(verb, "adds the forest once more, with thresholds that "
                      "a recording's own past may raise after so many "
                      "scorable hours; 0 does not")
    verb.add_argument("--candidates", action="store_true",
                      help="adds the forest with more features to look at, "
                      "and with made-up negatives to learn from")
    verb.add_argument("--no-pictures", action="store_true",
                      help="draw nothing")
    console.add_prefer(verb)
    verb.set_defaults(run=_evaluate)


def _evaluate(given: argparse.Namespace) -> int:
    from aura.evaluation import sheet
    from aura.runners import evaluate
    settings = console.adapted(
        given, console.preferred(given, Settings.load()))
    for name in ("target_far", "seed"):
        if getattr(given, name) is not None:
            settings = replace(settings, **{name: getattr(given, name)})
    if given.annotated_only:
        settings = replace(settings, annotated_only=1)
    # Better known now than after hours of work.
    Folder(given.out).try_writing()
    found = evaluate.read(given.paths, settings, console.track,
                          given.candidates)
    console.tell_outcome(found.outcome)
    _tell_unannotated(found.taken_as_free, found.left_out)
    if not found.cases and found.outcome.exit_code == 1:
        print("aura evaluate: nothing could be read", file=sys.stderr)
        return 1
    done = evaluate.evaluate(found, settings, _progress,
                             given.candidates)
    evaluate.write(done, given.out, not given.no_pictures)
    print("\n".join(sheet.overview(done.report)))
    print(f"\nreport.json, report.md and pictures are in {given.out}")
    print(console.NOT_A_DEVICE)
    return found.outcome.exit_code


def _tell_unannotated(taken: int, left_out: int) -> None:
    if taken:
        print(f"warning evaluate.taken_as_free_of_seizures: nobody annotated "
              f"{console.counted(taken, 'recording')}, nor anything else in "
              "their folders; they count as free of seizures, all alarms "
              "in them as false (--annotated-only leaves them out)",
              file=sys.stderr)
    if left_out:
        print(f"warning evaluate.not_annotated: "
              f"{console.counted(left_out, 'recording')} without "
              "annotations left out", file=sys.stderr)


def _progress(detectors: Iterable[Any]) -> Iterator[Any]:
    """Yield detectors with a bar on the terminal, if there is one."""
    from tqdm import tqdm  # type: ignore[import-untyped]
    with tqdm(list(detectors), disable=None, leave=False,
              unit="detector") as bar:
        for one in bar:
            bar.set_postfix_str(one.key)
            yield one
