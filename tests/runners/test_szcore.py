"""SzCORE's command: one EDF in, one event file out, whatever is in it."""

import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pyedflib
import pytest
import yaml
from timescoring import scoring
from timescoring.annotations import Annotation

from aura.runners import local, szcore
from aura.settings import Settings
from aura.synthetic.cohort import write_cohort, write_edf
from aura.synthetic.waveform import ecg

ROOT = Path(__file__).parents[2]
COLUMNS = ["onset", "duration", "eventType", "confidence", "channels",
           "dateTime", "recordingDuration"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("szcore")
    write_cohort(folder / "study", patients=3, hours=.25, seed=1)
    report, _ = local.train([folder / "study"], folder / "model", Settings())
    assert report.model_path
    return folder / "model"


@pytest.fixture(scope="module")
def seizure(tmp_path_factory):
    """A patient of the same kind that the model has never seen."""
    folder = tmp_path_factory.mktemp("other")
    write_cohort(folder, patients=1, hours=.25, seed=7)
    return next(folder.rglob("*.edf"))


def eeg(path, seconds=75, channels=("Fp1-Avg", "F3-Avg")):
    """What SzCORE's own check sends: an EEG without an ECG."""
    writer = pyedflib.EdfWriter(str(path), len(channels))
    rng = np.random.default_rng(0)
    for index, label in enumerate(channels):
        writer.setSignalHeader(index, {
            "label": label, "dimension": "uV", "sample_frequency": 256,
            "physical_min": -800., "physical_max": 800.,
            "digital_min": -32768, "digital_max": 32767,
            "transducer": "", "prefilter": ""})
    writer.setStartdatetime(datetime(2016, 11, 6, 13, 43, 4))
    writer.writeSamples([rng.normal(0, 30, seconds * 256)
                         for _ in channels])
    writer.close()
    return path


def run(monkeypatch, model, source, target):
    monkeypatch.setenv("AURA_MODEL", str(model))
    return szcore.main([str(source), str(target)])


def rows(path, duration_s, start=r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"):
    """The rows of a file, each as the contract has it."""
    lines = path.read_text().splitlines()
    assert lines[0].split("\t") == COLUMNS
    found = []
    for line in lines[1:]:
        onset, duration, kind, confidence, _, when, length = line.split("\t")
        assert float(length) == duration_s
        assert re.fullmatch(start, when)
        assert kind in ("sz", "bckg")
        assert confidence == "n/a" or 0 <= float(confidence) <= 1
        assert 0 <= float(onset) <= float(onset) + float(duration) <= (
            duration_s)
        found.append((float(onset), float(duration), kind))
    return found


def test_seizures_are_those_of_aura_predict(
        monkeypatch, model, seizure, tmp_path, capsys):
    assert run(monkeypatch, model, seizure, tmp_path / "out.tsv") == 0
    found = rows(tmp_path / "out.tsv", 900)
    assert found and {kind for *_, kind in found} == {"sz"}
    local.predict([seizure], model, tmp_path / "predicted", Settings())
    same, = (path for path in (tmp_path / "predicted").rglob("*.tsv")
             if ".aura" not in path.parts)
    assert same.read_bytes() == (tmp_path / "out.tsv").read_bytes()
    # SzCORE's own scorer takes it, and finds what was planted.
    truth = [tuple(map(float, line.split()[:2])) for line in
             seizure.with_suffix(".tse_bi").read_text().splitlines()
             if "seiz" in line]
    scored = scoring.EventScoring(
        Annotation(truth, 10, 9000),
        Annotation([(a, a + b) for a, b, _ in found], 10, 9000))
    assert scored.tp >= 1


def test_a_recording_without_an_ecg_is_background(
        monkeypatch, model, tmp_path, capsys):
    source = eeg(tmp_path / "unipolar.edf")
    assert run(monkeypatch, model, source, tmp_path / "out.tsv") == 0
    assert rows(tmp_path / "out.tsv", 75, "2016-11-06 13:43:04") == [
        (0, 0, "bckg")]
    told = capsys.readouterr()
    assert told.out == ""
    assert "warning: unipolar.edf: ecg.missing" in told.err


def test_an_ecg_that_cannot_be_scored_is_background_with_a_warning(
        monkeypatch, model, tmp_path, capsys):
    source = eeg(tmp_path / "noise.edf", channels=("ECG",))
    assert run(monkeypatch, model, source, tmp_path / "out.tsv") == 0
    assert rows(tmp_path / "out.tsv", 75) == [(0, 0, "bckg")]
    assert "signal.unscorable" in capsys.readouterr().err


def test_the_hop_of_the_model_counts_and_not_the_environment(
        monkeypatch, model, seizure, tmp_path):
    assert run(monkeypatch, model, seizure, tmp_path / "one.tsv") == 0
    monkeypatch.setenv("AURA_HOP_S", "2")
    assert run(monkeypatch, model, seizure, tmp_path / "two.tsv") == 0
    assert (tmp_path / "one.tsv").read_bytes() == (
        tmp_path / "two.tsv").read_bytes()


@pytest.mark.parametrize("spoil, rule", [
    (lambda content: content[:300], "edf.header"),
    (lambda content: b"not an EDF" * 99, "edf."),
    (lambda content: content[:1000], "edf.truncated")])
def test_a_damaged_recording_is_an_error_and_no_output(
        monkeypatch, model, seizure, tmp_path, capsys, spoil, rule):
    source = tmp_path / "bad.edf"
    source.write_bytes(spoil(seizure.read_bytes()))
    assert run(monkeypatch, model, source, tmp_path / "out.tsv") == 1
    assert rule in capsys.readouterr().err
    assert not (tmp_path / "out.tsv").exists()


def test_a_folder_is_no_input_and_the_recording_no_output(
        monkeypatch, model, seizure, tmp_path, capsys):
    source = tmp_path / "a.edf"
    source.write_bytes(seizure.read_bytes())
    for given, target, rule in (
            (tmp_path, tmp_path / "out.tsv", "szcore.input"),
            (source, source, "szcore.output")):
        assert run(monkeypatch, model, given, target) == 1
        assert rule in capsys.readouterr().err
    assert source.read_bytes() == seizure.read_bytes()
    assert [*tmp_path.iterdir()] == [source]


def test_nothing_is_read_but_the_model_that_is_named(
        monkeypatch, model, seizure, tmp_path, capsys):
    assert run(monkeypatch, tmp_path, seizure, tmp_path / "out.tsv") == 1
    text = capsys.readouterr().err
    assert "szcore.model" in text and "AURA_MODEL" in text
    assert "/model" in text
    monkeypatch.delenv("AURA_MODEL")
    monkeypatch.setattr(szcore, "BAKED", model)
    assert szcore.main([str(seizure), str(tmp_path / "out.tsv")]) == 0


def test_the_input_and_its_folder_are_only_read(
        monkeypatch, model, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    write_edf(folder / "a.edf", ecg(90.0, seed=1))
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    (tmp_path / "out").mkdir()
    assert run(monkeypatch, model, folder / "a.edf",
               tmp_path / "out" / "b.tsv") == 0
    assert before == {path: path.stat().st_mtime_ns
                      for path in folder.iterdir()}
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.tsv"]


def test_it_runs_as_a_module_and_says_how(model, tmp_path):
    source = eeg(tmp_path / "a.edf")
    done = subprocess.run(
        [sys.executable, "-m", "aura.runners.szcore", source,
         tmp_path / "b.tsv"],
        env={**os.environ, "AURA_MODEL": str(model)}, capture_output=True,
        text=True)
    assert (done.returncode, done.stdout) == (0, "")
    assert rows(tmp_path / "b.tsv", 75)
    said = subprocess.run(
        [sys.executable, "-m", "aura.runners.szcore", "--help"],
        capture_output=True, text=True)
    assert "example:" in said.stdout


def test_what_is_to_be_submitted_follows_the_schema():
    """Keys and patterns of config/schema.json of SzCORE's repository."""
    text = (ROOT / "szcore" / "algorithm.yaml").read_text()
    given = yaml.safe_load(text)
    needed = {"title", "short_title", "image", "authors", "license"}
    assert needed <= set(given) <= needed | {
        "abstract", "datasets", "date_released", "repository", "version"}
    assert all(value for value in given.values())
    assert len(given["short_title"]) <= 20
    assert re.fullmatch(r".+/.+:.+", given["image"])
    assert re.match(r"https?://", given["repository"])
    for person in given["authors"]:
        assert set(person) <= {
            "given_names", "family_names", "affiliation", "email"}
    # Their check greps the image from the start of a line.
    assert re.search(r"^image: ", text, re.M)
