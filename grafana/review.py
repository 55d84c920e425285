"""Dashboard "Recording review": alarms and annotations of one recording."""

from grafana_foundation_sdk.models import dashboard
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from aura.influx import schema
from grafana import flux, panels
from grafana.panels import cell, curve, override

WHERE = {"var_patient": "${patient:percentencode}",
         "var_model": "${model:percentencode}"}
JUMP = {"from": cell("from"), "to": cell("to")}
SZCORE = ("SzCORE counts them: events are joined and split, and the tolerance "
          "is 30 s before and 60 s after a seizure.")
OUTCOMES = panels.words(
    TP=("found", panels.DETECTED), FN=("missed", panels.ORIGINAL),
    FP=("false alarm", panels.PREDICTED))
STATES = panels.words(**{
    "found": ("found", panels.DETECTED),
    "missed": ("missed", panels.ORIGINAL),
    "annotated": ("annotated", panels.HEART),
    "not annotated": ("not annotated", panels.UNSCORABLE),
    "true alarm": ("true alarm", panels.DETECTED),
    "false alarm": ("false alarm", panels.PREDICTED),
    "alarm": ("alarm, not judged", panels.UNJUDGED),
    "unscorable": ("unscorable", panels.UNSCORABLE),
    flux.NOTHING: ("", "#00000000")})
LAYERS = panels.words(
    original=("annotation", panels.ORIGINAL),
    predicted=("alarm", panels.PREDICTED))


def make() -> Dashboard:
    """The dashboard."""
    placed = panels.arrange(
        (2, ((panels.WIDTH, _notice()),)),
        (5, ((panels.WIDTH, _recordings()),)),
        (3, tuple((4, panel) for panel in _figures())),
        (8, ((panels.WIDTH, _ecg()),)),
        (5, ((panels.WIDTH, _lanes()),)),
        (7, ((panels.WIDTH, _heart_rate()),)),
        (6, ((panels.WIDTH, _probability()),)),
        (4, ((panels.WIDTH, _quality()),)),
        (9, ((12, _agreement()), (12, _events()))))
    return Dashboard(
        uid=panels.REVIEW_UID, title="Recording review",
        description=f"{panels.NOTICE}. ECG, heart rate, score and "
        "quality of one recording, with its annotations and alarms.",
        tags=["aura"], timezone="utc", editable=False, refresh="",
        graph_tooltip=dashboard.DashboardCursorSync.CROSSHAIR,
        time=dashboard.DashboardDashboardTime("now-24h", "now"),
        panels=placed, templating=dashboard.DashboardDashboardTemplating(
            _variables()),
        annotations=dashboard.AnnotationContainer(_layers()),
        links=[dashboard.DashboardLink(
            title="Model and cohort", icon="external link",
            tooltip="All patients of this model",
            url=f"/d/{panels.COHORT_UID}/model-and-cohort?"
            "${model:queryparam}")])


def _variables() -> list[dashboard.VariableModel]:
    of_one = flux.ONE
    return [
        panels.variable(
            "patient", "Alias of the patient, not a name.",
            flux.values(schema.RECORDING, "patient")),
        panels.variable(
            "recording", "Alias of the recording. To go to its time range, "
            "open it in the table Recordings.",
            flux.values(schema.RECORDING, "recording",
                        patient=flux.PATIENT)),
        panels.variable(
            "model", "Models that have been run on this recording.",
            flux.values(schema.SCORE, "model", **of_one))]


def _layers() -> list[dashboard.AnnotationQuery]:
    def layer(name: str, shade: str, layer: str,
              shown: bool) -> dashboard.AnnotationQuery:
        return dashboard.AnnotationQuery(
            name=name, datasource=panels.SOURCE, icon_color=shade,
            enable=shown, target=panels.FluxTarget(flux.regions(layer)))

    # Regions of two layers cover each other, so alarms are off at first.
    return [layer("Original annotations", panels.ORIGINAL, schema.ORIGINAL,
                  True),
            layer("Alarms", panels.PREDICTED, schema.PREDICTED, False)]


