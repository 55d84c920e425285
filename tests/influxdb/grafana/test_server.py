"""The provisioning, loaded by Grafana's own server, where there is one."""

import base64
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from grafana import tokens
from tests.dashboards import COHORT, REVIEW, chosen, questions
from tests.stored_run import ALL, DATES

pytestmark = pytest.mark.influxdb
ROOT = Path(__file__).parents[3]
PASSWORD = "only-for-this-test"


class Grafana:
    """A server that has loaded the project's provisioning."""

    def __init__(self, url, folder):
        self.url, self.log = url, folder / "log"
        self.token = (folder / "grafana-token").read_text()

    def __call__(self, path, body=None):
        user = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
        request = urllib.request.Request(
            self.url + path, body and json.dumps(body).encode(), {
                "Authorization": f"Basic {user}",
                "Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            pytest.fail(f"{path}: {error.code} {error.read()[:500]}")


def provisioning(folder):
    """The committed files; only the path of the dashboards is this one."""
    target = folder / "provisioning"
    shutil.copytree(ROOT / "grafana/provisioning", target)
    path = target / "dashboards/aura.yaml"
    path.write_text(path.read_text("utf-8").replace(
        "/etc/aura/dashboards", str(ROOT / "grafana/dashboards")), "utf-8")
    for name in ("notifiers", "plugins", "alerting", "access-control"):
        (target / name).mkdir()
    return target


@pytest.fixture(scope="module")
def grafana(store, tmp_path_factory):
    """Grafana on the store; GF_PATHS_HOME says where its files are."""
    home = os.environ.get("GF_PATHS_HOME", "/usr/share/grafana")
    program = shutil.which("grafana-server") or shutil.which("grafana")
    if program is None or not Path(home).is_dir():
        pytest.skip("there is no grafana-server on PATH with its files in "
                    "GF_PATHS_HOME")
    folder = tmp_path_factory.mktemp("grafana")
    (folder / "admin").write_text(store.token)
    tokens.make(store.url, store.org, folder / "admin", folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    paths = {f"GF_PATHS_{name}": str(folder / name.lower())
             for name in ("DATA", "LOGS", "PLUGINS")}
    command = [program, *(["server"] if program.endswith("grafana") else [])]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [*command, f"--homepath={home}"], stdout=log, stderr=log,
            cwd=folder, env={
                **os.environ, **paths,
                "GF_PATHS_PROVISIONING": str(provisioning(folder)),
                "GF_SERVER_HTTP_ADDR": "127.0.0.1",
                "GF_SERVER_HTTP_PORT": str(port),
                "GF_SECURITY_ADMIN_PASSWORD": PASSWORD,
                "GF_ANALYTICS_REPORTING_ENABLED": "false",
                "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
                "INFLUXDB_V2_URL": store.url, "INFLUXDB_V2_ORG": store.org,
                "INFLUXDB_V2_BUCKET": store.bucket,
                "GF_AURA_INFLUX_TOKEN": (
                    folder / "grafana-token").read_text()})
    try:
        found = Grafana(f"http://127.0.0.1:{port}", folder)
        await_dashboards(found, server)
        yield found
    finally:
        server.kill()
        server.wait()
        store.forget([(folder / name).read_text() for name in tokens.RIGHTS])


def await_dashboards(grafana, server):
    deadline = time.monotonic() + 180
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(
                    f"{grafana.url}/api/health", timeout=5):
                if len(grafana("/api/search?type=dash-db")) == 2:
                    return
        except OSError:
            pass
        time.sleep(.5)
    pytest.fail(f"Grafana does not start: {grafana.log.read_text()[-2000:]}")


def test_data_source_and_dashboards_are_loaded_and_cannot_be_edited(grafana):
    source, = grafana("/api/datasources")
    assert source["type"] == "influxdb" and source["readOnly"]
    assert source["jsonData"]["version"] == "Flux"
    assert grafana.token not in json.dumps(source)
    for page in (REVIEW, COHORT):
        got = grafana(f"/api/dashboards/uid/{page['uid']}")
        assert got["meta"]["provisioned"]
        assert got["meta"]["folderTitle"] == "AURA"
        assert got["dashboard"]["title"] == page["title"]
        assert len(got["dashboard"]["panels"]) == len(page["panels"])
    log = grafana.log.read_text().lower()
    assert not [line for line in log.splitlines()
                if "provision" in line and ("eror" in line or "error" in line)]


@pytest.mark.parametrize("name", DATES)
def test_every_question_passes_grafanas_own_backend(grafana, run, name):
    held = run.recordings[name]
    source, = grafana("/api/datasources")
    for page, values in (
            (REVIEW, {**held.values, "model": run.model}),
            (COHORT, {"patient": ALL, "model": run.model})):
        for asker, query in questions(page).items():
            got = grafana("/api/ds/query", {
                "from": str(held.start_ns // 10 ** 6),
                "to": str(held.end_ns // 10 ** 6),
                "queries": [{
                    "refId": "A", "datasourceId": source["id"],
                    "datasource": {"type": source["type"],
                                   "uid": "aura-influxdb"},
                    "query": chosen(page, query, values),
                    "intervalMs": 1000, "maxDataPoints": 12_000}]})
            answer = got["results"]["A"]
            assert not answer.get("error"), asker
            assert answer.get("frames") or answer.get("dataframes"), asker
