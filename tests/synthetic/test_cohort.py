"""Synthetic patients as EDF+ and BDF+, read by pyedflib and edfio."""

import hashlib

import edfio
import numpy as np
import pyedflib
import pytest

from aura.errors import InvalidInputError, ResourceError
from aura.synthetic.cohort import write_cohort, write_edf
from aura.synthetic.heart import Surge
from aura.synthetic.waveform import Sensor, ecg
from tests.full_disk import disk_of

SEIZURE = Surge(20, 12.5, 40, 5, 30, True)


@pytest.mark.parametrize("ending, step_mv", [("edf", 10 / 65535),
                                             ("bdf", 10 / 16777215)])
def test_samples_and_seizures_read_back(tmp_path, ending, step_mv):
    recording = ecg(61, surges=(SEIZURE,))
    path = write_edf(tmp_path / f"one.{ending}", recording, patient="p1")
    with pyedflib.EdfReader(str(path)) as reader:
        assert reader.getLabel(0) == "ECG"
        assert reader.getPhysicalDimension(0) == "mV"
        assert reader.getSampleFrequency(0) == 256
        assert reader.getPatientName() == "SYNTHETIC"
        assert "SYNTHETIC" in reader.getRecordingAdditional()
        samples = reader.readSignal(0)
        onset, duration, text = reader.readAnnotations()
    assert len(samples) == 61 * 256
    assert np.abs(samples - recording.samples).max() <= step_mv / 2 + 1e-12
    assert (list(onset), list(duration), list(text)) == (
        [20], [12.5], ["seizure"])


def test_another_reader_agrees(tmp_path):
    recording = ecg(61, surges=(SEIZURE,))
    file = edfio.read_edf(write_edf(tmp_path / "one.edf", recording))
    assert np.allclose(file.signals[0].data, recording.samples, atol=1e-4)
    assert [tuple(mark) for mark in file.annotations] == [
        edfio.EdfAnnotation(20, 12.5, "seizure")]


def test_the_last_unfinished_second_is_left_out(tmp_path):
    path = write_edf(tmp_path / "one.edf", ecg(12.7))
    with pyedflib.EdfReader(str(path)) as reader:
        assert reader.getFileDuration() == 12
    assert "12.0000 bckg" in path.with_suffix(".tse_bi").read_text()


def test_a_cohort_is_the_same_bytes_each_time(tmp_path):
    def digests(folder):
        write_cohort(folder, patients=2, hours=.2, seed=3)
        return {str(path.relative_to(folder)):
                hashlib.sha256(path.read_bytes()).hexdigest()
                for path in sorted(folder.rglob("*.*"))}
    one = digests(tmp_path / "one")
    assert one == digests(tmp_path / "two")
    assert list(one) == [
        "synthetic01/rec1.edf", "synthetic01/rec1.tse_bi",
        "synthetic02/rec1.edf", "synthetic02/rec1.tse_bi"]
    assert len(set(one.values())) == 4


def test_every_synthetic_patient_has_a_seizure(tmp_path):
    for path in write_cohort(tmp_path, patients=4, hours=.25):
        assert "seiz" in path.with_suffix(".tse_bi").read_text()


@pytest.mark.parametrize("recording", [
    ecg(10, sensor=Sensor(fs_hz=200.5)), ecg(.5)])
def test_too_short_or_with_a_fractional_rate_is_an_error(tmp_path, recording):
    with pytest.raises(InvalidInputError, match="synthetic.edf"):
        write_edf(tmp_path / "one.edf", recording)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("patients", [0, 100])
def test_an_impossible_number_of_patients_is_an_error(tmp_path, patients):
    with pytest.raises(InvalidInputError, match="synthetic.patients"):
        write_cohort(tmp_path, patients=patients)


def test_a_file_cut_by_a_full_disk_never_takes_its_name(tmp_path):
    write_edf(tmp_path / "one.edf", ecg(20, seed=1))
    before = (tmp_path / "one.edf").read_bytes()
    with disk_of(len(before) - 1), pytest.raises(
            ResourceError, match="disk.full"):
        write_edf(tmp_path / "one.edf", ecg(20, seed=2))
    assert (tmp_path / "one.edf").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2
