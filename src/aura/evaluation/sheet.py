"""The report as Markdown, for a terminal, a pull request or a page."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

RATES = (0.25, 0.5, 1.0, 2.0, 5.0)
APART = " · "

Found = Mapping[str, Any]


def markdown(report: Found) -> str:
    """Write a report as Markdown."""
    return "\n".join([
        "# Evaluation", "", *overview(report), "",
        "## At equal false alarms", "",
        *equal_alarms(report), "",
        "## Everybody, people drawn anew and hours that could be scored", "",
        *_spread(report), "",
        "## Each seizure", "", *_seizures(report), "",
        "## Each person", "", *_people(report), "",
        "## Self-tests", "", *self_tests(report), "",
        f"{report['method']} {report['use']}", ""])


def overview(report: Found) -> list[str]:
    """The data, the one table, and how to read it."""
    return [*_data(report), "", *main_table(report), "", *_reading(report)]


def main_table(report: Found) -> list[str]:
    """The one table: a line for each detector."""
    healthy = any(one["people_without_seizures"]
                  for one in report["detectors"])
    head = ["detector", "seizures found", "95 %", "false alarms",
            "per 24 h", "95 %", "latency median, 95 %", "in alarm",
            "found by chance"]
    if healthy:
        head[6:6] = ["without seizures, per 24 h", "95 %"]
    return _table([head, *(_line(one, healthy)
                           for one in report["detectors"])])


def _line(one: Found, healthy: bool) -> list[str]:
    parts = [part["people_with_seizures"] for part in one["rounds"]]

    def each(show: Any) -> str:
        return APART.join(dict.fromkeys(show(part) for part in parts))

    line = [
        one["name"],
        each(lambda part: f"{part['found']}/{part['seizures']}"),
        each(lambda part: _interval(part["sensitivity"])),
        each(lambda part: str(part["false_alarms"])),
        each(lambda part: _rate(part["false_alarms_per_24h"]["value"])),
        each(lambda part: _interval(part["false_alarms_per_24h"])),
        each(lambda part: f"{_seconds(part['latency_s']['median'])}, "
             f"{_seconds(part['latency_s']['percentile_95'])}"),
        each(lambda part: _percent(part["in_alarm_share"])),
        APART.join(dict.fromkeys(
            f"{part['by_shifted_alarms']['mean']:.2f} "
            f"(p {part['by_shifted_alarms']['p_value']:.3f})"
            for part in one["rounds"]))]
    if healthy:
        calm = one["people_without_seizures"]
        line[6:6] = [
            f"{_rate(calm['false_alarms_per_24h']['value'])} "
            f"({calm['false_alarms']})",
            _interval(calm["false_alarms_per_24h"])]
    return line


def _data(report: Found) -> Iterator[str]:
    data, settings = report["data"], report["settings"]
    yield (
        f"{data['people']} people, {data['people_with_seizures']} of them "
        f"with seizures; {data['recordings']} recordings, "
        f"{data['seizures_annotated']} seizures; {data['hours']:.1f} h, "
        f"{data['scorable_hours']:.1f} h of which could be scored. "
        "Thresholds were chosen at "
        f"{settings['target_false_alarms_per_24h']:g} false alarms per "
        f"24 h, seed {settings['seed']}.")
    counted = report["detectors"][0]["rounds"][0]["everybody"]["seizures"]
    if counted != data["seizures_annotated"]:
        yield (
            f"\nBy SzCORE's rules these count as {counted} seizures: closer "
            "than 90 s is joined, longer than 300 s is cut.")
    lost = data["nothing_scorable"]
    if lost["recordings"]:
        yield ""
        yield (
            f"**{len(lost['recordings'])} "
            f"recording{'' if len(lost['recordings']) == 1 else 's'} could "
            "not be scored at all**: the "
            f"{lost['seizures_counted_as_missed']} seizures in them "
            f"count as missed, the {lost['hours_not_counted']:.1f} h do "
            "not count.")
    for rule, count in data["problems"].items():
        yield f"\n{count} x `{rule}`"


def _reading(report: Found) -> Iterator[str]:
    first = report["detectors"][0]["rounds"][0]["people_with_seizures"]
    yield (
        "One false alarm among the people with seizures is "
        f"{_rate(first['smallest_resolvable_per_24h'])} per 24 h: lower "
        "rates these hours cannot show.")
    if len(report["rounds"]) > 1:
        yield (
            "Patients were scored twice, with one half of the people "
            "without seizures to learn from and with the other; where the "
            f"two differ both are given ({APART.strip()}). Each person "
            "without seizures was scored once, by what the other half and "
            "all patients taught.")


def equal_alarms(report: Found) -> Iterator[str]:
    """Seizures found by each detector at the same rates of false alarms."""
    healthy = bool(report["detectors"][0]["people_without_seizures"])
    key = "healthy_per_24h" if healthy else "false_alarms_per_24h"
    who = "people without seizures" if healthy else "everybody"
    yield (
        "Most seizures that any one threshold finds at no more than so many "
        f"false alarms per 24 h of {who}. Here the threshold is chosen with "
        "hindsight: this compares scores, and promises nothing.")
    yield ""
    yield from _table([
        ["detector", *(f"{rate:g}" for rate in RATES)],
        *([one["name"], *(_best(one["curve_with_hindsight"], key, rate)
                          for rate in RATES)]
          for one in report["detectors"])])


def _best(curve: Sequence[Found], key: str, rate: float) -> str:
    fits = [point for point in curve
            if point[key] is not None and point[key] <= rate]
    if not fits:
        return "-"
    best = max(point["found"] for point in fits)
    return f"{best}/{fits[0]['seizures']}"


def _spread(report: Found) -> Iterator[str]:
    yield (
        "With and without seizures together, round by round. Intervals of "
        "the first two columns are over 2,000 resamples of people, who "
        "differ more than seizures and hours do.")
    yield ""
    rows = [["detector", "part of the seizures found", "false alarms per "
             "24 h", "per 24 h that could be scored", "95 %",
             "alarms one by one, per 24 h"]]
    for one in report["detectors"]:
        rows.append([one["name"], *(APART.join(dict.fromkeys(told))
                                    for told in zip(*map(
                                        _spread_of, one["rounds"]),
                                        strict=True))])
    yield from _table(rows)


def _spread_of(part: Found) -> tuple[str, ...]:
    everybody, drawn = part["everybody"], part["by_resampled_people"]
    scorable = everybody["false_alarms_per_scorable_24h"]
    return (
        *(f"{_rate(everybody[name]['value'])} (" + _interval(
            {"value": everybody[name]["value"], **drawn[name]}) + ")"
          for name in ("sensitivity", "false_alarms_per_24h")),
        _rate(scorable["value"]), _interval(scorable),
        _rate(everybody["alarms_not_merged_per_24h"]["value"]))


def _seizures(report: Found) -> Iterator[str]:
    yield "Seconds from onset to alarm; - where it was missed."
    yield ""
    rounds = [[part["seizures"] for part in one["rounds"]]
              for one in report["detectors"]]
    rows = [["seizure", *(one["name"] for one in report["detectors"])]]
    for place, seizure in enumerate(rounds[0][0]):
        rows.append([
            f"{seizure['recording']} at {seizure['onset_s']:.0f} s, "
            f"{seizure['duration_s']:.0f} s long",
            *(APART.join(dict.fromkeys(
                _seconds(part[place]["latency_s"]) for part in parts))
              for parts in rounds)])
    yield from _table(rows)


def _people(report: Found) -> Iterator[str]:
    yield "Seizures found and false alarms; people without either are left "\
        "out."
    yield ""
    told = [[part["people"] for part in one["rounds"]]
            for one in report["detectors"]]
    names = sorted({name for parts in told for part in parts
                    for name in part})
    rows = [["person", "hours",
             *(one["name"] for one in report["detectors"])]]
    for name in names:
        mine = [[part[name] for part in parts if name in part]
                for parts in told]
        if any(part["seizures"] or part["false_alarms"]
               for parts in mine for part in parts):
            rows.append([name, f"{mine[0][0]['hours']:.1f}", *(
                APART.join(dict.fromkeys(map(_person, parts)))
                for parts in mine)])
    yield from _table(rows)


def _person(part: Found) -> str:
    found = (f"{part['found']}/{part['seizures']}, "
             if part["seizures"] else "")
    return f"{found}{part['false_alarms']}"


def self_tests(report: Found) -> Iterator[str]:
    """What must give chance, and whether it does."""
    rows = [["what must give chance", "AUC", "standard error", "runs"]]
    for name, test in sorted(report["self_tests"].items()):
        rows.append([name.replace("_", " "), _auc(test["auc"]),
                     _auc(test["standard_error"]),
                     str(test["repetitions"])])
    yield from _table(rows)


def _table(rows: Iterable[Sequence[str]]) -> list[str]:
    head, *rest = ["| " + " | ".join(row) + " |" for row in rows]
    return [head, "|" + "---|" * (head.count("|") - 1), *rest]


def _interval(estimate: Found) -> str:
    if estimate["value"] is None or estimate["high"] is None:
        return "-"
    return f"{estimate['low']:.2f} to {estimate['high']:.2f}"


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} s"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f} %"


def _auc(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
