"""Intervals with a time in each row: the time places them."""

import io
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from aura.dataset import beat_files
from aura.errors import AuraError

START = datetime(2023, 1, 1, 23, 50)
EPOCH = datetime(1970, 1, 1)


def hearts_rr(count, seed=1):
    rng = np.random.default_rng(seed)
    wave = 0.85 + 0.05 * np.sin(np.arange(count) / 5)
    return np.round(wave + rng.normal(0, 0.02, count), 3)


def read(names, *columns, mark="."):
    rows = zip(*columns, strict=True)
    text = "\n".join([names, *(";".join(map(str, row)) for row in rows)])
    return beat_files.read(io.BytesIO(text.replace(".", mark).encode()))


def iso(seconds):
    return (START + timedelta(seconds=seconds)).isoformat(" ", "milliseconds")


CLOCKS = {
    "date": (iso, START),
    "date with a zone": (lambda s: iso(s) + "+02:00", START),
    "German date": (lambda s: (START + timedelta(seconds=s)).strftime(
        "%d.%m.%Y %H:%M:%S.%f"), START),
    "time of day": (lambda s: iso(s).split(" ")[1], None),
    "ms of the epoch": (lambda s: round(
        (START + timedelta(seconds=s) - EPOCH).total_seconds() * 1000),
        START),
    "seconds": (lambda s: f"{s + 5:.3f}", None),
    "ms": (lambda s: round(s * 1000) + 9_000_000, None)}


@pytest.mark.parametrize("begins", [False, True])
@pytest.mark.parametrize("mark", [".", ","])
@pytest.mark.parametrize("name", CLOCKS)
def test_time_in_which_nothing_was_recorded_is_a_gap(name, mark, begins):
    write, start = CLOCKS[name]
    if name == "German date" and mark == ",":
        write = CLOCKS["date"][0]
    rr = hearts_rr(900)
    ends = np.cumsum(rr)
    ends[600:] += 120
    series = read("timestamp;rr_ms", map(write, ends - rr * begins),
                  rr * 1000, mark=mark)
    shift = 5 if name == "seconds" else 0
    assert series.duration_s == pytest.approx(ends[-1] + shift, abs=0.02)
    assert len(series.time_s) == 902
    assert series.time_s[:601] == pytest.approx(
        np.append(0, ends[:600]) + shift, abs=2e-3)
    found = series.beats().unscorable[-1]
    assert found == pytest.approx(
        [ends[599] + shift, ends[599] + 120 + shift], abs=0.02)
    assert "beats.gaps" in [one.rule for one in series.problems]
    assert series.start is None if start is None else (
        abs(series.start - start) < timedelta(seconds=0.01))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(60, 300), st.floats(4, 5000)),
                max_size=6),
       st.sampled_from(["exact", "late", "packets", "seconds"]),
       st.integers(0, 99))
def test_every_beat_is_where_the_clock_says(losses, kind, seed):
    rng = np.random.default_rng(seed)
    rows = np.cumsum([0] + [count for count, _ in losses])
    rr = hearts_rr(rows[-1] + 200, seed)
    ends = np.cumsum(rr)
    for row, (_, lost_s) in zip(rows[1:], losses, strict=True):
        ends[row:] += lost_s
    clock = ends + rng.uniform(0, {"exact": 0.01, "late": 1.0}.get(kind, 0),
                               len(ends))
    if kind == "packets":
        # A radio hands over up to four intervals at once.
        for begin, end in zip(rows, [*rows[1:], len(ends)], strict=True):
            for at in range(begin, end, 4):
                clock[at:min(at + 4, end)] = ends[min(at + 3, end - 1)]
    if kind == "seconds":
        clock = np.floor(clock)
    series = read("time;rr_ms", map(iso, clock), rr * 1000)
    expected = np.append(0, np.insert(
        ends, rows[1:], ends[rows[1:]] - rr[rows[1:]]))
    assert series.time_s == pytest.approx(
        expected, abs=0.1 if kind == "exact" else 1)
    found = series.beats().unscorable
    assert len(found) == len(losses)
    assert np.diff(found)[:, 0] == pytest.approx(
        [lost_s for _, lost_s in losses], abs=0.1 if kind == "exact" else 1)


def test_removed_beats_are_gaps_even_if_short():
    rr = hearts_rr(600)
    ends = np.cumsum(rr)
    kept = np.delete(np.arange(600), [100, 200, 201, 400])
    series = read("time;rr_ms", map(iso, ends[kept]), rr[kept] * 1000)
    assert series.duration_s == pytest.approx(ends[-1], abs=0.01)
    assert np.isin(np.round(ends[[99, 100, 199, 201, 399, 400]], 2),
                   np.round(series.time_s, 2)).sum() >= 5
    assert series.beats().unscorable == pytest.approx(np.array([
        [ends[99], ends[100]], [ends[199], ends[201]],
        [ends[399], ends[400]]]), abs=0.01)


