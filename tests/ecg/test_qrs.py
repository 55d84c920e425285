"""The template of this heart makes its beats stand out in noise."""

import numpy as np
import pytest
from scipy import signal as sps

from aura.ecg import qrs
from aura.ecg.beats import find_beats
from aura.recording import ArraySignal
from aura.synthetic.heart import Heart
from aura.synthetic.waveform import ecg
from benchmarks import noise

FS = 128.0
SHAPE = np.array([0., -.1, -.2, .3, 1., .5, -.4, -.3, 0.])


def train(places, count=20000, height=1.0):
    """A signal with the shape at each place."""
    signal = np.zeros(count)
    for place in places:
        signal[place - 4:place + 5] += height * SHAPE
    return signal


@pytest.fixture
def places():
    return np.arange(100, 19900, 97)


def test_the_template_has_the_shape_of_the_complexes(places):
    template = qrs.learn(train(places), places, FS)
    middle = template.shape[template.half - 4:template.half + 5]
    assert middle / middle.max() == pytest.approx(SHAPE, abs=.08)
    assert template.shape[0] == template.shape[-1] == 0


def test_peaks_of_noise_do_not_change_the_template(places):
    """A burst has three peaks a second, each ten times as high."""
    rng = np.random.default_rng(0)
    signal = train(places)
    burst = slice(12000, 18000)
    signal[burst] += 10 * rng.standard_normal(6000)
    peaks = np.concatenate([places, np.arange(12000, 18000, 25)])
    template = qrs.learn(signal, np.sort(peaks), FS)
    assert template.height == pytest.approx(np.ptp(SHAPE), rel=.15)


def test_fewer_than_8_beats_make_no_template(places):
    assert qrs.learn(train(places), places[:7], FS) is None
    assert qrs.learn(np.zeros(20000), places, FS) is None


@pytest.mark.parametrize("scale", [1e-6, 1, 1e4])
def test_a_usual_complex_is_1_high_in_the_middle(places, scale):
    rng = np.random.default_rng(1)
    signal = scale * (train(places) + .05 * rng.standard_normal(20000))
    template = qrs.learn(signal, places, FS)
    filtered = qrs.matched(signal, places, template)
    assert np.median(filtered[places]) == pytest.approx(1, abs=.1)
    nearest = [np.argmax(filtered[p - 12:p + 13]) - 12 for p in places]
    assert not np.any(nearest)


@pytest.mark.parametrize("band_hz", [(1, 8), (25, 60)])
def test_the_filter_removes_the_noise_of_the_recording(places, band_hz):
    """The template alone is a filter for white noise only."""
    rng = np.random.default_rng(2)
    noisy = sps.sosfilt(sps.butter(
        4, band_hz, "bandpass", fs=FS, output="sos"),
        rng.standard_normal(20000))
    signal = train(places) + noisy / noisy.std()
    template = qrs.learn(train(places), places, FS)

    def stands_out(filtered):
        outside = np.delete(filtered, (
            places[:, None] + np.arange(-25, 26)).ravel())
        return filtered[places].mean() / outside.std()

    plain = np.convolve(signal, template.shape[::-1], "same")
    ours = qrs.matched(signal, places, template)
    assert stands_out(ours) > 1.3 * stands_out(plain)


def test_only_a_poor_peak_between_two_close_beats_is_left_out(places):
    """An early beat with its pause is no insertion, whatever its shape."""
    signal = train(places)
    spurious = places[50] + 40
    signal[spurious - 4:spurious + 5] += .3 * SHAPE[::-1]
    early = places[80] - 40
    signal[places[80] - 4:places[80] + 5] -= SHAPE
    signal[early - 4:early + 5] += .4 * SHAPE[::-1]
    template = qrs.learn(signal, places, FS)
    index = np.sort(np.concatenate([np.delete(places, 80),
                                    [spurious, early]]))
    left = qrs.without_insertions(signal, index, template)
    assert set(index) - set(left) == {spurious}


@pytest.mark.parametrize("kind, ratio, floor", [
    ("muscle", 6, .98), ("muscle", 0, .93), ("electrode motion", 6, .93),
    ("electrode motion", 0, .85), ("baseline wander", -6, .995)])
def test_beats_are_found_in_noise(kind, ratio, floor):
    """F1 of ten minutes at a ratio of the noise stress test."""
    heart = ecg(600.0, seed=5, heart=Heart(ectopic_fraction=.01))
    truth, samples, fs = heart.beat_time_s, heart.samples, heart.fs_hz
    added = noise.generate(kind, len(samples), fs, np.random.default_rng(3))
    power = noise.signal_power(samples, fs, truth) / 10 ** (ratio / 10)
    added *= np.sqrt(power / noise.noise_power(added, fs))
    found = find_beats(ArraySignal(samples + added, fs)).time_s
    assert noise.scores(noise.counts(truth, found))[2] > floor


def test_the_ratio_is_that_of_the_noise_stress_test():
    """A QRS of 2 mV peak to peak has a power of .5, a sine has its RMS."""
    fs = 250.0
    samples = np.zeros(25000)
    beats = np.arange(1.0, 99.0)
    for at in (beats * fs).astype(int):
        samples[at - 2:at + 3] = [0, -.5, 1.5, -.5, 0]
    assert noise.signal_power(samples, fs, beats) == pytest.approx(.5)
    sine = np.sin(2 * np.pi * 10 * np.arange(25000) / fs)
    assert noise.noise_power(sine, fs) == pytest.approx(.5, rel=1e-3)
    # One second of a hundred that is a thousand times as loud is left out.
    sine[:250] *= 1000
    assert noise.noise_power(sine, fs) == pytest.approx(.5, rel=1e-3)
