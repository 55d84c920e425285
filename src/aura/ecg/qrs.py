"""
The recording's own QRS complex, and the filter in which it stands out.

A detector that looks for steep and strong finds muscle bursts and the jerks
of an electrode too, and misses wide ventricular beats. What is known better
after a first pass is what this heart's complexes look like and how the
noise between them is coloured. The filter that then raises the complexes
highest above that noise is the classic one: the shape, weighted by the
inverse of the noise's covariance [1]_ [2]_. Where there is no noise but T
waves, it becomes the shape itself.

References
----------
.. [1] Turin, G. L. (1960). An introduction to matched filters. IRE Trans.
   Inf. Theory, 6(3), 311-329. https://doi.org/10.1109/TIT.1960.1057571
.. [2] Hamilton, P. S. and Tompkins, W. J. (1988). Adaptive matched
   filtering for QRS detection. Proc. IEEE EMBS, 10, 147-148.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_toeplitz  # type: ignore[import-untyped]

from aura.recording import Floats
from aura.spans import near

Indices = NDArray[np.int64]

HALF_S = 0.1
# Fewer complexes than this are no sample of a shape.
LEAST_BEATS = 8
ROUNDS = 2
# Noise that is taken for granted, as a share of the complexes' power (an
# eighth of the squared height): with much less of it the filter of a clean
# signal trusts the shape to the last wiggle and loses ventricular beats,
# with much more it does not follow the noise. By `make bench-noise`.
GRANTED = 0.1
SILENCE = 1e-6
# After a peak; a longer pause says nothing of its height.
LONGEST_S = 2.0

# A peak is an insertion when the beats on its two sides are no farther
# apart than one usual interval, and it fits half as well as both.
USUAL_BEATS = 21
TOGETHER = 1.3
POORER = 0.6
ALIKE = 0.7


@dataclass(frozen=True)
class Complex:
    """What the QRS complexes of a piece have in common."""

    shape: Floats  # Median of the complexes that are most alike, tapered to 0
    half: int  # Samples on either side of the R peak

    @property
    def height(self) -> float:
        """Peak to peak, in the unit of the signal."""
        return float(np.ptp(self.shape))


def learn(signal: Floats, index: Indices, fs_hz: float) -> Complex | None:
    """Shape of the complexes around peaks of which some may be noise."""
    half = round(HALF_S * fs_hz)
    inside = index[(index >= half) & (index < len(signal) - half)]
    if len(inside) < LEAST_BEATS:
        return None
    rows = signal[inside[:, None] + np.arange(-half, half + 1)]
    rows = rows[_usual(np.ptp(rows, axis=1), inside, fs_hz)]
    shape = np.median(rows, axis=0)
    for _ in range(ROUNDS):
        alike = _likeness(rows, shape)
        shape = np.median(rows[alike >= np.median(alike)], axis=0)
    shape = shape * np.hanning(2 * half + 1)
    return Complex(shape, half) if np.ptp(shape) > 0 else None


def matched(signal: Floats, index: Indices, known: Complex) -> Floats:
    """The signal through the filter that the complexes pass best."""
    within = near(index, known.half, len(signal))
    # Beyond the height of a complex nothing can be saved, and one burst
    # must not colour the noise of a quarter of an hour.
    noise = np.clip(signal, -known.height, known.height)
    noise[within] = 0
    count = len(known.shape)
    covariance = np.array([
        np.dot(noise[lag:], noise[:len(noise) - lag])
        for lag in range(count)]) / max(np.count_nonzero(~within), 1)
    covariance[0] += GRANTED * known.height ** 2 / 8
    weights = solve_toeplitz(covariance, known.shape)
    weights /= np.dot(weights, known.shape)
    filtered: Floats = np.convolve(signal, weights[::-1], "same")
    # The end of a filter's echo is no beginning of a signal.
    filtered[np.abs(filtered) < SILENCE] = 0
    return filtered


def without_insertions(signal: Floats, index: Indices,
                       known: Complex) -> Indices:
    """Leave out peaks that stand between two better ones where one has place.
    """
    for _ in range(ROUNDS):
        if len(index) < LEAST_BEATS:
            break
        fit = _fit(signal, index, known)
        intervals = np.diff(index)
        padded = np.pad(intervals, USUAL_BEATS // 2, mode="edge")
        usual = np.median(np.lib.stride_tricks.sliding_window_view(
            padded, USUAL_BEATS), axis=1)
        together = (index[2:] - index[:-2]
                    < TOGETHER * np.maximum(usual[:-1], usual[1:]))
        poorer = fit[1:-1] < POORER * np.minimum(fit[:-2], fit[2:])
        left_out = np.zeros(len(index), dtype=bool)
        left_out[1:-1] = together & poorer
        # Poorer than both neighbours: so no neighbours are left out.
        if not left_out.any():
            break
        index = index[~left_out]
    return index


def _usual(height: Floats, index: Indices,
           fs_hz: float) -> NDArray[np.bool_]:
    """
    Which heights are within a factor of two of the usual one.

    That is the median over time, not over peaks: noise has more of them.
    """
    lasts = np.minimum(np.diff(index, append=index[-1]), LONGEST_S * fs_hz)
    order = np.argsort(height, kind="stable")
    share = np.cumsum(lasts[order])
    usual = height[order[np.searchsorted(share, share[-1] / 2)]]
    return np.asarray((height >= usual / 2) & (height <= usual * 2))


def _fit(signal: Floats, index: Indices, known: Complex) -> Floats:
    """1 for a complex of the usual shape and height, down to 0."""
    half = known.half
    centre = np.clip(index, half, len(signal) - half - 1)
    rows = signal[centre[:, None] + np.arange(-half, half + 1)]
    alike = _likeness(rows, known.shape)
    size = rows @ known.shape
    clear = alike > ALIKE
    if not clear.any():
        return np.maximum(alike, 0)
    usual = float(np.median(size[clear]))
    ratio = np.maximum(size, 1e-9 * usual) / usual
    fit: Floats = np.minimum(ratio, 1 / ratio) * np.maximum(alike, 0)
    return fit


def _likeness(rows: Floats, shape: Floats) -> Floats:
    """Cosine between each row and the shape; 0 for a row of zeros."""
    norm = np.sqrt((rows ** 2).sum(axis=1) * (shape ** 2).sum())
    alike: Floats = np.divide(rows @ shape, norm,
                              out=np.zeros(len(rows)), where=norm > 0)
    return alike
