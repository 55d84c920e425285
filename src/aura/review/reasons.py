"""Why an alarm was raised, or why not: features beside their usual range."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aura.ecg.features import SCHEMA
from aura.recording import Bools, Event, Floats
from aura.review.scored_events import ScoredEvent
from aura.review.trends import filled, read_trends
from aura.review.worklist import ReviewCase, Runs
from aura.scoring.matching import SZCORE
from aura.scoring.report import finite

OTHERS = 5
MARGIN_S = 120.0  # Around an event, left out of the usual range
MIN_USUAL_ROWS = 60

Range = tuple[float, float, float, float]


@dataclass(frozen=True)
class Reason:
    name: str  # Column of the feature table
    title: str
    meaning: str
    unit: str
    window: str
    used: bool  # Whether the model uses this feature
    value: float | None  # At the moment; None if it is unknown
    low: float | None  # 5th, 50th and 95th percentile of the usual rows
    median: float | None
    high: float | None
    unusual: float | None  # Distance from the median in robust spreads

    @property
    def outside(self) -> bool:
        return (self.unusual is not None and self.value is not None
                and self.low is not None and self.high is not None
                and not self.low <= self.value <= self.high)


@dataclass(frozen=True)
class Explanation:
    time_s: float | None  # The moment; None if nothing could be scored
    probability: float | None  # Smoothed score at that moment
    heart_rate_bpm: float | None  # At that moment, as the next ones
    baseline_bpm: float | None
    reasons: tuple[Reason, ...]  # Used ones, then the most unusual


class Explainer:
    """Explains the events of one recording; reads its table once."""

    def __init__(self, runs: Runs, case: ReviewCase,
                 used: tuple[str, ...]) -> None:
        table = runs.table(case, "features.parquet")
        rows = table.rows_of(case.number)
        self._names = tuple(feature.name for feature in SCHEMA
                            if feature.name in table.values)
        self._time_s: Floats = table.values["time_s"][rows]
        scorable: Bools = table.values["scorable"][rows].astype(bool)
        self._values = {name: table.values[name][rows] for name in self._names}
        self._used = tuple(name for name in used if name in self._names)
        self._smoothed = filled(
            read_trends(runs, case).probability, len(self._time_s))
        self._usual = scorable & ~_near(self._time_s, case.events)
        if self._usual.sum() < MIN_USUAL_ROWS:
            self._usual = scorable
        self._range = functools.cache(self._usual_range)

    def explain(self, one: ScoredEvent) -> Explanation:
        row = self._moment(one.event, one.layer == "predicted")
        if row is None:
            return Explanation(None, None, None, None, ())
        reasons = [self._reason(name, row) for name in self._names]
        used = [one for name in self._used
                for one in reasons if one.name == name]
        others = _distinct(sorted(
            (one for one in reasons if not one.used and one.outside),
            key=lambda one: -abs(one.unusual or 0.0)))[:OTHERS]
        return Explanation(
            float(self._time_s[row]), finite(float(self._smoothed[row])),
            self._value("mean_hr", row), self._value("hr_base", row),
            (*used, *others))

    def _moment(self, event: Event, raised: bool) -> int | None:
        """The row at an alarm's onset, or with the best score of a seizure."""
        if not len(self._time_s):
            return None
        if raised:
            row = int(np.searchsorted(self._time_s, event.onset_s - 1e-6))
            return min(row, len(self._time_s) - 1)
        rows = self._rows(event.onset_s, event.end_s)
        if not len(rows):
            # The seizure is unscorable, or a point in time.
            rows = self._rows(event.onset_s - SZCORE.tolerance_before_s,
                              event.end_s + SZCORE.tolerance_after_s)
        if not len(rows):
            return None
        # Most probabilities tie at 0 or 1: then the model's first feature
        # decides, or the heart rate if the model saw nothing.
        chances = self._smoothed[rows]
        rows = rows[chances == chances.max()]
        name = (*self._used, "mean_hr")[0] if chances.max() > 0 else "mean_hr"
        values = self._values.get(name, self._time_s)[rows]
        return int(rows[np.argmax(np.nan_to_num(values, nan=-np.inf))])

    def _rows(self, start_s: float, end_s: float) -> NDArray[np.intp]:
        """Rows of a span that have a score."""
        return np.flatnonzero(
            (self._time_s > start_s) & (self._time_s <= end_s)
            & np.isfinite(self._smoothed))

    def _value(self, name: str, row: int) -> float | None:
        column = self._values.get(name)
        return None if column is None else finite(float(column[row]))

    def _usual_range(self, name: str) -> Range | None:
        """5th, 50th and 95th percentile and robust spread of usual rows."""
        usual = self._values[name][self._usual]
        usual = usual[np.isfinite(usual)].astype(np.float64)
        if len(usual) < MIN_USUAL_ROWS:
            return None
        low, median, high = np.percentile(usual, (5, 50, 95)).tolist()
        return low, median, high, 1.4826 * float(
            np.median(np.abs(usual - median)))

    def _reason(self, name: str, row: int) -> Reason:
        feature = next(one for one in SCHEMA if one.name == name)
        value = self._value(name, row)
        low = median = high = unusual = None
        known = self._range(name)
        if known is not None:
            low, median, high, spread = known
            # A constant feature has no spread.
            if value is not None and spread > 1e-9:
                unusual = (value - median) / spread
        return Reason(
            name, feature.title, feature.meaning, feature.unit, feature.window,
            name in self._used, value, low, median, high, unusual)


def _distinct(reasons: list[Reason]) -> list[Reason]:
    """Each feature once: CSI and the SD2/SD1 ratio are the same."""
    found: dict[tuple[float | None, ...], Reason] = {}
    for one in reasons:
        found.setdefault((one.value, one.low, one.high), one)
    return list(found.values())


def _near(time_s: Floats, events: Sequence[ScoredEvent]) -> Bools:
    near = np.zeros(len(time_s), np.bool_)
    for one in events:
        first, last = np.searchsorted(time_s, [one.event.onset_s - MARGIN_S,
                                               one.event.end_s + MARGIN_S])
        near[first:last] = True
    return near
