"""Files with the same rhythm among thousands, without comparing pairs."""
# A rhythm is a set of grams: four intervals in a row, each to 40 ms, and when
# they were, to 4 s. Files that share many grams are worth comparing.

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from aura.dataset.ecg_channel import slopes
from aura.recording import Floats, Signal

Grams = NDArray[np.int64]

# Starts of the excerpts that are used, and their length.
STARTS_S = (0.0, 600.0, 1200.0, 3600.0)
LENGTH_S = 60.0
STEP_S = 0.04
CLOCK_S = 4.0
# An interval has 7 bits of a gram; the clock has those above four of them.
_STEPS = 128
_CLOCK = _STEPS ** 4
# One file may be an excerpt of the other, but not of less than an eighth.
LENGTHS_MAX = 8.0
# A gram that more files have does not tell them apart.
COMMON = 200
SHARED_MIN = 0.03
LIKELY = 16
# Beats of a waveform are where its slopes are highest within 0.2 s.
PEAK_HZ = 100.0
PEAK_HALF_S = 0.2
PEAK_SHARE = 0.5
PEAK_BLOCK_S = 2.0


class RhythmIndex:
    """Files of beats by their grams and lengths."""

    def __init__(self, files: Iterable[tuple[int, Floats]]) -> None:
        numbers, lengths, found = [], [], [np.empty(0, np.int64)]
        for number, time_s in files:
            found.append(grams(time_s))
            numbers += [number] * len(found[-1])
            lengths.append(length_of(time_s))
        order = np.argsort(np.concatenate(found), kind="stable")
        self._grams = np.concatenate(found)[order]
        self._numbers = np.array(numbers, np.int64)[order]
        self._lengths = np.sort(lengths)

    def alike(self, length_s: float,
              beats: Callable[[], Floats]) -> Iterator[int]:
        """A few files that share many grams and have a similar length."""
        first, end = np.searchsorted(
            self._lengths, (length_s / LENGTHS_MAX, length_s * LENGTHS_MAX))
        if first == end:
            return
        wanted = grams(beats())
        # RR intervals start at 0, with the first beat: up to 3 s too early.
        shifted = np.concatenate([wanted, wanted - _CLOCK])
        first = np.searchsorted(self._grams, shifted)
        end = np.searchsorted(self._grams, shifted, "right")
        rare = np.flatnonzero((end > first) & (end - first <= COMMON))
        least = SHARED_MIN * len(wanted)
        if len(rare) < max(least, 1):
            return
        numbers, shared = np.unique(np.concatenate(
            [self._numbers[first[i]:end[i]] for i in rare]),
            return_counts=True)
        least = max(least, shared.max() / 2)
        for i in np.argsort(-shared, kind="stable")[:LIKELY]:
            if shared[i] >= least:
                yield int(numbers[i])


def length_of(time_s: Floats) -> float:
    """Length of a series of beats."""
    return float(time_s[-1]) if len(time_s) else 0.0


def grams(time_s: Floats) -> Grams:
    """The grams of a series of beats."""
    found = [np.empty(0, np.int64)]
    for start_s in STARTS_S:
        first, end = np.searchsorted(time_s, (start_s, start_s + LENGTH_S))
        beats_s = time_s[first:end]
        if len(beats_s) > 4:
            steps = ((beats_s[1:] - beats_s[:-1]) / STEP_S + 0.5).clip(
                0, _STEPS - 1).astype(np.int64)
            gram = (beats_s[:-4] / CLOCK_S).astype(np.int64)
            for i in range(4):
                gram = gram * _STEPS + steps[i:len(steps) - 3 + i]
            found.append(gram)
    return np.concatenate(found)


def peaks(signal: Signal) -> Floats:
    """Times at which a waveform is steepest: roughly its beats."""
    found = [np.empty(0)]
    fs_hz, count = signal.fs_hz, signal.sample_count
    for start_s in STARTS_S:
        start = round(start_s * fs_hz)
        if start < count:
            stop = min(start + round(LENGTH_S * fs_hz), count)
            found.append(start_s + _peaks(signal.read(start, stop), fs_hz))
    return np.concatenate(found)


def _peaks(samples: Floats, fs_hz: float) -> Floats:
    step = max(1, round(fs_hz / PEAK_HZ))
    steep = slopes(samples, fs_hz)[::step]
    half, block = (round(length_s * fs_hz / step)
                   for length_s in (PEAK_HALF_S, PEAK_BLOCK_S))
    if len(steep) < max(block, 2 * half + 1):
        return np.empty(0)
    whole = steep[:len(steep) // block * block]
    usual = np.median(whole.reshape(-1, block).max(axis=1))
    inner = steep[half:len(steep) - half]
    at = np.flatnonzero((inner == highest(steep, 2 * half + 1))
                        & (inner > PEAK_SHARE * usual))
    return (at[np.diff(at, prepend=-half - 1) > half] + half) * step / fs_hz


def highest(values: Floats, width: int) -> Floats:
    """Maximum of each window of `width` values."""
    reach = 1
    while 2 * reach <= width:
        values = np.maximum(values[:-reach], values[reach:])
        reach *= 2
    left = width - reach
    return np.maximum(values[:len(values) - left], values[left:])
