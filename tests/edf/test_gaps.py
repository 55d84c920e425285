"""Recordings with gaps, on their own clock."""

from datetime import datetime

import numpy as np
import pytest

from aura.dataset import assemble, find
from aura.ecg.beats import find_beats, joined
from aura.edf.gaps import GappedSignal
from aura.folder import Folder
from aura.recording import ArraySignal, Beats
from aura.stages.feature_builder import beats_of
from aura.synthetic.waveform import ecg
from tests.edf_builder import Channel, heart, plus, tal

RATE = 256


def store(folder, file):
    (folder / "r.edf").write_bytes(file.bytes())
    inside = Folder(folder)
    (candidate,) = find.recordings(inside)
    return inside, assemble.recording(inside, candidate)


def gapped(onsets, texts=(), rate=RATE, samples=None, kind="EDF+D"):
    digital = heart(len(onsets), rate) if samples is None else samples
    return plus(onsets, texts, kind=kind, channels=(
        Channel(digital=digital),))


@pytest.mark.parametrize("kind, rule", [
    ("EDF+D", "edf.gaps"), ("EDF+C", "edf.record_onset")])
def test_samples_follow_the_onset_of_their_record_and_gaps_are_nan(
        tmp_path, kind, rule):
    digital = np.arange(6 * 4).reshape(6, 4)
    folder, recording = store(tmp_path, gapped(
        [0, 1, 2, 7.5, 8.5, 20], rate=4, samples=digital, kind=kind))
    assert recording.duration_s == 21
    assert [p.rule for p in recording.problems][0] == rule
    assert "2 gaps, 15 s" in recording.problems[0].text
    with assemble.open_signal(folder, recording) as signal:
        assert isinstance(signal, GappedSignal)
        whole = signal.read(0, signal.sample_count)
        mv = -5 + (digital.ravel() + 32768) * 10 / 65535
        expected = np.full(84, np.nan)
        for place, first, count in ((0, 0, 12), (30, 12, 8), (80, 20, 4)):
            expected[place:place + count] = mv[first:first + count]
        np.testing.assert_allclose(whole, expected)
        for start, stop in ((0, 0), (11, 31), (13, 29), (37, 84), (84, 84)):
            np.testing.assert_array_equal(
                signal.read(start, stop), whole[start:stop])
        with pytest.raises(ValueError, match="not inside"):
            signal.read(80, 85)


def test_a_recording_that_starts_late_has_the_start_of_its_first_record(
        tmp_path):
    _, late = store(tmp_path, gapped(range(4000, 4060), kind="EDF+C"))
    assert late.start == datetime(2021, 3, 2, 11, 27, 10)
    assert late.duration_s == 60


def test_gaps_count_in_the_times_of_annotations(tmp_path):
    _, recording = store(tmp_path, gapped(
        [*range(30), *range(125, 155)], [tal(130, 20, "seizure")]))
    assert [(e.onset_s, e.end_s) for e in recording.events] == [(130, 150)]
    assert recording.duration_s == 155


@pytest.mark.parametrize("gap_s", [0.4, 2.0, 95.0])
def test_no_beat_is_detected_across_a_gap(tmp_path, gap_s):
    made = ecg(240, seed=3)
    digital = np.round(made.samples / 5 * 32767).astype(int).reshape(
        240, RATE)
    onsets = [*range(120), *(120 + gap_s + i for i in range(120))]
    folder, recording = store(tmp_path, gapped(onsets, samples=digital))
    found = beats_of(folder, recording)
    lost = found.unscorable
    assert any(start <= 120 and end >= 120 + gap_s - 1e-9
               for start, end in lost)
    assert not np.any((found.time_s > 120) & (found.time_s < 120 + gap_s))
    # Each part has the beats that it has alone, moved to its place.
    for begin, piece in ((0, digital[:120]), (120 + gap_s, digital[120:])):
        alone = find_beats(ArraySignal(
            -5 + (piece.ravel() + 32768) * 10 / 65535, RATE, (-5.0, 5.0)))
        inside = (found.time_s >= begin) & (found.time_s < begin + 120)
        np.testing.assert_allclose(
            found.time_s[inside] - begin, alone.time_s, atol=2e-6)


def test_edf_d_without_a_gap_is_read_as_continuous(tmp_path):
    folder, recording = store(tmp_path, gapped(range(60)))
    assert recording.problems == ()
    with assemble.open_signal(folder, recording) as signal:
        assert not isinstance(signal, GappedSignal)


def test_time_outside_all_parts_is_unscorable():
    part = Beats(np.array([1.0, 2.0]), 3.0, np.array([[0.0, 0.5]]))
    found = joined([(0.0, part), (10.0, part)], 13.0)
    assert found.time_s.tolist() == [1, 2, 11, 12]
    assert found.unscorable.tolist() == [[0, 0.5], [3, 10.5]]


def test_a_replaced_recording_with_other_gaps_is_not_opened(tmp_path):
    folder, recording = store(tmp_path, gapped([0, 1, 5, 6]))
    (tmp_path / "r.edf").write_bytes(gapped([0, 1, 7, 8]).bytes())
    with pytest.raises(Exception, match="recording.changed"), \
            assemble.open_signal(folder, recording):
        pass
