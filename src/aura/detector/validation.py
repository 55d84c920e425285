"""Nested cross-validation by patient; inner folds choose the threshold."""

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from aura import state
from aura.detector import forest, threshold, trees
from aura.detector.alarms import AlarmRule, smooth
from aura.detector.forest import Example
from aura.detector.threshold import Scored
from aura.ecg.baseline import HeartRate, ratio_to_recent_median
from aura.ecg.features import near_points, seizure_fraction
from aura.recording import Bools, Floats
from aura.scoring.intervals import (
    proportion, rate_over_people, resolvable_rate)
from aura.scoring.report import counts, estimate, fill, finite
from aura.scoring.score import Score, pool

E = TypeVar("E", bound=Example)
Scorer = Callable[[E], Floats]
Fit = Callable[[Sequence[E], int], Scorer[E]]

LEAVE_ONE_OUT_BELOW = 20
FOLDS = 5
# The heart-rate rule that every detector has to beat.
RATIO_RULE = AlarmRule(threshold=1.5, release=1.0, smoothing_s=0.0, hold_s=5.0)
_TEXTS = state.beside(__file__)


@dataclass(frozen=True)
class Validation:
    patients: Mapping[str, Score]  # Score of each patient while held out
    rule: Mapping[str, Score]  # Score of the heart-rate rule on the same
    roc_auc: float  # Of the rows, not of alarms; NaN if all are of one class
    folds: int

    @property
    def pooled(self) -> Score:
        return pool(self.patients.values())

    @property
    def pooled_rule(self) -> Score:
        return pool(self.rule.values())

    @property
    def comparison(self) -> str:
        """The model and the heart-rate rule in one sentence."""
        mine, other = self.pooled.events, self.pooled_rule.events
        wins = mine.tp >= other.tp and mine.fp <= other.fp
        return fill(
            _TEXTS["comparison"], mine=mine, other=other, rule=RATIO_RULE,
            verdict="No worse than" if wins else "WORSE THAN")


def folds(examples: Sequence[Example],
          alone_below: int = LEAVE_ONE_OUT_BELOW) -> list[tuple[str, ...]]:
    """Patients of each fold; each fold has patients with seizures."""
    usable = {e.patient for e in examples if e.has_usable_seizure}
    others = {e.patient for e in examples} - usable
    if len(usable) >= alone_below:
        return _stratified(examples)
    patients = sorted(usable) + sorted(others)
    return [tuple(patients[first::len(usable)])
            for first in range(len(usable))]


def _stratified(examples: Sequence[Example]) -> list[tuple[str, ...]]:
    from sklearn.model_selection import StratifiedGroupKFold
    patients = np.array([example.patient for example in examples])
    seizure = np.array([example.has_usable_seizure for example in examples])
    with warnings.catch_warnings():
        # It warns if one class has fewer recordings than there are folds.
        warnings.simplefilter("ignore", UserWarning)
        parts = list(StratifiedGroupKFold(FOLDS).split(
            seizure, seizure, patients))
    return [tuple(sorted(set(patients[test].tolist()))) for _, test in parts]


def cross_validate(examples: Sequence[Example], rule: AlarmRule,
                   target_far: float, seed: int) -> Validation:
    """Score each patient with a model and a threshold made without them."""
    scores, probabilities, labels = [], [], []
    dealt = folds(examples)
    for train, test in split(examples, dealt):
        scorer = fit_forest(train, seed)
        chosen = threshold.choose(
            out_of_fold(train, rule, seed), rule, target_far)
        for example in test:
            probability = scorer(example)
            scores.append((example.patient, threshold.score_alarms(
                scored_rows(example, probability, rule), chosen)))
            probabilities.append(np.where(
                near_points(example.events, example.time_s),
                np.nan, probability))
            labels.append(seizure_fraction(
                example.events, example.time_s, example.hop_s) >= 0.5)
    return Validation(
        _by_patient(scores), heart_rate_rule(examples),
        auc(np.concatenate(probabilities), np.concatenate(labels)),
        len(dealt))


def _by_patient(scores: Sequence[tuple[str, Score]]) -> dict[str, Score]:
    return {patient: pool(score for owner, score in scores
                          if owner == patient)
            for patient in sorted({owner for owner, _ in scores})}


