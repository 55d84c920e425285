"""Model and cohort: how one model does, patient by patient."""

from grafana_foundation_sdk.models import dashboard
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from aura.influx import schema
from grafana import flux, panels
from grafana.panels import cell, override

CHOSEN = {"patient": flux.PATIENTS, "model": flux.MODEL}
COUNTED = (
    "SzCORE events: any overlap, from 30 s before to 60 s after; events "
    "closer than 90 s are joined, those over 5 min cut. Annotated recordings "
    "only.")
FEW = ("Counts, not percentages, say how sure this is; `aura score` gives "
       "exact intervals.")
EMPTY = ("No model has been run on these patients yet: run the prediction "
         "solution with INFLUXDB_V2_* set.")
COUNTS = {
    "recordings": "recordings", "hours": "length",
    "unscorable": "unscorable", "seizures": "annotated seizures",
    "tp": "detected", "sensitivity": "sensitivity", "fp": "false alarms",
    "false_alarms_per_24h": "false alarms / 24 h", "latency_s": "latency",
    "alarms": "alarms as given"}


def make() -> Dashboard:
    """The dashboard."""
    return Dashboard(
        uid=panels.COHORT_UID, title="Model and cohort",
        description=f"{panels.NOTICE}. What one model found in each patient, "
        "all models side by side, and a way to each recording.",
        tags=["aura"], timezone="utc", editable=False, refresh="",
        time=dashboard.DashboardDashboardTime("now-24h", "now"),
        timepicker=dashboard.TimePicker(hidden=True),
        templating=dashboard.DashboardDashboardTemplating(_variables()),
        links=[dashboard.DashboardLink(
            title="Recording review", icon="external link",
            tooltip="One recording, curve by curve",
            url=f"/d/{panels.REVIEW_UID}/recording-review?"
            "${model:queryparam}")],
        panels=panels.arrange(
            (2, ((panels.WIDTH, _notice()),)),
            (4, tuple((4, panel) for panel in _figures())),
            (9, ((panels.WIDTH, _patients()),)),
            (10, ((panels.WIDTH, _recordings()),)),
            (6, ((panels.WIDTH, _models()),))))


def _variables() -> list[dashboard.VariableModel]:
    return [
        panels.variable(
            "model", "The begin of the model's digest, as in its card.",
            flux.values(schema.SCORE, "model")),
        panels.variable(
            "patient", "Aliases of patients, never names.",
            flux.values(schema.SCORE, "patient", model=flux.MODEL),
            several=True)]


def _notice() -> Panel:
    return panels.notice(
        f"**{panels.NOTICE}.** All recordings of the chosen patients, "
        f"whenever they were made. {FEW}")


def _figures() -> list[Panel]:
    pooled = flux.counted("", **CHOSEN)
    return [
        panels.figure(
            "Recordings scored", "Recordings on which this model was run.",
            "recordings", "none", pooled),
        panels.figure(
            "Annotated seizures", f"{COUNTED}", "seizures", "none", pooled),
        panels.figure(
            "Detected", f"How many of them were detected. {COUNTED} {FEW}",
            "tp", "none", pooled),
        panels.figure(
            "False alarms / 24 h", f"Per 24 h of annotated recording, "
            f"unscorable time included. {COUNTED}",
            "false_alarms_per_24h", "none", pooled, 2),
        panels.figure(
            "Median latency", "From the annotated onset to the begin of the "
            "first alarm that meets the seizure; below 0 where the alarm came "
            "first.", "latency_s", "s", flux.latency("", **CHOSEN)),
        panels.figure(
            "Unscorable", "Share of all time about which nothing can be "
            "said: noise, gaps, and the first seconds.",
            "unscorable", "percentunit", pooled, 1)]


def _patients() -> Panel:
    panel = panels.listing(
        "Patients", f"One row for each patient. {COUNTED} Latency is the "
        f"median over detected seizures. {FEW}", EMPTY,
        {"patient": "patient", **COUNTS},
        flux.counted("patient", **CHOSEN), flux.latency("patient", **CHOSEN),
        join="patient")
    return override(
        panel, *_units(), ("patient", {"custom.width": 160, "links": [
            panels.link(
                "Recordings of this patient",
                var_patient=cell("patient"),
                var_model="${model:percentencode}")]}))


def _models() -> Panel:
    panel = panels.listing(
        "Models", "Every model that was run on these patients, over all of "
        "its recordings. A run is no name in the store: the same model on "
        f"the same recording writes the same points. {COUNTED} Compare models "
        "only where patients, recordings and hours are the same.", EMPTY,
        {"model": "model", **COUNTS},
        flux.counted("model", patient=flux.PATIENTS),
        flux.latency("model", patient=flux.PATIENTS), join="model")
    return override(panel, *_units(), ("model", {"custom.width": 160}))


def _recordings() -> Panel:
    panel = panels.listing(
        "Recordings", "Every recording of these patients, by its own clock. "
        "A click on the start shows the whole of it with all curves.",
        "No recording of these patients in the store.",
        {"patient": "patient", "_time": "start", "recording": "recording",
         "duration_s": "length", "annotated": "annotated",
         "seizures": "annotated seizures", "unscorable_s": "unscorable",
         "from": "", "to": ""},
        flux.recordings(patient=flux.PATIENTS))
    where = {"var_patient": cell("patient"),
             "var_recording": cell("recording"),
             "var_model": "${model:percentencode}",
             "from": cell("from"), "to": cell("to")}
    return override(
        panel, ("patient", {"custom.width": 160}),
        ("start", {"unit": "dateTimeAsIso", "custom.width": 200,
                   "links": [panels.link("Show this recording", **where)]}),
        ("length", {"unit": "s"}), ("unscorable", {"unit": "s"}),
        ("annotated seizures", {"noValue": "nobody looked"}))


def _units() -> list[panels.Properties]:
    none = {"mappings": [panels.NOTHING]}
    return [
        ("length", {"unit": "h", "decimals": 1}),
        ("unscorable", {"unit": "percentunit", "decimals": 1}),
        ("sensitivity", {"unit": "percentunit", "decimals": 0, **none}),
        ("false alarms / 24 h", {"decimals": 2, **none}),
        ("latency", {"unit": "s", "decimals": 0, **none})]
