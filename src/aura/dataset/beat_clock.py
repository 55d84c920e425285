"""
The clock of a file of RR intervals: when each interval ended.

Intervals are exact, but their sum passes over time in which none was
recorded. A time in each row shows it. Such times may be late by seconds, or
rounded, so they only place whole stretches of intervals. Within a stretch
the intervals count, and a slow drift between the two is left as it is.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from aura.edf.fields import YEARS
from aura.errors import Problem
from aura.recording import Bools, Floats

NAME = re.compile("time|date|clock|stamp|epoch|unix|elapsed|seconds|zeit|uhr|"
                  "datum|hora|heure|fecha|^ts?$")
_NUMBER = re.compile(r"-?\d{1,20}(?:[.,]\d*)?", re.ASCII)
_OF_DAY = re.compile(r"(\d{1,2}):(\d\d):(\d\d(?:[.,]\d+)?)", re.ASCII)
_DAY_FIRST = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})[ T](.+)", re.ASCII)
_UNITS_S = (1e-9, 1e-6, 1e-3, 1.0)
_EPOCH = datetime(1970, 1, 1)
DAY_S = 86400.0
# A clock of numbers that begins later is not that of the recording.
BEGIN_MAX_S = 3600.0
# A clock that is as exact as this is compared in few rows, others in many.
EXACT_S, EXACT_ROWS, ROWS = 0.05, 5, 30
LOST_MIN_S, LOST_MIN_COARSE_S, LOST_MIN_MAX_S = 0.25, 0.5, 60.0
DRIFT_S = 1.0
# No two plausible dates are further apart.
LONGEST_S = 300 * 366 * DAY_S
# By so much a time may be before that of the row above.
LATE_S = 2.0


@dataclass(frozen=True)
class Placed:
    """Beats of intervals, and where beats are missing."""

    time_s: Floats
    lost: Floats = field(default_factory=lambda: np.empty((0, 2)))
    start: datetime | None = None
    problems: tuple[Problem, ...] = ()
    clock: bool = True  # Whether the file says when its beats were


def placed(rr_s: Floats, columns: Sequence[tuple[str, list[str]]]) -> Placed:
    """Place intervals by the first column that is a clock; NaN is a gap."""
    blank = np.isnan(rr_s)
    rr_s = np.where(blank, np.nanmedian(rr_s), rr_s)
    unread = []
    for name, cells in columns:
        if len(set(cells)) < 2:
            continue
        read = _clock(cells, float(rr_s.sum()))
        if read is not None:
            return _by_clock(rr_s, blank, name, *read)
        unread.append(Problem(
            "beats.clock", "warning", f"the column '{name}' cannot be read as "
            "a clock; the intervals follow each other"))
    end_s = np.cumsum(rr_s)
    lost = np.column_stack([end_s - rr_s, end_s])[blank]
    return Placed(np.append(0.0, end_s), lost, None, tuple(unread[:1]),
                  clock=False)


def moment(cell: str) -> datetime | None:
    """A date with its time of day, if it is plausible."""
    text = cell.strip()
    match = _DAY_FIRST.fullmatch(text)
    if match is not None:
        day, month, year, rest = match.groups()
        text = f"{year}-{month:0>2}-{day:0>2}T{rest}"
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.year in YEARS else None


def _clock(cells: Sequence[str], sum_s: float) -> tuple[
        Floats, datetime | None, bool] | None:
    """Seconds of each cell, the date of 0 s, and if 0 s is the start."""
    start, from_start = None, False
    if any(_NUMBER.fullmatch(cell) for cell in cells):
        values = _column(float(cell.replace(",", "."))
                         if _NUMBER.fullmatch(cell) else None
                         for cell in cells)
        numbers = values[np.isfinite(values)]
        span = numbers[-1] - numbers[0]
        unit = next((unit for unit in _UNITS_S if span * unit > sum_s / 2),
                    None)
        if unit is None:
            return None
        clock_s = values * unit
        begin_s = float(numbers[0] * unit)
        from_start = 0 <= begin_s < BEGIN_MAX_S
        if 1980 <= 1970 + begin_s / (365.25 * DAY_S) < YEARS.stop:
            start = _EPOCH
    elif any(_OF_DAY.fullmatch(cell) for cell in cells):
        clock_s = _column(_of_day(cell) for cell in cells)
        known = np.isfinite(clock_s)
        back = np.append(0.0, np.diff(clock_s[known])) < -DAY_S / 2
        clock_s[known] += np.cumsum(back) * DAY_S
    else:
        moments = [moment(cell) for cell in cells]
        first = next((one for one in moments if one), None)
        if first is None:
            return None
        zoned = first.tzinfo is not None
        clock_s = _column(
            (one - first).total_seconds()
            if one and (one.tzinfo is not None) == zoned else None
            for one in moments)
        start = first.replace(tzinfo=None)
    times = clock_s[np.isfinite(clock_s)]
    if (len(times) < len(cells) / 2 or times[-1] - times[0] < sum_s / 2
            or np.mean(np.diff(times) > -LATE_S) < 0.9):
        return None
    # One time that is too early would look like a loss after it.
    before, now, after = clock_s[:-2], clock_s[1:-1], clock_s[2:]
    now[(now < before - LATE_S) & (after >= before - LATE_S)] = np.nan
    return clock_s, start, from_start


def _column(values: Iterator[float | None]) -> Floats:
    return np.array([np.nan if one is None else one for one in values])


def _of_day(cell: str) -> float | None:
    match = _OF_DAY.fullmatch(cell)
    if match is None:
        return None
    return (int(match[1]) * 3600 + int(match[2]) * 60
            + float(match[3].replace(",", ".")))


def _by_clock(rr_s: Floats, blank: Bools, name: str, clock_s: Floats,
              start: datetime | None, from_start: bool) -> Placed:
    steps = np.diff(clock_s)
    after, before = (_noise(steps - rr) for rr in (rr_s[1:], rr_s[:-1]))
    if before < after / 2:
        # These times are those of the beats that begin the intervals.
        clock_s, after = clock_s + rr_s, before
    end_s = np.cumsum(rr_s)
    ahead_s = np.where(np.isfinite(clock_s), clock_s - end_s, np.inf)
    rows, lost_s = _losses(ahead_s, blank, rr_s, after)
    shift_s = np.zeros(len(rr_s))
    shift_s[rows] = lost_s
    end_s += np.cumsum(shift_s)
    first_s = float(np.min(ahead_s[:EXACT_ROWS]))
    if not np.isfinite(first_s):
        first_s, start = 0.0, None
    begin_s = end_s - rr_s
    gone = blank | (shift_s > 0)
    lost = np.column_stack([
        np.append(begin_s[0], end_s[:-1]), np.where(blank, end_s, begin_s)])
    seen = np.flatnonzero(gone & ~blank)
    time_s = np.append(begin_s[0], np.insert(end_s, seen, begin_s[seen]))
    known = np.flatnonzero(np.isfinite(ahead_s))
    drift_s = float(
        np.min(ahead_s[known[-EXACT_ROWS:]]) - first_s - shift_s.sum())
    problems: tuple[Problem, ...] = ()
    if abs(drift_s) > max(DRIFT_S, 3 * after):
        problems = (Problem(
            "beats.clock", "warning", f"the clock '{name}' is "
            f"{abs(drift_s):.3g} s {'ahead of' if drift_s > 0 else 'behind'} "
            "the intervals at the end of the recording; the intervals are "
            "used"),)
    late_s = first_s - begin_s[0] if from_start and first_s >= 0 else 0.0
    if start is not None:
        start = (start + timedelta(seconds=first_s)
                 if abs(first_s) < LONGEST_S else None)
    return Placed(time_s + late_s, lost[gone] + late_s, start, problems)


def _noise(late_s: Floats) -> float:
    known = np.abs(late_s[np.isfinite(late_s)])
    return float(np.median(known)) if known.size else np.inf


def _losses(ahead_s: Floats, blank: Bools, rr_s: Floats,
            noise_s: float) -> tuple[list[int], list[float]]:
    """Rows before which time was lost, and how much."""
    exact = noise_s <= EXACT_S
    width = min(EXACT_ROWS if exact else ROWS, len(ahead_s))
    padded = np.pad(ahead_s, width, constant_values=np.inf)
    least = np.lib.stride_tricks.sliding_window_view(padded, width).min(
        axis=1)
    # A time may be late but not early, so the least of some rows is right.
    behind, onwards = least[:len(ahead_s)], least[width:-1]
    known = np.isfinite(behind) & np.isfinite(onwards)
    steps = np.zeros(len(ahead_s))
    np.subtract(onwards, behind, out=steps, where=known)
    # Near both ends the least is that of few rows.
    usual_s = noise_s if exact else _noise(
        np.where(known, steps, np.nan)[width:1 - width])
    limit_s = (max(LOST_MIN_S, 8 * usual_s) if exact
               else max(LOST_MIN_COARSE_S, 8 * usual_s, 2 * noise_s))
    if limit_s > LOST_MIN_MAX_S:
        return [], []
    rows: list[int] = []
    lost: list[float] = []
    last = 0
    for row in np.flatnonzero(known & ((steps > limit_s) | blank)).tolist():
        step_s = float(onwards[row] - ahead_s[
            max(last, row - width):row].min())
        # With few rows left, or before a loss, a time may just be late.
        near = onwards[row:row + 2 * EXACT_ROWS]
        sure = exact or (len(ahead_s) - row >= width // 2 and np.max(
            near[np.isfinite(near)]) <= onwards[row] + limit_s)
        if blank[row] and np.isfinite(step_s):
            step_s = max(step_s, LOST_MIN_S - rr_s[row])
        elif not sure or not limit_s < step_s < np.inf:
            continue
        rows.append(row)
        lost.append(step_s)
        last = row
    return rows, lost
