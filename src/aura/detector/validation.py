"""
What a training can honestly say of itself: patient-wise, nested.

Every number comes from recordings of people on whom nothing was trained and
no threshold was tuned: each fold chooses its threshold from an inner
cross-validation of its own training patients.
"""

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from sklearn.ensemble import (  # type: ignore[import-untyped]
    RandomForestClassifier,
)
from sklearn.metrics import roc_auc_score  # type: ignore[import-untyped]
from sklearn.model_selection import (  # type: ignore[import-untyped]
    StratifiedGroupKFold,
)

from aura.detector import forest, threshold
from aura.detector.alarms import AlarmRule, smooth
from aura.detector.forest import Example, teaches
from aura.detector.threshold import Scored
from aura.ecg.baseline import HeartRate, ratio_to_recent_median
from aura.ecg.labels import seizure_fraction
from aura.errors import PreconditionError
from aura.recording import Floats
from aura.scoring.intervals import Estimate, resolvable_rate
from aura.scoring.score import Score, pool

E = TypeVar("E", bound=Example)
Scorer = Callable[[E], Floats]
Fit = Callable[[Sequence[E], int], Scorer[E]]

LEAVE_ONE_OUT_BELOW = 20
FOLDS = 5
# The one-line rule that every detector has to beat.
RATIO_RULE = AlarmRule(
    threshold=1.5, release=1.0, smoothing_s=0.0, hold_s=5.0)


@dataclass(frozen=True)
class Validation:
    """Outcome of a nested, patient-wise cross-validation."""

    patients: Mapping[str, Score]  # Score of each patient while held out
    # Score of the one-line rule on the same recordings.
    rule: Mapping[str, Score]
    # Of the rows' probabilities against their labels; NaN where there is one
    # class only. It says little: an alarm is not a row.
    roc_auc: float
    folds: int

    @property
    def pooled(self) -> Score:
        """Sum over the patients."""
        return pool(self.patients.values())

    @property
    def pooled_rule(self) -> Score:
        """Sum over the patients, of the one-line rule."""
        return pool(self.rule.values())

    @property
    def verdict(self) -> str:
        """The comparison with the one-line rule, in one line."""
        mine, other = self.pooled.events, self.pooled_rule.events
        wins = mine.tp >= other.tp and mine.fp <= other.fp
        return (
            f"{'No worse than' if wins else 'DOES NOT MATCH'} the one-line "
            "rule (heart rate over its 5-min median > "
            f"{RATIO_RULE.threshold:g} "
            f"for {RATIO_RULE.hold_s:g} s): {mine.tp}/{mine.ref_true} "
            f"seizures and {mine.fp} false alarms in {mine.hours:.1f} h, "
            f"against {other.tp}/{other.ref_true} and {other.fp}")


def folds(examples: Sequence[Example],
          alone_below: int = LEAVE_ONE_OUT_BELOW) -> list[tuple[str, ...]]:
    """
    Patients of each fold.

    Source: https://scikit-learn.org/stable/modules/generated/sklearn
    """
    with_seizure = sorted({e.patient for e in examples if teaches(e)})
    others = sorted({e.patient for e in examples} - set(with_seizure))
    if len(with_seizure) >= alone_below:
        return _stratified(examples)
    dealt: list[list[str]] = [[] for _ in with_seizure]
    for number, patient in enumerate(with_seizure + others):
        dealt[number % len(dealt)].append(patient)
    return [tuple(fold) for fold in dealt]


def _stratified(examples: Sequence[Example]) -> list[tuple[str, ...]]:
    patients = np.array([example.patient for example in examples])
    seizure = np.array([teaches(example) for example in examples])
    with warnings.catch_warnings():
        # That too few recordings are without a seizure to be in every fold.
        warnings.simplefilter("ignore", UserWarning)
        parts = list(StratifiedGroupKFold(FOLDS).split(
            seizure, seizure, patients))
    return [tuple(sorted(set(patients[test].tolist()))) for _, test in parts]


def cross_validate(examples: Sequence[Example], rule: AlarmRule,
                   target_far: float, seed: int) -> Validation:
    """Score each patient with a model and a threshold made without them."""
    patients: dict[str, list[Score]] = {}
    probabilities, labels = [], []
    dealt = folds(examples)
    for train, test in split(examples, dealt):
        scorer = fit_forest(train, seed)
        chosen = threshold.choose(
            out_of_fold(train, rule, seed), rule, target_far)
        for example in test:
            probability = scorer(example)
            scored = scored_rows(example, probability, rule)
            patients.setdefault(example.patient, []).append(
                threshold.detect(scored, chosen))
            probabilities.append(probability)
            labels.append(seizure_fraction(
                example.events, example.time_s, example.hop_s) >= 0.5)
    return Validation(
        {name: pool(scores) for name, scores in sorted(patients.items())},
        one_line_rule(examples), _auc(probabilities, labels), len(dealt))


