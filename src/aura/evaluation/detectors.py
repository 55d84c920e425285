"""The detectors of the table: forest, published rules, classifiers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from aura import state
from aura.detector.alarms import AlarmRule
from aura.detector.forest import Example, directions, training_rows
from aura.detector.training import RULE
from aura.detector.validation import RATIO_RULE, Fit, Scorer, fit_forest
from aura.ecg.rr import Kind
from aura.recording import Bools, Floats

# Every crossing is an alarm, followed by three minutes without; as published.
CSI_RULE = AlarmRule(threshold=np.inf, release=1.0, smoothing_s=0.0,
                     hold_s=0.0, refractory_s=180.0)
CSI_MEDIAN_BEATS = 7
CSI_WINDOW_BEATS = 100
CSI_CHUNK = 4096
# As published: an alarm needs 105 % of the highest value outside seizures. A
# seizure is taken to last from a minute before its onset to three after it.
PERSONAL = 1.05
OWN_BEFORE_S, OWN_AFTER_S = 60.0, 180.0
# Less variation than a microsecond counts as none.
CSI_LEAST_MS = 1e-3


@dataclass(frozen=True)
class Case(Example):
    """A recording of an evaluation; the forest sees the part `Example`."""

    name: str  # Alias of the recording
    sha256: str  # Digest of the recording's bytes
    ratio: Floats  # Heart rate over its 5-min median; NaN if unscorable
    csi_slope: Floats  # See `csi_slope`
    missing: Bools  # Missing features; no rows without events
    more: np.ndarray  # Further columns for detectors that ask for them

    @property
    def can_be_scored(self) -> bool:
        return bool(self.scorable.any())

    @property
    def scorable_s(self) -> float:
        return float(self.scorable.sum() * self.hop_s)


@dataclass(frozen=True)
class Detector:
    key: str  # Name for programs
    name: str  # Name in the table
    what: str  # Description in a sentence
    rule: AlarmRule  # The threshold is chosen unless `fixed`
    fit: Fit[Case]  # Returns a function that scores rows
    fixed: bool = False
    probability: bool = True  # Whether scores are from 0 to 1


def _untrained(score: Scorer[Case]) -> Fit[Case]:
    """A detector that learns nothing."""
    return lambda cases, seed: score


_heart_rate_ratio = _untrained(lambda case: case.ratio)
_heart_rate_rise = _untrained(
    lambda case: np.where(case.scorable, case.rise, np.nan))


def _csi_times_slope(case: Case) -> Floats:
    """Jeppesen's ModCSI100filtered x Slope."""
    return np.where(case.scorable, case.csi_slope, np.nan)


def logistic_regression(cases: Sequence[Case], seed: int) -> Scorer[Case]:
    # The solver has no random part, so it needs no seed.
    model = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True),
        StandardScaler(), LogisticRegression(max_iter=1000))
    return fit_rows(model, "logisticregression__sample_weight", cases)


def boosted_trees(cases: Sequence[Case], seed: int) -> Scorer[Case]:
    model = HistGradientBoostingClassifier(
        min_samples_leaf=20, early_stopping=False, random_state=seed,
        monotonic_cst=directions(cases[0]))
    return fit_rows(model, "sample_weight", cases)


def with_own_past(after_h: float) -> tuple[Detector, ...]:
    """Rows whose thresholds come from a recording's own past."""
    return (
        _named("forest_adaptive", replace(RULE, adapt_after_h=after_h),
               fit_forest, after_h),
        _named("csi_personal", replace(CSI_RULE, threshold=PERSONAL),
               _untrained(partial(over_own_highest, after_h)), after_h))


def over_own_highest(learning_h: float, case: Case) -> Floats:
    """Jeppesen's index in units of its highest value while it is learnt."""
    # Source: https://doi.org/10.1016/j.seizure.2014.11.004
    index = _csi_times_slope(case)
    learnt = np.cumsum(case.scorable) * case.hop_s <= learning_h * 3600
    free = ~np.any([(case.time_s > event.onset_s - OWN_BEFORE_S)
                    & (case.time_s <= max(event.end_s, event.onset_s
                                          + OWN_AFTER_S))
                    for event in case.seizures] + [~case.scorable], axis=0)
    highest = np.fmax.reduce(index[learnt & free], initial=0.0) or np.nan
    return np.where(learnt, np.nan, index / highest)


