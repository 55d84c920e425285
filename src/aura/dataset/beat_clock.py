"""The clock of a file of RR intervals: when each interval ended."""
# Their sum passes over time in which none was recorded. A time in some rows
# shows it; it may be late or rounded, so it only places whole stretches.

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from aura import state
from aura.edf.fields import YEARS
from aura.errors import Problem
from aura.recording import Bools, Floats

NAME = re.compile(
    "time|date|clock|stamp|epoch|unix|elapsed|seconds|since|zeit|uhr|datum|"
    "hora|heure|fecha|\u0432\u0440\u0435\u043c|"
    r"\b(?:temp[os]|temps|tijd|tid|czas|cas|ora|orario|aika|ido|zaman|saat|"
    r"minutes?|min)\b|^ts?$|^\d{9,}[.\d]*$")
# Cells that are a time of day or a date, whatever the name of their column.
CELL = re.compile(r"(?:.*[\d .T])?\d{1,2}:\d\d(?:[:.,].*)?")
_NUMBER = re.compile(r"-?\d{1,20}(?:[.,]\d*)?", re.ASCII)
_OF_DAY = re.compile(r"(?:(\d{1,2}):(\d\d):(\d\d(?:[.,]\d+)?)|"
                     r"(\d{1,4}):(\d\d[.,]\d+))(?: *([ap])\.?m\.?)?",
                     re.ASCII | re.I)
_DATE = (r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})|"
         r"(\d{1,2})([-/.])(\d{1,2})\5(\d{4})")
_DAY = re.compile(_DATE, re.ASCII)
_DATED = re.compile(rf"(?:{_DATE})(?:,?[ T]+(.+))?", re.ASCII)
# 3/4/2021 is a day in April or in March.
_EITHER = re.compile(r"\d{1,2}[-/]", re.ASCII)
_ZONE = re.compile(r" (?=[+-]\d\d:?\d\d$)", re.ASCII)
_UNITS_S = (1e-9, 1e-6, 1e-3, 1.0)
_MINUTES = re.compile(r"(?<![a-z])min(?:utes?)?(?![a-z])")
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
# Times that are further from most others are wrong.
FAR_S = 31 * DAY_S
# By so much a time may be before that of the row above.
LATE_S = 2.0
# A blank interval is as long as so many around it.
AROUND = 15


@dataclass(frozen=True)
class Placed:
    """Beats of intervals, and where beats are missing."""

    time_s: Floats
    lost: Floats = field(default_factory=lambda: np.empty((0, 2)))
    start: datetime | None = None
    problems: tuple[Problem, ...] = ()
    clock: bool = True  # Whether the file says when its beats were


@dataclass(frozen=True)
class _RowClock:
    name: str
    time_s: Floats  # NaN where a row has no time that can be used
    start: datetime | None  # The date of 0 s
    from_start: bool = False  # Whether 0 s is the start of the recording
    backwards: bool = False  # Whether the newest row is the first


@dataclass(frozen=True)
class _Intervals:
    """Intervals with a value, and how long blank ones before them took."""

    rr_s: Floats
    blank_s: Floats
    unsure: Bools  # Intervals that pass, but between no beats

    @property
    def end_s(self) -> Floats:
        ends: Floats = np.cumsum(self.rr_s + self.blank_s)
        return ends

    def placed(self, shift_s: Floats) -> tuple[Floats, Floats, Floats]:
        """Beats after so much more time before each row; ends; gaps."""
        end_s = self.end_s + np.cumsum(shift_s)
        begin_s = end_s - self.rr_s
        gone = self.blank_s + shift_s > LOST_MIN_S / 2
        before_s = np.append(0.0, end_s[:-1])
        lost = np.concatenate([
            np.column_stack([before_s, begin_s])[gone],
            np.column_stack([begin_s, end_s])[self.unsure]])
        seen = np.flatnonzero(gone[1:]) + 1
        time_s = np.append(begin_s[0], np.insert(end_s, seen, begin_s[seen]))
        return time_s, end_s, lost


