"""R peaks of a signal of any length, found segment by segment."""
# sleepecg analyses each segment twice: to learn the QRS template of this
# heart, and through the filter that raises it. It takes no missing samples,
# flat signals, low rates or inverted leads; these are handled here.

import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import signal as sps
from scipy.fft import irfft, rfft, rfftfreq

from aura.ecg import morphology, pacing, qrs_template
from aura.ecg.quality import TOUCHING_S, Indices, SegmentQuality, assess, join
from aura.recording import MIN_RATE_HZ, Beats, Floats, Signal
from aura.spans import merge

try:
    from sleepecg import detect_heartbeats  # type: ignore[attr-defined]
except RuntimeError:
    # It looks for settings in the user's home, and some users have none.
    os.environ["HOME"] = tempfile.gettempdir()
    from sleepecg import detect_heartbeats  # type: ignore[attr-defined]
    del os.environ["HOME"]

DETECTOR_RATE_HZ = 100.0
# The first shows how much a QRS complex stands out, the second its shape: the
# power of wide ventricular beats is below 5 Hz. That of P and T waves is below
# the third.
BANDS_HZ = (5.0, 30.0), (3.0, 20.0), (10.0, 45.0)
BLOCK_S, BLOCK_PAD_S = 8.0, 2.0
SEGMENT_S = 900.0
OVERLAP_S = 20.0
MIN_SEGMENT_S = 3.0
RESOLUTION_S = 1e-6
CLEAR_SKEW = 0.5
# No heart pauses for so long; with a margin for T waves around.
SILENT_S = 10.0
SILENT_MARGIN_S = 1.0
SILENT_ROUNDS = 3
LEAST_S = 1.0
# Share of the usual height in the segment. The smallest real ventricular
# beats of mitdb have 0.2, quantised silence has 0.01.
LEAST_HEIGHT = 0.1
PEAK_HALF_S = 0.05
# sleepecg starts where a signal stops being flat; rounding errors must not.
ROUNDED_BITS = 30


@dataclass(frozen=True)
class Segment:
    """A part of the signal with its overlaps; times count from its start."""
    # `slow` has the samples at the rate of the detector, 100 to 200 Hz.

    offset_s: float
    samples: Floats
    fs_hz: float
    slow: Floats
    slow_hz: float


@dataclass(frozen=True)
class KnownHeart:
    """What the segments before have shown of a heart."""

    polarity: float = 0.0  # 1 if R waves point up, -1 if down, 0 if unknown
    shapes: list[morphology.Shape] = field(default_factory=list)


def find_beats(signal: Signal) -> Beats:
    """Find the R peaks of a signal and the stretches without a score."""
    # Sources: https://doi.org/10.1109/TBME.1985.325532,
    # https://doi.org/10.21105/joss.05411
    duration_s = signal.sample_count / signal.fs_hz
    if signal.fs_hz < MIN_RATE_HZ or duration_s < MIN_SEGMENT_S:
        return Beats(np.empty(0), duration_s, np.array([[0.0, duration_s]]))
    parts = [np.empty(0)]
    qualities: list[SegmentQuality] = []
    heart = KnownHeart()
    for core_s, segment in _segments(signal):
        found, quality, heart = analyse(segment, core_s, signal.rails, heart)
        qualities.append(quality)
        parts[-1:] = _cut(parts[-1], found, core_s)
    beats = on_grid(np.concatenate(parts))
    return Beats(beats, duration_s, join(qualities, beats, duration_s))


def joined(parts: Sequence[tuple[float, Beats]], duration_s: float) -> Beats:
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
    """Times rounded to the microsecond, as all beats are."""
    return np.asarray(np.round(time_s / RESOLUTION_S) * RESOLUTION_S)


