"""Recordings that are only beats: texts of beat times or RR intervals."""
# AURA's ``frame`` is the beat that begins each interval, in samples.

import csv
import gzip
import io
import re
import zlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile
from typing import BinaryIO

import numpy as np

from aura import state
from aura.annotations import table_text
from aura.dataset import beat_clock, beat_layout, fit_file
from aura.dataset.beat_clock import Placed
from aura.dataset.beat_layout import BEATS, MEDIAN_S, RR, Layout, layout_of
from aura.ecg import quality
from aura.errors import AuraError, InvalidInputError, Problem, plural
from aura.recording import Beats, Bools, Floats
from aura.spans import union

HEAD_BYTES = beat_layout.HEAD_BYTES + 1
BYTES_MAX = 256 * 2**20
DAYS_MAX = 31
# To a microsecond, in the very steps of `aura.ecg.beats.find_beats`.
RESOLUTION_S = 1e-6
# A shorter interval is no interval, whatever the unit.
SHORTEST_S = 1e-4
# A beat detector counts in samples, so intervals agree to one of them.
FRAME_TOLERANCE = 1.5
# If more intervals do not fit their frames, they belong to other beats.
FRAME_GAPS_MAX = 0.2

NAMES = "beat_time_s, rr_ms, rr_s, rr_interval"
# Warnings that are errors in strict mode.
FAULTS = frozenset(("beats.number", "beats.row", "beats.frames"))
_GZIP = b"\x1f\x8b"
_NUMBER = re.compile(r"[+-]?\d{1,12}(?:\.\d{0,20})?", re.ASCII)
_NUMBERS = re.compile(rf"(?:{_NUMBER.pattern}\n)*+", re.ASCII)


@dataclass(frozen=True)
class BeatSeries:
    """What a file of beats says."""

    form: str  # ``beats`` for beat times, ``rr`` for intervals
    time_s: Floats  # Times of the beats in seconds, strictly increasing
    # Start of the recording, where the file dates it.
    start: datetime | None = None
    problems: tuple[Problem, ...] = ()  # Warnings
    # Further stretches in which beats are missing.
    lost: Floats = field(default_factory=lambda: np.empty((0, 2)))

    @property
    def duration_s(self) -> float:
        """Length of the recording: it ends with its last beat."""
        return float(self.time_s[-1])

    def beats(self) -> Beats:
        """The series with its gaps, in which nothing can be scored."""
        return Beats(self.time_s, self.duration_s,
                     gaps(self.time_s, self.lost))


def form_of(head: bytes) -> str | None:
    """Whether a file holds beats, by its begin."""
    if head[:2] == _GZIP:
        try:
            head = zlib.decompressobj(31).decompress(head, HEAD_BYTES)
        except zlib.error:
            return None
    if fit_file.is_one(head):
        return RR
    try:
        layout = layout_of(_text(head))
    except InvalidInputError:
        return RR  # The reader says what is wrong with it.
    return layout.form if layout else None


def read(stream: BinaryIO) -> BeatSeries:
    """Read an open file of beats, a text packed with gzip or not."""
    content = _unpacked(stream)
    if fit_file.is_one(content):
        rr_s, times = fit_file.read(content)
        return _series(RR, beat_clock.placed(rr_s, [times]), "time", 1.0)
    text = _text(content)
    layout = layout_of(text)
    if layout is None:
        raise state.error("beats.header", names=NAMES)
    table = _BeatTable(layout, text)
    name, form, unit = layout.name, layout.form, layout.unit_s
    values = table.numbers(layout.place)
    if form == RR:
        # No beat follows another at once: such a row holds no interval.
        values[values == 0] = np.nan
    if not np.isfinite(values).any():
        raise _few(0)
    found: tuple[Problem, ...] = ()
    if form == BEATS:
        known = np.isfinite(values)
        time_s, found = _in_order(_resolved(values[known]))
        made = Placed(time_s, _around(values))
    elif name == "rr_interval" and layout.names.count("frame") == 1:
        made = _by_frame(table, values)
    else:
        _check_intervals(values * unit)
        made = beat_clock.placed(values * unit, table.clocks(), table.unsure())
    blank = int(np.isnan(values).sum())
    return _series(form, made, name, unit, (
        *found, *table.problems(blank, made.clock)))


def _series(form: str, made: Placed, name: str, unit: float,
            problems: tuple[Problem, ...] = ()) -> BeatSeries:
    time_s = _resolved(made.time_s)
    _check(time_s, name, unit)
    return BeatSeries(form, time_s, made.start, (
        *problems, *made.problems, *_gaps(time_s, made.lost)), made.lost)


