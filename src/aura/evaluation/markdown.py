"""The report of an evaluation as Markdown."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from aura.errors import plural
from aura.scoring.report import (
    hours, interval, markdown_table, number, smallest_rate, with_interval)

RATES = (0.25, 0.5, 1.0, 2.0, 5.0)
APART = " · "  # Between the results of two rounds, if they differ
METHOD = ("Nested and patient-wise: neither the model nor the choice of its "
          "threshold has seen the people who are scored. Events by SzCORE's "
          "rules. All intervals are at 95 %: Clopper-Pearson for proportions, "
          "exact Poisson for rates, and a bootstrap over people.")

Found = Mapping[str, Any]


def markdown(report: Found) -> str:
    return "\n".join([
        "# Evaluation", "", *overview(report), "",
        "## At equal false alarms", "", *equal_alarms(report), "",
        "## Patients and control group together", "", *_together(report), "",
        "## Each seizure", "", *_seizures(report), "",
        "## Each person", "", *_people(report), "",
        "## Self-tests", "", *self_tests(report), "",
        f"{METHOD} {report['use']}", ""])


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
        each(lambda part: number(
            part["in_alarm_share"] and 100 * part["in_alarm_share"], 2, " %")),
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
    people = data["people"]
    target = settings["target_false_alarms_per_24h"]
    yield (
        f"{people} {'person' if people == 1 else 'people'}, "
        f"{data['people_with_seizures']} of them with seizures. "
        f"{plural(data['recordings'], 'recording')}, "
        f"{plural(data['seizures_annotated'], 'seizure')}. "
        f"{hours(data['hours'])} h, of which {hours(data['scorable_hours'])} "
        f"h could be scored. Target rate of the thresholds: {target:g} false "
        f"alarm{'' if target == 1 else 's'} per 24 h. Seed "
        f"{settings['seed']}.")
    events = report["detectors"][0]["rounds"][0]["everybody"]["seizures"]
    if events != data["seizures_annotated"]:
        yield (
            f"\nBy SzCORE's rules these count as "
            f"{plural(events, 'seizure')}: seizures less than 90 s apart "
            "are joined, seizures longer than 300 s are cut.")
    lost = data["nothing_scorable"]
    if lost["recordings"]:
        yield (
            f"\n**{plural(len(lost['recordings']), 'recording')} could not "
            "be scored at all.** "
            f"{plural(lost['seizures_counted_as_missed'], 'seizure')} "
            f"counted as missed, {hours(lost['hours_not_counted'])} h left "
            "out.")
    for rule, count in data["problems"].items():
        yield f"\n{count} x `{rule}`"


def _reading(report: Found) -> Iterator[str]:
    first = report["detectors"][0]["rounds"][0]["people_with_seizures"]
    yield smallest_rate(first["smallest_resolvable_per_24h"],
                        " among the patients with seizures")
    if len(report["rounds"]) > 1:
        yield ("Each patient was scored twice, once with each half of the "
               "control group in the training data. Where the two results "
               f"differ, both are given ({APART.strip()}). Each person of the "
               "control group was scored once, by a model trained on all "
               "patients and the other half.")


def equal_alarms(report: Found) -> Iterator[str]:
    """Seizures found by each detector at the same false alarm rates."""
    key, who = (("healthy_per_24h", "the control group")
                if _has_control(report)
                else ("false_alarms_per_24h", "all people together"))
    yield (
        "The most seizures that any single threshold finds, by the false "
        f"alarms per 24 h that {who} may have. The threshold is chosen with "
        "hindsight. This compares scores; it does not predict performance.\n")
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


def _together(report: Found) -> Iterator[str]:
    yield (
        "The intervals of the first two columns come from 2,000 resamples of "
        "people, because people differ more than seizures and hours do.\n")
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
    yield "Seconds from onset to alarm; - if the seizure was missed.\n"
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
    yield ("Seizures found, and false alarms. People without seizures and "
           "false alarms are left out.\n")
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
