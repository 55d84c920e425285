"""One recording that is there as waveform and as beats."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from aura.dataset import beat_files, duplicates, find
from aura.errors import AuraError
from aura.folder import Folder
from aura.recording import ArraySignal
from aura.synthetic.waveform import ecg
from tests.edf_builder import Channel, plus

RATE = 128


@pytest.fixture(scope="module")
def hearts():
    """Three people's ten minutes of ECG, with its true beats."""
    return [ecg(600, seed=seed) for seed in (1, 2, 3)]


def waveform(path, heart, patient="P1"):
    digital = np.round(heart.samples[::2] / 5 * 32767).astype(int)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(plus(
        range(600), patient=f"{patient} X X X", channels=(Channel(
            digital=digital.reshape(600, RATE)),)).bytes())


def beats(path, heart, shift_s=0.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(beat_files.write(heart.beat_time_s + shift_s))


def intervals(path, heart):
    path.parent.mkdir(parents=True, exist_ok=True)
    rr = np.diff(heart.beat_time_s) * 1000
    path.write_text("\n".join(["rr_ms", *(f"{x:.0f}" for x in rr), ""]))


def resolved(folder, prefer=""):
    inside = Folder(folder)
    found = duplicates.resolve(
        [(inside, one) for one in find.recordings(inside)], prefer)
    return {one.path: one.problem.rule if one.problem else "" for one in found}


TWICE, OTHER = "recording.two_forms", "recording.other_form"


def test_the_same_name_in_one_folder_is_one_recording(tmp_path, hearts):
    waveform(tmp_path / "r.edf", hearts[0])
    beats(tmp_path / "r.beats.csv", hearts[1])
    intervals(tmp_path / "q.rr.csv", hearts[2])
    assert resolved(tmp_path) == {
        "r.edf": TWICE, "r.beats.csv": TWICE, "q.rr.csv": ""}


def test_a_file_that_is_there_by_two_ways_is_used_once(tmp_path, hearts):
    beats(tmp_path / "b/r.beats.csv", hearts[0])
    (tmp_path / "a.beats.csv").symlink_to("b/r.beats.csv")
    assert resolved(tmp_path) == {
        "a.beats.csv": "recording.twice", "b/r.beats.csv": ""}
    whole, part = Folder(tmp_path), Folder(tmp_path / "b")
    found = [(folder, one) for folder in (whole, part, part)
             for one in find.recordings(folder)]
    used = [one.path for one in duplicates.resolve(found)
            if one.problem is None]
    assert used == ["b/r.beats.csv"]


def test_matching_beats_of_one_patient_are_one_recording(tmp_path, hearts):
    for number, heart in enumerate(hearts):
        waveform(tmp_path / f"ecg/sub-01/run{number}.edf", heart)
        beats(tmp_path / f"strap/sub-01/walk{number}.csv", heart)
    waveform(tmp_path / "ecg/sub-02/other.edf", hearts[0])
    found = resolved(tmp_path)
    assert found.pop("ecg/sub-02/other.edf") == ""
    assert set(found.values()) == {TWICE}


@pytest.mark.parametrize("prefer, used", [
    ("ecg", "a/r.edf"), ("beats", "b/r.beats.csv"), ("rr", "c/r.rr.csv")])
def test_what_is_preferred_is_used(tmp_path, hearts, prefer, used):
    waveform(tmp_path / "a/r.edf", hearts[0])
    beats(tmp_path / "b/r.beats.csv", hearts[0])
    intervals(tmp_path / "c/r.rr.csv", hearts[0])
    found = resolved(tmp_path, prefer)
    assert [path for path, rule in found.items() if not rule] == [used]
    assert set(found.values()) == {"", OTHER}


def test_intervals_start_at_their_first_beat_wherever_that_is(
        tmp_path, hearts):
    waveform(tmp_path / "a/r.edf", hearts[0])
    intervals(tmp_path / "b/r.rr.csv", hearts[0])
    assert set(resolved(tmp_path).values()) == {TWICE}


def test_other_beats_of_the_same_patient_are_another_recording(
        tmp_path, hearts):
    waveform(tmp_path / "a/sub-01.edf", hearts[0])
    beats(tmp_path / "b/sub-01.csv", hearts[1])
    beats(tmp_path / "c/sub-01.beats.csv", hearts[0], shift_s=0.5)
    intervals(tmp_path / "d/sub-01.rr.csv", hearts[2])
    assert set(resolved(tmp_path).values()) == {""}


@pytest.mark.parametrize("first", [0, 85, 170])
def test_beats_are_recognised_if_most_of_them_fit(tmp_path, hearts, first):
    heart, other = hearts[:2]
    waveform(tmp_path / "a/sub-01.edf", heart)
    inside = [(first <= one.beat_time_s) & (one.beat_time_s < first + 430)
              for one in hearts[:2]]
    (tmp_path / "b").mkdir()
    (tmp_path / "b/sub-01.csv").write_bytes(beat_files.write(np.sort(
        np.concatenate([heart.beat_time_s[inside[0]],
                        other.beat_time_s[~inside[1]]]))))
    assert set(resolved(tmp_path).values()) == {TWICE}


@given(st.integers(0, 10**6))
@settings(max_examples=150, deadline=None)
def test_two_short_excerpts_never_rule_out_what_all_excerpts_find(
        hearts, seed):
    rng = np.random.default_rng(seed)
    heart = hearts[rng.integers(3)]
    step = int(rng.choice([1, 2, 4]))  # Another sampling rate
    fs_hz = heart.fs_hz / step
    start = int(rng.uniform(0, 280) * fs_hz)
    stop = start + int(rng.uniform(30, 300) * fs_hz)
    samples = heart.samples[::step][start:stop]
    signal = ArraySignal(samples + rng.uniform(0, 0.2)
                         * rng.standard_normal(len(samples)), fs_hz)
    kept = rng.random(len(heart.beat_time_s)) >= rng.uniform(0, 0.2)
    beats_s = heart.beat_time_s[kept] - start / fs_hz
    beats_s = beats_s[beats_s < rng.uniform(60, 400)]  # A cut end
    beats_s = np.sort(beats_s + rng.uniform(0, 0.04) * rng.uniform(
        -1, 1, len(beats_s)))
    found = duplicates.belong(
        duplicates.excerpts(signal), beats_s, np.zeros(1))
    assert not found or all(
        duplicates.may_belong(signal, beats_s, places)
        for places in duplicates.GLANCES)


def test_two_short_excerpts_rule_out_most_other_beats(hearts):
    signals = [ArraySignal(one.samples, one.fs_hz) for one in hearts]
    ruled_out = [
        not duplicates.may_belong(signal, other.beat_time_s + shift, places)
        for signal, other in zip(signals, hearts[1:] + hearts[:1])
        for shift in range(20) for places in duplicates.GLANCES]
    assert np.mean(ruled_out) > 0.8


def test_one_form_alone_is_never_two(tmp_path, hearts):
    beats(tmp_path / "a/r.csv", hearts[0])
    beats(tmp_path / "b/r.beats.csv", hearts[0])
    assert set(resolved(tmp_path).values()) == {""}


def test_a_file_at_fault_is_left_to_the_reader(tmp_path, hearts):
    (tmp_path / "r.edf").write_bytes(b"no recording")
    beats(tmp_path / "sub/r.beats.csv", hearts[0])
    (tmp_path / "sub/x.beats.csv").write_bytes(b"beat_time_s\nnow\n")
    assert set(resolved(tmp_path).values()) == {""}


def test_a_preference_that_is_none_is_refused(tmp_path):
    with pytest.raises(AuraError, match="settings.prefer: .*'best'.*ecg"):
        duplicates.resolve([], "best")


def test_all_of_szdb_and_mitdb_is_recognised_and_nothing_else(data_dir):
    folder = Folder(data_dir)
    found = [(folder, one) for part in ("szdb", "szdb-rr", "mitdb",
                                        "mitdb-beats", "nsr2db")
             for one in find.recordings(folder, part)]
    once = duplicates.resolve(found)
    twice = {one.path.split("/")[0] for one in once if one.problem}
    assert twice == {"szdb", "szdb-rr", "mitdb", "mitdb-beats"}
    assert sum(one.problem is not None for one in once) == 5 + 5 + 8 + 8
