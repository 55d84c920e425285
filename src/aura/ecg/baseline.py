"""Heart rate relative to the patient's own last minutes."""
# The last minute is left out, so that no seizure raises its own baseline.
# Differences rank seizures better than ratios at low false alarm rates.

from dataclasses import dataclass

import numpy as np

from aura import state
from aura.recording import Floats

NEAR_S = 60.0
FAR_S = 360.0
MIN_BASELINE_S = 60.0
RECENT_S = 300.0
LONG_S = 1800.0
LONG_STEP_S = 10.0
LONGEST_S = NEAR_S + LONG_S + LONG_STEP_S
MAD_FLOOR_BPM = 1.0
CHUNK = 4096

BASELINE = tuple(state.beside(__file__, "features.toml")["baseline"])


@dataclass(frozen=True)
class HeartRate:
    """Mean heart rate of the last 10 s, on the hops of a recording."""

    time_s: Floats  # Ends of the hops in seconds
    bpm: Floats  # Beats per minute; NaN in rows that cannot be scored
    hop_s: float  # Seconds from one hop to the next


def relative_to_baseline(rate: HeartRate,
                         last: int | None = None) -> dict[str, Floats]:
    """Compare rows, or only the `last` ones, with the minutes before."""
    # Source: https://doi.org/10.1142/S0129065714500014
    bpm, hop_s = rate.bpm, rate.hop_s
    near, far = _hops(NEAR_S, hop_s), _hops(FAR_S, hop_s)
    count = len(bpm) if last is None else min(last, len(bpm))
    base, spread = _median_and_mad(
        _shift(bpm, near), max(far - near, 1), _hops(MIN_BASELINE_S, hop_s),
        count)
    mean, highest = _mean_and_highest(bpm, near, count)
    before = [_shift(bpm, _hops(seconds, hop_s))[len(bpm) - count:]
              for seconds in (10.0, 30.0)]
    percentile = _long_percentile(rate, count)
    bpm = bpm[len(bpm) - count:]
    rise = bpm - base
    return {
        "hr_base": base,
        "hr_rise": rise,
        "hr_ratio": bpm / base,
        "hr_z": rise / np.maximum(spread, MAD_FLOOR_BPM),
        "hr_rise_60": mean - base,
        "hr_over_p95": bpm - percentile,
        "hr_slope_10": bpm - before[0],
        "hr_slope_30": bpm - before[1],
        "hr_from_peak": bpm - highest,
    }


def ratio_to_recent_median(rate: HeartRate) -> Floats:
    """Heart rate over the median of the last five minutes."""
    median, _ = _median_and_mad(
        rate.bpm, _hops(RECENT_S, rate.hop_s),
        _hops(MIN_BASELINE_S, rate.hop_s), len(rate.bpm))
    return np.asarray(rate.bpm / median)


def _hops(seconds: float, hop_s: float) -> int:
    return max(round(seconds / hop_s), 1)


def _shift(values: Floats, hops: int) -> Floats:
    """The value a number of hops ago; NaN before the start."""
    before = np.full(min(hops, len(values)), np.nan)
    return np.concatenate([before, values[:len(values) - len(before)]])


def _history(values: Floats, hops: int, count: int) -> Floats:
    """The last `hops` values up to each of the last `count`, as rows."""
    padded = np.concatenate([np.full(hops, np.nan), values])
    rows: Floats = np.lib.stride_tricks.sliding_window_view(padded, hops)
    return rows[len(rows) - count:]


def _mean_and_highest(values: Floats, hops: int,
                      count: int) -> tuple[Floats, Floats]:
    """Mean and greatest of the last `hops` values, without NaN."""
    rows = _history(values, hops, count)
    mean = np.full(count, np.nan)
    highest = np.full(count, np.nan)
    for at in range(0, count, CHUNK):
        part = slice(at, at + CHUNK)
        there = np.isfinite(rows[part]).sum(axis=1)
        np.divide(np.nansum(rows[part], axis=1), there, out=mean[part],
                  where=there > 0)
        highest[part] = np.fmax.reduce(rows[part], axis=1)
    return mean, highest


def _median_and_mad(values: Floats, hops: int, least: int,
                    count: int) -> tuple[Floats, Floats]:
    """Median and median absolute deviation of the last `hops` values."""
    rows = _history(values, hops, count)
    median = np.full(count, np.nan)
    spread = np.full(count, np.nan)
    for at in range(0, count, CHUNK):
        part = slice(at, at + CHUNK)
        block = rows[part].astype(np.float32)
        median[part] = _quantile(block, 0.5, least)
        block = np.abs(block - median[part, None].astype(np.float32))
        spread[part] = _quantile(block, 0.5, least)
    return median, spread


def _quantile(rows: np.ndarray, share: float, least: int) -> Floats:
    """Quantile of each row's finite values; NaN where fewer than `least`."""
    ordered = np.sort(rows, axis=1)
    count = np.isfinite(ordered).sum(axis=1)
    place = share * np.maximum(count - 1, 0)
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    row = np.arange(len(rows))
    part = place - low
    value = ordered[row, low] * (1 - part) + ordered[row, high] * part
    enough: Floats = np.where(count >= least, value, np.nan)
    return enough


def _long_percentile(rate: HeartRate, count: int) -> Floats:
    """95th percentile of the 30 min before the last one, every 10 s."""
    step = _hops(LONG_STEP_S, rate.hop_s)
    coarse = _shift(rate.bpm, _hops(NEAR_S, rate.hop_s))[::step]
    first = (len(rate.bpm) - count) // step
    rows = _history(coarse, _hops(LONG_S, rate.hop_s * step),
                    len(coarse) - first)
    least = _hops(MIN_BASELINE_S, rate.hop_s * step)
    each = np.concatenate([
        _quantile(rows[at:at + CHUNK], 0.95, least)
        for at in range(0, len(rows), CHUNK)] or [np.empty(0)])
    skipped = len(rate.bpm) - count - first * step
    return np.repeat(each, step)[skipped:skipped + count]
