"""A real server that holds a run."""

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from dataclasses import replace

import pytest

from aura import forest
from aura.influx import points, schema
from aura.recording import Event
from tests.chain import Chain
from tests.patients import record
from tests.stored_run import (
    DATES,
    HOSTILE,
    MANY,
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
    events = [Event(4.0 * number, 4.0 * number + 2, HOSTILE)
              for number in range(MANY)]
    return b"".join([
        points.recording(STRANGE, known, beats=0, scorable_s=0.0,
                         unscorable=[(0.0, 4.0 * MANY)]),
        points.unscorable(STRANGE, [(0.0, 4.0 * MANY)]),
        points.events(STRANGE, schema.PREDICTED, events),
        points.score(STRANGE, duration_s=4.0 * MANY, scorable_s=0.0,
                     alarms=MANY, threshold=.5, counted=None)])


@pytest.fixture(scope="session")
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
