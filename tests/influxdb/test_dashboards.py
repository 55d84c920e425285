"""Every question of the dashboards, put to a real InfluxDB."""

import csv
import gzip
import io
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aura import forest, intake, tables
from aura.agreement import agree
from aura.identity import alias
from aura.influx import points, schema
from aura.influx.points import Series
from aura.recording import Event
from aura.scoring import score
from aura.stages import manifest
from tests.chain import Chain
from tests.dashboards import (
    ALL,
    COHORT,
    REVIEW,
    filled,
    panel,
    questions,
)
from tests.patients import record

pytestmark = pytest.mark.influxdb

SECONDS = 600
# Three clocks; the last has no seizure.
DATES = {"old": "02.03.85", "late": "02.03.84", "quiet": "01.12.07"}
HOSTILE = 'sz "q", \\ = \U0001f9e0 <b>'
# Before 1970, annotated by nobody, and with more regions than are shown.
STRANGE = Series("p-strange", "r-strange", -10 ** 17, "m" * 12)
MANY = 3000
START_S = 120


class Store:
    """An InfluxDB of one test run."""

    org = bucket = "aura"
    token = "of-a-server-that-lives-for-one-test"

    def __init__(self, url):
        self.url = url

    def post(self, path, body, **headers):
        request = urllib.request.Request(
            self.url + path, body, {
                "Authorization": f"Token {self.token}", **headers})
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            pytest.fail(f"{error.code}: {error.read().decode()}")

    def write(self, lines):
        listed = lines.splitlines(keepends=True)
        for first in range(0, len(listed), 20_000):
            self.post("/api/v2/write?org=aura&bucket=aura&precision=ns",
                      b"".join(listed[first:first + 20_000]))

    def ask(self, flux):
        """Rows of the answer, typed."""
        return typed(self.post("/api/v2/query?org=aura", json.dumps({
            "query": flux, "dialect": {
                "annotations": ["datatype"], "header": True}}).encode(),
            **{"Content-Type": "application/json",
               "Accept": "application/csv"}))


class Answers:
    """A dashboard whose variables and time range have been chosen."""

    def __init__(self, store, page, values, start_ns=0, stop_ns=10 ** 9,
                 window="1s"):
        self._store, self._page, self._values = store, page, values
        self._chosen = {"start": rfc3339(start_ns), "stop": rfc3339(stop_ns),
                        "window": window, "bucket": store.bucket}

    def __call__(self, query, before=""):
        return self._store.ask(before + filled(
            self._page, query, self._values, **self._chosen))

    def panel(self, title, ref="A"):
        target, = (one for one in panel(self._page, title)["targets"]
                   if one["refId"] == ref)
        return self(target["query"])

    def named(self, name, **more):
        return self(questions(self._page)[name], **more)


def typed(text):
    """Rows of annotated CSV as dictionaries; null has no key."""
    kinds = {"double": float, "long": int, "boolean": "true".__eq__}
    rows, kind, header = [], [], None
    for line in csv.reader(io.StringIO(text)):
        if not line:
            header = None
        elif line[0] == "#datatype":
            kind, header = line, None
        elif header is None:
            header = line
        else:
            rows.append({
                name: (time_ns(value) if one.startswith("dateTime")
                       else kinds.get(one, str)(value))
                for name, one, value in zip(header, kind, line, strict=True)
                if name not in ("", "result", "table") and value != ""})
    return rows


def rfc3339(ns):
    moment = datetime(1970, 1, 1) + timedelta(seconds=ns // 10 ** 9)
    return f"{moment.isoformat()}.{ns % 10 ** 9:09d}Z"


def time_ns(text):
    """Nanoseconds since 1970 of a time as the server writes it."""
    text, _, rest = text.rstrip("Z").partition(".")
    since = datetime.fromisoformat(text) - datetime(1970, 1, 1)
    return (since // timedelta(seconds=1)) * 10 ** 9 + int(
        (rest + "0" * 9)[:9])


@pytest.fixture(scope="module")
def store(tmp_path_factory, strange, run):
    """A real server that holds the run and a strange recording."""
    program = shutil.which("influxd")
    if program is None:
        pytest.skip("there is no influxd on PATH (docs/influxdb.md says how "
                    "to get one)")
    folder = tmp_path_factory.mktemp("influxd")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [program, f"--http-bind-address=127.0.0.1:{port}",
             f"--bolt-path={folder}/bolt", f"--engine-path={folder}/engine",
             f"--sqlite-path={folder}/sqlite", "--reporting-disabled"],
            stdout=log, stderr=subprocess.STDOUT)
    try:
        found = Store(f"http://127.0.0.1:{port}")
        await_health(found.url, server, folder / "log")
        found.post("/api/v2/setup", json.dumps({
            "username": "test", "password": "only-for-tests", "org": "aura",
            "bucket": "aura", "token": Store.token}).encode())
        found.write(run.lines)
        found.write(strange)
        yield found
    finally:
        server.kill()
        server.wait()


