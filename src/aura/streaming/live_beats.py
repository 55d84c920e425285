"""Beats as samples arrive: `aura.ecg.beats` of the last minute."""

from dataclasses import dataclass, field

import numpy as np

from aura.ecg import beats, quality
from aura.recording import MIN_RATE_HZ, Floats
from aura.spans import merge

ANALYSED_S = 60.0
EDGE_S = 2.0  # For the ends of filters
DELAY_S = quality.WINDOW_S + EDGE_S
# No heart beats twice in this time: it is one beat, found in two windows.
SAME_BEAT_S = 0.2


@dataclass
class Settled:
    beat_s: Floats
    unscorable: Floats  # In seconds, both after what was settled before
    until_s: float  # Up to where all is settled


@dataclass
class LiveBeats:
    """Samples in, settled beats out; memory is bounded by `ANALYSED_S`."""

    fs_hz: float  # Sampling rate
    # Smallest and largest value that the device can express.
    rails: tuple[float, float] = (-np.inf, np.inf)
    delay_s: float = DELAY_S  # Until a second counts as settled
    _samples: Floats = field(default_factory=lambda: np.empty(0))
    _first: int = 0
    _heart: beats.KnownHeart = beats.KnownHeart()
    _analysed_s: float = 0.0
    _until_s: float = 0.0
    _last_beat_s: float = -np.inf
    _beats: Floats = field(default_factory=lambda: np.empty(0))
    _spans: Floats = field(default_factory=lambda: np.empty((0, 2)))

    def feed(self, samples: Floats, ended: bool = False) -> Settled:
        self._samples = np.concatenate([self._samples, samples])
        now_s = (self._first + len(self._samples)) / self.fs_hz
        self._forget(now_s)
        every_s = max(self.delay_s - EDGE_S, 0.0)
        ready_s = max(now_s - EDGE_S, 0.0)
        if every_s:
            ready_s = ready_s // every_s * every_s
        if ended:
            ready_s = now_s
        if ready_s > self._analysed_s:
            self._analyse(ready_s, now_s)
        return self._settle(now_s if ended else max(now_s - self.delay_s, 0.0))

    def _analyse(self, ready_s: float, now_s: float) -> None:
        start_s = self._first / self.fs_hz
        if (self.fs_hz < MIN_RATE_HZ
                or now_s - start_s < beats.MIN_SEGMENT_S):
            found, spans = np.empty(0), np.array([[self._analysed_s, ready_s]])
        else:
            found, judged, self._heart = beats.analyse(
                beats.segment_of(self._samples, self.fs_hz, start_s), start_s,
                self.rails, self._heart)
            found = beats.on_grid(found)
            # Before the window there was signal, if not at the very start.
            known = found if self._first == 0 else np.concatenate(
                [[start_s], found])
            spans = quality.join([judged], known, now_s)
        # What was settled stays so, but for a beat that moved over its end.
        new = found[(found > self._last_beat_s + SAME_BEAT_S)
                    & (found > self._analysed_s - SAME_BEAT_S)
                    & (found <= ready_s)]
        if len(new):
            self._last_beat_s = float(new[-1])
        self._beats = np.concatenate([self._beats, new])
        self._spans = np.concatenate(
            [self._spans, between(spans, self._analysed_s, ready_s)])
        self._analysed_s = ready_s

    def _settle(self, until_s: float) -> Settled:
        count = int(np.searchsorted(self._beats, until_s, side="right"))
        new, self._beats = self._beats[:count], self._beats[count:]
        spans = between(self._spans, self._until_s, until_s)
        self._spans = between(self._spans, until_s, np.inf)
        self._until_s = until_s
        return Settled(new, merge(spans, quality.TOUCHING_S), until_s)

    def _forget(self, now_s: float) -> None:
        """Drop whole cells of ten seconds, on the recording's grid."""
        cell_s = quality.WINDOW_S
        start_s = max((now_s - ANALYSED_S) // cell_s * cell_s, 0.0)
        _, down = beats.rate_factors(self.fs_hz)
        start = round(start_s * self.fs_hz / down) * down
        if start > self._first:
            self._samples = self._samples[start - self._first:]
            self._first = start


def between(spans: Floats, start_s: float, stop_s: float) -> Floats:
    """Parts of spans that lie between two times."""
    inside = np.clip(spans, start_s, stop_s)
    return inside[inside[:, 1] > inside[:, 0]]
