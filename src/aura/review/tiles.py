"""
The ECG in tiles: raw samples near, smallest and largest of stretches far.

A tile holds `BUCKETS` stretches of ``factor`` samples. Tiles of small
factors are read from the recording; for the others a pyramid is made once,
in one pass over the file, and kept while there is room.
"""

import threading
from collections import OrderedDict
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aura.dataset import read
from aura.ecg.rollup import minmax
from aura.errors import InvalidInputError, UnsupportedError
from aura.recording import Floats, Signal
from aura.review.worklist import ReviewCase, Runs

FACTORS = (1, 4, 16, 64, 256, 1024, 4096)
BASE = 64
BUCKETS = 4096
PYRAMIDS_KEPT = 4
# Multiple of every factor; 16 MB of samples.
PIECE = 2 ** 21
MISSING = -32768
FULL = 32767


@dataclass(frozen=True)
class Tile:
    """Part of a waveform, as integers."""

    # Smallest and largest value of each stretch, `MISSING` where there is
    # none; equal for a factor of 1.
    low: NDArray[np.int16]
    high: NDArray[np.int16]
    # A value is ``offset + scale * integer``, in the signal's unit.
    scale: float
    offset: float


class Waveforms:
    """Tiles of the recordings of some runs."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._lock = threading.Lock()
        self._making: dict[str, threading.Lock] = {}
        self._pyramids: OrderedDict[
            str, dict[int, tuple[Floats, Floats]]] = OrderedDict()

    def tile(self, case: ReviewCase, factor: int, index: int) -> Tile:
        """One tile."""
        if factor not in FACTORS:
            raise InvalidInputError(
                "review.factor", f"there are no tiles of factor {factor}",
                "factors are " + ", ".join(map(str, FACTORS)))
        if factor < BASE:
            return self._from_file(case, factor, index)
        low, high = self._pyramid(case)[factor]
        part = slice(index * BUCKETS, (index + 1) * BUCKETS)
        if index < 0 or part.start >= len(low):
            raise _no_tile()
        return packed(low[part], high[part])

    def _from_file(self, case: ReviewCase, factor: int, index: int) -> Tile:
        with _opened(self._runs, case) as signal:
            start = index * BUCKETS * factor
            stop = min(start + BUCKETS * factor, signal.sample_count)
            if index < 0 or start >= stop:
                raise _no_tile()
            samples = signal.read(start, stop)
        return packed(*((samples, samples) if factor == 1
                        else minmax(samples, factor)))

    def _pyramid(self, case: ReviewCase) -> dict[int, tuple[Floats, Floats]]:
        # A file that was replaced is another one for `intake.open_signal`.
        key = f"{case.key}-{case.recording.sha256}"
        with self._lock:
            made = self._pyramids.get(key)
            making = self._making.setdefault(key, threading.Lock())
        if made is not None:
            return made
        with making:
            with self._lock:
                made = self._pyramids.get(key)
            if made is None:
                with _opened(self._runs, case) as signal:
                    made = pyramid(signal)
            with self._lock:
                self._pyramids[key] = made
                self._pyramids.move_to_end(key)
                while len(self._pyramids) > PYRAMIDS_KEPT:
                    self._pyramids.popitem(last=False)
                self._making.pop(key, None)
        return made


def pyramid(signal: Signal) -> dict[int, tuple[Floats, Floats]]:
    """Smallest and largest values of a signal at the factors from `BASE` on.
    """
    lows, highs = [], []
    for start in range(0, signal.sample_count, PIECE):
        low, high = minmax(
            signal.read(start, min(start + PIECE, signal.sample_count)),
            BASE)
        lows.append(low.astype(np.float32))
        highs.append(high.astype(np.float32))
    low, high = (np.concatenate([np.empty(0, np.float32), *parts])
                 for parts in (lows, highs))
    levels = {BASE: (low, high)}
    for factor, next_one in zip(FACTORS, FACTORS[1:], strict=False):
        if factor >= BASE:
            step = next_one // factor
            low, high = minmax(low, step)[0], minmax(high, step)[1]
            levels[next_one] = (low, high)
    return levels


def packed(low: Floats, high: Floats) -> Tile:
    """
    A tile of lows and highs, in 16 bits of its own range.

    The range is that of the tile, so that nothing the eye could see is
    lost, whatever the device's range is.
    """
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


def _opened(runs: Runs,
            case: ReviewCase) -> AbstractContextManager[Signal]:
    if case.recording.fs_hz is None:
        raise UnsupportedError(
            "review.beats_only", "this recording holds beats only, no "
            "waveform")
    return read.open_signal(
        runs.workspace.input_of(case.source), case.recording)


def _no_tile() -> InvalidInputError:
    return InvalidInputError(
        "review.tile", "the recording does not reach that far")
