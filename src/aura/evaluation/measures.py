"""The figures of some held-out recordings, as they stand in the report."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from aura.evaluation.nested import Held
from aura.scoring.intervals import Estimate, rate_per_24h, resolvable_rate
from aura.scoring.score import pool

DIGITS = 6


def figures(held: Sequence[Held]) -> dict[str, Any]:
    """Counts, rates and their exact intervals."""
    found = pool(one.score for one in held)
    events = found.events
    scorable_h = math.fsum(one.case.scorable_s for one in held) / 3600
    alarm_s = math.fsum(
        event.duration_s for one in held for event in one.raised)
    late = np.array(events.latencies_s)
    return {
        "people": len({one.case.patient for one in held}),
        "recordings": len(held),
        "hours": number(events.hours),
        "scorable_hours": number(scorable_h),
        "seizures": events.ref_true,
        "found": events.tp,
        "sensitivity": estimate(events.sensitivity),
        "false_alarms": events.fp,
        "false_alarms_per_24h": estimate(events.false_alarms_per_24h),
        "false_alarms_per_scorable_24h": estimate(
            rate_per_24h(events.fp, scorable_h)),
        "smallest_resolvable_per_24h": number(resolvable_rate(events.hours)),
        "alarms_not_merged_per_24h": estimate(
            events.strict_false_alarms_per_24h),
        "precision": estimate(events.precision),
        "f1": estimate(events.f1),
        "latency_s": {
            "median": number(events.median_latency_s),
            "percentile_95": number(
                float(np.percentile(late, 95)) if len(late) else math.nan),
            "each": [number(value) for value in events.latencies_s]},
        "in_alarm_share": number(
            alarm_s / (events.hours * 3600) if events.hours else math.nan),
        "seconds": {
            "sensitivity": estimate(found.samples.sensitivity),
            "precision": estimate(found.samples.precision),
            "f1": estimate(found.samples.f1)}}


def estimate(given: Estimate) -> dict[str, float | None]:
    """An estimate and its interval; null where it is not defined."""
    return {"value": number(given.value), "low": number(given.low),
            "high": number(given.high)}


def number(value: float) -> float | None:
    """A number of six decimals; None where it is none, or infinite."""
    return round(float(value), DIGITS) if math.isfinite(value) else None
