"""The tables of a batch, checked where a stage takes one in."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from aura import state
from aura.ecg.features import Feature
from aura.errors import CorruptDataError
from aura.folder import Folder
from aura.stages import tables
from aura.stages.manifest import Manifest
from aura.stages.tables import Columns

RULES: Mapping[str, Any] = state.beside(__file__)
ANY = "*"
KEYS = ("recording", "time_s")
WINDOW = "window of "  # Before a feature's name in the metadata
# A smoothed score may be above 1 by rounding.
ROUNDING = 1e-9
# Rows are at multiples of the hop, and beats inside the recording.
TOLERANCE = 1e-3


@dataclass
class Checked:
    """A table of a batch whose rows are known to be sound."""

    folder: Folder
    path: str
    kind: str
    batch: Manifest
    # Columns that were checked; all if it is empty or has `ANY`.
    wanted: tuple[str, ...]
    head: Columns = Columns({})  # Names, units and metadata, no rows
    count: int = 0  # Rows
    in_order: bool = True

    def each(self, names: tuple[str, ...] = ()) -> Iterator[Columns]:
        """Yield the rows of each recording, in the order of the manifest."""
        parts = self.parts(names or self.wanted)
        if not self.in_order:
            table = tables.joined([*parts])
            parts = iter([table.rows(np.lexsort((
                table.values["time_s"], table.values["recording"])))])
        return _split(parts, [number for number, _ in self.batch.recordings])

    def parts(self, names: tuple[str, ...]) -> Iterator[Columns]:
        """Yield the rows as they are stored, in their declared types."""
        rules = RULES[self.kind]["columns"]
        with self.folder.open(self.path) as stream:
            for part in tables.batches(stream, () if ANY in names else names):
                missing = [name for name in names or rules
                           if name not in (ANY, *part.values)]
                if missing:
                    raise _broken("columns", f"has no column {missing[0]}")
                numbers = part.values["recording"]
                if len(numbers) and not (0 <= numbers.min() and numbers.max()
                                         < len(self.batch.entries)):
                    raise _broken("recording", "has rows of a recording that "
                                  "the manifest does not have")
                yield replace(part, values={
                    name: _checked(name, column,
                                   rules.get(name) or rules.get(ANY))
                    for name, column in part.values.items()})

    def times(self) -> Iterator[Columns]:
        """Yield the keys of all rows; note head, number and order of rows."""
        last = np.empty((2, 0))
        for part in self.parts(self.wanted):
            self.head = part.rows(slice(0))
            self.count += len(part)
            narrow = {name: part.values[name] for name in KEYS}
            now = np.column_stack([last, [*narrow.values()]])
            step, later = np.diff(now[0]), np.diff(now[1]) > 0
            self.in_order &= bool(np.all((step > 0) | ((step == 0) & later)))
            last = now[:, -1:]
            yield replace(part, values=narrow)


def features_of(table: Columns) -> list[Feature]:
    """The features that a table has, as it describes them."""
    return [Feature(name, table.units[name], table.metadata.get(
        WINDOW + name, "")) for name in table.values
        if name not in RULES["features"]["columns"]]


def check(folder: Folder, path: str, kind: str, batch: Manifest,
          wanted: tuple[str, ...] = ()) -> Checked:
    """Read the table ``kind`` of a batch, or some of its columns, once."""
    table = Checked(folder, path, kind, batch, wanted)
    numbers = [number for number, _ in batch.recordings]
    wrong = _wrong_times(table, _split(table.times(), numbers))
    if not table.in_order:
        wrong = _wrong_times(table, table.each(KEYS))
    if wrong:
        raise wrong
    return table


def _split(parts: Iterator[Columns],
           numbers: Sequence[int]) -> Iterator[Columns]:
    """The rows of each recording, from those of a table in order."""
    held = next(parts)
    for number in numbers:
        pieces = [held]
        while not len(pieces[-1]) or (
                pieces[-1].values["recording"][-1] <= number):
            more = next(parts, None)
            if more is None:
                break
            pieces.append(more)
        yield tables.joined([piece.rows(piece.rows_of(number))
                             for piece in pieces])
        last = pieces[-1]
        held = last.rows(slice(last.rows_of(number).stop, None))
    # The rows of rejected recordings are at the end, and are checked too.
    deque(parts, maxlen=0)


def _checked(name: str, column: np.ndarray,
             rule: Mapping[str, Any] | None) -> np.ndarray:
    """A column in its declared type."""
    if rule is None:
        return column
    if not np.can_cast(column.dtype, rule["type"], "same_kind") or (
            column.dtype == bool) != (rule["type"] == "bool"):
        raise _broken("type", f"has {column.dtype} in the column {name}, "
                      f"where {rule['type']} is allowed")
    if column.dtype.kind == "f":
        odd = ~np.isfinite(column)
        if rule.get("missing"):
            odd &= ~np.isnan(column)
        if odd.any():
            raise _broken("value", f"has a value in the column {name} that "
                          "is not finite")
    low, high = (rule.get(end, default) for end, default in (
        ("low", -np.inf), ("high", np.inf)))
    if np.any((column < low - ROUNDING) | (column > high + ROUNDING)):
        raise _broken("value", f"has a value in the column {name} that is "
                      f"not {low:g} to {high:g}")
    return column.astype(rule["type"], copy=False)


def _wrong_times(table: Checked,
                 rows: Iterator[Columns]) -> CorruptDataError | None:
    """What is wrong, unless each recording has all of its rows once."""
    wrong = None
    for (number, recording), one in zip(
            table.batch.recordings, rows, strict=True):
        time_s, end_s = one.values["time_s"], recording.duration_s
        if RULES[table.kind]["hops"]:
            hop_s = one.number("hop_s")
            if hop_s <= 0:
                raise _broken("metadata",
                              f"has hop_s {hop_s:g}, which is no time")
            hops = time_s / hop_s
            good = abs(len(hops) - end_s / hop_s) <= 1 and np.allclose(
                hops, np.arange(1, len(hops) + 1), 0, TOLERANCE)
            text = f"one every {hop_s:g} s for {end_s:g} s"
        else:
            good = bool(np.all(np.diff(time_s) > 0)) and not np.any(
                (time_s < 0) | (time_s > end_s + TOLERANCE))
            text = "a time twice, or outside the recording"
        if not (good or wrong):
            wrong = _broken("rows", "does not have the rows of recording "
                            f"{number}: {text}")
    return wrong


def _broken(rule: str, text: str) -> CorruptDataError:
    return CorruptDataError(
        f"table.{rule}", f"this table {text}",
        "repeat the run; if another block wrote this table, correct that "
        "block (docs/features.md describes the tables)")
