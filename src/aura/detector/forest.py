"""
The RandomForest: which rows it learns from, and how it is fitted.

A forest on all of AURA's features, trained on every second, loses to one
line of code (docs/evaluation.md). What decides an alarm are the seconds in
which the heart rate peaks, so those are what it learns from; and it sees two
features, both differences in beats per minute to the patient's own past.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import (  # type: ignore[import-untyped]
    RandomForestClassifier,
)

from aura.recording import Bools, Event, Floats

MODEL_FEATURES = ("hr_rise", "hr_over_p95")
TREES = 100
MIN_LEAF = 20
MAX_DEPTH = 10
# A seizure's heart rate peaks up to half a minute after its annotated end;
# what follows is neither seizure nor healthy, and is not learnt from.
AFTER_S = 30.0
IGNORED_BEFORE_S = 30.0
IGNORED_AFTER_S = 90.0
PEAK_SHARE = 0.8


@dataclass(frozen=True)
class Example:
    """One annotated recording as the trainer sees it."""

    patient: str  # Alias of the patient
    time_s: Floats  # Ends of the rows in seconds
    values: np.ndarray  # Columns of `MODEL_FEATURES`
    rise: Floats  # ``hr_rise``, ``hr_from_peak`` and ``mean_hr`` in bpm
    from_peak: Floats
    heart_rate: Floats
    scorable: Bools
    events: tuple[Event, ...]  # Annotated seizures
    duration_s: float  # Length of the recording and of a hop in seconds
    hop_s: float

    @property
    def seizures(self) -> tuple[Event, ...]:
        """The annotated seizures."""
        return tuple(event for event in self.events if event.is_seizure)


@dataclass(frozen=True)
class Rows:
    """Rows to learn from."""

    values: np.ndarray
    seizure: Bools
    # Each seizure weighs as much as every other, however long it is, and all
    # of them as much as all the rest.
    weight: Floats


def teaches(example: Example) -> bool:
    """Whether at least one row of a seizure can be learnt from."""
    return any(len(_peak_of(example, event)) for event in example.seizures)


def training_rows(examples: Sequence[Example]) -> Rows:
    """
    Choose and weigh the rows that a forest learns from.

    Of each seizure, up to 30 s after its end, the rows whose heart-rate
    rise is within a fifth of its highest; of all other time the rows in
    which the heart rate is at its highest of the last minute. Unscorable
    rows, and those just before and after a seizure, are left out.
    """
    values, seizure, weight = [], [], []
    for example in examples:
        near = np.zeros(len(example.time_s), dtype=bool)
        for event in example.seizures:
            near |= ((example.time_s > event.onset_s - IGNORED_BEFORE_S)
                     & (example.time_s <= event.end_s + IGNORED_AFTER_S))
            rows = _peak_of(example, event)
            values.append(example.values[rows])
            seizure.append(np.ones(len(rows), dtype=bool))
            weight.append(np.full(len(rows), 1.0 / max(len(rows), 1)))
        rows = np.flatnonzero(example.scorable & ~near
                              & (example.from_peak >= 0.0))
        values.append(example.values[rows])
        seizure.append(np.zeros(len(rows), dtype=bool))
        weight.append(np.ones(len(rows)))
    return _balanced(Rows(np.concatenate(values), np.concatenate(seizure),
                          np.concatenate(weight)))


def fit(examples: Sequence[Example], seed: int,
        jobs: int = 1) -> RandomForestClassifier:
    """Fit a forest; the same examples and seed give the same trees."""
    rows = training_rows(examples)
    forest = RandomForestClassifier(
        n_estimators=TREES, min_samples_leaf=MIN_LEAF, max_depth=MAX_DEPTH,
        random_state=seed, n_jobs=jobs)
    forest.fit(rows.values, rows.seizure.astype(np.int64),
               sample_weight=rows.weight)
    # Threads would add up the votes in the order in which they end, and the
    # last digit of a probability, so of the threshold, with it.
    forest.n_jobs = 1
    return forest


def _peak_of(example: Example, event: Event) -> np.ndarray:
    inside = np.flatnonzero(
        example.scorable & (example.time_s > event.onset_s)
        & (example.time_s <= event.end_s + AFTER_S))
    rise = example.rise[inside]
    highest = np.max(rise, initial=-np.inf, where=np.isfinite(rise))
    # Without a rise there is no peak to single out.
    return inside[rise >= PEAK_SHARE * highest] if highest > 0 else inside


def _balanced(rows: Rows) -> Rows:
    weight = rows.weight.copy()
    if not len(weight):
        return rows
    seizures, others = weight[rows.seizure].sum(), weight[~rows.seizure].sum()
    if seizures > 0 and others > 0:
        weight[rows.seizure] *= others / seizures
    return Rows(rows.values, rows.seizure, weight / weight.mean())
