"""Lines read back as the values they were made of, as the client's Points."""

import re

import numpy as np
import pytest
from hypothesis import given, strategies as st
from influxdb_client import Point

from aura.errors import InvalidInputError
from aura.influx import lineprotocol
from aura.influx.lineprotocol import LAST_BACKSLASH
from tests.lines import encode, parse

ONE = {"v": np.array([1.5])}
NOW = np.array([1_577_836_800_000_000_000])
SPECIAL = st.text(alphabet=st.one_of(
    st.sampled_from(" ,=\\\"'#\n\r\t\0😀ä\x85\u2028\x7f"), st.characters()),
    min_size=1, max_size=12)
INTEGERS = st.integers(-2 ** 63, 2 ** 63 - 1)
RNG = np.random.default_rng(1)
POWERS = np.array([float(f"1e{power}") for power in range(-323, 309)])
# What InfluxDB 2.7 takes for a float (`scanNumber` of its models/points.go).
FLOAT = re.compile(r"-?[0-9]+(\.[0-9]+)?(e-?[0-9]+)?")


def one_line(text):
    """A text without NUL and without characters that would end a line."""
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    for raw, shown in (("\0", "\ufffd"), ("\n", "\\n"), ("\r", "\\r"),
                       ("\t", "\\t")):
        text = text.replace(raw, shown)
    return text


def readable(text):
    """A name or tag value with a replacement for what cannot be escaped."""
    text = one_line(text)
    bare = text.rstrip("\\")
    return bare + LAST_BACKSLASH * (len(text) - len(bare))


def test_a_line_looks_as_in_the_manual():
    line = encode("heart", {"recording": "r-1", "patient": "p-2"}, NOW, {
        "rate_bpm": np.array([61.5]), "beats": np.array([7]),
        "clean": np.array([True]), "note": np.array(["a b"], object)})
    assert line == (b'heart,patient=p-2,recording=r-1 rate_bpm=61.5,beats=7i,'
                    b'clean=true,note="a b" 1577836800000000000\n')


@given(value=SPECIAL)
def test_any_tag_value_is_read_back(value):
    [(_, tags, _, _)] = parse(encode("m", {"t": value}, NOW, ONE))
    assert tags == {"t": readable(value)}


@given(name=SPECIAL)
def test_any_name_is_read_back_or_refused(name):
    try:
        data = encode(name, {name: "x"}, NOW, {name: np.array([2.5])})
    except InvalidInputError as error:
        assert error.rule == "line.name"
        assert name[0] in "#_" or name == "time"
        return
    shown = readable(name)
    assert parse(data) == [(shown, {shown: "x"}, {shown: 2.5}, NOW[0])]


@given(values=st.lists(st.one_of(st.none(), SPECIAL, st.just("")),
                       min_size=1, max_size=8))
def test_any_text_field_is_read_back(values):
    count = len(values)
    data = encode("m", {}, np.arange(count), {
        "text": np.array([*values, None], object)[:-1]})
    assert data.count(b"\n") == len(data.splitlines()) == sum(
        value is not None for value in values)
    assert [(fields["text"], time) for _, _, fields, time in parse(data)] == [
        (one_line(value), time)
        for time, value in enumerate(values) if value is not None]


@given(st.lists(st.tuples(
    st.floats(), st.floats(width=32), st.booleans(), INTEGERS,
    st.one_of(st.none(), st.text(alphabet=' ,=\\"äx'), st.just("\x7f" * 8)),
    st.floats(), st.integers(-2 ** 63 + 2, 2 ** 63 - 2)), min_size=1))
def test_rows_are_those_of_the_client_s_points(rows):
    *columns, times = zip(*rows)
    kinds = np.float64, np.float32, np.bool_, np.int64, object, np.float64
    data = encode("m", {"t": "a, b=c"}, np.array(times, np.int64), {
        name: np.array([*column, None], kind)[:-1] if kind is object
        else np.array(column, kind)
        for name, column, kind in zip("abcdef", columns, kinds)})
    expected = []
    for *values, time in rows:
        point = Point("m").tag("t", "a, b=c").time(time)
        for name, value, kind in zip("abcdef", values, kinds):
            point.field(name, np.float32(value) if kind is np.float32
                        else value)
        expected.append(point.to_line_protocol() + "\n")
    found = parse(data)
    # repr tells 0.0 from -0.0, and 1 from 1.0 and True.
    assert repr(found) == repr([
        (*head, {name: float(value) if name in "abf" else value
                 for name, value in fields.items()}, time)
        for *head, fields, time in parse("".join(expected).encode())])


def values_of_all_sizes():
    """Floats by their bits, powers of ten and two and their neighbours."""
    bits = RNG.integers(0, 2 ** 64, 150_000, dtype=np.uint64)
    single = RNG.integers(0, 2 ** 32, 100_000, dtype=np.uint32)
    small = POWERS[(POWERS > 1e-44) & (POWERS < 1e38)].astype(np.float32)
    return {
        "random": bits.view(np.float64), "random32": single.view(np.float32),
        "powers": np.concatenate([
            POWERS, -POWERS, np.nextafter(POWERS, 0),
            np.nextafter(POWERS, np.inf)]),
        "powers32": np.concatenate([
            small, -small, np.nextafter(small, np.float32(0)),
            np.nextafter(small, np.float32(np.inf))]),
        "powers of two": np.ldexp(1.0, np.arange(-1074, 1024)),
        "samples": np.arange(-32768, 32768) * (10 / 65535) - 5,
        "zeros": np.array([0.0, -0.0, 5e-324, -5e-324, 1e15, 1e16, 1e22])}


