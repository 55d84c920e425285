"""HRV features agree with their definitions and with publications."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import signal as sps

from aura.ecg import hrv

INTERVALS = st.lists(st.integers(400, 1500), min_size=5, max_size=40)


def series(nn_ms, time_s=None):
    nn_ms = np.asarray(nn_ms, dtype=float)
    if time_s is None:
        time_s = np.cumsum(nn_ms) / 1000
    follows = np.ones(len(nn_ms), dtype=bool)
    follows[:1] = False
    return hrv.NormalIntervals(time_s, nn_ms, follows)


def whole(intervals):
    """One window over everything."""
    return hrv.Windows(np.array([0]), np.array([len(intervals.nn_ms)]),
                       np.array([True]))


def features(nn_ms):
    intervals = series(nn_ms)
    found = (hrv.time_domain(intervals, whole(intervals))
             | hrv.poincare(intervals, whole(intervals)))
    return {name: float(column[0]) for name, column in found.items()}


@given(INTERVALS)
def test_features_ignore_the_direction_of_time(nn_ms):
    there, back = features(nn_ms), features(nn_ms[::-1])
    for name in there:
        # The last two intervals start no template of three.
        if name != "sampen":
            assert there[name] == pytest.approx(
                back[name], nan_ok=True, abs=1e-9), name


@given(INTERVALS, st.sampled_from([.5, 2, 4]))
def test_features_scale_with_their_units(nn_ms, factor):
    one = features(nn_ms)
    other = features(np.multiply(nn_ms, factor))
    for name in ("mean_nni", "sdnn", "sdsd", "rmssd", "median_nni",
                 "range_nni", "sd1", "sd2", "Modified_csi"):
        assert other[name] == pytest.approx(factor * one[name], nan_ok=True)
    for name in ("cvsd", "cvnni", "csi", "ratio_sd2_sd1", "sampen"):
        assert other[name] == pytest.approx(one[name], nan_ok=True)
    for name in ("mean_hr", "max_hr", "min_hr", "std_hr"):
        assert other[name] == pytest.approx(one[name] / factor, abs=1e-9)


def test_task_force_1996_definitions_by_hand():
    # Differences 60, -30, 10, -90: two above 50 ms, three above 20 ms.
    found = features([800, 860, 830, 840, 750])
    assert found["mean_nni"] == pytest.approx(816)
    assert found["sdnn"] == pytest.approx(np.sqrt(7320 / 4))
    assert found["rmssd"] == pytest.approx(np.sqrt(12700 / 4))
    assert (found["nni_50"], found["pnni_50"]) == (2, 50)
    assert (found["nni_20"], found["pnni_20"]) == (3, 75)
    assert (found["median_nni"], found["range_nni"]) == (830, 110)
    assert found["max_hr"] == pytest.approx(80)
    assert found["min_hr"] == pytest.approx(60000 / 860)


def test_a_difference_of_exactly_50_ms_is_not_above():
    assert features([800, 850, 800, 850, 800])["nni_50"] == 0


def test_brennan_2001_sd1_and_sd2_are_the_axes_of_the_poincare_plot():
    rng = np.random.default_rng(3)
    nn = 800 + np.cumsum(rng.normal(0, 15, 4000)) * .2
    nn += rng.normal(0, 20, 4000)
    found = features(nn)
    across = (nn[1:] - nn[:-1]) / np.sqrt(2)
    along = (nn[1:] + nn[:-1]) / np.sqrt(2)
    assert found["sd1"] == pytest.approx(across.std(ddof=1))
    assert found["sd2"] == pytest.approx(along.std(ddof=1), rel=.005)
    assert found["csi"] == pytest.approx(found["sd2"] / found["sd1"])
    assert found["cvi"] == pytest.approx(np.log10(
        4 * found["sd1"] * 4 * found["sd2"]))
    assert found["Modified_csi"] == pytest.approx(
        (4 * found["sd2"]) ** 2 / (4 * found["sd1"]))


def test_richman_moorman_2000_sample_entropy_of_white_noise():
    # Two normal numbers are within r SD with probability erf(r / 2).
    rng = np.random.default_rng(0)
    found = [features(800 + 40 * rng.standard_normal(1200))["sampen"]
             for _ in range(5)]
    assert np.mean(found) == pytest.approx(2.185, abs=.05)


def test_a_regular_rhythm_has_no_entropy():
    assert features([800, 900] * 40)["sampen"] == 0


def test_the_entropy_of_a_long_window_counts_every_match():
    rng = np.random.default_rng(2)
    nn = np.tile([800.0, 900.0, 1000.0], 400)
    nn[rng.choice(1200, 60, replace=False)] = 1200
    near = np.abs(nn[:, None] - nn) < .2 * nn.std()
    two = np.tril(near[:-2, :-2] & near[1:-1, 1:-1], -1)
    three = two & near[2:, 2:]
    assert features(nn)["sampen"] == pytest.approx(
        -np.log(three.sum() / two.sum()))


def test_a_rhythm_without_variability_has_no_ratios():
    time_s = .3 + .8 * np.arange(600)
    intervals = series(np.diff(time_s) * 1000, time_s[1:])
    found = hrv.poincare(intervals, whole(intervals))
    found |= hrv.spectral(intervals, np.array([400.0]), 150.0)
    for name in ("csi", "cvi", "Modified_csi", "ratio_sd2_sd1",
                 "lf_hf_ratio"):
        assert np.isnan(found[name][0]), name
    assert found["sd1"][0] == pytest.approx(0, abs=1e-6)
    assert found["hf"][0] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("band, frequency_hz", [
    ("vlf", .03), ("lf", .10), ("hf", .25)])
def test_a_sine_of_the_heart_rate_has_half_its_square_as_power(
        band, frequency_hz):
    time_s = .5 * np.arange(1, 500)
    intervals = series(500 + 20 * np.sin(
        2 * np.pi * frequency_hz * time_s), time_s)
    found = hrv.spectral(intervals, np.arange(160.0, 240.0), 150.0)
    others = {"vlf", "lf", "hf"} - {band}
    # Hann leaks, and straight lines between beats lose a little.
    assert np.mean(found[band]) == pytest.approx(200, rel=.15)
    assert all(np.mean(found[name]) < 30 for name in others)


def welch(intervals, end_s, length_s):
    """Band powers of one window, straight from scipy."""
    grid_s = np.arange(end_s - length_s, end_s - .1, .25)
    values = np.interp(grid_s, intervals.time_s, intervals.nn_ms)
    frequency, density = sps.welch(values, 4, "hann", nperseg=256, nfft=4096)
    power = {}
    for name, low, high in (("vlf", .003, .04), ("lf", .04, .15),
                            ("hf", .15, .4)):
        inside = (frequency >= low) & (frequency < high)
        power[name] = np.trapezoid(density[inside], frequency[inside])
    return power


@given(st.integers(0, 10 ** 6), st.sampled_from([64.0, 100.0, 150.0, 300.0]))
def test_band_powers_equal_scipys_welch(seed, length_s):
    rng = np.random.default_rng(seed)
    intervals = series(rng.normal(800, 60, 520).clip(400, 1500))
    ends = np.sort(rng.integers(4 * 310, 4 * 390, 3)) / 4
    found = hrv.spectral(intervals, ends, length_s)
    for row, end_s in enumerate(ends):
        for name, power in welch(intervals, end_s, length_s).items():
            assert found[name][row] == pytest.approx(power, rel=1e-6)
    assert found["lf_hf_ratio"] == pytest.approx(found["lf"] / found["hf"])


@pytest.mark.parametrize("gap_s, missing", [(2.9, False), (3.1, True)])
def test_a_window_with_a_gap_of_more_than_3_s_has_no_spectrum(
        gap_s, missing):
    time_s = np.concatenate([np.arange(1, 100), 99 + gap_s + np.arange(200)])
    intervals = series(np.full(299, 1000.) + np.arange(299) % 7, time_s)
    found = hrv.spectral(intervals, np.array([99., 160., 290.]), 90.0)
    assert np.isnan(found["lf"]).tolist() == [False, missing, False]


@pytest.mark.parametrize("next_s", [[], [200.9], [230.0]])
def test_a_spectrum_does_not_reach_beyond_the_last_beat(next_s):
    # The segments of the row at 222.5 s end at 200.25 s.
    time_s = np.concatenate([np.arange(1.1, 200.2), next_s])
    intervals = series(1000 + np.arange(len(time_s)) % 7, time_s)
    found = hrv.spectral(intervals, np.array([222.0, 222.5]), 150.0)
    assert np.isfinite(found["lf"]).tolist() == [True, next_s == [200.9]]


def test_windows_reach_back_from_their_end_and_include_it():
    intervals = series(np.full(30, 1000.0))
    where = hrv.windows(intervals, np.array([9.5, 10, 15]), 10.0)
    assert where.full.tolist() == [False, True, True]
    taken = [intervals.time_s[begin:end].tolist()
             for begin, end in zip(where.start, where.stop)]
    assert taken[1] == list(range(1, 11))
    assert taken[2] == list(range(6, 16))


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_intervals_give_nan_not_errors(count):
    intervals = series([800.0, 810.0, 790.0][:count])
    ends = np.array([5.0, 200.0, 400.0])
    where = hrv.windows(intervals, ends, 150.0)
    found = (hrv.time_domain(intervals, where)
             | hrv.poincare(intervals, where)
             | hrv.spectral(intervals, ends, 150.0))
    assert set(found) == {*hrv.TIME_DOMAIN, *hrv.POINCARE, *hrv.SPECTRAL}
    assert all(np.isnan(column).all() for column in found.values())


def test_chunks_do_not_change_the_features(monkeypatch):
    rng = np.random.default_rng(5)
    intervals = series(rng.normal(800, 40, 300))
    ends = np.arange(60.0, 230.0)

    def compute():
        where = hrv.windows(intervals, ends, 60.0)
        return (hrv.time_domain(intervals, where)
                | hrv.poincare(intervals, where)
                | hrv.spectral(intervals, ends, 90.0))
    at_once = compute()
    monkeypatch.setattr(hrv, "CHUNK", 7)
    for name, column in compute().items():
        assert column == pytest.approx(at_once[name], nan_ok=True), name