def placed(rr_s: Floats, columns: Sequence[tuple[str, list[str]]],
           unsure: Bools | None = None, turned: bool = False) -> Placed:
    """Place intervals by the best column that is a clock; NaN is a gap."""
    kept = np.isfinite(rr_s)
    if unsure is None:
        unsure = np.zeros(len(rr_s), bool)
    intervals = _Intervals(rr_s[kept], _blanks(rr_s), unsure[kept])
    found = [(name, _clock(name, cells, _days(columns), intervals.end_s[-1]))
             for name, cells in columns if len(set(cells)) > 1]
    clocks = [replace(clock, time_s=clock.time_s[kept]) for _, clock in found
              if clock is not None and not clock.backwards
              and np.isfinite(clock.time_s[kept]).any()]
    for _, clock in found:
        if clock is not None and clock.backwards and not (clocks or turned):
            return _reversed(rr_s, columns, unsure, clock)
    if clocks:
        # A sum of the intervals does not show what was lost.
        return _by_clock(intervals, min(clocks, key=lambda one: (
            _is_sum(one, intervals), one.start is None)))
    time_s, _, lost = intervals.placed(np.zeros(len(intervals.rr_s)))
    return Placed(time_s, lost, None, tuple(state.problem(
        "beats.clock", name=name) for name, _ in found[:1]),
        clock=False)


def moment(cell: str, month_first: bool = False) -> datetime | None:
    """A date with its time of day, if it is plausible."""
    text = _ZONE.sub("", cell.strip())
    match = _DATED.fullmatch(text)
    with contextlib.suppress(ValueError):
        if match is None or match[1] and "-" in text:
            found = datetime.fromisoformat(text)
        else:
            year, month, day, first, point, second, late, rest = match.groups(
                "")
            if first:
                day, month = (second, first) if (
                    month_first and point != ".") else (first, second)
            of_day_s = _of_day(rest) if rest else 0.0
            if of_day_s is None:
                return None
            found = datetime(int(year or late), int(month), int(
                day)) + timedelta(seconds=of_day_s)
        return found if found.year in YEARS else None
    return None


def _dates(cells: Sequence[str]) -> tuple[list[datetime | None], bool]:
    """Dates, and whether it is known which number of them is the month."""
    day_first = [moment(cell) for cell in cells]
    if not any(map(_EITHER.match, cells)):
        return day_first, True
    month_first = [moment(cell, month_first=True) for cell in cells]
    count, other = (sum(map(bool, one)) for one in (day_first, month_first))
    return (day_first if count >= other else month_first,
            count != other or day_first == month_first)


def _blanks(rr_s: Floats) -> Floats:
    """How long blank intervals took before each one with a value."""
    kept = np.flatnonzero(np.isfinite(rr_s))
    counts = np.diff(kept, prepend=-1) - 1
    blank_s = np.zeros(len(kept))
    for row in np.flatnonzero(counts):
        around = rr_s[kept[max(0, row - AROUND):row + AROUND]]
        blank_s[row] = counts[row] * np.median(around)
    return blank_s


def _days(columns: Sequence[tuple[str, list[str]]]) -> tuple[
        list[datetime | None], bool]:
    """The day of each row, if a column has days without times."""
    for _, cells in columns:
        if any(cells) and all(
                not cell or _DAY.fullmatch(cell) for cell in cells):
            return _dates(cells)
    return [], False


def _clock(name: str, cells: Sequence[str],
           days: tuple[list[datetime | None], bool], sum_s: float) -> (
               _RowClock | None):
    """A column as a clock, if its times fit the sum of the intervals."""
    start, numeric = None, any(map(_NUMBER.fullmatch, cells))
    if numeric:
        values = _column(float(cell.replace(",", "."))
                         if _NUMBER.fullmatch(cell) else None
                         for cell in cells)
        minutes = (60.0,) if _MINUTES.search(name) else ()
        unit = next((unit for unit in minutes or _UNITS_S
                     if _spans(values * unit, sum_s)), None)
        if unit is None:
            return None
        clock_s = values * unit
        begin_s = float(np.nanmedian(clock_s))
        if 1980 <= 1970 + begin_s / (365.25 * DAY_S) < YEARS.stop:
            start = _EPOCH
    elif any(map(_OF_DAY.fullmatch, cells)):
        clock_s, start = _times_of_day(cells, days)
    else:
        clock_s, start = _moments(cells)
    if not _spans(clock_s, sum_s):
        return None
    clock_s[np.abs(clock_s - np.nanmedian(clock_s)) > FAR_S] = np.nan
    times = clock_s[np.isfinite(clock_s)]
    steps = np.diff(times)
    backwards = bool(np.sum(steps < 0) > 9 * np.sum(steps > 0))
    if (len(times) < min(EXACT_ROWS, len(cells) / 2)
            or len(times) < sum(map(bool, cells)) / 2
            or np.mean(steps * (-1 if backwards else 1) > -LATE_S) < 0.9):
        return None
    # One time that is too early would look like a loss after it.
    before, now, after = clock_s[:-2], clock_s[1:-1], clock_s[2:]
    now[(now < before - LATE_S) & (after >= before - LATE_S)] = np.nan
    return _RowClock(name, clock_s, start, numeric and (
        0 <= times[0] < BEGIN_MAX_S), backwards)