def write(time_s: Floats) -> bytes:
    """Write beat times as ``beat_time_s``, to a microsecond."""
    lines = ["beat_time_s", *(f"{time:.6f}" for time in time_s.tolist())]
    return ("\n".join(lines) + "\n").encode("ascii")


class _BeatTable:
    """Rows of cells under names; blank lines at the end do not count."""

    def __init__(self, layout: Layout, content: str) -> None:
        text = io.StringIO(content, newline=None)
        for _ in range(layout.skipped):
            next(text, "")
        names, place = layout.names, layout.place
        try:
            # With one column there is nothing to separate.
            rows = ([[line.strip(' "\n')] for line in text]
                    if len(names) == 1 else
                    [line.split() for line in text if line.strip()]
                    if layout.separator == " " else
                    [row for row in csv.reader(
                        text, delimiter=layout.separator) if row])
        except csv.Error as error:
            raise state.error("beats.row", error=error) from None
        if layout.section:
            rows = [[*row, *names][:len(names)] for row in takewhile(
                lambda row: "".join(row[place:place + 1]).strip(), rows)]
        while rows and not "".join(rows[-1]).strip():
            rows.pop()
        widths = list(map(len, rows))
        if widths.count(len(names)) != len(widths):
            for number, row in enumerate(rows, 1):
                if len(row) == len(names):
                    continue
                raise state.error(
                    "beats.row/cells", number=number, row=len(row),
                    names=len(names))
        self._layout, self.names, self._rows = layout, names, rows
        self._comma = False

    def numbers(self, place: int) -> Floats:
        """The numbers of a column; NaN where a cell is blank."""
        cells = [row[place].strip() for row in self._rows]
        # One look at all of them; only a fault is looked for row by row.
        if not _NUMBERS.fullmatch("\n".join([*cells, ""])):
            self._comma |= any("," in cell for cell in cells)
            cells = [cell.replace(",", ".") for cell in cells]
            for number, cell in enumerate(cells, 1):
                if cell.lower() in table_text.BLANK:
                    cells[number - 1] = "nan"
                elif _NUMBER.fullmatch(cell) is None:
                    raise state.error(
                        "beats.number", number=number, found=self.names[place],
                        cell=_shown(cell))
        if not cells:
            return np.empty(0)
        return np.fromstring("\n".join(cells), np.float64, sep="\n")

    def clocks(self) -> list[tuple[str, list[str]]]:
        """Columns that may be a clock."""
        return [(other, cells) for place, other in enumerate(self.names)
                for cells in [[row[place].strip() for row in self._rows]]
                if place != self._layout.place and (
                    beat_clock.NAME.search(other)
                    or all(map(beat_clock.CELL.fullmatch, cells[:5])))]

    def unsure(self) -> Bools | None:
        """Which rows Polar marks as recorded without contact."""
        if self.names.count("offline") != 1:
            return None
        return self.numbers(self.names.index("offline")) > 0

    def start(self, first_s: float) -> datetime | None:
        """Start of the recording by the time of its first row, if dated."""
        if self.names.count("timestamp") != 1 or not self._rows:
            return None
        found = beat_clock.moment(self._rows[0][self.names.index("timestamp")])
        return found and found.replace(tzinfo=None) - timedelta(
            microseconds=round(first_s * 1e6))

    def problems(self, blank: int, clock: bool) -> list[Problem]:
        """Warnings about cells that are not plain numbers."""
        found = []
        if self._comma:
            found.append("the decimal mark is a comma")
        if blank:
            found.append(
                f"{plural(blank, 'row')} without a value, where beats are "
                "missing" + ("" if clock else "; the file has no clock, so "
                             "that later beats may have been later still"))
        problems = [Problem("beats.number", "warning", text) for text in found]
        if self._layout.guessed:
            unit = "seconds" if self._layout.unit_s == 1 else "milliseconds"
            problems.append(state.problem("beats.unit/guessed", unit=unit))
        return problems


def _resolved(time_s: Floats) -> Floats:
    steps: Floats = np.round(time_s / RESOLUTION_S) * RESOLUTION_S
    return steps


def _text(content: bytes) -> str:
    return table_text.decoded(content)[0]


def _unpacked(stream: BinaryIO) -> bytes:
    content = stream.read(BYTES_MAX + 1)
    if content[:2] == _GZIP:
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
                content = packed.read(BYTES_MAX + 1)
        except (OSError, EOFError, zlib.error):
            raise state.error("beats.gzip") from None
    if len(content) > BYTES_MAX:
        raise state.error("beats.size", bytes_max=BYTES_MAX)
    return content


