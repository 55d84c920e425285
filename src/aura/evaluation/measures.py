"""How good held-out scores are: counts, rates, curves, reliability."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aura.detector.threshold import block_peaks
from aura.ecg.features import near_points, seizure_fraction
from aura.evaluation.detectors import Case
from aura.evaluation.nested import Held, rescored
from aura.recording import Bools, Floats
from aura.scoring.intervals import rate_per_24h, resolvable_rate
from aura.scoring.report import counts, estimate, finite
from aura.scoring.score import pool

DIGITS = 6
# Curves end here; no user accepts more false alarms per 24 h.
HIGHEST_RATE = 24.0
LEVELS = 80
BINS = 10


def summary(held: Sequence[Held]) -> dict[str, Any]:
    """Counts, rates and their exact intervals, as the report has them."""
    found = pool(one.score for one in held)
    events = found.events
    scorable_h = math.fsum(one.case.scorable_s for one in held) / 3600
    alarm_s = math.fsum(
        event.duration_s for one in held for event in one.raised)
    late = np.array(events.latencies_s)
    return {
        **counts(found, DIGITS),
        "people": len({one.case.patient for one in held}),
        "recordings": len(held),
        "scorable_hours": number(scorable_h),
        "false_alarms_per_scorable_24h": estimate(
            rate_per_24h(events.fp, scorable_h), DIGITS),
        "smallest_resolvable_per_24h": number(resolvable_rate(events.hours)),
        "alarms_not_merged_per_24h": estimate(
            events.strict_false_alarms_per_24h, DIGITS),
        "precision": estimate(events.precision, DIGITS),
        "f1": estimate(events.f1, DIGITS),
        "latency_s": {
            "median": number(events.median_latency_s),
            "percentile_95": number(
                float(np.percentile(late, 95)) if len(late) else math.nan),
            "each": [number(value) for value in events.latencies_s]},
        "unreadable_share": number(
            1 - 3600 * scorable_h
            / math.fsum(one.case.duration_s for one in held)),
        "in_alarm_share": number(
            alarm_s / (events.hours * 3600) if events.hours else math.nan),
        "seconds": {name: estimate(getattr(found.samples, name), DIGITS)
                    for name in ("sensitivity", "precision", "f1")}}


def number(value: float) -> float | None:
    """A number of six decimals; None if it is infinite or NaN."""
    return finite(value, DIGITS)


@dataclass(frozen=True)
class Point:
    threshold: float
    found: int
    seizures: int
    false_alarms_per_24h: float  # In all people
    healthy_per_24h: float  # In the control group; NaN if there is none


def curve(held: Sequence[Held], control: Sequence[str]) -> list[Point]:
    """Score held-out recordings at each threshold, with hindsight."""
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
                    if one.case.patient in control).events
        points.append(Point(float(level), everybody.tp, everybody.ref_true,
                            everybody.false_alarms_per_24h.value,
                            calm.false_alarms_per_24h.value))
        if not points[-1].false_alarms_per_24h < HIGHEST_RATE:
            break
    return points


def _levels(peaks: Floats) -> Floats:
    """Thresholds from high to low, dense where few minutes reach them."""
    seen = np.unique(peaks)[::-1]
    places = np.unique(np.geomspace(1, max(len(seen), 1), LEVELS).astype(int))
    levels: Floats = seen[places[places <= len(seen)] - 1]
    return levels


@dataclass(frozen=True)
class Reliability:
    predicted: tuple[float, ...]  # Mean score of each bin with rows
    observed: tuple[float, ...]
    rows: tuple[int, ...]
    brier: float  # Mean square of score minus truth; NaN without rows
    prevalence: float  # Share of seizure rows


def reliability(held: Sequence[Held]) -> Reliability:
    """Compare scores from 0 to 1 with annotations, in ten equal bins."""
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


def rows_and_labels(held: Sequence[Held]) -> tuple[Floats, Bools]:
    """Scores of all scorable rows, and whether they are seizure."""
    values, seizure = [np.empty(0)], [np.empty(0, dtype=bool)]
    for one in held:
        known = np.isfinite(one.row_score) & ~near_points(
            one.case.events, one.case.time_s)
        values.append(one.row_score[known].astype(np.float64))
        seizure.append(labels(one.case)[known])
    return np.concatenate(values), np.concatenate(seizure)


def labels(case: Case) -> Bools:
    """Whether at least half of each row is seizure."""
    fraction = seizure_fraction(case.events, case.time_s, case.hop_s)
    return np.asarray(fraction >= 0.5)
