"""The five stages on a shared folder: batches, order, repetition, faults."""

import gzip
import importlib
import json
import os
import shutil
from datetime import datetime

import numpy as np
import pytest

from aura.cli.console import print_outcome
from aura.detector.forest import MODEL_FEATURES
from aura.detector.model import Model, load_model, save_model
from aura.ecg import features
from aura.errors import (
    AuraError,
    CorruptDataError,
    EndOfData,
    ForbiddenError,
    InvalidInputError,
    MissingError,
    PreconditionError,
    Problem,
)
from aura.folder import Folder
from aura.recording import Event, Recording
from aura.rpc.aura_pb2 import EcgBatch, FeatureTable, PredictionTable
from aura.settings import Settings
from aura.stages import manifest, tables
from aura.stages.manifest import Entry, Manifest, FileOutcomes, Signals
from aura.stages.run_layout import Workspace, batch_file, run_folder
from aura.stages.trainer import TrainingStage
from tests.chain import Chain
from tests.edf_builder import Channel, File, heart
from tests.patients import content, record

RECORDING = Recording(
    "a/b.edf", "p-1", ("ECG", "x"), "ECG", 0, "mV", 256.0, 60.5,
    datetime(2020, 1, 2, 3, 4, 5, 250_000), (Event(1.5, 2.25, "sz_foc"),),
    "b.tse_bi", "f" * 64, (Problem("a.b", "warning", "text \u00fc"),))


def test_a_manifest_reads_back_as_it_was_written(tmp_path):
    folder = Folder(tmp_path)
    written = Manifest("recordings", (
        Entry("a/b.edf", RECORDING, RECORDING.problems,
              Signals(60, 71, ((1.0, 2.5),), 58.0),
              (Event(3.0, 4.0, "sz", 0.75),)),
        Entry("\u0436.edf", None, (Problem("c.d", "error", "why"),))))
    manifest.write(folder, "m.json", written)
    read = manifest.read(folder, "m.json")
    assert read == written
    manifest.write(folder, "again.json", read)
    assert (tmp_path / "again.json").read_bytes() == (
        tmp_path / "m.json").read_bytes()
    assert read.recordings == [(0, RECORDING)]


@pytest.mark.parametrize("text", [
    b"", b"[]", b"{}", b"nonsense", b"\xff", b"[" * 100_000,
    b'{"format": "aura-manifest-0", "input": "x", "recordings": []}',
    b'{"format": "aura-manifest-1", "input": "x", "recordings": [{}]}',
    b'{"format": "aura-manifest-1", "input": "x", "recordings": 5}'])
def test_what_is_no_manifest_is_damaged(tmp_path, text):
    (tmp_path / "m.json").write_bytes(text)
    with pytest.raises(CorruptDataError, match="manifest.damaged"):
        manifest.read(Folder(tmp_path), "m.json")


def test_a_status_names_rules_and_never_files():
    entries = [Entry(f"{n}.edf", None, (Problem(f"r.{n:02d}", "error", "t"),))
               for n in range(20)]
    text = manifest.status_text([*entries, Entry("ok", RECORDING)])
    assert text.startswith("1 recording, 20 files refused: 1 r.00, 1 r.01")
    assert ".edf" not in text and len(text) < 200


def test_a_file_that_is_not_read_is_not_refused():
    skipped = [Entry(".", None, (Problem("path.not_read", level, "t"),))
               for level in ("warning", "warning")]
    good = Entry("ok", RECORDING)
    assert manifest.status_text([good, *skipped]) == (
        "1 recording, 2 files not read: 2 path.not_read")
    bad = Entry("r.edf", None, (Problem("r.x", "error", "t"),))
    assert manifest.status_text([bad, good, *skipped]) == (
        "1 recording, 1 file refused: 1 r.x, "
        "2 files not read: 2 path.not_read")


def test_the_exit_code_tells_all_some_and_none():
    good, warned, bad = Entry("g", RECORDING), Entry(
        "w", None, (Problem("path.linked", "warning", "t"),)), Entry(
        "b", None, (Problem("x.y", "error", "t"),))

    def code(*entries):
        return print_outcome("verb", FileOutcomes(tuple(
            ("in", entry) for entry in entries)))

    assert [code(), code(bad), code(good), code(good, bad),
            code(good, warned)] == [1, 1, 0, 2, 0]


@pytest.mark.parametrize("run_id", [
    "", "..", ".hidden", "a/b", "../x", "/etc", "a\0", "a b", "\u00e9",
    "-x", "a" * 101, "a\n"])
