"""The QRS template of a recording, and the filter that raises it."""
# The linear filter that raises the complexes highest above the noise between
# them is the template times the inverse of the noise's covariance. Sources:
# https://doi.org/10.1109/TIT.1960.1057571; Hamilton and Tompkins (1988),
# Adaptive matched filtering for QRS detection, Proc. IEEE EMBS, 10, 147-148.

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_toeplitz

from aura.ecg.quality import Indices, around, cosine
from aura.recording import Floats
from aura.spans import near

HALF_S = 0.1
# A template of fewer beats would show their noise.
LEAST_BEATS = 8
ROUNDS = 2
# Least noise that is assumed, as a share of the QRS power (an eighth of the
# squared height). With much less, a clean signal loses ventricular beats; with
# much more, the filter does not follow the noise (`make bench-noise`).
ASSUMED_NOISE = 0.1
SILENCE = 1e-6
# A peak counts for at most this long; those before a pause would win.
LONGEST_S = 2.0

# A peak is an insertion if the beats before and after it are at most
# TOGETHER usual intervals apart and it fits less than POORER of both.
USUAL_BEATS = 21
TOGETHER = 1.3
POORER = 0.6
# Peaks as similar to the template as this show the usual size.
ALIKE = 0.7


@dataclass(frozen=True)
class Template:
    """The QRS template of a segment."""

    shape: Floats  # Median of the most similar complexes, tapered to 0
    half: int  # Samples before and after the R peak

    @property
    def height(self) -> float:
        """Peak to peak, in the unit of the signal."""
        return float(np.ptp(self.shape))


def learn(signal: Floats, index: Indices, fs_hz: float) -> Template | None:
    """The template from peaks of which some may be noise."""
    half = round(HALF_S * fs_hz)
    inside = index[(index >= half) & (index < len(signal) - half)]
    if len(inside) < LEAST_BEATS:
        return None
    rows = around(signal, inside, half)
    rows = rows[_usual(np.ptp(rows, axis=1), inside, fs_hz)]
    shape = np.median(rows, axis=0)
    for _ in range(ROUNDS):
        alike = cosine(rows, shape)
        shape = np.median(rows[alike >= np.median(alike)], axis=0)
    shape = shape * np.hanning(2 * half + 1)
    return Template(shape, half) if np.ptp(shape) > 0 else None


def matched(signal: Floats, index: Indices, template: Template) -> Floats:
    """The signal through the matched filter; a usual beat becomes 1 high."""
    within = near(index, template.half, len(signal))
    # Clipped, or one burst would decide on the noise of the whole segment.
    noise = np.clip(signal, -template.height, template.height)
    noise[within] = 0
    count = len(template.shape)
    covariance = np.array([
        np.dot(noise[lag:], noise[:len(noise) - lag])
        for lag in range(count)]) / max(np.count_nonzero(~within), 1)
    covariance[0] += ASSUMED_NOISE * template.height ** 2 / 8
    weights = solve_toeplitz(covariance, template.shape)
    weights /= np.dot(weights, template.shape)
    filtered: Floats = np.convolve(signal, weights[::-1], "same")
    # sleepecg starts where a signal stops being flat: not in rounding.
    filtered[np.abs(filtered) < SILENCE] = 0
    return filtered


def without_insertions(signal: Floats, index: Indices,
                       template: Template) -> Indices:
    """Leave out poor peaks between two better ones one interval apart."""
    for _ in range(ROUNDS):
        if len(index) < LEAST_BEATS:
            break
        fit = _fit(signal, index, template)
        intervals = np.diff(index)
        padded = np.pad(intervals, USUAL_BEATS // 2, mode="edge")
        usual = np.median(np.lib.stride_tricks.sliding_window_view(
            padded, USUAL_BEATS), axis=1)
        together = (index[2:] - index[:-2]
                    < TOGETHER * np.maximum(usual[:-1], usual[1:]))
        poorer = fit[1:-1] < POORER * np.minimum(fit[:-2], fit[2:])
        left_out = np.zeros(len(index), dtype=bool)
        left_out[1:-1] = together & poorer
        if not left_out.any():
            break
        index = index[~left_out]
    return index


def _usual(height: Floats, index: Indices, fs_hz: float) -> NDArray[np.bool_]:
    """Which heights are within a factor of two of the usual one."""
    # The usual one is the median over time, because noise has more peaks.
    lasts = np.minimum(np.diff(index, append=index[-1]), LONGEST_S * fs_hz)
    order = np.argsort(height, kind="stable")
    share = np.cumsum(lasts[order])
    usual = height[order[np.searchsorted(share, share[-1] / 2)]]
    return np.asarray((height >= usual / 2) & (height <= usual * 2))


def _fit(signal: Floats, index: Indices, template: Template) -> Floats:
    """From 0 to 1, which is the usual shape and height."""
    rows = around(signal, index, template.half)
    alike = cosine(rows, template.shape)
    size = rows @ template.shape
    clear = alike > ALIKE
    if not clear.any():
        return np.maximum(alike, 0)
    usual = float(np.median(size[clear]))
    ratio = np.maximum(size, 1e-9 * usual) / usual
    fit: Floats = np.minimum(ratio, 1 / ratio) * np.maximum(alike, 0)
    return fit
