"""Heart-rate variability over many windows at once."""
# A few thousand windows of normal RR intervals are the rows of a matrix, so
# memory does not depend on the length of the recording.

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from aura import state
from aura.ecg.rr import ROUNDING_S
from aura.recording import Bools, Floats

# So many windows fit into a core's cache; twice as many cost half more.
CHUNK = 2048
SAMPEN_M = 2
SAMPEN_R = 0.2
RESAMPLING_HZ = 4
SEGMENT = 256
SEGMENT_STEP = SEGMENT // 2
WELCH_NFFT = 4096
BANDS_HZ = {"vlf": (0.003, 0.04), "lf": (0.04, 0.15), "hf": (0.15, 0.40)}
MAX_GAP_S = 3.0
# Less variation is rounding.
LEAST_MS = 1000 * ROUNDING_S

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class NormalIntervals:
    """The normal RR intervals of a recording, in milliseconds."""

    time_s: Floats  # Time of the beat that ends the interval
    nn_ms: Floats  # Length of the interval
    # Whether the interval just before is normal: their difference counts.
    follows: Bools


@dataclass(frozen=True)
class Windows:
    """Ranges ``start`` to ``stop`` (exclusive) of the normal intervals."""
    # Windows that begin before the recording are not `full`: no features.

    start: Indices
    stop: Indices
    full: Bools

    def chunks(self) -> Iterator[tuple[slice, "Windows"]]:
        """Yield a few thousand windows at a time with their rows."""
        for begin in range(0, len(self.start), CHUNK):
            rows = slice(begin, begin + CHUNK)
            yield rows, Windows(
                self.start[rows], self.stop[rows], self.full[rows])


def windows(series: NormalIntervals, end_s: Floats,
            length_s: float) -> Windows:
    """Windows of the intervals that end in (end - length, end]."""
    return Windows(
        np.searchsorted(series.time_s, end_s - length_s, side="right"),
        np.searchsorted(series.time_s, end_s, side="right"),
        end_s - length_s >= 0)


def time_domain(series: NormalIntervals, where: Windows) -> dict[str, Floats]:
    """The time-domain features of each window, most of them AURA's."""
    # Source: https://doi.org/10.1161/01.CIR.93.5.1043
    result = _empty(TIME_DOMAIN, len(where.start))
    for rows, part in where.chunks():
        nn, diff = _gather(series, part)
        n = np.isfinite(nn).sum(axis=1)
        pairs = np.isfinite(diff).sum(axis=1)
        enough = part.full & (n >= 2)
        _store(result, rows, enough, _nn_statistics(nn, n))
        _store(result, rows, enough & (pairs >= 1),
               _difference_statistics(diff, pairs))
        result["cvsd"][rows] = result["rmssd"][rows] / result["mean_nni"][rows]
    return result


