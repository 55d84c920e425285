"""
Points as InfluxDB line protocol, many rows at a time.

A row becomes one line, ``measurement,tags fields time``. Numbers come back
bit for bit. What the format cannot express is replaced by a stable rule, so
that the same data always give the same points: InfluxDB knows a point by
measurement, tags and time, and a repeated write must change nothing.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aura.errors import InvalidInputError
from aura.influx.digits import (
    DOUBLE_WORDS,
    INTEGER_WORDS,
    SINGLE_WORDS,
    WORD,
    Integers,
    Words,
    float_cells,
    integer_cells,
)
from aura.recording import Bools

# One more or less is kept by InfluxDB for itself: 1677-09-21 to 2262-04-11.
FIRST_NS, LAST_NS = -2 ** 63 + 2, 2 ** 63 - 2
VALUES_AT_ONCE = 8192
BYTES_AT_ONCE = 4 * 2 ** 20
# Once glibc has seen a block of this size come and go, it no longer returns
# each freed array to the system, which would double the time of encoding.
LARGE_BLOCK = 16 * 2 ** 20

# A backslash at the end would escape what follows, and cannot be escaped.
LAST_BACKSLASH = "\N{FULLWIDTH REVERSE SOLIDUS}"
CONTROLS = str.maketrans({"\0": "\N{REPLACEMENT CHARACTER}",
                          "\n": "\\n", "\r": "\\r", "\t": "\\t"})
BLANK = ord(" ")
COMMA_OR_BLANK = ord(",") ^ ord(" ")
# The first character of a word is its lowest byte on any machine.
WORDS = np.dtype("<u8")

Column = NDArray[Any]
Fields = Mapping[str, Column]


def encode(measurement: str, tags: Mapping[str, str], time_ns: Integers,
           fields: Fields) -> bytes:
    """Write rows of one series as line protocol."""
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
    if not columns:
        return
    table = _Table(head, columns)
    np.empty(LARGE_BLOCK, np.uint8)
    step = max(1, min(VALUES_AT_ONCE // len(columns),
                      BYTES_AT_ONCE // table.row_bytes, len(time_ns)))
    table.make(step)
    for start in range(0, len(time_ns), step):
        text = table.lines(time_ns, slice(start, start + step))
        if text:
            yield text


@dataclass(frozen=True)
class _Block:
    """
    Neighbouring columns of one type, which are written together.

    Each value has a cell, which begins with separator and name; all is laid
    out in words as `aura.influx.digits` has them.
    """

    start: int
    names: Words
    columns: tuple[Column, ...]
    value_words: int

    @property
    def cell_words(self) -> int:
        """Words for separator, name, equals sign and value."""
        return int(self.names.shape[1]) + self.value_words

    @property
    def end(self) -> int:
        """The word behind the block."""
        return self.start + self.cell_words * len(self.columns)


class _Table:
    """
    Rows of words that become lines when all NULs are dropped.

    What is the same in each line is written once.
    """

    def __init__(self, head: bytes, columns: Mapping[bytes, Column]) -> None:
        self._head = _words([head])[0]
        self._blocks = _blocks(columns, len(self._head))
        # The word that begins each field.
        self._first = np.concatenate([
            np.arange(block.start, block.end, block.cell_words)
            for block in self._blocks])

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return WORD * (self._blocks[-1].end + INTEGER_WORDS)

    def make(self, count: int) -> None:
        """Take the memory of so many rows."""
        self._rows = np.empty((count, self.row_bytes // WORD), WORDS)
        self._write_names(self._rows)

    def _write_names(self, rows: Words) -> None:
        rows[:, :len(self._head)] = self._head
        for block in self._blocks:
            self._cells(block, rows)[:, :, :block.names.shape[1]] = (
                block.names)
        rows[:, self._first[0]] ^= COMMA_OR_BLANK

    @staticmethod
    def _cells(block: _Block, rows: Words) -> Words:
        return rows[:, block.start:block.end].reshape(
            len(rows), len(block.columns), block.cell_words)

    def lines(self, time_ns: Integers, part: slice) -> bytes:
        """Lines of some rows."""
        times = time_ns[part]
        rows = self._rows[:len(times)]
        for number, word in enumerate(integer_cells(times, "\n")):
            rows[:, number - INTEGER_WORDS] = word
        rows[:, -INTEGER_WORDS] |= BLANK
        present = []
        for block in self._blocks:
            cells = self._cells(block, rows)
            values = np.stack(
                [column[part] for column in block.columns], axis=1)
            there = _present(values)
            for number, word in enumerate(_value_words(
                    values, there, block.value_words)):
                cells[:, :, number - block.value_words] = word.reshape(
                    values.shape)
            if not there.all():
                cells[~there] = 0
            present.append(there)
        if all(there.all() for there in present):
            return rows.tobytes().translate(None, b"\0")
        return self._rest(rows, np.concatenate(present, axis=1))

    def _rest(self, rows: Words, present: Bools) -> bytes:
        """Lines without the values that are not there."""
        kept = present.any(axis=1)
        # The first field that is left has the blank before it.
        first = present.argmax(axis=1)
        later = np.flatnonzero(kept & (first > 0))
        rows[later, self._first[first[later]]] ^= COMMA_OR_BLANK
        text = rows[kept].tobytes().translate(None, b"\0")
        self._write_names(rows)
        return text


def _blocks(columns: Mapping[bytes, Column], start: int) -> list[_Block]:
    blocks = []
    for _, group in groupby(
            enumerate(columns.items()),
            # Floats of one type go together, any other column alone.
            lambda entry: (entry[1][1].dtype, 0 if entry[1][1].dtype.kind
                           == "f" else entry[0])):
        entries = [entry for _, entry in group]
        names = [b"," + name + b"=" for name, _ in entries]
        values = tuple(column for _, column in entries)
        blocks.append(_Block(start, _words(names), values,
                             _value_width(values[0])))
        start = blocks[-1].end
    return blocks


def _value_words(values: Column, present: Bools,
                 width: int) -> Sequence[Words]:
    """Words of values; of what is not present, they may be anything."""
    flat = values.ravel()
    if values.dtype.kind == "f":
        if not present.all():
            flat = np.where(present.ravel(), flat, flat.dtype.type(1))
        return float_cells(flat)
    if values.dtype.kind == "i":
        return integer_cells(flat, "i")
    if values.dtype.kind == "b":
        (no, yes), = _words([b"false", b"true"]).T
        return [np.where(flat, yes, no)]
    texts = [b"" if value is None else _quoted(value) for value in flat]
    return [*_words(texts, width).T]


def _value_width(column: Column) -> int:
    """Words that the text of any value of a column fits in."""
    if column.dtype.kind == "f":
        return SINGLE_WORDS if column.dtype == np.float32 else DOUBLE_WORDS
    if column.dtype.kind in "ib":
        return INTEGER_WORDS if column.dtype.kind == "i" else 1
    longest = max((len(_quoted(value)) for value in column
                   if value is not None), default=1)
    return -(-longest // WORD)


def _words(texts: Sequence[bytes], count: int = 0) -> Words:
    """Texts in words; in as many as the longest needs unless told."""
    count = count or -(-max(map(len, texts)) // WORD)
    padded = b"".join(text.ljust(count * WORD, b"\0") for text in texts)
    return np.frombuffer(padded, WORDS).reshape(len(texts), count)


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
