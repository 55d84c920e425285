"""``aura.evaluate``: detectors side by side on recordings in memory."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from aura import detection
from aura.dataset.patients import alias
from aura.detector.training import example_of
from aura.ecg import features, rr
from aura.ecg.baseline import HeartRate, ratio_to_recent_median
from aura.evaluation import classifiers, results
from aura.evaluation.detectors import DETECTORS, Case, csi_slope
from aura.recording import Recording

Columns = Mapping[str, np.ndarray]
# Further columns of a case, from its intervals, its table and the hop.
More = Callable[[Columns, Columns, float], np.ndarray]


def evaluate(recordings: Iterable[Recording], *,
             detectors: Mapping[str, Any] | None = None,
             target_far: float = 1.0, seed: int = 1,
             hop_s: float = 1.0) -> dict[str, Any]:
    """
    Compare detectors, each scored on people it has never seen.

    The scoring is nested and patient-wise, as that of ``aura evaluate``.

    Parameters
    ----------
    recordings : iterable of Recording
        Annotated recordings of two or more patients with seizures. Those
        without an annotation, or with one in doubt, are left out.
    detectors : mapping of str to classifier, optional
        scikit-learn classifiers by name. Each gets a row beside those of the
        table. It is fitted anew for each fold, to all features of the rows
        that the forest learns from, ``X`` of shape (n_rows, n_features).
    target_far : float
        False alarms per 24 h at which each threshold is set.
    seed : int
        Everything random follows from it.
    hop_s : float
        Seconds from one row of features to the next.

    Returns
    -------
    dict
        The content of ``report.json``: settings, data, and for each
        detector what it found in whom, with intervals.

    Raises
    ------
    InvalidInputError
        If a classifier cannot be fitted, or scores are not numbers.
    PreconditionError
        If the recordings are too few.

    Examples
    --------
    >>> import aura
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> found = aura.evaluate(
    ...     [aura.simulate(1200, seizures=[(600, 60)], seed=n, patient=f"p{n}")
    ...      for n in (1, 2)], detectors={"tree": DecisionTreeClassifier()})
    >>> [one["key"] for one in found["detectors"]][-2:]
    ['forest', 'tree']
    """
    own = [classifiers.of_classifier(key, one)
           for key, one in (detectors or {}).items()]
    cases = []
    for one in recordings:
        if one.annotated and one.understood:
            beats = detection.find_beats(one)
            cases.append(case_of(
                one, detection.features(beats, hop_s=hop_s).columns(),
                vars(rr.rr_series(beats)), hop_s,
                all_features if own else None))
    return results.evaluate(cases, target_far=target_far, seed=seed,
                            detectors=(*DETECTORS, *own))


def all_features(intervals: Columns, table: Columns,
                 hop_s: float) -> np.ndarray:
    """The columns that a classifier of the user sees."""
    return np.column_stack([table[name] for name in features.NAMES])


def case_of(recording: Recording, table: Columns, intervals: Columns,
            hop_s: float, more: More | None,
            alias_key: str = "aura") -> Case:
    """What the detectors need of a recording's features and intervals."""
    time_s = table["time_s"]
    watched = [~np.isfinite(table[name]) for name in features.NAMES]
    return Case(
        **vars(example_of(recording, table, hop_s)),
        name=alias("r", recording.sha256, alias_key),
        sha256=recording.sha256,
        ratio=ratio_to_recent_median(HeartRate(
            time_s, np.where(table["scorable"], table["mean_hr"], np.nan),
            hop_s)),
        csi_slope=csi_slope(**intervals, end_s=time_s),
        missing=np.column_stack(watched) if recording.events
        else np.empty((0, len(watched)), dtype=bool),
        more=more(intervals, table, hop_s) if more
        else np.empty((len(time_s), 0), np.float32))
