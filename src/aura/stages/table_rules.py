"""The tables of a batch, checked where a stage takes one in."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from aura import state
from aura.errors import CorruptDataError
from aura.folder import Folder
from aura.stages import tables
from aura.stages.manifest import Manifest
from aura.stages.tables import Columns

RULES: Mapping[str, Any] = state.beside(__file__)
ANY = "*"
# A smoothed score may be above 1 by rounding.
ROUNDING = 1e-9
# Rows are at multiples of the hop, to this part of it; and beats inside the
# recording, to so many seconds.
TOLERANCE = 1e-3


def read(folder: Folder, path: str, kind: str, batch: Manifest,
         wanted: tuple[str, ...] = ()) -> Columns:
    """Read the table ``kind`` of a batch, or some of its columns."""
    rules = RULES[kind]["columns"]
    given = tables.read(folder.read(path), wanted)
    missing = [name for name in rules
               if name != ANY and not (wanted or name in given.values)]
    if missing:
        raise _broken("columns", f"has no column {missing[0]}")
    numbers = given.values["recording"]
    if len(numbers) and not (
            0 <= numbers.min() and numbers.max() < len(batch.entries)):
        raise _broken("recording", "has rows of a recording that the "
                      "manifest does not have")
    table = _in_order(replace(given, values={
        name: _checked(name, column, rules.get(name) or rules.get(ANY))
        for name, column in given.values.items()}))
    _check_times(table, batch, table.number("hop_s")
                 if RULES[kind]["hops"] else None)
    return table


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


def _in_order(table: Columns) -> Columns:
    numbers, time_s = table.values["recording"], table.values["time_s"]
    step, later = np.diff(numbers), np.diff(time_s) > 0
    if np.all((step > 0) | ((step == 0) & later)):
        return table
    order = np.lexsort((time_s, numbers))
    return replace(table, values={
        name: column[order] for name, column in table.values.items()})


def _check_times(table: Columns, batch: Manifest,
                 hop_s: float | None) -> None:
    """Whether each recording has all of its rows, and no row twice."""
    if hop_s is not None and hop_s <= 0:
        raise _broken("metadata", f"has hop_s {hop_s:g}, which is no time")
    for number, recording in batch.recordings:
        time_s = table.values["time_s"][table.rows_of(number)]
        if hop_s is None:
            good = bool(np.all(np.diff(time_s) > 0)) and not np.any(
                (time_s < 0) | (time_s > recording.duration_s + TOLERANCE))
        else:
            hops = time_s / hop_s
            good = abs(len(hops) - recording.duration_s / hop_s) <= 1 and (
                np.allclose(hops, np.arange(1, len(hops) + 1), 0, TOLERANCE))
        if not good:
            raise _broken(
                "rows", f"does not have the rows of recording {number}: " + (
                    "a time twice, or outside the recording"
                    if hop_s is None else f"one every {hop_s:g} s for "
                    f"{recording.duration_s:g} s"))


def _broken(rule: str, text: str) -> CorruptDataError:
    return CorruptDataError(
        f"table.{rule}", f"this table {text}",
        "repeat the run; if another block wrote this table, correct that "
        "block (docs/features.md describes the tables)")