@pytest.mark.parametrize("blank", ["", "nan", "NA", "0"])
@pytest.mark.parametrize("clock", [True, False])
def test_a_blank_interval_is_a_gap(clock, blank):
    rr = hearts_rr(600)
    ends = np.cumsum(rr)
    ends[300:] += 40 * clock
    cells = [f"{one * 1000:.0f}" for one in rr]
    cells[300] = blank
    series = read("time;rr_ms", map(iso, ends) if clock else [""] * 600,
                  cells)
    found, = series.beats().unscorable
    assert found == pytest.approx(
        [ends[299], ends[300]], abs=0.01 if clock else 0.3)
    assert series.duration_s == pytest.approx(
        ends[-1], abs=0.01 if clock else 0.3)
    warned = [one.text for one in series.problems
              if one.rule == "beats.number"]
    assert len(warned) == 1
    assert ("no clock" in warned[0]) is not clock


@pytest.mark.parametrize("wrong_s", [-7200, 7200, -1e9])
def test_one_wrong_time_is_no_loss(wrong_s):
    rr = hearts_rr(600)
    times = np.cumsum(rr) + 1.6e9
    times[300] += wrong_s
    series = read("unix;rr_ms", (f"{one:.3f}" for one in times), rr * 1000)
    assert series.time_s[1:] == pytest.approx(np.cumsum(rr), abs=1e-3)
    assert series.problems == ()


@pytest.mark.parametrize("wrong", ["first", "last", "start"])
@pytest.mark.parametrize("lost_s", [0, 90])
def test_wrong_times_at_an_end_leave_the_others(wrong, lost_s):
    rr = hearts_rr(900)
    ends = np.cumsum(rr)
    ends[600:] += lost_s
    cells = [iso(one) for one in ends]
    rows = {"first": [0], "last": [-1], "start": range(100)}[wrong]
    for row in rows:
        cells[row] = f"1970-01-01 00:00:{row % 60:02d}"
    series = read("time;rr_ms", cells, rr * 1000)
    assert series.duration_s == pytest.approx(ends[-1], abs=0.01)
    assert abs(series.start - START) < timedelta(seconds=0.01)
    assert len(series.beats().unscorable) == bool(lost_s)


@pytest.mark.parametrize("off_s", [-3600, 3600])
@pytest.mark.parametrize("row", [0, -1])
def test_one_time_alone_at_an_end_is_no_loss(row, off_s):
    rr = hearts_rr(300)
    times = np.cumsum(rr)
    clock = times.copy()
    clock[row] += off_s
    series = read("time;rr_ms", map(iso, clock), rr * 1000)
    assert series.time_s[1:] == pytest.approx(times, abs=1e-3)
    assert abs(series.start - START) < timedelta(seconds=0.01)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 90), st.floats(4, 3000), st.integers(0, 89),
       st.sampled_from(["exact", "late"]), st.integers(0, 99))
def test_a_time_in_some_rows_only(every, lost_s, first, kind, seed):
    rng = np.random.default_rng(seed)
    rr = hearts_rr(60 * every, seed)
    ends = np.cumsum(rr)
    row = 40 * every
    ends[row:] += lost_s
    clock = ends + rng.uniform(0, 1, len(ends)) * (kind == "late")
    cells = ["" if (at - first) % every else iso(one)
             for at, one in enumerate(clock)]
    series = read("time;rr_ms", cells, rr * 1000)
    assert series.duration_s == pytest.approx(
        ends[-1], abs=0.01 if kind == "exact" else 1.1)
    found, = series.beats().unscorable
    # Where the time was lost is not known between two times.
    assert found[0] <= ends[row - 1] + 1.1
    assert found[1] >= ends[row] - rr[row] - 1.1
    assert np.diff(found) < lost_s + 1.4 * (every + 1)


@pytest.mark.parametrize("days", ["changes", "stays", "German"])
@pytest.mark.parametrize("lost_s", [0, 7000])
def test_a_date_and_a_time_of_day_are_one_clock(days, lost_s):
    rr = hearts_rr(1500)
    ends = np.cumsum(rr)
    ends[600:] += lost_s
    texts = [iso(one) for one in ends]
    dates = [one[:10] for one in texts]
    if days == "stays":
        dates = dates[:1] * len(dates)
    if days == "German":
        dates = [".".join(reversed(one.split("-"))) for one in dates]
    series = read("Date;Time;rr_ms", dates, [one[11:] for one in texts],
                  rr * 1000)
    assert series.duration_s == pytest.approx(ends[-1], abs=0.01)
    assert abs(series.start - START) < timedelta(seconds=0.01)
    assert len(series.beats().unscorable) == bool(lost_s)


@pytest.mark.parametrize("begins", [False, True])
@pytest.mark.parametrize("write", ["{:.3f}", "{:.0f}", "{:.6f}"])
def test_a_sum_of_the_intervals_does_not_hide_a_loss(write, begins):
    rr = hearts_rr(900)
    ends = np.cumsum(rr)
    sums = [write.format(one) for one in ends - rr * begins]
    ends[600:] += 120
    series = read("elapsed;received;seconds since start;rr_ms", sums,
                  [""] * 900, map("{:.3f}".format, ends + 3), rr * 1000)
    assert series.duration_s == pytest.approx(ends[-1] + 3, abs=0.02)
    found = series.beats().unscorable[-1]
    assert np.diff(found) == pytest.approx(120, abs=0.02)


