"""Each RR interval has the right kind, and none is interpolated."""

import statistics

import numpy as np
import pytest
from hypothesis import given, strategies as st

from aura.ecg.rr import (
    LOOP_REPEATS, STUCK_S, Kind, rr_series, without_stuck)
from aura.recording import Beats

INTERVALS_MS = st.lists(st.integers(200, 2500), max_size=60)
SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 15)),
                 max_size=4)


def beats(intervals_ms, spans=(), first_s=0.4):
    time_s = first_s + np.cumsum([0, *intervals_ms]) / 1000
    return Beats(time_s, float(time_s[-1]) + 1,
                 np.array(spans, dtype=float).reshape(-1, 2))


def kinds(intervals_ms, spans=()):
    return [Kind(kind).name for kind in
            rr_series(beats(intervals_ms, spans)).kind]


def disjoint(spans):
    """(start, length) as (start, end), without overlaps."""
    kept = []
    for start, length in sorted(spans):
        if not kept or start > kept[-1][1]:
            kept.append((start, start + length))
    return kept


def oracle(time_s, spans):
    """The rules one interval at a time, in whole microseconds."""
    expected, usable = [], []
    for start, end in zip(time_s, time_s[1:]):
        length = round((end - start) * 1e6)
        if any(start < high and low < end for low, high in spans):
            expected.append("UNSCORABLE")
        elif not 300_000 <= length <= 1_800_000:
            expected.append("ARTEFACT")
        else:
            before = ([usable[0]] * 5 + usable)[-5:] if usable else [length]
            usual, previous = statistics.median(before), before[-1]
            far = (abs(length - usual) > usual / 5
                   and abs(length - previous) > previous / 5)
            expected.append("ECTOPIC" if far else "NORMAL")
            usable.append(length)
    return expected


@given(INTERVALS_MS, SPANS)
def test_kinds_follow_the_rules(intervals_ms, spans):
    given_beats = beats(intervals_ms, disjoint(spans))
    series = rr_series(given_beats)
    assert [Kind(kind).name for kind in series.kind] == oracle(
        given_beats.time_s.tolist(), disjoint(spans))
    assert series.rr_s == pytest.approx(np.diff(given_beats.time_s))
    assert np.array_equal(series.time_s, given_beats.time_s[1:])
    assert np.array_equal(series.normal, series.kind == 0)


@given(INTERVALS_MS, st.integers(0, 59))
def test_later_beats_change_no_earlier_kind(intervals_ms, count):
    whole = kinds(intervals_ms)
    assert kinds(intervals_ms[:count]) == whole[:count]


def test_only_an_early_beat_and_its_pause_are_ectopic():
    found = kinds([800] * 8 + [520, 1080] + [800] * 8)
    assert found == ["NORMAL"] * 8 + ["ECTOPIC"] * 2 + ["NORMAL"] * 8


def test_a_missed_beat_is_not_normal():
    assert kinds([800] * 8 + [1600] + [800] * 3)[8] == "ECTOPIC"


def test_after_a_true_step_of_the_heart_rate_one_interval_is_ectopic():
    found = kinds([1000] * 10 + [600] * 10)
    assert found.count("ECTOPIC") == 1 and found[10] == "ECTOPIC"


def test_a_seizure_that_doubles_the_heart_rate_in_15_s_stays_normal():
    rate = np.concatenate([np.full(60, 70), np.linspace(70, 140, 26),
                           np.full(60, 140)])
    assert set(kinds((60000 / rate).round().astype(int))) == {"NORMAL"}


def test_an_interval_across_an_unscorable_span_is_unscorable():
    found = kinds([1000] * 6, [(2.5, 2.6)])
    assert found == ["NORMAL"] * 2 + ["UNSCORABLE"] + ["NORMAL"] * 3


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_beats_have_no_interval(count):
    series = rr_series(Beats(np.arange(count) + .5, 10.0))
    assert len(series.time_s) == len(series.rr_s) == len(series.kind) == 0


@given(st.integers(300, 1800), st.integers(0, 40_000), st.integers(1, 90))
def test_equal_intervals_are_a_stuck_sensor_from_20_s_on(
        length_ms, start_s, seconds):
    before = np.random.default_rng(1).integers(760, 840, 40).tolist()
    count = max(1, seconds * 1000 // length_ms)
    one = beats([*before, *([length_ms] * count), *before], first_s=start_s,
                spans=[(start_s + 500, start_s + 510)])
    found = without_stuck(one).unscorable
    begin, end = one.time_s[40], one.time_s[40 + count]
    known = max(begin + STUCK_S, one.time_s[min(
        40 + 1 + LOOP_REPEATS, len(one.time_s) - 1)])
    assert found[-1].tolist() == [start_s + 500, start_s + 510]
    if count > LOOP_REPEATS and end > known:
        assert found[:-1] == pytest.approx(np.array([[known, end]]))
    else:
        assert len(found) == 1


@pytest.mark.parametrize("pattern", [
    [700, 900], [810, 790, 805], [*range(700, 820, 10)]])
def test_a_pattern_that_repeats_exactly_is_a_loop(pattern):
    before = np.random.default_rng(1).integers(760, 840, 60).tolist()
    one = beats([*before, *pattern * 40])
    begin = one.time_s[60]
    (start, end), = without_stuck(one).unscorable
    assert end == one.time_s[-1]
    assert start - begin <= max(30, 18 * sum(pattern) / 1000)


@given(st.lists(st.integers(300, 1800), min_size=1, max_size=40),
       st.integers(1, 200))
def test_a_stuck_stretch_is_known_from_the_past_alone(intervals_ms, repeats):
    one = beats([length for length in intervals_ms for _ in range(repeats)])
    whole = without_stuck(one).unscorable
    for at in (len(one.time_s) // 3, len(one.time_s) // 2):
        cut_s = float(one.time_s[at])
        part = without_stuck(Beats(one.time_s[:at + 1], cut_s)).unscorable
        known = np.minimum(whole[whole[:, 0] < cut_s], cut_s)
        assert part == pytest.approx(known[known[:, 0] < known[:, 1]])
