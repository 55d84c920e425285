"""A stream has the digits of the batch, second by second."""

import numpy as np
import pytest

from aura.detector.alarms import AlarmRule, alarms, smooth
from aura.ecg import features
from aura.ecg.beats import find_beats
from aura.recording import ArraySignal, Beats
from aura.streaming.live_alarms import LiveAlarms
from aura.streaming.live_beats import DELAY_S, ANALYSED_S, LiveBeats
from aura.streaming.live_rows import BEATS_KEPT, LiveRows
from aura.synthetic.heart import Heart
from aura.synthetic.waveform import ecg

RULES = [
    AlarmRule(.5), AlarmRule(.5, hold_s=1, smoothing_s=1),
    AlarmRule(.5, merge_s=60, refractory_s=20, max_length_s=40),
    AlarmRule(.5, release=1, merge_s=0, refractory_s=0, hold_s=1),
    AlarmRule(.3, adapt_after_h=.2, own_per_24h=150, hold_s=1,
              refractory_s=10)]


def waves(seed, count=4000, gaps=True):
    """Probabilities with rises near each other, long ones, and gaps."""
    rng = np.random.default_rng(seed)
    made = np.repeat(rng.choice([.1, .35, .8], 400), rng.integers(1, 60, 400))
    made = made[:count] + rng.normal(0, .1, min(count, len(made)))
    for at in rng.integers(0, len(made), 12 if gaps else 0):
        made[at:at + rng.integers(1, 40)] = np.nan
    return np.clip(made, 0, 1)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("hop_s", [1.0, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_alarms_are_those_of_the_batch(rule, hop_s, seed):
    given = waves(seed)
    live = LiveAlarms(rule, hop_s)
    smoothed, begun, events, longest = [], [], [], 0
    for row, value in enumerate(given):
        one, begins, done = live.feed(value)
        smoothed.append(one)
        begun += [row] * begins
        events += done
        longest = max(longest, len(live._smoothed))
    events += live.close()
    wanted = smooth(given, hop_s, rule)
    assert np.array_equal(smoothed, wanted, equal_nan=True)
    batch = alarms(wanted, hop_s, rule)
    assert len(batch) > 3
    assert events == batch
    # Each is told in the row in which it begins.
    assert {round(event.onset_s / hop_s) - 1 for event in batch} <= {
        *begun}
    bound = sum((rule.merge_s, rule.refractory_s, rule.max_length_s,
                 rule.hold_s)) / hop_s
    assert longest <= 2 * bound + 20


def test_an_alarm_that_never_ends_is_kept_bounded():
    live = LiveAlarms(AlarmRule(.5), 1.0)
    events = []
    for _ in range(5000):
        events += live.feed(.9)[2]
        assert len(live._smoothed) < 1300
    events += live.close()
    assert events == alarms(np.full(5000, .9), 1.0, AlarmRule(.5))


def beats_with_faults(hours=.9):
    """A heart with ectopic beats, a pause in the signal, and noise."""
    heart = ecg(3600 * hours, seed=4, heart=Heart(ectopic_fraction=.02))
    time_s = heart.beat_time_s
    time_s = time_s[(time_s < 1500) | (time_s > 1540)]
    return Beats(np.round(time_s, 6), heart.duration_s, np.array(
        [[400.0, 410.0], [410.5, 440.0], [1499.7, 1540.4],
         [2000.0, 2003.0]]))


@pytest.mark.parametrize("hop_s", [1.0, 2.5])
def test_rows_are_those_of_the_batch(hop_s):
    beats = beats_with_faults()
    batch = features.build(beats, hop_s)
    names = tuple(features.NAMES)
    live = LiveRows(names, hop_s)
    at, told = 0.0, []
    for row, end_s in enumerate(batch.time_s):
        new = beats.time_s[(beats.time_s > at) & (beats.time_s <= end_s)]
        spans = np.clip(beats.unscorable, at, end_s)
        live.feed(new, spans[spans[:, 1] > spans[:, 0]])
        time_s, scorable, values = live.next()
        at = end_s
        assert time_s == end_s
        assert scorable == batch.scorable[row]
        told.append(values)
    # The last digit of a sum depends on how it is padded.
    np.testing.assert_allclose(told, batch.values, rtol=3e-6, atol=1e-6)
    assert len(live._beat_s) == BEATS_KEPT
    assert len(live._bpm) < 2100 / hop_s


def settled(signal, block_s, delay_s=DELAY_S):
    live = LiveBeats(signal.fs_hz, signal.rails, delay_s)
    step, count = round(block_s * signal.fs_hz), signal.sample_count
    beats, spans, until = [], [], 0.0
    for at in range(0, count, step):
        stop = min(at + step, count)
        one = live.feed(signal.read(at, stop), stop == count)
        now_s = stop / signal.fs_hz
        assert until <= one.until_s <= now_s
        assert stop == count or one.until_s == max(now_s - delay_s, 0)
        assert all(until < beat <= one.until_s for beat in one.beat_s[1:])
        until = one.until_s
        beats += one.beat_s.tolist()
        spans += one.unscorable.tolist()
        assert len(live._samples) <= (ANALYSED_S + 10) * signal.fs_hz + step
    assert until == count / signal.fs_hz
    return np.array(beats), np.array(spans).reshape(-1, 2)


@pytest.mark.parametrize("fs_hz, block_s", [(256, 1.0), (200, 3.7)])
def test_beats_of_a_waveform_are_those_of_the_batch(fs_hz, block_s):
    """And so is a hole of 15 s in the middle of it."""
    heart = ecg(300.0, seed=6, heart=Heart(ectopic_fraction=.01))
    down = np.interp(np.arange(300 * fs_hz) / fs_hz,
                     np.arange(len(heart.samples)) / heart.fs_hz,
                     heart.samples)
    down[130 * fs_hz:145 * fs_hz] = np.nan
    signal = ArraySignal(down, float(fs_hz))
    batch = find_beats(signal)
    beats, spans = settled(signal, block_s)
    assert len(beats) == len(batch.time_s)
    assert beats == pytest.approx(batch.time_s, abs=1e-3)
    covered = sum(
        max(min(b, d) - max(a, c), 0) for a, b in spans
        for c, d in batch.unscorable)
    assert covered == pytest.approx(np.diff(batch.unscorable).sum(), abs=2)
    assert np.diff(spans).sum() == pytest.approx(covered, abs=2)


@pytest.mark.parametrize("samples", [
    np.zeros(5000), np.full(5000, np.nan), np.zeros(100)])
def test_without_a_heart_all_is_unscorable(samples):
    beats, spans = settled(ArraySignal(samples, 128.0), 1.0)
    assert not len(beats)
    assert np.diff(spans).sum() == pytest.approx(len(samples) / 128)
