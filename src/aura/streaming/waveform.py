"""
Beats from samples as they arrive.

Every hop the last minute is heard as `aura.beats` hears a piece of a
recording, and of what it finds only what is old enough to be settled is
taken: ten seconds, since quality is judged in whole cells of ten seconds,
and two for the ends of filters. A recording's batch hears pieces of 15 min
instead, so that what the two call noise, and a beat in it, can differ.
"""

from dataclasses import dataclass, field

import numpy as np

from aura import beats, quality
from aura.recording import Floats
from aura.spans import merge

HEARD_S = 60.0
DELAY_S = quality.CELL_S + 2.0
# No heart beats twice in this time: it is one beat, heard in two windows.
SAME_BEAT_S = 0.2


@dataclass
class Settled:
    """
    What has been settled by one hop.

    Parameters
    ----------
    beat_s : ndarray, shape (n_beats,)
    unscorable : ndarray, shape (n_spans, 2)
        In seconds, both after what was settled before.
    until_s : float
        Up to where all is settled.
    """

    beat_s: Floats
    unscorable: Floats
    until_s: float


@dataclass
class LiveBeats:
    """
    Samples in, settled beats out; memory is bounded by `HEARD_S`.

    Parameters
    ----------
    fs_hz : float
        Sampling rate.
    rails : tuple of float
        Smallest and largest value that the device can express.
    delay_s : float
        How long a second is waited for before it counts as settled.
    """

    fs_hz: float
    rails: tuple[float, float] = (-np.inf, np.inf)
    delay_s: float = DELAY_S
    _samples: Floats = field(default_factory=lambda: np.empty(0))
    _first: int = 0
    _polarity: float = 0.0
    _until_s: float = 0.0
    _last_beat_s: float = -np.inf

    def feed(self, samples: Floats, ended: bool = False) -> Settled:
        """
        Take the next samples.

        Parameters
        ----------
        samples : ndarray, shape (n_samples,)
            Of any number; missing ones are not finite.
        ended : bool
            No more will come: all is settled.

        Returns
        -------
        Settled
        """
        self._samples = np.concatenate([self._samples, samples])
        now_s = (self._first + len(self._samples)) / self.fs_hz
        self._forget(now_s)
        until_s = now_s if ended else max(now_s - self.delay_s, 0.0)
        heard_s = len(self._samples) / self.fs_hz
        if (self.fs_hz < beats.MIN_RATE_HZ or heard_s < beats.MIN_PIECE_S
                or until_s <= self._until_s):
            silent = until_s if ended else self._until_s
            return self._settle(
                np.empty(0), np.array([[self._until_s, silent]]), silent)
        start_s = self._first / self.fs_hz
        found, judged, self._polarity = beats.hear(
            beats.piece_of(self._samples, self.fs_hz, start_s), start_s,
            self.rails, self._polarity)
        found = beats.on_grid(found)
        # Before the window there was signal, if not at the very start.
        known = found if self._first == 0 else np.concatenate(
            [[start_s], found])
        spans = quality.join([judged], known, now_s)
        return self._settle(found, spans, until_s)

    def _settle(self, found: Floats, spans: Floats,
                until_s: float) -> Settled:
        new = found[(found > self._last_beat_s + SAME_BEAT_S)
                    & (found <= until_s)]
        if len(new):
            self._last_beat_s = float(new[-1])
        inside = np.clip(spans, self._until_s, until_s)
        inside = inside[inside[:, 1] > inside[:, 0]]
        self._until_s = until_s
        return Settled(new, merge(inside, quality.TOUCHING_S), until_s)

    def _forget(self, now_s: float) -> None:
        """Drop whole cells of ten seconds, on the recording's grid."""
        cell_s = quality.CELL_S
        start_s = max((now_s - HEARD_S) // cell_s * cell_s, 0.0)
        _, down = beats.rate_factors(self.fs_hz)
        start = round(start_s * self.fs_hz / down) * down
        if start > self._first:
            self._samples = self._samples[start - self._first:]
            self._first = start
