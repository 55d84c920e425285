"""Points hold the contents of a recording at its own times, without names."""

import math
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from aura.errors import InvalidInputError
from aura.influx import points, schema
from aura.influx.points import Series
from aura.recording import ArraySignal, Event, Recording
from aura.scoring.matching import agree
from aura.scoring.score import score
from aura.synthetic.waveform import ecg
from tests.lines import parse

START = datetime(2021, 3, 2, 10, 20, 30)
BERLIN = ZoneInfo("Europe/Berlin")
BEGIN = 10 ** 18
SERIES = Series("p-0123456789", "r-0123456789", BEGIN, "0123456789abcdef")
WHO = {"patient": "p-0123456789", "recording": "r-0123456789"}
SECOND = 10 ** 9


def read(lines):
    return parse(b"".join(lines) if not isinstance(lines, bytes) else lines)


@pytest.mark.parametrize("zone, hour", [
    (ZoneInfo("UTC"), 10), (BERLIN, 9), (ZoneInfo("Asia/Kolkata"), 4.5)])
def test_a_start_is_a_time_on_the_clock_of_the_zone(zone, hour):
    day = datetime(2021, 3, 2, tzinfo=UTC).timestamp()
    expected = int(day + hour * 3600 + 20 * 60 + 30) * SECOND
    assert points.start_ns(START, zone) == expected


def test_a_start_keeps_its_microseconds_also_before_1970():
    assert points.start_ns(datetime(1969, 12, 31, 23, 59, 59, 250001),
                           ZoneInfo("UTC")) == -749_999_000


def test_a_repeated_hour_is_the_first_and_a_skipped_hour_the_next():
    first = points.start_ns(datetime(2021, 10, 31, 2, 30), BERLIN)
    assert first == points.start_ns(
        datetime(2021, 10, 31, 0, 30), ZoneInfo("UTC"))
    skipped = points.start_ns(datetime(2021, 3, 28, 2, 30), BERLIN)
    assert skipped == points.start_ns(
        datetime(2021, 3, 28, 3, 30), BERLIN)


@pytest.mark.parametrize("year", [1, 1676, 2263, 9999])
def test_a_clock_out_of_range_is_refused(year):
    begin = points.start_ns(datetime(year, 6, 1), ZoneInfo("UTC"))
    with pytest.raises(InvalidInputError, match="line.time"):
        Series("p", "r", begin).check(60.0)


def test_a_recording_that_would_end_after_2262_is_refused_at_its_start():
    series = Series("p", "r", points.start_ns(
        datetime(2262, 4, 11, 23, 0), ZoneInfo("UTC")))
    series.check(60.0)
    with pytest.raises(InvalidInputError, match="line.time"):
        series.check(3600.0)


@pytest.mark.parametrize("fs_hz", [256.0, 200.0, 8.0])
def test_ecg_keeps_the_extremes_of_every_stretch_at_every_level(
        monkeypatch, fs_hz):
    monkeypatch.setattr(points, "PIECE_S", 7.0)
    samples = ecg(30.05).samples[:round(30.05 * fs_hz)]
    lines = read(points.ecg(SERIES, ArraySignal(samples, fs_hz), "ECG 1"))
    found = {name: [] for name in schema.RESOLUTIONS}
    for name, tags, fields, time_ns in lines:
        assert name == "ecg" and tags.items() >= WHO.items()
        assert tags["channel"] == "ECG 1"
        found[tags["resolution"]].append(
            (fields["min"], fields["max"], time_ns))
    for resolution, seconds in schema.RESOLUTIONS.items():
        factor = max(round(seconds * fs_hz), 1)
        assert found[resolution] == [
            (samples[begin:begin + factor].min(),
             samples[begin:begin + factor].max(),
             BEGIN + round(begin / fs_hz * SECOND))
            for begin in range(0, len(samples), factor)]


def test_raw_samples_are_those_around_events(monkeypatch):
    monkeypatch.setattr(points, "PIECE_S", 7.0)
    samples = ecg(400.0).samples
    spans = points.around([Event(200, 10), Event(300, 5), Event(5, 1)], 400)
    assert spans.tolist() == [[0, 66], [140, 365]]
    lines = read(points.raw(SERIES, ArraySignal(samples, 256.0), "E", spans))
    indices = [*range(66 * 256), *range(140 * 256, 365 * 256)]
    assert [(fields, time_ns) for _, _, fields, time_ns in lines] == [
        ({"value": samples[index]}, BEGIN + round(index / 256 * SECOND))
        for index in indices]
    assert {tags["resolution"] for _, tags, _, _ in lines} == {"raw"}


def test_beats_have_the_interval_that_ends_there():
    [first, second] = read(points.beats(
        SERIES, np.array([.5, 1.3]), np.array([np.nan, .8]),
        np.array([False, True])))
    assert first[2] == {"normal": False}
    assert second[2] == {"normal": True, "rr_ms": 800.0}
    assert second[3] - first[3] == 800_000_000


def test_a_time_after_a_week_is_exact_to_the_microsecond():
    [point] = read(points.beats(SERIES, np.array([604800.000001]),
                                np.array([.8]), np.array([True])))
    assert point[3] == BEGIN + 604800_000001000