@pytest.mark.parametrize("clock", ["exact", "late", "sum", "none"])
def test_blank_intervals_of_a_fast_heart_are_as_long_as_those_around(clock):
    rng = np.random.default_rng(1)
    rr = hearts_rr(1200)
    rr[600:900] *= 0.5
    ends = np.cumsum(rr)
    cells = [f"{one * 1000:.0f}" for one in rr]
    blank = np.sort(np.append(
        rng.choice(np.arange(610, 700), 30, replace=False),
        np.arange(750, 800)))
    for row in blank:
        cells[row] = ""
    times = ends + rng.uniform(0, 1, 1200) * (clock == "late")
    if clock == "sum":
        times = np.cumsum(np.where(np.isin(np.arange(1200), blank), 0, rr))
    series = read("time;rr_ms", map(iso, times) if clock != "none"
                  else [""] * 1200, cells)
    near = 0.02 if clock == "exact" else 1.5
    assert series.duration_s == pytest.approx(ends[-1], abs=near)
    kept = np.delete(ends, blank)
    missed = np.abs(series.time_s[:, None] - kept).min(axis=0)
    assert missed.max() < near
    assert np.diff(series.beats().unscorable).sum() == pytest.approx(
        rr[blank].sum(), abs=near)
    warned, = (one.text for one in series.problems
               if one.rule == "beats.number")
    assert ("no clock" in warned) is (clock in ("sum", "none"))


@pytest.mark.parametrize("name", ["date", "time of day", "ms of the epoch"])
@pytest.mark.parametrize("lost_s", [0, 120])
def test_rows_with_the_newest_first_are_read_in_order_of_time(name, lost_s):
    write, start = CLOCKS[name]
    rr = hearts_rr(900)
    ends = np.cumsum(rr)
    ends[600:] += lost_s
    columns = [list(map(write, ends)), list(rr * 1000)]
    series = read("timestamp;rr_ms", *columns)
    turned = read("timestamp;rr_ms", *(one[::-1] for one in columns))
    assert np.array_equal(series.time_s, turned.time_s)
    assert np.array_equal(series.lost, turned.lost)
    assert series.start == turned.start
    assert {one.rule for one in turned.problems} == {
        "beats.order", *(one.rule for one in series.problems)}


def test_seconds_that_run_down_are_rejected():
    rr = hearts_rr(300)
    with pytest.raises(AuraError, match="beats.order"):
        read("seconds;rr_ms", rr.sum() - np.cumsum(rr), rr * 1000)


@pytest.mark.parametrize("cells", [["9" * 20] * 3, ["-" + "9" * 20, "1", "2"],
                                   ["9" * 20, "1", "2"], ["0", "1", "9" * 20]])
def test_absurd_times_are_no_error(cells):
    try:
        series = read("time;rr_ms", cells * 40, hearts_rr(120) * 1000)
    except AuraError as error:
        assert error.rule == "beats.length"
    else:
        assert series.start is None


def test_intervals_of_nothing_are_refused():
    with pytest.raises(AuraError, match="beats.few"):
        read("time;rr_ms", ["1", "2"], ["0", ""])


def test_a_slow_drift_is_reported_and_changes_nothing():
    rr = hearts_rr(9000)
    ends = np.cumsum(rr)
    series = read("time;rr_ms", map(iso, ends * (1 + 5e-4)), rr * 1000)
    assert series.time_s[1:] == pytest.approx(ends, abs=0.01)
    assert [one.rule for one in series.problems] == ["beats.clock"]
    assert f"{ends[-1] * 5e-4:.2g}" in series.problems[0].text


@pytest.mark.parametrize("write", [
    lambda s: iso(s / 9), lambda s: "soon" * int(s), lambda s: s / 9,
    lambda s: iso(s)[:10], lambda s: iso(s % 7),
    lambda s: "0001-01-01T00:00:00"])
def test_a_column_that_is_no_clock_changes_nothing(write):
    rr = hearts_rr(300)
    series = read("time;rr_ms", map(write, np.cumsum(rr)), rr * 1000)
    assert series.time_s[1:] == pytest.approx(np.cumsum(rr), abs=1e-3)
    assert series.start is None
    assert {one.rule for one in series.problems} <= {"beats.clock"}


@pytest.mark.parametrize("year", ["0001", "1899", "9999"])
@pytest.mark.parametrize("names", [
    "timestamp;rr_ms", "timestamp;frame;rr_interval"])
def test_a_date_of_another_age_is_no_date(year, names):
    rr = hearts_rr(100)
    frames = np.round((np.cumsum(rr) - rr) * 250).astype(int)
    frame = [frames] * names.count("frame")
    times = [f"{year}{iso(second)[4:]}" for second in np.cumsum(rr)]
    assert read(names, times, *frame, rr * 1000).start is None
