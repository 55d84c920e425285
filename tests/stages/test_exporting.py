"""`aura export` and the exporter's stage, against a store that may fail."""

import contextlib
import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from datetime import datetime

import numpy as np
import msgspec
import pytest

from aura.cli import main
from aura.errors import (
    InvalidInputError,
    MissingError,
    PreconditionError,
    UnavailableError,
)
from aura.influx import chunks
from aura.influx.schema import SECOND_NS
from aura.runners import local
from aura.settings import Settings
from tests.edf_builder import Channel, plus, tal
from tests.fault_server import serving, status
from tests.lines import parse
from tests.patients import record

KILLS = 100 if os.environ.get("AURA_SOAK") else 10
AWAY = {"influx_patience_s": 0.0}


def reported(out, settings):
    """What `local.export` reports, and the folder of the files."""
    report, folder = local.export(out, settings)
    return {**msgspec.to_builtins(report), "folder": folder}


def to(store, **more):
    return {"influx_url": store.url, "influx_org": "aura",
            "influx_bucket": "ecg", "influx_token": "t0ken",
            "export_raw": "none", **more}


def lines_of(folder):
    return [line for path in sorted(folder.glob("*.lp.gz"))
            for line in gzip.decompress(path.read_bytes()).splitlines()]


@pytest.fixture(scope="session")
def predicted(recordings, template, tmp_path_factory):
    """The output of `aura predict`; do not change it."""
    shared, report = template
    out = tmp_path_factory.mktemp("predicted") / "out"
    local.predict([recordings], shared / report.model_path, out,
                  Settings(batch_size=2))
    return out