def test_a_missing_value_has_no_field_and_no_point():
    missing = np.array([np.nan, 71.5, np.nan])
    rates = read(points.heart_rate(
        SERIES, np.array([1., 2, 3]), missing,
        np.array([np.nan, np.nan, 70]), np.array([2, 1.5, 2])))
    assert [(one[2], one[3] - BEGIN) for one in rates] == [
        ({"bpm": 71.5, "p95_bpm": 70.0}, 2 * SECOND),
        ({"baseline_bpm": 70.0}, 3 * SECOND)]
    likely = read(points.probability(
        SERIES, np.array([1., 2, 3]), missing / 100, .6))
    assert [(one[2], one[1]["model"]) for one in likely] == [
        ({"probability": .715, "threshold": .6}, "0123456789ab")]


def test_unscorable_stretches_have_start_and_end():
    [one, two] = read(points.unscorable(SERIES, [(0, 10), (20.5, 60)]))
    assert (one[2], one[3]) == (
        {"number": 1, "end_ns": BEGIN + 10 * SECOND, "duration_s": 10.0},
        BEGIN)
    assert two[3] == BEGIN + 20_500_000_000
    assert two[2]["end_ns"] == BEGIN + 60 * SECOND
    assert points.unscorable(SERIES, []) == b""


def test_events_of_both_layers_are_kept_apart():
    listed = [Event(5, 30, "sz", .75), Event(90, 10, "sz_\n\"é😀, =")]
    lines = read([points.events(SERIES, "predicted", listed,
                                np.array([True, False])),
                  points.events(SERIES, "original", listed)])
    assert [one[1]["layer"] for one in lines] == ["predicted"] * 2 + [
        "original"] * 2
    assert lines[0][2] == {
        "number": 1, "end_ns": BEGIN + 35 * SECOND, "duration_s": 30.0,
        "label": "sz", "confidence": .75, "outcome": "TP"}
    assert lines[1][2]["outcome"] == "FP"
    assert lines[3][2] == {
        "number": 2, "end_ns": BEGIN + 100 * SECOND, "duration_s": 10.0,
        "label": "sz_\\n\"é😀, ="}
    assert lines[0][1]["model"] == "0123456789ab"
    assert "model" not in lines[2][1]
    assert points.events(SERIES, "original", []) == b""


def test_agreement_has_detected_and_missed_seizures_and_false_alarms():
    found = agree([Event(1000, 60), Event(2000, 40)],
                  [Event(100, 30), Event(1010, 9), Event(1100, 20)], 3600.0)
    lines = read(points.agreement(SERIES, found))
    assert [(tags["layer"], fields["outcome"], fields.get("matches"),
             fields.get("latency_s"), (time_ns - BEGIN) // SECOND)
            for _, tags, fields, time_ns in lines] == [
        ("original", "TP", "2,3", 10.0, 1000),
        ("original", "FN", None, None, 2000),
        ("predicted", "FP", None, None, 100)]


def known(**changes):
    return Recording(**{
        "path": "a.edf", "patient": "p-0123456789", "channels": ("ECG",),
        "channel": "ECG", "channel_index": 0, "unit": "mV", "fs_hz": 256.0,
        "duration_s": 3600.0, "start": START, "annotation_source": "EDF+",
        "events": (Event(1000, 60), Event(2000, 40)), **changes})


def test_a_recording_has_one_point_and_one_score():
    [whole] = read(points.recording(
        SERIES, known(), beats=4000, scorable_s=3000.0,
        unscorable=[(0, 10), (20.5, 60)]))
    assert whole == ("recording", WHO, {
        "end_ns": BEGIN + 3600 * SECOND, "duration_s": 3600.0,
        "fs_hz": 256.0, "channel": "ECG", "unit": "mV", "annotated": True,
        "seizures": 2, "beats": 4000, "unscorable_s": 49.5,
        "scorable_s": 3000.0}, BEGIN)
    predicted = [Event(100, 30), Event(1010, 9)]
    [counts] = read(points.score(
        SERIES, duration_s=3600.0, scorable_s=1800.0, alarms=2, threshold=.4,
        counted=score(known().events, predicted, 3600.0)))
    assert counts[2] == {
        "hours": 1.0, "scorable_hours": .5, "alarms": 2, "threshold": .4,
        "tp": 1, "fn": 1, "fp": 1, "strict_fp": 1, "tp_s": 9, "fn_s": 91,
        "fp_s": 30, "latency_s": 10.0}


def test_without_annotation_no_seizure_is_counted_or_missed():
    [whole] = read(points.recording(
        SERIES, known(annotation_source=None, events=(), fs_hz=None,
                      channel="", unit=""), beats=0, scorable_s=0.0,
        unscorable=[(0, 3600)]))
    assert whole[2]["annotated"] is False
    assert {"seizures", "fs_hz", "channel", "unit"}.isdisjoint(whole[2])
    assert whole[2]["unscorable_s"] == 3600.0
    [counts] = read(points.score(
        SERIES, duration_s=3600.0, scorable_s=0.0, alarms=0, threshold=.4,
        counted=None))
    assert counts[2] == {"hours": 1.0, "scorable_hours": 0.0, "alarms": 0,
                         "threshold": .4}
    assert math.isclose(counts[3], BEGIN)
