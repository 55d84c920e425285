"""The template of this heart makes its beats stand out in noise."""

import numpy as np
import pytest
from scipy import signal as sps

from aura.ecg import qrs_template
from aura.ecg.beats import find_beats
from aura.recording import ArraySignal
from aura.synthetic.heart import Heart
from aura.synthetic.waveform import ecg
from benchmarks import noise

FS = 128.0
SHAPE = np.array([0., -.1, -.2, .3, 1., .5, -.4, -.3, 0.])


def train(places, count=20000, heights=1.0):
    """A signal with the shape at each place."""
    signal = np.zeros(count)
    for place, height in np.broadcast(places, heights):
        signal[place - 4:place + 5] += height * SHAPE
    return signal


@pytest.fixture
def places():
    return np.arange(100, 19900, 97)


def test_the_template_has_the_shape_of_the_complexes(places):
    template = qrs_template.learn(train(places), places, FS)
    middle = template.shape[template.half - 4:template.half + 5]
    assert middle / middle.max() == pytest.approx(SHAPE, abs=.08)
    assert template.shape[0] == template.shape[-1] == 0
    assert len(template.shape) == 27            # 0.1 s before and after


def test_peaks_of_noise_do_not_change_the_template(places):
    """A burst has three peaks a second, each ten times as high."""
    rng = np.random.default_rng(0)
    signal = train(places)
    burst = slice(12000, 18000)
    signal[burst] += 10 * rng.standard_normal(6000)
    peaks = np.concatenate([places, np.arange(12000, 18000, 25)])
    template = qrs_template.learn(signal, np.sort(peaks), FS)
    assert template.height == pytest.approx(np.ptp(SHAPE), rel=.15)


def test_fewer_than_8_beats_make_no_template(places):
    assert qrs_template.learn(train(places), places[:7], FS) is None
    assert qrs_template.learn(train(places), places[:8], FS) is not None
    assert qrs_template.learn(np.zeros(20000), places, FS) is None


@pytest.mark.parametrize("beats, apart_s, peaks, peaks_apart_s", [
    (40, 2.0, 60, 1.0),         # a pause of 2 s counts in full
    (30, 1.0, 12, 4.0)])        # and a longer one as 2 s
def test_the_template_has_the_height_of_most_of_the_time(
        beats, apart_s, peaks, peaks_apart_s):
    index = np.cumsum(np.round(FS * np.repeat(
        [apart_s, peaks_apart_s], [beats, peaks])).astype(int))
    signal = train(index, 20000, np.repeat([1, 10], [beats, peaks]))
    template = qrs_template.learn(signal, index, FS)
    assert template.height == pytest.approx(np.ptp(SHAPE), rel=.1)


@pytest.mark.parametrize("scale", [1e-6, 1, 1e4])
def test_a_usual_complex_is_1_high_in_the_middle(places, scale):
    rng = np.random.default_rng(1)
    signal = scale * (train(places) + .05 * rng.standard_normal(20000))
    template = qrs_template.learn(signal, places, FS)
    filtered = qrs_template.matched(signal, places, template)
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
    template = qrs_template.learn(train(places), places, FS)

    def stands_out(filtered):
        outside = np.delete(filtered, (
            places[:, None] + np.arange(-25, 26)).ravel())
        return filtered[places].mean() / outside.std()

    plain = np.convolve(signal, template.shape[::-1], "same")
    ours = qrs_template.matched(signal, places, template)
    assert stands_out(ours) > 1.3 * stands_out(plain)


def test_the_filter_equals_its_definition(places):
    """The template times the inverse covariance of noise and 10 % power."""
    hum = .5 * np.sin(np.arange(20000) / 3)
    template = qrs_template.learn(train(places), places, FS)
    noise = hum.copy()
    noise[places[:, None] + np.arange(-13, 14)] = 0
    lags = np.array([noise[lag:] @ noise[:len(noise) - lag]
                     for lag in range(27)]) / (20000 - 27 * len(places))
    lags[0] += .1 * np.ptp(template.shape) ** 2 / 8
    place = np.arange(27)
    weights = np.linalg.solve(
        lags[np.abs(place[:, None] - place)], template.shape)
    expected = np.convolve(hum, weights[::-1] / (
        weights @ template.shape), "same")
    assert qrs_template.matched(hum, places, template) == pytest.approx(
        expected, abs=2e-6)


def test_what_is_left_below_a_millionth_of_a_beat_is_silence(places):
    signal = train(places)
    template = qrs_template.learn(signal, places, FS)
    signal[5000:] = train([9000, 15000], 20000, [.75e-6, 1.5e-6])[5000:]
    filtered = qrs_template.matched(signal, places, template)
    assert filtered[9000] == 0 and filtered[15000] > 1e-6


@pytest.mark.parametrize("height, apart, removed", [
    (.5, 120, True), (.7, 120, False), (.5, 130, False), (2, 120, True)])
def test_a_peak_is_left_out_if_it_fits_60_percent_within_1_3_intervals(
        places, height, apart, removed):
    index = np.concatenate([places[:100], places[100:] + apart - 97])
    spurious = index[99] + 60
    template = qrs_template.learn(train(index), index, FS)
    signal = train(index) + train([spurious], heights=height)
    # Loud noise unlike the template does not change the usual height.
    unlike = np.random.default_rng(0).standard_normal(27)
    unlike -= unlike @ template.shape * template.shape / (
        template.shape @ template.shape)
    unlike = 20 * (.5 * template.shape / np.linalg.norm(template.shape)
                   + np.sqrt(.75) * unlike / np.linalg.norm(unlike))
    peaks = np.arange(20100, 50000, 97)
    signal = np.concatenate([signal, np.zeros(30000)])
    signal[peaks[:, None] + np.arange(-13, 14)] = unlike
    found = qrs_template.without_insertions(signal, np.sort(np.concatenate(
        [index, [spurious], peaks])), template)
    assert (spurious not in found) == removed
    assert np.isin(index, found).all()


@pytest.mark.parametrize("slow, removed", [(15, True), (8, False)])
def test_the_usual_interval_is_the_median_of_21(slow, removed):
    index = 100 + np.cumsum(np.repeat([97, 200, 97], [60, slow, 60]))
    spurious = index[60 + slow // 2 - 1] + 100
    template = qrs_template.learn(train(index), index, FS)
    found = qrs_template.without_insertions(
        train(index) + train([spurious], heights=.5),
        np.sort(np.append(index, spurious)), template)
    assert (spurious not in found) == removed


def test_at_most_two_poor_peaks_in_one_interval_are_left_out(places):
    index = np.concatenate([places[:100], places[100:] + 23])
    poor = index[99] + np.array([30, 60, 90])
    template = qrs_template.learn(train(index), index, FS)
    found = qrs_template.without_insertions(
        train(index) + train(poor, heights=[.5, .25, .12]),
        np.sort(np.concatenate([index, poor])), template)
    assert np.isin(poor, found).tolist() == [True, False, False]


def test_only_a_poor_peak_between_two_close_beats_is_left_out(places):
    """An early beat with its pause is no insertion, whatever its shape."""
    signal = train(places)
    spurious = places[50] + 40
    signal[spurious - 4:spurious + 5] += .3 * SHAPE[::-1]
    early = places[80] - 40
    signal[places[80] - 4:places[80] + 5] -= SHAPE
    signal[early - 4:early + 5] += .4 * SHAPE[::-1]
    template = qrs_template.learn(signal, places, FS)
    index = np.sort(np.concatenate([np.delete(places, 80),
                                    [spurious, early]]))
    left = qrs_template.without_insertions(signal, index, template)
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