def _notice() -> Panel:
    return panels.notice(
        f"**{panels.NOTICE}.** Green: found seizure. Blue: missed seizure. "
        "Orange: false alarm. Model `${model}`. Drag to zoom. Times are UTC. "
        "Each recording has its own clock: open it in the table below.")


def _figures() -> list[Panel]:
    told = flux.result()

    def counted(title: str, description: str, column: str,
                shade: str) -> Panel:
        return panels.figure(
            title, f"{description} {SZCORE}", column, "none", told,
            shade=shade, empty="not annotated")

    return [
        counted("Found", "Annotated seizures that an alarm matches.", "tp",
                panels.DETECTED),
        counted("Missed", "Annotated seizures without an alarm.", "fn",
                panels.ORIGINAL),
        counted("False alarms", "Alarms outside annotated seizures.", "fp",
                panels.PREDICTED),
        panels.figure(
            "Alarms", "All alarms of the model, before joining and "
            "splitting.", "alarms", "none", told, empty="not run"),
        panels.figure(
            "Median latency", "First alarm minus annotated onset, median "
            "over the found seizures. It is negative if the alarm came "
            "first.", "latency_s", panels.SECONDS, told),
        panels.figure(
            "Unscorable", "Share of time in which the model makes no "
            "prediction.", "unscorable", "percentunit", told, decimals=1,
            empty="not run")]


def _lanes() -> Panel:
    panel = panels.lanes(
        "Found, missed, false", "The upper lane has the annotated seizures, "
        "the middle lane the alarms of the model, the lower lane the time "
        "without prediction. Green over green is a found seizure, blue a "
        "missed one, orange a false alarm. So that they can be seen, events "
        "are drawn at least 1/400 of the time range wide. Their true times "
        "are in the tables below.", STATES, flux.annotated_lane(),
        flux.predicted_lane(), flux.unscorable_lane())
    # As wide as the axes of the curves, so that the clocks are aligned.
    width: dict[str, object] = {"custom.axisWidth": 70}
    return override(panel, *((name, width) for name in (
        "annotated", "predicted", "unscorable")))


def _recordings() -> Panel:
    panel = panels.listing(
        "Recordings", "Recordings of this patient, with the results of the "
        "model. Click a start time to show the whole recording.",
        "No recordings of this patient. If the database is empty, run the "
        "prediction solution with INFLUXDB_V2_* set.",
        {"_time": "start", "recording": "recording",
         "duration_s": "duration", "annotated": "annotated",
         "seizures": "annotated seizures", "tp": "found", "fn": "missed",
         "fp": "false alarms", "alarms": "alarms", "beats": "R peaks",
         "unscorable_s": "unscorable", "channel": "channel",
         "fs_hz": "sampling rate", "from": "", "to": ""},
        flux.recordings(flux.MODEL, seen=False, patient=flux.PATIENT))
    return override(
        panel, *panels.outcomes(),
        ("start", {"unit": "dateTimeAsIso", "custom.width": 200, "links": [
            panels.link("Open this recording", **WHERE, **JUMP,
                        var_recording=cell("recording"))]}),
        ("duration", {"unit": panels.CLOCK}),
        ("unscorable", {"unit": panels.CLOCK}),
        ("sampling rate", {"unit": "hertz", "noValue": "beats only"}))


def _ecg() -> Panel:
    panel = panels.trend(
        "ECG", "Minimum and maximum per 0.1 s, 1 s or 10 s, depending on the "
        "time range. Up to one minute, samples are drawn too if they were "
        "exported (setting AURA_EXPORT_RAW). Values are in mV. If a recording "
        "gives no unit, values are as stored in the file.",
        flux.ecg_envelope(), flux.ecg_raw())
    panel.interval, panel.max_data_points = None, panels.MOST_POINTS
    defaults = panel.field_config.defaults
    defaults.unit = "mvolt"
    defaults.no_value = (
        "No ECG here. If the recording has beats only, its heart rate is "
        f"below. {panels.OTHER_TIME}")
    step = {"lineInterpolation": "stepAfter", "lineWidth": 1}
    return override(
        panel,
        curve("min", "minimum", panels.HEART, **step),
        curve("max", "maximum", panels.HEART, fillBelowTo="min",
              fillOpacity=70, **step),
        curve("value", "samples", panels.HEART, lineWidth=1))


