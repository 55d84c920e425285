"""Parquet tables read back, by pyarrow too, and damaged ones are reported.
"""

import io
from itertools import accumulate, pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from arro3.io import write_parquet
from hypothesis import given, settings, strategies as st

from aura.errors import CorruptDataError
from aura.stages import tables
from aura.stages.tables import (
    ROWS_AT_ONCE, ROWS_OF_A_GROUP, Columns, read, write)

KINDS = (np.float64, np.float32, np.int32, np.int8, np.bool_)


def written(*parts):
    stream = io.BytesIO()
    write(stream, parts)
    return stream.getvalue()


def foreign(**columns):
    """A table by another writer."""
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


def marked(metadata):
    """A table with some metadata."""
    stream = io.BytesIO()
    pq.write_table(pa.table({"a": [1.0]}).replace_schema_metadata(
        {b"aura": metadata}), stream)
    return stream.getvalue()


def table(rows):
    rng = np.random.default_rng(1)
    values = {kind.__name__: rng.normal(scale=9, size=rows).astype(kind)
              for kind in KINDS}
    values["float32"][1:2] = np.nan
    return Columns(values, {"float64": "ms2", "int8": "°"},
                   {"schema_id": "one", "hop_s": "0.5", "name": "ä"})


@pytest.mark.parametrize("rows", [0, 1, 7, ROWS_AT_ONCE + 3])
def test_a_table_reads_back_with_types_units_and_metadata(rows):
    given = table(rows)
    back = read(written(given))
    assert len(back) == rows
    assert list(back.values) == list(given.values)
    for name, column in given.values.items():
        assert back.values[name].dtype == column.dtype
        assert np.array_equal(back.values[name], column,
                              equal_nan=column.dtype.kind == "f")
    assert back.units == {name: given.units.get(name, "")
                          for name in given.values}
    assert back.metadata == given.metadata


def test_pyarrow_reads_a_table():
    given = table(50)
    seen = pq.read_table(io.BytesIO(written(given)))
    for name, column in given.values.items():
        assert np.array_equal(seen[name].to_numpy(), column,
                              equal_nan=column.dtype.kind == "f")
    assert seen.schema.field("float64").metadata[b"unit"] == b"ms2"
    assert b'"schema_id": "one"' in seen.schema.metadata[b"aura"]


def test_a_table_by_pyarrow_is_read():
    back = read(foreign(a=[1.5, 2.5], b=[1, 2]), ("b",))
    assert list(back.values) == ["b"]
    assert back.values["b"].tolist() == [1, 2]
    assert back.metadata == {}


def test_equal_tables_give_equal_bytes():
    one = table(500)
    turned = Columns(one.values, one.units,
                     dict(reversed(one.metadata.items())))
    assert len({written(given) for given in [one, turned] * 10}) == 1


@given(st.lists(st.integers(0, 2 * ROWS_AT_ONCE), max_size=6))
@settings(max_examples=8)
def test_the_bytes_do_not_depend_on_the_parts(cuts):
    whole = table(ROWS_OF_A_GROUP + 2 * ROWS_AT_ONCE + 1)
    places = [0, *accumulate(cuts), None]
    parts = [whole.rows(slice(*place)) for place in pairwise(places)]
    assert written(*parts) == written(whole)


def test_a_short_table_has_the_bytes_that_arro3_gives_it_at_once():
    short = table(ROWS_AT_ONCE * 3)
    content = tables._arrow(short)
    stream = io.BytesIO()
    write_parquet(content, stream, compression=tables.COMPRESSION,
                  key_value_metadata=tables._text(content.schema.metadata))
    assert written(short) == stream.getvalue()


def test_an_error_in_a_part_is_raised_as_it_is():
    def parts():
        yield table(3)
        raise KeyError("cause")

    with pytest.raises(KeyError, match="cause"):
        write(io.BytesIO(), parts())


def test_parts_are_made_when_they_are_written():
    stream, sizes = io.BytesIO(), []

    def parts():
        for _ in range(20):
            sizes.append(len(stream.getvalue()))
            yield table(ROWS_AT_ONCE)

    write(stream, parts())
    assert sizes[-1] > sizes[-7] > 0


def test_a_column_with_gaps_between_its_numbers_is_written_whole():
    wide = np.arange(12.0).reshape(4, 3)
    back = read(written(Columns({"middle": wide[:, 1]})))
    assert back.values["middle"].tolist() == [1, 4, 7, 10]


@pytest.mark.parametrize("content", [
    b"", b"PAR1", b"no table at all", written(table(9))[:-9],
    written(table(9))[9:], marked(b"{")])
def test_a_file_that_is_not_a_table_is_damaged(content):
    with pytest.raises(CorruptDataError) as caught:
        read(content)
    assert caught.value.rule == "table.damaged"


def test_a_missing_column_is_named():
    with pytest.raises(CorruptDataError) as caught:
        read(written(table(3)), ("float64", "nowhere"))
    assert caught.value.rule == "table.columns"
    assert "nowhere" in caught.value.text


@pytest.mark.parametrize("column", [
    ["text"], [b"bytes"], [[1.0, 2.0]], [1.0, None], [None],
    pa.array([0], pa.timestamp("ms")),
    pa.array(["a"]).dictionary_encode()])
def test_a_column_that_is_not_plain_numbers_is_refused(column):
    with pytest.raises(CorruptDataError) as caught:
        read(foreign(odd=column))
    assert caught.value.rule == "table.column"
    assert "odd" in caught.value.text
