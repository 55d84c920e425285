"""Points as InfluxDB line protocol; the same data give the same points."""

import io
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from arro3.core import Array, ChunkedArray, DataType, RecordBatch
from arro3.io import write_ipc_stream
from numpy.typing import NDArray

from aura import state
from aura.recording import Bools

# InfluxDB reserves the first and the last: 1677-09-21 to 2262-04-11.
FIRST_NS, LAST_NS = -2 ** 63 + 2, 2 ** 63 - 2
VALUES_AT_ONCE = 2 ** 16
# glibc keeps freed arrays for the next ones after such a block.
LARGE_BLOCK = 16 * 2 ** 20

LAST_BACKSLASH = "\N{FULLWIDTH REVERSE SOLIDUS}"  # At the end it would escape
CONTROLS = str.maketrans({"\0": "\N{REPLACEMENT CHARACTER}",
                          "\n": "\\n", "\r": "\\r", "\t": "\\t"})
TEXT = DataType.string()
# As an offset in an Arrow array, four of these bytes would be 2 GB.
MARK = "\x7f" * 8

Integers = NDArray[np.int64]
Column = NDArray[Any]
Fields = Mapping[str, Column]


def encode(measurement: str, tags: Mapping[str, str], time_ns: Integers,
           fields: Fields) -> Iterator[bytes]:
    """Yield rows of one series in pieces; all is checked before the first."""
    head = _head(measurement, tags)
    _check_time(time_ns)
    for name, column in fields.items():
        _check_field(name, column, len(time_ns))
    columns = {_name(name, "field"): one for name, one in fields.items()}
    np.empty(LARGE_BLOCK, np.uint8)
    step = max(1, VALUES_AT_ONCE // max(1, len(columns)))
    for start in range(0, len(time_ns), step):
        part = slice(start, start + step)
        text = _lines(head, time_ns[part], {
            name: column[part] for name, column in columns.items()})
        if text:
            yield text


def _lines(head: str, time_ns: Integers, columns: Fields) -> bytes:
    """Lines of some rows; a missing value has no field."""
    fixed = ["", MARK, head, " ", "\n", "i"]
    _, mark, start, blank, end, integer = range(len(fixed))
    names = [f"{sign}{name}=" for name in columns for sign in " ,"]
    texts = [Array(fixed + names, type=TEXT),
             *map(_texts, columns.values()), _texts(time_ns)]
    # For every row, where each of its parts is among all texts.
    places: list[Any] = [start]
    name, value = len(fixed), len(texts[0]) + np.arange(len(time_ns))
    found = np.zeros(len(time_ns), np.bool_)
    for column in columns.values():
        present = _present(column)
        # The first field of a line has a blank before it, others a comma.
        places += [present * (name + found), present * value]
        if column.dtype.kind == "i":
            places.append(integer)
        name, value, found = name + 2, value + len(time_ns), found | present
    places += [blank, value, end]
    if not found.any():
        return b""
    rows = np.stack(np.broadcast_arrays(*places), axis=1)[found]
    return _joined(ChunkedArray(texts).combine_chunks().take(
        Array.from_numpy(np.append(mark, rows))))


def _joined(texts: Array) -> bytes:
    """The texts of an array, from behind the mark to the last line break."""
    # Python strings would take 40 times as long.
    stream = io.BytesIO()
    write_ipc_stream(RecordBatch.from_arrays([texts], names=["lines"]),
                     stream, compression=None)
    content, mark = stream.getvalue(), MARK.encode("ascii")
    return content[content.index(mark) + len(mark):content.rindex(b"\n") + 1]


def _texts(column: Column) -> Array:
    if column.dtype == object:
        return Array(["" if value is None else _quoted(value)
                      for value in column], type=TEXT)
    return Array.from_numpy(np.ascontiguousarray(column)).cast(TEXT)


def _present(column: Column) -> Bools:
    if column.dtype == object:
        return np.array([value is not None for value in column], np.bool_)
    present: Bools = np.isfinite(column)
    return present


def _check_field(name: str, column: Column, count: int) -> None:
    if column.shape != (count,):
        raise state.error(
            "line.field/shape", name=name, shape=column.shape, count=count)
    if not (column.dtype in (np.float64, np.float32, np.int64, np.bool_)
            or column.dtype == object and all(
                value is None or isinstance(value, str) for value in column)):
        raise state.error("line.field", name=name, type=column.dtype)


def _check_time(time_ns: Integers) -> None:
    if time_ns.dtype != np.int64 or time_ns.ndim != 1:
        raise state.error("line.time/type", type=time_ns.dtype)
    if len(time_ns) and not (FIRST_NS <= time_ns.min()
                             and time_ns.max() <= LAST_NS):
        raise state.error("line.time")


def _head(measurement: str, tags: Mapping[str, str]) -> str:
    return ",".join([_name(measurement, "measurement", escaped=", "),
                     *(f"{_name(name, 'tag')}={_key(tags[name])}"
                       for name in sorted(tags) if tags[name])])


def _name(text: str, what: str, escaped: str = ",= ") -> str:
    if not text or text[0] in "#_" or text == "time":
        raise state.error("line.name", what=what, name=text[:40])
    return _key(text, escaped)


def _key(text: str, escaped: str = ",= ") -> str:
    """A measurement, tag or field name, or tag value, escaped."""
    text = _utf8(text).translate(CONTROLS)
    bare = text.rstrip("\\")
    bare += LAST_BACKSLASH * (len(text) - len(bare))
    return re.sub(f"([{escaped}])", r"\\\1", bare)


def _quoted(text: str) -> str:
    """A string value in quotes; a line break becomes ``\\n``."""
    text = _utf8(text).translate(CONTROLS)
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _utf8(text: str) -> str:
    # Python reads a file name that is not UTF-8 as lone surrogates.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
