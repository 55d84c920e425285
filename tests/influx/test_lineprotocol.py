"""Every line says what it was given, to a parser written from the manual."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from aura.errors import InvalidInputError
from aura.influx.lineprotocol import LAST_BACKSLASH, encode, encode_pieces
from tests.lines import parse

ONE = {"v": np.array([1.5])}
NOW = np.array([1_577_836_800_000_000_000])
SPECIAL = st.text(alphabet=st.one_of(
    st.sampled_from(" ,=\\\"'#\n\r\t\0😀ä\x85\u2028"), st.characters()),
    min_size=1, max_size=12)


def one_line(text):
    """A text without what would end a line, or a C string."""
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    for raw, shown in (("\0", "\ufffd"), ("\n", "\\n"), ("\r", "\\r"),
                       ("\t", "\\t")):
        text = text.replace(raw, shown)
    return text


def readable(text):
    """What is left of a name or tag where the format has no way for it."""
    text = one_line(text)
    bare = text.rstrip("\\")
    return bare + LAST_BACKSLASH * (len(text) - len(bare))


def test_a_line_looks_as_in_the_manual():
    line = encode("heart", {"recording": "r-1", "patient": "p-2"}, NOW, {
        "rate_bpm": np.array([61.5]), "beats": np.array([7]),
        "clean": np.array([True]), "note": np.array(["a b"])})
    assert line == (b'heart,patient=p-2,recording=r-1 rate_bpm=61.5,beats=7i,'
                    b'clean=true,note="a b" 1577836800000000000\n')


@given(value=SPECIAL)
def test_any_tag_value_comes_back(value):
    [(_, tags, _, _)] = parse(encode("m", {"t": value}, NOW, ONE))
    assert tags == {"t": readable(value)}


@given(name=SPECIAL)
def test_any_name_comes_back_or_is_refused(name):
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
def test_any_text_field_comes_back(values):
    count = len(values)
    data = encode("m", {}, np.arange(count), {
        "text": np.array([*values, None], object)[:-1]})
    assert data.count(b"\n") == len(data.splitlines()) == sum(
        value is not None for value in values)
    assert [(fields["text"], time) for _, _, fields, time in parse(data)] == [
        (one_line(value), time)
        for time, value in enumerate(values) if value is not None]


@given(values=st.lists(st.floats(), min_size=1, max_size=30))
def test_floats_come_back_to_the_bit_and_others_are_left_out(values):
    column = np.array(values)
    points = parse(encode("m", {}, np.arange(len(column)), {"v": column}))
    kept = np.flatnonzero(np.isfinite(column))
    assert [time for *_, time in points] == list(kept)
    found = np.array([fields["v"] for _, _, fields, _ in points])
    assert found.tobytes() == column[kept].tobytes()


@given(times=st.lists(st.integers(-2 ** 63 + 2, 2 ** 63 - 2), min_size=1),
       values=st.data())
def test_times_and_integers_come_back(times, values):
    column = np.array(values.draw(st.lists(
        st.integers(-2 ** 63, 2 ** 63 - 1),
        min_size=len(times), max_size=len(times))), np.int64)
    points = parse(encode("m", {}, np.array(times, np.int64), {"n": column}))
    assert [time for *_, time in points] == times
    assert [fields["n"] for _, _, fields, _ in points] == column.tolist()


@given(st.lists(st.tuples(st.floats(), st.floats(width=32), st.booleans(),
                          st.integers(-9, 9), st.floats()), min_size=1))
def test_rows_of_many_fields_come_back(rows):
    a, b, c, d, e = zip(*rows)
    columns = {"a": np.array(a), "b": np.array(b, np.float32),
               "c": np.array(c), "d": np.array(d), "e": np.array(e)}
    points = parse(encode("m", {"t": "x"}, np.arange(len(rows)), columns))
    assert len(points) == len(rows)
    for row, (_, _, fields, _) in enumerate(points):
        expected = {name: column[row] for name, column in columns.items()
                    if np.isfinite(column[row])}
        assert fields.keys() == expected.keys()
        for name, value in expected.items():
            assert type(value)(fields[name]) == value


@pytest.mark.parametrize("share", [0.0, 0.02, 0.6])
def test_what_is_missing_in_one_piece_is_there_in_the_next(
        monkeypatch, share):
    monkeypatch.setattr("aura.influx.lineprotocol.VALUES_AT_ONCE", 60)
    rng = np.random.default_rng(3)
    count = 200

    def column(kind):
        values = rng.normal(size=count).astype(kind)
        values[rng.random(count) < share] = rng.choice([np.nan, np.inf])
        return values
    columns = {"a": column(float), "b": column(float),
               "c": column(np.float32), "d": column(float),
               "e": np.array([None if rng.random() < share else "a, b=\\"
                              for _ in range(count)], object)}
    times = rng.integers(-2 ** 62, 2 ** 62, count)
    expected = []
    for row in range(count):
        fields = {name: values[row] for name, values in columns.items()
                  if values[row] is not None
                  and (name == "e" or np.isfinite(values[row]))}
        if fields:
            expected.append(("m", {"t": "x"}, fields, times[row]))
    found = parse(encode("m", {"t": "x"}, times, columns))
    for _, _, fields, _ in found:
        if "c" in fields:
            fields["c"] = np.float32(fields["c"])
    assert found == expected and (len(expected) < count) == (share > .5)


def test_a_row_with_nothing_left_is_no_line():
    gone = np.array([np.nan, np.inf, 1.0, -np.inf])
    assert encode("m", {}, np.arange(4), {"a": gone, "b": gone}) == (
        b"m a=1.0,b=1.0 2\n")
    assert encode("m", {}, np.arange(1), {"a": np.array([np.nan])}) == b""
    assert encode("m", {}, np.empty(0, np.int64), {"a": np.empty(0)}) == b""
    assert encode("m", {}, np.arange(3), {}) == b""


def test_an_empty_tag_is_left_out_and_the_rest_sorted():
    tags = {"z": "1", "empty": "", "a": "2"}
    assert encode("m", tags, NOW, ONE).startswith(b"m,a=2,z=1 v=1.5 ")


def test_a_whole_number_in_a_float_field_stays_a_float():
    values = np.array([1, 120, 1e15, 1e22, 0, -0.0])
    text = encode("m", {}, np.arange(6), {"v": values}).decode()
    for line in text.splitlines():
        assert "." in line.split()[1] and "i" not in line.split()[1]


def test_a_single_float_is_written_as_short_as_it_is():
    data = encode("m", {}, NOW, {"v": np.array([.1], np.float32)})
    assert b" v=0.1 " in data


@pytest.mark.parametrize("kind", [
    np.int8, np.int16, np.int32, np.uint8, np.uint32, np.uint64])
def test_integers_of_any_width_are_integers(kind):
    assert b" n=7i " in encode("m", {}, NOW, {"n": np.array([7], kind)})


def test_pieces_make_the_whole():
    count = 40_000
    columns = {f"f{n}": np.arange(count) / (n + 3) for n in range(3)}
    times = np.arange(count)
    pieces = list(encode_pieces("m", {}, times, columns))
    assert len(pieces) > 1 and all(len(piece) for piece in pieces)
    assert b"".join(pieces) == encode("m", {}, times, columns)
    assert b"".join(pieces).count(b"\n") == count


def test_long_texts_do_not_take_the_memory_of_all_rows():
    notes = np.array(["x"] * 2000 + ["y" * 60_000], object)
    pieces = list(encode_pieces("m", {}, np.arange(2001), {"t": notes}))
    assert len(pieces) > 20
    assert parse(b"".join(pieces))[-1][2]["t"] == "y" * 60_000


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
    np.ones(2), np.ones((1, 1)), np.array([2 ** 63], np.uint64),
    np.array([1j]), np.array([b"x"]), np.array([object()]),
    np.array([3], object), np.array(["2020"], "datetime64[s]")])
def test_columns_of_another_kind_are_refused(column):
    with pytest.raises(InvalidInputError, match="line.field"):
        encode("m", {}, NOW, {"v": column})


def test_everything_is_checked_before_the_first_piece():
    pieces = encode_pieces("m", {}, np.arange(3), {
        "a": np.ones(3), "b": np.ones(2)})
    with pytest.raises(InvalidInputError):
        next(pieces)
