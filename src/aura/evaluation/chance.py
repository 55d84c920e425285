"""What chance alone gives, and self-tests: 0.5 unless labels leak."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from aura.detector import forest, validation
from aura.evaluation.detectors import Case
from aura.evaluation.measures import labels
from aura.evaluation.nested import Held
from aura.recording import Event, Floats
from aura.scoring.intervals import LEVEL
from aura.scoring.score import score

SURROGATES = 500
RESAMPLES = 2000
SHUFFLES = 30


@dataclass(frozen=True)
class Chance:
    mean: float  # Expected number of seizures
    high: float  # 95 % of the surrogates find no more than this
    p_value: float  # Share that find as many as the real alarms


def by_shifted_alarms(held: Sequence[Held], seed: int) -> Chance:
    """Shift all alarms of a recording by one random time, around its end."""
    # Source: https://doi.org/10.1103/PhysRevE.67.010901
    random = np.random.default_rng(seed)
    hits = np.zeros(SURROGATES)
    for one in held:
        if not one.case.seizures or not one.raised:
            continue
        for number, shift_s in enumerate(
                random.uniform(0.0, one.case.duration_s, SURROGATES)):
            hits[number] += score(
                one.case.events, _shifted(one, float(shift_s)),
                one.case.duration_s).events.tp
    found = sum(one.score.events.tp for one in held)
    return Chance(float(hits.mean()), float(np.quantile(hits, LEVEL)),
                  float((1 + np.sum(hits >= found)) / (1 + SURROGATES)))


def _shifted(held: Held, shift_s: float) -> list[Event]:
    duration_s = held.case.duration_s
    shifted = []
    for event in held.raised:
        onset_s = (event.onset_s + shift_s) % duration_s
        inside_s = min(event.duration_s, duration_s - onset_s)
        shifted.append(Event(onset_s, inside_s))
        if inside_s < event.duration_s:
            shifted.append(Event(0.0, event.duration_s - inside_s))
    return shifted


@dataclass(frozen=True)
class Resampled:
    """The 95 % interval of a value over resampled people."""

    low: float  # NaN if no resample defines the value
    high: float
    undefined: float  # Number of resamples that do not


def by_patients(held: Sequence[Held], seed: int) -> dict[str, Resampled]:
    """Draw people with replacement, and count: events of one are alike."""
    names = sorted({one.case.patient for one in held})
    counts = np.zeros((len(names), 4))
    for one in held:
        events = one.score.events
        counts[names.index(one.case.patient)] += (
            events.tp, events.fp, events.ref_true, events.hours)
    drawn = np.random.default_rng(seed).integers(
        0, len(names), (RESAMPLES, len(names)))
    tp, fp, truth, hours = counts[drawn].sum(axis=1).T
    return {"sensitivity": _interval(tp, truth),
            "false_alarms_per_24h": _interval(24.0 * fp, hours),
            "f1": _interval(2 * tp, tp + fp + truth)}


def _interval(part: Floats, whole: Floats) -> Resampled:
    defined = whole > 0
    values = part[defined] / whole[defined]
    tail = (1 - LEVEL) / 2
    low, high = (np.quantile(values, (tail, 1 - tail)) if len(values)
                 else (np.nan, np.nan))
    return Resampled(float(low), float(high), float((~defined).sum()))


@dataclass(frozen=True)
class SelfTest:
    auc: float  # Mean over repetitions and held-out patients; may be NaN
    standard_error: float  # Of that mean
    repetitions: int


def shuffled_labels(cases: Sequence[Case], seed: int) -> SelfTest:
    """Train and score the forest on seizures at random places."""
    random = np.random.default_rng(seed)
    known = [case for case in cases if case.seizures and case.can_be_scored]
    means = []
    for number in range(SHUFFLES):
        moved = [_moved(case, random) for case in known]
        dealt = validation.folds(moved)
        if len(dealt) < 2:
            continue
        values = []
        for train, test in validation.split(moved, dealt):
            # scikit-learn takes seeds below 2**32 only.
            scorer = validation.fit_forest(train, (seed + number) % 2**32)
            values += _by_patient(test, [scorer(case) for case in test])
        means.append(_mean(np.array(values)).auc)
    return _mean(np.array(means))


def missingness_only(cases: Sequence[Case], seed: int) -> SelfTest:
    """Find seizures by which features are missing, and by nothing else."""
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
                # A model of one class only has one column.
                model.predict_proba(_pattern(case))[
                    :, model.classes_ == 1].sum(axis=1) for case in test])
    found = _mean(np.array(values))
    return replace(found, repetitions=min(found.repetitions, 1))


def _pattern(case: Case) -> np.ndarray:
    return np.column_stack([case.missing, ~case.scorable])


def _moved(case: Case, random: np.random.Generator) -> Case:
    shift_s = random.uniform(0.0, case.duration_s)
    events = []
    for event in case.seizures:
        onset_s = (event.onset_s + shift_s) % case.duration_s
        # A seizure that would reach past the end moves to the start.
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
        values.append(validation.auc(
            np.concatenate([score for score, _ in mine]),
            np.concatenate([label for _, label in mine])))
    return values


def _mean(values: Floats) -> SelfTest:
    values = values[np.isfinite(values)]
    count = len(values)
    spread = np.std(values, ddof=1) / np.sqrt(count) if count > 1 else np.nan
    return SelfTest(float(values.mean()) if count else np.nan,
                    float(spread), count)
