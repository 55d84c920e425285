"""Complexes of one shape: which deflection is the QRS, and its fiducial."""
# A heart beat has several deflections. P waves can be as high as R waves, and
# a complex can have two peaks; what tells them apart is how steep they are,
# and that all complexes of one shape have to be marked at one place.

from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from aura.ecg import qrs_template
from aura.ecg.quality import Indices, around
from aura.recording import Bools, Floats

# A P wave precedes its QRS by less than this; no two heart beats do.
ONE_BEAT_S = 0.28
T_WAVE_S, FLAT = 0.4, 0.1
ONE_WAVE_S = 0.08  # Deflections that are closer are one
STEEPER = 1.5  # Least ratio of a complex to the P wave beside it
NEIGHBOURS = 21
# Fiducials of one shape move by at most this to lie at one place.
REACH_S = 0.06
SHAPES = 4
# Complexes that are tried as a model, and those of which a shape is made.
MODELS, MOST = 64, 256
TINY = 1e-30
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
    after = sliding_window_view(
        np.pad(np.abs(steep), (0, beat)), beat - wave)[
            np.minimum(index + wave, len(steep) - 1)]
    lag = after.argmax(axis=1) + wave
    other = np.minimum(index + lag, len(steep) - 1)
    ratio = _running(size_of(shaped, steep, other, fs_hz)
                     / np.maximum(size_of(shaped, steep, index, fs_hz), 1e-12))
    steady = np.abs(lag - _running(lag.astype(float))) <= wave / 2
    return np.unique(np.where((ratio > STEEPER) & steady, other, index))


def one_of_each(index: Indices, size: Floats, fs_hz: float) -> Indices:
    """Leave out the smaller of two deflections too close for two beats."""
    # A little later it is a T wave if it is much smaller.
    for within_s, share in ((ONE_BEAT_S, 1.0), (T_WAVE_S, FLAT)):
        for _ in range(qrs_template.ROUNDS):
            close = np.flatnonzero(np.diff(index) < round(within_s * fs_hz))
            before, after = size[close], size[close + 1]
            out = np.unique(np.concatenate([
                close[before <= np.minimum(share * after, after)],
                close[after < share * before] + 1]))
            if not len(out):
                break
            index, size = np.delete(index, out), np.delete(size, out)
    return index


def size_of(shaped: Floats, steep: Floats, index: Indices,
            fs_hz: float) -> Floats:
    """How steep and how large; P waves are not the one, spikes the other."""
    half = round(ONE_WAVE_S * fs_hz)
    size: Floats = (np.abs(around(steep, index, half)).max(axis=1)
                    * np.abs(around(shaped, index, half)).max(axis=1))
    return size


def _running(values: Floats) -> Floats:
    padded = np.pad(values, NEIGHBOURS // 2, mode="edge")
    middle: Floats = np.median(sliding_window_view(padded, NEIGHBOURS), axis=1)
    return middle


def aligned(shaped: Floats, steep: Floats, peak: Floats, fs_hz: float,
            known: list[Shape]) -> tuple[Floats, list[Shape]]:
    """Peaks at one place of each shape, and all shapes, most usual first."""
    half = round(qrs_template.HALF_S * fs_hz)
    edge = half + round(REACH_S * fs_hz)
    moved = peak.copy()
    if len(steep) <= 2 * edge + 1 or not len(peak):
        return moved, known
    index = np.clip(np.round(peak).astype(np.int64), edge,
                    len(steep) - edge - 1)
    rows = around(steep, index, edge)
    shapes: list[Shape] = []
    # One at the very edge has no surroundings to compare, and stays.
    left = np.flatnonzero(index == np.round(peak))

    def move(shape: Shape, least: float) -> int:
        nonlocal left
        same, shift, between = _fit(rows[left], shape.steep, least)
        moved[left[same]] = (index[left] + shift + between)[same] + shape.top
        left = left[~same]
        return int(same.sum())

    for old in [*known, *[None] * SHAPES]:
        new = old or _learnt(shaped, steep, index[left], rows[left], half,
                             shapes)
        if new is None:
            break
        shapes.append(replace(new, count=move(new, SAME)))
    # What noise has changed still has the shape that it resembles.
    for shape in shapes:
        move(shape, LINKED)
    shapes.sort(key=lambda one: -one.count)
    return np.sort(moved), shapes[:SHAPES]


def _learnt(shaped: Floats, steep: Floats, index: Indices, rows: Floats,
            half: int, others: list[Shape]) -> Shape | None:
    """A shape that enough of these complexes have, around its fiducial."""
    taper = np.hanning(2 * half + 1)

    def usual(at: Indices) -> Floats:
        return np.asarray(np.median(around(steep, at, half), axis=0))

    if len(index) < qrs_template.LEAST_BEATS:
        return None
    edge = rows.shape[1] // 2
    middle = rows[:, edge - half:edge + half + 1]
    middle = middle / np.maximum(np.linalg.norm(middle, axis=1), TINY)[:, None]
    # The one that most others look like.
    models = middle[::-(-len(rows) // MODELS)]
    shape = models[np.count_nonzero(models @ middle.T > SAME, axis=1).argmax()]
    for _ in range(qrs_template.ROUNDS):
        same, shift, _ = _fit(rows, shape)
        if np.count_nonzero(same) < qrs_template.LEAST_BEATS:
            return None
        at = (index + shift)[same]
        at = at[::-(-len(at) // MOST)]
        at += int(np.abs(usual(at)).argmax()) - half
        shape = taper * usual(at)
    top = _top(shaped, steep, at, half, others)
    return Shape(taper * usual(at + round(top)), top - round(top), 0)


def _top(shaped: Floats, steep: Floats, at: Indices, half: int,
         others: list[Shape]) -> float:
    """Where a new shape is marked: as its likeness, or at its summit."""
    wide = np.median(around(steep, at, 2 * half), axis=0, keepdims=True)
    for other in others:
        linked, shift, between = _fit(wide, other.steep, LINKED)
        if linked[0]:
            return float(other.top + shift[0] + between[0])
    middle = np.abs(np.median(around(shaped, at, half), axis=0))
    summit = np.array([middle.argmax()])
    return float(summit[0] - half + _between(middle[None], summit)[0])


def _fit(rows: Floats, shape: Floats,
         least: float = SAME) -> tuple[Bools, Indices, Floats]:
    """Which rows have a shape, and where, in samples and a part of one."""
    width = len(shape)
    lags = rows.shape[1] - width + 1
    taps = sliding_window_view(np.pad(shape, lags - 1), rows.shape[1])[::-1].T
    power = np.cumsum(np.pad(rows ** 2, ((0, 0), (1, 0))), axis=1)
    norm = np.linalg.norm(shape) * np.sqrt(np.maximum(
        power[:, width:] - power[:, :-width], TINY))
    dot = rows @ taps
    fit = dot / norm
    best = fit.argmax(axis=1)
    return (fit[np.arange(len(fit)), best] > least, best - lags // 2,
            _between(dot, best))


def _between(rows: Floats, index: Indices) -> Floats:
    index = np.clip(index, 1, rows.shape[1] - 2)
    return summit(*(rows[np.arange(len(rows)), index + k] for k in (-1, 0, 1)))


def summit(before: Floats, peak: Floats, after: Floats) -> Floats:
    """Tops of the parabolas through peaks and their neighbours."""
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = 0.5 * (before - after) / (before - 2 * peak + after)
    return np.where(np.abs(shift) <= 0.5, shift, 0.0)
