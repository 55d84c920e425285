"""
Tests of the evaluation by itself: what must give chance, and does it?

Leaks show here first: if a label, or who somebody is, reaches the other
side of a fold, seizures that were moved to random places can be "found".
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.ensemble import (  # type: ignore[import-untyped]
    RandomForestClassifier,
)

from aura.detector import forest, validation
from aura.evaluation.case import Case
from aura.evaluation.curves import auc, labels
from aura.recording import Event, Floats

SHUFFLES = 30


@dataclass(frozen=True)
class SelfTest:
    """An AUC that should be one half."""

    # Mean over repetitions and held-out patients; NaN where there is nothing
    # to compute it from.
    auc: float
    standard_error: float  # Of that mean, over what was averaged
    repetitions: int


def shuffled_labels(cases: Sequence[Case], seed: int,
                    shuffles: int | None = None) -> SelfTest:
    """
    Train and score the forest on seizures at random places.

    Each recording's seizures are shifted by one random time, around its
    end, so that their number, lengths and distances stay. The AUC is
    taken within each patient while held out.
    """
    random = np.random.default_rng(seed)
    known = [case for case in cases if case.seizures and case.can_be_scored]
    means = []
    for number in range(SHUFFLES if shuffles is None else shuffles):
        moved = [_moved(case, random) for case in known]
        dealt = validation.folds(moved)
        if len(dealt) < 2:
            continue
        values = []
        for train, test in validation.split(moved, dealt):
            # Behind the highest seed comes the lowest.
            scorer = validation.fit_forest(train, (seed + number) % 2**32)
            values += _by_patient(test, [scorer(case) for case in test])
        means.append(_summary(np.array(values)).auc)
    return _summary(np.array(means))


def missingness_only(cases: Sequence[Case], seed: int) -> SelfTest:
    """Tell seizures by which features are missing, and by nothing else."""
    known = [case for case in cases if len(case.missing) and case.seizures]
    dealt = validation.folds(known)
    values: list[float] = []
    if len(dealt) > 1:
        for train, test in validation.split(known, dealt):
            model = RandomForestClassifier(
                n_estimators=forest.TREES, min_samples_leaf=forest.MIN_LEAF,
                max_depth=forest.MAX_DEPTH, class_weight="balanced",
                random_state=seed)
            model.fit(np.concatenate([_pattern(case) for case in train]),
                      np.concatenate([labels(case) for case in train]))
            values += _by_patient(test, [
                # Who has learnt from one class only has one column.
                model.predict_proba(_pattern(case))[
                    :, model.classes_ == 1].sum(axis=1) for case in test])
    found = _summary(np.array(values))
    return replace(found, repetitions=min(found.repetitions, 1))


def _pattern(case: Case) -> np.ndarray:
    return np.column_stack([case.missing, ~case.scorable])


def _moved(case: Case, random: np.random.Generator) -> Case:
    shift_s = random.uniform(0.0, case.duration_s)
    events = []
    for event in case.seizures:
        onset_s = (event.onset_s + shift_s) % case.duration_s
        # One that would go on behind the end begins anew at the start.
        if onset_s + event.duration_s > case.duration_s:
            onset_s = 0.0
        events.append(Event(onset_s, event.duration_s))
    return replace(case, events=tuple(sorted(events)))


def _by_patient(cases: Sequence[Case],
                scores: Sequence[Floats]) -> list[float]:
    values = []
    for patient in sorted({case.patient for case in cases}):
        mine = [(score, labels(case)) for case, score
                in zip(cases, scores, strict=True)
                if case.patient == patient]
        value = np.concatenate([score for score, _ in mine])
        seizure = np.concatenate([label for _, label in mine])
        known = np.isfinite(value)
        values.append(auc(value[known], seizure[known]))
    return values


def _summary(values: Floats) -> SelfTest:
    values = values[np.isfinite(values)]
    count = len(values)
    spread = np.std(values, ddof=1) / np.sqrt(count) if count > 1 else np.nan
    return SelfTest(float(values.mean()) if count else np.nan,
                    float(spread), count)