def test_a_hostile_run_id_is_refused(run_id):
    with pytest.raises(InvalidInputError, match="run.id"):
        run_folder(run_id)


def test_batches_have_a_folder_each():
    assert batch_file("r-1.b_c", 12, "x") == "runs/r-1.b_c/batches/0012/x"
    for index in (-1, 10 ** 6):
        with pytest.raises(InvalidInputError, match="run.batch_index"):
            batch_file("r", index, "x")


@pytest.mark.parametrize("name, stem", [
    ("a/b.edf", "a/b"), ("noending", "noending"), ("v1.2/raw", "v1.2/raw"),
    ("x.tar.edf", "x.tar"), ("sub/.edf", "sub/.edf")])
def test_event_files_are_named_by_the_recordings_stem(tmp_path, name, stem):
    workspace = Workspace.shared(tmp_path, Settings())
    workspace.write_events("r", name, b"1")
    assert (tmp_path / f"runs/r/events/{stem}.tsv").read_bytes() == b"1"


def test_the_loader_hands_out_batches_says_end_once_and_rewinds(chain):
    source = chain.source(run_id="")
    for _ in range(2):
        one, two = source.next(), source.next()
        assert (one.batch_index, one.batch_count, one.is_last) == (0, 2, False)
        assert (two.batch_index, two.batch_count, two.is_last) == (1, 2, True)
        assert (one.record_count, two.record_count) == (2, 1)
        assert one.ecg_hours == pytest.approx(1200 / 3600)
        assert one.run_id == two.run_id
        with pytest.raises(EndOfData):
            source.next()
    record(chain.shared / "recordings/new.edf", 60, seizure=None)
    again = source.next()
    assert again.run_id != one.run_id
    assert again.batch_count == 2
    assert [entry.path for entry in manifest.read(
        chain.workspace.folder, again.manifest_path).entries] == [
        "new.edf", "p1/rec.edf"]


def test_no_recordings_are_no_batches(tmp_path):
    (tmp_path / "recordings").mkdir()
    source = Chain(tmp_path).source()
    for _ in range(2):
        with pytest.raises(EndOfData):
            source.next()


def test_no_folder_is_said_every_time(tmp_path):
    source = Chain(tmp_path).source()
    assert not source.ready()
    for _ in range(3):
        with pytest.raises(MissingError, match="loader.no_folder"):
            source.next()
    (tmp_path / "recordings").mkdir()
    record(tmp_path / "recordings/r.edf", 60, seizure=None)
    assert source.ready()
    assert source.next().record_count == 1


def test_a_batch_that_could_not_be_written_is_handed_out_again(chain):
    source = chain.source()
    (chain.shared / "runs").write_bytes(b"in the way")
    with pytest.raises(PreconditionError, match="disk.unwritable"):
        source.next()
    (chain.shared / "runs").unlink()
    assert source.next().batch_index == 0


def bad_study(shared):
    """Nothing of it can be used."""
    (shared / "recordings").mkdir(parents=True)
    (shared / "recordings/cut.edf").write_bytes(b"0" * 100)
    (shared / "recordings/eeg.edf").write_bytes(
        File().with_channel(label="EEG Fp1").bytes())
    return Chain(shared)


def test_a_batch_of_bad_files_alone_goes_through_all_stages(
        trained, tmp_path):
    chain = bad_study(tmp_path / "bad")
    shutil.copytree(trained.shared / "models", chain.shared / "models")
    (report,) = chain.predict()
    assert report.points_written == 0
    assert report.status_text == (
        "0 recordings, 2 files refused: 1 ecg.missing, "
        "1 edf.header.truncated")
    assert not list(chain.shared.rglob("*.tsv"))


def test_nothing_is_learnt_from_bad_files_alone(trained, tmp_path):
    chain = bad_study(tmp_path / "bad")
    (chain.shared / "recordings").rename(chain.shared / "training")
    report = chain.train()
    assert report.done and not report.model_path
    assert report.status_text.startswith("train.no_labels")


def test_recordings_too_short_for_a_row_pass_beside_others(trained):
    shutil.rmtree(trained.shared / "recordings")
    record(trained.shared / "recordings/long.edf", 120, seizure=None)
    tiny = File((Channel(digital=heart(1, 128)),), duration="0.5")
    (trained.shared / "recordings/tiny.edf").write_bytes(tiny.bytes())
    (report,) = trained.predict()
    assert report.status_text == "2 recordings"
    assert "\nbckg" not in (
        trained.shared / "runs/run/events/tiny.tsv").read_text()
    assert "bckg" in (trained.shared / "runs/run/events/tiny.tsv").read_text()


