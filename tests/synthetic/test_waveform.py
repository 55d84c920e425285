"""The synthetic ECG has the beats, seizures and faults it was given."""

import subprocess
import sys

import numpy as np
import pytest
import sleepecg

from aura.errors import InvalidInputError
from aura.recording import Event
from aura.synthetic.heart import Heart, Surge
from aura.synthetic.waveform import Sensor, ecg

STILL = Heart(hf_depth=0, lf_depth=0, drift_depth=0, ectopic_fraction=0)
CLEAN = Sensor(snr_db=np.inf, wander_mv=0, mains_mv=0)


def test_the_same_seed_gives_the_same_samples():
    assert np.array_equal(ecg(90, seed=4).samples, ecg(90, seed=4).samples)


def test_only_seizures_among_the_surges_are_annotated():
    surges = [Surge(onset_s, 60, 30, 15, 60, onset_s == 100)
              for onset_s in (100, 500)]
    assert ecg(900, surges=surges).seizures == (Event(100, 60, "sz"),)


def test_another_seed_gives_other_beats():
    one, two = ecg(90, seed=4), ecg(90, seed=5)
    assert not np.array_equal(one.beat_time_s[:50], two.beat_time_s[:50])


@pytest.mark.parametrize("start, stop", [
    (0, 1), (0, 5000), (255, 257), (15359, 15362), (9000, 20000),
    (46000, 46080), (700, 700)])
def test_a_segment_read_alone_equals_the_same_part_of_the_whole(start, stop):
    recording = ecg(180, seed=2, heart=Heart(ectopic_fraction=.1), faults=(
        Event(30, 5, "noise"), Event(60, 1, "flat")))
    whole = recording.samples
    assert np.array_equal(recording.read(start, stop), whole[start:stop])


def test_each_beat_has_a_clean_r_peak():
    recording = ecg(60, heart=STILL, sensor=CLEAN, surges=())
    samples = recording.samples
    at = np.round(recording.beat_time_s * recording.fs_hz).astype(int)
    at = at[(at > 5) & (at < len(samples) - 5)]
    assert len(at) > 55
    for index in at:
        around = samples[index - 5:index + 6]
        assert abs(int(np.argmax(around)) - 5) <= 1
        assert around.max() == pytest.approx(1, abs=.07)


def test_another_detector_finds_the_beats():
    recording = ecg(600, seed=8)
    found = sleepecg.detect_heartbeats(recording.samples, recording.fs_hz)
    distance = np.abs(found[:, None] / recording.fs_hz
                      - recording.beat_time_s).min(axis=0)
    assert (distance < .05).mean() > .99
    assert abs(len(found) - len(recording.beat_time_s)) <= 3


def test_interchanged_electrodes_invert_the_beats():
    upright = ecg(30, heart=STILL, sensor=CLEAN).samples
    turned = ecg(30, heart=STILL, sensor=Sensor(
        gain=-1, snr_db=np.inf, wander_mv=0, mains_mv=0)).samples
    assert np.allclose(upright, -turned)


@pytest.mark.parametrize("snr_db", [0, 10, 20])
def test_the_noise_has_the_power_asked_for(snr_db):
    noisy = Sensor(snr_db=snr_db, wander_mv=0, mains_mv=0)
    heart = Heart(60, .25, 0, 0, 0, 0)
    clean = ecg(600, heart=heart, sensor=CLEAN, surges=()).samples
    noise = ecg(600, heart=heart, sensor=noisy, surges=()).samples - clean
    power = np.mean(clean ** 2) / np.mean(noise ** 2)
    assert 10 * np.log10(power) == pytest.approx(snr_db, abs=1.5)


def test_faults_are_where_they_were_put():
    recording = ecg(60, faults=(
        Event(10, 5, "flat"), Event(20, 5, "saturated"),
        Event(30, 5, "noise")))
    samples, fs = recording.samples, 256
    assert np.ptp(samples[10 * fs:15 * fs]) == 0
    assert (samples[20 * fs:25 * fs] == recording.rails[1]).all()
    assert samples[30 * fs:35 * fs].std() > .3
    assert np.abs(samples).max() <= recording.rails[1]
    assert np.array_equal(samples[:10 * fs], ecg(60).samples[:10 * fs])


@pytest.mark.parametrize("duration_s", [.5, 1, 17, 22])
def test_short_recordings_are_made_without_a_seizure(duration_s):
    recording = ecg(duration_s)
    assert len(recording.samples) == round(duration_s * 256)
    assert recording.seizures == ()


@pytest.mark.parametrize("duration_s", [0, -1, np.nan, np.inf])
def test_an_impossible_length_is_refused(duration_s):
    with pytest.raises(InvalidInputError, match="synthetic.duration"):
        ecg(duration_s)


def test_an_unknown_fault_is_refused():
    with pytest.raises(InvalidInputError, match="synthetic.fault.*loose"):
        ecg(10, faults=(Event(1, 1, "loose"),))


def test_a_day_takes_little_memory():
    code = ("import resource; from aura.synthetic.waveform import ecg\n"
            "def peak():\n"
            "    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
            "before = peak()\n"
            "day = ecg(86400)\n"
            "n = sum(len(day.read(start, start + 153600))\n"
            "        for start in range(0, day.sample_count, 153600))\n"
            "print(n, (peak() - before) // 1024)")
    answer = subprocess.run([sys.executable, "-c", code], check=True,
                            capture_output=True, text=True, timeout=60)
    count, megabytes = map(int, answer.stdout.split())
    assert count == 86400 * 256
    assert megabytes < 200
