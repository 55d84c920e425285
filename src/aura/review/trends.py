"""Beats, heart rate and score of a recording, from the run's tables."""

from dataclasses import dataclass

import numpy as np

from aura import state
from aura.errors import AuraError, Problem
from aura.folder import read_error
from aura.recording import Floats
from aura.review.worklist import ReviewCase, Runs
from aura.stages import tables

RATE = ("recording", "time_s", "mean_hr", "hr_base")
CHANCE = ("recording", "time_s", "smoothed")
BEATS = ("recording", "time_s", "rr_s", "kind")


@dataclass(frozen=True)
class Trends:
    """One row per time step; empty if the tables cannot be read."""

    time_s: Floats  # End of each row's window in seconds
    heart_rate_bpm: Floats  # All with NaN where unknown
    baseline_bpm: Floats
    probability: Floats
    threshold: float | None  # Smoothed score that raises an alarm
    model_id: str  # ``""`` without a prediction
    problems: tuple[Problem, ...]  # Why something is missing


def read_trends(runs: Runs, case: ReviewCase) -> Trends:
    """Heart rate, baseline and score; with a problem per bad table."""
    problems: list[Problem] = []
    rate, _ = _rows(runs, case, "features.parquet", RATE, problems)
    chance, predictions = _rows(
        runs, case, "predictions.parquet", CHANCE, problems)
    time_s = rate["time_s"] if len(rate["time_s"]) else chance["time_s"]
    count = len(time_s)
    if len(chance["time_s"]) not in (0, count):
        problems.append(state.problem("review.rows"))
        chance["smoothed"] = np.empty(0)
    return Trends(time_s, filled(rate["mean_hr"], count),
                  filled(rate["hr_base"], count),
                  filled(chance["smoothed"], count), _threshold(predictions),
                  predictions.metadata.get("model_id", ""), tuple(problems))


def read_beats(runs: Runs, case: ReviewCase) -> dict[str, np.ndarray]:
    """``time_s``, ``rr_s`` and ``kind`` (`rr.Kind`) of all beats; or empty."""
    return _rows(runs, case, "beats.parquet", BEATS, [])[0]


def _rows(runs: Runs, case: ReviewCase, name: str, columns: tuple[str, ...],
          problems: list[Problem]) -> tuple[
              dict[str, np.ndarray], tables.Columns]:
    try:
        table = runs.table(case, name, columns)
    except (AuraError, OSError) as error:
        problems.append(state.problem(
            "review.table", name=name, why=read_error(error).text))
        table = tables.Columns({column: np.empty(0) for column in columns})
    return table.of(case.number), table


def filled(column: np.ndarray, count: int) -> Floats:
    """A column, or NaN if it has not one value per row."""
    if len(column) == count:
        return np.asarray(column, dtype=np.float64)
    return np.full(count, np.nan)


def _threshold(table: tables.Columns) -> float | None:
    try:
        return table.number("threshold")
    except AuraError:
        return None