def fit_rows(model: Any, weight: str, cases: Sequence[Case]) -> Scorer[Case]:
    """Fit a classifier; `weight` is its parameter for weights, if any."""
    rows = training_rows(cases)
    if len(set(rows.seizure.tolist())) < 2:
        # Possible if a patient's whole recording is one seizure.
        only = float(rows.seizure.any())
        return lambda case: np.where(case.scorable, only, np.nan)
    # More threads spend more time waiting than working.
    with threadpool_limits(1):
        model.fit(rows.values.astype(np.float64), rows.seizure.astype(
            np.int64), **({weight: rows.weight} if weight else {}))

    def row_score(case: Case) -> Floats:
        found = np.full(len(case.time_s), np.nan)
        if case.can_be_scored:
            values = case.values[case.scorable].astype(np.float64)
            with threadpool_limits(1):
                found[case.scorable] = (
                    model.predict_proba(values)[:, 1]
                    if hasattr(model, "predict_proba")
                    else model.decision_function(values))
        return found
    return row_score


def csi_slope(time_s: Floats, rr_s: Floats, kind: np.ndarray,
              end_s: Floats) -> Floats:
    """ModCSI100filtered x Slope at the ends of the rows."""
    # Source: https://doi.org/10.1109/EMBC.2014.6944639,
    # https://doi.org/10.1111/epi.16343
    usable = np.asarray(kind) != Kind.UNSCORABLE
    time_s, rr_ms = time_s[usable], rr_s[usable] * 1000.0
    before = CSI_MEDIAN_BEATS + CSI_WINDOW_BEATS - 2
    if len(rr_ms) <= before:
        return np.full(len(end_s), np.nan)
    smooth: Floats = np.median(np.lib.stride_tricks.sliding_window_view(
        rr_ms, CSI_MEDIAN_BEATS), axis=1)
    index = np.full(len(rr_ms), np.nan)
    rows = np.lib.stride_tricks.sliding_window_view(smooth, CSI_WINDOW_BEATS)
    for at in range(0, len(rows), CSI_CHUNK):
        part = rows[at:at + CSI_CHUNK]
        index[before + at:before + at + len(part)] = _csi_index(part)
    last = np.searchsorted(time_s, end_s, side="right") - 1
    found: Floats = np.where(last >= 0, index[np.maximum(last, 0)], np.nan)
    return found


def _csi_index(rr_ms: Floats) -> Floats:
    now, after = rr_ms[:, :-1], rr_ms[:, 1:]
    across = 4 * np.std(after - now, axis=1, ddof=1) / np.sqrt(2)
    along = 4 * np.std(after + now, axis=1, ddof=1) / np.sqrt(2)
    # If all successive intervals are equal, the plot has no width.
    modified = np.divide(along ** 2, across, out=np.zeros(len(rr_ms)),
                         where=across > CSI_LEAST_MS)
    clock_s = np.cumsum(rr_ms, axis=1) / 1000.0
    clock_s -= clock_s.mean(axis=1, keepdims=True)
    slope = (clock_s * rr_ms).sum(axis=1) / (clock_s ** 2).sum(axis=1)
    index: Floats = modified * np.abs(slope)
    return index


def _named(key: str, rule: AlarmRule, fit: Fit[Case],
           hours: float = 0.0) -> Detector:
    about = state.beside(__file__)[key]
    for part in ("name", "what"):
        about[part] = about[part].format(hours=hours, blocks=rule.own_per_24h)
    return Detector(key, rule=rule, fit=fit, **about)


DETECTORS = tuple(_named(*one) for one in (
    ("rule", RATIO_RULE, _heart_rate_ratio),
    ("rule_chosen", RATIO_RULE, _heart_rate_ratio),
    ("rise", RULE, _heart_rate_rise),
    ("csi_slope", CSI_RULE, _untrained(_csi_times_slope)),
    ("logistic", RULE, logistic_regression),
    ("boosting", RULE, boosted_trees), ("forest", RULE, fit_forest)))
