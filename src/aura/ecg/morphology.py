"""Complexes of one shape: which deflection is the QRS, and its fiducial."""
# A heart beat has several deflections. P waves can be as high as R waves, and
# a complex can have two peaks; what tells them apart is how steep they are,
# and that all complexes of one shape have to be marked at one place.

from dataclasses import dataclass, replace

import numpy as np

from aura.ecg import qrs_template
from aura.ecg.quality import Indices, around, cosine
from aura.recording import Bools, Floats

# The band of steep deflections: the power of P and T waves is below it.
STEEP_HZ = (10.0, 45.0)
# A P wave precedes its QRS by less than this; no two heart beats do.
ONE_BEAT_S = 0.28
# Deflections closer than this are one.
ONE_WAVE_S = 0.08
# A QRS complex is this much steeper than the P waves beside it.
STEEPER = 1.5
NEIGHBOURS = 21
# Fiducials of one shape move by at most this to lie at one place.
REACH_S = 0.06
SHAPES = 4
MODELS = 64
SAME, LINKED = 0.8, 0.55


@dataclass(frozen=True)
class Shape:
    """A shape of complexes, and where in it the beat is marked."""

    steep: Floats  # In the band of steep deflections
    top: float  # Fiducial, in samples from the middle
    count: int  # Complexes of this shape in the segment