def _spans(times_s: Floats, sum_s: float) -> bool:
    """Whether half of the times last for a quarter of the intervals."""
    known = times_s[np.isfinite(times_s)]
    return bool(known.size) and bool(
        np.ptp(np.percentile(known, (25, 75))) > sum_s / 4)


def _column(values: Iterator[float | None]) -> Floats:
    return np.array([np.nan if one is None else one for one in values])


def _times_of_day(cells: Sequence[str],
                  of_rows: tuple[list[datetime | None], bool]) -> tuple[
                      Floats, datetime | None]:
    """Seconds after midnight of the first day, and that midnight."""
    clock_s = _column(_of_day(cell) for cell in cells)
    days, known = of_rows
    first = next((day for day in days if day), None)
    start = first if known else None
    if first is not None and len(set(days)) > 1:
        return clock_s + _column((day - first).total_seconds() if day
                                 else None for day in days), start
    timed = np.isfinite(clock_s)
    back = np.append(0.0, np.diff(clock_s[timed])) < -DAY_S / 2
    clock_s[timed] += np.cumsum(back) * DAY_S
    return clock_s, start


def _of_day(cell: str) -> float | None:
    match = _OF_DAY.fullmatch(cell)
    if match is None:
        return None
    # Without hours there have to be decimals: 10:20 may be a time of day.
    hours, minutes, seconds = (
        match[1] or "0", match[2] or match[4], match[3] or match[5])
    if match[6]:
        hours = str(int(hours) % 12 + 12 * (match[6] in "pP"))
    return (int(hours) * 3600 + int(minutes) * 60
            + float(seconds.replace(",", ".")))


def _moments(cells: Sequence[str]) -> tuple[Floats, datetime | None]:
    """Seconds after the first date, and that date unless it is a guess."""
    moments, known = _dates(["" if _DAY.fullmatch(cell) else cell
                             for cell in cells])
    first = next((one for one in moments if one), None)
    if first is None:
        return np.full(len(cells), np.nan), None
    zoned = first.tzinfo is not None
    return _column(
        (one - first).total_seconds()
        if one and (one.tzinfo is not None) == zoned else None
        for one in moments), first.replace(tzinfo=None) if known else None


def _reversed(rr_s: Floats, columns: Sequence[tuple[str, list[str]]],
              unsure: Bools, clock: _RowClock) -> Placed:
    """Place intervals whose newest row is the first."""
    text = f"by the clock '{clock.name}' the newest row is the first"
    if clock.start is None and clock.from_start:
        raise state.error("beats.order/down", text=text)
    made = placed(rr_s[::-1], [(name, cells[::-1]) for name, cells in
                               columns], unsure[::-1], turned=True)
    return replace(made, problems=(*made.problems, state.problem(
        "beats.order/turned", text=text)))


def _is_sum(clock: _RowClock, intervals: _Intervals) -> bool:
    """Whether a clock is a sum of the intervals, rounded."""
    known = np.isfinite(clock.time_s)
    whole = not np.any(clock.time_s[known] % 1)
    ahead_s = clock.time_s - np.cumsum(intervals.rr_s)
    return any(bool(np.ptp(late[known]) < (1.01 if whole else 0.011))
               for late in (ahead_s, ahead_s + intervals.rr_s))


