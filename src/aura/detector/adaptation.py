"""
A threshold that follows a person's own past: causal, bounded, off by default.

Few people raise most of the false alarms. What their own scores have
reached in the last day says at which level an alarm would be rare *for
them*: an alarm then needs the larger of that level and the model's
threshold, so that it only ever gets rarer. A person is a recording: nothing
is carried from one to the next.
"""

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from aura.recording import Floats

# As long as an alarm may last, so that one effort counts once or twice.
BLOCK_S = 300.0
KEPT_H = 24.0


@dataclass
class OwnPast:
    """The highest scores of a person's last day, five minutes at a time."""

    # Hours that could be scored, of the last 24, before which nothing is said.
    warm_up_h: float
    # How often in 24 h that could be scored the level may have been exceeded.
    per_24h: float
    hop_s: float  # Seconds from one row to the next
    _blocks: deque[tuple[float, int]] = field(default_factory=deque)
    _sorted: list[float] = field(default_factory=list)
    _scorable: int = 0
    _level: float = -np.inf
    _highest: float = -np.inf
    _known: int = 0
    _rows: int = 0

    @property
    def block_rows(self) -> int:
        """Rows of five minutes."""
        return max(round(BLOCK_S / self.hop_s), 1)

    def feed(self, held: Floats, known: int) -> float:
        """Take the next rows, which may not reach beyond their five minutes.
        """
        level = self._level
        self._highest = float(np.fmax.reduce(held, initial=self._highest))
        self._known += known
        self._rows += len(held)
        if self._rows == self.block_rows:
            self._end_block()
        return level

    def _end_block(self) -> None:
        self._blocks.append((self._highest, self._known))
        insort(self._sorted, self._highest)
        self._scorable += self._known
        if len(self._blocks) > round(KEPT_H * 3600 / BLOCK_S):
            highest, known = self._blocks.popleft()
            del self._sorted[bisect_left(self._sorted, highest)]
            self._scorable -= known
        self._highest, self._known, self._rows = -np.inf, 0, 0
        hours = self._scorable * self.hop_s / 3600
        rarer = int(self.per_24h * hours / 24)
        self._level = (self._sorted[-1 - rarer]
                       if hours >= self.warm_up_h > 0
                       and rarer < len(self._sorted) else -np.inf)


def own_levels(smoothed: Floats, held: Floats, past: OwnPast) -> Floats:
    """The level of each row of a recording."""
    known = np.isfinite(smoothed)
    levels = np.empty(len(held))
    for at in range(0, len(held), past.block_rows):
        rows = slice(at, at + past.block_rows)
        levels[rows] = past.feed(held[rows], int(known[rows].sum()))
    return levels
