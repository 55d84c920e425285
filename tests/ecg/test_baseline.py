"""Features of the heart rate relative to the last minutes."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from aura.ecg import baseline
from aura.ecg.baseline import (
    HeartRate,
    ratio_to_recent_median,
    relative_to_baseline,
)


def rate(bpm, hop_s=1.0):
    bpm = np.asarray(bpm, dtype=float)
    return HeartRate(hop_s * np.arange(1, len(bpm) + 1), bpm, hop_s)


def holey(seed, count, share=.1):
    rng = np.random.default_rng(seed)
    bpm = 70 + 8 * np.sin(np.arange(count) / 50) + rng.normal(0, 3, count)
    bpm[rng.random(count) < share] = np.nan
    return bpm


def test_exactly_the_features_of_the_table_are_computed():
    assert list(relative_to_baseline(rate([70] * 5))) == list(
        baseline.BASELINE)


def test_a_rise_is_relative_to_the_minutes_before_the_last():
    bpm = np.concatenate([np.full(600, 70.0), np.full(50, 110.0)])
    found = relative_to_baseline(rate(bpm))
    last = {name: column[-1] for name, column in found.items()}
    assert last["hr_base"] == 70
    assert last["hr_rise"] == 40
    assert last["hr_ratio"] == pytest.approx(110 / 70)
    # The spread of a still heart counts as 1 bpm, not as none.
    assert last["hr_z"] == 40
    assert last["hr_rise_60"] == pytest.approx(40 * 50 / 60)
    assert last["hr_over_p95"] == 40
    assert last["hr_slope_10"] == last["hr_from_peak"] == 0
    assert found["hr_slope_10"][601] == found["hr_slope_30"][625] == 40
    assert found["hr_from_peak"][599] == 0


def test_a_rise_does_not_raise_the_baseline_for_a_minute():
    bpm = np.concatenate([np.full(600, 70.0), np.full(400, 110.0)])
    base = relative_to_baseline(rate(bpm))["hr_base"]
    assert (base[600:800] == 70).all()
    assert base[-1] == 110


def test_features_are_missing_until_there_is_a_baseline():
    found = relative_to_baseline(rate(np.full(400, 70.0)))
    assert np.flatnonzero(np.isfinite(found["hr_base"]))[0] == 119
    assert np.isnan(found["hr_over_p95"][:110]).all()
    assert np.isfinite(found["hr_from_peak"]).all()


@settings(max_examples=20)
@given(st.integers(0, 10 ** 6), st.sampled_from([1.0, 2.0, 10.0]))
def test_median_and_mad_equal_those_of_numpy(seed, hop_s):
    bpm = holey(seed, 500, .3)
    found = relative_to_baseline(rate(bpm, hop_s))
    near, far = int(60 / hop_s), int(360 / hop_s)
    for at in range(0, 500, 37):
        past = bpm[max(at - far + 1, 0):max(at - near + 1, 0)]
        past = past[np.isfinite(past)]
        if len(past) < 60 / hop_s:
            assert np.isnan(found["hr_base"][at])
            continue
        median = np.median(past)
        spread = np.median(np.abs(past - median))
        assert found["hr_base"][at] == pytest.approx(median, rel=1e-6)
        assert found["hr_z"][at] == pytest.approx(
            (bpm[at] - median) / max(spread, 1), abs=1e-4, nan_ok=True)


@given(st.integers(0, 10 ** 6), st.integers(1, 499))
def test_later_rows_change_no_earlier_row(seed, now):
    one, two = holey(seed, 500), holey(seed + 1, 500)
    two[:now] = one[:now]
    first = relative_to_baseline(rate(one))
    for name, column in relative_to_baseline(rate(two)).items():
        assert np.array_equal(column[:now], first[name][:now],
                              equal_nan=True), name


@pytest.mark.parametrize("count", [0, 1, 2, 59, 61, 361])
@pytest.mark.parametrize("hop_s", [.5, 1.0, 30.0, 600.0])
def test_every_length_and_hop_is_possible(count, hop_s):
    for bpm in (np.full(count, np.nan), np.full(count, 70.0)):
        found = relative_to_baseline(rate(bpm, hop_s))
        assert all(len(column) == count for column in found.values())
        assert len(ratio_to_recent_median(rate(bpm, hop_s))) == count


def test_chunks_do_not_change_the_features(monkeypatch):
    whole = relative_to_baseline(rate(holey(1, 900)))
    monkeypatch.setattr(baseline, "CHUNK", 13)
    for name, column in relative_to_baseline(rate(holey(1, 900))).items():
        assert np.array_equal(column, whole[name], equal_nan=True), name


def test_the_ratio_is_to_the_median_of_the_last_five_minutes():
    bpm = np.concatenate([np.full(1000, 60.0), np.full(151, 90.0)])
    ratio = ratio_to_recent_median(rate(bpm))
    assert ratio[1000] == ratio[1148] == 1.5
    assert ratio[1149] == 1.2
    assert ratio[1150] == 1.0
    assert np.flatnonzero(np.isfinite(ratio))[0] == 59
