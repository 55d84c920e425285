"""The two tokens, made by a real InfluxDB, and what they may."""

import contextlib
import gzip
import json
import urllib.error
import urllib.request

import pytest

from aura.influx.store import Store as InfluxStore, Target
from grafana import tokens

pytestmark = pytest.mark.influxdb
LINE = b"token_test value=1 0"


@pytest.fixture
def admin(tmp_path, store):
    path = tmp_path / "influxdb-token"
    path.write_text(f"{store.token}\n")
    yield ["--url", store.url, "--org", store.org,
           "--admin-token", str(path), "--out", str(tmp_path)]
    store.forget([file.read_text() for file in tmp_path.glob("*-token")
                  if file != path])


def status(store, token, path, body):
    request = urllib.request.Request(
        store.url + path, body, {
            "Authorization": f"Token {token}",
            "Content-Type": "application/vnd.flux"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_grafana_may_read_and_only_the_exporter_may_write(
        store, admin, tmp_path, capsys):
    assert tokens.main(admin) == 0
    files = {name: tmp_path / name for name in tokens.RIGHTS}
    assert all(path.stat().st_mode & 0o777 == 0o600
               for path in files.values())
    made = {name: path.read_text() for name, path in files.items()}
    assert not any(token in capsys.readouterr().out
                   for token in made.values())
    flux = f'from(bucket: "{store.bucket}") |> range(start: 0) |> limit(n: 1)'
    answers = {name: (status(store, token, store.path("query"), flux.encode()),
                      status(store, token, store.path("write"), LINE))
               for name, token in made.items()}
    assert answers["grafana-token"][0] == answers["exporter-token"][0] == 200
    assert answers["exporter-token"][1] == 204
    # InfluxDB hides what a token may not see.
    assert answers["grafana-token"][1] in (401, 403, 404)


def test_the_exporter_s_token_creates_a_bucket_by_the_name_of_its_org(
        store, admin, tmp_path):
    assert tokens.main(admin) == 0
    bucket = f"{store.bucket}-new"
    target = Target(store.url, store.org, bucket,
                    (tmp_path / "exporter-token").read_text())
    with contextlib.closing(InfluxStore(target)) as exporter:
        assert exporter.write(gzip.compress(LINE)).outcome == "done"
    found, = json.loads(store.call(
        f"/api/v2/buckets?name={bucket}", None))["buckets"]
    store.call(f"/api/v2/buckets/{found['id']}", None, "DELETE")


def test_a_token_that_is_there_stays(admin, tmp_path, capsys):
    (tmp_path / "grafana-token").write_text("mine")
    assert tokens.main(admin) == 0
    assert (tmp_path / "grafana-token").read_text() == "mine"
    assert (tmp_path / "exporter-token").exists()
    capsys.readouterr()
    assert tokens.main(admin) == 0
    assert capsys.readouterr().out == ""


def test_what_is_wrong_is_said_and_nothing_is_written(
        admin, tmp_path, capsys):
    (tmp_path / "influxdb-token").write_text("of-another-server")
    assert tokens.main(admin) == 1
    assert "status 401" in capsys.readouterr().err
    assert tokens.main([*admin[2:], "--url", "http://127.0.0.1:9"]) == 1
    assert "cannot create the tokens" in capsys.readouterr().err
    assert not any((tmp_path / name).exists() for name in tokens.RIGHTS)