def test_the_same_requests_write_the_same_bytes(trained):
    first = trained.predict()
    before = content(trained.shared)
    assert trained.train() == trained.report
    assert trained.predict() == first
    assert content(trained.shared) == before


def test_another_run_has_the_same_tables_and_events(trained):
    trained.predict("one")
    trained.predict("two")
    one, two = (content(trained.shared / "runs" / name)
                for name in ("one", "two"))
    assert one.keys() == two.keys()
    assert {name.rpartition(".")[2] for name in one} == {
        "json", "parquet", "tsv", "gz", "DONE",
        "finished/export/begun", "finished/export/0000",
        "finished/export/0001"}
    for name in one:
        if not name.startswith("export") or name.endswith(".gz"):
            assert one[name] == two[name], name


def test_a_file_that_goes_away_is_refused_and_the_others_go_on(trained):
    batches = trained.batches()
    (trained.shared / "recordings/p1/rec.edf").unlink()
    table = trained.features.build(batches[0])
    assert table.status_text == (
        "1 recording, 1 file refused: 1 path.missing")
    assert table.row_count == 600
    (trained.shared / "recordings/p2/rec.edf").write_bytes(b"changed")
    report = trained.exporter.export(trained.predictor.predict(table))
    left_out = json.loads(
        (trained.shared / report.report_path).read_bytes())["left_out"]
    assert [item["path"] for item in left_out] == ["p2/rec.edf"]
    assert "1 not exported" in report.status_text


@pytest.mark.parametrize("place", [
    "aura.dataset.ground_truth.seizures", "aura.detection.find_beats",
    "aura.ecg.features.build", "aura.annotations.bids.write_events",
    "aura.influx.points.ecg"])
def test_an_unforeseen_error_costs_one_recording_and_tells_no_content(
        trained, monkeypatch, caplog, place):
    module, _, name = place.rpartition(".")
    work = getattr(importlib.import_module(module), name)
    texts = iter(["canary"])

    def fails_once(*arguments, **settings):
        for text in texts:
            raise KeyError(text)
        return work(*arguments, **settings)

    monkeypatch.setattr(place, fails_once)
    *_, report = trained.with_settings(workers=1).predict()
    assert report.is_last and "canary" not in caplog.text
    assert "KeyError" in caplog.text and "in fails_once" in caplog.text
    batch = content(trained.shared / "runs/run")
    left = (batch["batches/0000/predictions.json"]
            + batch["export/0000.json"]).decode()
    assert left.count('"rule": "input.unforeseen"') == 1
    assert "canary" not in left


def test_tables_hold_units_labels_and_every_recording(chain):
    one, two = chain.tables("training")
    table = tables.read((chain.shared / one.table_path).read_bytes())
    assert one.row_count == len(table) == 1200
    assert one.labelled_rows == 1200
    assert table.metadata["schema_id"] == one.schema_id
    assert table.units["mean_hr"] == "bpm"
    label = table.values["label"]
    for number, onset in ((0, 280), (1, 320)):
        inside = label[table.values["recording"] == number]
        assert np.flatnonzero(inside).tolist() == list(
            range(onset, onset + 60))


def test_the_trainer_waits_for_every_batch_in_any_order(chain):
    one, two = chain.tables("training", "r")
    assert two.is_last
    early = chain.sink(chain.trainer, "train", two)
    assert not early.done and early.status_text == (
        "1 of 2 batches have arrived")
    assert not chain.trainer.train(two).done          # the same one again
    assert not (chain.shared / "runs/r/DONE").exists()
    restarted = TrainingStage(chain.workspace, chain.settings)
    report = chain.sink(restarted, "train", one)
    assert report.done and report.model_path
    assert (chain.shared / "runs/r/DONE").exists()
    told = json.loads((chain.shared / report.report_path).read_bytes())
    card = json.loads(
        (chain.shared / report.model_path / "card.json").read_bytes())
    assert told["card"] == card
    pooled = card["validation"]["pooled"]
    assert report.sensitivity == pooled["sensitivity"]["value"]
    assert report.false_alarms_per_24h == (
        pooled["false_alarms_per_24h"]["value"])
    assert report.train_rows == card["data"]["rows_learnt_from"]
    assert report.roc_auc == card["validation"]["row_roc_auc"]
    assert report.status_text.startswith(card["validation"]["verdict"])
    assert card["data"]["seizures"] == 3


