"""
The Flux queries of the dashboards.

Names of measurements, fields and tags are checked against
`aura.influx.schema`, so a wrong name is an error here and not an empty panel.
Each query starts with ranges and equalities, which InfluxDB answers from its
index, and returns only the points that are drawn.
"""

from collections.abc import Container

from aura.influx import schema
from aura.influx.schema import Measurement

# JSON quotes and escapes a value in the same way as Flux.
PATIENT, RECORDING, MODEL = (
    f"${{{name}:json}}" for name in ("patient", "recording", "model"))
# One or more patients, or all.
PATIENTS = "/^${patient:regex}$/"
# Each recording has its own clock, so queries that list recordings or events
# cover all times that fit in nanoseconds.
SHOWN = "start: v.timeRangeStart, stop: v.timeRangeStop"
EVER = "start: 1677-09-22T00:00:00Z, stop: 2262-04-11T00:00:00Z"
ONE = {"patient": PATIENT, "recording": RECORDING}
MINUTE_NS, MS_NS = 60 * 10 ** 9, 10 ** 6
RAW_NS = MINUTE_NS
# Longest time range of each zoom level: 9,000 and 10,800 segments.
LEVELS = (("100ms", 15 * MINUTE_NS), ("1s", 180 * MINUTE_NS), ("10s", None))
MARGIN_MS = 60_000
REGIONS = 1000
COUNTS = ("tp", "fn", "fp")
# Grafana does not draw a state that is narrower than a pixel. Each state is
# drawn at least as wide as the time range divided by one of these.
EVENT_WIDTHS, SEGMENT_WIDTHS = 400, 1200
# The end of a state. Flux 0.195 mixes up rows that hold an empty text.
NOTHING = "nothing"
SPAN = "span = int(v: v.timeRangeStop) - int(v: v.timeRangeStart)\n"


def read(measurement: Measurement, *fields: str, when: str = SHOWN,
         where: str = "", **tags: str) -> str:
    """
    Start a query: select points.

    Parameters
    ----------
    measurement : Measurement
    *fields : str
        Fields to select, by default all.
    when : str
        Arguments of ``range``.
    where : str
        Another condition.
    **tags : str
        Value of a tag in Flux, or a pattern between slashes.

    Raises
    ------
    KeyError
        If the schema has no such field or tag.
    """
    for field in fields:
        _known(measurement, field, measurement.fields)
    known = (*schema.COMMON_TAGS, *measurement.tags)
    for tag in tags:
        _known(measurement, tag, known)
    conditions = [f'r._measurement == "{measurement.name}"']
    conditions += [f"r.{tag} {'=~' if value.startswith('/') else '=='} "
                   f"{value}" for tag, value in tags.items()]
    if fields:
        named = " or ".join(f'r._field == "{field}"' for field in fields)
        conditions.append(f"({named})" if len(fields) > 1 else named)
    if where:
        conditions.append(f"({where})")
    return (f"from(bucket: v.defaultBucket)\n  |> range({when})\n"
            "  |> filter(fn: (r) => " + "\n      and ".join(conditions)
            + ")\n")


def _known(measurement: Measurement, name: str,
           names: Container[str]) -> None:
    if name not in names:
        raise KeyError(f"{measurement.name} has no {name}")


def values(measurement: Measurement, tag: str, **tags: str) -> str:
    """Values of a tag, from the index only."""
    return (read(measurement, when=EVER, **tags)
            + f'  |> keep(columns: ["{tag}"])\n  |> group()\n'
            f'  |> distinct(column: "{tag}")\n')


def windows(question: str, function: str) -> str:
    """One value per interval that is drawn; no value in a gap."""
    return (question + "  |> aggregateWindow(every: v.windowPeriod, "
            f'fn: {function}, createEmpty: true, timeSrc: "_start")\n'
            '  |> keep(columns: ["_time", "_value", "_field"])\n')


def rows(question: str, *keys: str) -> str:
    """One row per point, with its fields as columns."""
    key = ", ".join(f'"{name}"' for name in ("_time", *keys))
    return (question + f"  |> pivot(rowKey: [{key}], "
            'columnKey: ["_field"], valueColumn: "_value")\n'
            "  |> group()\n")


def ecg_envelope() -> str:
    """Minimum and maximum, at the zoom level for the time range."""
    level = ""
    for name, longest_ns in LEVELS:
        level += (f'if span <= {longest_ns} then "{name}" else '
                  if longest_ns else f'"{name}"')
    return (f"{SPAN}level = {level}\n"
            + read(schema.ECG, "min", "max", **ONE, resolution="level")
            + '  |> keep(columns: ["_time", "_value", "_field"])\n')


