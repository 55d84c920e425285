"""Dashboard "Recording review": alarms and annotations of one recording."""

from grafana_foundation_sdk.models import dashboard
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from aura.influx import schema
from grafana import flux, panels
from grafana.panels import cell, curve, override

WHERE = {"var_patient": "${patient:percentencode}",
         "var_model": "${model:percentencode}"}
JUMP = {"from": cell("from"), "to": cell("to")}
OUTCOMES = panels.words(
    TP=("detected", panels.DETECTED), FN=("missed", panels.ORIGINAL),
    FP=("false alarm", panels.PREDICTED))
LAYERS = panels.words(
    original=("annotation", panels.ORIGINAL),
    predicted=("alarm", panels.PREDICTED))


def make() -> Dashboard:
    """The dashboard."""
    placed = panels.arrange(
        (2, ((panels.WIDTH, _notice()),)),
        (6, ((panels.WIDTH, _recordings()),)),
        (8, ((panels.WIDTH, _ecg()),)),
        (7, ((panels.WIDTH, _heart_rate()),)),
        (6, ((panels.WIDTH, _probability()),)),
        (4, ((panels.WIDTH, quality := _quality()),)),
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
        annotations=dashboard.AnnotationContainer(_layers(quality)),
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


def _layers(quality: Panel) -> list[dashboard.AnnotationQuery]:
    def layer(name: str, shade: str, query: str,
              only: Panel | None = None) -> dashboard.AnnotationQuery:
        chosen = None if only is None else dashboard.AnnotationPanelFilter(
            exclude=False, ids=[only.id_val or 0])
        return dashboard.AnnotationQuery(
            name=name, datasource=panels.SOURCE, icon_color=shade,
            filter_val=chosen, target=panels.FluxTarget(query))

    return [
        layer("Original annotations", panels.ORIGINAL,
              flux.regions(schema.ORIGINAL)),
        layer("Alarms", panels.PREDICTED,
              flux.regions(schema.PREDICTED)),
        layer("Unscorable", panels.UNSCORABLE, flux.unscorable_regions(),
              quality)]


def _notice() -> Panel:
    return panels.notice(
        f"**{panels.NOTICE}.** Blue regions are annotations, orange "
        "regions are alarms of model `${model}`. Drag to zoom. Times are UTC. "
        "Each recording has its own clock: open it in the table below.")


def _recordings() -> Panel:
    panel = panels.listing(
        "Recordings", "Recordings of this patient. Click a start time to "
        "show the whole recording.",
        "No recordings of this patient. If the database is empty, run the "
        "prediction solution with INFLUXDB_V2_* set.",
        {"_time": "start", "recording": "recording",
         "duration_s": "duration", "annotated": "annotated",
         "seizures": "annotated seizures", "beats": "R peaks",
         "unscorable_s": "unscorable", "channel": "channel",
         "fs_hz": "sampling rate", "from": "", "to": ""},
        flux.recordings(patient=flux.PATIENT))
    return override(
        panel,
        ("start", {"unit": "dateTimeAsIso", "custom.width": 200, "links": [
            panels.link("Open this recording", **WHERE, **JUMP,
                        var_recording=cell("recording"))]}),
        ("duration", {"unit": "s"}), ("unscorable", {"unit": "s"}),
        ("sampling rate", {"unit": "hertz"}),
        ("annotated seizures", {"noValue": "not annotated"}))


def _ecg() -> Panel:
    panel = panels.trend(
        "ECG", "Minimum and maximum per 0.1 s, 1 s or 10 s, depending on the "
        "time range. Up to one minute, samples are drawn too if they were "
        "exported (setting AURA_EXPORT_RAW). Values are in mV. If a recording "
        "gives no unit, values are as stored in the file.",
        flux.ecg_envelope(), flux.ecg_raw())
    panel.interval, panel.max_data_points = None, panels.MOST_POINTS
    panel.field_config.defaults.unit = "mvolt"
    step = {"lineInterpolation": "stepAfter", "lineWidth": 0}
    return override(
        panel,
        curve("min", "minimum", panels.PLAIN, **step),
        curve("max", "maximum", panels.PLAIN, fillBelowTo="min",
              fillOpacity=45, **step),
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
        "model makes no prediction. Grey regions are unscorable.",
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
        "Agreement", "Detected seizures, missed seizures and false alarms as "
        "SzCORE counts them: events are joined and split, and the tolerance "
        "is 30 s before and 60 s after a seizure. Click an onset to go there, "
        "with one minute on either side.",
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
    return [(name, {"unit": "s", "decimals": 0}) for name in names]


def _coloured(mappings: list[dashboard.ValueMap]) -> dict[str, object]:
    return {"mappings": mappings,
            "custom.cellOptions": {"type": "color-text"}}
