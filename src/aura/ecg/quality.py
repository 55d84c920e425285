"""
Signal quality: where the beats found in a waveform can be trusted.

A stretch is *unscorable* where the signal is flat, railed, or so noisy that
its beats neither look alike nor stand out, and where no beat was found for
longer than any heart pauses. The state is explicit: nothing downstream
interpolates over it, and its time is reported.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aura.recording import Bools, Floats
from aura.spans import merge, near

Indices = NDArray[np.int64]

CELL_S = 10.0
# Cells that touch are one span, however their edges were rounded.
TOUCHING_S = 1e-6
QRS_HALF_S = 0.06
QRS_GUARD_S = 0.1
FLAT_RANGE = 0.1
FLAT_NEIGHBOURS = 1
RAILED_SHARE = 0.05
CLIPPED_SHARE = 0.2
MAX_RR_S = 3.0
MIN_CELL_BEATS = 3

# Of 10-s cells of mitdb and szdb with added white, muscle-like and
# motion-like noise these flag, with all else here, 86 % of those whose beats
# are wrong (F1 < .6) and 4.1 % of those whose beats are right (F1 > .85);
# without noise 2 of 2,337. By `python -m benchmarks quality`.
NOISY = ((0.90, 7.0), (0.75, 12.0))


@dataclass(frozen=True)
class PieceQuality:
    """Bad cells of one piece: (start, end) in seconds, from `start_s` on."""

    start_s: float
    spans: Floats


def assess(samples: Floats, fs_hz: float, band: Floats, band_hz: float,
           beats_s: Floats, offset_s: float, start_s: float,
           rails: tuple[float, float]) -> PieceQuality:
    """Judge one piece of signal."""
    index = np.round(beats_s * band_hz).astype(np.int64)
    width = round(CELL_S * band_hz)
    cell, count = index // width, -(-len(band) // width)
    shapes = _shapes(band, index, band_hz)
    amplitude = np.ptp(shapes, axis=1)
    stands = _median_by_cell(amplitude, cell, count)
    # The median of cells, as noise has more beats in a cell than a heart.
    typical = float(np.nanmedian(stands)) if index.size else np.inf
    usual = (amplitude > typical / 2) & (amplitude < typical * 2)
    alike = _median_by_cell(_likeness(shapes, usual), cell, count)
    few = np.bincount(cell, minlength=count) < MIN_CELL_BEATS
    noisy = _noisy(alike, stands, _rest(band, index, band_hz, width)) & ~few
    bad = np.concatenate([
        _spans(_flat(samples, fs_hz, typical)
               | _railed(samples, fs_hz, rails), round(fs_hz) / fs_hz),
        _spans(noisy, width / band_hz)])
    return PieceQuality(start_s, bad + offset_s)


def join(pieces: list[PieceQuality], beats_s: Floats,
         duration_s: float) -> Floats:
    """Unscorable spans of a recording from those of its pieces and its beats.
    """
    parts = [_gaps(beats_s, duration_s)]
    for piece, after in zip(pieces, [*pieces[1:], None], strict=True):
        end_s = after.start_s if after else duration_s
        spans = np.clip(piece.spans, piece.start_s, end_s)
        parts.append(spans[spans[:, 1] > spans[:, 0]])
    spans = np.concatenate(parts)
    return merge(spans[np.argsort(spans[:, 0], kind="stable")], TOUCHING_S)


def _gaps(beats_s: Floats, duration_s: float) -> Floats:
    """Stretches without a beat that are longer than any heart pauses."""
    edges = np.concatenate([[0.0], beats_s, [duration_s]])
    wide = np.flatnonzero(np.diff(edges) > MAX_RR_S)
    return np.column_stack([edges[wide], edges[wide + 1]])


def _spans(bad: Bools, cell_s: float) -> Floats:
    start = np.flatnonzero(bad) * cell_s
    return np.column_stack([start, start + cell_s])


def _cells(samples: Floats, width: int) -> Floats:
    """Samples as rows of one cell each; the last row repeats its end."""
    count = -(-len(samples) // width)
    padded = np.pad(samples, (0, count * width - len(samples)), mode="edge")
    rows: Floats = padded.reshape(count, width)
    return rows


def _flat(samples: Floats, fs_hz: float, typical: float) -> Bools:
    """1-s cells in whose 3 s the signal moves less than a tenth of a QRS."""
    rows = _cells(samples, round(fs_hz))
    low, high = rows.min(axis=1), rows.max(axis=1)
    for shift in range(1, FLAT_NEIGHBOURS + 1):
        low = np.minimum(low, np.minimum(
            np.pad(low, (shift, 0), mode="edge")[:-shift],
            np.pad(low, (0, shift), mode="edge")[shift:]))
        high = np.maximum(high, np.maximum(
            np.pad(high, (shift, 0), mode="edge")[:-shift],
            np.pad(high, (0, shift), mode="edge")[shift:]))
    flat: Bools = high - low < FLAT_RANGE * typical
    return flat


def _railed(samples: Floats, fs_hz: float,
            rails: tuple[float, float]) -> Bools:
    """1-s cells that stay at the device's limits, or at the piece's own."""
    rows = _cells(samples, round(fs_hz))
    at_rail = (rows <= rails[0]) | (rows >= rails[1])
    at_limit = (rows == samples.min()) | (rows == samples.max())
    railed: Bools = ((_share(at_rail) > RAILED_SHARE)
                     | (_share(at_limit) > CLIPPED_SHARE))
    return railed


def _share(rows: Bools) -> Floats:
    return np.asarray(np.count_nonzero(rows, axis=1) / rows.shape[1])


def _shapes(band: Floats, index: Indices, fs_hz: float) -> Floats:
    """The signal around each beat, one row each."""
    half = round(QRS_HALF_S * fs_hz)
    centre = np.clip(index, half, max(len(band) - half - 1, half))
    shapes: Floats = band[centre[:, None] + np.arange(-half, half + 1)]
    return shapes


def _likeness(shapes: Floats, usual: Bools) -> Floats:
    """Correlation of each shape with the median of the usual ones."""
    if not usual.any():
        return np.zeros(len(shapes))
    template = np.median(shapes[usual], axis=0)
    template = template - template.mean()
    centred = shapes - shapes.mean(axis=1, keepdims=True)
    norm = np.sqrt((centred ** 2).sum(axis=1) * (template ** 2).sum())
    likeness: Floats = np.divide(centred @ template, norm,
                                 out=np.zeros(len(norm)), where=norm > 0)
    return likeness


def _rest(band: Floats, index: Indices, fs_hz: float, width: int) -> Floats:
    """Root mean square of each cell, QRS complexes left out."""
    outside = ~near(index, round(QRS_GUARD_S * fs_hz), len(band))
    power = _cells(np.where(outside, band ** 2, 0.0), width).sum(axis=1)
    share = _cells(outside.astype(float), width).sum(axis=1)
    rest: Floats = np.sqrt(power / np.maximum(share, 1.0))
    return rest


def _noisy(alike: Floats, stands: Floats, rest: Floats) -> Bools:
    """10-s cells whose beats neither look alike nor stand out."""
    noisy = np.zeros(len(alike), dtype=bool)
    for min_alike, min_ratio in NOISY:
        noisy |= (alike < min_alike) & (stands < min_ratio * rest)
    return noisy


def _median_by_cell(values: Floats, cell: Indices, count: int) -> Floats:
    """Median of the values of each cell; NaN for a cell without any."""
    order = np.lexsort((values, cell))
    ordered = values[order]
    size = np.bincount(cell, minlength=count)
    start = np.concatenate([[0], np.cumsum(size)[:-1]])
    median = np.full(count, np.nan)
    some = size > 0
    low = start[some] + (size[some] - 1) // 2
    high = start[some] + size[some] // 2
    median[some] = (ordered[low] + ordered[high]) / 2
    return median
