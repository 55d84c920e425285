"""Pacing spikes, taken out before anything filters the signal."""
# A spike lasts a millisecond or two and can be higher than any complex. What
# filters make of it looks like one.

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.signal import find_peaks

from aura.ecg.quality import around, windows
from aura.recording import Floats

WIDTH_S = 0.008  # A spike is narrower
# It is higher than this share of a usual second, and than so many times what
# the signal does beside it. R waves at 128 Hz reach 2.4 times.
LEAST_HEIGHT = 0.25
ALONE = 3.0
LEAST_RATE_HZ = 100.0  # At lower rates R waves look like spikes
# A paced heart has so many spikes half of the time, unlike noise, a quarter of
# them so high as a share of a usual second. Lower ones cost no beat.
PACED_PER_S, PACED_HEIGHT = 0.5, 0.75
CELL_S = 10.0
ROUNDS = 3
# So many candidates a second are noise.
MOST_PER_S = 16.0


def without_spikes(samples: Floats, fs_hz: float) -> Floats:
    """The samples with each high spike replaced by the signal beside it."""
    if fs_hz < LEAST_RATE_HZ:
        return samples
    width = max(round(WIDTH_S * fs_hz), 1) + 1
    clean = _cleaned(samples, width, fs_hz)
    usual = _usual(clean, fs_hz)
    if clean is samples or not usual:
        return samples
    height = np.abs(samples - clean) / usual
    spikes = find_peaks(height, distance=width)[0]
    each = np.bincount((spikes / fs_hz / CELL_S).astype(np.int64),
                       minlength=int(len(samples) / fs_hz / CELL_S) + 1)
    if np.median(each) < PACED_PER_S * CELL_S or (
            np.percentile(height[spikes], 75) < PACED_HEIGHT):
        return samples
    # At low rates a spike between two samples is as wide as both.
    return _cleaned(clean, 3, fs_hz) if width < 3 else clean


def _cleaned(samples: Floats, width: int, fs_hz: float) -> Floats:
    """The highest spikes first: beside them all others look small."""
    for _ in range(ROUNDS):
        before, samples = samples, _once(samples, width, fs_hz)
        if samples is before:
            break
    return samples


def _usual(samples: Floats, fs_hz: float) -> float:
    """How much the signal moves in a usual second."""
    return float(np.median(np.ptp(windows(samples, round(fs_hz)), axis=1)))


def _once(samples: Floats, width: int, fs_hz: float) -> Floats:
    least = LEAST_HEIGHT * _usual(samples, fs_hz)
    step = width // 2
    jumps = np.flatnonzero(np.abs(samples[step:] - samples[:-step]) > least)
    at = np.unique(jumps // width) * width
    reach = 4 * width
    if not 0 < len(at) < MOST_PER_S * len(samples) / fs_hz or (
            least == 0 or len(samples) <= 2 * reach):
        return samples
    at = np.clip(at, reach, len(samples) - reach - 1)
    rows = around(samples, at, reach)
    clean = -_opened(-_opened(rows, width), width)
    # An opening needs the samples of two widths on either side.
    over = np.abs(rows - clean)[:, 2 * width:-2 * width]
    best = over.argmax(axis=1)
    beside = sliding_window_view(
        clean, 2 * width + 1, axis=1)[np.arange(len(at)), best + width]
    # An R wave has two slopes; a spike may stand where a complex begins.
    slope = np.minimum(np.ptp(beside[:, :width + 1], axis=1),
                       np.ptp(beside[:, width:], axis=1))
    others = np.where(np.abs(np.arange(over.shape[1]) - best[:, None]) > width,
                      over, 0).max(axis=1)
    spike = over.max(axis=1) > np.maximum(
        least, ALONE * np.maximum(slope, others))
    if not spike.any():
        return samples
    samples = samples.copy()
    centre = (at + best - reach + 2 * width)[spike]
    samples[centre[:, None] + np.arange(-width, width + 1)] = beside[spike]
    return samples


def _opened(rows: Floats, width: int) -> Floats:
    """Rows without what rises for less than a width."""
    edge = (0, 0), (width - 1, width - 1)
    low = sliding_window_view(np.pad(rows, edge, mode="edge"), width, axis=1)
    opened: Floats = sliding_window_view(
        low.min(axis=2), width, axis=1).max(axis=2)
    return opened
