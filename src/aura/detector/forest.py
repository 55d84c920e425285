"""The random forest: which rows it learns from, and how it is fitted."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from aura.ecg.features import near_points
from aura.recording import Bools, Event, Floats

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

MODEL_FEATURES = ("hr_rise", "hr_over_p95")
# Rises above the patient's own past. The score never falls as one of them
# grows. Physiology fixes no direction for the other features.
RISES = frozenset({"hr_rise", "hr_ratio", "hr_z", "hr_rise_60", "hr_over_p95",
                   "hr_rise_frozen"})
TREES = 100
MIN_LEAF = 20
MAX_DEPTH = 10
# The heart rate peaks up to half a minute after the annotated end of a
# seizure. The time that follows belongs to neither class.
AFTER_S = 30.0
IGNORED_BEFORE_S = 30.0
IGNORED_AFTER_S = 90.0
PEAK_SHARE = 0.8
# Equal heart rates of neighbouring rows differ by rounding.
ROUNDING_BPM = 1e-6
# scikit-learn takes no missing values beside a constraint. A missing value
# counts as the lowest one, so it is never evidence of a seizure.
LOWEST = np.finfo(np.float32).min


@dataclass(frozen=True)
class Example:
    patient: str  # Alias of the patient
    time_s: Floats  # Ends of the rows in seconds
    values: np.ndarray  # One column for each of `columns`
    rise: Floats  # ``hr_rise``, ``hr_from_peak`` and ``mean_hr`` in bpm
    from_peak: Floats
    heart_rate: Floats
    scorable: Bools
    events: tuple[Event, ...]
    duration_s: float
    hop_s: float  # Seconds from one row to the next
    columns: tuple[str, ...] = field(default=MODEL_FEATURES, kw_only=True)

    @property
    def seizures(self) -> tuple[Event, ...]:
        return tuple(event for event in self.events if event.is_seizure)

    @property
    def has_usable_seizure(self) -> bool:
        """Whether at least one row of a seizure can be learnt from."""
        return any(len(_peak_of(self, event)) for event in self.seizures)


@dataclass(frozen=True)
class TrainingRows:
    values: np.ndarray
    seizure: Bools
    weight: Floats


def training_rows(examples: Sequence[Example]) -> TrainingRows:
    """The rows in which the heart rate peaks: they alone decide on alarms."""
    values, seizure, weight = [], [], []
    for example in examples:
        near = near_points(example.events, example.time_s)
        for event in example.seizures:
            near |= ((example.time_s > event.onset_s - IGNORED_BEFORE_S)
                     & (example.time_s <= event.end_s + IGNORED_AFTER_S))
            rows = _peak_of(example, event)
            values.append(example.values[rows])
            seizure.append(np.ones(len(rows), dtype=bool))
            weight.append(np.full(len(rows), 1.0 / max(len(rows), 1)))
        rows = np.flatnonzero(example.scorable & ~near
                              & (example.from_peak >= -ROUNDING_BPM))
        values.append(example.values[rows])
        seizure.append(np.zeros(len(rows), dtype=bool))
        weight.append(np.ones(len(rows)))
    return _balanced(*map(np.concatenate, (values, seizure, weight)))


def fit(examples: Sequence[Example], seed: int) -> "RandomForestClassifier":
    """Fit a forest; the same examples and seed give the same trees."""
    # Imported here: a prediction in one process needs no scikit-learn.
    from sklearn.ensemble import RandomForestClassifier
    rows = training_rows(examples)
    forest = RandomForestClassifier(
        n_estimators=TREES, min_samples_leaf=MIN_LEAF, max_depth=MAX_DEPTH,
        monotonic_cst=directions(examples[0]), random_state=seed)
    known = np.where(np.isnan(rows.values), LOWEST, rows.values)
    return forest.fit(known, rows.seizure.astype(np.int64),
                      sample_weight=rows.weight)


def directions(example: Example) -> list[int]:
    """1 for each column that only raises the score, 0 for the others."""
    return [int(name in RISES) for name in example.columns]


def _peak_of(example: Example, event: Event) -> np.ndarray:
    if not event.duration_s:
        return np.empty(0, dtype=np.intp)
    inside = np.flatnonzero(
        example.scorable & (example.time_s > event.onset_s)
        & (example.time_s <= event.end_s + AFTER_S))
    rise = example.rise[inside]
    highest = np.max(rise, initial=-np.inf, where=np.isfinite(rise))
    # Without a rise there is no peak.
    return inside[rise >= PEAK_SHARE * highest] if highest > 0 else inside


def _balanced(values: np.ndarray, seizure: Bools,
              weight: Floats) -> TrainingRows:
    # All seizures weigh the same, and together as much as all other rows.
    seizures, others = weight[seizure].sum(), weight[~seizure].sum()
    if seizures > 0 and others > 0:
        weight[seizure] *= others / seizures
    if len(weight):
        weight /= weight.mean()
    return TrainingRows(values, seizure, weight)
