"""
From probabilities to alarms: smoothing, hysteresis, refractory time.

An alarm begins when the smoothed probability has stood at the threshold for
a few seconds, which is the moment at which somebody could have been told.
Unscorable rows neither raise nor end an alarm.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from aura.detector.adaptation import OwnPast, own_levels
from aura.recording import SEIZURE, Event, Floats


@dataclass(frozen=True)
class AlarmRule:
    """How probabilities become alarms; part of every model."""

    threshold: float  # Smoothed probability at which an alarm is raised
    release: float = 0.6  # Share of the threshold below which the alarm ends
    smoothing_s: float = 5.0  # Length of the causal mean over scorable rows
    # How long the threshold must be reached before the alarm is raised.
    hold_s: float = 5.0
    merge_s: float = 30.0  # Alarms with a shorter pause between them are one
    # After the end of an alarm none is raised for this long.
    refractory_s: float = 300.0
    max_length_s: float = 300.0  # An alarm ends after this long in any case
    # Scorable hours after which the threshold follows the recording's own past
    # as well (`aura.detector.adaptation`); 0 for never.
    adapt_after_h: float = 0.0
    # How often in 24 h of its past the recording may have exceeded it.
    own_per_24h: float = 6.0


def rule_of(alarm: Mapping[str, float],
            adapt_after_h: float = 0.0) -> AlarmRule:
    """The rule that a model's card holds."""
    rule = AlarmRule(**{key: float(value) for key, value in alarm.items()})
    return replace(rule, adapt_after_h=adapt_after_h or rule.adapt_after_h)


def smooth(probability: Floats, hop_s: float, rule: AlarmRule) -> Floats:
    """Causal mean of the scorable probabilities."""
    width = max(round(rule.smoothing_s / hop_s), 1)
    known = np.isfinite(probability)
    # Not a difference of running sums, whose rounding could exceed 1.
    total = _trailing(np.add, np.where(known, probability, 0.0), width, 0.0)
    count = _trailing(np.add, known.astype(float), width, 0.0)
    mean: Floats = np.divide(
        total, count, out=np.full(len(probability), np.nan), where=known)
    return mean


def alarms(smoothed: Floats, hop_s: float, rule: AlarmRule,
           levels: Floats | None = None) -> list[Event]:
    """Alarms of one recording."""
    held = trailing_min(smoothed, hop_s, rule)
    if levels is None:
        levels = levels_of(smoothed, held, hop_s, rule)
    raised = np.flatnonzero(held >= levels)
    ended = np.flatnonzero(smoothed < rule.release * rule.threshold)
    longest = max(round(rule.max_length_s / hop_s), 1)
    merge = round(rule.merge_s / hop_s)
    refractory = round(rule.refractory_s / hop_s)
    spans: list[tuple[int, int]] = []
    at = 0
    while at < len(raised):
        start = int(raised[at])
        if spans and start - spans[-1][1] <= merge:
            start = spans.pop()[0]
        elif spans and start - spans[-1][1] <= refractory:
            at = int(np.searchsorted(raised, spans[-1][1] + refractory + 1))
            continue
        after = int(np.searchsorted(ended, raised[at]))
        stop = int(ended[after]) if after < len(ended) else len(smoothed)
        stop = min(stop, start + longest)
        spans.append((start, stop))
        at = max(int(np.searchsorted(raised, stop)), at + 1)
    # An alarm in the very last row has no time left to be one.
    return [_event(start, stop, smoothed, hop_s) for start, stop in spans
            if start + 1 < len(smoothed)]


def levels_of(smoothed: Floats, held: Floats, hop_s: float,
              rule: AlarmRule) -> Floats:
    """The level at which each row of a recording raises an alarm."""
    if not rule.adapt_after_h:
        return np.full(len(held), rule.threshold)
    return np.maximum(rule.threshold, own_levels(
        smoothed, held, OwnPast(rule.adapt_after_h, rule.own_per_24h, hop_s)))


def trailing_min(smoothed: Floats, hop_s: float, rule: AlarmRule) -> Floats:
    """Lowest smoothed probability of the last `hold_s`."""
    hold = max(round(rule.hold_s / hop_s), 1)
    return _trailing(np.minimum, smoothed, hold, np.nan)


def _event(start: int, stop: int, smoothed: Floats, hop_s: float) -> Event:
    last = min(stop + 1, len(smoothed))
    return Event(
        onset_s=(start + 1) * hop_s, duration_s=(last - start - 1) * hop_s,
        label=SEIZURE,
        confidence=float(np.nanmax(smoothed[start:max(stop, start + 1)])))


def _trailing(combine: np.ufunc, values: Floats, width: int,
              before: float) -> Floats:
    """The last `width` values up to each one, combined."""
    padded = np.concatenate([np.full(width - 1, before), values])
    combined = padded[:len(values)].copy()
    # Rows of a sliding window would take thirty times as long.
    for place in range(1, width):
        combine(combined, padded[place:place + len(values)], out=combined)
    return combined
