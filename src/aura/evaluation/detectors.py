"""
The detectors of the table, the published ones and ours, on equal terms.

All learn from the same rows of the same people, all thresholds but the one
of the fixed rule are chosen at the same rate of false alarms. What a
detector has of its own is how it scores a row and how scores become alarms.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.ensemble import (  # type: ignore[import-untyped]
    HistGradientBoostingClassifier,
)
from sklearn.impute import SimpleImputer  # type: ignore[import-untyped]
from sklearn.linear_model import (  # type: ignore[import-untyped]
    LogisticRegression,
)
from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]
from sklearn.preprocessing import (  # type: ignore[import-untyped]
    StandardScaler,
)
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from aura.detector import validation
from aura.detector.alarms import AlarmRule
from aura.detector.forest import training_rows
from aura.detector.training import RULE
from aura.detector.validation import RATIO_RULE, Fit, Scorer
from aura.evaluation.candidates import NAMES, SETS
from aura.evaluation.case import Case
from aura.evaluation.negatives import hard_negatives
from aura.recording import Floats

# A crossing is an alarm; then nothing for three minutes, as published.
CSI_RULE = AlarmRule(
    threshold=np.inf, release=1.0, smoothing_s=0.0, hold_s=0.0,
    refractory_s=180.0)


@dataclass(frozen=True)
class Detector:
    """One row of the table."""

    key: str  # For programs, for the table, and in a sentence
    name: str
    what: str
    # How scores become alarms; the threshold of a detector that is not `fixed`
    # is chosen from the training people.
    rule: AlarmRule
    # Learns from cases with a seed; gives what scores the rows of one.
    fit: Fit[Case]
    fixed: bool = False  # Whether the threshold is part of the definition
    probability: bool = True  # Whether scores are meant as probabilities


def heart_rate_ratio(cases: Sequence[Case], seed: int) -> Scorer[Case]:
    """Heart rate over its 5-min median; nothing is learnt."""
    return lambda case: case.ratio


def csi_times_slope(cases: Sequence[Case], seed: int) -> Scorer[Case]:
    """ModCSI100filtered x Slope; nothing is learnt."""
    return lambda case: np.where(case.scorable, case.csi_slope, np.nan)


def logistic_regression(cases: Sequence[Case], seed: int) -> Scorer[Case]:
    """Logistic regression on the forest's features and rows."""
    # Of equal digits on every machine: the solver has no random part.
    model = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True),
        StandardScaler(), LogisticRegression(max_iter=1000))
    return _learnt(model, "logisticregression__sample_weight", cases)


def boosted_trees(cases: Sequence[Case], seed: int) -> Scorer[Case]:
    """Gradient-boosted trees on the forest's features and rows."""
    model = HistGradientBoostingClassifier(
        min_samples_leaf=20, early_stopping=False, random_state=seed)
    return _learnt(model, "sample_weight", cases)


def random_forest(cases: Sequence[Case], seed: int) -> Scorer[Case]:
    """The forest that ``aura train`` makes."""
    return validation.fit_forest(cases, seed)


def adaptive(after_h: float) -> Detector:
    """The forest with thresholds that follow each recording's own past."""
    return Detector(
        "forest_adaptive", f"RandomForest, own past from {after_h:g} h on",
        "The forest, its threshold chosen as before; after "
        f"{after_h:g} scorable hours a recording needs for an alarm what it "
        f"has itself reached in {RULE.own_per_24h:g} stretches of 5 min of "
        "the last 24 h, if that is more.",
        replace(RULE, adapt_after_h=after_h), random_forest)


def candidates() -> Iterator[Detector]:
    """The forest with more to look at, or to learn from; for comparison."""
    for key, name, names in SETS:
        yield Detector(
            f"forest_{key}", f"RandomForest + {name}",
            "Beside its own two features the forest sees "
            f"{', '.join(names)}.", RULE, partial(_seeing, names))
    yield Detector(
        "forest_negatives", "RandomForest + made-up hard negatives",
        "The forest learns besides from a made-up day without seizures: "
        "exertion, arousals, ectopic beats, noise.", RULE, _with_negatives)


def _seeing(names: Sequence[str], cases: Sequence[Case],
            seed: int) -> Scorer[Case]:
    places = [NAMES.index(name) for name in names]

    def more(case: Case) -> Case:
        return replace(case, values=np.column_stack(
            [case.values, case.candidates[:, places]]))

    scorer = random_forest([more(case) for case in cases], seed)
    return lambda case: scorer(more(case))


def _with_negatives(cases: Sequence[Case], seed: int) -> Scorer[Case]:
    return validation.fit_forest(
        [*cases, *hard_negatives(cases[0].hop_s, seed)], seed)


def _learnt(model: Any, weight: str, cases: Sequence[Case]) -> Scorer[Case]:
    rows = training_rows(cases)
    if len(set(rows.seizure.tolist())) < 2:
        # As of a person whose whole recording is one seizure.
        only = float(rows.seizure.any())
        return lambda case: np.where(case.scorable, only, np.nan)
    # More threads would wait for each other longer than they work.
    with threadpool_limits(1):
        model.fit(rows.values.astype(np.float64),
                  rows.seizure.astype(np.int64), **{weight: rows.weight})

    def probability(case: Case) -> Floats:
        found = np.full(len(case.time_s), np.nan)
        if case.can_be_scored:
            with threadpool_limits(1):
                found[case.scorable] = model.predict_proba(
                    case.values[case.scorable].astype(np.float64))[:, 1]
        return found
    return probability


DETECTORS = (
    Detector(
        "rule", "heart rate > 1.5 x its 5-min median for 5 s",
        "The one-line rule, its threshold fixed beforehand.",
        RATIO_RULE, heart_rate_ratio, fixed=True, probability=False),
    Detector(
        "rule_chosen", "the same ratio, threshold chosen",
        "The one-line rule, its threshold chosen as all others are.",
        RATIO_RULE, heart_rate_ratio, probability=False),
    Detector(
        "csi_slope", "modified CSI x slope (Jeppesen)",
        "ModCSI100filtered x Slope on 7-beat median-filtered RR intervals, "
        "over the last 100; after an alarm none for 3 min. Its threshold "
        "comes from other patients, not from the patient's own record.",
        CSI_RULE, csi_times_slope, probability=False),
    Detector(
        "logistic", "logistic regression",
        "On the forest's features and training rows.",
        RULE, logistic_regression),
    Detector(
        "boosting", "gradient boosting (HistGradientBoosting)",
        "On the forest's features and training rows.", RULE, boosted_trees),
    Detector(
        "forest", "RandomForest (ships)",
        "The model that `aura train` makes.", RULE, random_forest),
)