def test_two_runs_that_interleave_do_not_mix(chain):
    first, second = (chain.tables("training", name) for name in "ab")
    assert not chain.trainer.train(first[0]).done
    assert not chain.trainer.train(second[1]).done
    done = chain.trainer.train(second[0])
    assert done.done and done.run_id == "b"
    last = chain.trainer.train(first[1])
    assert last.done and last.run_id == "a"
    assert last.model_id == done.model_id


def test_notes_of_a_run_with_another_count_are_passed_over(chain):
    one, two = chain.tables("training", "r")
    stale = FeatureTable()
    stale.CopyFrom(two)
    stale.batch_count, stale.batch_index = 9, 7
    assert not chain.trainer.train(stale).done
    assert not chain.trainer.train(one).done
    assert chain.trainer.train(two).done


@pytest.mark.parametrize("changes, rule", [
    ({"batch_index": -1}, "train.batch"), ({"batch_index": 2}, "train.batch"),
    ({"batch_count": 0}, "train.batch"),
    ({"run_id": "../x"}, "run.id")])
def test_a_request_that_makes_no_sense_is_refused(chain, changes, rule):
    request = FeatureTable(
        run_id="r", batch_count=2, schema_id=features.SCHEMA_ID,
        table_path="t", manifest_path="m")
    for name, value in changes.items():
        setattr(request, name, value)
    with pytest.raises(AuraError) as caught:
        chain.trainer.train(request)
    assert caught.value.rule == rule
    assert not list(chain.shared.rglob("*.json"))


HOSTILE = ("../../etc/passwd", "/etc/passwd", "a/../../b", "", "nul\0byte",
           "x" * 5000)


@pytest.mark.parametrize("path", HOSTILE)
def test_requests_cannot_name_files_outside(chain, path):
    for call, request in (
            (chain.features.build, EcgBatch(run_id="r", manifest_path=path)),
            (chain.predictor.predict, FeatureTable(
                run_id="r", table_path=path, manifest_path=path)),
            (chain.exporter.export, PredictionTable(
                run_id="r", batch_count=1, table_path=path,
                manifest_path=path))):
        with pytest.raises((InvalidInputError, MissingError)) as caught:
            call(request)
        assert caught.value.rule in ("path.outside", "model.missing")
        assert "passwd" not in str(caught.value)


def test_links_and_pipes_in_requests_are_not_followed(chain, tmp_path):
    (tmp_path / "secret.json").write_text("{}")
    (chain.shared / "link.json").symlink_to(tmp_path / "secret.json")
    os.mkfifo(chain.shared / "pipe.json")
    with pytest.raises(ForbiddenError, match="path.outside"):
        chain.features.build(EcgBatch(run_id="r", manifest_path="link.json"))
    with pytest.raises(InvalidInputError, match="path.not_regular"):
        chain.features.build(EcgBatch(run_id="r", manifest_path="pipe.json"))


def test_a_manifest_cannot_lead_outside(trained, tmp_path):
    (tmp_path / "secret.edf").write_bytes(File().bytes())
    for name, path in (("up", "../../secret.edf"), ("abs", "/etc/passwd")):
        manifest.write(trained.workspace.folder, f"{name}.json", Manifest(
            "recordings", (Entry(path, RECORDING),)))
        table = trained.features.build(EcgBatch(
            run_id=name, batch_count=1, manifest_path=f"{name}.json"))
        assert table.status_text == (
            "0 recordings, 1 file refused: 1 path.outside")
    manifest.write(trained.workspace.folder, "m.json", Manifest(
        "elsewhere", ()))
    with pytest.raises(InvalidInputError, match="manifest.input"):
        trained.features.build(EcgBatch(run_id="r", manifest_path="m.json"))


def test_the_predictor_takes_the_model_trained_last(trained):
    (table, _) = trained.tables()
    assert trained.predictor.ready()
    first = trained.predictor.predict(table)
    assert first.model_id == trained.report.model_id
    other = trained.with_settings(seed=2)
    newer = other.train("again")
    assert newer.model_id != first.model_id
    assert trained.predictor.predict(table).model_id == newer.model_id
    pinned = trained.with_settings(
        model=str(trained.shared / trained.report.model_path))
    assert pinned.predictor.predict(table).model_id == first.model_id


