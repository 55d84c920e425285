"""The synthetic ECG is what it says: its beats, seizures and faults."""

import subprocess
import sys

import numpy as np
import pytest
import sleepecg

from aura.errors import InvalidInputError
from aura.recording import Event
from aura.synthetic.heart import Heart, Surge, draw_surges
from aura.synthetic.waveform import Sensor, SyntheticEcg, ecg

STILL = Heart(hf_depth=0, lf_depth=0, drift_depth=0, ectopic_fraction=0)
CLEAN = Sensor(snr_db=np.inf, wander_mv=0, mains_mv=0)


def heart_rate(recording: SyntheticEcg, start_s: float,
               stop_s: float) -> float:
    """Median beats per minute between two times."""
    beats = recording.beat_time_s
    inside = beats[(beats >= start_s) & (beats < stop_s)]
    return float(60 / np.median(np.diff(inside)))


def test_the_same_seed_gives_the_same_samples():
    assert np.array_equal(ecg(90, seed=4).samples, ecg(90, seed=4).samples)


def test_another_seed_gives_other_beats():
    one, two = ecg(90, seed=4), ecg(90, seed=5)
    assert not np.array_equal(one.beat_time_s[:50], two.beat_time_s[:50])


@pytest.mark.parametrize("start, stop", [
    (0, 1), (0, 5000), (255, 257), (15359, 15362), (9000, 20000),
    (46000, 46080), (700, 700)])
def test_a_piece_read_alone_equals_that_piece_of_the_whole(start, stop):
    recording = ecg(180, seed=2, heart=Heart(ectopic_fraction=.1), faults=(
        Event(30, 5, "noise"), Event(60, 1, "flat")))
    whole = recording.samples
    assert np.array_equal(recording.read(start, stop), whole[start:stop])


def test_the_pieces_make_the_whole():
    recording = ecg(100.5, seed=2)
    pieces = list(recording.pieces(7.3))
    assert np.array_equal(np.concatenate(pieces), recording.samples)
    assert sum(map(len, pieces)) == recording.sample_count == 25728


def test_a_clean_r_peak_stands_at_each_beat():
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


def test_the_heart_rate_is_the_one_asked_for():
    recording = ecg(60, heart=Heart(75, .25, 0, 0, 0, 0), surges=())
    assert np.allclose(np.diff(recording.beat_time_s), .8, atol=1e-6)


def test_breathing_stands_in_the_hf_band():
    recording = ecg(300, heart=Heart(70, .25, .05, 0, 0, 0), surges=())
    beats = recording.beat_time_s
    grid = np.arange(10, 290, .25)
    rate = np.interp(grid, beats[1:], 60 / np.diff(beats))
    power = np.abs(np.fft.rfft(rate - rate.mean())) ** 2
    hz = np.fft.rfftfreq(len(grid), .25)
    assert power[(hz > .15) & (hz < .4)].sum() > .9 * power.sum()


def test_a_seizure_raises_the_heart_rate_and_lets_it_recover():
    surge = Surge(300, 60, 50, 15, 60, True)
    recording = ecg(900, heart=Heart(70), surges=(surge,))
    before = heart_rate(recording, 240, 298)
    assert heart_rate(recording, 320, 358) == pytest.approx(
        before + 50, abs=6)
    assert heart_rate(recording, 800, 900) == pytest.approx(before, abs=8)
    assert recording.seizures == (Event(300, 60, "sz"),)


def test_a_silent_seizure_leaves_the_beats_as_they_are():
    silent = ecg(300, surges=(Surge(100, 60, 0, 15, 60, True),))
    assert np.array_equal(silent.beat_time_s, ecg(300, surges=()).beat_time_s)
    assert len(silent.seizures) == 1


def test_an_effort_is_no_seizure_and_rises_slowly():
    surges = draw_surges(86400, 1)
    efforts = [surge for surge in surges if not surge.seizure]
    assert efforts and all(surge.ramp_s >= 60 for surge in efforts)
    recording = ecg(3600, surges=(Surge(100, 60, 30, 80, 60, False),))
    assert recording.seizures == ()


def test_a_day_has_loud_and_silent_seizures_apart_from_each_other():
    seizures = [surge for surge in draw_surges(86400, 1) if surge.seizure]
    assert len(seizures) == 36
    silent = sum(surge.rise_bpm == 0 for surge in seizures)
    assert 3 <= silent <= 18
    onsets = np.array([surge.onset_s for surge in seizures])
    assert (np.diff(onsets) > 200).all()
    assert seizures[-1].onset_s + seizures[-1].duration_s < 86400


def test_ectopic_beats_are_early_and_a_pause_follows():
    recording = ecg(1200, heart=Heart(ectopic_fraction=.05), surges=())
    early = np.flatnonzero(recording.ectopic)
    rr = np.diff(recording.beat_time_s)
    assert len(early) > 20 and (np.diff(early) > 1).all()
    assert (rr[early - 1] < .8 * rr[early]).all()
    assert (rr > 0).all()


def test_interchanged_electrodes_turn_the_beats_over():
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


def test_faults_stand_where_they_were_put():
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
def test_short_recordings_are_made_and_hold_no_seizure(duration_s):
    recording = ecg(duration_s)
    assert len(recording.samples) == round(duration_s * 256)
    assert recording.seizures == ()


@pytest.mark.parametrize("duration_s", [0, -1, np.nan, np.inf])
def test_an_impossible_length_is_refused(duration_s):
    with pytest.raises(InvalidInputError, match="synthetic.duration"):
        ecg(duration_s)


def test_an_unknown_fault_is_refused():
    with pytest.raises(InvalidInputError, match="no fault 'loose'"):
        ecg(10, faults=(Event(1, 1, "loose"),))


def test_a_day_takes_little_memory():
    code = ("import resource; from aura.synthetic.waveform import ecg\n"
            "def peak():\n"
            "    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
            "before = peak()\n"
            "n = sum(len(piece) for piece in ecg(86400).pieces())\n"
            "print(n, (peak() - before) // 1024)")
    answer = subprocess.run([sys.executable, "-c", code], check=True,
                            capture_output=True, text=True, timeout=60)
    count, megabytes = map(int, answer.stdout.split())
    assert count == 86400 * 256
    assert megabytes < 200