def analyse(
        segment: Segment, core_s: float, rails: tuple[float, float],
        heart: KnownHeart) -> tuple[Floats, SegmentQuality, KnownHeart]:
    """Beats and quality of a segment, and what is known of the heart then."""
    band, shaped, steep = _bands(segment.slow, segment.slow_hz)
    polarity = _polarity(band, heart.polarity)
    shaped *= polarity
    index = _detect(segment, polarity, shaped, steep)
    peak, shapes = morphology.aligned(
        shaped, steep, _between_samples(shaped, index), segment.slow_hz,
        heart.shapes)
    found = peak / segment.slow_hz
    quality = assess(
        segment.samples, segment.fs_hz, band, segment.slow_hz, found,
        segment.offset_s, core_s, rails)
    return found + segment.offset_s, quality, KnownHeart(polarity, shapes)


def rate_factors(fs_hz: float) -> tuple[int, int]:
    """Factors up and down from a sampling rate to the detector's."""
    return (math.ceil(DETECTOR_RATE_HZ / fs_hz),
            max(int(fs_hz // DETECTOR_RATE_HZ), 1))


def segment_of(samples: Floats, fs_hz: float, offset_s: float) -> Segment:
    """Samples as a segment to analyse."""
    up, down = rate_factors(fs_hz)
    filled = _filled(samples)
    slow = _resampled(pacing.without_spikes(filled, fs_hz), up, down)
    return Segment(offset_s, filled, fs_hz, slow, fs_hz * up / down)


def _segments(signal: Signal) -> Iterator[tuple[float, Segment]]:
    """Yield the start without overlap, in seconds, and the segment."""
    fs_hz, count = signal.fs_hz, signal.sample_count
    _, down = rate_factors(fs_hz)
    # Multiples of `down`, so that all segments have the same slow samples.
    step = round(SEGMENT_S * fs_hz / down) * down
    overlap = round(OVERLAP_S * fs_hz / down) * down
    # A remainder shorter than the overlap belongs to the segment before it.
    starts = range(0, max(count - overlap, 1), step)
    for start in starts:
        last = start + step >= count - overlap
        first = max(start - overlap, 0)
        stop = count if last else start + step + overlap
        yield start / fs_hz, segment_of(
            signal.read(first, stop), fs_hz, first / fs_hz)


def _resampled(samples: Floats, up: int, down: int) -> Floats:
    """Samples at another rate; a flat signal stays flat to the last bit."""
    if up == down:
        return samples
    grain = np.ldexp(1.0, np.frexp(np.ptp(samples))[1] - ROUNDED_BITS)
    slow: Floats = np.round(sps.resample_poly(
        samples, up, down, window=_low_pass(up, down),
        padtype="edge") / grain) * grain
    return slow


def _filled(samples: Floats) -> Floats:
    """Samples with missing ones set to the last value, so they are flat."""
    finite = np.isfinite(samples)
    if finite.all():
        return samples
    if not finite.any():
        return np.zeros_like(samples)
    index = np.maximum.accumulate(np.where(finite, np.arange(finite.size), 0))
    held: Floats = samples[index]
    held[~np.isfinite(held)] = samples[finite][0]
    return held


def _bands(samples: Floats, fs_hz: float) -> list[Floats]:
    """The samples in each of `BANDS_HZ`, without a delay."""
    # In blocks with overlaps, which stay in the cache of the processor.
    core, pad = round(BLOCK_S * fs_hz), round(BLOCK_PAD_S * fs_hz)
    edge = min(pad, len(samples) - 1)
    # From 0, so that a flat signal stays flat to the last bit.
    wide = np.pad(np.pad(samples - samples[0], edge, "reflect",
                         reflect_type="odd"),
                  (pad - edge, pad - edge + core), "edge")
    blocks = rfft(sliding_window_view(wide, core + 2 * pad)[::core])
    return [irfft(blocks * gain, core + 2 * pad)[:, pad:pad + core].ravel()[
        :len(samples)] for gain in _gains(core + 2 * pad, fs_hz)]


@cache
def _gains(size: int, fs_hz: float) -> list[Floats]:
    """Gains of Butterworth filters that run forwards and backwards."""
    return [np.abs(sps.freqz_sos(sps.butter(
        2, band_hz, "bandpass", fs=fs_hz, output="sos"),
        rfftfreq(size, 1 / fs_hz), fs=fs_hz)[1]) ** 2 for band_hz in BANDS_HZ]


@cache
def _low_pass(up: int, down: int) -> Floats:
    """The default filter of `scipy.signal.resample_poly`, cached."""
    longest = max(up, down)
    taps: Floats = sps.firwin(
        20 * longest + 1, 1 / longest, window=("kaiser", 5.0))
    return taps


def _polarity(band: Floats, before: float) -> float:
    """1 if R waves point up, -1 if down; kept unless clearly wrong."""
    # It is 0 until a segment has a signal.
    square = band * band
    power = float(np.mean(square))
    if power == 0:
        return before
    skew = float(np.dot(square, band)) / len(band) / power ** 1.5
    if before and skew * before > -CLEAR_SKEW:
        return before
    return -1.0 if skew < 0 else 1.0


def _detect(segment: Segment, polarity: float, shaped: Floats,
            steep: Floats) -> Indices:
    """Samples of the R peaks of the segment."""
    fs_hz = segment.slow_hz
    index = morphology.steepest(
        shaped, steep, _search(polarity * segment.slow, fs_hz, 0.0), fs_hz)
    index = morphology.one_of_each(
        index, morphology.size_of(shaped, steep, index, fs_hz), fs_hz)
    template = qrs_template.learn(shaped, index, fs_hz)
    if template is not None:
        filtered = qrs_template.matched(shaped, index, template)
        # The filter swings beside its peak, and a swing may be found first.
        index = _highest(
            filtered, _search(filtered, fs_hz, LEAST_HEIGHT), template.half)
        index = index[filtered[index] > LEAST_HEIGHT]
        index = qrs_template.without_insertions(shaped, index, template)
        index = morphology.one_of_each(index, filtered[index], fs_hz)
        index = morphology.steepest(shaped, steep, index, fs_hz)
    return _highest(np.abs(shaped), index, round(PEAK_HALF_S * fs_hz))


def _highest(samples: Floats, index: Indices, half: int) -> Indices:
    """Index of the highest sample within `half` samples of each index."""
    padded = np.pad(samples, half, constant_values=-np.inf)
    rows = padded[index[:, None] + np.arange(2 * half + 1)]
    return np.unique(index - half + np.argmax(rows, axis=1))


def _between_samples(shaped: Floats, index: Indices) -> Floats:
    """Tops of the parabolas through each peak and its neighbours."""
    index = index[(index > 0) & (index < len(shaped) - 1)]
    return index + morphology.summit(
        shaped[index - 1], shaped[index], shaped[index + 1])


def _search(samples: Floats, fs_hz: float, least: float) -> Indices:
    """Indices of the R peaks; stretches without any are searched again."""
    # The detector's thresholds follow the signal: after a burst of noise they
    # are out of reach for minutes. What moves less than `least` has no beats.
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
    # sleepecg leaves out a flat start, and fails if the rest is too short.
    moves = np.any(samples[:-round(LEAST_S * fs_hz)] != samples[0])
    if np.ptp(samples) <= least or not moves:
        return np.empty(0, dtype=np.int64)
    index: Indices = detect_heartbeats(samples, fs_hz)
    return index


def _cut(before: Floats, after: Floats, cut_s: float) -> tuple[Floats, Floats]:
    """Cut two overlapping series in the middle of an RR interval."""
    index = int(np.searchsorted(before, cut_s))
    if after.size and 0 < index < len(before):
        cut_s = (before[index - 1] + before[index]) / 2
    elif not after.size:
        cut_s = np.inf
    return before[before < cut_s], after[after >= cut_s]