def fit_forest(examples: Sequence[Example], seed: int) -> Scorer[Example]:
    """Fit a forest; return the function that scores a recording's rows."""
    model = trees.of(forest.fit(examples, seed))

    def probability(example: Example) -> Floats:
        found = np.full(len(example.time_s), np.nan)
        found[example.scorable] = model.probability(
            example.values[example.scorable])
        return found
    return probability


def out_of_fold(examples: Sequence[E], rule: AlarmRule, seed: int,
                fit: Fit[E] = fit_forest) -> list[Scored]:
    """Smoothed scores of each recording by a fit on other patients."""
    # Leaving out one patient at a time would cost the square of their number.
    dealt = folds(examples, FOLDS + 1)
    splits = (split(examples, dealt) if len(dealt) > 1
              else [(examples, examples)])
    found = []
    for train, test in splits:
        scorer = fit(train, seed)
        found += [scored_rows(one, scorer(one), rule) for one in test]
    return found


def heart_rate_rule(examples: Sequence[Example]) -> dict[str, Score]:
    scores = []
    for example in examples:
        ratio = ratio_to_recent_median(HeartRate(
            example.time_s, np.where(
                example.scorable, example.heart_rate, np.nan),
            example.hop_s))
        scores.append((example.patient, threshold.score_alarms(
            Scored(ratio, example.events, example.duration_s,
                   example.hop_s, example.patient), RATIO_RULE)))
    return _by_patient(scores)


def metrics(validation: Validation, target_far: float) -> dict[str, Any]:
    def card(score: Score) -> dict[str, Any]:
        return {**counts(score),
                "median_latency_s": finite(score.events.median_latency_s)}

    hours = validation.pooled.events.hours
    return {
        "verdict": validation.comparison,
        "method": _TEXTS["method"],
        "folds": validation.folds,
        "hours": hours,
        "target_false_alarms_per_24h": target_far,
        "smallest_resolvable_false_alarms_per_24h": resolvable_rate(hours),
        "row_roc_auc": finite(validation.roc_auc),
        "pooled": card(validation.pooled),
        "strangers": _strangers(validation, target_far),
        "one_line_rule": card(validation.pooled_rule),
        "patients": {name: card(score)
                     for name, score in validation.patients.items()},
    }


def _strangers(validation: Validation, target_far: float) -> dict[str, Any]:
    """What the validation lets people expect who are not in the data."""
    people = [(score.events.fp, score.events.hours)
              for score in validation.patients.values() if score.events.hours]
    above = sum(24.0 * count > target_far * hours for count, hours in people)
    share = estimate(proportion(above, len(people)))
    return {
        "people": len(people), "people_above_target": above,
        "of_ten_above_target": {name: None if value is None else 10 * value
                                for name, value in share.items()},
        "false_alarms_per_24h": estimate(rate_over_people(people))}


def split(examples: Sequence[E], dealt: Sequence[tuple[str, ...]]
          ) -> Iterator[tuple[list[E], list[E]]]:
    """Yield the training and the held-out recordings of each fold."""
    for fold in dealt:
        train = [e for e in examples if e.patient not in fold]
        test = [e for e in examples if e.patient in fold]
        check_disjoint(train, test)
        yield train, test


def check_disjoint(train: Sequence[Example], test: Sequence[Example]) -> None:
    """Stop if a patient is on both sides of a split."""
    both = {e.patient for e in train} & {e.patient for e in test}
    if both:
        raise state.error("train.leak", both=min(both))


def scored_rows(example: Example, probability: Floats,
                rule: AlarmRule) -> Scored:
    """A recording with its smoothed row scores, to choose a threshold."""
    return Scored(smooth(probability, example.hop_s, rule), example.events,
                  example.duration_s, example.hop_s, example.patient)


def auc(values: Floats, seizure: Bools) -> float:
    """ROC-AUC of the finite values; NaN if all are of one class."""
    from sklearn.metrics import roc_auc_score
    known = np.isfinite(values)
    if len(np.unique(seizure[known])) < 2:
        return math.nan
    return float(roc_auc_score(seizure[known], values[known]))
