"""The report of an evaluation as Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from aura import state
from aura.scoring.report import (
    fill, hours, markdown_table, number, smallest_rate)

RATES = (0.25, 0.5, 1.0, 2.0, 5.0)
APART = " · "  # Between the results of two rounds, if they differ
_TEXTS = state.beside(__file__)

Found = Mapping[str, Any]


def markdown(report: Found) -> str:
    lines = ["# Evaluation", "", *overview(report), ""]
    for title, lines_of in (
            ("At equal false alarms", equal_alarms),
            ("The same alarms by other conventions",
             partial(section, name="conventions")),
            ("As clinical studies report it",
             partial(section, name="clinical")),
            ("Patients and control group together",
             partial(section, name="together")),
            ("Each seizure", _seizures), ("Each person", _people),
            ("Self-tests", self_tests)):
        lines += [f"## {title}", "", *lines_of(report), ""]
    return "\n".join([*lines, f"{_TEXTS['method']} {report['use']}", ""])


def overview(report: Found) -> list[str]:
    """The data, the main table, and how to read it."""
    return [*_data(report), "", *main_table(report), "", *_reading(report)]


def main_table(report: Found) -> list[str]:
    return _table(report, "control" if _has_control(report) else "main")


def section(report: Found, name: str) -> Iterator[str]:
    """A table of `_TEXTS` with its introduction."""
    phase = report["study_phase"]
    yield fill(_TEXTS[name], next=phase["at_most"] + 1, **phase,
               missing=", ".join(phase["missing_for_next"])) + "\n"
    yield from _table(report, name)


def _table(report: Found, name: str) -> list[str]:
    """A row for each detector, by a table of heads and templates."""
    columns = _TEXTS["table"][name]
    return markdown_table([["detector", *(head for head, _ in columns)], *(
        [one["name"], *(_apart(_cell(one, part, cell)
                               for part in one["rounds"])
                        for _, cell in columns)]
        for one in report["detectors"])])


def _cell(one: Found, part: Found, template: str) -> str:
    drawn = {name: {**ends, "value": part["everybody"][name]["value"]}
             for name, ends in part["by_resampled_people"].items()}
    return fill(template, **part, drawn=drawn,
                control=one["people_without_seizures"])


def _data(report: Found) -> Iterator[str]:
    data, settings = report["data"], report["settings"]
    people, lost = data["people"], data["nothing_scorable"]
    target = settings["target_false_alarms_per_24h"]
    events = report["detectors"][0]["rounds"][0]["everybody"]["seizures"]
    for name, needed in (
            ("data", True), ("joined", events != data["seizures_annotated"]),
            ("lost", lost["recordings"])):
        if needed:
            yield fill(
                _TEXTS[name], data=data, lost=lost, events=events,
                who=f"{people} {'person' if people == 1 else 'people'}",
                target=f"{target:g} false alarm{'' if target == 1 else 's'}",
                count=len(lost["recordings"]), seed=settings["seed"])
    for rule, count in data["problems"].items():
        yield f"\n{count} x `{rule}`"


def _reading(report: Found) -> Iterator[str]:
    first = report["detectors"][0]["rounds"][0]["people_with_seizures"]
    yield smallest_rate(first["smallest_resolvable_per_24h"],
                        " among the patients with seizures")
    if len(report["rounds"]) > 1:
        yield fill(_TEXTS["rounds"], apart=APART.strip())


def equal_alarms(report: Found) -> Iterator[str]:
    """Seizures found by each detector at the same false alarm rates."""
    key, who = (("healthy_per_24h", "the control group")
                if _has_control(report)
                else ("false_alarms_per_24h", "all people together"))
    yield fill(_TEXTS["equal_alarms"], who=who) + "\n"
    yield from markdown_table([
        ["detector", *(f"{rate:g}" for rate in RATES)],
        *([one["name"], *(_best(one["curve_with_hindsight"], key, rate)
                          for rate in RATES)] for one in report["detectors"])])


def _best(curve: Sequence[Found], key: str, rate: float) -> str:
    fits = [point for point in curve
            if point[key] is not None and point[key] <= rate]
    if not fits:
        return "-"
    best = max(point["found"] for point in fits)
    return f"{best}/{fits[0]['seizures']}"


def _seizures(report: Found) -> Iterator[str]:
    yield _TEXTS["each_seizure"] + "\n"
    rounds = [[part["seizures"] for part in one["rounds"]]
              for one in report["detectors"]]
    yield from markdown_table([
        ["seizure", *(one["name"] for one in report["detectors"])],
        *([f"{seizure['recording']} at {seizure['onset_s']:.0f} s, "
           f"{seizure['duration_s']:.0f} s long",
           *(_apart(_seconds(part[place]["latency_s"]) for part in parts)
             for parts in rounds)]
          for place, seizure in enumerate(rounds[0][0]))])


def _people(report: Found) -> Iterator[str]:
    yield _TEXTS["each_person"] + "\n"
    found = [[part["people"] for part in one["rounds"]]
             for one in report["detectors"]]
    rows = [["person", "hours", *(one["name"] for one in report["detectors"])]]
    for name in sorted({name for parts in found for part in parts
                        for name in part}):
        own = [[part[name] for part in parts if name in part]
               for parts in found]
        if any(part["seizures"] or part["false_alarms"]
               for parts in own for part in parts):
            rows.append([name, hours(own[0][0]["hours"]), *(
                _apart(map(_person, parts)) for parts in own)])
    yield from markdown_table(rows)


def _person(part: Found) -> str:
    found = f"{part['found']}/{part['seizures']}, " if part["seizures"] else ""
    return f"{found}{part['false_alarms']}"


def self_tests(report: Found) -> Iterator[str]:
    """The AUCs that must be 0.5."""
    yield from markdown_table([
        ["self-test (chance level is 0.5)", "AUC", "standard error", "runs"],
        *([name.replace("_", " "), number(test["auc"], 3),
           number(test["standard_error"], 3), str(test["repetitions"])]
          for name, test in sorted(report["self_tests"].items()))])


def _has_control(report: Found) -> bool:
    return bool(report["detectors"][0]["people_without_seizures"])


def _apart(results: Any) -> str:
    """The results of all rounds, each different one once."""
    return APART.join(dict.fromkeys(results))


def _seconds(value: float | None) -> str:
    return number(value, 0, " s")
