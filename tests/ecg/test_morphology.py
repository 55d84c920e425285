"""Which deflection is the beat, and where it is marked."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import signal as sps

from aura.ecg import morphology, pacing
from aura.ecg.beats import find_beats
from aura.recording import ArraySignal
from aura.synthetic.heart import Heart
from aura.synthetic.rhythms import rhythm, rhythms
from aura.synthetic.waveform import Sensor, ecg
from benchmarks.beats import HOP_S, judged, offsets
from tests.ecg.test_beats import real

QRS = [[-.026, -.12, .008], [0, 1., .010], [.029, -.24, .009],
       [.290, .28, .045]]
WIDE = [[0, 1.1, .022], [.070, -.40, .025], [.320, -.35, .055]]
# Without a heart under the fault, a beat there can only be guessed.
FAULTS = {"electrode jerks", "muscle bursts", "saturation"}


def beats_of(waves, *, fs_hz=256.0, seed=1, bpm=68.0, snr_db=20.0):
    """Five minutes of complexes of one shape."""
    plain = ecg(300.0, seed=seed, surges=(), heart=Heart(bpm))
    return replace(plain, sensor=Sensor(fs_hz=fs_hz, snr_db=snr_db),
                   waves=(np.array(waves), np.array(waves)))


@pytest.mark.parametrize("name", rhythms())
def test_beats_of_a_rhythm_are_right_or_unscorable(name):
    recording = rhythm(name, 300.0, seed=2)
    found = find_beats(recording)
    score = judged(recording, found.time_s, found.unscorable)
    assert score["wrong"] < (.02 if name in FAULTS else .005)
    if name not in FAULTS:
        assert score["hops"] < .03
        assert score["unscorable"] < (.25 if name == "lead off" else .01)


@pytest.mark.parametrize("p_mv", [.15, .25, .30])
@pytest.mark.parametrize("pr_s", [.14, .18, .22])
@pytest.mark.parametrize("fs_hz", [128, 256])
def test_a_p_wave_as_high_as_the_r_wave_is_no_beat(p_mv, pr_s, fs_hz):
    recording = beats_of([[-pr_s, p_mv, .024], [-.026, -.03, .008],
                          [0, .3, .011], [.029, -.07, .010],
                          [.290, .08, .045]], fs_hz=fs_hz)
    truth = recording.beat_time_s[1:-1]
    off = offsets(truth, find_beats(recording).time_s)
    assert len(off) > .97 * len(truth)
    assert np.mean(np.abs(off) > .03) < .02


@pytest.mark.parametrize("t_mv, bpm", [(.6, 50), (1.0, 70), (1.3, 110)])
def test_a_tall_t_wave_is_no_beat(t_mv, bpm):
    recording = beats_of([*QRS[:3], [.28, t_mv, .045]], bpm=bpm)
    found = find_beats(recording)
    assert judged(recording, found.time_s, found.unscorable)["wrong"] == 0


@pytest.mark.parametrize("fs_hz", [128, 200, 250, 360, 500, 1000])
@pytest.mark.parametrize("height_mv", [-4, 1, 2, 5])
@pytest.mark.parametrize("recharge", [0, .3])
def test_a_pacing_spike_is_no_beat(fs_hz, height_mv, recharge):
    """Two a beat, each of 2 ms as a device without a filter writes it."""
    recording = beats_of(WIDE, fs_hz=fs_hz)
    samples = recording.samples.copy()
    width = max(round(.002 * fs_hz), 1)
    for time_s in recording.beat_time_s[1:-1]:
        for before_s in (.2, .045):
            at = int((time_s - before_s) * fs_hz)
            samples[at:at + width] += height_mv
            samples[at + width:at + 2 * width] -= recharge * height_mv
    found = find_beats(ArraySignal(samples, fs_hz))
    score = judged(recording, found.time_s, found.unscorable)
    assert score["wrong"] < .005
    assert score["hops"] < .01
    assert score["unscorable"] == 0


@pytest.mark.parametrize("fs_hz", [50, 64, 100, 128, 200, 256, 1000])
@pytest.mark.parametrize("width_s", [.0065, .010, .022])
def test_what_has_no_spikes_stays_as_it_is(fs_hz, width_s):
    samples = beats_of([[0, 1., width_s], *QRS[2:]], fs_hz=fs_hz,
                       snr_db=10).samples
    assert pacing.without_spikes(samples, fs_hz) is samples or np.array_equal(
        pacing.without_spikes(samples, fs_hz), samples)


def test_a_spike_is_replaced_by_the_signal_beside_it():
    samples = beats_of(WIDE).samples
    spiked = samples.copy()
    spiked[1000::200] += 4.0
    clean = pacing.without_spikes(spiked, 256)
    assert np.abs(clean - samples).max() < .3
    assert np.count_nonzero(clean != spiked) < 10 * len(spiked[1000::200])


@pytest.mark.parametrize("fs_hz", [128, 256, 500])
@pytest.mark.parametrize("second_mv", [.75, .85, .95])
def test_a_complex_with_two_peaks_is_marked_at_one_of_them(fs_hz, second_mv):
    recording = beats_of([[0, .85, .010], [.028, -.30, .010],
                          [.058, second_mv, .012]], fs_hz=fs_hz, snr_db=12)
    off = offsets(recording.beat_time_s, find_beats(recording).time_s)
    assert len(off) == len(recording.beat_time_s)
    assert np.abs(off - np.median(off)).max() < HOP_S


def test_segments_after_the_first_mark_a_shape_where_it_did(monkeypatch):
    recording = beats_of([[0, .85, .010], [.028, -.30, .010],
                          [.058, .85, .012]], snr_db=12)
    monkeypatch.setattr("aura.ecg.beats.SEGMENT_S", 30.0)
    off = offsets(recording.beat_time_s, find_beats(recording).time_s)
    assert np.abs(off - np.median(off)).max() < HOP_S


def test_a_shape_is_learnt_from_eight_complexes_and_kept():
    recording = beats_of(QRS)
    samples, peak = recording.samples, recording.beat_time_s * 256
    known = []
    for count in (7, 8):
        _, known = morphology.aligned(
            samples, samples, peak[10:10 + count], 256.0, known)
        assert len(known) == (count == 8)
    _, after = morphology.aligned(
        samples, samples, peak[100:103], 256.0, known)
    assert [one.count for one in after] == [3]
    assert after[0].top == known[0].top


@pytest.mark.parametrize("name", ["mitdb", "szdb"])
def test_real_beats_of_one_shape_are_marked_at_one_place(data_dir, name):
    """Hops of more than 12 ms in at most 0.1 % of the beats of a record."""
    for samples, fs_hz, _ in real(data_dir, name):
        samples = samples[:round(1800 * fs_hz)]
        found = find_beats(ArraySignal(samples, fs_hz)).time_s
        assert hops(samples, fs_hz, found) <= .001


def hops(samples, fs_hz, found):
    """Share of beats that another place fits better than their own."""
    half, reach = round(.1 * fs_hz), round(.08 * fs_hz)
    index = np.round(found * fs_hz).astype(int)
    index = index[(index > half + reach) & (index < len(samples) - half
                                            - reach)]
    band = sps.sosfiltfilt(sps.butter(
        2, (1, 40), "bandpass", fs=fs_hz, output="sos"), samples)
    windows = np.lib.stride_tricks.sliding_window_view(band, 2 * half + 1)
    lags = np.arange(-reach, reach + 1)
    usual = np.median(windows[index - half], axis=0)
    for _ in range(3):
        model = usual - usual.mean()
        fit = np.stack([_cosines(windows[index - half + lag], model)
                        for lag in lags])
        best = fit.argmax(axis=0)
        alike = fit.max(axis=0) > .9
        usual = np.median(windows[(index - half + lags[best])[alike]], axis=0)
    off = lags[best[alike]]
    return np.mean(np.abs(off - np.median(off)) > HOP_S * fs_hz)


def _cosines(rows, model):
    rows = rows - rows.mean(axis=1, keepdims=True)
    return rows @ model / (np.linalg.norm(rows, axis=1)
                           * np.linalg.norm(model))
