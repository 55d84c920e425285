"""
Recordings that are only beats: CSV with beat times or RR intervals.

A CSV is what its header says. ``beat_time_s`` are times on the recording's
clock; ``rr_ms`` and ``rr_s`` are intervals one after the other, from the
first beat on; AURA's ``frame,rr_interval`` names the beat that begins each
interval, in samples. Other columns are passed over, but for AURA's
``timestamp``, which dates the recording. Between columns are commas,
semicolons or tabs, as the header has them.
"""

import gzip
import io
import re
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

import numpy as np

from aura.ecg import quality
from aura.errors import (
    CorruptDataError,
    InvalidInputError,
    Problem,
    ResourceError,
)
from aura.recording import Beats, Floats

BEATS, RR = "beats", "rr"
HEAD_BYTES = 4096
BYTES_MAX = 256 * 2**20
DAYS_MAX = 31
# To a microsecond, in the very steps of `aura.ecg.beats.find_beats`.
RESOLUTION_S = 1e-6
# A shorter interval is no interval, whatever the unit.
SHORTEST_S = 1e-4
# No heart has a median outside: 20 to 250 beats per minute.
MEDIAN_S = (0.24, 3.0)
# A beat detector counts in samples, so intervals agree to one of them.
FRAME_TOLERANCE = 1.5

# Columns in the order in which they are looked for; seconds in one unit.
COLUMNS = {"beat_time_s": (BEATS, 1.0), "rr_ms": (RR, 1e-3),
           "rr_s": (RR, 1.0), "rr_interval": (RR, 1e-3)}
# Warnings that are errors in strict mode.
FAULTS = frozenset(("beats.number", "beats.row", "beats.frames"))
_SEPARATORS = (b",", b";", b"\t")
_GZIP = b"\x1f\x8b"
_NUMBER = re.compile(rb"[+-]?\d{1,12}(?:\.\d{0,20})?")
_NUMBERS = re.compile(rb"(?:%s\n)*+" % _NUMBER.pattern)


@dataclass(frozen=True)
class BeatSeries:
    """What a file of beats says."""

    form: str  # ``beats`` for beat times, ``rr`` for intervals
    time_s: Floats  # Times of the beats in seconds, strictly increasing
    # Start of the recording, where the file dates it.
    start: datetime | None = None
    problems: tuple[Problem, ...] = ()  # Warnings

    @property
    def duration_s(self) -> float:
        """Length of the recording: it ends with its last beat."""
        return float(self.time_s[-1])

    def beats(self) -> Beats:
        """The series with its gaps, in which nothing can be scored."""
        return Beats(self.time_s, self.duration_s, gaps(self.time_s))


def form_of(head: bytes) -> str | None:
    """Whether a CSV holds beats, by its header."""
    if head[:2] == _GZIP:
        try:
            head = zlib.decompressobj(31).decompress(head, HEAD_BYTES)
        except zlib.error:
            return None
    names, _ = _head(head.removeprefix(b"\xef\xbb\xbf").split(b"\n")[0])
    return next((form for name, (form, _) in COLUMNS.items()
                 if name in names), None)


def read(stream: BinaryIO) -> BeatSeries:
    """Read an open CSV of beats, packed with gzip or not."""
    rows = _unpacked(stream).removeprefix(b"\xef\xbb\xbf").split(b"\n")
    names, separator = _head(rows[0])
    for name, (form, unit) in COLUMNS.items():
        if names.count(name) == 1:
            break
    else:
        raise InvalidInputError(
            "beats.header", "the first line names no column of beats",
            "name exactly one column " + ", ".join(COLUMNS))
    table = _BeatTable(names, rows[1:], separator)
    values = table.numbers(name)
    if not len(values):
        raise _few(0)
    found: tuple[Problem, ...] = ()
    start = None
    if form == BEATS:
        time_s, found = _in_order(_resolved(values))
    elif name == "rr_interval" and names.count("frame") == 1:
        time_s = _resolved(_by_frame(table.numbers("frame"), values))
        start = table.start(float(time_s[0]))
    else:
        time_s = _resolved(_summed(values * unit))
        start = table.start(0.0)
    _check(time_s, name, unit)
    return BeatSeries(form, time_s, start, (*found, *_gaps(time_s)))


