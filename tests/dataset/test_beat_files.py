"""Recordings that are only beats, as files have them."""

import gzip
import io
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from aura.dataset import beat_files
from aura.dataset.names import recording_stem
from aura.ecg import beats
from aura.errors import AuraError
from tests.work import lines_run


def read(content):
    return beat_files.read(io.BytesIO(content))


def table(name, values):
    return "\n".join([name, *map(str, values), ""]).encode()


def rules(series):
    return [(problem.rule, problem.text) for problem in series.problems]


def test_beat_times_are_on_the_recordings_clock():
    series = read(table("beat_time_s", [0.71, 1.44, 2.21]))
    assert series.time_s == pytest.approx([0.71, 1.44, 2.21], abs=1e-9)
    assert (series.form, series.duration_s, series.start) == (
        "beats", series.time_s[-1], None)
    assert rules(series) == []


@pytest.mark.parametrize("name, values", [
    ("rr_ms", [700, 800, 750]), ("rr_s", [0.7, 0.8, 0.75]),
    ("RR_ms", ["700.0", "800.", "+750"]), ("x, rr_ms", ["a,700", ",800",
                                                        "b,750"])])
def test_intervals_follow_each_other_from_the_first_beat(name, values):
    series = read(table(name, values))
    assert series.form == "rr"
    assert series.time_s == pytest.approx([0, 0.7, 1.5, 2.25], abs=1e-9)


def test_windows_line_ends_byte_order_mark_and_gzip():
    plain = b"\xef\xbb\xbfrr_ms\r\n700\r\n800\r\n\r\n"
    assert np.array_equal(read(plain).time_s,
                          read(gzip.compress(plain)).time_s)
    assert beat_files.form_of(plain) == "rr"
    assert beat_files.form_of(gzip.compress(plain)) == "rr"


@pytest.mark.parametrize("index", ["", "timestamp"])
def test_auras_table_names_the_beat_that_begins_each_interval(index):
    frames = np.array([125, 325, 530, 700, 905])
    rr = np.diff(frames) * 4.0
    rows = [f"{index},frame,rr_interval"] + [
        f"2021-03-02 10:20:{30 + frame / 250:06.3f},{frame},{value}"
        for frame, value in zip(frames, rr, strict=False)]
    series = read("\n".join(rows).encode())
    assert series.form == "rr"
    # Not at 0, where a sum of intervals would begin.
    assert series.time_s == pytest.approx(frames / 250, abs=1e-6)
    assert series.start == (
        datetime(2021, 3, 2, 10, 20, 30) if index else None)


def test_frames_of_missing_rows_leave_a_gap():
    frames = np.array([125, 325, 530, 700, 905, 1100, 8000, 8200, 8400, 8600])
    rows = [f"{frame},{(step if step < 999 else 200) * 4}" for frame, step
            in zip(frames, np.diff(frames, append=8800), strict=True)]
    series = read("\n".join(["frame,rr_interval", *rows]).encode())
    assert series.time_s == pytest.approx(
        np.insert(np.append(frames, 8800), 6, 1300) / 250, abs=1e-6)
    assert series.beats().unscorable == pytest.approx(
        np.array([[5.2, 32]]), abs=1e-6)


def test_a_blank_beat_time_is_a_gap():
    series = read(table("beat_time_s", ["", 1, 2, "", "nan", 4.5, 5, ""]))
    assert series.time_s.tolist() == [1, 2, 4.5, 5]
    assert series.beats().unscorable.tolist() == [[2, 4.5]]


@pytest.mark.parametrize("content", [
    b"rr_ms\n700,5\n800,25\n", b"n;rr_ms\n1;700,5\n2;800,25\n",
    b'n,rr_ms\n1,"700,5"\n2,"800,25"\n', b'"rr_ms"\n"700,5"\n"800,25"\n'])
def test_a_decimal_comma_is_read_with_a_warning(content):
    series = read(content)
    assert series.time_s == pytest.approx([0, 0.7005, 1.50075])
    assert [rule for rule, _ in rules(series)] == ["beats.number"]


@pytest.mark.parametrize("rule, content, text", [
    ("header", b"", "beat_time_s, rr_ms"),
    ("header", b"mean_hr\n60\n", "rr_ms"),
    ("header", b"rr_ms,rr_ms\n700,700\n", "rr_ms"),
    ("few", b"beat_time_s\n", ": 0;"),
    ("few", b"beat_time_s\n1\n", ": 1;"),
    ("few", b"rr_ms\n", ": 0;"),
    ("few", b"frame,rr_interval\n5,700\n", ": 1;"),
    ("number", b"rr_ms;x\n1.812,5;1\n", "'1.812.5'"),
    ("number", table("rr_ms", [700, "inf"]), "row 2: 'rr_ms' is 'inf'"),
    ("number", table("rr_ms", [700, "7e2"]), "row 2"),
    ("number", table("rr_ms", [700, "7,0"]).replace(b"7,0", b"7\t0"),
     "row 2"),
    ("few", b"rr_ms,x\n,1\n", ": 0;"),
    ("number", table("rr_ms", [700, "\x1b[31m"]), "some other text"),
    ("row", table("rr_ms,x", ["700,1", "7,0,1"]), "row 2 has 3 cells"),
    ("row", b'rr_ms,x\n"' + b"7" * 200_000, "quotes"),
    ("order", table("beat_time_s", [1, 2, 1.5, 3]), "row 3"),
    ("order", table("beat_time_s", [3, 2, 1]), "row 2"),
    ("order", table("beat_time_s", [-1, 0, 1]), "row 1: .*negative"),
    ("interval", table("rr_ms", [700, -5, 700]), "row 2"),
    ("unit", table("rr_ms", [0.7, 0.8, 0.75]), "look like seconds"),
    ("unit", table("rr_s", [700, 800, 750]), "look like milliseconds"),
    ("unit", table("beat_time_s", range(0, 9000, 800)),
     "look like milliseconds"),
    ("unit", table("rr_interval", [0.7, 0.8, 0.75]), "look like seconds"),
    ("unit", table("rr_ms", [70_000, 80_000, 75_000]), " 75 s"),
    ("frames", b"frame,rr_interval\n100,800\n300,800\n900,800\n1100,800\n",
     "do not belong together"),
    ("frames", b"frame,rr_interval\n300,800\n100,800\n", "do not belong"),
    ("length", table("rr_s", [0.8, 0.8, 0.8, 3e6]), "days"),
    ("gzip", gzip.compress(table("rr_ms", [700] * 999), mtime=0)[:-9],
     "cut off"),
    ("gzip", b"\x1f\x8b" + b"nothing at all", "damaged")])
