"""What other thresholds would have given, and what a probability means."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score  # type: ignore[import-untyped]

from aura.detector.threshold import block_peaks
from aura.ecg.labels import seizure_fraction
from aura.evaluation.case import Case
from aura.evaluation.nested import Held, rescored
from aura.recording import Bools, Floats
from aura.scoring.score import pool

# A curve goes no farther: nobody could live with more.
HIGHEST_RATE = 24.0
LEVELS = 80
BINS = 10


@dataclass(frozen=True)
class Point:
    """One threshold of a curve."""

    threshold: float
    found: int
    seizures: int
    false_alarms_per_24h: float  # Of everybody
    # Of the people without seizures; NaN where there are none.
    healthy_per_24h: float


def sweep(held: Sequence[Held], healthy: Sequence[str]) -> list[Point]:
    """
    Score held-out recordings at one threshold after the other.

    It says what the scores are able to, not what a choice among them would
    have given: one threshold is laid over all folds, with hindsight.
    """
    highest = [block_peaks(one.smoothed.astype(np.float64),
                           one.case.hop_s, one.rule) for one in held]
    quiet = [rescored(one, np.inf) for one in held]
    points: list[Point] = []
    for level in _levels(np.concatenate(highest)):
        scores = [rescored(one, float(level)) if peak.max(initial=0) >= level
                  else silent for one, peak, silent
                  in zip(held, highest, quiet, strict=True)]
        everybody = pool(scores).events
        calm = pool(found for found, one in zip(scores, held, strict=True)
                    if one.case.patient in healthy).events
        points.append(Point(
            float(level), everybody.tp, everybody.ref_true,
            everybody.false_alarms_per_24h.value,
            calm.false_alarms_per_24h.value))
        if not points[-1].false_alarms_per_24h < HIGHEST_RATE:
            break
    return points


def _levels(peaks: Floats) -> Floats:
    """Thresholds, close together where few minutes reach them."""
    seen = np.unique(peaks)[::-1]
    places = np.unique(np.geomspace(1, max(len(seen), 1), LEVELS).astype(int))
    levels: Floats = seen[places[places <= len(seen)] - 1]
    return levels


@dataclass(frozen=True)
class Reliability:
    """How often rows of some probability are seizure."""

    # Mean probability, and part of the rows that are annotated as seizure, of
    # each bin that has rows.
    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    rows: tuple[int, ...]  # Rows of these bins
    brier: float  # Mean square of probability minus truth; NaN without rows
    # Part of all rows that are seizure, so the Brier score of knowing nothing
    # is prevalence x (1 - prevalence).
    prevalence: float


def reliability(held: Sequence[Held]) -> Reliability:
    """Compare probabilities with truth, in ten equal bins."""
    probability, seizure = rows_and_labels(held)
    if not len(probability):
        return Reliability((), (), (), np.nan, np.nan)
    place = np.minimum((probability * BINS).astype(int), BINS - 1)
    rows = np.bincount(place, minlength=BINS)
    some = rows > 0
    predicted = np.bincount(place, probability, BINS)[some] / rows[some]
    observed = np.bincount(place, seizure, BINS)[some] / rows[some]
    return Reliability(
        tuple(predicted.tolist()), tuple(observed.tolist()),
        tuple(rows[some].tolist()),
        float(np.mean((probability - seizure) ** 2)), float(seizure.mean()))


def row_auc(held: Sequence[Held]) -> float:
    """ROC-AUC of rows; NaN where they are of one kind."""
    return auc(*rows_and_labels(held))


def auc(values: Floats, seizure: Bools) -> float:
    """ROC-AUC; NaN where all rows are of one kind."""
    if len(np.unique(seizure)) < 2:
        return float("nan")
    return float(roc_auc_score(seizure, values))


def rows_and_labels(held: Sequence[Held]) -> tuple[Floats, Bools]:
    """Scores of all rows that have one, and whether they are seizure."""
    values, seizure = [np.empty(0)], [np.empty(0, dtype=bool)]
    for one in held:
        known = np.isfinite(one.row_score)
        values.append(one.row_score[known].astype(np.float64))
        seizure.append(labels(one.case)[known])
    return np.concatenate(values), np.concatenate(seizure)


def labels(case: Case) -> Bools:
    """Whether each row is seizure, by at least half of its hop."""
    fraction = seizure_fraction(case.events, case.time_s, case.hop_s)
    return np.asarray(fraction >= 0.5)