def await_health(url, server, log):
    deadline = time.monotonic() + 120
    while server.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{url}/health", timeout=5).close()
            return
        except OSError:
            time.sleep(.2)
    pytest.fail(f"influxd does not start: {log.read_text()[-2000:]}")


class Run:
    """What the stages left, read from their files and not from a store."""

    def __init__(self, chain):
        chain.train()
        predictions = [chain.predictor.predict(table)
                       for table in chain.tables()]
        self.reports = [chain.exporter.export(one) for one in predictions]
        self.model = predictions[0].model_id[:schema.MODEL_DIGITS]
        self.threshold = predictions[0].threshold
        self.input = chain.workspace.input_of("recordings")
        folder = chain.workspace.folder
        self.lines = b"".join(gzip.decompress(path.read_bytes()) for path in
                              sorted(chain.shared.glob("runs/*/export/*.gz")))
        self.recordings = {}
        for report in self.reports:
            batch = f"runs/run/batches/{report.batch_index:04d}"
            read = {name: tables.read(folder.read(
                f"{batch}/{name}.parquet")).values
                for name in ("features", "predictions")}
            for number, entry in enumerate(manifest.read(
                    folder, f"{batch}/predictions.json").entries):
                rows = {name: {column: values[all_rows["recording"] == number]
                               for column, values in all_rows.items()}
                        for name, all_rows in read.items()}
                self.recordings[entry.path.split("/")[0]] = Held(
                    entry, rows,
                    alias("r", entry.path, chain.settings.alias_key))


