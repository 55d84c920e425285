"""Parquet tables of numeric columns, with units and metadata."""

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO, TypeVar

import msgspec
import numpy as np
from arro3.core import Array, Schema, Table
from arro3.io import (
    read_ipc_stream, read_parquet, write_ipc_stream, write_parquet)

from aura import state

T = TypeVar("T")

METADATA = "aura"
COMPRESSION = "zstd(1)"
# A page has 20,000 rows. Cutting between pages gives the same bytes as writing
# a table at once. A writer keeps one group of rows in memory.
ROWS_AT_ONCE = 20_000
ROWS_OF_A_GROUP = 2 ** 17
# In a longer table, dictionaries of the values cost memory, time and space.
ROWS_WITH_DICTIONARY = 100_000


@dataclass(frozen=True)
class Columns:
    values: Mapping[str, np.ndarray]  # In order, each one-dimensional
    units: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.values.values()), ()))

    def rows_of(self, number: int) -> slice:
        """Rows of one recording; they are sorted by recording."""
        return slice(*np.searchsorted(
            self.values["recording"], [number, number + 1]))

    def of(self, number: int) -> dict[str, np.ndarray]:
        return dict(self.rows(self.rows_of(number)).values)

    def rows(self, chosen: slice | np.ndarray) -> "Columns":
        return replace(self, values={
            name: column[chosen] for name, column in self.values.items()})

    def number(self, name: str) -> float:
        """A finite number of the metadata."""
        try:
            value = float(self.metadata[name])
        except (KeyError, ValueError):
            value = np.nan
        if not np.isfinite(value):
            raise state.error("table.metadata", name=name)
        return value


def joined(parts: Sequence[Columns]) -> Columns:
    """The rows of all parts of a table."""
    first, *others = parts
    return first if not others else replace(first, values={
        name: np.concatenate([part.values[name] for part in parts])
        for name in first.values})


def write(stream: BinaryIO, parts: Iterable[Columns],
          expected: float = 0) -> None:
    """Write a table part by part, and about as many rows as expected."""
    # Equal tables give equal bytes.
    ends: Any = _Ends(parts, stream)
    try:
        content = read_ipc_stream(ends)
        # One key only: arro3 writes several in an order that changes.
        write_parquet(
            content, ends, compression=COMPRESSION,
            dictionary_enabled=expected <= ROWS_WITH_DICTIONARY,
            max_row_group_size=ROWS_OF_A_GROUP,
            key_value_metadata=_text(content.schema.metadata))
    except BaseException as error:
        # arro3 panics at an error of a part or of the stream.
        raise ends.error or error from None


class _Ends(io.RawIOBase):
    """Arrow whose parts are made when they are read, and where it goes."""

    error: BaseException | None = None

    def __init__(self, parts: Iterable[Columns], stream: BinaryIO) -> None:
        self._pieces, self._piece = _pieces(parts), memoryview(b"")
        self._stream = stream

    def write(self, block: Any) -> int:
        try:
            return self._stream.write(block)
        except OSError as error:
            self.error = error
            raise

    def readinto(self, buffer: Any) -> int:
        try:
            # Only the last part may be empty.
            self._piece = self._piece or next(self._pieces, self._piece)
        except BaseException as error:
            self.error = error
            raise
        count = min(len(buffer), len(self._piece))
        buffer[:count], self._piece = (
            self._piece[:count], self._piece[count:])
        return count


def _pieces(parts: Iterable[Columns]) -> Iterator[memoryview]:
    # Each part is a stream with a head of its own and a mark at its end.
    begin = 0
    for part in _even(parts):
        buffer = io.BytesIO()
        write_ipc_stream(_arrow(part), buffer)
        content = buffer.getbuffer()
        yield content[begin:-8]
        begin = 8 + int.from_bytes(content[4:8], "little")


def _even(parts: Iterable[Columns]) -> Iterator[Columns]:
    """The same rows in parts whose size does not depend on recordings."""
    held, room = Columns({}), ROWS_OF_A_GROUP
    for part in parts:
        for at in range(0, max(len(part), 1), ROWS_AT_ONCE):
            more = part.rows(slice(at, at + ROWS_AT_ONCE))
            held = joined([held, more]) if held.values else more
            while len(held) >= (size := min(ROWS_AT_ONCE, room)):
                yield held.rows(slice(size))
                held = held.rows(slice(size, None))
                room = room - size or ROWS_OF_A_GROUP
        # The next part is made before this name is bound again.
        del part, more
    yield held


def _arrow(table: Columns) -> Table:
    arrays = [Array.from_numpy(np.ascontiguousarray(column))
              for column in table.values.values()]
    fields = [array.field.with_name(name).with_metadata(
        {"unit": table.units.get(name, "")})
        for name, array in zip(table.values, arrays, strict=True)]
    return Table.from_arrays(arrays, schema=Schema(fields, metadata={
        METADATA: json.dumps(dict(table.metadata), sort_keys=True)}))


def read(content: bytes, names: tuple[str, ...] = ()) -> Columns:
    return joined([*batches(content, names)])


def batches(content: bytes | BinaryIO,
            names: tuple[str, ...] = ()) -> Iterator[Columns]:
    """Yield the rows of a table, many at a time, and at least once."""
    reader = _sound(lambda: read_parquet(content, batch_size=ROWS_AT_ONCE))
    schema = _sound(lambda: reader.schema)
    metadata = _sound(lambda: msgspec.json.decode(
        _text(schema.metadata).get(METADATA, "{}"), type=dict[str, str]))
    missing = [name for name in names if name not in schema.names]
    if missing:
        raise state.error("table.columns", name=missing[0])
    chosen = names or tuple(schema.names)
    units = {name: _text(schema.field(name).metadata).get("unit", "")
             for name in chosen}
    empty = True
    while (part := _sound(lambda: next(reader, None))) is not None:
        empty = False
        yield Columns({name: _column(part[name], name) for name in chosen},
                      units, metadata)
    if empty:
        yield Columns({name: _column(
            Array([], type=schema.field(name).type), name)
            for name in chosen}, units, metadata)


def _sound(step: Callable[[], T]) -> T:
    """What arro3 reads; it panics at a damaged file."""
    try:
        return step()
    except (KeyboardInterrupt, SystemExit):
        raise
    # The panic is an unnamed BaseException.
    except BaseException:
        raise state.error("table.damaged") from None


def _column(values: Array, name: str) -> np.ndarray:
    try:
        column: np.ndarray = values.to_numpy()
    # arro3 converts no text, dates, lists and missing values.
    except (ValueError, NotImplementedError):
        column = np.empty(0, dtype=object)
    if column.dtype.kind not in "biuf":
        raise state.error("table.column", name=name)
    return column


def _text(metadata: Mapping[bytes, bytes]) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in metadata.items()}