def _in_order(time_s: Floats) -> tuple[Floats, tuple[Problem, ...]]:
    """Beat times without repetitions; that they never go back is checked."""
    steps = np.diff(time_s)
    if time_s.size and time_s[0] < 0:
        raise state.error("beats.order/negative")
    back = np.flatnonzero(steps < 0)
    if back.size:
        raise state.error("beats.order/back", found=back[0] + 2)
    again = int(np.count_nonzero(steps == 0))
    if not again:
        return time_s, ()
    return time_s[np.append(True, steps > 0)], (state.problem(
        "beats.duplicate", again=again),)


def _around(values: Floats) -> Floats:
    """The stretch between the values around each blank one."""
    known = np.flatnonzero(np.isfinite(values))
    blank = np.searchsorted(known, np.flatnonzero(np.isnan(values)))
    inside = np.unique(blank[(blank > 0) & (blank < len(known))])
    return np.column_stack([values[known[inside - 1]], values[known[inside]]])


def _check_intervals(rr_s: Floats) -> None:
    bad = np.flatnonzero(rr_s < SHORTEST_S)
    if bad.size:
        raise state.error(
            "beats.interval", found=bad[0] + 1, rr_s=rr_s[bad[0]],
            shortest_s=SHORTEST_S)


def _by_frame(table: _BeatTable, rr_ms: Floats) -> Placed:
    """Beats of AURA's table, by the sample that each beat is at."""
    frame = table.numbers(table.names.index("frame"))
    rr_ms = rr_ms[np.isfinite(frame)]
    frame = frame[np.isfinite(frame)]
    _check_intervals(rr_ms / 1000.0)
    if len(frame) < 2:
        raise _few(len(frame))
    steps = np.diff(frame)
    rate_hz = float(np.nanmedian(steps / rr_ms[:-1])) * 1000.0
    late = steps - rr_ms[:-1] * rate_hz / 1000.0
    gone = ~(np.abs(late) <= FRAME_TOLERANCE)
    if frame[0] < 0 or not rate_hz > 0 or np.any(steps <= 0) or np.any(
            late < -FRAME_TOLERANCE) or np.mean(gone) > FRAME_GAPS_MAX:
        raise state.error("beats.frames")
    time_s = frame / rate_hz
    start = table.start(float(_resolved(time_s[:1])[0]))
    ends_s = time_s + np.nan_to_num(rr_ms) / 1000.0
    lost = np.column_stack([ends_s[:-1], time_s[1:]])[gone]
    seen = np.flatnonzero(gone & np.isfinite(rr_ms[:-1]))
    time_s = np.insert(time_s, seen + 1, ends_s[seen])
    if np.isfinite(rr_ms[-1]):
        time_s = np.append(time_s, ends_s[-1])
    return Placed(time_s, lost, start)


def _check(time_s: Floats, name: str, unit: float) -> None:
    if len(time_s) < 2:
        raise _few(len(time_s))
    if time_s[-1] > DAYS_MAX * 86400:
        raise state.error(
            "beats.length", days=time_s[-1] / 86400, most=DAYS_MAX)
    median_s = float(np.median(np.diff(time_s)))
    low, high = MEDIAN_S
    if not low <= median_s <= high:
        hint = ""
        for other, factor in (("seconds", 1.0), ("milliseconds", 1e-3)):
            if low <= median_s / unit * factor <= high:
                hint = f"; they look like {other}"
        raise state.error(
            "beats.unit", name=name, median_s=median_s, low=low, high=high,
            hint=hint, names=NAMES)


def gaps(time_s: Floats, lost: Floats) -> Floats:
    """Stretches without a beat that are longer than any heart pauses."""
    before: Floats = np.append(0.0, time_s[:-1])
    wide = time_s - before > quality.MAX_RR_S
    found = np.column_stack([before[wide], time_s[wide]])
    if not len(lost):
        return found
    found = np.concatenate([found, lost])
    return union(found[np.argsort(found[:, 0], kind="stable")])


def _gaps(time_s: Floats, lost: Floats) -> tuple[Problem, ...]:
    found = gaps(time_s, lost)
    if not len(found):
        return ()
    why = (" or where the file shows that beats are missing"
           if len(lost) else "")
    return (state.problem(
        "beats.gaps", max_rr_s=quality.MAX_RR_S, why=why, found=len(found),
        found2=np.diff(found).sum()),)


def _few(count: int) -> AuraError:
    return state.error("beats.few", count=count)


def _shown(cell: str) -> str:
    return f"'{cell[:20]}'" if cell.isprintable() else "some other text"
