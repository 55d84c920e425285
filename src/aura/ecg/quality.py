"""Signal quality: where the beats found in a waveform can be trusted."""
# A stretch is unscorable if it is flat, clipped, or so noisy that its beats
# neither look alike nor stand out, or has none for longer than a heart pauses.

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aura.recording import Bools, Floats
from aura.spans import merge, near

Indices = NDArray[np.int64]

WINDOW_S = 10.0
# Windows that touch are one span, however their edges were rounded.
TOUCHING_S = 1e-6
QRS_HALF_S = 0.06
QRS_GUARD_S = 0.1
FLAT_RANGE = 0.1  # Share of a QRS
# Clipped: a larger share of a second is at the limits or extremes.
DEVICE_LIMIT_SHARE = 0.05
EXTREME_SHARE = 0.2
MAX_RR_S = 3.0
MIN_BEATS = 3

# Beats of a noisy window are still right where so many in a row are alike and
# an interval changes by at most this share.
STEADY, LEAST_ALIKE, RUN_BEATS, MAX_STEADY_S = 0.12, 0.5, 6, 1.5

# Least likeness and ratio of QRS to rest; a window is noisy if below both of a
# pair. `python -m benchmarks quality` measures them (docs/features.md).
NOISY = ((0.90, 7.0), (0.75, 12.0))


@dataclass(frozen=True)
class SegmentQuality:
    """Bad windows of one segment, as (start, end) in seconds."""

    start_s: float  # Where the segment begins without its overlap
    spans: Floats


def assess(samples: Floats, fs_hz: float, band: Floats, band_hz: float,
           beats_s: Floats, offset_s: float, start_s: float,
           rails: tuple[float, float]) -> SegmentQuality:
    """Find the bad windows of one segment."""
    index = np.round(beats_s * band_hz).astype(np.int64)
    width = round(WINDOW_S * band_hz)
    window, count = index // width, -(-len(band) // width)
    shapes = around(band, index, round(QRS_HALF_S * band_hz))
    size = np.ptp(shapes, axis=1)
    qrs = _median_by_window(size, window, count)
    # The median of windows: noise has more beats in a window than a heart.
    typical = float(np.nanmedian(qrs)) if index.size else np.inf
    usual = (size > typical / 2) & (size < typical * 2)
    likeness = _likeness(shapes, usual)
    alike = _median_by_window(likeness, window, count)
    few = np.bincount(window, minlength=count) < MIN_BEATS
    noisy = _noisy(alike, qrs, _rest(band, index, band_hz, width)) & ~few
    bad = np.concatenate([
        _spans(_flat(samples, fs_hz, typical)
               | _clipped(samples, fs_hz, rails), round(fs_hz) / fs_hz),
        _without(_spans(noisy, width / band_hz),
                 _regular(beats_s, likeness))])
    return SegmentQuality(start_s, bad + offset_s)


def join(segments: list[SegmentQuality], beats_s: Floats,
         duration_s: float) -> Floats:
    """Unscorable spans of a recording, from its segments and its beats."""
    parts = [_gaps(beats_s, duration_s)]
    for segment, after in zip(segments, [*segments[1:], None], strict=True):
        end_s = after.start_s if after else duration_s
        spans = np.clip(segment.spans, segment.start_s, end_s)
        parts.append(spans[spans[:, 1] > spans[:, 0]])
    spans = np.concatenate(parts)
    return merge(spans[np.argsort(spans[:, 0], kind="stable")], TOUCHING_S)


def _gaps(beats_s: Floats, duration_s: float) -> Floats:
    """Stretches without a beat for longer than any heart pauses."""
    edges = np.concatenate([[0.0], beats_s, [duration_s]])
    wide = np.flatnonzero(np.diff(edges) > MAX_RR_S)
    return np.column_stack([edges[wide], edges[wide + 1]])


def _regular(beats_s: Floats, likeness: Floats) -> Floats:
    """Runs of beats that are alike and come as those of a heart do."""
    # Noise does not do both for so long. Whoever blanked a noisy stretch
    # whole would blank the onset of a seizure.
    rr_s = np.diff(beats_s)
    follows = (np.abs(np.diff(rr_s)) <= STEADY * np.minimum(
        rr_s[1:], rr_s[:-1])) & (likeness[1:-1] >= LEAST_ALIKE) & (
            rr_s[1:] < MAX_STEADY_S)
    edges = np.diff(follows, prepend=False, append=False)
    first, end = np.flatnonzero(edges).reshape(-1, 2).T
    long = end - first >= RUN_BEATS
    return np.column_stack([beats_s[first[long]], beats_s[end[long] + 1]])


