"""Where a text has its beats: the column, its unit, and the first row."""
# A text without names is read only if its numbers can be nothing but
# intervals: one column of them, or their times and they.

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from aura import state
from aura.dataset import beat_clock
from aura.recording import Floats

BEATS, RR = "beats", "rr"
# No heart has a median outside: 20 to 250 beats per minute.
MEDIAN_S = (0.24, 3.0)
HEAD_BYTES = 32768
SEPARATORS = (",", ";", "\t", "|")
NUMBER = re.compile(r"[+-]?\d{1,12}(?:[.,]\d{0,20})?", re.ASCII)
# Fewer numbers without a name may be anything.
PLAIN_ROWS = 20
PLAIN_SHARE = 0.9
# Times and intervals of a text without names agree to this.
AGREE_S = 0.05
_SECTION = "rr interval data"
_SECTION_ROWS = 6
_UNITS_S = {"ms": 1e-3, "s": 1.0, "any": None}
_UNIT_CELL = re.compile(r"\s*(?:[(\[].*[)\]])?\s*")
_TABLES: dict[str, dict[str, str]] = state.beside(
    __file__, "beat_columns.toml")
# Form, unit, and a name with another in brackets that has to be there too.
_COLUMNS = [(form, _UNITS_S[unit], *name.strip(" )").partition(" (")[::2])
            for form, units in _TABLES.items()
            for unit, names in units.items()
            for name in names.replace("\n", " ").split(",")]


@dataclass(frozen=True)
class Layout:
    """How a text with beats is to be read."""

    names: list[str]  # Of the columns, in lower case
    place: int  # Which of them has the beats
    form: str  # ``beats`` for beat times, ``rr`` for intervals
    unit_s: float
    separator: str = ","
    skipped: int = 0  # Lines before the first row
    guessed: bool = False  # Whether only the numbers tell the unit
    section: bool = False  # Whether other columns may have more rows

    @property
    def name(self) -> str:
        """The column with the beats."""
        return self.names[self.place]


def layout_of(text: str) -> Layout | None:
    """How to read a text, by its begin; None if it holds no beats."""
    lines = list(io.StringIO(text[:HEAD_BYTES], newline=None))
    if len(text) > HEAD_BYTES:
        lines.pop()
    first = next((at for at, line in enumerate(lines)
                  if not line.startswith(("#", "%"))), 0)
    titles = [at for at, line in enumerate(lines)
              if line.strip(' ",;\t\n').lower().startswith(_SECTION)]
    for at in range(titles[0] + 1, titles[0] + _SECTION_ROWS) if titles else (
            first,):
        for separator in SEPARATORS:
            found = _below(lines, at, separator, bool(titles))
            if found is not None:
                return found
    if titles:
        raise state.error("beats.header/report")
    return _plain(lines, first)


def key_of(name: str) -> str:
    """A name as ``beat_columns.toml`` has it."""
    return " ".join(re.findall(r"[^\W_]+", name.lower()))


def _below(lines: Sequence[str], at: int, separator: str,
           section: bool) -> Layout | None:
    """The layout if this line names a column of beats."""
    names = [cell.strip().strip('"').lower()
             for cell in "".join(lines[at:at + 1]).split(separator)]
    units = "".join(lines[at + 1:at + 2]).split(separator)
    if any(map(str.strip, units)) and all(map(_UNIT_CELL.fullmatch, units)):
        # Kubios HRV has units in a line of their own.
        names = [f"{name} {unit.strip()}".strip()
                 for name, unit in zip_longest(names, units, fillvalue="")]
        at += 1
    keys = [key_of(name) for name in names]
    for form, unit_s, key, other in _COLUMNS:
        if keys.count(key) != 1 or other and other not in keys:
            continue
        place = keys.index(key)
        if separator == "," and re.search("[;\t|]", names[place]):
            continue  # These names have another separator.
        guessed = unit_s is None
        if unit_s is None:
            cells = [line.split(separator)[place:place + 1]
                     for line in lines[at + 1:]]
            unit_s = _unit(_numbers(cell for row in cells for cell in row))
        if unit_s is not None:
            return Layout(names, place, form, unit_s, separator, at + 1,
                          guessed, section)
    return None


def _plain(lines: Sequence[str], first: int) -> Layout | None:
    """The layout of numbers without names, if they must be intervals."""
    rows = [line.strip() for line in lines[first:]]
    while rows and not rows[-1]:
        rows.pop()
    if len(rows) < PLAIN_ROWS or not NUMBER.match(rows[0]):
        return None
    for separator in ("", *SEPARATORS, " "):
        cells = [row.split(None if separator == " " else separator)
                 if separator else [row] for row in rows]
        width = 2 if separator else 1
        if any(len(row) != width or not NUMBER.fullmatch(row[-1].strip())
               for row in cells):
            continue
        clock = width == 2 and all(
            beat_clock.CELL.fullmatch(row[0].strip()) for row in cells)
        if not clock and not all(NUMBER.fullmatch(row[0].strip())
                                 for row in cells):
            continue
        values = _numbers(row[-1] for row in cells)
        unit_s = _unit(values)
        if unit_s is None or not _beating(values * unit_s):
            continue
        if not separator and unit_s < 1 and any("," in row for row in rows):
            # 812,845 may be two numbers.
            continue
        names = ["time", "rr"][-width:]
        if width == 1 or clock or _agree(
                _numbers(row[0] for row in cells), values * unit_s):
            return Layout(names, width - 1, RR, unit_s, separator or ",",
                          first, guessed=True)
    return None


def _numbers(cells: Iterable[str]) -> Floats:
    return np.array([float(cell.strip(' "\n').replace(",", "."))
                     for cell in cells
                     if NUMBER.fullmatch(cell.strip(' "\n'))])


def _unit(values: Floats) -> float | None:
    """The only unit in which these can be intervals."""
    values = values[values > 0]
    low, high = MEDIAN_S
    return next((unit for unit in (1e-3, 1.0) if values.size
                 and low <= np.median(values) * unit <= high
                 # Labels and stages are small whole numbers too.
                 and (unit < 1.0 or np.any(values % 1))), None)


def _beating(rr_s: Floats) -> bool:
    """Whether numbers go up and down as intervals do, not as times."""
    steps = np.diff(rr_s)
    low, high = MEDIAN_S
    return bool(np.any(steps > 0) and np.any(steps < 0) and np.mean(
        (rr_s >= low) & (rr_s <= high)) >= PLAIN_SHARE)


def _agree(times: Floats, rr_s: Floats) -> bool:
    steps = np.diff(times)
    return bool(np.all(steps >= 0)) and any(
        np.median(np.abs(steps * unit - rr)) <= AGREE_S
        for unit in (1e-3, 1.0) for rr in (rr_s[1:], rr_s[:-1]))
