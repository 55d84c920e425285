"""The report of an evaluation as Markdown."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from aura import state
from aura.errors import plural
from aura.scoring.conventions import CONVENTIONS
from aura.scoring.report import (
    hours, interval, markdown_table, number, percent, smallest_rate,
    with_interval)

RATES = (0.25, 0.5, 1.0, 2.0, 5.0)
APART = " · "  # Between the results of two rounds, if they differ
_TEXTS = state.beside(__file__)

Found = Mapping[str, Any]


def markdown(report: Found) -> str:
    lines = ["# Evaluation", "", *overview(report), ""]
    for title, section in (
            ("At equal false alarms", equal_alarms),
            ("The same alarms by other conventions", conventions),
            ("As clinical studies report it", clinical),
            ("Patients and control group together", _together),
            ("Each seizure", _seizures), ("Each person", _people),
            ("Self-tests", self_tests)):
        lines += [f"## {title}", "", *section(report), ""]
    return "\n".join([*lines, f"{_TEXTS['method']} {report['use']}", ""])


def overview(report: Found) -> list[str]:
    """The data, the main table, and how to read it."""
    return [*_data(report), "", *main_table(report), "", *_reading(report)]


def main_table(report: Found) -> list[str]:
    control = _has_control(report)
    head = ["detector", "seizures found", "95 %", "false alarms",
            "per 24 h", "95 %", "latency median, 95 %", "in alarm",
            "found by chance"]
    if control:
        head[6:6] = ["control group, per 24 h", "95 %"]
    return markdown_table([head, *(_row(one, control)
                                   for one in report["detectors"])])


def _row(one: Found, control: bool) -> list[str]:
    def each(show: Callable[[Found], str]) -> str:
        return _apart(show(part["people_with_seizures"])
                      for part in one["rounds"])

    row = [
        one["name"],
        each(lambda part: f"{part['found']}/{part['seizures']}"),
        each(lambda part: interval(part["sensitivity"])),
        each(lambda part: str(part["false_alarms"])),
        each(lambda part: number(part["false_alarms_per_24h"]["value"])),
        each(lambda part: interval(part["false_alarms_per_24h"])),
        each(lambda part: ", ".join(
            _seconds(part["latency_s"][name])
            for name in ("median", "percentile_95"))),
        each(lambda part: percent(part["in_alarm_share"])),
        _apart(f"{part['by_shifted_alarms']['mean']:.2f} "
               f"(p {part['by_shifted_alarms']['p_value']:.3f})"
               for part in one["rounds"])]
    if control:
        quiet = one["people_without_seizures"]
        rate = quiet["false_alarms_per_24h"]
        row[6:6] = [f"{number(rate['value'])} ({quiet['false_alarms']})",
                    interval(rate)]
    return row


def _data(report: Found) -> Iterator[str]:
    data, settings = report["data"], report["settings"]
    people, lost = data["people"], data["nothing_scorable"]
    target = settings["target_false_alarms_per_24h"]
    yield _TEXTS["data"].format(
        people=f"{people} {'person' if people == 1 else 'people'}",
        patients=data["people_with_seizures"],
        recordings=plural(data["recordings"], "recording"),
        seizures=plural(data["seizures_annotated"], "seizure"),
        hours=hours(data["hours"]), scorable=hours(data["scorable_hours"]),
        target=f"{target:g} false alarm{'' if target == 1 else 's'}",
        seed=settings["seed"])
    events = report["detectors"][0]["rounds"][0]["everybody"]["seizures"]
    if events != data["seizures_annotated"]:
        yield "\n" + _TEXTS["joined"].format(
            seizures=plural(events, "seizure"))
    if lost["recordings"]:
        yield "\n" + _TEXTS["lost"].format(
            recordings=plural(len(lost["recordings"]), "recording"),
            seizures=plural(lost["seizures_counted_as_missed"], "seizure"),
            hours=hours(lost["hours_not_counted"]))
    for rule, count in data["problems"].items():
        yield f"\n{count} x `{rule}`"


def _reading(report: Found) -> Iterator[str]:
    first = report["detectors"][0]["rounds"][0]["people_with_seizures"]
    yield smallest_rate(first["smallest_resolvable_per_24h"],
                        " among the patients with seizures")
    if len(report["rounds"]) > 1:
        yield _TEXTS["rounds"].format(apart=APART.strip())


def equal_alarms(report: Found) -> Iterator[str]:
    """Seizures found by each detector at the same false alarm rates."""
    key, who = (("healthy_per_24h", "the control group")
                if _has_control(report)
                else ("false_alarms_per_24h", "all people together"))
    yield _TEXTS["equal_alarms"].format(who=who) + "\n"
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


def conventions(report: Found) -> Iterator[str]:
    """Found and false of the same alarms, as five conventions count them."""
    yield _TEXTS["conventions"] + "\n"
    yield from markdown_table([
        ["detector", *CONVENTIONS.values()],
        *([one["name"], *(_apart(_convention(part["by_convention"][key])
                                 for part in one["rounds"])
                          for key in CONVENTIONS)]
          for one in report["detectors"])])


def _convention(counted: Found) -> str:
    found, of = (f"{counted[name]:.4g}" for name in ("found", "annotated"))
    return f"{found}/{of}, {number(counted['false_per_24h'])} per 24 h"


def clinical(report: Found) -> Iterator[str]:
    """Intention to detect, results per person, and the phase of the study."""
    phase = report["study_phase"]
    yield _TEXTS["clinical"].format(
        phase=phase["at_most"], next=phase["at_most"] + 1,
        missing=", ".join(phase["missing_for_next"])) + "\n"
    yield from markdown_table([_TEXTS["clinical_head"], *(
        [one["name"], *map(_apart, zip(
            *map(_clinical_row, one["rounds"]), strict=True))]
        for one in report["detectors"])])


def _clinical_row(part: Found) -> tuple[str, ...]:
    listed, everybody = part["seizures"], part["everybody"]
    readable = [one for one in listed if one["scorable"]]
    return (*(f"{sum(one['latency_s'] is not None for one in some)}"
              f"/{len(some)}" for some in (listed, readable)),
            *(with_interval({**one, "value": one["median"]})
              for one in part["over_people"].values()),
            percent(everybody["in_alarm_share"]),
            percent(everybody["unreadable_share"]))


def _together(report: Found) -> Iterator[str]:
    yield _TEXTS["together"] + "\n"
    rows = [["detector", "share of seizures found", "false alarms per 24 h",
             "per 24 h that could be scored", "95 %",
             "alarms not joined, per 24 h"]]
    for one in report["detectors"]:
        rows.append([one["name"], *map(_apart, zip(
            *map(_resampled, one["rounds"]), strict=True))])
    yield from markdown_table(rows)


def _resampled(part: Found) -> tuple[str, ...]:
    everybody, drawn = part["everybody"], part["by_resampled_people"]
    scorable = everybody["false_alarms_per_scorable_24h"]
    return (*(with_interval({**drawn[name], "value": everybody[name]["value"]})
              for name in ("sensitivity", "false_alarms_per_24h")),
            number(scorable["value"]), interval(scorable),
            number(everybody["alarms_not_merged_per_24h"]["value"]))


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