def _without(spans: Floats, good: Floats) -> Floats:
    """Disjoint spans without what disjoint good ones cover."""
    edges = np.concatenate([spans.ravel(), good.ravel()])
    step = np.concatenate([np.tile([1, -1], len(spans)),
                           np.tile([-2, 2], len(good))])
    order = np.argsort(edges, kind="stable")
    inside = np.flatnonzero(np.cumsum(step[order])[:-1] == 1)
    left = np.column_stack([edges[order][inside], edges[order][inside + 1]])
    return left[left[:, 1] > left[:, 0]]


def _spans(bad: Bools, window_s: float) -> Floats:
    start = np.flatnonzero(bad) * window_s
    return np.column_stack([start, start + window_s])


def windows(samples: Floats, width: int) -> Floats:
    """One row for each window; the last row repeats its last sample."""
    count, rest = divmod(len(samples), width)
    if not rest:
        return samples.reshape(count, width)
    padded = np.pad(samples, (0, width - rest), mode="edge")
    rows: Floats = padded.reshape(count + 1, width)
    return rows


def _flat(samples: Floats, fs_hz: float, typical: float) -> Bools:
    """Seconds in whose 3 s the signal moves less than a tenth of a QRS."""
    rows = windows(samples, round(fs_hz))
    low, high = np.pad([rows.min(axis=1), rows.max(axis=1)],
                       ((0, 0), (1, 1)), mode="edge")
    flat: Bools = (
        np.maximum.reduce([high[:-2], high[1:-1], high[2:]])
        - np.minimum.reduce([low[:-2], low[1:-1], low[2:]])
        < FLAT_RANGE * typical)
    return flat


def _clipped(samples: Floats, fs_hz: float,
             rails: tuple[float, float]) -> Bools:
    """Seconds at the limits of the device, or the extremes of the segment."""
    rows = windows(samples, round(fs_hz))
    at_limit = (rows <= rails[0]) | (rows >= rails[1])
    at_extreme = (rows == samples.min()) | (rows == samples.max())
    clipped: Bools = ((_share(at_limit) > DEVICE_LIMIT_SHARE)
                      | (_share(at_extreme) > EXTREME_SHARE))
    return clipped


def _share(rows: Bools) -> Floats:
    return np.asarray(np.count_nonzero(rows, axis=1) / rows.shape[1])


def around(signal: Floats, index: Indices, half: int) -> Floats:
    """The signal around each index, one row for each."""
    centre = np.clip(index, half, max(len(signal) - half - 1, half))
    rows: Floats = signal[centre[:, None] + np.arange(-half, half + 1)]
    return rows


def cosine(rows: Floats, shape: Floats) -> Floats:
    """Cosine of each row and the shape; 0 for a row of zeros."""
    norm = np.sqrt((rows ** 2).sum(axis=1) * (shape ** 2).sum())
    alike: Floats = np.divide(rows @ shape, norm,
                              out=np.zeros(len(rows)), where=norm > 0)
    return alike


def _likeness(shapes: Floats, usual: Bools) -> Floats:
    """Correlation of each shape with the median of the usual ones."""
    if not usual.any():
        return np.zeros(len(shapes))
    template = np.median(shapes[usual], axis=0)
    return cosine(shapes - shapes.mean(axis=1, keepdims=True),
                  template - template.mean())


def _rest(band: Floats, index: Indices, fs_hz: float, width: int) -> Floats:
    """Root mean square of each window without its QRS complexes."""
    outside = ~near(index, round(QRS_GUARD_S * fs_hz), len(band))
    power = windows(np.where(outside, band ** 2, 0.0), width).sum(axis=1)
    share = windows(outside.astype(float), width).sum(axis=1)
    rest: Floats = np.sqrt(power / np.maximum(share, 1.0))
    return rest


def _noisy(alike: Floats, qrs: Floats, rest: Floats) -> Bools:
    """Windows whose beats neither look alike nor stand out."""
    noisy = np.zeros(len(alike), dtype=bool)
    for min_alike, min_ratio in NOISY:
        noisy |= (alike < min_alike) & (qrs < min_ratio * rest)
    return noisy


def _median_by_window(values: Floats, window: Indices, count: int) -> Floats:
    """Median of the values of each window; NaN where there is none."""
    order = np.lexsort((values, window))
    ordered = values[order]
    size = np.bincount(window, minlength=count)
    start = np.concatenate([[0], np.cumsum(size)[:-1]])
    median = np.full(count, np.nan)
    some = size > 0
    low = start[some] + (size[some] - 1) // 2
    high = start[some] + size[some] // 2
    median[some] = (ordered[low] + ordered[high]) / 2
    return median