def write(time_s: Floats) -> bytes:
    """Write beat times as ``beat_time_s``, to a microsecond."""
    lines = ["beat_time_s", *(f"{time:.6f}" for time in time_s.tolist())]
    return ("\n".join(lines) + "\n").encode("ascii")


class _BeatTable:
    """Rows of cells under names; blank lines at the end do not count."""

    def __init__(self, names: list[str], rows: list[bytes],
                 separator: bytes) -> None:
        while rows and not rows[-1].strip():
            rows.pop()
        self._names = names
        self._rows = [row.split(separator) for row in rows]
        widths = list(map(len, self._rows))
        if widths.count(len(names)) != len(widths):
            number = next(i for i, width in enumerate(widths)
                          if width != len(names))
            raise InvalidInputError(
                "beats.row", f"row {number + 1} has {widths[number]} cells "
                f"under {len(names)} names", "correct the file; decimals "
                "follow a point, not a comma")

    def numbers(self, name: str) -> Floats:
        """The numbers of a column."""
        place = self._names.index(name)
        cells = [row[place].strip().strip(b'"') for row in self._rows]
        # One look at all of them; only a fault is looked for row by row.
        sound = _NUMBERS.fullmatch(b"\n".join([*cells, b""]))
        for number, cell in enumerate([] if sound else cells, 1):
            if _NUMBER.fullmatch(cell) is None:
                raise InvalidInputError(
                    "beats.number", f"row {number}: '{name}' is "
                    f"{_shown(cell)}, where a plain decimal number with a "
                    "point is allowed", "correct or remove the row")
        return np.array(cells, dtype="S").astype(np.float64) if cells \
            else np.empty(0)

    def start(self, first_s: float) -> datetime | None:
        """Start of the recording by the time of its first row, if dated."""
        if self._names.count("timestamp") != 1 or not self._rows:
            return None
        cell = self._rows[0][self._names.index("timestamp")]
        try:
            moment = datetime.fromisoformat(
                cell.decode("ascii").strip().strip('"'))
        except ValueError:
            return None
        seconds = np.timedelta64(round(first_s * 1e6), "us")
        return moment.replace(tzinfo=None) - seconds.item()


def _resolved(time_s: Floats) -> Floats:
    steps: Floats = np.round(time_s / RESOLUTION_S) * RESOLUTION_S
    return steps


def _head(line: bytes) -> tuple[list[str], bytes]:
    """Names of columns, and the separator by which one is of beats."""
    for separator in _SEPARATORS:
        names = [name.strip().strip('"').lower() for name in
                 line.decode("utf-8", "replace").split(separator.decode())]
        if not COLUMNS.keys().isdisjoint(names):
            return names, separator
    return [], _SEPARATORS[0]


def _unpacked(stream: BinaryIO) -> bytes:
    content = stream.read(BYTES_MAX + 1)
    if content[:2] == _GZIP:
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
                content = packed.read(BYTES_MAX + 1)
        except (OSError, EOFError, zlib.error):
            raise CorruptDataError(
                "beats.gzip", "this file cannot be unpacked: it is cut off "
                "or damaged", "copy it again from its source") from None
    if len(content) > BYTES_MAX:
        raise ResourceError(
            "beats.size", f"this file has more than {BYTES_MAX} bytes",
            "split the recording")
    return content