def fit_forest(examples: Sequence[Example], seed: int) -> Scorer[Example]:
    """Fit a forest, and give what scores the rows of a recording by it."""
    model = forest.fit(examples, seed)
    return lambda example: row_probability(model, example)


def out_of_fold(examples: Sequence[E], rule: AlarmRule, seed: int,
                fit: Fit[E] = fit_forest) -> list[Scored]:
    """Smoothed scores of each recording from what the other patients taught.
    """
    # Inside a fold five are enough, or the cost would grow as its square.
    dealt = folds(examples, FOLDS + 1)
    if len(dealt) < 2:
        splits = iter([(list(examples), list(examples))])
    else:
        splits = split(examples, dealt)
    return [scored_rows(example, scorer(example), rule)
            for train, test in splits
            for scorer in [fit(train, seed)] for example in test]


def one_line_rule(examples: Sequence[Example]) -> dict[str, Score]:
    """Score of the heart-rate ratio rule for each patient."""
    scores: dict[str, list[Score]] = {}
    for example in examples:
        ratio = ratio_to_recent_median(HeartRate(
            example.time_s, np.where(
                example.scorable, example.heart_rate, np.nan),
            example.hop_s))
        scores.setdefault(example.patient, []).append(threshold.detect(
            Scored(ratio, example.events, example.duration_s,
                   example.hop_s), RATIO_RULE))
    return {name: pool(found) for name, found in sorted(scores.items())}


def metrics(validation: Validation, target_far: float) -> dict[str, Any]:
    """The validation as a model card holds it: counts, exact intervals."""
    hours = validation.pooled.events.hours
    return {
        "verdict": validation.verdict,
        "method": "nested, patient-wise: no patient is on both sides of a "
                  "fold, thresholds are chosen inside the training folds",
        "folds": validation.folds,
        "hours": hours,
        "target_false_alarms_per_24h": target_far,
        "smallest_resolvable_false_alarms_per_24h": resolvable_rate(hours),
        "row_roc_auc": _or_none(validation.roc_auc),
        "pooled": _score(validation.pooled),
        "one_line_rule": _score(validation.pooled_rule),
        "patients": {name: _score(score)
                     for name, score in validation.patients.items()},
    }


def row_probability(model: RandomForestClassifier,
                    example: Example) -> Floats:
    """Probability of each row; NaN where it cannot be scored."""
    probability = np.full(len(example.time_s), np.nan)
    if example.scorable.any():
        # Whose training rows are all of seizures knows one class only.
        probability[example.scorable] = model.predict_proba(
            example.values[example.scorable])[:, model.classes_ == 1].sum(
                axis=1)
    return probability


def split(examples: Sequence[E], dealt: Sequence[tuple[str, ...]]
          ) -> Iterator[tuple[list[E], list[E]]]:
    """Yield what is trained on and what is held out, fold by fold."""
    for fold in dealt:
        train = [e for e in examples if e.patient not in fold]
        test = [e for e in examples if e.patient in fold]
        check_disjoint(train, test)
        yield train, test


def check_disjoint(train: Sequence[Example],
                   test: Sequence[Example]) -> None:
    """Refuse a split that has a patient on both sides."""
    both = {e.patient for e in train} & {e.patient for e in test}
    if both:
        raise PreconditionError(
            "train.leak", f"patient {min(both)} is on both sides of a split",
            "this is a fault of the program; do not use its numbers")


def scored_rows(example: Example, probability: Floats,
                rule: AlarmRule) -> Scored:
    """A recording with its smoothed row scores, to find a threshold on."""
    return Scored(smooth(probability, example.hop_s, rule), example.events,
                  example.duration_s, example.hop_s)


def _auc(probabilities: Sequence[Floats],
         labels: Sequence[np.ndarray]) -> float:
    probability = np.concatenate(probabilities)
    label = np.concatenate(labels)
    known = np.isfinite(probability)
    if len(np.unique(label[known])) < 2:
        return math.nan
    return float(roc_auc_score(label[known], probability[known]))


def _score(score: Score) -> dict[str, Any]:
    events = score.events
    return {
        "seizures": events.ref_true, "found": events.tp,
        "false_alarms": events.fp, "hours": events.hours,
        "sensitivity": _estimate(events.sensitivity),
        "false_alarms_per_24h": _estimate(events.false_alarms_per_24h),
        "median_latency_s": _or_none(events.median_latency_s),
    }


def _estimate(estimate: Estimate) -> dict[str, float | None]:
    return {"value": _or_none(estimate.value), "low": _or_none(estimate.low),
            "high": _or_none(estimate.high)}


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
