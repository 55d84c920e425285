"""Scores as values for JSON, as text, and as rows of tables."""

import math
import string
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from aura import state
from aura.errors import plural
from aura.scoring.conventions import CONVENTIONS, Counted
from aura.scoring.intervals import Estimate, resolvable_rate
from aura.scoring.matching import SZCORE
from aura.scoring.score import Score

if TYPE_CHECKING:
    from aura.scoring.compare import Comparison, PatientScore

DISCLAIMER = "Research software, not a medical device."
EVENT_METRICS = ("sensitivity", "precision", "f1", "false_alarms_per_24h",
                 "strict_false_alarms_per_24h")
SAMPLE_METRICS = ("sensitivity", "precision", "f1")
_TEXTS = state.beside(__file__)


# Values for JSON

def finite(value: float, digits: int | None = None) -> float | None:
    """A number, rounded if asked; None if it is infinite or NaN."""
    if not math.isfinite(value):
        return None
    return value if digits is None else round(float(value), digits)


def estimate(given: Estimate,
             digits: int | None = None) -> dict[str, float | None]:
    """A value with the ends of its interval."""
    return {name: finite(getattr(given, name), digits)
            for name in ("value", "low", "high")}


def counts(score: Score, digits: int | None = None) -> dict[str, Any]:
    """Seizures and false alarms, with their rates and intervals."""
    events = score.events
    return {
        "seizures": events.ref_true, "found": events.tp,
        "false_alarms": events.fp, "hours": finite(events.hours, digits),
        "sensitivity": estimate(events.sensitivity, digits),
        "false_alarms_per_24h": estimate(events.false_alarms_per_24h, digits)}


def score_dict(comparison: "Comparison") -> dict[str, Any]:
    pooled = comparison.pooled
    patients = comparison.patients
    # No predictor saw their hours.
    lost = [r for r in comparison.recordings if not r.score.events.hours]
    alarm_h = (pooled.samples.tp + pooled.samples.fp) / 3600
    return {
        "notice": DISCLAIMER,
        "rules": vars(SZCORE).copy(),
        "intervals": _TEXTS["intervals"],
        "recordings": len(comparison.recordings),
        "patients": len(patients),
        "seizures": sum(r.seizures for r in comparison.recordings),
        "hours": pooled.events.hours,
        "resolvable_false_alarms_per_24h": finite(
            resolvable_rate(pooled.events.hours)),
        "without_hypothesis": comparison.without_hypothesis,
        "unannotated": len(comparison.unannotated),
        "not_understood": comparison.not_understood,
        "partly_used": comparison.partly_used,
        "refused": comparison.refused,
        "seizures_not_scored": sum(r.seizures for r in lost),
        "hours_not_scored": sum(r.duration_s for r in lost) / 3600,
        "in_alarm_share": alarm_h / pooled.events.hours
        if pooled.events.hours else None,
        "pooled": _score(pooled),
        "conventions": convention_rates(
            (r.by_convention for r in comparison.recordings),
            pooled.events.hours),
        "mean_over_patients": _means(patients),
        "per_patient": [
            {"patient": p.patient, "example": p.scores[0].path,
             "recordings": len(p.scores),
             "seizures": sum(r.seizures for r in p.scores),
             **_score(p.score)} for p in patients],
        "per_recording": [
            {"path": r.path, "patient": r.patient,
             "hypothesis": r.hypothesis, "duration_s": r.duration_s,
             "seizures": r.seizures, **_score(r.score)}
            for r in comparison.recordings],
        "problems": [{"path": path, **vars(problem)}
                     for path, problem in comparison.problems],
    }


def _score(score: Score) -> dict[str, Any]:
    events, samples = score.events, score.samples
    return {
        "events": {
            "tp": events.tp, "fp": events.fp, "ref_true": events.ref_true,
            "strict_fp": events.strict_fp, "hours": events.hours,
            "latencies_s": list(events.latencies_s),
            "median_latency_s": finite(events.median_latency_s),
            **_estimates(events, EVENT_METRICS)},
        "samples": {
            "tp": samples.tp, "fp": samples.fp, "fn": samples.fn,
            **_estimates(samples, SAMPLE_METRICS)}}