def _in_order(time_s: Floats) -> tuple[Floats, tuple[Problem, ...]]:
    """Beat times without repetitions; that they never go back is checked."""
    steps = np.diff(time_s)
    if time_s.size and time_s[0] < 0:
        raise InvalidInputError(
            "beats.order", "row 1: the time is negative, before the start "
            "of the recording", "count times from the start")
    back = np.flatnonzero(steps < 0)
    if back.size:
        raise InvalidInputError(
            "beats.order", f"row {back[0] + 2}: the time is before that of "
            "the row above", "sort the rows, or mend the clock")
    again = int(np.count_nonzero(steps == 0))
    if not again:
        return time_s, ()
    return time_s[np.append(True, steps > 0)], (Problem(
        "beats.duplicate", "warning", f"beats that are there twice, used "
        f"once: {again}"),)


def _summed(rr_s: Floats) -> Floats:
    bad = np.flatnonzero(rr_s < SHORTEST_S)
    if bad.size:
        raise InvalidInputError(
            "beats.interval", f"row {bad[0] + 1}: the interval is "
            f"{rr_s[bad[0]]:g} s, where {SHORTEST_S:g} is the least",
            "check the unit, or correct or remove the row")
    return np.concatenate([[0.0], np.cumsum(rr_s)])


def _by_frame(frame: Floats, rr_ms: Floats) -> Floats:
    """Beat times of AURA's table, by the sample that each beat is at."""
    _summed(rr_ms / 1000.0)
    if len(frame) < 2:
        raise _few(len(frame))
    steps = np.diff(frame)
    rate_hz = float(np.median(steps / rr_ms[:-1])) * 1000.0
    if frame[0] < 0 or not rate_hz > 0 or np.any(
            np.abs(steps - rr_ms[:-1] * rate_hz / 1000.0) > FRAME_TOLERANCE):
        raise InvalidInputError(
            "beats.frames", "'frame' and 'rr_interval' do not belong "
            "together: rows are missing, or not in order",
            "remove the column 'frame' if the intervals follow each other")
    time_s = frame / rate_hz
    return np.append(time_s, time_s[-1] + rr_ms[-1] / 1000.0)


def _check(time_s: Floats, name: str, unit: float) -> None:
    if len(time_s) < 2:
        raise _few(len(time_s))
    if time_s[-1] > DAYS_MAX * 86400:
        raise ResourceError(
            "beats.length", f"the beats last {time_s[-1] / 86400:.3g} days; "
            f"up to {DAYS_MAX} are read", "check the unit, or split it")
    median_s = float(np.median(np.diff(time_s)))
    low, high = MEDIAN_S
    if not low <= median_s <= high:
        hint = ""
        for other, factor in (("seconds", 1.0), ("milliseconds", 1e-3)):
            if low <= median_s / unit * factor <= high:
                hint = f"; they look like {other}"
        raise InvalidInputError(
            "beats.unit", f"by the unit of '{name}' the median interval is "
            f"{median_s:.4g} s, where {low:g} to {high:g} is a heart{hint}",
            "name the column by its unit: " + ", ".join(COLUMNS))


def gaps(time_s: Floats) -> Floats:
    """Stretches without a beat that are longer than any heart pauses."""
    before: Floats = np.append(0.0, time_s[:-1])
    wide = time_s - before > quality.MAX_RR_S
    return np.column_stack([before[wide], time_s[wide]])


def _gaps(time_s: Floats) -> tuple[Problem, ...]:
    found = gaps(time_s)
    if not len(found):
        return ()
    return (Problem(
        "beats.gaps", "warning", f"gaps without a beat for more than "
        f"{quality.MAX_RR_S:g} s, in which nothing can be scored: "
        f"{len(found)}, together {np.diff(found).sum():.0f} s"),)


def _few(count: int) -> InvalidInputError:
    return InvalidInputError(
        "beats.few", f"there are fewer than two beats in this file: "
        f"{count}",
        "at least two are needed")


def _shown(cell: bytes) -> str:
    if not cell:
        return "blank"
    text = cell.decode("utf-8", "replace")[:20]
    return f"'{text}'" if text.isprintable() else "some other text"
