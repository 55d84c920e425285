"""
R peaks of a signal of any length, in bounded pieces, with their quality.

The detector is sleepecg's, behind guards for what it cannot take: missing
samples, flat signals, low rates, inverted leads. It hears each piece twice:
as it is, to learn this heart's QRS complex, and then through the filter
that raises those complexes above the noise between them (`aura.ecg.qrs`).
Pieces overlap and are cut in the middle of an RR interval, so that no beat
at an edge is lost or counted twice. What differs from sleepecg besides: the
lead's polarity is judged first, a stretch where it heard nothing is searched
anew, a poor peak between two better ones is left out where there is no
place for it, and a parabola through the peak gives times finer than a
sample.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import signal as sps  # type: ignore[import-untyped]
from sleepecg import detect_heartbeats  # type: ignore[attr-defined]

from aura.ecg import qrs
from aura.ecg.qrs import Indices
from aura.ecg.quality import TOUCHING_S, PieceQuality, assess, join
from aura.recording import Beats, Floats, Signal
from aura.spans import merge

MIN_RATE_HZ = 50.0
DETECTOR_RATE_HZ = 100.0
# The first shows how a complex stands out, the second how it is shaped:
# wide ventricular beats have their power below 5 Hz.
BAND_HZ = (5.0, 30.0)
SHAPE_BAND_HZ = (3.0, 20.0)
PIECE_S = 900.0
OVERLAP_S = 20.0
MIN_PIECE_S = 3.0
RESOLUTION_S = 1e-6
CLEAR_SKEW = 0.5
# No heart pauses for so long; a second at either end keeps clear of the
# beats around the stretch and of their T waves.
SILENT_S = 10.0
SILENT_MARGIN_S = 1.0
SILENT_ROUNDS = 3
LEAST_S = 1.0
# Of the usual height in the quarter of an hour around. The smallest real
# ventricular beats of mitdb have .2, quantised silence has .01.
LEAST_HEIGHT = 0.1
PEAK_HALF_S = 0.05
# sleepecg begins where a signal ceases to be flat; rounding is no signal.
ROUNDED_BITS = 30


@dataclass(frozen=True)
class Piece:
    """
    A stretch of signal with its surroundings, times from its start.

    `slow` are the samples at the detector's own rate, from 100 to 200 Hz.
    """

    offset_s: float
    samples: Floats
    fs_hz: float
    slow: Floats
    slow_hz: float


def find_beats(signal: Signal) -> Beats:
    """
    Find the R peaks of a signal and the stretches where they mean nothing.

    Memory is bounded by the piece, not by the signal; cost is linear.

    Source: https://doi.org/10.1109/TBME.1985.325532,
    https://doi.org/10.21105/joss.05411
    """
    duration_s = signal.sample_count / signal.fs_hz
    if signal.fs_hz < MIN_RATE_HZ or duration_s < MIN_PIECE_S:
        return Beats(np.empty(0), duration_s, np.array([[0.0, duration_s]]))
    parts = [np.empty(0)]
    qualities: list[PieceQuality] = []
    polarity = 0.0
    for core_s, piece in _pieces(signal):
        found, quality, polarity = hear(
            piece, core_s, signal.rails, polarity)
        qualities.append(quality)
        parts[-1:] = _cut(parts[-1], found, core_s)
    beats = on_grid(np.concatenate(parts))
    return Beats(beats, duration_s, join(qualities, beats, duration_s))


def joined(parts: Sequence[tuple[float, Beats]],
           duration_s: float) -> Beats:
    """Beats of a recording with gaps, from those of its continuous parts."""
    lost = [np.empty((0, 2))]
    at = 0.0
    for onset_s, part in parts:
        if onset_s > at:
            lost.append(np.array([[at, onset_s]]))
        lost.append(part.unscorable + onset_s)
        at = onset_s + part.duration_s
    spans = np.clip(np.concatenate(lost), 0.0, duration_s)
    times = np.concatenate([
        np.empty(0), *(part.time_s + onset_s for onset_s, part in parts)])
    return Beats(times, duration_s,
                 merge(spans[np.argsort(spans[:, 0], kind="stable")],
                       TOUCHING_S))


def on_grid(time_s: Floats) -> Floats:
    """Times to the microsecond in which all beats are given."""
    return np.asarray(np.round(time_s / RESOLUTION_S) * RESOLUTION_S)


def hear(piece: Piece, core_s: float, rails: tuple[float, float],
         polarity: float) -> tuple[Floats, PieceQuality, float]:
    """Beats and quality of one piece, and the polarity to go on with."""
    band = _band_pass(piece, BAND_HZ)
    polarity = _polarity(band, polarity)
    found = _detect(piece, polarity)
    quality = assess(
        piece.samples, piece.fs_hz, band, piece.slow_hz, found,
        piece.offset_s, core_s, rails)
    return found + piece.offset_s, quality, polarity


def rate_factors(fs_hz: float) -> tuple[int, int]:
    """Up and down, from a sampling rate to the detector's own."""
    return (math.ceil(DETECTOR_RATE_HZ / fs_hz),
            max(int(fs_hz // DETECTOR_RATE_HZ), 1))


def piece_of(samples: Floats, fs_hz: float, offset_s: float) -> Piece:
    """A piece as `hear` wants it."""
    up, down = rate_factors(fs_hz)
    filled = _filled(samples)
    return Piece(offset_s, filled, fs_hz, _resampled(filled, up, down),
                 fs_hz * up / down)


def _pieces(signal: Signal) -> Iterator[tuple[float, Piece]]:
    """Yield (start of the core in seconds, piece with its overlaps)."""
    fs_hz, count = signal.fs_hz, signal.sample_count
    _, down = rate_factors(fs_hz)
    # The slow samples of all pieces are the same ones.
    step = round(PIECE_S * fs_hz / down) * down
    overlap = round(OVERLAP_S * fs_hz / down) * down
    # A tail too short to stand alone joins the piece before it.
    starts = range(0, max(count - overlap, 1), step)
    for start in starts:
        last = start + step >= count - overlap
        first = max(start - overlap, 0)
        stop = count if last else start + step + overlap
        yield start / fs_hz, piece_of(
            signal.read(first, stop), fs_hz, first / fs_hz)


def _resampled(samples: Floats, up: int, down: int) -> Floats:
    """Samples at another rate; what is flat stays flat to the last bit."""
    if up == down:
        return samples
    grain = np.ldexp(1.0, np.frexp(np.ptp(samples))[1] - ROUNDED_BITS)
    slow: Floats = np.round(sps.resample_poly(
        samples, up, down, window=_low_pass(up, down),
        padtype="edge") / grain) * grain
    return slow


def _filled(samples: Floats) -> Floats:
    """Samples with missing ones held at the last value, which is flat."""
    finite = np.isfinite(samples)
    if finite.all():
        return samples
    if not finite.any():
        return np.zeros_like(samples)
    index = np.maximum.accumulate(np.where(finite, np.arange(finite.size), 0))
    held: Floats = samples[index]
    held[~np.isfinite(held)] = samples[finite][0]
    return held


def _band_pass(piece: Piece, band_hz: tuple[float, float]) -> Floats:
    band: Floats = sps.sosfiltfilt(
        _sections(band_hz, piece.slow_hz), piece.slow)
    return band


@cache
def _sections(band_hz: tuple[float, float], fs_hz: float) -> Floats:
    # A stream would design the same filters every second.
    sections: Floats = sps.butter(
        2, band_hz, "bandpass", fs=fs_hz, output="sos")
    return sections


@cache
def _low_pass(up: int, down: int) -> Floats:
    """What `scipy.signal.resample_poly` designs by itself, once."""
    longest = max(up, down)
    taps: Floats = sps.firwin(
        20 * longest + 1, 1 / longest, window=("kaiser", 5.0))
    return taps


def _polarity(band: Floats, before: float) -> float:
    """
    1 where R waves point up, -1 where down; held unless clearly wrong.

    A flat piece says nothing: 0 until there is a signal.
    """
    square = band * band
    power = float(np.mean(square))
    if power == 0:
        return before
    skew = float(np.dot(square, band)) / len(band) / power ** 1.5
    if before and skew * before > -CLEAR_SKEW:
        return before
    return -1.0 if skew < 0 else 1.0


def _detect(piece: Piece, polarity: float) -> Floats:
    """Times of the R peaks in seconds from the start of the piece."""
    fs_hz = piece.slow_hz
    index = _search(polarity * piece.slow, fs_hz, 0.0)
    shaped = polarity * _band_pass(piece, SHAPE_BAND_HZ)
    known = qrs.learn(shaped, index, fs_hz)
    if known is not None:
        filtered = qrs.matched(shaped, index, known)
        # Beside its peak the filter swings, and a swing may be found first.
        index = _highest(
            filtered, _search(filtered, fs_hz, LEAST_HEIGHT), known.half)
        index = index[filtered[index] > LEAST_HEIGHT]
        index = qrs.without_insertions(shaped, index, known)
    index = _highest(shaped, index, round(PEAK_HALF_S * fs_hz))
    return _between_samples(shaped, index) / fs_hz


def _highest(samples: Floats, index: Indices, half: int) -> Indices:
    """Where the samples are highest, so many on either side of each index."""
    padded = np.pad(samples, half, constant_values=-np.inf)
    rows = padded[index[:, None] + np.arange(2 * half + 1)]
    return np.unique(index - half + np.argmax(rows, axis=1))


def _between_samples(shaped: Floats, index: Indices) -> Floats:
    """Tops of the parabolas through peaks and their neighbours."""
    index = index[(index > 0) & (index < len(shaped) - 1)]
    before, peak, after = shaped[index - 1], shaped[index], shaped[index + 1]
    curvature = before - 2 * peak + after
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = 0.5 * (before - after) / curvature
    shift = np.where(np.abs(shift) <= 0.5, shift, 0.0)
    tops: Floats = index + shift
    return tops


def _search(samples: Floats, fs_hz: float,
            least: float) -> Indices:
    """
    Indices of the R peaks; stretches without any are searched anew.

    The detector's thresholds follow the signal. After a burst of noise
    twenty times as high as the heart they are out of reach for minutes.
    What does not move by `least` is no signal.
    """
    index = _heartbeats(samples, fs_hz, least)
    margin = round(SILENT_MARGIN_S * fs_hz)
    for _ in range(SILENT_ROUNDS):
        edges = np.concatenate([[0], index, [len(samples)]])
        silent = np.flatnonzero(np.diff(edges) > SILENT_S * fs_hz)
        more = [start + _heartbeats(samples[start:stop], fs_hz, least)
                for start, stop in zip(edges[silent] + margin,
                                       edges[silent + 1] - margin,
                                       strict=True)]
        if not any(len(found) for found in more):
            break
        index = np.sort(np.concatenate([index, *more]))
    return index


def _heartbeats(samples: Floats, fs_hz: float,
                least: float) -> Indices:
    # The detector leaves out what is flat at the start, and fails where
    # less is left than its filter and windows need.
    moves = np.any(samples[:-round(LEAST_S * fs_hz)] != samples[0])
    if np.ptp(samples) <= least or not moves:
        return np.empty(0, dtype=np.int64)
    index: Indices = detect_heartbeats(samples, fs_hz)
    return index


def _cut(before: Floats, after: Floats, cut_s: float) -> tuple[
        Floats, Floats]:
    """Part two overlapping series in the middle of an RR interval."""
    index = int(np.searchsorted(before, cut_s))
    if after.size and 0 < index < len(before):
        cut_s = (before[index - 1] + before[index]) / 2
    elif not after.size:
        cut_s = np.inf
    return before[before < cut_s], after[after >= cut_s]
