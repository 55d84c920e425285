"""Parquet tables of numeric columns, with units and metadata."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import msgspec
import numpy as np
from arro3.core import Array, Schema, Table
from arro3.io import read_parquet, write_parquet

from aura.errors import CorruptDataError

METADATA = "aura"
COMPRESSION = "zstd(1)"
ROWS_AT_ONCE = 65_536
_AGAIN = "repeat the 'aura train', 'aura predict' or 'aura run' that wrote it"


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
        rows = self.rows_of(number)
        return {name: column[rows] for name, column in self.values.items()}

    def number(self, name: str) -> float:
        """A finite number of the metadata."""
        try:
            value = float(self.metadata[name])
        except (KeyError, ValueError):
            value = np.nan
        if not np.isfinite(value):
            raise CorruptDataError(
                "table.metadata", f"the metadata of this table has no {name}",
                _AGAIN)
        return value


def write(stream: BinaryIO, table: Columns) -> None:
    """Write a table as Parquet; equal tables give equal bytes."""
    arrays = [Array.from_numpy(np.ascontiguousarray(column))
              for column in table.values.values()]
    fields = [array.field.with_name(name).with_metadata(
        {"unit": table.units.get(name, "")})
        for name, array in zip(table.values, arrays, strict=True)]
    # One key only: arro3 writes several in an order that changes.
    metadata = {METADATA: json.dumps(dict(table.metadata), sort_keys=True)}
    content = Table.from_arrays(
        arrays, schema=Schema(fields, metadata=metadata))
    # arro3 closes its stream; the caller still has to sync the file.
    buffer = io.BytesIO()
    write_parquet(content, buffer, compression=COMPRESSION,
                  key_value_metadata=metadata)
    stream.write(buffer.getbuffer())


def read(content: bytes, names: tuple[str, ...] = ()) -> Columns:
    try:
        reader = read_parquet(content, batch_size=ROWS_AT_ONCE)
        schema = reader.schema
        batches = list(reader)
        metadata = msgspec.json.decode(
            _text(schema.metadata).get(METADATA, "{}"), type=dict[str, str])
    except (KeyboardInterrupt, SystemExit):
        raise
    # arro3 panics at a damaged file with an unnamed BaseException.
    except BaseException:
        raise CorruptDataError(
            "table.damaged", "this table is damaged or not a Parquet file",
            _AGAIN) from None
    missing = [name for name in names if name not in schema.names]
    if missing:
        raise CorruptDataError(
            "table.columns", f"this table has no column {missing[0]}", _AGAIN)
    chosen = names or tuple(schema.names)
    values = {name: _column(batches, schema, name) for name in chosen}
    units = {name: _text(schema.field(name).metadata).get("unit", "")
             for name in chosen}
    return Columns(values, units, metadata)


def _column(batches: list[Any], schema: Any, name: str) -> np.ndarray:
    parts = batches or [{name: Array([], type=schema.field(name).type)}]
    try:
        column = np.concatenate([part[name].to_numpy() for part in parts])
    # arro3 converts no text, dates, lists and missing values.
    except (ValueError, NotImplementedError):
        column = np.empty(0, dtype=object)
    if column.dtype.kind not in "biuf":
        raise CorruptDataError(
            "table.column", f"column {name} of this table contains values "
            "that are not numbers", _AGAIN)
    return column


def _text(metadata: Mapping[bytes, bytes]) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in metadata.items()}