def test_what_is_wrong_is_named(rule, content, text):
    with pytest.raises(AuraError, match=f"beats.{rule}: .*{text}"):
        read(content)


@pytest.mark.parametrize("content", [
    b'"","rr_ms"\n"1","700"\n"2","720.5"\n',
    b"n;rr_ms\r\n1;700\r\n2;720.5", b"rr_ms\tn\n700\t1\n720.5\t2\n",
    b"\xef\xbb\xbfrr_ms , n\n 700 ,1 \n720.5,2"])
def test_tables_as_other_programs_write_them(content):
    assert beat_files.form_of(content) == "rr"
    assert read(content).time_s == pytest.approx([0, 0.7, 1.4205])


def test_a_bomb_is_refused(monkeypatch):
    monkeypatch.setattr(beat_files, "BYTES_MAX", 10_000)
    with pytest.raises(AuraError, match="beats.size"):
        read(gzip.compress(b"rr_ms\n" + b"700\n" * 10_000))


def test_beats_that_are_there_twice_are_there_once():
    series = read(table("beat_time_s", [1, 2, 2, 2, 3]))
    assert series.time_s.tolist() == [1, 2, 3]
    (rule, text), = rules(series)
    assert rule == "beats.duplicate" and text.endswith(": 2")


@pytest.mark.parametrize("apart", [1e-7, 4e-7, -1e-7])
def test_beats_less_than_a_microsecond_apart_are_one(apart):
    series = read(table("beat_time_s", [1, 2, f"{2 + apart:.7f}", 3, 4]))
    assert series.time_s == pytest.approx([1, 2, 3, 4])
    assert [rule for rule, _ in rules(series)] == ["beats.duplicate"]


def test_an_interval_over_3_s_is_a_gap_whose_time_counts():
    series = read(table("rr_ms", [800, 570_000, 900, 3000, 3001]))
    assert series.duration_s == pytest.approx(577.701)
    assert rules(series)[0][0] == "beats.gaps"
    assert "2, together 573 s" in rules(series)[0][1]
    found = series.beats()
    assert found.unscorable == pytest.approx(
        np.array([[0.8, 570.8], [574.7, 577.701]]))
    assert found.duration_s == series.duration_s


def test_time_before_the_first_beat_counts_too():
    assert read(table("beat_time_s", [9, 10, 11])).beats().unscorable \
        == pytest.approx(np.array([[0, 9]]))


@settings(max_examples=50)
@given(st.lists(st.floats(0.25, 2.5), min_size=2, max_size=60))
def test_written_beats_are_read_again_to_the_bit(rr):
    """`find_beats` and the reader step through time alike."""
    time_s = np.round(np.cumsum(rr) / beats.RESOLUTION_S) \
        * beats.RESOLUTION_S
    series = read(beat_files.write(time_s))
    assert np.array_equal(series.time_s, time_s)


def test_the_work_of_reading_grows_like_the_file():
    def work(count):
        content = table("rr_ms", [800] * count)
        return lines_run(lambda: read(content))

    work(100)
    assert work(10_000) < 10.1 * work(1000)


@pytest.mark.parametrize("path, stem", [
    ("a/r.edf", "a/r"), ("a/r.beats.csv", "a/r"), ("r.rr.csv.gz", "r"),
    ("r.RR.CSV", "r"), ("a/rr_r.csv", "a/r"), ("rr_.csv", "rr_"),
    ("r.csv", "r"), ("r.rr.edf", "r.rr"), ("a.b/r", "a.b/r"),
    (".beats.csv", ".beats"), ("rr_x.edf", "rr_x"), ("r.tse_bi", "r")])
def test_the_name_of_a_recording_is_what_is_before_its_form(path, stem):
    assert recording_stem(path) == stem


def test_nsr2db_is_read(data_dir):
    paths = sorted((data_dir / "nsr2db").glob("*/*.csv.gz"))
    assert len(paths) == 30
    for path in paths[:6]:
        with gzip.open(path, "rt") as stream:
            rr = np.array(stream.read().split()[1:], float)
        with path.open("rb") as stream:
            series = beat_files.read(stream)
        assert series.duration_s == pytest.approx(rr.sum() / 1000)
        assert len(series.time_s) == len(rr) + 1
        found = series.beats().unscorable
        assert np.diff(found).sum() == pytest.approx(
            rr[rr > 3000].sum() / 1000)
