"""Bad signal is unscorable, and good signal is not."""

import numpy as np
import pytest

from aura.ecg.beats import find_beats
from aura.ecg.quality import SegmentQuality, assess, join
from aura.recording import ArraySignal, Event
from aura.synthetic.heart import Heart
from aura.synthetic.waveform import FLAT, NOISE, SATURATED, Sensor, ecg

NOTHING = np.empty((0, 2))
NO_RAILS = (-np.inf, np.inf)


def spans(*pairs):
    return np.array(pairs, dtype=float).reshape(-1, 2)


def overlap_s(found, start_s, end_s):
    return float(np.clip(np.minimum(found[:, 1], end_s)
                         - np.maximum(found[:, 0], start_s), 0, None).sum())


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("sensor", [
    Sensor(), Sensor(gain=-.4), Sensor(snr_db=10), Sensor(wander_mv=1.5),
    Sensor(mains_mv=.1), Sensor(fs_hz=64, mains_mv=0)])
def test_a_signal_as_it_should_be_is_scorable(seed, sensor):
    found = find_beats(ecg(300.0, seed=seed, sensor=sensor))
    assert not len(found.unscorable)


def test_one_beat_in_eight_ectopic_is_still_scorable():
    found = find_beats(ecg(300.0, heart=Heart(ectopic_fraction=.12)))
    assert not len(found.unscorable)


@pytest.mark.parametrize("fault", [FLAT, SATURATED, NOISE])
@pytest.mark.parametrize("start_s, length_s", [(0, 40), (100, 20),
                                               (247, 53)])
def test_a_fault_is_unscorable_and_what_is_around_it_is_not(
        fault, start_s, length_s):
    found = find_beats(ecg(
        300.0, seed=5, faults=(Event(start_s, length_s, fault),))).unscorable
    inside = overlap_s(found, start_s, start_s + length_s)
    assert inside >= .85 * length_s
    # Noise is judged in windows of 10 s.
    reach = 10 if fault == NOISE else 1.5
    near = overlap_s(found, start_s - reach, start_s + length_s + reach)
    assert overlap_s(found, 0, 300) == pytest.approx(near)


def test_a_lead_that_falls_off_for_good_is_unscorable_from_there_on():
    samples = ecg(200.0, seed=5).samples
    samples[100 * 256:] = .001 * np.random.default_rng(1).standard_normal(
        100 * 256)
    found = find_beats(ArraySignal(samples, 256.0)).unscorable
    assert overlap_s(found, 102, 200) > 95
    assert overlap_s(found, 0, 99) == 0


@pytest.mark.parametrize("share, device_limits, clipped", [
    (.04, True, False), (.07, True, True), (.07, False, False),
    (.15, False, False), (.25, False, True)])
def test_a_second_is_clipped_at_5_percent_at_the_device_or_20_at_extremes(
        share, device_limits, clipped):
    samples = ecg(60.0, seed=5).samples
    high = slice(30 * 256, round((30 + share) * 256))
    samples[high] = samples.max() + .1
    limits = (-9, samples.max()) if device_limits else NO_RAILS
    found = find_beats(ArraySignal(samples, 256.0, limits)).unscorable
    assert found.tolist() == ([[30, 31]] if clipped else [])


# Samples of 20 s at 100 Hz; regular ones would be those of a heart.
BEATS = np.arange(50, 2000, 100) + np.resize([10, -10], 20)


def band(alike=0.0, beats=BEATS):
    """QRS complexes 1 high whose likeness to their median is known."""
    grid = np.arange(-6, 7) / 6
    odd, even = grid / np.linalg.norm(grid), grid ** 2 - np.mean(grid ** 2)
    signal = np.zeros(2000)
    for number, at in enumerate(beats):
        complex_ = alike * odd + (-1) ** number * np.sqrt(
            1 - alike ** 2) * even / np.linalg.norm(even)
        signal[at - 6:at + 7] = complex_ / np.ptp(complex_)
    return signal


def noisy(signal, beats=BEATS, samples=np.arange(2000.0) % 50):
    """Bad windows of 20 s at 100 Hz."""
    return assess(samples, 100.0, signal, 100.0, beats / 100, 0, 0,
                  NO_RAILS).spans.tolist()


@pytest.mark.parametrize("alike, ratio, bad", [
    (.92, 2.0, False), (.88, 6.5, True), (.88, 7.5, False),
    (.77, 11.5, False), (.73, 11.5, True), (.73, 12.5, False)])
def test_beats_of_a_noisy_window_neither_look_alike_nor_stand_out(
        alike, ratio, bad):
    signal = band(alike)
    rest = signal[1000:] == 0
    signal[1000:][rest] = (-1.0) ** np.arange(rest.sum()) / ratio
    assert noisy(signal) == ([[10, 20]] if bad else [])