@pytest.fixture
def out(predicted, tmp_path):
    shutil.copytree(predicted, tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_LINES", 500)


def test_all_points_arrive_and_a_repeat_changes_nothing(out):
    with serving() as store:
        report = reported(out, Settings(**to(store)))
        found = dict(store.points)
        assert reported(out, Settings(**to(store))) == report
    lines = lines_of(report["folder"])
    assert report["points_written"] == len(lines) == len(found)
    assert set(found.values()) == set(lines) == set(store.points.values())
    assert (report["points_rejected"], report["points_waiting"]) == (0, 0)
    assert report["recordings"] == 3
    listed = [item for path in sorted(report["folder"].glob("*.aliases.json"))
              for item in json.loads(path.read_bytes())]
    assert [item["path"] for item in listed] == [
        f"p{number}/rec.edf" for number in (1, 2, 3)]
    points = parse(b"\n".join(lines) + b"\n")
    assert {(tags["patient"], tags["recording"])
            for _, tags, _, _ in points} == {
        (item["patient"], item["recording"]) for item in listed}
    assert "t0ken" not in json.dumps(report, default=str)
    names = {measurement for measurement, _, _, _ in points}
    assert names == {"recording", "ecg", "beat", "heart_rate", "feature",
                     "quality", "unscorable", "probability", "event",
                     "agreement", "score"} - (
        set() if "unscorable" in names else {"unscorable"})


CHILD = """
import sys
from pathlib import Path
from aura.influx import chunks, delivery
from aura.runners import local
from aura.settings import Settings
import aura.stages.influx_exporter
chunks.CHUNK_LINES = 300
delivery.SAVED_EVERY_S = 0.0
print("ready", flush=True)
local.export(Path(sys.argv[1]), Settings(
    influx_url=sys.argv[2], influx_org="aura", influx_bucket="ecg",
    export_raw="none"))
print("done", flush=True)
"""


def stale(lines):
    """Results of an earlier export, at times that have none now."""
    moves = {b"probability": -3, b"event": -3, b"agreement": -3,
             b"unscorable": 3}
    parts = [(line.partition(b",")[0], *line.rpartition(b" "))
             for line in lines]
    return [b"%s %d" % (rest, int(time_ns) + moves[name])
            for name, rest, _, time_ns in parts if name in moves]


@pytest.mark.influxdb
def test_an_export_killed_at_any_moment_and_repeated_is_complete(
        predicted, tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_LINES", 300)
    with serving() as store:
        whole = reported(
            shutil.copytree(predicted, tmp_path / "whole"),
            Settings(**to(store)))
        reference = dict(store.points)
    killed = 0
    for number in range(KILLS):
        out = shutil.copytree(predicted, tmp_path / f"out{number}")
        with serving() as store:
            # An earlier run had alarms at other times.
            store.keep(stale(reference.values()))
            writes = random.Random(number).randrange(
                2 * len(reference) // 300)
            process = subprocess.Popen(
                [sys.executable, "-c", CHILD, out, store.url],
                stdout=subprocess.PIPE, text=True)
            assert process.stdout.readline() == "ready\n"

            def kill(one, lines, count):
                # Before a chunk is stored, and between storing and answer.
                if count == writes // 2:
                    if writes % 2:
                        one.store.keep(lines)
                    process.send_signal(signal.SIGKILL)
                    return one.cut()
                return False
            store.fault = kill
            if writes < 2:
                process.send_signal(signal.SIGKILL)
            killed += "done" not in process.stdout.read()
            process.wait()
            process.stdout.close()
            store.fault = None
            report = reported(out, Settings(**to(store)))
            assert store.points == reference
            assert {name: report[name] for name in report if name.startswith(
                "points")} == {name: whole[name] for name in whole
                               if name.startswith("points")}
        shutil.rmtree(out)
    assert killed >= KILLS // 2


def test_an_export_leaves_no_result_of_an_earlier_one(
        out, monkeypatch, capsys):
    with serving() as store:
        reported(out, Settings(**to(store)))
        reference = dict(store.points)
        old = stale(reference.values())
        others = [line.replace(b",model=", b",model=x") for line in old
                  if b",model=" in line] + [
            line.replace(b",recording=r-", b",recording=r-x") for line in old]
        assert len(old) > 100
        store.keep(old + others)
        reported(out, Settings(**to(store)))
        assert set(store.points.values()) == {
            *reference.values(), *others}
        store.deletes = False
        for name, value in (("URL", store.url), ("ORG", "aura"),
                            ("BUCKET", "ecg")):
            monkeypatch.setenv(f"INFLUXDB_V2_{name}", value)
        assert main(["export", str(out)]) == 0
    assert "earlier export" in capsys.readouterr().err
    report = json.loads(
        (out / ".aura/runs/local/export/0000.json").read_bytes())
    assert report["status_text"].endswith(report["earlier_results_stay"])
    assert report["earlier_results_stay"]


def test_a_resumed_export_sends_only_what_was_not_acknowledged(
        out, small_chunks):
    def later(one, lines, number):
        return number > 3 and one.answer(503)
    with serving(later) as store:
        with pytest.raises(UnavailableError, match="influx.away") as caught:
            reported(out, Settings(**to(store, **AWAY)))
        assert f"aura export {out}" in caught.value.text
        assert store.received == 1500
        store.fault = None
        report = reported(out, Settings(**to(store)))
        assert store.received == report["points"] == len(store.points)


def test_a_moved_tree_leaves_out_only_its_own_recordings(out, tmp_path):
    places = out / ".aura/inputs.json"
    gone = str(tmp_path / "gone")
    places.write_text(json.dumps({"0": gone, "1": str(tmp_path)}))
    with serving() as store:
        report = reported(out, Settings(**to(store)))
        assert report["recordings"] == 0 and not store.points
    assert [one["rule"] for one in report["left_out"]] == ["path.missing"] * 3
    places.write_text(json.dumps({"0": gone}))
    with pytest.raises(MissingError) as caught:
        reported(out, Settings())
    assert gone in caught.value.text


def test_an_unavailable_store_does_not_stop_batches_from_being_written(
        trained):
    with serving(status(503)) as store:
        chain = trained.with_settings(**to(store, **AWAY))
        tables = [chain.predictor.predict(table) for table in chain.tables()]
        report = chain.sink(chain.exporter, "export", tables[0])
        assert report.points_written == report.points_rejected == 0
        assert "503" in report.status_text
        with pytest.raises(UnavailableError) as caught:
            chain.sink(chain.exporter, "export", tables[1])
        run = chain.shared / "runs/run"
        assert "aura export SHARED_FOLDER/runs/run" in caught.value.text
        lines = lines_of(run / "export")
        whole = json.loads((run / "export_report.json").read_bytes())
        assert whole["points_waiting"] == whole["points"] == len(lines)
        assert not (run / "DONE").exists() and not store.points
        # The same call, repeated by a new exporter, finishes all batches.
        store.fault = None
        again = chain.with_settings()
        report = again.sink(again.exporter, "export", tables[1])
        assert set(store.points.values()) == set(lines)
        assert (run / "DONE").exists()
        whole = json.loads((run / "export_report.json").read_bytes())
        assert whole["points_written"] == len(lines)
        assert report.target == f"{store.url} aura/ecg"


def test_a_store_is_asked_once_a_call_while_it_is_away(trained):
    with serving(status(503)) as store:
        # Enough for the first repeat, which comes at once.
        chain = trained.with_settings(**to(store, influx_patience_s=.3))
        one, two = [chain.predictor.predict(t) for t in chain.tables()]

        def requests(table, raised=contextlib.nullcontext()):
            before = store.writes
            with raised:
                chain.exporter.export(table)
            return store.writes - before
        assert requests(one) == 2
        away = pytest.raises(UnavailableError, match="influx.away")
        assert requests(two, away) == requests(one, away) == 1
        store.fault = None
        requests(two)
        store.fault = status(503)
        assert requests(two, away) == 2


def test_a_store_that_comes_back_gets_the_waiting_points(trained):
    with serving(status(503)) as store:
        chain = trained.with_settings(**to(store, **AWAY))
        one, two = [chain.predictor.predict(t) for t in chain.tables()]
        chain.exporter.export(one)
        store.fault = None
        chain.exporter.export(two)
        assert set(store.points.values()) == set(
            lines_of(chain.shared / "runs/run/export"))
        first = json.loads(
            (chain.shared / "runs/run/export/0000.json").read_bytes())
        assert first["points_waiting"] == 0 < first["points_written"]


def test_the_verb_sends_the_waiting_points_of_a_run(
        trained, monkeypatch, capsys):
    trained.predict()
    run = trained.shared / "runs/run"
    with serving() as store:
        for name, value in (("URL", store.url), ("ORG", "aura"),
                            ("BUCKET", "ecg"), ("TOKEN", "t0ken")):
            monkeypatch.setenv(f"INFLUXDB_V2_{name}", value)
        assert main(["export", str(run)]) == 0
    lines = lines_of(run / "export")
    assert set(store.points.values()) == set(lines)
    shown = capsys.readouterr().out
    assert f"{len(lines)} points of 3 recordings" in shown
    assert "t0ken" not in shown


def test_a_wrong_token_is_an_error_at_once_and_the_file_is_written(trained):
    with serving(status(401)) as store:
        chain = trained.with_settings(**to(store))
        table = chain.predictor.predict(chain.tables()[0])
        with pytest.raises(PreconditionError, match="influx.auth"):
            chain.exporter.export(table)
        export = chain.shared / "runs/run/export"
        assert lines_of(export)
        report = json.loads((export / "0000.json").read_bytes())
        assert report["points_waiting"] == report["points"]
        assert "INFLUXDB_V2_TOKEN" in report["status_text"]


def test_rejected_points_are_counted_and_named(trained):
    with serving(lambda one, lines, number: any(
            line.startswith(b"score") for line in lines)
            and one.answer(422, {"message": "field type conflict"})) as store:
        chain = trained.with_settings(**to(store))
        reports = [chain.exporter.export(chain.predictor.predict(table))
                   for table in chain.tables()]
    assert [report.points_rejected for report in reports] == [2, 1]
    assert "2 points rejected" in reports[0].status_text
    report = json.loads((chain.shared / reports[0].report_path).read_bytes())
    assert all(name.startswith("score r-") and name.endswith(
        ": field type conflict") for name in report["rejected"])
    assert len(store.points) == sum(r.points_written for r in reports)


def test_files_alone_need_no_server(out, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("INFLUXDB_V2_URL", "http://127.0.0.1:1")
    assert main(["export", str(out), "--files", str(tmp_path / "f")]) == 0
    lines = lines_of(tmp_path / "f")
    assert f"{len(lines)} points of 3 recordings" in (
        capsys.readouterr().out)


@pytest.mark.parametrize("environment, named", [
    ({}, "INFLUXDB_V2_URL"),
    ({"URL": "http://h:1"}, "set INFLUXDB_V2_ORG"),
    ({"URL": "http://h:1", "ORG": "o"}, "set INFLUXDB_V2_BUCKET"),
    ({"URL": "h:1"}, "http://localhost:8086"),
    ({"URL": "http://me:pass@h"}, "INFLUXDB_V2_TOKEN"),
    ({"URL": "http://h?token=pass"}, "INFLUXDB_V2_TOKEN"),
    ({"URL": "http://h", "ORG": "o", "BUCKET": "b", "TOKEN": "a\nb"},
     "token"),
    ({"URL": "http://h", "ORG": "o", "BUCKET": "b",
      "TOKEN_FILE": "/no/such"}, "INFLUXDB_V2_TOKEN_FILE"),
])
def test_invalid_settings_are_errors_that_name_the_variable(
        out, monkeypatch, capsys, environment, named):
    for name, value in environment.items():
        monkeypatch.setenv(f"INFLUXDB_V2_{name}", value)
    assert main(["export", str(out)]) == 1
    error = capsys.readouterr().err
    assert "influx." in error and named in error
    assert "pass" not in error and "Traceback" not in error


def test_a_token_comes_from_a_file_and_never_from_the_shared_folder(
        tmp_path, out):
    (tmp_path / "token").write_text("from-a-file\n")
    with serving() as store:
        reported(out, Settings(**to(
            store, influx_token="", influx_token_file=str(
                tmp_path / "token"))))
        assert store.tokens == {"Token from-a-file"}
    (tmp_path / "config.toml").write_text('influx_token = "s3cret"\n')
    with pytest.raises(InvalidInputError, match="settings.secret") as caught:
        Settings.load(tmp_path, {})
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in repr(Settings(influx_token="s3cret"))


@pytest.mark.parametrize("name, value", [
    ("export_raw", "some"), ("export_features", "hr_rise,colour")])
def test_unknown_choices_are_refused(chain, name, value):
    with pytest.raises(InvalidInputError, match=name):
        chain.with_settings(**{name: value})


def exported(chain, path, export_raw="none", **settings):
    """Points of one recording, by measurement; and the reports."""
    shutil.rmtree(chain.shared / "recordings")
    settings["export_raw"] = export_raw
    path(chain.shared / "recordings/p/rec.edf")
    chain = chain.with_settings(**settings)
    reports = chain.predict()
    points = parse(b"".join(line + b"\n" for line in lines_of(
        chain.shared / "runs/run/export")))
    found = {}
    for measurement, tags, fields, time_ns in points:
        found.setdefault(measurement, []).append((tags, fields, time_ns))
    assert len({(m, *sorted(tags.items()), time_ns)
                for m, tags, _, time_ns in points}) == len(points)
    return found, reports


def test_a_recording_without_seizures_or_alarms_is_exported(trained):
    found, _ = exported(trained, lambda path: record(path, seizure=None))
    assert "event" not in found and "agreement" not in found
    [(_, whole, _)], [(_, counts, _)] = found["recording"], found["score"]
    assert whole["annotated"] is True and whole["seizures"] == 0
    assert counts["tp"] == counts["fn"] == counts["fp"] == 0


def flat(path):
    """A flat recording with a seizure."""
    file = plus(range(600), [tal(300, 60, "seizure")], channels=(Channel(
        label="ECG", digital=np.zeros((600, 256), np.int64)),))
    path.parent.mkdir(parents=True)
    path.write_bytes(file.bytes())


def test_a_recording_that_cannot_be_scored_is_exported(trained):
    found, _ = exported(trained, flat)
    assert "probability" not in found and "heart_rate" not in found
    assert {fields["scorable"] for _, fields, _ in found["quality"]} == {0.0}
    [(_, whole, start)] = found["recording"]
    assert whole["unscorable_s"] == whole["duration_s"] == 600
    [(_, span, _)] = found["unscorable"]
    assert span["end_ns"] - start == 600 * SECOND_NS
    assert [fields["outcome"] for _, fields, _ in found["agreement"]] == [
        "FN"]


@pytest.mark.parametrize("date, year", [("02.03.85", 1985),
                                        ("02.03.84", 2084)])
def test_times_follow_the_clock_of_the_header(trained, date, year):
    found, _ = exported(trained, lambda path: record(
        path, seconds=60, seizure=(10, 20), date=date,
        recording=f"Startdate 02-MAR-{year} X X X"))
    [(_, _, start)] = found["recording"]
    day = datetime(year, 3, 2)
    assert start // (86400 * SECOND_NS) == (day - datetime(1970, 1, 1)).days


def test_raw_samples_are_exported_on_request(trained):
    shutil.rmtree(trained.shared / "recordings")
    record(trained.shared / "recordings/rec.edf", seconds=200,
           seizure=(100, 20))
    [table] = [trained.predictor.predict(t) for t in trained.tables()]
    counts = {}
    for choice in ("none", "events", "all"):
        trained.with_settings(export_raw=choice).exporter.export(table)
        counts[choice] = sum(b"resolution=raw" in line for line in lines_of(
            trained.shared / "runs/run/export"))
    assert counts["none"] == 0 and counts["all"] == 200 * 256
    assert 140 * 256 <= counts["events"] < counts["all"]


def test_all_features_can_be_exported(trained):
    found, _ = exported(trained, lambda path: record(
        path, seconds=300, seizure=(200, 20)), export_features="all")
    assert {"hr_rise", "sampen", "lf_hf_ratio"} <= set().union(
        *(fields for _, fields, _ in found["feature"]))
    assert np.median([len(fields) for _, fields, _ in found["feature"]]) > 25