def _heart_rate() -> Panel:
    panel = panels.trend(
        "Heart rate", "Mean heart rate of the last 10 s. The band starts at "
        "the baseline (median of 5 min, up to one minute ago) and ends at the "
        "95th percentile of the last 30 min. A heart rate above the band may "
        "indicate a seizure.",
        flux.windows(flux.read(schema.HEART_RATE, "bpm", "baseline_bpm",
                               "p95_bpm", **flux.ONE), "mean"))
    panel.field_config.defaults.unit = "suffix: bpm"
    panel.field_config.defaults.decimals = 0
    return override(
        panel,
        curve("bpm", "heart rate", panels.HEART, lineWidth=2),
        curve("baseline_bpm", "baseline", panels.BASELINE),
        curve("p95_bpm", "95th percentile", panels.BASELINE, lineWidth=0,
              fillBelowTo="baseline_bpm", fillOpacity=20))


def _probability() -> Panel:
    panel = panels.trend(
        "Model score", "Smoothed score of the model, and the alarm "
        "threshold. When zoomed out, each point is the largest value of its "
        "interval. 0.5 does not mean a 50 % chance of a seizure.",
        flux.windows(flux.read(
            schema.PROBABILITY, "probability", "threshold",
            **flux.ONE, model=flux.MODEL), "max"))
    defaults = panel.field_config.defaults
    defaults.min_val, defaults.max_val, defaults.decimals = 0, 1, 2
    return override(
        panel,
        curve("probability", "score", panels.PROBABILITY,
              fillOpacity=12),
        curve("threshold", "threshold", panels.PREDICTED,
              lineStyle={"fill": "dash", "dash": [8, 6]}))


def _quality() -> Panel:
    panel = panels.trend(
        "Quality", "Share of seconds that could be scored. Where it is 0, the "
        "model makes no prediction.",
        flux.windows(flux.read(schema.QUALITY, "scorable", **flux.ONE),
                     "mean"))
    defaults = panel.field_config.defaults
    defaults.min_val, defaults.max_val = 0, 1
    defaults.unit, defaults.decimals = "percentunit", 0
    return override(panel, curve(
        "scorable", "scorable", panels.DETECTED, fillOpacity=30,
        lineInterpolation="stepAfter"))


def _agreement() -> Panel:
    panel = panels.listing(
        "Agreement", "Found seizures, missed seizures and false alarms. "
        f"{SZCORE} Click an onset to go there, with one minute on either "
        "side.",
        "No results: the recording is not annotated, or it has neither "
        "annotated seizures nor alarms.",
        {"_time": "onset", "outcome": "outcome", "duration_s": "duration",
         "latency_s": "latency", "matches": "matching alarms",
         "from": "", "to": ""}, flux.scored_events())
    return override(panel, _onset(), *_lengths("duration", "latency"),
                    ("outcome", _coloured(OUTCOMES)))


def _events() -> Panel:
    panel = panels.listing(
        "Events", "Annotations and alarms, before joining and splitting. "
        "Click an onset to go there, with one minute on either side.",
        "The recording has no annotations and no alarms.",
        {"_time": "onset", "layer": "type", "number": "number",
         "duration_s": "duration", "label": "label",
         "confidence": "confidence", "outcome": "outcome",
         "from": "", "to": ""}, flux.events())
    return override(
        panel, _onset(), *_lengths("duration"),
        ("type", _coloured(LAYERS)), ("outcome", _coloured(OUTCOMES)),
        ("confidence", {"decimals": 2}))


def _onset() -> panels.Properties:
    return "onset", {
        "unit": "dateTimeAsIso", "custom.width": 200,
        "links": [panels.link("Go to this event", **WHERE, **JUMP,
                              var_recording="${recording:percentencode}")]}


def _lengths(*names: str) -> list[panels.Properties]:
    return [(name, {"unit": panels.SECONDS, "decimals": 0})
            for name in names]


def _coloured(mappings: list[dashboard.ValueMap]) -> dict[str, object]:
    return {"mappings": mappings,
            "custom.cellOptions": {"type": "color-text"}}
