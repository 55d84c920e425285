"""
The features of one row from their definitions, a window at a time.

Written from the definitions and independent of `aura.ecg.hrv` and
`aura.ecg.baseline`; slow, and the oracle of both.
"""

import numpy as np
from scipy import signal as sps

from aura.ecg import features
from aura.ecg.rr import rr_series


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
