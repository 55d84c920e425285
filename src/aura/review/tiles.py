"""The ECG in tiles: samples when zoomed in, lowest and highest values else."""

import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from aura import state
from aura.dataset import assemble
from aura.ecg.rollup import minmax
from aura.recording import Floats, Signal
from aura.review.worklist import ReviewCase, Runs

FACTORS = (1, 4, 16, 64, 256, 1024, 4096)
BASE = 64
BUCKETS = 4096
PYRAMIDS_KEPT = 4
BLOCK = 2 ** 21  # Multiple of every factor; 16 MB of samples
MISSING = -32768
FULL = 32767

_Pyramid = dict[int, tuple[Floats, Floats]]


@dataclass(frozen=True)
class Tile:
    low: NDArray[np.int16]  # Lowest value of each bucket, or `MISSING`
    high: NDArray[np.int16]
    scale: float  # A value is ``offset + scale * integer``
    offset: float


class Waveforms:
    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._pyramids = lru_cache(PYRAMIDS_KEPT)(self._make)
        self._locks: dict[str, threading.Lock] = {}

    def tile(self, case: ReviewCase, factor: int, index: int) -> Tile:
        """A tile from the recording, or from a pyramid that is made once."""
        if factor not in FACTORS:
            raise state.error(
                "review.factor", factor=factor,
                factors=", ".join(map(str, FACTORS)))
        if factor < BASE:
            return self._from_file(case, factor, index)
        # Only the first request makes a pyramid; the others wait for it.
        with self._locks.setdefault(case.key, threading.Lock()):
            levels = self._pyramids(case.key, case.recording.sha256)
        low, high = levels[factor]
        part = slice(index * BUCKETS, (index + 1) * BUCKETS)
        if index < 0 or part.start >= len(low):
            raise state.error("review.tile")
        return packed(low[part], high[part])

    def _from_file(self, case: ReviewCase, factor: int, index: int) -> Tile:
        with _opened(self._runs, case) as signal:
            start = index * BUCKETS * factor
            stop = min(start + BUCKETS * factor, signal.sample_count)
            if index < 0 or start >= stop:
                raise state.error("review.tile")
            samples = signal.read(start, stop)
        return packed(*((samples, samples) if factor == 1
                        else minmax(samples, factor)))

    def _make(self, key: str, _sha256: str) -> _Pyramid:
        # The digest is there to tell a replaced file from the earlier one.
        with _opened(self._runs, self._runs.case(key)) as signal:
            return pyramid(signal)


def pyramid(signal: Signal) -> _Pyramid:
    """Lowest and highest values of a signal at the factors from `BASE` on."""
    blocks = [minmax(signal.read(start, min(
        start + BLOCK, signal.sample_count)), BASE)
        for start in range(0, signal.sample_count, BLOCK)]
    low, high = (np.concatenate([np.empty(0, np.float32), *(
        block[side].astype(np.float32) for block in blocks)])
        for side in (0, 1))
    levels = {BASE: (low, high)}
    for factor, coarser in zip(FACTORS, FACTORS[1:], strict=False):
        if factor >= BASE:
            step = coarser // factor
            low, high = minmax(low, step)[0], minmax(high, step)[1]
            levels[coarser] = (low, high)
    return levels


def packed(low: Floats, high: Floats) -> Tile:
    """A tile in 16 bits of its own range, whatever the device's range is."""
    known = np.concatenate([low[np.isfinite(low)], high[np.isfinite(high)]])
    bottom, top = ((float(known.min()), float(known.max())) if len(known)
                   else (0.0, 0.0))
    offset = (bottom + top) / 2
    scale = (top - bottom) / (2 * FULL) or 1.0

    def integers(side: Floats) -> NDArray[np.int16]:
        finite = np.isfinite(side)
        steps = np.rint((np.where(finite, side, offset) - offset) / scale)
        return np.where(finite, steps, MISSING).astype(np.int16)

    return Tile(integers(low), integers(high), scale, offset)


def _opened(runs: Runs, case: ReviewCase) -> AbstractContextManager[Signal]:
    if case.recording.fs_hz is None:
        raise state.error("review.beats_only")
    return assemble.open_signal(
        runs.workspace.input_of(case.source), case.recording)
