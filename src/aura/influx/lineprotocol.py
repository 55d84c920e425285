"""
Points as InfluxDB line protocol, many rows at a time.

A row becomes one line, ``measurement,tags fields time``. Numbers come back
bit for bit. What the format cannot express is replaced by a stable rule, so
that the same data always give the same points: InfluxDB knows a point by
measurement, tags and time, and a repeated write must change nothing.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aura.influx.digits import (
    FLOAT_WIDTH,
    INTEGER_WIDTH,
    Cells,
    Integers,
    float_cells,
    integer_cells,
)
from aura.errors import InvalidInputError
from aura.recording import Bools

# One more or less is kept by InfluxDB for itself: 1677-09-21 to 2262-04-11.
FIRST_NS, LAST_NS = -2 ** 63 + 2, 2 ** 63 - 2
VALUES_AT_ONCE = 16_384
BYTES_AT_ONCE = 4 * 2 ** 20
# Once glibc has seen a block of this size come and go, it no longer returns
# each freed array to the system, which would double the time of encoding.
LARGE_BLOCK = 16 * 2 ** 20

# A backslash at the end would escape what follows, and cannot be escaped.
LAST_BACKSLASH = "\N{FULLWIDTH REVERSE SOLIDUS}"
CONTROLS = str.maketrans({"\0": "\N{REPLACEMENT CHARACTER}",
                          "\n": "\\n", "\r": "\\r", "\t": "\\t"})
COMMA, BLANK = b", "

Column = NDArray[Any]
Fields = Mapping[str, Column]


def encode(measurement: str, tags: Mapping[str, str], time_ns: Integers,
           fields: Fields) -> bytes:
    """
    Write rows of one series as line protocol.

    Parameters
    ----------
    measurement : str
        Name of the measurement.
    tags : mapping of str to str
        Tags of the series. Those with an empty value are left out, the
        others are sorted by name.
    time_ns : ndarray of int64, shape (n,)
        Nanoseconds since 1970, which may be negative.
    fields : mapping of str to ndarray, shape (n,)
        Columns of floats, integers, bools or strings. NaN, infinity and
        None are left out; a row with nothing left is no line.

    Returns
    -------
    bytes
        UTF-8, each line with its newline; empty where no row is left.

    Raises
    ------
    InvalidInputError
        ``line.name``: a name is empty, starts with ``#`` or ``_``, or is
        ``time``. ``line.time``: a time is no int64 or beyond the years 1677
        to 2262. ``line.field``: a column is of another length or type.
    """
    return b"".join(encode_pieces(measurement, tags, time_ns, fields))


def encode_pieces(measurement: str, tags: Mapping[str, str],
                  time_ns: Integers, fields: Fields) -> Iterator[bytes]:
    """
    Yield what `encode` returns in pieces of some thousand values.

    Everything is checked before the first piece.
    """
    head = _head(measurement, tags)
    _check_time(time_ns)
    columns = {_name(name, "field"): _checked(name, column, len(time_ns))
               for name, column in fields.items()}
    blocks = _blocks(columns)
    np.empty(LARGE_BLOCK, np.uint8)
    width = sum(block.width * len(block.columns) for block in blocks)
    step = max(1, min(VALUES_AT_ONCE // max(len(columns), 1),
                      BYTES_AT_ONCE // (len(head) + width + 24)))
    for start in range(0, len(time_ns), step):
        text = _lines(head, time_ns, blocks, slice(start, start + step))
        if text:
            yield text


@dataclass(frozen=True)
class _Block:
    """Neighbouring columns of one type, which are written together."""

    names: Cells
    columns: tuple[Column, ...]
    cell_width: int

    @property
    def width(self) -> int:
        """Bytes for separator, name, equals sign and value."""
        return int(self.names.shape[1]) + self.cell_width


def _blocks(columns: Mapping[bytes, Column]) -> list[_Block]:
    blocks = []
    for (kind, number), group in groupby(
            enumerate(columns.items()),
            # Floats of one type go together, any other column alone.
            lambda entry: (entry[1][1].dtype, 0 if entry[1][1].dtype.kind
                           == "f" else entry[0])):
        entries = [entry for _, entry in group]
        names = np.array([b"," + name + b"=" for name, _ in entries])
        values = tuple(column for _, column in entries)
        blocks.append(_Block(_as_cells(names), values,
                             _cell_width(values[0])))
    return blocks


def _lines(head: bytes, time_ns: Integers, blocks: list[_Block],
           rows: slice) -> bytes:
    """Lines of some rows: cells side by side, all NULs dropped."""
    time_cells = integer_cells(time_ns[rows])
    count = len(time_cells)
    begun = np.zeros((count, 1), np.bool_)
    parts = [np.broadcast_to(np.frombuffer(head, np.uint8),
                             (count, len(head)))]
    for block in blocks:
        values = np.stack([column[rows] for column in block.columns], axis=1)
        present = _present(values)
        cells = np.empty((*present.shape, block.width), np.uint8)
        name_width = block.names.shape[1]
        cells[:, :, :name_width] = block.names
        cells[:, :, name_width:] = _cells(values, present, block.cell_width)
        if present.all():
            cells[:, :1, 0] = np.where(begun, COMMA, BLANK)
            begun[:] = True
        else:
            before = np.logical_or.accumulate(
                np.concatenate([begun, present], axis=1), axis=1)
            cells[:, :, 0] = np.where(before[:, :-1], COMMA, BLANK)
            cells *= present[:, :, None]
            begun = before[:, -1:]
        parts.append(cells.reshape(count, -1))
    parts += [np.full((count, 1), BLANK, np.uint8), time_cells,
              np.full((count, 1), ord("\n"), np.uint8)]
    table = np.concatenate(parts, axis=1)
    if not begun.all():
        table = table[begun[:, 0]]
    return table.tobytes().translate(None, b"\0")


def _cells(values: Column, present: Bools, width: int) -> Cells:
    """Text of values; of what is not present, it may be anything."""
    flat = values.ravel()
    if values.dtype.kind == "f":
        kept = np.where(present.ravel(), flat, flat.dtype.type(1))
        cells = float_cells(kept)
    elif values.dtype.kind == "i":
        cells = np.full((len(flat), width), ord("i"), np.uint8)
        cells[:, :-1] = integer_cells(flat)
    elif values.dtype.kind == "b":
        cells = _as_cells(np.where(flat, b"true", b"false"))
    else:
        texts = [b"" if value is None else _quoted(value) for value in flat]
        cells = _as_cells(np.array(texts, f"S{width}"))
    return cells.reshape(*values.shape, width)


def _cell_width(column: Column) -> int:
    """Bytes that the text of any value of a column fits in."""
    widths = {"f": FLOAT_WIDTH, "i": INTEGER_WIDTH + 1, "b": 5}
    if column.dtype.kind in widths:
        return widths[column.dtype.kind]
    return max((len(_quoted(value)) for value in column
                if value is not None), default=1)


def _as_cells(texts: NDArray[np.bytes_]) -> Cells:
    width = texts.dtype.itemsize
    return np.frombuffer(texts.tobytes(), np.uint8).reshape(
        len(texts), width)


def _present(values: Column) -> Bools:
    if values.dtype.kind == "f":
        finite: Bools = np.isfinite(values)
        return finite
    if values.dtype == object:
        given = [value is not None for value in values.ravel()]
        return np.array(given, np.bool_).reshape(values.shape)
    return np.ones(values.shape, np.bool_)


def _checked(name: str, column: Column, count: int) -> Column:
    """A column as float64, float32, int64, bool, or object of strings."""
    if column.shape != (count,):
        raise _bad_field(name, f"has the shape {column.shape}, "
                         f"the times have {count} rows")
    kind = column.dtype.kind
    if kind == "b" or column.dtype in (np.float64, np.float32):
        return column
    if kind == "f" and column.dtype.itemsize < 4:
        return column.astype(np.float32)
    if kind in "iu":
        if kind == "u" and count and column.max() > 2 ** 63 - 1:
            raise _bad_field(name, "has an integer above 2**63 - 1")
        return column.astype(np.int64)
    if kind in "UO":
        column = column.astype(object)
        if all(value is None or isinstance(value, str) for value in column):
            return column
    raise _bad_field(
        name, f"is of the type {column.dtype}, not of floats, integers, "
        "bools or strings")


def _bad_field(name: str, text: str) -> InvalidInputError:
    return InvalidInputError("line.field", f"the field {name!r} {text}")


def _check_time(time_ns: Integers) -> None:
    if time_ns.dtype != np.int64 or time_ns.ndim != 1:
        raise InvalidInputError(
            "line.time", f"times of the type {time_ns.dtype} were given",
            "give one row of int64 nanoseconds since 1970")
    if len(time_ns) and not (FIRST_NS <= time_ns.min()
                             and time_ns.max() <= LAST_NS):
        raise InvalidInputError(
            "line.time", "a time is not between the years 1677 and 2262",
            "look at the start date of the recording")


def _head(measurement: str, tags: Mapping[str, str]) -> bytes:
    parts = [_name(measurement, "measurement", escaped=", ")]
    for name in sorted(tags):
        if tags[name]:
            parts.append(_name(name, "tag") + b"=" + _key(tags[name]))
    return b",".join(parts)


def _name(text: str, what: str, escaped: str = ",= ") -> bytes:
    if not text or text[0] in "#_" or text == "time":
        raise InvalidInputError(
            "line.name", f"a {what} is named {text[:40]!r}",
            "InfluxDB keeps names with '_' and 'time' for itself, '#' starts "
            "a comment, and a name is not empty")
    return _key(text, escaped)


def _key(text: str, escaped: str = ",= ") -> bytes:
    """A measurement, tag or field name, or tag value, escaped."""
    text = _utf8(text).translate(CONTROLS)
    bare = text.rstrip("\\")
    bare += LAST_BACKSLASH * (len(text) - len(bare))
    return re.sub(f"([{escaped}])", r"\\\1", bare).encode("utf-8")


def _quoted(text: str) -> bytes:
    """A string value in quotes; a line stays a line, so \\n for a newline."""
    text = _utf8(text).translate(CONTROLS)
    return b'"' + re.sub(r'(["\\])', r"\\\1", text).encode("utf-8") + b'"'


def _utf8(text: str) -> str:
    # A file name that is no UTF-8 comes as lone surrogates.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
