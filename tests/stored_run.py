"""A run of all stages in a real InfluxDB, and who asks it."""

import csv
import gzip
import io
import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aura.dataset import assemble
from aura.dataset.patients import alias
from aura.influx import schema
from aura.influx.points import Series
from aura.scoring.score import score
from aura.stages import manifest, tables
from tests.dashboards import ALL, COHORT, REVIEW, filled, panel, questions

SECONDS = 600
# Three clocks; the last has no seizure.
DATES = {"old": "02.03.85", "late": "02.03.84", "quiet": "01.12.07"}
ONSET_S = 240
HOSTILE = 'sz "q", \\ = \U0001f9e0 <b>'
# Before 1970, annotated by nobody, and with more regions than are shown.
STRANGE = Series("p-strange", "r-strange", -10 ** 17, "m" * 12)
MANY = 3000
# A patient of another model, by hand: two hours of which one seizure of four
# is missed and two alarms are false, and an hour that nobody looked at.
MIXED = tuple(Series("p-mixed", name, 10 ** 18 + hours * 3600 * 10 ** 9,
                     "mixed0000000")
              for name, hours in (("r-mixed", 0), ("r-unread", 2)))
ANNOTATED = ((1000, 1060), (3000, 3030), (5000, 5060), (6000, 6040))
ALARMS = ((1020, 1050), (2000, 2010), (2200, 2210), (5070, 5080),
          (6030, 6050))


@dataclass(frozen=True)
class Store:
    """A bucket of a real InfluxDB."""

    url: str
    org: str
    bucket: str
    token: str

    def path(self, name, **more):
        """Path of a request about this bucket."""
        return f"/api/v2/{name}?" + urllib.parse.urlencode(
            {"org": self.org, "bucket": self.bucket, **more})

    def call(self, path, body, method=None, **headers):
        """Text of an answer; a test fails if it is no success."""
        request = urllib.request.Request(
            self.url + path, body, {
                "Authorization": f"Token {self.token}", **headers},
            method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            pytest.fail(f"{error.code}: {error.read().decode()}")

    def forget(self, tokens):
        """Take tokens back that a test has made."""
        listed = json.loads(self.call("/api/v2/authorizations", None))
        for one in listed["authorizations"]:
            if one["token"] in tokens:
                self.call(f"/api/v2/authorizations/{one['id']}", None,
                          "DELETE")

    def write(self, lines):
        listed = lines.splitlines(keepends=True)
        for first in range(0, len(listed), 20_000):
            self.call(self.path("write", precision="ns"),
                      b"".join(listed[first:first + 20_000]))

    def ask(self, flux):
        """Rows of the answer, typed."""
        return typed(self.call(self.path("query"), json.dumps({
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
    with assemble.open_signal(run.input, held.recording) as signal:
        return signal.fs_hz, signal.read(0, signal.sample_count)
