"""Scores as values for JSON, as text, and as rows of tables."""

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from aura.errors import plural
from aura.scoring.intervals import Estimate, resolvable_rate
from aura.scoring.matching import SZCORE
from aura.scoring.score import Score

if TYPE_CHECKING:
    from aura.scoring.compare import Comparison, PatientScore

DISCLAIMER = "Research software, not a medical device."
INTERVALS = ("95 %, exact for independent counts: Clopper-Pearson, and "
             "Poisson for rates. Patients differ and neighbouring seconds do "
             "not: the truth is less certain, that of samples much less.")
EVENT_METRICS = ("sensitivity", "precision", "f1", "false_alarms_per_24h",
                 "strict_false_alarms_per_24h")
SAMPLE_METRICS = ("sensitivity", "precision", "f1")
HEADER = (("", "", "", "events", "sensitivity", "false", "per 24 h", "strict",
           "event", "event", "latency", "sample", "sample", "sample", ""),
          ("patient", "rec.", "hours", "found", "(95 %)", "alarms", "(95 %)",
           "per 24 h", "prec.", "F1", "s", "sens.", "prec.", "F1", "example"))


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
    return {
        "notice": DISCLAIMER,
        "rules": vars(SZCORE).copy(),
        "intervals": INTERVALS,
        "recordings": len(comparison.recordings),
        "patients": len(patients),
        "seizures": comparison.seizures,
        "hours": pooled.events.hours,
        "resolvable_false_alarms_per_24h": finite(
            resolvable_rate(pooled.events.hours)),
        "without_hypothesis": comparison.without_hypothesis,
        "unannotated": len(comparison.unannotated),
        "not_understood": comparison.not_understood,
        "partly_used": comparison.partly_used,
        "refused": comparison.refused,
        "pooled": _score(pooled),
        "mean_over_patients": _means(patients),
        "per_patient": [
            {"patient": p.patient, "example": p.example,
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
        name: mean_over_patients(
            getattr(getattr(score, kind), name).value for score in scores)
        for name in names} for kind, names in (
            ("events", EVENT_METRICS), ("samples", SAMPLE_METRICS))}


def mean_over_patients(values: Iterable[float]) -> dict[str, Any]:
    """Average one metric over patients, as SzCORE does by default."""
    defined = np.array([value for value in values if not math.isnan(value)])
    some = len(defined) > 0
    return {"mean": float(defined.mean()) if some else None,
            "std": float(defined.std()) if some else None,
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
    shown = [number(found.get(name)) for name in ("value", "low", "high")]
    return "-" if "-" in shown else f"{shown[1]} to {shown[2]}"


def with_interval(found: Mapping[str, Any]) -> str:
    """A value and its interval, such as ``0.83 (0.52 to 0.98)``."""
    value = number(found.get("value"))
    return value if value == "-" else f"{value} ({interval(found)})"


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
    lines = [_summary(data), DISCLAIMER, *_left_out(data)]
    if not data["recordings"]:
        return "\n".join([*lines, "No recording could be scored."])
    rows = [*HEADER,
            _row("pooled", data["recordings"], data["pooled"]),
            _mean_row(data["mean_over_patients"]),
            *(_row(one["patient"], one["recordings"], one, one["example"])
              for one in data["per_patient"])]
    return "\n".join([*lines, "", aligned(rows, numbers=True), "",
                      *_legend(data)])


def _summary(data: Mapping[str, Any]) -> str:
    return (f"{hours(data['hours'])} h, "
            + ", ".join(plural(data[f"{noun}s"], noun)
                        for noun in ("recording", "patient", "seizure"))
            + f". {smallest_rate(data['resolvable_false_alarms_per_24h'])}")


def _left_out(data: Mapping[str, Any]) -> Iterable[str]:
    for count, noun, text in (
            (data["without_hypothesis"], "recording", "without predictions: "
             "the seizures count as missed, the hours are left out"),
            (data["unannotated"] - data["not_understood"], "recording",
             "left out: not annotated"),
            (data["not_understood"], "recording", "left out: no annotation "
             "of a seizure is understood, see the warnings"),
            (data["partly_used"], "recording", "scored without some "
             "annotations that cannot be used, see the warnings"),
            (data["refused"], "file", "rejected: not part of these scores")):
        if count:
            yield f"{plural(count, noun)} {text}."


def _legend(data: Mapping[str, Any]) -> Iterable[str]:
    yield (f"SzCORE events: {SZCORE.tolerance_before_s:g} s tolerance before "
           f"and {SZCORE.tolerance_after_s:g} s after a seizure. Events less "
           f"than {SZCORE.merge_gap_s:g} s apart are joined, events longer "
           f"than {SZCORE.max_duration_s:g} s are cut.")
    events = data["pooled"]["events"]["ref_true"]
    if events != data["seizures"]:
        yield (f"By these rules {plural(data['seizures'], 'seizure')} count "
               f"as {plural(events, 'event')}.")
    yield ("strict: false alarms as predicted, neither joined nor cut. "
           "latency: median time from onset to the first alarm. sample: "
           "counted by seconds.")
    yield ("The intervals are exact (Clopper-Pearson, Poisson) for "
           "independent events. Patients differ, so the true uncertainty is "
           "larger.")
    yield "--json prints the intervals of all rates."


def _row(name: str, recordings: int, score: Mapping[str, Any],
         example: str = "") -> tuple[str, ...]:
    events, samples = score["events"], score["samples"]

    def whole(metric: str) -> str:
        found = events[metric]
        low, high = found["interval"]
        return with_interval({**found, "low": low, "high": high})

    return (name, str(recordings), hours(events["hours"]),
            f"{events['tp']}/{events['ref_true']}", whole("sensitivity"),
            str(events["fp"]), whole("false_alarms_per_24h"),
            *(number(events[metric]["value"])
              for metric in ("strict_false_alarms_per_24h", "precision",
                             "f1")), number(events["median_latency_s"], 1),
            *(number(samples[metric]["value"]) for metric in SAMPLE_METRICS),
            example)


def _mean_row(means: Mapping[str, Any]) -> tuple[str, ...]:
    events, samples = (
        {name: number(entry["mean"]) for name, entry in means[kind].items()}
        for kind in ("events", "samples"))
    return ("patients' mean", "", "", "", events["sensitivity"], "",
            events["false_alarms_per_24h"],
            events["strict_false_alarms_per_24h"], events["precision"],
            events["f1"], "", *(samples[name] for name in SAMPLE_METRICS), "")


def is_number(value: Any) -> bool:
    """Whether a value is a number that a float can hold."""
    return (isinstance(value, (int, float)) and not isinstance(value, bool)
            and abs(value) <= sys.float_info.max)
