"""Alarms as scores arrive: `detector.alarms` of the last rows."""

from dataclasses import dataclass, field, replace

import numpy as np

from aura.detector.alarms import AdaptiveThreshold, AlarmRule, alarms, smooth
from aura.recording import Event, Floats


@dataclass
class LiveAlarms:
    """Scores in, events out."""

    rule: AlarmRule
    hop_s: float
    _probability: Floats = field(default_factory=lambda: np.empty(0))
    _smoothed: Floats = field(default_factory=lambda: np.empty(0))
    _levels: Floats = field(default_factory=lambda: np.empty(0))
    _first: int = 0

    def __post_init__(self) -> None:
        self._adaptive = AdaptiveThreshold(self.rule, self.hop_s)

    def feed(self, probability: float) -> tuple[float, bool, list[Event]]:
        width = max(round(self.rule.smoothing_s / self.hop_s), 1)
        self._probability = np.append(self._probability, probability)[-width:]
        smoothed = float(smooth(self._probability, self.hop_s, self.rule)[-1])
        self._smoothed = np.append(self._smoothed, smoothed)
        self._levels = np.append(self._levels, self._level())
        row = self._first + len(self._smoothed)
        found = self._events(open_ended=True)
        # Rows are counted from 1 at their end; an onset is such an end.
        begun = bool(found) and round(found[-1].onset_s / self.hop_s) == row
        return smoothed, begun, self._finish(found)

    def close(self) -> list[Event]:
        """The rest, after the last row."""
        return self._events()

    def _level(self) -> float:
        """The threshold of the last row."""
        if not self.rule.adapt_after_h:
            return self.rule.threshold
        hold = max(round(self.rule.hold_s / self.hop_s), 1)
        held = (self._smoothed[-hold:].min()
                if len(self._smoothed) >= hold else np.nan)
        return self._adaptive.feed(
            np.array([held]), int(np.isfinite(self._smoothed[-1])))

    def _events(self, open_ended: bool = False) -> list[Event]:
        # A row more shows an alarm that begins with the last one.
        # Most seconds are far from an alarm, and this is asked every second.
        highest = np.fmax.reduce(self._smoothed, initial=-np.inf)
        if not highest >= self.rule.threshold:
            return []
        rows, levels = (np.append(each, np.nan) if open_ended else each
                        for each in (self._smoothed, self._levels))
        begin_s = self._first * self.hop_s
        return [replace(event, onset_s=round(
            (event.onset_s + begin_s) / self.hop_s) * self.hop_s)
            for event in alarms(rows, self.hop_s, self.rule, levels)]

    def _finish(self, found: list[Event]) -> list[Event]:
        hold = max(round(self.rule.hold_s / self.hop_s), 1)
        last = self._first + len(self._smoothed)
        if not found:
            keep = last - hold
            done: list[Event] = []
        elif len(found) > 1:
            # Rows that the first had suppressed must not count again.
            keep = round(found[-1].onset_s / self.hop_s) - hold
            done = found[:-1]
        else:
            quiet = max(self.rule.merge_s, self.rule.refractory_s)
            end = round(found[0].end_s / self.hop_s)
            if last - end <= round(quiet / self.hop_s) + hold + 1:
                return []
            keep, done = last - hold, found
        cut = max(keep - self._first, 0)
        self._smoothed, self._levels = (
            self._smoothed[cut:], self._levels[cut:])
        self._first += cut
        return done