def ecg_raw() -> str:
    """Exported samples, if at most one minute is shown."""
    return (f'{SPAN}level = if span <= {RAW_NS} then "{schema.RAW}" '
            'else "none"\n'
            + read(schema.ECG, "value", **ONE, resolution="level")
            + '  |> keep(columns: ["_time", "_value", "_field"])\n')


def regions(layer: str) -> str:
    """Annotations or alarms as Grafana annotations."""
    noun = "alarm" if layer == schema.PREDICTED else "annotation"
    who = {"model": MODEL} if layer == schema.PREDICTED else {}
    return (rows(read(schema.EVENT, when=EVER, **ONE, layer=f'"{layer}"',
                      **who)) + _overlapping()
            + "  |> map(fn: (r) => ({time: r._time, "
            "timeEnd: time(v: r.end_ns),\n"
            f'      text: "{noun} " + string(v: r.number) + ", " + r.label + '
            '", " + string(v: r.duration_s) + " s"'
            + (",\n      tags: r.outcome" if layer == schema.PREDICTED else "")
            + "}))\n"
            '  |> sort(columns: ["time"])\n'
            f"  |> limit(n: {REGIONS})\n")


def annotated_lane() -> str:
    """
    The annotated seizures, found or missed, as states over time.

    Without results of the model they are drawn all the same.
    """
    given = rows(read(schema.EVENT, when=EVER, **ONE,
                      layer=f'"{schema.ORIGINAL}"')) + _state('"annotated"')
    judged = rows(read(
        schema.AGREEMENT, when=EVER, **ONE, model=MODEL,
        layer=f'"{schema.ORIGINAL}"')) + _state(
        'if r.outcome == "TP" then "found" else "missed"')
    unread = (rows(read(schema.RECORDING, when=EVER, **ONE))
              + "  |> filter(fn: (r) => not r.annotated)\n"
              + _state('"not annotated"'))
    return _lane("annotated", EVENT_WIDTHS, given, judged, unread)


def predicted_lane() -> str:
    """The alarms, true or false, as states over time."""
    return _lane("predicted", EVENT_WIDTHS, rows(read(
        schema.EVENT, when=EVER, **ONE, layer=f'"{schema.PREDICTED}"',
        model=MODEL)) + _state(
        'if not exists r.outcome then "alarm"\n'
        '        else if r.outcome == "TP" then "true alarm" '
        'else "false alarm"'))


def unscorable_lane() -> str:
    """The unscorable segments as states over time."""
    return _lane("unscorable", SEGMENT_WIDTHS, rows(read(
        schema.UNSCORABLE, when=EVER, **ONE)) + _state('"unscorable"'))


def _state(value: str) -> str:
    """A state from the onset to the end of each row."""
    return (_overlapping() + "  |> map(fn: (r) => ({start: int(v: r._time), "
            f"stop: r.end_ns,\n      state: {value}}}))\n")


def _lane(name: str, widths: int, *questions: str) -> str:
    """
    States over time: one row where a state begins, and `NOTHING` at its end.

    Of states that overlap the one that began last is drawn, and an end
    inside another state is dropped. Later questions go before earlier ones.
    """
    listed = [f"listed{number} = {question}"
              f"  |> map(fn: (r) => ({{r with rank: {number}}}))\n"
              for number, question in enumerate(questions)]
    states = "listed0" if len(questions) == 1 else (
        "union(tables: [" + ", ".join(
            f"listed{number}" for number in range(len(questions))) + "])")
    return (
        f"{SPAN}least = span / {widths}\n" + "".join(listed)
        + f"states = {states}\n"
        "begin = states |> map(fn: (r) => ({_time: time(v: r.start), "
        "_value: r.state,\n      open: 1, rank: r.rank}))\n"
        "end = states |> map(fn: (r) => ({_time: time(v: if r.stop - r.start "
        '< least\n      then r.start + least else r.stop),\n      '
        f'_value: "{NOTHING}", open: -1, rank: -1}}))\n'

        "union(tables: [begin, end])\n  |> group()\n"
        '  |> sort(columns: ["_time", "rank"])\n'
        '  |> cumulativeSum(columns: ["open"])\n'
        f'  |> filter(fn: (r) => r._value != "{NOTHING}" or r.open == 0)\n'
        # One state for each time; the legend has no other.
        '  |> group(columns: ["_time"])\n  |> last(column: "open")\n'
        "  |> map(fn: (r) => ({_time: r._time, _value: r._value, "
        f'_field: "{name}"}}))\n'
        '  |> group(columns: ["_field"])\n  |> sort(columns: ["_time"])\n')