@pytest.mark.parametrize("change, bad", [(.10, False), (.14, True)])
def test_regular_beats_of_a_noisy_window_are_those_of_a_heart(change, bad):
    interval = np.where(np.arange(19) % 2, 100, 100 / (1 + change))
    beats = np.round(np.cumsum([40, *interval])).astype(int)
    beats = beats[beats < 1990]
    signal = band(.73, beats)
    rest = signal[1000:] == 0
    signal[1000:][rest] = (-1.0) ** np.arange(rest.sum()) / 11.5
    lost_s = np.diff(noisy(signal, beats)).sum()
    assert lost_s == 10 if bad else lost_s < 2


@pytest.mark.parametrize("beats, bad", [(2, False), (3, True)])
def test_fewer_than_3_beats_in_a_window_are_not_noise(beats, bad):
    beats = BEATS[1:10 + beats]
    signal = band(beats=beats)
    signal[1600:] = (-1.0) ** np.arange(400)
    assert noisy(signal, beats) == ([[10, 20]] if bad else [])


@pytest.mark.parametrize("after_s, height, bad", [
    (.05, 9, False),            # part of the QRS
    (.07, 9, True), (.09, 9, True),  # neither QRS nor rest
    (.09, 0, True)])
def test_the_qrs_is_measured_within_60_ms(after_s, height, bad):
    signal = band()
    signal[signal == 0] = .2
    signal[BEATS + round(100 * after_s)] += height * (-1.0) ** BEATS
    assert bool(noisy(signal)) == bad


@pytest.mark.parametrize("after_s, bad", [(.09, False), (.12, True)])
def test_noise_is_measured_outside_100_ms_of_a_beat(after_s, bad):
    signal = band()
    signal[BEATS + round(100 * after_s)] = 3
    assert bool(noisy(signal)) == bad


@pytest.mark.parametrize("share, bad", [(.08, [[5, 14]]), (.12, [])])
def test_a_signal_that_moves_less_than_a_tenth_of_a_qrs_is_flat(share, bad):
    samples = np.arange(2000.0) % 50
    samples[400:1500] = share * (samples[400:1500] / 49)
    found = noisy(band(1.0), samples=samples)
    assert spans(*found).tolist() == [
        [second, second + 1] for start, end in bad
        for second in range(start, end)]


@pytest.mark.parametrize("fs_hz", [100.0, 128.4, 199.6])
def test_a_span_is_where_it_is_at_any_rate(fs_hz):
    count = int(900 * fs_hz)
    samples = np.sin(np.arange(count) / fs_hz * 2 * np.pi * 8)
    begin, end = int(850 * fs_hz), int(870 * fs_hz)
    samples[begin:end] = samples[begin]
    times = np.arange(1, 899.0)
    found = assess(
        samples, fs_hz, samples, fs_hz, times, 3600.0, 0, NO_RAILS)
    flat = found.spans[np.diff(found.spans)[:, 0] < 2]
    assert flat[:, 0].min() == pytest.approx(4450, abs=2.1)
    assert flat[:, 1].max() == pytest.approx(4470, abs=2.1)


@pytest.mark.parametrize("pause_s, lost", [(2.9, []), (3.1, [[10, 13.1]])])
def test_more_than_3_s_without_a_beat_are_unscorable(pause_s, lost):
    times = np.concatenate([np.arange(1, 11.0), 10 + pause_s + np.arange(9)])
    found = join([SegmentQuality(0, NOTHING)], times, times[-1] + 1)
    assert found == pytest.approx(spans(*lost))


def test_no_beat_at_all_is_unscorable_throughout():
    found = join([SegmentQuality(0, NOTHING)], np.empty(0), 50.0)
    assert found.tolist() == [[0, 50]]


def test_each_segment_judges_its_own_part_and_touching_windows_are_one():
    segments = [
        SegmentQuality(0, spans((80, 90), (90, 100), (110, 120))),
        SegmentQuality(100, spans((95, 105), (105, 115), (140, 150)))]
    found = join(segments, np.arange(0, 147.0), 147.0)
    assert found.tolist() == [[80, 115], [140, 147]]


@pytest.mark.parametrize("gap_s, count", [(.9e-6, 1), (1.1e-6, 2)])
def test_windows_closer_than_a_microsecond_are_one_span(gap_s, count):
    bad = SegmentQuality(0, spans((80, 90), (90 + gap_s, 100)))
    assert len(join([bad], np.arange(0, 147.0), 147.0)) == count
