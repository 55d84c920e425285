"""Features of one hop, from the beats up to it, by `aura.ecg.features`."""

from dataclasses import dataclass, field, replace

import numpy as np

from aura.ecg import baseline, features, hrv
from aura.ecg.baseline import HeartRate
from aura.ecg.rr import without_stuck
from aura.recording import Beats, Floats

# More than the longest window holds, so that intervals are judged alike.
BEATS_KEPT = 640
SPANS_KEPT_S = 1800.0
_RELATIVE = frozenset(baseline.BASELINE)


@dataclass
class LiveRows:
    """Beats in, feature rows out, one per hop."""

    names: tuple[str, ...]  # Features to compute
    hop_s: float  # Seconds from one row to the next
    _beat_s: Floats = field(default_factory=lambda: np.empty(0))
    _spans: Floats = field(default_factory=lambda: np.empty((0, 2)))
    _bpm: Floats = field(default_factory=lambda: np.empty(0))
    _count: int = 0

    def feed(self, beat_s: Floats, unscorable: Floats) -> None:
        if len(beat_s):
            self._beat_s = np.concatenate([self._beat_s, beat_s])[-BEATS_KEPT:]
        if not len(unscorable):
            return
        spans = np.concatenate([self._spans, unscorable])
        if len(self._spans) and self._spans[-1, 1] >= unscorable[0, 0]:
            spans[len(self._spans) - 1, 1] = unscorable[0, 1]
            spans = np.delete(spans, len(self._spans), axis=0)
        self._spans = spans[spans[:, 1] > spans[-1, 1] - SPANS_KEPT_S]

    def next(self) -> tuple[float, bool, np.ndarray]:
        """The row of the next hop; all up to its end has to be settled."""
        self._count += 1
        end_s = np.array([self._count * self.hop_s])
        known = without_stuck(
            Beats(self._beat_s, float(end_s[0]), self._spans))
        intervals = features.normal_intervals(known)
        short = hrv.windows(intervals, end_s, features.SHORT_S)
        scorable = bool(features.can_be_scored(known, end_s, short)[0])
        columns = hrv.time_domain(intervals, short)
        self._remember(columns["mean_hr"][0] if scorable else np.nan)
        if _RELATIVE.intersection(self.names):
            begins = (self._count - len(self._bpm)) * self.hop_s
            times = begins + self.hop_s * np.arange(
                1, len(self._bpm) + 1, dtype=np.float64)
            columns |= baseline.relative_to_baseline(
                HeartRate(times, self._bpm, self.hop_s), last=1)
        if set(hrv.POINCARE).intersection(self.names):
            columns |= hrv.poincare(intervals, hrv.windows(
                intervals, end_s, features.MEDIUM_S))
        if set(hrv.SPECTRAL).intersection(self.names):
            columns |= self._spectral(intervals, end_s)
        return float(end_s[0]), scorable, np.array(
            [columns[name][0] for name in self.names], np.float32)

    def _spectral(self, intervals: hrv.NormalIntervals,
                  end_s: Floats) -> dict[str, Floats]:
        """On a clock that begins with what is kept, not hours before."""
        # Whole seconds, so that the grid of interpolation is the same one.
        begin_s = np.floor(max([*intervals.time_s[:1] - hrv.MAX_GAP_S, 0.0]))
        return hrv.spectral(replace(
            intervals, time_s=intervals.time_s - begin_s),
            end_s - begin_s, features.LARGE_S)

    def _remember(self, bpm: float) -> None:
        self._bpm = np.append(self._bpm, bpm)
        step = max(round(baseline.LONG_STEP_S / self.hop_s), 1)
        longest = round(baseline.LONGEST_S / self.hop_s)
        # Whole coarse steps, so that their grid stays that of the recording.
        if len(self._bpm) >= longest + 8 * step:
            self._bpm = self._bpm[8 * step:]
