"""Every feature equals its definition, and no row looks ahead."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal as sps

from aura import features
from aura.recording import Beats, Event
from aura.rr import rr_series

AURA = """mean_nni sdnn sdsd nni_50 pnni_50 nni_20 pnni_20 rmssd median_nni
range_nni cvsd cvnni mean_hr max_hr min_hr std_hr lf hf lf_hf_ratio vlf csi
cvi Modified_csi sampen sd1 sd2 ratio_sd2_sd1""".split()


def heart(seed, duration_s=1000.0, spans=()):
    """A lively beat series with ectopy, a missed beat and pauses."""
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


class Oracle:
    """The features of one row, from their definitions, one by one."""

    def __init__(self, beats, hop_s):
        series = rr_series(beats)
        self.normal = series.normal
        self.time_s = series.time_s
        self.rr_ms = series.rr_s * 1000
        self.spans = beats.unscorable
        self.duration_s, self.hop_s = beats.duration_s, hop_s
        self.rates = {}

    def window(self, end_s, length_s):
        """Normal intervals, and differences of neighbours in time."""
        chosen = np.flatnonzero(
            self.normal & (end_s - length_s < self.time_s)
            & (self.time_s <= end_s)).tolist()
        pairs = [self.rr_ms[i] - self.rr_ms[i - 1] for i in chosen
                 if i - 1 in chosen]
        return self.rr_ms[chosen], np.array(pairs)

    def short(self, end_s):
        nn, diff = self.window(end_s, 10)
        if end_s < 10 or len(nn) < 2:
            return {}
        rate = 60000 / nn
        found = dict(
            mean_nni=nn.mean(), sdnn=nn.std(ddof=1), median_nni=np.median(nn),
            range_nni=np.ptp(nn), cvnni=nn.std(ddof=1) / nn.mean(),
            mean_hr=rate.mean(), max_hr=rate.max(), min_hr=rate.min(),
            std_hr=rate.std())
        if len(diff):
            rmssd = np.sqrt((diff ** 2).mean())
            found |= dict(
                sdsd=diff.std(), rmssd=rmssd, cvsd=rmssd / nn.mean(),
                nni_50=(abs(diff) > 50).sum(),
                pnni_50=100 * (abs(diff) > 50).mean(),
                nni_20=(abs(diff) > 20).sum(),
                pnni_20=100 * (abs(diff) > 20).mean())
        return found

    def medium(self, end_s):
        nn, diff = self.window(end_s, 60)
        if end_s < 60 or len(nn) < 4 or len(diff) < 2:
            return {}
        sd1 = np.sqrt(.5 * diff.var(ddof=1))
        sd2 = np.sqrt(max(2 * nn.var(ddof=1) - .5 * diff.var(ddof=1), 0))
        t, length = 4 * sd1, 4 * sd2
        found = dict(sd1=sd1, sd2=sd2, ratio_sd2_sd1=sd2 / sd1,
                     csi=length / t, Modified_csi=length ** 2 / t)
        if sd2 > 0:
            found["cvi"] = np.log10(length * t)
        near = np.abs(nn[:, None] - nn) < .2 * nn.std()
        both = np.tril(near[:-2, :-2] & near[1:-1, 1:-1], -1)
        three = (both & near[2:, 2:]).sum()
        if three:
            found["sampen"] = -np.log(three / both.sum())
        return found

    def large(self, end_s):
        if end_s < 150:
            return {}
        time_s, nn = self.time_s[self.normal], self.rr_ms[self.normal]
        # Welch's three segments of 64 s end 22 s before the window does.
        grid_s = np.arange(end_s - 150, end_s - 22, .25)
        for point in grid_s:
            after = np.searchsorted(time_s, point)
            if after == len(time_s):
                return {}
            before = time_s[after - 1] if after else max(time_s[0] - 3, point)
            if time_s[after] - before > 3:
                return {}
        grid_s = np.arange(end_s - 150, end_s, .25)
        frequency, density = sps.welch(
            np.interp(grid_s, time_s, nn), 4, "hann", nperseg=256, nfft=4096)
        found = {}
        for name, low, high in (("vlf", .003, .04), ("lf", .04, .15),
                                ("hf", .15, .4)):
            band = (frequency >= low) & (frequency < high)
            found[name] = np.trapezoid(density[band], frequency[band])
        return found | {"lf_hf_ratio": found["lf"] / found["hf"]}

    def scorable(self, end_s):
        lost_s = sum(max(0, min(end, end_s) - max(start, end_s - 10))
                     for start, end in self.spans)
        return (end_s >= 10 and len(self.window(end_s, 10)[0]) >= 4
                and lost_s <= 3)

    def rate(self, end_s):
        """Mean heart rate of a row, or NaN."""
        if end_s not in self.rates:
            self.rates[end_s] = (
                self.short(end_s).get("mean_hr", np.nan)
                if end_s > 0 and self.scorable(end_s) else np.nan)
        return self.rates[end_s]

    def past(self, end_s, first_s, last_s, step_s=None):
        """Rates of the rows from one time ago to another, NaN left out."""
        step_s = step_s or self.hop_s
        back = np.arange(first_s, last_s - step_s / 2, -step_s)
        rates = np.array([self.rate(end_s - ago) for ago in back])
        return rates[np.isfinite(rates)]

    def relative(self, end_s):
        now, hop_s = self.rate(end_s), self.hop_s
        found = {"hr_slope_10": now - self.rate(end_s - 10),
                 "hr_slope_30": now - self.rate(end_s - 30)}
        minute = self.past(end_s, 60 - hop_s, 0)
        if len(minute):
            found["hr_from_peak"] = now - minute.max()
        base = self.past(end_s, 360 - hop_s, 60)
        if len(base) * hop_s >= 60:
            median = np.median(base)
            spread = max(np.median(np.abs(base - median)), 1)
            found |= dict(hr_base=median, hr_rise=now - median,
                          hr_ratio=now / median, hr_z=(now - median) / spread)
            if len(minute):
                found["hr_rise_60"] = minute.mean() - median
        # Rows 1, 11, 21 ... of 1 s are where the percentile is renewed.
        step = round(10 / hop_s) or 1
        row = round(end_s / hop_s) - 1
        anchor_s = (row - row % step + 1) * hop_s
        half_hour = self.past(anchor_s, 60 + 1800 - 10, 60, 10)
        if len(half_hour) * 10 >= 60:
            found["hr_over_p95"] = now - np.percentile(half_hour, 95)
        return found

    def row(self, end_s):
        found = (self.short(end_s) | self.medium(end_s) | self.large(end_s)
                 | self.relative(end_s))
        return np.array([found.get(name, np.nan) for name in features.NAMES])


def test_the_first_columns_are_auras_in_auras_order():
    assert list(features.AURA_NAMES) == AURA
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
def test_little_or_nothing_gives_rows_of_nan(count, duration_s, hop_s):
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


def test_unscorable_time_is_not_scorable_and_leaves_no_trace_behind():
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
