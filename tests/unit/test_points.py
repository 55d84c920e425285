"""Points say what a recording holds, at its own times, and name nobody."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from aura import points
from aura.points import Series
from aura.recording import ArraySignal, Event
from aura.synthetic import ecg

START = datetime(2021, 3, 2, 10, 20, 30)
BERLIN = ZoneInfo("Europe/Berlin")
SERIES = Series("p-0123456789", "r-0123456789", 10 ** 18)


def read(lines):
    """(measurement, tags, fields, ns) of lines without escapes but `\\ `."""
    found = []
    for line in lines.decode().splitlines():
        head, values, time_ns = line.replace("\\ ", "\0").rsplit(" ", 2)
        name, *tags = head.replace("\0", " ").split(",")
        fields = dict(one.split("=") for one in values.split(","))
        found.append((name, dict(tag.split("=") for tag in tags),
                      fields, int(time_ns)))
    return found


@pytest.mark.parametrize("zone, hour", [
    (ZoneInfo("UTC"), 10), (BERLIN, 9), (ZoneInfo("Asia/Kolkata"), 4.5)])
def test_a_start_is_taken_from_the_clock_on_the_wall(zone, hour):
    day = datetime(2021, 3, 2, tzinfo=UTC).timestamp()
    expected = int(day + hour * 3600 + 20 * 60 + 30) * 10 ** 9
    assert points.start_ns(START, zone) == expected


def test_a_start_keeps_its_microseconds_also_before_1970():
    assert points.start_ns(datetime(1969, 12, 31, 23, 59, 59, 250001),
                           ZoneInfo("UTC")) == -749_999_000


def test_a_time_shown_twice_is_the_first_and_one_skipped_the_one_after():
    first = points.start_ns(datetime(2021, 10, 31, 2, 30), BERLIN)
    assert first == points.start_ns(
        datetime(2021, 10, 31, 0, 30), ZoneInfo("UTC"))
    skipped = points.start_ns(datetime(2021, 3, 28, 2, 30), BERLIN)
    assert skipped == points.start_ns(
        datetime(2021, 3, 28, 3, 30), BERLIN)


@pytest.mark.parametrize("fs_hz, factor", [(256.0, 26), (200.0, 20),
                                           (8.0, 1)])
def test_ecg_keeps_the_extremes_of_every_tenth_of_a_second(
        monkeypatch, fs_hz, factor):
    monkeypatch.setattr(points, "PIECE_S", 7.0)
    samples = ecg(30.05).samples[:round(30.05 * fs_hz)]
    lines = read(b"".join(points.ecg(
        SERIES, ArraySignal(samples, fs_hz), "ECG 1")))
    starts = range(0, len(samples), factor)
    assert len(lines) == len(starts)
    for (name, tags, fields, time_ns), begin in zip(lines, starts):
        cell = samples[begin:begin + factor]
        assert name == "ecg"
        assert tags == {"patient": "p-0123456789", "channel": "ECG 1",
                        "recording": "r-0123456789", "resolution": "0.1 s"}
        assert float(fields["min"]) == cell.min()
        assert float(fields["max"]) == cell.max()
        assert time_ns == 10 ** 18 + round(begin / fs_hz * 10 ** 9)


def test_beats_carry_the_interval_that_they_end():
    [first, second] = read(points.beats(
        SERIES, np.array([.5, 1.3]), np.array([np.nan, .8]),
        np.array([False, True])))
    assert first[2] == {"normal": "false"}
    assert float(second[2]["rr_ms"]) == 800
    assert second[2]["normal"] == "true"
    assert second[3] - first[3] == 800_000_000


def test_a_time_after_a_week_is_exact_to_the_microsecond():
    [point] = read(points.beats(SERIES, np.array([604800.000001]),
                                np.array([.8]), np.array([True])))
    assert point[3] == 10 ** 18 + 604800_000001000


def test_what_is_missing_has_no_field_and_no_point():
    missing = np.array([np.nan, 71.5, np.nan])
    rates = read(points.heart_rate(
        SERIES, np.array([1., 2, 3]), missing,
        np.array([np.nan, np.nan, 70])))
    assert [(one[2], one[3] - 10 ** 18) for one in rates] == [
        ({"bpm": "71.5"}, 2 * 10 ** 9),
        ({"baseline_bpm": "70.0"}, 3 * 10 ** 9)]
    likely = read(points.probability(
        SERIES, "0123456789abcdef", np.array([1., 2, 3]), missing / 100, .6))
    assert [(one[2], one[1]["model"]) for one in likely] == [
        ({"probability": "0.715", "threshold": "0.6"}, "0123456789ab")]


def test_unscorable_stretches_stand_at_their_start():
    [one, two] = read(points.unscorable(SERIES, [(0, 10), (20.5, 60)]))
    assert (one[2], one[3]) == ({"duration_s": "10.0"}, 10 ** 18)
    assert (two[2], two[3]) == ({"duration_s": "39.5"},
                                10 ** 18 + 20_500_000_000)
    assert points.unscorable(SERIES, []) == b""


def test_events_of_both_layers_are_told_apart():
    listed = [Event(5, 30, "sz", .75), Event(90, 10, "sz_foc")]
    lines = read(points.events(SERIES, "predicted", listed, "abc")
                 + points.events(SERIES, "original", listed))
    assert [one[1]["layer"] for one in lines] == ["predicted"] * 2 + [
        "original"] * 2
    assert lines[0][2] == {
        "duration_s": "30.0", "label": '"sz"', "confidence": "0.75"}
    assert lines[3][2] == {"duration_s": "10.0", "label": '"sz_foc"'}
    assert lines[0][1]["model"] == "abc"
    assert "model" not in lines[2][1]
    assert points.events(SERIES, "original", []) == b""
