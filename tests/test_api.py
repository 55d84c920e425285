"""The public names: their surface, their examples, what they refuse."""

import doctest
import io
import os
import pickle
import subprocess
import sys
from dataclasses import fields, is_dataclass
from importlib import import_module
from inspect import signature

import numpy as np
import pytest

import aura
from aura.errors import InvalidInputError, MissingError
from tests.patients import record

# Whoever changes a line here changes what notebooks of others rely on:
# CHANGELOG.md tells them.
SURFACE = {
    "AuraError": "rule text fix",
    "Beats": "time_s duration_s unscorable",
    "Detection": "beats features probability smoothed threshold events",
    "Event": "onset_s duration_s label confidence",
    "Model": "forest schema_id features units hop_s windows_s alarm settings "
             "card",
    "Recording": "path patient channels channel channel_index unit fs_hz "
                 "duration_s start events annotation_source sha256 problems "
                 "signal beats",
    "detect": "source model fs_hz adapt_after_h",
    "evaluate": "recordings detectors target_far seed hop_s",
    "features": "source fs_hz hop_s",
    "find_beats": "source fs_hz",
    "load_model": "folder",
    "read": "source ecg_channel alias_key strict",
    "save_model": "folder model created",
    "score": "reference hypothesis duration_s rules",
    "simulate": "duration_s seizures seed patient",
    "train": "recordings target_far seed hop_s adapt_after_h",
}


def test_the_surface_is_the_documented_one():
    assert sorted(aura.__all__) == sorted(SURFACE)
    assert set(dir(aura)) == {*SURFACE, "__version__"}
    for name, parameters in SURFACE.items():
        public = getattr(aura, name)
        assert public.__name__ == name
        assert " ".join(signature(public).parameters) == parameters
        if is_dataclass(public):
            assert [one.name for one in fields(public)] == parameters.split()


@pytest.mark.parametrize("name", SURFACE)
def test_each_public_name_has_an_example_that_runs(name):
    public = getattr(aura, name)
    found, = doctest.DocTestFinder(recurse=False).find(
        public, name, globs=vars(import_module(public.__module__)).copy())
    assert found.examples and public.__doc__.count("\n") > 5
    report = io.StringIO()
    assert not doctest.DocTestRunner(verbose=False).run(
        found, out=report.write).failed, report.getvalue()


def test_an_import_changes_nothing_and_loads_no_library():
    code = ("import os, sys; before = dict(os.environ); import aura;"
            "assert dict(os.environ) == before; print(*sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], text=True,
                          capture_output=True, check=True)
    assert not {"numpy", "scipy", "sklearn", "grpc"} & set(
        done.stdout.split())


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        aura.no_such_name


@pytest.fixture(scope="module")
def model():
    return aura.train([aura.simulate(1200, seizures=[(600, 60)], seed=seed)
                       for seed in (1, 2)])


def test_samples_beats_signal_and_recording_give_the_same(model):
    night = aura.simulate(1200, seizures=[(800, 60)], seed=99)
    whole = aura.detect(night, model)
    assert len(whole.events) == 1
    for other in (aura.detect(night.samples(), model, night.fs_hz),
                  aura.detect(night.signal, model),
                  aura.detect(aura.find_beats(night), model)):
        assert other.events == whole.events
        assert np.array_equal(other.smoothed, whole.smoothed, equal_nan=True)


def test_a_path_and_a_file_object_give_the_same(tmp_path):
    path = tmp_path / "patient" / "night.edf"
    path.parent.mkdir()
    record(path, seconds=120, seizure=(60, 20))
    named = aura.read(path)
    with open(path, "rb") as stream:
        unnamed = aura.read(stream)
    assert named.events == unnamed.events != ()
    assert np.array_equal(named.samples(), unnamed.samples())
    again = pickle.loads(pickle.dumps(named))
    assert np.array_equal(named.samples(), again.samples())
    assert len(named.samples(10, 12)) == 2 * named.fs_hz
    assert np.array_equal(aura.find_beats(named).time_s,
                          aura.find_beats(unnamed).time_s)


def test_a_file_of_beats_is_a_recording(tmp_path):
    path = tmp_path / "strap.csv"
    times = np.arange(0, 90, .8)
    path.write_text("beat_time_s\n" + "\n".join(map(str, times)))
    strap = aura.read(path)
    assert strap.signal is None
    assert np.allclose(aura.find_beats(strap).time_s, times)
    with pytest.raises(InvalidInputError, match="recording.no_signal"):
        strap.samples()


def test_a_file_that_changes_meanwhile_is_told(tmp_path):
    path = tmp_path / "patient" / "night.edf"
    path.parent.mkdir()
    record(path, seconds=120)
    night = aura.read(path)
    record(path, seconds=180)
    with pytest.raises(aura.AuraError, match="recording.changed"):
        aura.find_beats(night)


@pytest.mark.parametrize("source, rule", [
    ("", "recording.folder"), ("no.edf", "path.missing"),
    ("notes.txt", "edf.header.truncated"),
    (io.BytesIO(b""), "beats.header"), (io.StringIO("text"), "recording.text"),
    (7, "recording.source")])
def test_what_is_no_recording_is_refused(source, rule, tmp_path):
    (tmp_path / "notes.txt").write_text("not a recording")
    if isinstance(source, str):
        source = tmp_path / source
    with pytest.raises((InvalidInputError, MissingError)) as caught:
        aura.read(source)
    assert caught.value.rule == rule
    assert not [name for name in os.listdir(tmp_path) if name != "notes.txt"]


@pytest.mark.parametrize("given, rule", [
    (([[1., 2.]], 256), "signal.shape"), ((np.zeros(99),), "signal.rate"),
    ((np.zeros(99), -1), "signal.rate"), ((np.zeros(99), np.nan),
                                          "signal.rate"),
    (("night.edf", 256), "signal.array"), ((None, 256), "signal.shape")])
def test_what_is_no_signal_is_refused(given, rule):
    with pytest.raises(InvalidInputError) as caught:
        aura.find_beats(*given)
    assert caught.value.rule == rule


@pytest.mark.parametrize("hop_s", [0, -1, np.nan, np.inf])
def test_an_impossible_hop_is_refused(hop_s):
    with pytest.raises(InvalidInputError, match="features.hop"):
        aura.features(aura.simulate(60), hop_s=hop_s)


def test_events_sort_with_and_without_a_confidence():
    bare, sure, early = (aura.Event(5, 1), aura.Event(5, 1, confidence=.5),
                         aura.Event(2, 9, confidence=0.))
    assert sorted([sure, bare, early]) == [early, bare, sure]
    assert max(bare, sure) is sure
    with pytest.raises(TypeError):
        sorted([bare, 3])


def test_tables_have_one_row_per_hop(model):
    found = aura.detect(aura.simulate(300), model)
    frame = found.features.to_pandas()
    assert frame.shape == (300, len(found.features.columns()))
    assert frame["time_s"].iloc[-1] == 300
    arrow = found.to_arrow()
    assert arrow.num_rows == 300
    assert arrow.column_names == list(found.columns())
