"""
Beats, heart rate and probability of one case, from the run's tables.
"""

from dataclasses import dataclass

import numpy as np

from aura.errors import AuraError, Problem
from aura.recording import Floats
from aura.review.worklist import ReviewCase, Runs
from aura.stages.tables import Columns

RATE = ("recording", "time_s", "mean_hr", "hr_base")
CHANCE = ("recording", "time_s", "smoothed")
BEATS = ("recording", "time_s", "rr_s", "kind")


@dataclass(frozen=True)
class Trends:
    """Rows of a case, one per hop; empty where a table cannot be read."""

    time_s: Floats  # End of each row's window in seconds
    heart_rate_bpm: Floats  # NaN where unknown
    baseline_bpm: Floats
    probability: Floats
    threshold: float | None  # Smoothed probability at which an alarm is raised
    model_id: str  # ``""`` where nothing was predicted
    problems: tuple[Problem, ...]  # Why something is missing


def read_trends(runs: Runs, case: ReviewCase) -> Trends:
    """
    Heart rate, baseline and probability of a case.

    Never raises for a table that is missing or damaged: what can be shown
    is shown.
    """
    problems: list[Problem] = []
    rate, _ = _rows(runs, case, "features.parquet", RATE, problems)
    chance, metadata = _rows(
        runs, case, "predictions.parquet", CHANCE, problems)
    time_s = rate["time_s"] if len(rate["time_s"]) else chance["time_s"]
    count = len(time_s)
    if len(chance["time_s"]) not in (0, count):
        problems.append(Problem(
            "review.rows", "warning", "features and predictions have "
            "different rows; run the prediction again"))
        chance["smoothed"] = np.empty(0)
    return Trends(
        time_s, _filled(rate["mean_hr"], count),
        _filled(rate["hr_base"], count), _filled(chance["smoothed"], count),
        _threshold(metadata), str(metadata.get("model_id", "")),
        tuple(problems))


def read_beats(runs: Runs, case: ReviewCase) -> dict[str, np.ndarray]:
    """
    Beats of a case: ``time_s``, ``rr_s`` and ``kind`` (see `rr.Kind`).

    Empty where the table cannot be read.
    """
    return _rows(runs, case, "beats.parquet", BEATS, [])[0]


def rows_of(table: Columns, number: int) -> slice:
    """Rows of one recording in a table of its batch."""
    return slice(*np.searchsorted(
        table.values["recording"], [number, number + 1]))


def _rows(runs: Runs, case: ReviewCase, name: str, columns: tuple[str, ...],
          problems: list[Problem]) -> tuple[
              dict[str, np.ndarray], dict[str, str]]:
    try:
        table = runs.table(case, name, columns)
    except (AuraError, OSError) as error:
        text = error.text if isinstance(error, AuraError) else "unreadable"
        problems.append(Problem(
            "review.table", "warning", f"{name} cannot be shown: {text}"))
        return {column: np.empty(0) for column in columns}, {}
    rows = rows_of(table, case.number)
    return ({column: table.values[column][rows] for column in columns},
            dict(table.metadata))


def _filled(column: np.ndarray, count: int) -> Floats:
    if len(column) == count:
        return np.asarray(column, dtype=np.float64)
    return np.full(count, np.nan)


def _threshold(metadata: dict[str, str]) -> float | None:
    try:
        value = float(metadata["threshold"])
    except (KeyError, ValueError):
        return None
    return value if np.isfinite(value) else None
