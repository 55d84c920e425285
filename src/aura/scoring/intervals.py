"""Exact confidence intervals for the few events that scoring counts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from aura import state

LEVEL = 0.95
TAIL = (1 - LEVEL) / 2
HOURS_PER_DAY = 24.0


@dataclass(frozen=True)
class Estimate:
    value: float  # NaN if `total` is 0
    count: int  # Events counted
    total: float  # Events they are a share of, or hours for a rate
    low: float  # [0, 1] or [0, inf) if `total` is 0
    high: float


def proportion(count: int, total: int) -> Estimate:
    """Proportion with its Clopper-Pearson interval."""
    # Source: https://doi.org/10.1093/biomet/26.4.404
    from scipy.special import betaincinv

    if not 0 <= count <= total:
        raise state.error("interval.count/share", count=count, total=total)
    if total == 0:
        return Estimate(math.nan, 0, 0, 0.0, 1.0)
    misses = total - count
    low = betaincinv(count, misses + 1, TAIL) if count else 0.0
    high = betaincinv(count + 1, misses, 1 - TAIL) if misses else 1.0
    return Estimate(count / total, count, total, float(low), float(high))


def f1(tp: int, fp: int, fn: int) -> Estimate:
    """F1 score with an exact interval."""
    # It rises with tp / (tp + fp + fn), whose interval is carried over.
    if min(fp, fn) < 0:
        raise state.error("interval.count/f1", fp=fp, fn=fn)
    shared = proportion(tp, tp + fp + fn)
    value, low, high = (2 * part / (1 + part)
                        for part in (shared.value, shared.low, shared.high))
    if shared.total:
        value = 2 * tp / (2 * tp + fp + fn)
    return Estimate(value, tp, shared.total, low, high)


def rate_per_24h(count: int, hours: float) -> Estimate:
    """Events per 24 h with the exact interval of a Poisson count."""
    _check_hours(hours)
    if count < 0 or (count and not hours):
        raise state.error("interval.count/rate", count=count, hours=hours)
    if not hours:
        return Estimate(math.nan, 0, 0.0, 0.0, math.inf)
    days = hours / HOURS_PER_DAY
    low, high = _poisson(count)
    return Estimate(count / days, count, hours, low / days, high / days)


def _poisson(count: float) -> tuple[float, float]:
    # Source: https://doi.org/10.1093/biomet/28.3-4.437
    from scipy.special import gammaincinv

    return (float(gammaincinv(count, TAIL)) if count else 0.0,
            float(gammaincinv(count + 1, 1 - TAIL)))


def rate_over_people(people: Sequence[tuple[float, float]]) -> Estimate:
    """The rate of people with a count and hours each; wide if they differ."""
    # Source: https://doi.org/10.1093/biomet/61.3.439
    count = math.fsum(count for count, _ in people)
    days = math.fsum(hours for _, hours in people) / HOURS_PER_DAY
    rate = count / days if days else math.nan
    if not days or len(people) < 2:
        # One person shows nothing about others.
        return Estimate(rate, 0, days * HOURS_PER_DAY, 0.0, math.inf)
    # A Poisson count in units of the dispersion, if that is above 1.
    per_h = rate / HOURS_PER_DAY
    spread = max(1.0, math.fsum(
        (own - per_h * hours) ** 2 / (per_h * hours)
        for own, hours in people if per_h * hours) / (len(people) - 1))
    low, high = _poisson(count / spread)
    return Estimate(rate, round(count), days * HOURS_PER_DAY,
                    spread * low / days, spread * high / days)


def resolvable_rate(hours: float) -> float:
    """Rate per 24 h that a single event in these hours makes."""
    _check_hours(hours)
    return HOURS_PER_DAY / hours if hours else math.inf


def _check_hours(hours: float) -> None:
    if not 0 <= hours < math.inf:
        raise state.error("interval.hours", hours=hours)
