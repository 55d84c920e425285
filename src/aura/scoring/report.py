"""
A comparison for people (a table) and for programs (strict JSON).

Both depend on nothing but the scores: no time, no host, no folder.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from aura.dataset.find import printable
from aura.scoring.compare import Comparison, PatientScore
from aura.scoring.intervals import Estimate, resolvable_rate
from aura.scoring.matching import SZCORE
from aura.scoring.score import Score, mean_over_patients

DISCLAIMER = "Research software, not a medical device."
INTERVALS = (
    "95 %, exact for independent counts: Clopper-Pearson, and Poisson for "
    "rates. Patients differ and neighbouring seconds do not: the truth is "
    "less certain, that of samples much less.")
EVENT_METRICS = ("sensitivity", "precision", "f1", "false_alarms_per_24h",
                 "strict_false_alarms_per_24h")
SAMPLE_METRICS = ("sensitivity", "precision", "f1")
HEADER = (
    ("", "", "", "events", "sensitivity", "false", "per 24 h", "strict",
     "event", "event", "latency", "sample", "sample", "sample", ""),
    ("patient", "rec.", "hours", "found", "[95 %]", "alarms", "[95 %]",
     "per 24 h", "prec.", "F1", "s", "sens.", "prec.", "F1", "example"))


def score_dict(comparison: Comparison) -> dict[str, Any]:
    """All scores as plain values for `json.dumps`."""
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
        "resolvable_false_alarms_per_24h": _finite(
            resolvable_rate(pooled.events.hours)),
        "without_hypothesis": comparison.without_hypothesis,
        "unannotated": len(comparison.unannotated),
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


def score_table(comparison: Comparison) -> str:
    """The scores as plain text: pooled, averaged, and of each patient."""
    lines = [_summary(comparison), DISCLAIMER, *_left_out(comparison)]
    if not comparison.recordings:
        return "\n".join([*lines, "Nothing could be scored."])
    patients = comparison.patients
    rows = [*HEADER,
            _row("pooled", len(comparison.recordings), comparison.pooled),
            _mean_row(patients),
            *(_row(p.patient, len(p.scores), p.score, p.example)
              for p in patients)]
    return "\n".join([*lines, "", *_aligned(rows), "", *_legend(comparison)])


def _summary(comparison: Comparison) -> str:
    hours = comparison.pooled.events.hours
    said = (f"{_hours(hours)} h, "
            f"{_count(comparison.recordings, 'recording')}, "
            f"{_count(comparison.patients, 'patient')}, "
            f"{_count(range(comparison.seizures), 'seizure')}; ")
    if not hours:
        return said + "no hours in which false alarms could be counted."
    smallest = resolvable_rate(hours)
    shown = f"{smallest:.2f}" if smallest >= 0.1 else f"{smallest:.2g}"
    return (said + "the smallest false-alarm rate these hours can resolve "
            f"is {shown} per 24 h.")


def _left_out(comparison: Comparison) -> list[str]:
    lines = []
    if comparison.without_hypothesis:
        lines.append(
            f"Without hypothesis: {comparison.without_hypothesis}; their "
            "seizures count as missed, their hours not at all.")
    if comparison.unannotated:
        lines.append(f"Left out: {len(comparison.unannotated)}, which "
                     "nobody annotated.")
    if comparison.refused:
        lines.append(f"Refused: {comparison.refused}, which are not in "
                     "these scores.")
    return lines


def _legend(comparison: Comparison) -> list[str]:
    lines = [
        f"SzCORE events: tolerance {SZCORE.tolerance_before_s:g} s before "
        f"and {SZCORE.tolerance_after_s:g} s after a seizure; closer than "
        f"{SZCORE.merge_gap_s:g} s joined, longer than "
        f"{SZCORE.max_duration_s:g} s cut.",
        "strict: false alarms as given, neither joined nor cut. latency: "
        "median, first alarm minus onset. sample: by seconds.",
        "Intervals are exact (Clopper-Pearson, Poisson) for independent "
        "events; patients differ, so the truth is less certain.",
        "--json has the intervals of all rates."]
    counted = comparison.pooled.events.ref_true
    if counted != comparison.seizures:
        lines.insert(1, f"By these rules {comparison.seizures} annotated "
                        f"seizures are {counted} events.")
    return lines


def _row(name: str, recordings: int, score: Score,
         example: str = "") -> tuple[str, ...]:
    events, samples = score.events, score.samples
    return (
        name, str(recordings), _hours(events.hours),
        f"{events.tp}/{events.ref_true}", _interval(events.sensitivity),
        str(events.fp), _interval(events.false_alarms_per_24h),
        _number(events.strict_false_alarms_per_24h.value),
        _number(events.precision.value), _number(events.f1.value),
        _number(events.median_latency_s, 1),
        *(_number(getattr(samples, name).value) for name in SAMPLE_METRICS),
        printable(example))


def _mean_row(patients: Sequence[PatientScore]) -> tuple[str, ...]:
    means = _means(patients)
    events, samples = (
        {name: "-" if entry["mean"] is None else f"{entry['mean']:.2f}"
         for name, entry in means[kind].items()}
        for kind in ("events", "samples"))
    return ("patients' mean", "", "", "", events["sensitivity"], "",
            events["false_alarms_per_24h"],
            events["strict_false_alarms_per_24h"],
            events["precision"], events["f1"], "",
            *(samples[name] for name in SAMPLE_METRICS), "")


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows)]
    # First and last column are text, all others are figures.
    return ["  ".join(
        cell.ljust(width) if i in (0, len(widths) - 1) else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(row, widths))).rstrip()
        for row in rows]


def _score(score: Score) -> dict[str, Any]:
    events, samples = score.events, score.samples
    return {
        "events": {
            "tp": events.tp, "fp": events.fp, "ref_true": events.ref_true,
            "strict_fp": events.strict_fp, "hours": events.hours,
            "latencies_s": list(events.latencies_s),
            "median_latency_s": _finite(events.median_latency_s),
            **_estimates(events, EVENT_METRICS)},
        "samples": {
            "tp": samples.tp, "fp": samples.fp, "fn": samples.fn,
            **_estimates(samples, SAMPLE_METRICS)}}


def _estimates(holder: object, names: Iterable[str]) -> dict[str, Any]:
    return {name: _estimate(getattr(holder, name)) for name in names}


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return {"value": _finite(estimate.value), "count": estimate.count,
            "total": estimate.total,
            "interval": [_finite(estimate.low), _finite(estimate.high)]}


def _means(patients: Sequence[PatientScore]) -> dict[str, Any]:
    def mean(metric: Callable[[Score], Estimate]) -> dict[str, Any]:
        found = mean_over_patients([metric(p.score).value for p in patients])
        return {"mean": _finite(found.mean), "std": _finite(found.std),
                "patients": found.patients}

    return {
        "events": {name: mean(lambda s: getattr(s.events, name))
                   for name in EVENT_METRICS},
        "samples": {name: mean(lambda s: getattr(s.samples, name))
                    for name in SAMPLE_METRICS}}


def _interval(estimate: Estimate) -> str:
    low, high = (_number(x) for x in (estimate.low, estimate.high))
    return f"{_number(estimate.value)} [{low}, {high}]"


def _number(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def _hours(hours: float) -> str:
    return f"{hours:.1f}" if hours >= 1 else f"{hours:.2f}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _count(things: Sequence[object], name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"