def _by_clock(intervals: _Intervals, clock: _RowClock) -> Placed:
    if informed := not (intervals.blank_s.any()
                        and _is_sum(clock, intervals)):
        clock_s = clock.time_s
    else:
        clock_s = clock.time_s + np.cumsum(intervals.blank_s)
    ahead_s = clock_s - intervals.end_s
    rows = np.flatnonzero(np.isfinite(ahead_s))
    after, before = (_noise(np.diff(late_s[rows])) for late_s in (
        ahead_s, ahead_s + intervals.rr_s))
    if before < after / 2:
        # These times are those of the beats that begin the intervals.
        ahead_s, after = ahead_s + intervals.rr_s, before
    # The first or last time alone shows no loss; it may just be wrong.
    odd = np.abs(np.diff(ahead_s[rows])) > LATE_S
    if len(rows) > EXACT_ROWS:
        rows = rows[int(odd[0]):len(rows) - int(odd[-1])]
    shift_s, begun = _shifts(ahead_s, rows, intervals.blank_s, after)
    time_s, end_s, lost = intervals.placed(shift_s)
    # Between two times it is not known where time was lost.
    sparse = np.array([
        (end_s[row], end_s[then] - intervals.rr_s[then])
        for row, then in begun], float).reshape(-1, 2)
    lost = np.concatenate([lost, sparse])
    ahead_s = ahead_s[rows] - np.cumsum(shift_s)[rows]
    first_s = float(np.min(ahead_s[:EXACT_ROWS]))
    drift_s = float(np.min(ahead_s[-EXACT_ROWS:])) - first_s
    problems: tuple[Problem, ...] = ()
    if abs(drift_s) > max(DRIFT_S, 3 * after):
        problems = (state.problem(
            "beats.clock/drift", name=clock.name, drift_s=abs(drift_s),
            side="ahead of" if drift_s > 0 else "behind"),)
    late_s = first_s if clock.from_start and first_s >= 0 else 0.0
    start = clock.start
    if start is not None:
        start = (start + timedelta(seconds=first_s)
                 if abs(first_s) < LONGEST_S else None)
    return Placed(time_s + late_s, lost + late_s, start, problems, informed)


def _shifts(ahead_s: Floats, rows: NDArray[np.intp], blank_s: Floats,
            noise_s: float) -> tuple[Floats, list[tuple[int, int]]]:
    """Time lost before each row, and the rows with times around it."""
    passed_s = np.append(0.0, np.cumsum(blank_s))
    blanks = np.diff(passed_s[rows + 1], prepend=0.0)
    shift_s, around = np.zeros(len(ahead_s)), []
    for at, lost_s in _losses(ahead_s[rows], blanks, noise_s):
        last, row = int(rows[at - 1]), int(rows[at])
        empty = np.flatnonzero(blank_s[last + 1:row + 1])
        shift_s[last + 1 + empty[0] if empty.size else row] += lost_s
        if row > last + 1:
            around.append((last, row))
    return shift_s, around


def _noise(late_s: Floats) -> float:
    known = np.abs(late_s[np.isfinite(late_s)])
    return float(np.median(known)) if known.size else np.inf


def _losses(ahead_s: Floats, blank_s: Floats,
            noise_s: float) -> Iterator[tuple[int, float]]:
    """Yield rows before which time was lost, and how much."""
    exact = noise_s <= EXACT_S
    width = min(EXACT_ROWS if exact else ROWS, len(ahead_s))
    padded = np.pad(ahead_s, width, constant_values=np.inf)
    least = np.lib.stride_tricks.sliding_window_view(padded, width).min(axis=1)
    # A time may be late but not early, so the least of some rows is right.
    behind, onwards = least[:len(ahead_s)], least[width:-1]
    known = np.isfinite(behind)
    steps = np.zeros(len(ahead_s))
    np.subtract(onwards, behind, out=steps, where=known)
    # Near both ends the least is that of few rows.
    usual_s = noise_s if exact or len(ahead_s) <= 2 * width else _noise(
        np.where(known, steps, np.nan)[width:1 - width])
    limit_s = (max(LOST_MIN_S, 8 * usual_s) if exact
               else max(LOST_MIN_COARSE_S, 8 * usual_s, 2 * noise_s))
    if limit_s > LOST_MIN_MAX_S:
        return
    blank = blank_s > 0
    stops = np.append(np.flatnonzero(blank), len(ahead_s))
    last = 0
    for row in np.flatnonzero(known & ((steps > limit_s) | blank)).tolist():
        # A blank interval may have been shorter than those around it.
        stop = stops[np.searchsorted(stops, row, "right")] if exact else None
        step_s = float(ahead_s[row:row + width][:stop and stop - row].min()
                       - ahead_s[max(last, row - width):row].min())
        # With few rows left, or before a loss, a time may just be late.
        near = onwards[row:row + 2 * EXACT_ROWS]
        sure = exact or (len(ahead_s) - row >= width // 2 and np.max(
            near) <= onwards[row] + limit_s)
        if blank[row] and (exact or abs(step_s) > limit_s):
            # A row without a value in which no time passed is no gap.
            step_s = max(step_s, -blank_s[row])
            if step_s < LOST_MIN_S - blank_s[row]:
                step_s = -blank_s[row]
        elif not sure or not limit_s < step_s:
            continue
        last = row
        yield row, step_s
