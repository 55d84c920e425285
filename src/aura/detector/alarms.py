"""From scores to alarms: smoothing, hysteresis, refractory time."""
# An alarm begins once the smoothed score has been at the threshold for a few
# seconds. Unscorable rows neither raise nor end it.

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from aura.recording import SEIZURE, Event, Floats

# As long as an alarm may last, so that one effort counts once or twice.
BLOCK_S = 300.0
KEPT_H = 24.0


@dataclass(frozen=True)
class AlarmRule:
    """How scores become alarms; part of every model."""

    threshold: float  # Smoothed score at which an alarm is raised
    release: float = 0.6  # Share of the threshold below which the alarm ends
    smoothing_s: float = 5.0  # Length of the causal mean over scorable rows
    # How long the threshold must be reached before the alarm is raised.
    hold_s: float = 5.0
    merge_s: float = 30.0  # Alarms with a shorter pause between them are one
    # After the end of an alarm none is raised for this long.
    refractory_s: float = 300.0
    max_length_s: float = 300.0  # An alarm ends after this long in any case
    # Scorable hours after which it also has a threshold of its own; 0: never.
    adapt_after_h: float = 0.0
    # How many blocks in 24 scorable hours may have exceeded that threshold.
    own_per_24h: float = 6.0


@dataclass
class AdaptiveThreshold:
    """The threshold at which an alarm is rare in one recording's last 24 h."""

    rule: AlarmRule
    hop_s: float  # Seconds from one row to the next
    # Highest score and number of scorable rows of each block of the last day.
    _blocks: deque[tuple[float, int]] = field(
        default_factory=lambda: deque(maxlen=round(KEPT_H * 3600 / BLOCK_S)))
    _own: float = -np.inf
    # The block that has not ended yet.
    _highest: float = -np.inf
    _known: int = 0
    _rows: int = 0

    @property
    def block_rows(self) -> int:
        return max(round(BLOCK_S / self.hop_s), 1)

    def feed(self, held: Floats, known: int) -> float:
        """Add rows of one block; return the threshold for all of them."""
        threshold = max(self.rule.threshold, self._own)
        self._highest = float(np.fmax.reduce(held, initial=self._highest))
        self._known += known
        self._rows += len(held)
        if self._rows == self.block_rows:
            self._blocks.append((self._highest, self._known))
            self._highest, self._known, self._rows = -np.inf, 0, 0
            self._own = self._rare()
        return threshold

    def _rare(self) -> float:
        """The score that no more blocks than are allowed have exceeded."""
        hours = sum(known for _, known in self._blocks) * self.hop_s / 3600
        above = int(self.rule.own_per_24h * hours / 24)
        if not hours >= self.rule.adapt_after_h > 0:
            return -np.inf
        ranked = sorted((highest for highest, _ in self._blocks), reverse=True)
        return ranked[above] if above < len(ranked) else -np.inf


def rule_of(alarm: Mapping[str, float],
            adapt_after_h: float = 0.0) -> AlarmRule:
    """The rule in a model's card; a warm-up from the settings replaces it."""
    rule = AlarmRule(**{key: float(value) for key, value in alarm.items()})
    return replace(rule, adapt_after_h=adapt_after_h or rule.adapt_after_h)


def smooth(probability: Floats, hop_s: float, rule: AlarmRule) -> Floats:
    """Causal mean of the scorable rows."""
    width = max(round(rule.smoothing_s / hop_s), 1)
    known = np.isfinite(probability)
    # Not a difference of running sums, whose rounding could exceed 1.
    total = _trailing(np.add, np.where(known, probability, 0.0), width, 0.0)
    count = _trailing(np.add, known.astype(float), width, 0.0)
    mean: Floats = np.divide(
        total, count, out=np.full(len(probability), np.nan), where=known)
    return mean


def alarms(smoothed: Floats, hop_s: float, rule: AlarmRule,
           thresholds: Floats | None = None) -> list[Event]:
    """Alarms of one recording; `thresholds` has one for each row."""
    held = trailing_min(smoothed, hop_s, rule)
    if thresholds is None:
        thresholds = row_thresholds(smoothed, hop_s, rule)
    raised = np.flatnonzero(held >= thresholds)
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
    # The onset is the first moment of a warning; the last row has none.
    return [Event((start + 1) * hop_s,
                  (min(stop + 1, len(smoothed)) - start - 1) * hop_s, SEIZURE,
                  float(np.nanmax(smoothed[start:max(stop, start + 1)])))
            for start, stop in spans if start + 1 < len(smoothed)]


def row_thresholds(smoothed: Floats, hop_s: float, rule: AlarmRule) -> Floats:
    """The threshold at which each row of a recording raises an alarm."""
    thresholds = np.full(len(smoothed), rule.threshold)
    if rule.adapt_after_h:
        adaptive = AdaptiveThreshold(rule, hop_s)
        held = trailing_min(smoothed, hop_s, rule)
        for at in range(0, len(held), adaptive.block_rows):
            rows = slice(at, at + adaptive.block_rows)
            thresholds[rows] = adaptive.feed(
                held[rows], int(np.isfinite(smoothed[rows]).sum()))
    return thresholds


def trailing_min(smoothed: Floats, hop_s: float, rule: AlarmRule) -> Floats:
    """Lowest smoothed score of the last `hold_s`."""
    hold = max(round(rule.hold_s / hop_s), 1)
    return _trailing(np.minimum, smoothed, hold, np.nan)


def _trailing(combine: np.ufunc, values: Floats, width: int,
              before: float) -> Floats:
    """The last `width` values up to each one, combined."""
    padded = np.concatenate([np.full(width - 1, before), values])
    combined = padded[:len(values)].copy()
    # Rows of a sliding window would take thirty times as long.
    for place in range(1, width):
        combine(combined, padded[place:place + len(values)], out=combined)
    return combined
