"""A run of all stages in a bucket of the real server."""

import json
import os
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from aura.detector import forest
from aura.influx import points, schema
from aura.recording import Event
from aura.scoring.matching import agree
from aura.scoring.score import score
from tests.chain import Chain
from tests.patients import record
from tests.stored_run import (
    ALARMS,
    ANNOTATED,
    DATES,
    HOSTILE,
    MANY,
    MIXED,
    ONSET_S,
    SECONDS,
    STRANGE,
    Run,
    Store,
)


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """Three recordings through all stages."""
    shared = tmp_path_factory.mktemp("run")
    for number, (name, date) in enumerate(DATES.items(), 1):
        for folder in ("training", "recordings"):
            record(shared / folder / name / "rec.edf", SECONDS, seed=number,
                   seizure=None if name == "quiet" else (ONSET_S, 60),
                   patient=f"P{number} X X X", date=date,
                   recording="Startdate X X X X")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest, "TREES", 10)
        return Run(Chain(shared, export_raw="all"))


@pytest.fixture(scope="session")
def strange(run):
    """Lines of a recording that no stage of this run has made."""
    known = replace(
        run.recordings["old"].recording, duration_s=4.0 * MANY,
        annotation_source=None, events=())
    events = [Event(4.0 * number, 2.0, HOSTILE)
              for number in range(MANY)]
    return b"".join([
        points.recording(STRANGE, known, beats=0, scorable_s=0.0,
                         unscorable=[(0.0, 4.0 * MANY)]),
        points.unscorable(STRANGE, [(0.0, 4.0 * MANY)]),
        points.events(STRANGE, schema.PREDICTED, events),
        points.score(STRANGE, duration_s=4.0 * MANY, scorable_s=0.0,
                     alarms=MANY, threshold=.5, counted=None)])


@pytest.fixture(scope="session")
def mixed(run):
    """Lines of a patient with every outcome."""
    known = run.recordings["old"].recording
    true, alarms = (
        tuple(Event(start, end - start, "sz") for start, end in spans)
        for spans in (ANNOTATED, ALARMS))
    read, unread = MIXED
    lines = []
    for series, hours, events in ((read, 2.0, true), (unread, 1.0, None)):
        length_s = hours * 3600
        lines += [
            points.recording(series, replace(
                known, duration_s=length_s, events=events or (),
                annotation_source=events and "x.tsv"),
                beats=1, scorable_s=length_s, unscorable=[]),
            points.score(
                series, duration_s=length_s, scorable_s=length_s / 2,
                alarms=len(alarms), threshold=.5, counted=events and score(
                    events, alarms, length_s))]
    found = agree(true, alarms, 7200.0)
    lines += [points.events(read, schema.ORIGINAL, true),
              points.events(read, schema.PREDICTED, alarms, found.right),
              points.agreement(read, found),
              # What another model says of the same recording.
              points.events(replace(read, model_id="other0000000"),
                            schema.PREDICTED, [Event(50.0, 5.0, "sz")])]
    return b"".join(lines)


@pytest.fixture(scope="session")
def store(influx, strange, mixed, run):
    """A bucket of a real server: the run and the recordings beside it."""
    org, = json.loads(influx.call(
        f"/api/v2/orgs?{urlencode({'org': influx.org})}"))["orgs"]
    name = f"aura-dashboards-{os.getpid()}"
    bucket = json.loads(influx.call("/api/v2/buckets", json.dumps({
        "orgID": org["id"], "name": name, "retentionRules": []})))
    try:
        found = Store(influx.url, influx.org, name, influx.token)
        found.write(run.lines)
        found.write(strange + mixed)
        yield found
    finally:
        influx.call(f"/api/v2/buckets/{bucket['id']}", method="DELETE")