def steepest(shaped: Floats, steep: Floats, index: Indices,
             fs_hz: float) -> Indices:
    """Indices moved from P waves to the steeper complexes beside them."""
    wave, beat = round(ONE_WAVE_S * fs_hz), round(ONE_BEAT_S * fs_hz)
    if len(index) < qrs_template.LEAST_BEATS:
        return index
    after = np.lib.stride_tricks.sliding_window_view(
        np.pad(np.abs(steep), (0, beat)), beat - wave)[
            np.minimum(index + wave, len(steep) - 1)]
    lag = after.argmax(axis=1) + wave
    other = np.minimum(index + lag, len(steep) - 1)
    ratio = _running(_size(shaped, steep, other, wave)
                     / np.maximum(_size(shaped, steep, index, wave), 1e-12))
    steady = np.abs(lag - _running(lag.astype(float))) <= wave / 2
    index = np.unique(np.where((ratio > STEEPER) & steady, other, index))
    for _ in range(qrs_template.ROUNDS):
        close = np.flatnonzero(np.diff(index) < beat)
        if not len(close):
            break
        size = _size(shaped, steep, index, wave // 2)
        index = np.delete(index, np.unique(
            close + (size[close + 1] < size[close])))
    return index


def _size(shaped: Floats, steep: Floats, index: Indices, half: int) -> Floats:
    """How steep and how large; P waves are not the one, spikes the other."""
    size: Floats = (np.abs(around(steep, index, half)).max(axis=1)
                    * np.abs(around(shaped, index, half)).max(axis=1))
    return size


def _running(values: Floats) -> Floats:
    padded = np.pad(values, NEIGHBOURS // 2, mode="edge")
    middle: Floats = np.median(np.lib.stride_tricks.sliding_window_view(
        padded, NEIGHBOURS), axis=1)
    return middle


def aligned(shaped: Floats, steep: Floats, peak: Floats, fs_hz: float,
            known: list[Shape]) -> tuple[Floats, Indices, list[Shape]]:
    """Peaks at one place of each shape, the shape of each, and all shapes."""
    half = round(qrs_template.HALF_S * fs_hz)
    reach = round(REACH_S * fs_hz)
    edge = half + reach
    label = np.full(len(peak), -1)
    moved = peak.copy()
    if len(steep) <= 2 * edge + 1 or not len(peak):
        return moved, label, known
    index = np.clip(np.round(peak).astype(np.int64), edge,
                    len(steep) - edge - 1)
    lags, norm = _lags(around(steep, index, edge), half)
    shapes: list[Shape] = []
    left = np.arange(len(peak))
    for old in [*known, *[None] * SHAPES]:
        new = old or _learnt(shaped, steep, index[left], lags[left],
                             norm[left], shapes)
        if new is None:
            break
        fit, shift = _best(lags[left], norm[left], new.steep)
        same = fit > SAME
        moved[left[same]] = index[left[same]] + shift[same] + new.top + (
            _between(lags[left[same]] @ new.steep, shift[same] + reach))
        label[left[same]] = len(shapes)
        shapes.append(replace(new, count=int(same.sum())))
        left = left[~same]
    order = np.argsort(moved, kind="stable")
    shapes.sort(key=lambda one: -one.count)
    return moved[order], label[order], shapes[:SHAPES]


def _learnt(shaped: Floats, steep: Floats, index: Indices, lags: Floats,
            norm: Floats, others: list[Shape]) -> Shape | None:
    """A shape that enough of these complexes have, around its fiducial."""
    if len(index) < qrs_template.LEAST_BEATS:
        return None
    half = lags.shape[2] // 2
    rows = lags[:, lags.shape[1] // 2] / norm[:, [norm.shape[1] // 2]]
    # The one that most others look like.
    tried = rows[::-(-len(rows) // MODELS)]
    shape = tried[np.count_nonzero(tried @ rows.T > SAME, axis=1).argmax()]
    taper = np.hanning(2 * half + 1)
    for _ in range(qrs_template.ROUNDS):
        fit, shift = _best(lags, norm, shape)
        same = fit > SAME
        if np.count_nonzero(same) < qrs_template.LEAST_BEATS:
            return None
        at = (index + shift)[same]
        at += np.abs(np.median(around(steep, at, half), axis=0)).argmax() - half
        shape = taper * np.median(around(steep, at, half), axis=0)
    top = _top(shaped, steep, at, half, others)
    shape = taper * np.median(around(steep, at + round(top), half), axis=0)
    return Shape(shape, top - round(top), 0)


def _best(lags: Floats, norm: Floats,
          shape: Floats) -> tuple[Floats, Indices]:
    """Cosine and shift at which each complex fits a shape best."""
    fit = lags @ shape / (norm * np.sqrt((shape ** 2).sum()))
    best = fit.argmax(axis=1)
    return fit[np.arange(len(fit)), best], best - fit.shape[1] // 2


def _top(shaped: Floats, steep: Floats, at: Indices, half: int,
         others: list[Shape]) -> float:
    """Where a new shape is marked: as its likeness, or at its summit."""
    usual = np.median(around(steep, at, 2 * half), axis=0)
    lags, norm = _lags(usual[None], half)
    likeness = max(others, default=None, key=lambda one: _best(
        lags, norm, one.steep)[0][0])
    if likeness:
        fit, shift = _best(lags, norm, likeness.steep)
        if fit[0] > LINKED:
            return float(likeness.top + shift[0] + _between(
                lags @ likeness.steep, shift + half)[0])
    middle = np.abs(np.median(around(shaped, at, half), axis=0))
    summit = middle.argmax(keepdims=True)
    return float(summit[0] - half + _between(middle[None], summit)[0])


def _lags(rows: Floats, half: int) -> tuple[Floats, Floats]:
    """Each row at each lag, and the norms; the middle is lag 0."""
    lags = np.lib.stride_tricks.sliding_window_view(
        rows, 2 * half + 1, axis=1)
    return lags, np.sqrt(np.maximum((lags ** 2).sum(axis=2), 1e-30))


def _between(rows: Floats, index: Indices) -> Floats:
    """Tops of the parabolas through each row's index and its neighbours."""
    every = np.arange(len(rows))
    index = np.clip(index, 1, rows.shape[1] - 2)
    before, peak, after = (rows[every, index + k] for k in (-1, 0, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = 0.5 * (before - after) / (before - 2 * peak + after)
    return np.where(np.abs(shift) <= 0.5, shift, 0.0)
