"""
Why an alarm was raised, or was not, in the patient's own terms.

For an alarm the row at which it was raised is looked at, for a missed
seizure the row at which the model came closest. Each feature is set against
what is usual in this recording: its 5th to 95th percentile over scorable
rows, leaving out those around any event.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from aura.ecg.features import SCHEMA
from aura.errors import AuraError, MissingError
from aura.recording import Bools, Event, Floats
from aura.review.marks import Mark
from aura.review.trends import rows_of
from aura.review.worklist import ReviewCase, Runs
from aura.scoring.matching import SZCORE

OTHERS = 5
# Kept out of what counts as usual, on both sides of an event.
MARGIN_S = 120.0
MIN_USUAL_ROWS = 60

# For people; the name and its window stand beside it.
TITLES = {
    "mean_hr": "Mean heart rate", "max_hr": "Highest heart rate",
    "min_hr": "Lowest heart rate", "std_hr": "Spread of the heart rate",
    "mean_nni": "Mean interval", "median_nni": "Median interval",
    "range_nni": "Range of intervals", "sdnn": "Spread of intervals",
    "rmssd": "Beat-to-beat variability", "sdsd": "Spread of differences",
    "nni_50": "Differences over 50 ms", "pnni_50": "Share over 50 ms",
    "nni_20": "Differences over 20 ms", "pnni_20": "Share over 20 ms",
    "cvsd": "Relative variability", "cvnni": "Relative spread",
    "lf": "Power .04 to .15 Hz", "hf": "Power .15 to .40 Hz",
    "vlf": "Power below .04 Hz", "lf_hf_ratio": "Ratio LF to HF",
    "csi": "Sympathetic index", "cvi": "Vagal index",
    "Modified_csi": "Modified sympathetic index",
    "sampen": "Sample entropy", "sd1": "Poincaré width SD1",
    "sd2": "Poincaré length SD2", "ratio_sd2_sd1": "Ratio SD2 to SD1",
    "hr_base": "Own heart-rate baseline",
    "hr_rise": "Heart rate above own baseline",
    "hr_ratio": "Heart rate relative to baseline",
    "hr_z": "Rise in units of the usual spread",
    "hr_rise_60": "Last minute above own baseline",
    "hr_over_p95": "Heart rate above own 30-min high",
    "hr_slope_10": "Change within 10 s", "hr_slope_30": "Change within 30 s",
    "hr_from_peak": "Below the last minute's peak"}


@dataclass(frozen=True)
class Reason:
    """One feature at one moment."""

    # Column of the feature table, its name for people, unit and window.
    name: str
    title: str
    unit: str
    window: str
    used: bool  # Whether the model sees this feature
    value: float | None  # At the moment; None where it is unknown
    low: float | None  # 5th, 50th and 95th percentile of what is usual
    median: float | None
    high: float | None
    # Distance from the median in units of the robust spread.
    unusual: float | None

    @property
    def outside(self) -> bool:
        """Whether the value is none of the usual ones."""
        return (self.unusual is not None and self.value is not None
                and self.low is not None and self.high is not None
                and not self.low <= self.value <= self.high)


@dataclass(frozen=True)
class Explanation:
    """What was the case at one event."""

    # The moment that was looked at; None where nothing could be scored.
    time_s: float | None
    probability: float | None  # Smoothed probability then
    # Those that the model uses, then the most unusual others.
    reasons: tuple[Reason, ...]


class Explainer:
    """Explains the events of one case; reads its table once."""

    def __init__(self, runs: Runs, case: ReviewCase, marks: tuple[Mark, ...],
                 used: tuple[str, ...]) -> None:
        table = runs.table(case, "features.parquet")
        rows = rows_of(table, case.number)
        self._names = tuple(feature.name for feature in SCHEMA
                            if feature.name in table.values)
        self._time_s: Floats = table.values["time_s"][rows]
        scorable: Bools = table.values["scorable"][rows].astype(bool)
        self._values = {name: table.values[name][rows]
                        for name in self._names}
        self._used = tuple(name for name in used if name in self._names)
        self._smoothed = self._chances(runs, case)
        self._usual = scorable & ~_near(self._time_s, marks)
        if self._usual.sum() < MIN_USUAL_ROWS:
            self._usual = scorable

    def explain(self, mark: Mark) -> Explanation:
        """What the model saw at an event."""
        row = self._moment(mark.event, mark.layer == "predicted")
        if row is None:
            return Explanation(None, None, ())
        reasons = [self._reason(name, row) for name in self._names]
        used = [one for name in self._used
                for one in reasons if one.name == name]
        others = _distinct(sorted(
            (one for one in reasons if not one.used and one.outside),
            key=lambda one: -abs(one.unusual or 0.0)))[:OTHERS]
        chance = float(self._smoothed[row])
        return Explanation(
            float(self._time_s[row]),
            chance if np.isfinite(chance) else None, (*used, *others))

    def _chances(self, runs: Runs, case: ReviewCase) -> Floats:
        try:
            table = runs.table(case, "predictions.parquet",
                               ("recording", "time_s", "smoothed"))
        except AuraError:
            return np.full(len(self._time_s), np.nan)
        found = table.values["smoothed"][rows_of(table, case.number)]
        if len(found) != len(self._time_s):
            return np.full(len(self._time_s), np.nan)
        return np.asarray(found, dtype=np.float64)

    def _moment(self, event: Event, raised: bool) -> int | None:
        if not len(self._time_s):
            return None
        if raised:
            row = int(np.searchsorted(self._time_s, event.onset_s - 1e-6))
            return min(row, len(self._time_s) - 1)
        first, last = np.searchsorted(
            self._time_s, [event.onset_s - SZCORE.tolerance_before_s,
                           event.end_s + SZCORE.tolerance_after_s])
        chances = self._smoothed[first:last]
        if not np.isfinite(chances).any():
            return None
        return int(first + np.nanargmax(chances))

    def _reason(self, name: str, row: int) -> Reason:
        feature = next(one for one in SCHEMA if one.name == name)
        column = self._values[name]
        usual = column[self._usual]
        usual = usual[np.isfinite(usual)].astype(np.float64)
        value = _number(column[row])
        low = median = high = unusual = None
        if len(usual) >= MIN_USUAL_ROWS:
            low, median, high = np.percentile(usual, (5, 50, 95)).tolist()
            spread = 1.4826 * float(np.median(np.abs(usual - median)))
            # A constant feature has no spread to measure by.
            if value is not None and spread > 1e-9:
                unusual = (value - median) / spread
        return Reason(
            name, TITLES.get(name, name), feature.unit, feature.window,
            name in self._used, value, low, median, high, unusual)


def used_features(card: dict[str, Any]) -> tuple[str, ...]:
    """Names of the features that a model's card lists."""
    try:
        return tuple(str(one["name"]) for one in card["features"])
    except (KeyError, TypeError):
        raise MissingError(
            "review.card", "the model's card does not list its features",
            "predict again") from None


def _distinct(reasons: list[Reason]) -> list[Reason]:
    """AURA's list has one feature under two names; once is enough."""
    told = {(one.value, one.low, one.high): one for one in reversed(reasons)}
    return [one for one in reasons
            if told[one.value, one.low, one.high] is one]


def _near(time_s: Floats, marks: tuple[Mark, ...]) -> Bools:
    near = np.zeros(len(time_s), np.bool_)
    for mark in marks:
        first, last = np.searchsorted(
            time_s, [mark.event.onset_s - MARGIN_S,
                     mark.event.end_s + MARGIN_S])
        near[first:last] = True
    return near


def _number(value: np.floating[Any]) -> float | None:
    return float(value) if np.isfinite(value) else None