def _estimates(holder: object, names: Iterable[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in names:
        given: Estimate = getattr(holder, name)
        value, low, high = estimate(given).values()
        found[name] = {"value": value, "count": given.count,
                       "total": given.total, "interval": [low, high]}
    return found


def _means(patients: Sequence["PatientScore"]) -> dict[str, Any]:
    scores = [patient.score for patient in patients]
    return {kind: {
        name: over_patients(
            getattr(getattr(score, kind), name).value for score in scores)
        for name in names} for kind, names in (
            ("events", EVENT_METRICS), ("samples", SAMPLE_METRICS))}


def convention_rates(counted: Iterable[Counted],
                     hours: float) -> dict[str, Any]:
    """The sum of counts of `by_convention`, with rates."""
    total = np.array([*counted], np.float64).reshape(-1, len(CONVENTIONS), 3)
    found, of, false = total.sum(axis=0).T
    with np.errstate(divide="ignore", invalid="ignore"):
        table = {
            "found": found, "annotated": of, "false": false,
            "sensitivity": found / of, "precision": found / (found + false),
            "f1": 2 * found / (found + of + false),
            "false_per_24h": 24 * false / hours}
    return {name: {key: finite(column[row], 6)
                   for key, column in table.items()}
            for row, name in enumerate(CONVENTIONS)}


def over_patients(values: Iterable[float | None]) -> dict[str, Any]:
    """One metric over patients: mean as in SzCORE, median and range."""
    defined = np.array([value for value in values if is_number(value)])
    return {**{name: float(of(defined)) if len(defined) else None
               for name, of in (("mean", np.mean), ("std", np.std),
                                ("median", np.median), ("low", np.min),
                                ("high", np.max))},
            "patients": len(defined)}


# Text. Numbers may come from a file, so any value must be safe to show.

def number(value: Any, digits: int = 2, unit: str = "") -> str:
    """A number with its unit, such as ``0.83``; ``-`` for anything else."""
    return f"{value:.{digits}f}{unit}" if is_number(value) else "-"


def hours(value: Any) -> str:
    """Hours, such as ``11.8`` or ``0.25``."""
    return number(value, 2 if is_number(value) and value < 1 else 1)


def interval(found: Mapping[str, Any]) -> str:
    """An interval, such as ``0.52 to 0.98``; ``-`` without a value."""
    low, high = found.get("interval") or (found.get("low"), found.get("high"))
    shown = [number(value) for value in (found.get("value"), low, high)]
    return "-" if "-" in shown else f"{shown[1]} to {shown[2]}"


def with_interval(found: Mapping[str, Any]) -> str:
    """A value and its interval, such as ``0.83 (0.52 to 0.98)``."""
    value = number(found.get("value"))
    return value if value == "-" else f"{value} ({interval(found)})"


class _Template(string.Formatter):
    """Templates such as ``{hours:hours} h, {seizures:seizure}``."""

    def format_field(self, value: Any, format_spec: str) -> str:
        show = _SHOWN.get(format_spec)
        if format_spec.endswith("f"):
            return number(value, int(format_spec[1:-1]))
        return show(value) if show else format(value, format_spec)


# How a template shows a value, beside ``.2f`` and what Python has.
_SHOWN: dict[str, Callable[[Any], str]] = {
    "hours": hours, "interval": interval, "with_interval": with_interval,
    "median": lambda found: with_interval({**found, "value": found["median"]}),
    "percent": lambda share: number(
        100 * share if is_number(share) else None, 2, " %"),
    "seconds": lambda value: number(value, 0, " s"),
    **{noun: partial(plural, noun=noun)
       for noun in ("recording", "patient", "seizure", "event", "file",
                    "false alarm")}}
fill = _Template().format


def smallest_rate(rate: float | None, among: str = "") -> str:
    """What the rate would be with one false alarm."""
    if rate is None:
        return "There are no hours in which false alarms can be counted."
    shown = f"{rate:.2f}" if rate >= 0.1 else f"{rate:.2g}"
    return (f"A single false alarm{among} makes {shown} per 24 h. These "
            "hours cannot resolve a lower rate.")


def markdown_table(rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table; the first row is its head."""
    head, *rest = ["| " + " | ".join(row) + " |" for row in rows]
    return [head, "|" + "---|" * (head.count("|") - 1), *rest]


def aligned(rows: Iterable[Sequence[str]], numbers: bool = False) -> str:
    """Rows as aligned text; numbers are all but the first and last column."""
    listed = list(rows)
    widths = [max(map(len, column)) for column in zip(*listed, strict=True)]
    return "\n".join("  ".join(
        cell.rjust(width) if numbers and 0 < place < len(widths) - 1
        else cell.ljust(width) for place, (cell, width) in enumerate(
            zip(row, widths, strict=True))).rstrip() for row in listed)


def score_table(comparison: "Comparison") -> str:
    data = score_dict(comparison)
    smallest = smallest_rate(data["resolvable_false_alarms_per_24h"])
    unannotated = data["unannotated"] - data["not_understood"]
    counted = {**data, "unannotated": unannotated}
    lines = [
        fill(_TEXTS["summary"], smallest=smallest, **data), DISCLAIMER,
        *(fill(text, **counted) for name, text in _TEXTS["left_out"].items()
          if counted[name])]
    if not data["recordings"]:
        return "\n".join([*lines, "No recording could be scored."])

    def row(template: str, **found: Any) -> list[str]:
        return [fill(cell, **found) for cell in _TEXTS[template]]

    scores = [*_TEXTS["header"],
              row("scores", patient="pooled", recordings=data["recordings"],
                  example="", **data["pooled"]),
              row("means", **data["mean_over_patients"]),
              row("medians", **data["mean_over_patients"]),
              *(row("scores", **one) for one in data["per_patient"])]
    conventions = [_TEXTS["conventions_header"], *(
        row("time_aligned" if key == "time_aligned" else "convention",
            name=name, **data["conventions"][key])
        for key, name in CONVENTIONS.items())]
    events = data["pooled"]["events"]["ref_true"]
    return "\n".join([
        *lines, "", aligned(scores, numbers=True), "",
        aligned(conventions, numbers=True), "",
        *(fill(text, events=events, **{**data, **vars(SZCORE)})
          for name, text in _TEXTS["legend"].items()
          if name != "joined" or events != data["seizures"])])


def is_number(value: Any) -> bool:
    """Whether a value is a number that a float can hold."""
    return (isinstance(value, (int, float)) and not isinstance(value, bool)
            and abs(value) <= sys.float_info.max)