def poincare(series: NormalIntervals, where: Windows) -> dict[str, Floats]:
    """The non-linear features of each window, most of them AURA's."""
    # Source: https://doi.org/10.1016/S0165-1838(96)00112-9,
    # https://doi.org/10.1016/j.seizure.2014.11.004,
    # https://doi.org/10.1152/ajpheart.2000.278.6.H2039
    result = _empty(POINCARE, len(where.start))
    for rows, part in where.chunks():
        nn, diff = _gather(series, part)
        n = np.isfinite(nn).sum(axis=1)
        pairs = np.isfinite(diff).sum(axis=1)
        enough = part.full & (n >= 4) & (pairs >= 2)
        sd1_squared = 0.5 * _variance(diff, pairs, 1)
        sd2_squared = 2 * _variance(nn, n, 1) - sd1_squared
        sd1 = np.sqrt(sd1_squared)
        sd2 = np.sqrt(np.maximum(sd2_squared, 0.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(sd1 > LEAST_MS, sd2 / sd1, np.nan)
            product = np.where(
                np.minimum(sd1, sd2) > LEAST_MS, 16 * sd1 * sd2, np.nan)
            _store(result, rows, enough, {
                "csi": ratio, "cvi": np.log10(product),
                "Modified_csi": 4 * sd2 * ratio, "sd1": sd1, "sd2": sd2,
                "ratio_sd2_sd1": ratio})
        _store(result, rows, enough, {"sampen": _sample_entropy(nn, n)})
    return result


def spectral(series: NormalIntervals, end_s: Floats,
             length_s: float) -> dict[str, Floats]:
    """Band powers of each window by Welch's method, as AURA computes them."""
    # Source: https://doi.org/10.1109/TAU.1967.1161901
    # The intervals are interpolated at 4 Hz on one grid for the recording;
    # segments of 64 s (Hann, mean removed) with half overlap are averaged. The
    # power in a band is a quadratic form of the segment.
    result = _empty(SPECTRAL, len(end_s))
    if series.time_s.size < 2:
        return result
    grid_s = np.arange(
        0.0, series.time_s[-1] + 1 / RESAMPLING_HZ, 1 / RESAMPLING_HZ)
    values = np.interp(grid_s, series.time_s, series.nn_ms)
    gaps = np.concatenate([[0], np.cumsum(_in_gap(grid_s, series.time_s))])
    points = round(length_s * RESAMPLING_HZ)
    offsets = np.arange(0, points - SEGMENT + 1, SEGMENT_STEP)
    reach = offsets[-1] + SEGMENT
    first = np.round((end_s - length_s) * RESAMPLING_HZ).astype(np.int64)
    usable = (first >= 0) & (first + reach <= len(values))
    usable[usable] = (gaps[first[usable] + reach] == gaps[first[usable]])
    if not usable.any():
        return result
    power = _band_power(values, first[usable], offsets)
    for name, band in power.items():
        result[name][usable] = band
    with np.errstate(divide="ignore", invalid="ignore"):
        result["lf_hf_ratio"] = np.where(
            result["hf"] > LEAST_MS ** 2, result["lf"] / result["hf"], np.nan)
    return result


TIME_DOMAIN, SPECTRAL, POINCARE = (
    tuple(state.beside(__file__, "features.toml")[group])
    for group in ("time_domain", "spectral", "poincare"))


def _empty(names: tuple[str, ...], count: int) -> dict[str, Floats]:
    return {name: np.full(count, np.nan) for name in names}


def _store(result: dict[str, Floats], rows: slice, enough: Bools,
           values: dict[str, Floats]) -> None:
    for name, column in values.items():
        result[name][rows] = np.where(enough, column, np.nan)


def _gather(series: NormalIntervals, part: Windows) -> tuple[Floats, Floats]:
    """Rows of intervals and of successive differences, NaN behind the end."""
    width = int(np.max(part.stop - part.start, initial=1))
    index = part.start[:, None] + np.arange(max(width, 1))
    inside = index < part.stop[:, None]
    index = np.minimum(index, max(len(series.nn_ms) - 1, 0))
    if series.nn_ms.size == 0:
        nothing = np.full(index.shape, np.nan)
        return nothing, nothing[:, 1:]
    nn = np.where(inside, series.nn_ms[index], np.nan)
    successive = inside[:, 1:] & series.follows[index[:, 1:]]
    diff = np.where(successive, np.diff(nn, axis=1), np.nan)
    return nn, diff


def _variance(rows: Floats, n: Indices, ddof: int) -> Floats:
    """Variance along rows that may hold NaN; NaN where n <= ddof."""
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.nansum(rows, axis=1) / n
        squares = np.nansum((rows - mean[:, None]) ** 2, axis=1)
        variance: Floats = np.where(n > ddof, squares / (n - ddof), np.nan)
    return variance


def _nn_statistics(nn: Floats, n: Indices) -> dict[str, Floats]:
    ordered = np.sort(nn, axis=1)
    row = np.arange(len(nn))
    last = np.maximum(n - 1, 0)
    low, high = ordered[:, 0], ordered[row, last]
    rate = 60000.0 / nn
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.nansum(nn, axis=1) / n
        mean_rate = np.nansum(rate, axis=1) / n
        sdnn = np.sqrt(_variance(nn, n, 1))
        return {
            "mean_nni": mean, "sdnn": sdnn, "cvnni": sdnn / mean,
            "median_nni": (ordered[row, last // 2]
                           + ordered[row, n // 2 * (n > 0)]) / 2,
            "range_nni": high - low, "mean_hr": mean_rate,
            "max_hr": 60000.0 / low, "min_hr": 60000.0 / high,
            "std_hr": np.sqrt(_variance(rate, n, 0))}


def _difference_statistics(diff: Floats, pairs: Indices) -> dict[str, Floats]:
    size = np.abs(diff)
    over_50 = (size > 50 + LEAST_MS).sum(axis=1).astype(float)
    over_20 = (size > 20 + LEAST_MS).sum(axis=1).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "sdsd": np.sqrt(_variance(diff, pairs, 0)),
            "rmssd": np.sqrt(np.nansum(diff ** 2, axis=1) / pairs),
            "nni_50": over_50, "pnni_50": 100 * over_50 / pairs,
            "nni_20": over_20, "pnni_20": 100 * over_20 / pairs}


def _sample_entropy(nn: Floats, n: Indices) -> Floats:
    """-log(A / B) of each row; B and A count matching templates of 2 and 3."""
    # All rows at once, one lag at a time. Two templates `lag` apart match if
    # all elements differ by less than r. Windows are along the last axis.
    values = np.ascontiguousarray(nn.T, dtype=np.float32)
    limit = (SAMPEN_R * np.sqrt(_variance(nn, n, 0))).astype(np.float32)
    exists = np.isfinite(values)
    narrow = np.min_scalar_type(len(values))
    of_two = np.zeros(len(nn), dtype=np.int64)
    of_three = np.zeros(len(nn), dtype=np.int64)
    for lag in range(1, len(values) - SAMPEN_M):
        near = np.abs(values[lag:] - values[:-lag]) < limit
        # Both counts run over the n - m templates that have a third element.
        two = near[:-2] & near[1:-1] & exists[lag + SAMPEN_M:]
        of_two += np.add.reduce(two, axis=0, dtype=narrow)
        two &= near[2:]
        of_three += np.add.reduce(two, axis=0, dtype=narrow)
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy: Floats = np.where(
            of_three > 0, -np.log(of_three / of_two), np.nan)
    return entropy


def _in_gap(grid_s: Floats, time_s: Floats) -> Bools:
    """Grid points between two normal intervals more than 3 s apart."""
    # A point behind the last interval counts: the next may be far away.
    after = np.searchsorted(time_s, grid_s)
    inside = (after > 0) & (after < len(time_s))
    wide = np.diff(time_s) > MAX_GAP_S
    gap = np.zeros(len(grid_s), dtype=bool)
    gap[inside] = wide[after[inside] - 1]
    gap |= grid_s < time_s[0] - MAX_GAP_S
    gap |= grid_s > time_s[-1]
    return gap


def _band_power(values: Floats, first: Indices,
                offsets: Indices) -> dict[str, Floats]:
    """Power in each band, averaged over the segments of each window."""
    begun = np.zeros(len(values), dtype=bool)
    for offset in offsets:
        begun[first + offset] = True
    begins, place = np.flatnonzero(begun), np.cumsum(begun) - 1
    segments = np.lib.stride_tricks.sliding_window_view(values, SEGMENT)
    power = {}
    for name, edges in BANDS_HZ.items():
        form = _quadratic_form(*edges)
        each = np.empty(len(begins))
        for at in range(0, len(begins), CHUNK):
            block = segments[begins[at:at + CHUNK]] @ form
            each[at:at + CHUNK] = np.einsum("ij,ij->i", block, block)
        power[name] = np.mean([each[place[first + offset]]
                               for offset in offsets], axis=0)
    return power


@cache
def _quadratic_form(low_hz: float, high_hz: float) -> Floats:
    """Matrix B with ``|x B|²`` = power of a segment x in the band."""
    # The trapezoid over the periodogram is a sum of squared projections on
    # cosines and sines. A few singular vectors carry all of it.
    frequency = np.arange(WELCH_NFFT // 2 + 1) * RESAMPLING_HZ / WELCH_NFFT
    inside = np.flatnonzero((frequency >= low_hz) & (frequency < high_hz))
    weight = np.full(len(inside), frequency[1])
    weight[[0, -1]] /= 2
    hann = 0.5 + 0.5 * np.cos(np.linspace(-np.pi, np.pi, SEGMENT + 1)[:-1])
    density = 2.0 / (RESAMPLING_HZ * np.sum(hann ** 2))
    phase = (2 * np.pi * np.arange(SEGMENT)[:, None]
             * frequency[inside] / RESAMPLING_HZ)
    waves = np.concatenate([np.cos(phase), np.sin(phase)], axis=1)
    waves *= hann[:, None] * np.sqrt(np.tile(weight * density, 2))
    waves -= waves.mean(axis=0)
    left, size, _ = np.linalg.svd(waves, full_matrices=False)
    kept = size > size[0] * 1e-9
    form: Floats = left[:, kept] * size[kept]
    return form
