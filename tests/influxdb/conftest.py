"""
Real stores, started on loopback in a temporary folder.

A test that needs a store is skipped, with the reason, if there is none.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest

START_S = 120


@dataclass(frozen=True)
class Influx:
    """An InfluxDB 2, with a token that may do everything."""

    url: str
    org: str
    token: str

    def call(self, path, body=None, method=None, **headers):
        """Body of an answer; raises `urllib.error.HTTPError` on failure."""
        request = urllib.request.Request(
            f"{self.url}{path}",
            None if body is None else body.encode(), method=method,
            headers={"Authorization": f"Token {self.token}", **headers})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read().decode()

    def query(self, flux):
        """The result of a Flux query as CSV."""
        return self.call(
            f"/api/v2/query?{urlencode({'org': self.org})}", flux,
            **{"Content-Type": "application/vnd.flux",
               "Accept": "application/csv"})

    def buckets(self, name):
        """The buckets with a name, as the server describes them."""
        try:
            return json.loads(self.call("/api/v2/buckets?" + urlencode(
                {"org": self.org, "name": name})))["buckets"]
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return []


def free_port():
    """A free port on loopback."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def running(command, url, log):
    """Start a server, wait until it answers, and stop it at the end."""
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT)
    try:
        limit = time.monotonic() + START_S
        while True:
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except (OSError, urllib.error.URLError):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < limit, log.read_text()
                time.sleep(.1)
        yield
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="session")
def influx(tmp_path_factory):
    """The server at INFLUXDB_V2_URL, or one that is started here."""
    if os.environ.get("INFLUXDB_V2_URL"):
        yield Influx(*(os.environ.get(f"INFLUXDB_V2_{name}", "").rstrip("/")
                       for name in ("URL", "ORG", "TOKEN")))
        return
    if not shutil.which("influxd"):
        pytest.skip("no influxd on PATH and no INFLUXDB_V2_URL")
    folder = tmp_path_factory.mktemp("influxd")
    url = f"http://127.0.0.1:{free_port()}"
    with running(
            ["influxd", "--bolt-path", folder / "bolt", "--engine-path",
             folder / "engine", "--sqlite-path", folder / "sqlite",
             "--http-bind-address", url.removeprefix("http://"),
             "--reporting-disabled", "--log-level", "warn"],
            f"{url}/health", folder / "log"):
        server = Influx(url, "aura", "a-token-for-tests-only")
        server.call("/api/v2/setup", json.dumps({
            "username": "tests", "password": "of-no-worth",
            "org": server.org, "bucket": "first", "token": server.token}))
        yield server


@pytest.fixture(scope="session")
def victoria(tmp_path_factory):
    """URL of a VictoriaMetrics that is started here."""
    if not shutil.which("victoria-metrics"):
        pytest.skip("no victoria-metrics on PATH")
    folder = tmp_path_factory.mktemp("victoria")
    url = f"http://127.0.0.1:{free_port()}"
    with running(
            ["victoria-metrics", f"-storageDataPath={folder / 'data'}",
             f"-httpListenAddr={url.removeprefix('http://')}",
             "-retentionPeriod=100y", "-loggerLevel=ERROR",
             "-search.disableCache", "-dedup.minScrapeInterval=1ms",
             "-search.maxUniqueTimeseries=100000",
             "-search.latencyOffset=0s"],
            f"{url}/health", folder / "log"):
        yield url