def test_without_a_model_the_predictor_is_not_ready(chain):
    assert not chain.predictor.ready()
    (table, _) = chain.tables()
    with pytest.raises(MissingError, match="model.missing"):
        chain.predictor.predict(table)
    for text in ("[]", "nonsense", '{"model_id": "../../x"}'):
        (chain.shared / "models").mkdir(exist_ok=True)
        (chain.shared / "models/latest.json").write_text(text)
        assert not chain.predictor.ready()
        with pytest.raises(AuraError) as caught:
            chain.predictor.predict(table)
        assert caught.value.rule in ("model.latest", "path.outside")


def test_a_model_of_another_hop_or_schema_is_refused(trained):
    (table, _) = trained.with_settings(hop_s=0.5).tables(run_id="half")
    with pytest.raises(PreconditionError, match="model.hop"):
        trained.predictor.predict(table)
    good = load_model(trained.shared / trained.report.model_path)
    other = Model(**{**{name: getattr(good, name) for name in (
        "forest", "features", "units", "hop_s", "windows_s", "alarm")},
        "schema_id": "aura-features-000000000000"})
    save_model(trained.shared / "other", other)
    (table, _) = trained.tables()
    with pytest.raises(PreconditionError, match="model.schema"):
        trained.with_settings(
            model=str(trained.shared / "other")).predictor.predict(table)
    with pytest.raises(CorruptDataError, match="table.columns"):
        trained.predictor.predict(FeatureTable(
            run_id="r", table_path=table.table_path.replace(
                "features", "beats"), manifest_path=table.manifest_path))
    assert MODEL_FEATURES == good.features


def test_a_tampered_model_is_refused_and_a_mended_one_taken(trained):
    path = trained.shared / trained.report.model_path
    (table, _) = trained.tables()
    whole = (path / "model.npy").read_bytes()
    fresh = trained.with_settings()
    (path / "model.npy").write_bytes(whole[:-1] + b"x")
    assert not fresh.predictor.ready()
    with pytest.raises(CorruptDataError, match="model.digest"):
        fresh.predictor.predict(table)
    (path / "model.npy").write_bytes(whole)
    assert fresh.predictor.predict(table).window_count == 1200


def test_a_damaged_model_is_written_anew_by_the_same_training(trained):
    path = trained.shared / trained.report.model_path
    whole = (path / "model.npy").read_bytes()
    (path / "model.npy").write_bytes(b"damaged")
    trained.train()
    assert load_model(path).model_id == trained.report.model_id
    assert len((path / "model.npy").read_bytes()) == len(whole)


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"nonsense" * 99])
def test_a_damaged_table_is_said(trained, damage):
    (table, _) = trained.tables()
    (trained.shared / table.table_path).write_bytes(damage)
    for call in (trained.predictor.predict, trained.trainer.train):
        with pytest.raises(CorruptDataError, match="table.damaged"):
            table.batch_count = 1
            call(table)


def test_points_are_those_of_the_batch_and_of_nobody_else(trained):
    reports = trained.predict()
    lines = [line for report in reports for line in gzip.decompress(
        (trained.shared / f"runs/run/export/{report.batch_index:04d}.lp.gz"
         ).read_bytes()).decode().splitlines()]
    assert len(lines) == sum(report.points_written for report in reports)
    assert [report.points_rejected for report in reports] == [0, 0]
    whole = json.loads(
        (trained.shared / "runs/run/export_report.json").read_bytes())
    assert whole["points_written"] == len(lines)
    assert whole["batches"] == 2
    assert (trained.shared / "runs/run/DONE").exists()


def test_an_unknown_time_zone_stops_the_exporter_at_once(chain):
    with pytest.raises(InvalidInputError, match="Mars.*AURA_EDF_TIMEZONE"):
        chain.with_settings(timezone="Mars")


def test_settings_out_of_range_are_refused_by_name():
    for name, value in (
            ("hop_s", 0), ("hop_s", -1), ("hop_s", float("nan")),
            ("hop_s", 60), ("batch_size", 0), ("batch_size", -1),
            ("target_far", -0.1), ("target_far", float("inf")),
            ("seed", -1), ("seed", 2 ** 32), ("workers", -1)):
        with pytest.raises(InvalidInputError) as caught:
            Settings(**{name: value})
        assert f"AURA_{name.upper()} ({name})" in caught.value.text
        assert caught.value.rule == "settings.value"