@pytest.mark.parametrize("name", values_of_all_sizes())
def test_a_float_is_the_shortest_text_that_reads_back_to_the_bit(name):
    column = values_of_all_sizes()[name]
    data = encode("m", {}, np.arange(len(column)), {"v": column})
    column = column[np.isfinite(column)]
    texts = re.findall(r"v=(\S+)", data.decode("ascii"))
    assert np.array(texts, column.dtype).tobytes() == column.tobytes()
    for text, value in zip(texts, column):
        assert FLOAT.fullmatch(text)
        mantissa, known = (one.partition("e")[0].replace(".", "").strip("-0")
                           for one in (text, str(value)))
        assert len(mantissa) <= len(known)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.6])
def test_a_value_missing_in_one_piece_is_written_in_the_next(
        monkeypatch, share):
    monkeypatch.setattr(lineprotocol, "VALUES_AT_ONCE", 60)
    count = 200

    def column(kind):
        values = RNG.normal(size=count).astype(kind)
        values[RNG.random(count) < share] = RNG.choice([np.nan, np.inf])
        return values
    columns = {"a": column(float), "b": column(float),
               "c": column(np.float32), "d": column(float),
               "e": np.array([None if RNG.random() < share else "a, b=\\"
                              for _ in range(count)], object)}
    times = RNG.integers(-2 ** 62, 2 ** 62, count)
    expected = []
    for row in range(count):
        fields = {name: values[row] for name, values in columns.items()
                  if values[row] is not None
                  and (name == "e" or np.isfinite(values[row]))}
        if fields:
            expected.append(("m", {"t": "x"}, fields, times[row]))
    pieces = list(lineprotocol.encode("m", {"t": "x"}, times, columns))
    assert len(pieces) > 10
    found = parse(b"".join(pieces))
    for _, _, fields, _ in found:
        if "c" in fields:
            fields["c"] = np.float32(fields["c"])
    assert found == expected and (len(expected) < count) == (share > .5)


def test_a_row_without_values_is_no_line():
    gone = np.array([np.nan, np.inf, 1.0, -np.inf])
    assert encode("m", {}, np.arange(4), {"a": gone, "b": gone}) == (
        b"m a=1.0,b=1.0 2\n")
    assert encode("m", {}, np.arange(1), {"a": np.array([np.nan])}) == b""
    assert encode("m", {}, np.empty(0, np.int64), {"a": np.empty(0)}) == b""
    assert encode("m", {}, np.arange(3), {}) == b""


def test_an_empty_tag_is_left_out_and_the_rest_sorted():
    tags = {"z": "1", "empty": "", "a": "2"}
    assert encode("m", tags, NOW, ONE).startswith(b"m,a=2,z=1 v=1.5 ")


def test_a_column_may_be_a_view():
    column = np.array([.1, 9, .5, 9], np.float32)[::2]
    assert encode("m", {}, np.arange(2), {"v": column}) == (
        b"m v=0.1 0\nm v=0.5 1\n")


@pytest.mark.parametrize("name", ["", "#m", "_internal", "time"])
def test_names_that_influx_would_misread_are_refused(name):
    for arguments in ((name, {}, NOW, ONE), ("m", {name: "x"}, NOW, ONE),
                      ("m", {}, NOW, {name: np.array([1.0])})):
        with pytest.raises(InvalidInputError, match="line.name"):
            encode(*arguments)


@pytest.mark.parametrize("times", [
    np.array([2 ** 63 - 1]), np.array([-2 ** 63]), np.array([-2 ** 63 + 1]),
    np.array([1.5]), np.array([1], np.uint64), np.zeros((1, 1), np.int64),
    np.array(["NaT"], "datetime64[ns]")])
def test_times_beyond_the_range_are_refused(times):
    with pytest.raises(InvalidInputError, match="line.time"):
        encode("m", {}, times, {"v": np.ones(len(times))})


@pytest.mark.parametrize("column", [
    np.ones(2), np.ones((1, 1)), np.array([1], np.uint64),
    np.array([1], np.int32), np.array([1], np.float16),
    np.array([1j]), np.array([b"x"]), np.array([object()]),
    np.array([3], object), np.array(["2020"], "datetime64[s]")])
def test_columns_of_another_kind_are_refused(column):
    with pytest.raises(InvalidInputError, match="line.field"):
        encode("m", {}, NOW, {"v": column})


def test_everything_is_checked_before_the_first_piece():
    pieces = lineprotocol.encode("m", {}, np.arange(3), {
        "a": np.ones(3), "b": np.ones(2)})
    with pytest.raises(InvalidInputError):
        next(pieces)