class Held:
    """One recording of the run."""

    def __init__(self, entry, rows, name):
        self.entry, self.rows, self.alias = entry, rows, name
        self.recording = entry.recording
        self.start_ns = round(self.recording.start.replace(
            tzinfo=UTC).timestamp()) * 10 ** 9
        self.end_ns = self.start_ns + SECONDS * 10 ** 9
        self.score = score(
            self.recording.events, entry.predicted, SECONDS)

    @property
    def values(self):
        return {"patient": self.recording.patient, "recording": self.alias}

    def on_clock(self, seconds):
        return self.start_ns + round(seconds * 10 ** 9)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Three recordings through all stages."""
    shared = tmp_path_factory.mktemp("run")
    for number, (name, date) in enumerate(DATES.items(), 1):
        for folder in ("training", "recordings"):
            record(shared / folder / name / "rec.edf", SECONDS, seed=number,
                   seizure=None if name == "quiet" else (START_S * 2, 60),
                   patient=f"P{number} X X X", date=date,
                   recording="Startdate X X X X")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest, "TREES", 10)
        return Run(Chain(shared, export_raw="all"))


@pytest.fixture(scope="module")
def strange(run):
    """Lines of a recording that no stage of this run has made."""
    known = replace(
        run.recordings["old"].recording, duration_s=4.0 * MANY,
        annotation_source=None, events=())
    events = [Event(4.0 * number, 4.0 * number + 2, HOSTILE)
              for number in range(MANY)]
    return b"".join([
        points.recording(STRANGE, known, beats=0, scorable_s=0.0,
                         unscorable=[(0.0, 4.0 * MANY)]),
        points.unscorable(STRANGE, [(0.0, 4.0 * MANY)]),
        points.events(STRANGE, schema.PREDICTED, events),
        points.score(STRANGE, duration_s=4.0 * MANY, scorable_s=0.0,
                     alarms=MANY, threshold=.5, counted=None)])


def review(store, run, name="old", first_s=0.0, last_s=SECONDS, **more):
    """The review of a recording between two of its seconds."""
    held = run.recordings[name]
    return held, Answers(
        store, REVIEW, {**held.values, "model": run.model},
        held.on_clock(first_s), held.on_clock(last_s), **more)


def cohort(store, run, patient=ALL, model=None):
    return Answers(store, COHORT, {
        "patient": patient, "model": run.model if model is None else model})


def series(rows, field):
    """Times and values of one curve."""
    mine = [row for row in rows if row["_field"] == field]
    return (np.array([row["_time"] for row in mine], np.int64),
            np.array([row.get("_value", np.nan) for row in mine]))


def samples(run, held):
    with intake.open_signal(run.input, held.recording) as signal:
        return signal.fs_hz, signal.read(0, signal.sample_count)


def test_every_question_is_answered_where_there_is_something(store, run):
    _, answers = review(store, run)
    silent = {name for name in questions(REVIEW)
              if not answers.named(name)}
    # Nothing of it is unscorable; raw samples are for a minute or less.
    assert silent == {"annotation Unscorable", "panel ECG B"}
    answers = cohort(store, run)
    assert [name for name in questions(COHORT)
            if not answers.named(name)] == []


@pytest.mark.parametrize("page", [REVIEW, COHORT], ids=["review", "cohort"])
@pytest.mark.parametrize("value", ["", 'nobody" or true or "', "p-[.*"])
def test_a_choice_that_is_not_there_gives_nothing_and_no_error(
        store, page, value):
    answers = Answers(store, page, {
        "patient": value, "recording": value, "model": value})
    given = {name: answers.named(name) for name in questions(page)}
    free = {"variable patient", "variable model"}
    assert {name for name, rows in given.items() if rows} <= free


def test_choices_are_chained_and_come_from_the_index_alone(store, run):
    held, answers = review(store, run)
    assert {row["_value"] for row in answers.named("variable patient")} == {
        one.recording.patient for one in run.recordings.values()} | {
            STRANGE.patient}
    assert [row["_value"] for row in answers.named("variable recording")] == [
        held.alias]
    assert [row["_value"] for row in answers.named("variable model")] == [
        run.model]
    assert {row["_value"] for row in cohort(store, run).named(
        "variable model")} == {run.model, STRANGE.model_id}
    for page in (REVIEW, COHORT):
        asked = Answers(store, page, {**held.values, "model": run.model})
        for one in page["templating"]["list"]:
            assert asked.named(
                f"variable {one['name']}", before=PROFILE)[-1][
                    "Type"] == "*influxdb.readTagValuesSource"


PROFILE = """import "profiler"
option profiler.enabledProfilers = ["operator"]
"""


@pytest.mark.parametrize("title", [
    "Heart rate", "Probability of a seizure", "Quality"])
def test_the_store_thins_out_curves_before_it_sends_them(store, run, title):
    _, answers = review(store, run, window="30s")
    work = [row["Type"] for row in answers.named(
        f"panel {title} A", before=PROFILE) if "Type" in row]
    assert work == ["*influxdb.readWindowAggregateSource",
                    "*universe.schemaMutationTransformation"]


@pytest.mark.parametrize("last_s, step_s", [(600, .1), (901, 1), (10_801, 10)])
def test_the_ecg_is_drawn_from_the_level_that_fits(
        store, run, last_s, step_s):
    held, answers = review(store, run, last_s=last_s)
    fs_hz, ecg = samples(run, held)
    factor = round(step_s * fs_hz)
    begins = np.arange(0, len(ecg), factor)
    rows = answers.panel("ECG")
    for field, extreme in (("min", np.minimum), ("max", np.maximum)):
        times, values = series(rows, field)
        assert times.tolist() == [
            held.on_clock(begin / fs_hz) for begin in begins]
        np.testing.assert_allclose(
            values, extreme.reduceat(ecg, begins), rtol=1e-12)


def test_up_to_a_minute_every_sample_is_drawn(store, run):
    held, answers = review(store, run, first_s=30.0, last_s=90.0)
    fs_hz, ecg = samples(run, held)
    times, values = series(answers.panel("ECG", "B"), "value")
    first = round(30 * fs_hz)
    assert len(values) == round(60 * fs_hz)
    assert times[0] == held.on_clock(30) and (np.diff(times) > 0).all()
    np.testing.assert_allclose(
        values, ecg[first:first + len(values)], rtol=1e-12)
    assert answers.panel("ECG")
    _, longer = review(store, run, first_s=30.0, last_s=90.001)
    assert longer.panel("ECG", "B") == []


@pytest.mark.parametrize("name", DATES)
def test_curves_are_what_the_stages_found(store, run, name):
    held, answers = review(store, run, name, last_s=SECONDS + 1)
    rows = held.rows["features"]
    clock = np.array([held.on_clock(time) for time in rows["time_s"]])
    for title, field, expected in (
            ("Heart rate", "bpm", rows["mean_hr"]),
            ("Heart rate", "baseline_bpm", rows["hr_base"]),
            ("Heart rate", "p95_bpm", rows["mean_hr"] - rows["hr_over_p95"]),
            ("Quality", "scorable", rows["scorable"].astype(float)),
            ("Probability of a seizure", "probability",
             held.rows["predictions"]["smoothed"])):
        times, values = series(answers.panel(title), field)
        found = dict(zip(times.tolist(), values.tolist(), strict=True))
        np.testing.assert_allclose(
            [found.get(time, np.nan) for time in clock.tolist()], expected,
            rtol=1e-6, err_msg=field)
        assert np.isfinite(values).sum() == np.isfinite(expected).sum()
    _, limits = series(answers.panel("Probability of a seizure"), "threshold")
    assert set(limits[np.isfinite(limits)]) == {run.threshold}


def test_a_thinned_probability_keeps_its_peaks(store, run):
    held, answers = review(store, run, window="1m0s")
    times, values = series(
        answers.panel("Probability of a seizure"), "probability")
    rows = held.rows["predictions"]
    minute = (held.start_ns // 10 ** 9 + rows["time_s"]) // 60
    assert values.size > 5
    for start, value in zip(times, values, strict=True):
        inside = rows["smoothed"][(minute == start // (60 * 10 ** 9))
                                  & (rows["time_s"] < SECONDS)]
        inside = inside[np.isfinite(inside)]
        assert value == pytest.approx(inside.max()) if len(inside) else (
            np.isnan(value))


@pytest.mark.parametrize("name", DATES)
def test_regions_are_the_events_of_their_layer(store, run, name):
    held, answers = review(store, run, name)
    for layer, events in (
            ("Original annotations", held.recording.events),
            ("Predicted seizures", held.entry.predicted)):
        rows = answers.named(f"annotation {layer}")
        assert [(row["time"], row["timeEnd"]) for row in rows] == [
            (held.on_clock(one.onset_s), held.on_clock(one.end_s))
            for one in events]
        for number, (row, one) in enumerate(
                zip(rows, events, strict=True), 1):
            assert f" {number}, {one.label}, " in row["text"]
            assert row.get("tags") in (
                ("TP", "FP") if layer.startswith("Predicted") else (None,))


def test_a_region_that_began_before_is_still_shown(store, run):
    held = run.recordings["old"]
    event, = held.recording.events
    for first_s, last_s, seen in (
            (event.onset_s + 1, event.onset_s + 2, 1),
            (event.end_s + 1, event.end_s + 2, 0),
            (event.onset_s - 2, event.onset_s - 1, 0)):
        _, answers = review(store, run, first_s=first_s, last_s=last_s)
        assert len(answers.named("annotation Original annotations")) == seen


def test_more_regions_than_grafana_takes_are_cut_and_all_are_listed(store):
    chosen = {"patient": STRANGE.patient, "recording": STRANGE.recording,
              "model": STRANGE.model_id}
    answers = Answers(store, REVIEW, chosen, STRANGE.start_ns,
                      STRANGE.start_ns + 4 * MANY * 10 ** 9)
    rows = answers.named("annotation Predicted seizures")
    assert len(rows) == 1000
    assert rows[0]["text"] == f"predicted 1, {HOSTILE}, 2 s"
    listed = answers.panel("Events")
    assert len(listed) == MANY
    assert {row["label"] for row in listed} == {HOSTILE}
    assert answers.panel("Agreement") == []
    grey, = answers.named("annotation Unscorable")
    assert (grey["time"], grey["timeEnd"]) == (
        STRANGE.start_ns, STRANGE.start_ns + 4 * MANY * 10 ** 9)


@pytest.mark.parametrize("name", DATES)
def test_the_tables_lead_to_each_event_with_a_minute_around(
        store, run, name):
    held, answers = review(store, run, name)
    judged = agree(held.recording.events, held.entry.predicted,
                   SECONDS).judged
    rows = answers.panel("Agreement")
    assert [(row["_time"], row["outcome"], row["duration_s"],
             row.get("latency_s")) for row in rows] == [
        (held.on_clock(one.onset_s), one.outcome, one.end_s - one.onset_s,
         None if np.isnan(one.latency_s) else one.latency_s)
        for one in judged]
    for title, onsets in (
            ("Agreement", judged),
            ("Events", sorted((*held.recording.events, *held.entry.predicted),
                              key=lambda one: one.onset_s))):
        assert [(row["from"], row["to"]) for row in answers.panel(title)] == [
            (str(held.on_clock(one.onset_s) // 10 ** 6 - 60_000),
             str(held.on_clock(one.end_s) // 10 ** 6 + 60_000))
            for one in onsets]


def test_each_recording_is_listed_with_its_own_time(store, run):
    rows = {row["recording"]: row
            for row in cohort(store, run).panel("Recordings")}
    assert len(rows) == len(run.recordings) + 1
    for held in run.recordings.values():
        row = rows[held.alias]
        assert (row["from"], row["to"]) == (
            str(held.start_ns // 10 ** 6), str(held.end_ns // 10 ** 6))
        assert row["_time"] == held.start_ns
        assert row["seizures"] == len(held.recording.events)
        _, answers = review(store, run, held.entry.path.split("/")[0])
        own, = answers.panel("Recordings")
        assert own == row
    assert rows[STRANGE.recording]["from"] == str(STRANGE.start_ns // 10 ** 6)
    assert "seizures" not in rows[STRANGE.recording]


def test_figures_of_a_cohort_are_those_of_the_scores(store, run):
    scores = [held.score for held in run.recordings.values()]
    hours = SECONDS * len(scores) / 3600
    scorable = sum(held.entry.signals.scorable_s
                   for held in run.recordings.values()) / 3600
    pooled, = cohort(store, run).panel("Detected")
    expected = {
        "recordings": 3, "hours": hours, "annotated_hours": hours,
        "scorable_hours": scorable,
        "tp": sum(one.events.tp for one in scores),
        "fp": sum(one.events.fp for one in scores),
        "seizures": sum(one.events.ref_true for one in scores),
        "alarms": sum(len(held.entry.predicted)
                      for held in run.recordings.values()),
        "unscorable": 1 - scorable / hours}
    assert expected["seizures"] == 2
    assert {name: pooled[name] for name in expected} == pytest.approx(
        expected)
    assert pooled["sensitivity"] == pytest.approx(
        expected["tp"] / expected["seizures"])
    assert pooled["false_alarms_per_24h"] == pytest.approx(
        expected["fp"] * 24 / hours)


def test_patients_stand_each_in_a_row(store, run):
    answers = cohort(store, run)
    rows = {row["patient"]: row for row in answers.panel("Patients")}
    late = {row["patient"]: row["latency_s"]
            for row in answers.panel("Patients", "B")}
    assert len(rows) == 3
    for held in run.recordings.values():
        row, events = rows[held.recording.patient], held.score.events
        assert (row["tp"], row["fn"], row["fp"]) == (
            events.tp, events.ref_true - events.tp, events.fp)
        # Nobody is 0 % sensitive for having no seizure.
        assert np.isnan(row["sensitivity"]) == (events.ref_true == 0)
        assert late.get(held.recording.patient, np.nan) == pytest.approx(
            events.median_latency_s, nan_ok=True)
    one = run.recordings["old"].recording.patient
    assert [row["patient"] for row in cohort(
        store, run, [one]).panel("Patients")] == [one]
    two = [one, run.recordings["late"].recording.patient]
    assert {row["patient"] for row in cohort(
        store, run, two).panel("Patients")} == set(two)


def test_what_nobody_annotated_has_alarms_and_no_rates(store, run):
    answers = cohort(store, run, model=STRANGE.model_id)
    row, = answers.panel("Patients")
    assert (row["patient"], row["alarms"]) == (STRANGE.patient, MANY)
    assert row["annotated_hours"] == row["tp"] == row["fp"] == 0
    assert np.isnan(row["sensitivity"])
    assert np.isnan(row["false_alarms_per_24h"])
    assert row["unscorable"] == 1
    assert answers.panel("Median latency") == []


def test_models_are_compared_over_what_each_was_run_on(store, run):
    rows = {row["model"]: row
            for row in cohort(store, run).panel("Models")}
    assert {name: row["recordings"] for name, row in rows.items()} == {
        run.model: 3, STRANGE.model_id: 1}
    late = {row["model"]: row["latency_s"]
            for row in cohort(store, run).panel("Models", "B")}
    latencies = [one.latency_s for held in run.recordings.values()
                 for one in agree(held.recording.events, held.entry.predicted,
                                  SECONDS).judged if one.outcome == "TP"]
    assert late == ({run.model: pytest.approx(np.nanmedian(latencies))}
                    if latencies else {})
