"""``aura train``, ``aura predict`` and ``aura score``."""

import json
import os
import re
import subprocess
import sys

import pytest

from aura.cli.learning import _promise
from aura.folder import PARTIAL
from tests.edf_builder import Channel, File, heart, noise
from tests.patients import content, record

HEAD = "onset\tduration\teventType\tconfidence\tchannels\tdateTime\t" \
    "recordingDuration"


def test_train_predict_score(model, run, tmp_path):
    code, out, err = run("predict", model / "study", "--model",
                         model / "model", "--out", tmp_path / "p")
    assert (code, err) == (0, "")
    assert re.match(r"Predicted \d seizures in 3 recordings \(", out)
    assert [str(path.relative_to(tmp_path / "p")) for path in sorted(
        (tmp_path / "p").rglob("*.tsv"))] == [
        f"p{n}/rec.tsv" for n in (1, 2, 3)]
    code, out, _ = run("score", model / "study", tmp_path / "p", "--json")
    assert code == 0
    assert json.loads(out)["pooled"]["events"]["ref_true"] == 3


def test_a_prediction_imports_nothing_heavy(model, tmp_path):
    code = """
import sys
from aura.cli import main
assert main(sys.argv[1:]) == 0
print(*sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "predict", model / "study", "--model",
         model / "model", "--out", tmp_path / "p"],
        text=True, capture_output=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "aura.ecg.beats" in loaded, done.stderr
    assert not loaded & {
        "pandas", "sklearn", "matplotlib", "pyarrow", "grpc"}


def test_a_training_prints_its_comparison_first(model, run, tmp_path):
    code, out, err = run("train", model / "study", "--out", tmp_path / "m")
    card = json.loads((tmp_path / "m/card.json").read_bytes())
    assert code == 0 and "warning" not in err
    assert re.findall(r"^  (P\d) \(by header\): (\S+)$", err, re.M) == [
        (f"P{n}", f"p{n}/rec.edf") for n in (1, 2, 3)]
    assert out.splitlines()[0] == card["validation"]["verdict"] + "."
    assert card["target_is_promised"] is False
    assert "from too few people or hours to promise this rate" in out
    assert out.splitlines()[-1] == "Research software, not a medical device."
    assert len(re.findall(r"^p-[0-9a-f]{10} ", out, re.M)) == 3
    assert {path.name for path in (tmp_path / "m").iterdir()} == {
        "model.npy", "card.json"}


@pytest.mark.parametrize("value, kept", [(.4, True), (1.2, False)])
def test_a_promise_that_the_validation_did_not_keep_is_named(value, kept):
    text = _promise(True, {
        "target_false_alarms_per_24h": 1.0, "strangers": {
            "of_ten_above_target": {"value": 1.5, "low": .4, "high": 3.6},
            "false_alarms_per_24h": {"value": value, "low": .1,
                                     "high": 2.0}}})
    assert f"{value:.2f} (0.10 to 2.00) false alarms per 24 h" in text
    assert "1.5 (0.4 to 3.6)" in text
    assert ("ABOVE THE TARGET" in text) != kept


def test_two_trainings_differ_only_in_their_time(
        model, run, tmp_path, monkeypatch):
    """The second reads copies of the recordings in smaller batches."""
    for path in (model / "study").rglob("*.edf"):
        target = tmp_path / "copy" / path.relative_to(model / "study")
        target.parent.mkdir(parents=True)
        target.write_bytes(path.read_bytes())
    monkeypatch.setenv("AURA_BATCH_SIZE", "1")
    run("train", tmp_path / "copy", "--out", tmp_path / "m")
    one, two = (json.loads((folder / "card.json").read_bytes())
                for folder in (model / "model", tmp_path / "m"))
    assert one["model_id"] == two["model_id"]
    for card in (one, two):
        assert card.pop("created")
    assert one == two


def test_event_files_are_bids_and_have_background_rows(model, run, tmp_path):
    record(tmp_path / "in/a/calm.edf", 200, seizure=None)
    record(tmp_path / "in/b/c/ill.edf", seed=8, seizure=(300, 60))
    run("predict", tmp_path / "in", "--model", model / "model",
        "--out", tmp_path / "p")
    calm = (tmp_path / "p/a/calm.tsv").read_text().splitlines()
    assert calm == [
        HEAD,
        "0.00\t200.00\tbckg\tn/a\tECG\t2021-03-02 10:20:30\t200.00"]
    ill = (tmp_path / "p/b/c/ill.tsv").read_text().splitlines()
    assert ill[0] == HEAD
    (row,) = [line.split("\t") for line in ill[1:]]
    assert row[2] == "sz" and row[4:] == [
        "ECG", "2021-03-02 10:20:30", "600.00"]
    assert 300 <= float(row[0]) <= 360 and 0 < float(row[3]) <= 1


def test_predict_keeps_the_files_that_review_needs(model, run, tmp_path):
    run("predict", model / "study", "--model", model / "model",
        "--out", tmp_path / "p")
    hidden = tmp_path / "p/.aura"
    assert json.loads((hidden / "inputs.json").read_bytes()) == {
        "0": str(model / "study")}
    assert (hidden / "model.json").read_bytes() == (
        model / "model/card.json").read_bytes()
    batch = hidden / "runs/local/batches/0000"
    assert {path.name for path in batch.iterdir()} == {
        "manifest.json", "features.json", "predictions.json",
        "beats.parquet", "features.parquet", "predictions.parquet"}
    (entry, *_) = json.loads(
        (batch / "predictions.json").read_bytes())["recordings"]
    assert entry["path"] == "p1/rec.edf"
    assert len(entry["recording"]["sha256"]) == 64
    assert entry["recording"]["events"][0]["onset_s"] == 280.0
    assert not list(hidden.rglob("*.tsv"))


def test_predict_again_gives_the_same_bytes(model, run, tmp_path):
    arguments = ("predict", model / "study", "--model", model / "model",
                 "--out", tmp_path / "p")
    run(*arguments)
    before = content(tmp_path / "p")
    assert run(*arguments)[0] == 0
    assert content(tmp_path / "p") == before


def test_predict_takes_files_and_several_folders(model, run, tmp_path):
    record(tmp_path / "one/sub/x.edf", 120, seizure=None)
    record(tmp_path / "two/y.edf", 120, seizure=None)
    (tmp_path / "raw").write_bytes((tmp_path / "two/y.edf").read_bytes())
    code, _, err = run(
        "predict", tmp_path / "one", tmp_path / "two/y.edf",
        tmp_path / "raw", "--model", model / "model", "--out",
        tmp_path / "p")
    assert (code, err) == (0, "")
    assert sorted(path for path in content(tmp_path / "p")
                  if not path.startswith(".aura")) == [
        "raw.tsv", "sub/x.tsv", "y.tsv"]


def test_recordings_of_the_same_name_are_not_overwritten(
        model, run, tmp_path):
    for name in ("one", "two"):
        record(tmp_path / name / "x.edf", 60, seizure=None)
    code, _, err = run(
        "predict", tmp_path / "one", tmp_path / "two", "--model",
        model / "model", "--out", tmp_path / "p")
    assert code == 2 and "predict.same_name" in err
    assert [path for path in content(tmp_path / "p")
            if path.endswith(".tsv")] == ["x.tsv"]
    inputs = json.loads((tmp_path / "p/.aura/inputs.json").read_bytes())
    assert inputs["0"] == str(tmp_path / "one")


def test_inputs_that_are_missing_or_empty_do_not_stop_the_others(
        model, run, tmp_path):
    record(tmp_path / "in/x.edf", 60, seizure=None)
    (tmp_path / "empty").mkdir()
    code, _, err = run(
        "predict", tmp_path / "no", tmp_path / "empty", tmp_path / "in",
        "--model", model / "model", "--out", tmp_path / "p")
    assert code == 2 and (tmp_path / "p/x.tsv").exists()
    assert "path.missing" in err and "path.no_recordings" in err
    code, _, err = run(
        "predict", tmp_path / "empty", "--model", model / "model", "--out",
        tmp_path / "q")
    assert code == 1 and "path.no_recordings" in err
    assert not (tmp_path / "q").exists()


def test_a_second_prediction_deletes_only_unedited_files(
        model, run, tmp_path):
    for name in ("gone", "kept", "edited"):
        record(tmp_path / f"in/{name}.edf", 60, seizure=None)
    again = ("predict", tmp_path / "in", "--model", model / "model", "--out",
             tmp_path / "p")
    assert run(*again)[0] == 0
    with open(tmp_path / "p/edited.tsv", "ab") as stream:
        stream.write(b"10.00\t5.00\tsz\tn/a\tECG\tn/a\t60.00\n")
    for name in ("gone", "edited"):
        (tmp_path / f"in/{name}.edf").unlink()
    assert run(*again)[0] == 0
    assert [path for path in content(tmp_path / "p")
            if path.endswith(".tsv")] == ["edited.tsv", "kept.tsv"]


def test_an_interrupted_prediction_leaves_the_earlier_one(
        model, run, tmp_path, monkeypatch):
    record(tmp_path / "in/x.edf", 60, seizure=None)
    again = ("predict", tmp_path / "in", "--model", model / "model", "--out",
             tmp_path / "p")
    assert run(*again)[0] == 0
    before = content(tmp_path / "p")
    killed = tmp_path / f"p/{PARTIAL}x.tsv"
    killed.write_bytes(b"onset")
    os.utime(killed, (1, 1))

    def interrupted(*_):
        raise KeyboardInterrupt
    monkeypatch.setattr(
        "aura.stages.feature_builder.FeatureStage.build", interrupted)
    assert run(*again)[0] == 130
    assert content(tmp_path / "p") == before


def test_figures_are_beside_event_files(model, run, tmp_path):
    code, *_ = run(
        "predict", model / "study/p1", "--model", model / "model", "--out",
        tmp_path / "p", "--pictures")
    assert code == 0
    assert (tmp_path / "p/rec.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("name, file", [
    ("8 Hz", File().with_channel(digital=heart(60, 8))),
    ("noise", File().with_channel(digital=noise(60, 256)))])
def test_an_unscorable_recording_has_a_warning_and_no_events(
        model, run, tmp_path, name, file):
    (tmp_path / "r.edf").write_bytes(file.bytes())
    code, out, err = run("predict", tmp_path / "r.edf", "--model",
                         model / "model", "--out", tmp_path / "p")
    assert code == 0
    assert "signal.unscorable" in err
    assert "of which 0 s could be scored" in out
    assert "\n0.00\t0.00\tbckg\tn/a\t" in (
        tmp_path / "p/r.tsv").read_text()
    (tmp_path / "r.tse_bi").write_text(
        "version = tse_v1.0.0\n\n0.0000 30.0000 bckg 1.0000\n"
        "30.0000 40.0000 seiz 1.0000\n40.0000 60.0000 bckg 1.0000\n")
    code, out, err = run("score", tmp_path, tmp_path / "p", "--json")
    found = json.loads(out)["pooled"]["events"]
    assert code == 0 and "score.unscorable" in err
    assert (found["ref_true"], found["tp"], found["hours"]) == (1, 0, 0)
    code, _, err = run("convert", tmp_path / "p/r.tsv", "--to", "csv_bi",
                       "--out", tmp_path / "c")
    assert "convert.no_truth" in err and not (tmp_path / "c/r.csv_bi").exists()


def test_seventeen_seconds_are_short_and_not_poor(model, run, tmp_path):
    (tmp_path / "r.edf").write_bytes(
        File().with_channel(digital=heart(17, 256)).bytes())
    code, _, err = run("predict", tmp_path / "r.edf", "--model",
                       model / "model", "--out", tmp_path / "p")
    assert code == 0
    assert "recording.short" in err and "signal.poor" not in err


def test_a_microvolt_recording_predicts_as_its_millivolt_twin(
        model, run, tmp_path):
    digital = heart(120, 256)
    for name, unit, limit in (("mv", "mV", "5"), ("uv", "uV", "5000")):
        (tmp_path / f"{name}.edf").write_bytes(File((Channel(
            unit=unit, physical=(f"-{limit}", limit), digital=digital
        ),)).bytes())
    run("predict", tmp_path, "--model", model / "model",
        "--out", tmp_path / "p")
    assert (tmp_path / "p/mv.tsv").read_text() == (
        tmp_path / "p/uv.tsv").read_text()
