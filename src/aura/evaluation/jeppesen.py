"""
Modified CSI times slope: the published index, from beats to rows.

The reference detector of heart-rate based seizure detection: how elongated
the Lorenz plot of the last hundred RR intervals is, times how steeply they
change, on intervals that a median over seven beats has freed of ectopy.
"""

import numpy as np

from aura.ecg.rr import Kind
from aura.recording import Floats

MEDIAN_BEATS = 7
WINDOW_BEATS = 100
CHUNK = 4096
# What varies less than a microsecond does not vary.
LEAST_MS = 1e-3


def csi_slope(time_s: Floats, rr_s: Floats, kind: np.ndarray,
              end_s: Floats) -> Floats:
    """
    ModCSI100filtered x Slope at the ends of the rows.

    Source: https://doi.org/10.1109/EMBC.2014.6944639,
    https://doi.org/10.1111/epi.16343
    """
    usable = np.asarray(kind) != Kind.UNSCORABLE
    time_s, rr_ms = time_s[usable], rr_s[usable] * 1000.0
    before = MEDIAN_BEATS + WINDOW_BEATS - 2
    if len(rr_ms) <= before:
        return np.full(len(end_s), np.nan)
    smooth: Floats = np.median(np.lib.stride_tricks.sliding_window_view(
        rr_ms, MEDIAN_BEATS), axis=1)
    index = np.full(len(rr_ms), np.nan)
    rows = np.lib.stride_tricks.sliding_window_view(smooth, WINDOW_BEATS)
    for at in range(0, len(rows), CHUNK):
        part = rows[at:at + CHUNK]
        index[before + at:before + at + len(part)] = _index(part)
    last = np.searchsorted(time_s, end_s, side="right") - 1
    found: Floats = np.where(last >= 0, index[np.maximum(last, 0)], np.nan)
    return found


def _index(rr_ms: Floats) -> Floats:
    """Of each row of filtered intervals."""
    now, after = rr_ms[:, :-1], rr_ms[:, 1:]
    across = 4 * np.std(after - now, axis=1, ddof=1) / np.sqrt(2)
    along = 4 * np.std(after + now, axis=1, ddof=1) / np.sqrt(2)
    # Where successive intervals are all equal the plot has no width.
    modified = np.divide(along ** 2, across, out=np.zeros(len(rr_ms)),
                         where=across > LEAST_MS)
    clock_s = np.cumsum(rr_ms, axis=1) / 1000.0
    clock_s -= clock_s.mean(axis=1, keepdims=True)
    slope = (clock_s * rr_ms).sum(axis=1) / (clock_s ** 2).sum(axis=1)
    index: Floats = modified * np.abs(slope)
    return index
