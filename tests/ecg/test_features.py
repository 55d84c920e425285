"""Every feature equals its definition, and no row looks ahead."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from aura.ecg import features
from aura.ecg.features import near_points, row_times, seizure_fraction
from aura.recording import Beats, Event
from tests.features_by_hand import Oracle

AURA = """mean_nni sdnn sdsd nni_50 pnni_50 nni_20 pnni_20 rmssd median_nni
range_nni cvsd cvnni mean_hr max_hr min_hr std_hr lf hf lf_hf_ratio vlf csi
cvi Modified_csi sampen sd1 sd2 ratio_sd2_sd1""".split()


# Times in tenths of a second, so that an oracle can count them.
TENTHS = st.integers(-50, 1500)
EVENTS = st.lists(st.tuples(TENTHS, st.integers(0, 600), st.sampled_from(
    ["sz", "sz_foc_ia_nm", "bckg", "impd"])), max_size=8)


def heart(seed, duration_s=1000.0, spans=()):
    """A variable beat series with ectopy, a missed beat and pauses."""
    rng = np.random.default_rng(seed)
    count = int(duration_s / .5)
    rr_s = (.75 + .1 * np.sin(np.arange(count) / 40)
            + .03 * np.sin(np.arange(count) / 2.3)
            + .02 * rng.standard_normal(count))
    early = rng.choice(np.arange(5, count - 5), 12, replace=False)
    rr_s[early] *= .62
    rr_s[early + 1] *= 1.3
    rr_s[rng.integers(5, count, 3)] *= 2
    rr_s[rng.integers(5, count, 2)] += [4, 11]
    time_s = np.round(np.cumsum(rr_s), 6)
    return Beats(time_s[time_s < duration_s], duration_s,
                 np.array(spans, dtype=float).reshape(-1, 2))


def test_the_first_columns_are_auras_in_auras_order():
    assert list(features.NAMES[:27]) == AURA
    assert len(set(features.NAMES)) == len(features.NAMES)


@pytest.mark.parametrize("seed, hop_s", [(1, 1.0), (2, .5), (3, 2.0),
                                         (4, 10.0)])
def test_features_equal_their_definitions(seed, hop_s):
    beats = heart(seed, spans=[(200, 212), (505, 508.5), (700, 701)])
    built = features.build(beats, hop_s)
    oracle = Oracle(beats, hop_s)
    ends = {10, 20, 60, 70, 120, 150, 160, 210, 220, 230, 350, 360, 420,
            510, 520, 700, 710, 820, 990, 1000}
    assert len(built.time_s) == 1000 / hop_s
    for end_s in sorted(ends):
        at = round(end_s / hop_s) - 1
        assert built.time_s[at] == pytest.approx(end_s)
        assert built.scorable[at] == oracle.scorable(end_s), end_s
        expected = oracle.row(built.time_s[at])
        for name, ours, theirs in zip(
                features.NAMES, built.values[at], expected):
            assert ours == pytest.approx(
                theirs, rel=2e-5, abs=2e-5, nan_ok=True), (end_s, name)


@settings(max_examples=25)
@given(st.integers(0, 10 ** 6), st.floats(1, 499), st.integers(0, 10 ** 6))
def test_another_future_changes_no_earlier_row(seed, now_s, other):
    spans = np.array([(100, 130), (300, 305)], dtype=float)
    one, two = heart(seed, 500.0, spans), heart(other, 500.0)
    mixed = Beats(
        np.concatenate([one.time_s[one.time_s <= now_s],
                        two.time_s[two.time_s > now_s]]),
        500.0, spans[spans[:, 1] <= now_s])
    now = features.build(one)
    later = features.build(mixed)
    ended = Beats(mixed.time_s[mixed.time_s <= now_s], now_s,
                  mixed.unscorable)
    stopped = features.build(ended)
    known = int(now_s)
    # A span that is still open at `now` is not known yet.
    sure = np.array([not ((spans[:, 0] <= end) & (spans[:, 1] > now_s)).any()
                     for end in now.time_s[:known]], dtype=bool)
    for built in (later, stopped):
        assert np.array_equal(built.values[:known][sure],
                              now.values[:known][sure], equal_nan=True)
        assert np.array_equal(built.scorable[:known][sure],
                              now.scorable[:known][sure])


@pytest.mark.parametrize("count", [0, 1, 2, 3, 20])
@pytest.mark.parametrize("duration_s", [0.0, 0.5, 17.0, 64.0, 400.0])
@pytest.mark.parametrize("hop_s", [.5, 1.0, 10.0])
def test_few_or_no_beats_give_rows_of_nan(count, duration_s, hop_s):
    time_s = .3 + .8 * np.arange(count)
    beats = Beats(time_s[time_s < duration_s], duration_s)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        built = features.build(beats, hop_s)
    rows = int(duration_s / hop_s)
    assert built.values.shape == (rows, len(features.NAMES))
    assert built.values.dtype == np.float32
    if count < 4:
        assert not built.scorable.any()


def test_a_seizure_in_the_first_150_s_keeps_its_rows():
    rate = np.where(np.arange(600) < 60, 70, 130)
    time_s = np.cumsum(60 / rate)
    beats = Beats(time_s[time_s < 120], 120.0)
    seizure = Event(50, 30, "sz")
    built = features.build(beats)
    during = built.values[(built.time_s > seizure.onset_s + 12)
                          & (built.time_s <= seizure.end_s)]
    assert len(built.time_s) == 120
    assert during[:, features.NAMES.index("mean_hr")] == pytest.approx(
        130, abs=.1)
    assert np.isnan(during[:, features.NAMES.index("lf")]).all()
    assert built.scorable[9:].all()


def test_beats_in_unscorable_time_change_no_feature():
    spans = [(300.0, 340.0)]
    spoilt = heart(7, spans=spans)
    rng = np.random.default_rng(0)
    inside = (spoilt.time_s > 300) & (spoilt.time_s < 340)
    other = Beats(
        np.sort(np.concatenate([spoilt.time_s[~inside],
                                rng.uniform(300, 340, 80)])),
        spoilt.duration_s, spoilt.unscorable)
    one, two = features.build(spoilt), features.build(other)
    assert not one.scorable[303:343].any()
    assert one.scorable[[290, 360]].all()
    assert np.array_equal(one.values, two.values, equal_nan=True)


def test_every_feature_has_a_unit_and_a_window():
    for feature in features.SCHEMA:
        assert feature.unit in {"ms", "ms2", "bpm", "%", "1", "log10(ms2)"}
        assert feature.window


def test_rows_near_a_seizure_of_unknown_length_are_neither():
    time_s = np.arange(0.0, 2000.0, 10.0)
    near = near_points([Event(1000, 0), Event(500, 20)], time_s)
    assert time_s[near].min() == 710 and time_s[near].max() == 1600
    assert near.sum() == 90


@given(EVENTS, st.sampled_from([0.5, 1.0, 2.0, 10.0]))
def test_a_label_is_the_annotated_share_of_its_hop(listed, hop_s):
    tenths = np.zeros(1200, dtype=bool)
    for onset, length, label in listed:
        if label.startswith("sz"):
            tenths[max(onset, 0):max(onset + length, 0)] = True
    labels = seizure_fraction(
        [Event(onset / 10, length / 10, label)
         for onset, length, label in listed], row_times(120, hop_s), hop_s)
    assert labels.min() >= 0 and labels.max() <= 1
    assert labels == pytest.approx(
        tenths.reshape(-1, round(hop_s * 10)).mean(axis=1))


def test_a_row_ends_with_its_hop_and_an_incomplete_hop_has_none():
    for onset_s, end_s, expected in (
            (2.5, 5, [0, 0, .5, .5, 0]), (2, 4, [0, 0, 1, 0]),
            (3, 4.7, [0, 0, 0, 1]), (0, .4, [])):
        assert seizure_fraction([Event(onset_s, 1.0)], row_times(
            end_s, 1), 1.0).tolist() == expected


@pytest.mark.parametrize("duration_s, hop_s, count", [
    (0, 1, 0), (0.999, 1, 0), (1, 1, 1), (17, 10, 1), (86400, .5, 172800),
    (0.3, 0.1, 3), (2.9999999999, 1, 3)])
def test_every_complete_hop_has_a_row(duration_s, hop_s, count):
    times = row_times(duration_s, hop_s)
    assert len(times) == count
    assert times == pytest.approx(hop_s * np.arange(1, count + 1))


@pytest.mark.parametrize("rate_hz", [128, 200, 250, 256, 360, 1000])
@pytest.mark.parametrize("start_s", [0.0, 7.0, 80_000.1])
def test_ties_are_ties_at_every_rate_and_hour(rate_hz, start_s):
    step = round(.02 * rate_hz)
    for low, high, limit in (
            (round(.8 * rate_hz), round(.8 * rate_hz) + step, "nni_20"),
            (round(.8 * rate_hz), round(.8 * rate_hz) + 2 * step + 1,
             "nni_50")):
        samples = np.cumsum([0, *([low, high] * 100)])
        beats = Beats(start_s + samples / rate_hz,
                      start_s + samples[-1] / rate_hz)
        rows = features.build(beats)
        found = rows.values[:, features.NAMES.index(limit)]
        over = (high - low) * 1000 > int(limit[4:]) * rate_hz
        size = rows.values[:, features.NAMES.index("sdsd")]
        known = np.isfinite(size)
        assert known.sum() > 100
        assert (found[known] > 0).all() if over else not found[known].any()
