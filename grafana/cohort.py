"""Dashboard "Model and cohort": results of one model per patient."""

from grafana_foundation_sdk.models import dashboard
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from aura.influx import schema
from grafana import flux, panels
from grafana.panels import cell, override

CHOSEN = {"patient": flux.PATIENTS, "model": flux.MODEL}
COUNTED = (
    "SzCORE event scoring: an alarm matches a seizure if they overlap, with "
    "a tolerance of 30 s before and 60 s after. Events less than 90 s apart "
    "are joined, events over 5 min are split. Recordings without annotation "
    "are left out.")
FEW = ("With few seizures, look at the counts, not the percentages. "
       "`aura score` gives exact confidence intervals.")
BEFORE = "The column *alarms* counts alarms before joining and splitting."
EMPTY = ("No model has been run on these patients. Run the prediction "
         "solution with INFLUXDB_V2_* set.")
COUNTS = {
    "recordings": "recordings", "hours": "duration",
    "unscorable": "unscorable", "seizures": "annotated seizures",
    "tp": "found", "fn": "missed", "sensitivity": "sensitivity",
    "fp": "false alarms",
    "false_alarms_per_24h": "false alarms / 24 h", "latency_s": "latency",
    "alarms": "alarms"}


def make() -> Dashboard:
    """The dashboard."""
    return Dashboard(
        uid=panels.COHORT_UID, title="Model and cohort",
        description=f"{panels.NOTICE}. Results of one model per patient, a "
        "comparison of all models, and links to the recordings.",
        tags=["aura"], timezone="utc", editable=False, refresh="",
        time=dashboard.DashboardDashboardTime("now-24h", "now"),
        timepicker=dashboard.TimePicker(hidden=True),
        templating=dashboard.DashboardDashboardTemplating(_variables()),
        # Grafana 9 needs the list, even an empty one.
        annotations=dashboard.AnnotationContainer([]),
        links=[dashboard.DashboardLink(
            title="Recording review", icon="external link",
            tooltip="ECG, heart rate and model score of one recording",
            url=f"/d/{panels.REVIEW_UID}/recording-review?"
            "${model:queryparam}")],
        panels=panels.arrange(
            (2, ((panels.WIDTH, _notice()),)),
            (3, tuple((3, panel) for panel in _figures())),
            (8, ((panels.WIDTH, _patients()),)),
            (10, ((panels.WIDTH, _recordings()),)),
            (5, ((panels.WIDTH, _models()),))))


def _variables() -> list[dashboard.VariableModel]:
    return [
        panels.variable(
            "model", "First digits of the model digest in its model card.",
            flux.values(schema.SCORE, "model")),
        panels.variable(
            "patient", "Aliases of the patients, not their names.",
            flux.values(schema.SCORE, "patient", model=flux.MODEL),
            several=True)]


def _notice() -> Panel:
    return panels.notice(
        f"**{panels.NOTICE}.** All recordings of the selected patients, "
        f"at any date. {FEW}")


def _figures() -> list[Panel]:
    pooled = flux.counted("", **CHOSEN)
    return [
        panels.figure(
            "Recordings analyzed", "Recordings on which the model was run.",
            "recordings", "none", pooled),
        panels.figure(
            "Annotated seizures", f"Number of annotated seizures. {COUNTED}",
            "seizures", "none", pooled),
        panels.figure(
            "Found", "Number of annotated seizures that were detected. "
            f"{COUNTED} {FEW}", "tp", "none", pooled, shade=panels.DETECTED),
        panels.figure(
            "Missed", "Number of annotated seizures that were not detected. "
            f"{COUNTED}", "fn", "none", pooled, shade=panels.ORIGINAL),
        panels.figure(
            "False alarms", "Number of alarms outside annotated seizures. "
            f"{COUNTED}", "fp", "none", pooled, shade=panels.PREDICTED),
        panels.figure(
            "False alarms / 24 h", "False alarms per 24 h of annotated "
            f"recording, including unscorable time. {COUNTED}",
            "false_alarms_per_24h", "none", pooled, decimals=2),
        panels.figure(
            "Median latency", "Time from the annotated onset to the first "
            "alarm that matches the seizure, median over detected seizures. "
            "It is negative if the alarm came first.",
            "latency_s", panels.SECONDS, flux.latency("", **CHOSEN)),
        panels.figure(
            "Unscorable", "Share of time that is unscorable: noise, gaps, "
            "and the first seconds of each recording.",
            "unscorable", "percentunit", pooled, decimals=1)]


def _patients() -> Panel:
    panel = panels.listing(
        "Patients", f"One row per patient. {COUNTED} {BEFORE} Latency is the "
        f"median over detected seizures. {FEW}", EMPTY,
        {"patient": "patient", **COUNTS},
        flux.counted("patient", **CHOSEN), flux.latency("patient", **CHOSEN),
        join="patient")
    return override(
        panel, *panels.outcomes(), *_units(),
        ("patient", {"custom.width": 160, "links": [
            panels.link(
                "Recordings of this patient",
                var_patient=cell("patient"),
                var_model="${model:percentencode}")]}))


def _models() -> Panel:
    panel = panels.listing(
        "Models", "One row per model that was run on these patients, over "
        "all its recordings. Running a model on a recording again overwrites "
        f"its results. {COUNTED} {BEFORE} Compare models only if patients, "
        "recordings and hours are the same.", EMPTY,
        {"model": "model", **COUNTS},
        flux.counted("model", patient=flux.PATIENTS),
        flux.latency("model", patient=flux.PATIENTS), join="model")
    return override(panel, *panels.outcomes(), *_units(),
                    ("model", {"custom.width": 160}))


def _recordings() -> Panel:
    panel = panels.listing(
        "Recordings", "The recordings of these patients on which the model "
        "was run. Start times are of each recording's own clock. Click a "
        f"start time to open the recording. {COUNTED}",
        "The model has not been run on recordings of these patients.",
        {"patient": "patient", "_time": "start", "recording": "recording",
         "duration_s": "duration", "annotated": "annotated",
         "seizures": "annotated seizures", "tp": "found", "fn": "missed",
         "fp": "false alarms", "alarms": "alarms",
         "unscorable_s": "unscorable", "from": "", "to": ""},
        flux.recordings(flux.MODEL, seen=True, patient=flux.PATIENTS))
    where = {"var_patient": cell("patient"),
             "var_recording": cell("recording"),
             "var_model": "${model:percentencode}",
             "from": cell("from"), "to": cell("to")}
    return override(
        panel, *panels.outcomes(), ("patient", {"custom.width": 160}),
        ("start", {"unit": "dateTimeAsIso", "custom.width": 200,
                   "links": [panels.link("Open this recording", **where)]}),
        ("duration", {"unit": panels.CLOCK}),
        ("unscorable", {"unit": panels.CLOCK}))


def _units() -> list[panels.Properties]:
    none = {"mappings": [panels.NOTHING]}
    return [
        ("duration", {"unit": panels.HOURS, "decimals": 1}),
        ("unscorable", {"unit": "percentunit", "decimals": 1}),
        ("sensitivity", {"unit": "percentunit", "decimals": 0, **none}),
        ("false alarms / 24 h", {"decimals": 2, **none}),
        ("latency", {"unit": panels.SECONDS, "decimals": 0, **none})]
