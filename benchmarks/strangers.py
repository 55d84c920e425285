"""
Check the promise of a target rate on people who were never seen.

    python -m benchmarks.strangers PATIENTS CONTROLS...

The people without seizures are split at random ten times. Each time a model
and its thresholds are made with all patients and one half, as `aura train`
makes them. The table has the false alarms per 24 h of the other half at
each target, and how many splits are within it.
"""

import sys
from pathlib import Path

import numpy as np

from aura.detector import threshold
from aura.detector.training import RULE
from aura.detector.validation import fit_forest, out_of_fold, scored_rows
from aura.evaluation.detectors import Case
from aura.evaluation.nested import control_group
from aura.runners import evaluate
from aura.scoring.intervals import rate_per_24h
from aura.scoring.score import pool
from aura.settings import Settings

TARGETS = (0.5, 1.0, 2.0, 4.0)
SPLITS = 10


def realised(cases: list[Case], strangers: set[str],
             seed: int) -> dict[float, tuple[str, bool]]:
    """The rate of strangers at each target, and whether it is within."""
    known = [case for case in cases if case.patient not in strangers]
    held = [case for case in cases if case.patient in strangers]
    development = out_of_fold(known, RULE, seed)
    scorer = fit_forest(known, seed)
    scored = [scored_rows(case, scorer(case), RULE) for case in held]
    found = {}
    for target in TARGETS:
        rule = threshold.choose(development, RULE, target)
        events = pool(threshold.score_alarms(one, rule)
                      for one in scored).events
        hits = pool(threshold.score_alarms(one, rule)
                    for one in development).events.tp
        rate = rate_per_24h(events.fp, events.hours).value
        found[target] = (f"{rate:.2f} ({events.fp}; {hits})", rate <= target)
    return found


def main() -> None:
    """Print a row for each split."""
    settings = Settings.load()
    cases = list(evaluate.read(
        [Path(path) for path in sys.argv[1:]], settings).cases)
    control = control_group(cases)
    within = dict.fromkeys(TARGETS, 0)
    print("per 24 h (false alarms of strangers; seizures found in training)")
    print("| split | " + " | ".join(f"target {one:g}" for one in TARGETS)
          + " |\n|---" * 1 + "|---" * len(TARGETS) + "|")
    for number in range(SPLITS):
        order = np.random.default_rng(number).permutation(control)
        found = realised(cases, set(order[::2].tolist()), settings.seed)
        print(f"| {number + 1} | " + " | ".join(
            text for text, _ in found.values()) + " |", flush=True)
        for target, (_, kept) in found.items():
            within[target] += kept
    print("| within the target | " + " | ".join(
        f"{count} of {SPLITS}" for count in within.values()) + " |")


if __name__ == "__main__":
    main()
