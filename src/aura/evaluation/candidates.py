"""
What the forest might look at besides, to be tried and not believed.

Each candidate is a set of columns beside the two of the shipped forest, all
of them causal. ``aura evaluate --candidates`` adds a row to the table for
each, on the same people, rows and thresholds.
"""

from collections.abc import Mapping

import numpy as np
from scipy.ndimage import maximum_filter1d  # type: ignore[import-untyped]

from aura.ecg.rr import Kind
from aura.recording import Floats

RHYTHM_S = 60.0
RHYTHM_BEATS = 60
PEAK_S = 300.0
# Of the heart rate over its baseline: where an alarm would begin and end.
ALARM_BPM, ALARM_END_BPM = 30.0, 18.0
ALARM_S, AFTER_ALARM_S = 300.0, 180.0

# The columns of the feature table that are candidates as they are.
TABLED = ("hr_slope_10", "hr_slope_30", "hr_from_peak")
NAMES = ("ectopic_rate", "rejected_rate", "irregularity", "hr_recovered",
         "hr_rise_frozen", *TABLED)
# The sets that are tried: key, what they are called, columns.
SETS = (
    ("rhythm", "ectopy, irregularity and rejection rate", NAMES[:3]),
    ("recovery", "shape of the recovery", ("hr_recovered", "hr_from_peak")),
    ("ascent", "steepness of the ascent", TABLED[:2]),
    ("frozen", "baseline frozen in and after alarms", ("hr_rise_frozen",)),
)


def columns(intervals: Mapping[str, np.ndarray],
            table: Mapping[str, np.ndarray], hop_s: float) -> np.ndarray:
    """All candidate columns of a recording."""
    bpm = np.where(table["scorable"], table["mean_hr"], np.nan)
    return np.column_stack([
        *rhythm(intervals["time_s"], intervals["rr_s"], intervals["kind"],
                table["time_s"]),
        recovered(bpm, hop_s),
        bpm - frozen_baseline(bpm, table["hr_base"], hop_s),
        *(table[name] for name in TABLED)]).astype(np.float32)


def rhythm(time_s: Floats, rr_s: Floats, kind: np.ndarray,
           end_s: Floats) -> tuple[Floats, Floats, Floats]:
    """What speaks against a seizure: ectopy, lost time, and irregularity."""
    plausible = (kind == Kind.NORMAL) | (kind == Kind.ECTOPIC)
    at_s, length_s = time_s[plausible], rr_s[plausible]
    begin = np.searchsorted(at_s, end_s - RHYTHM_S, side="right")
    stop = np.searchsorted(at_s, end_s, side="right")

    def total(values: np.ndarray) -> Floats:
        running = np.concatenate([[0.0], np.cumsum(values)])
        summed: Floats = running[stop] - running[begin]
        return summed

    count = stop - begin
    ectopic = np.divide(
        total(kind[plausible] == Kind.ECTOPIC), count,
        out=np.full(len(end_s), np.nan), where=count > 0)
    rejected = np.clip(
        1 - total(length_s) / np.minimum(end_s, RHYTHM_S), 0, 1)
    irregular = np.full(len(at_s) + 1, np.nan)
    if len(at_s) > RHYTHM_BEATS:
        change = np.abs(np.diff(length_s))
        irregular[RHYTHM_BEATS + 1:] = (
            _medians(change) / _medians(length_s[1:]))
    return ectopic, rejected, irregular[stop]


def recovered(bpm: Floats, hop_s: float) -> Floats:
    """How far the heart rate is below the highest of the last 5 min, in bpm.
    """
    size = max(round(PEAK_S / hop_s), 1)
    highest = maximum_filter1d(
        np.where(np.isfinite(bpm), bpm, -np.inf), size, mode="constant",
        cval=-np.inf, origin=(size - 1) // 2)
    below: Floats = bpm - highest
    return below


def frozen_baseline(bpm: Floats, base: Floats, hop_s: float) -> Floats:
    """The baseline, held while the heart rate is far above it and 3 min after.
    """
    found = base.astype(np.float64)
    at, count = 0, len(base)
    over = np.flatnonzero(bpm - found >= ALARM_BPM)
    longest = round(ALARM_S / hop_s)
    after = round(AFTER_ALARM_S / hop_s)
    while True:
        place = int(np.searchsorted(over, at))
        if place == len(over):
            return found
        begin = int(over[place])
        rise = bpm[begin:begin + longest] - found[begin]
        ended = np.flatnonzero(rise < ALARM_END_BPM)
        stop = min(begin + (int(ended[0]) if len(ended) else longest)
                   + after, count)
        found[begin:stop] = found[begin]
        at = stop


def _medians(values: Floats) -> Floats:
    """Of the last 60 values up to each, from the sixtieth on."""
    medians: Floats = np.median(np.lib.stride_tricks.sliding_window_view(
        values, RHYTHM_BEATS), axis=1)
    return medians