def _overlapping() -> str:
    """Keep rows that overlap the shown time range."""
    return ("  |> filter(fn: (r) => r.end_ns >= int(v: v.timeRangeStart)\n"
            "      and int(v: r._time) <= int(v: v.timeRangeStop))\n")


def _jump(margin_ms: int) -> str:
    """Start and end for a link, as text so that Grafana applies no unit."""
    return ("  |> map(fn: (r) => ({r with\n"
            f"      from: string(v: int(v: r._time) / {MS_NS} - {margin_ms}),"
            f"\n      to: string(v: r.end_ns / {MS_NS} + {margin_ms})}}))\n"
            '  |> sort(columns: ["_time", "recording"])\n')


def recordings(model: str, *, seen: bool, **tags: str) -> str:
    """
    Recordings with the counts of a model, and the time range for a link.

    If `seen`, only those on which the model was run.
    """
    return (
        "recorded = " + read(schema.RECORDING, when=EVER, **tags)
        + "scored = " + read(schema.SCORE, when=EVER, model=model, **tags)
        + '  |> drop(columns: ["model"])\n'
        + rows("union(tables: [recorded, scored])\n"
               '  |> drop(columns: ["_measurement"])\n',
               "patient", "recording")
        # A score without its recording is of an export that was cut off.
        + "  |> filter(fn: (r) => exists r.end_ns"
        + (" and exists r.alarms" if seen else "") + ")\n"
        # Some versions of Grafana reject a column of booleans.
        "  |> map(fn: (r) => ({r with annotated: "
        'if r.annotated then "yes" else "no"}))\n' + _jump(0))


def result() -> str:
    """The counts of the recording; none of seizures without annotation."""
    return rows(read(schema.SCORE, when=EVER, **ONE, model=MODEL)) + (
        "  |> map(fn: (r) => ({r with unscorable: "
        "1.0 - r.scorable_hours / r.hours}))\n")


def scored_events() -> str:
    """Detected and missed seizures and false alarms of the recording."""
    return rows(read(schema.AGREEMENT, when=EVER, **ONE, model=MODEL),
                "recording", "layer") + _jump(MARGIN_MS)


def events() -> str:
    """Annotations and alarms of the recording, before joining."""
    return rows(read(
        schema.EVENT, when=EVER, **ONE, where=f'r.layer == "{schema.ORIGINAL}"'
        f' or r.model == {MODEL}'), "recording", "layer") + _jump(MARGIN_MS)


def counted(by: str, **tags: str) -> str:
    """
    Sums of scores, and the rates computed from them.

    Rates use annotated recordings only: without annotation an alarm is
    neither true nor false. They are NaN without hours or seizures.
    """
    start = {"recordings": "0", "hours": "0.0", "scorable_hours": "0.0",
             "annotated_hours": "0.0", "alarms": "0",
             **dict.fromkeys(COUNTS, "0")}
    terms = {"recordings": "1", "annotated_hours":
             "(if exists r.tp then r.hours else 0.0)",
             **{name: f"r.{name}"
                for name in ("hours", "scorable_hours", "alarms")},
             **{name: f"(if exists r.{name} then r.{name} else 0)"
                for name in COUNTS}}
    for name in start.keys() - {"recordings", "annotated_hours"}:
        _known(schema.SCORE, name, schema.SCORE.fields)
    return (
        rows(read(schema.SCORE, when=EVER, **tags),
             "patient", "recording", "model")
        + (f'  |> group(columns: ["{by}"])\n' if by else "")
        + "  |> reduce(identity: {"
        + ", ".join(f"{name}: {zero}" for name, zero in start.items())
        + "},\n      fn: (r, accumulator) => ({\n"
        + ",\n".join(f"        {name}: accumulator.{name} + {terms[name]}"
                     for name in start)
        + "}))\n  |> group()\n"
        "  |> map(fn: (r) => ({r with seizures: r.tp + r.fn,\n"
        "      sensitivity: float(v: r.tp) / float(v: r.tp + r.fn),\n"
        "      false_alarms_per_24h: float(v: r.fp) * 24.0 "
        "/ r.annotated_hours,\n"
        "      unscorable: 1.0 - r.scorable_hours / r.hours}))\n")


def latency(by: str, **tags: str) -> str:
    """Median time from onset to first alarm, over detected seizures."""
    return (read(schema.AGREEMENT, "latency_s", when=EVER, **tags)
            + f'  |> group({f"""columns: ["{by}"]""" if by else ""})\n'
            '  |> median(method: "exact_mean")\n  |> group()\n'
            '  |> rename(columns: {_value: "latency_s"})\n'
            '  |> drop(columns: ["_start", "_stop"])\n')
