"""The heart rate of a synthetic patient does what its traits say."""

import numpy as np
import pytest

from aura.synthetic.heart import Heart, Surge, beat_times, draw_surges


def beats(duration_s, *surges, heart=Heart(70)):
    return beat_times(duration_s, 1, heart, surges)[0]


def test_the_heart_rate_is_the_one_asked_for():
    found = beats(60, heart=Heart(75, .25, 0, 0, 0, 0))
    assert np.allclose(np.diff(found), .8, atol=1e-6)


def test_breathing_is_in_the_hf_band():
    found = beats(300, heart=Heart(70, .25, .05, 0, 0, 0))
    grid = np.arange(10, 290, .25)
    rate = np.interp(grid, found[1:], 60 / np.diff(found))
    power = np.abs(np.fft.rfft(rate - rate.mean())) ** 2
    hz = np.fft.rfftfreq(len(grid), .25)
    assert power[(hz > .15) & (hz < .4)].sum() > .9 * power.sum()


def test_a_seizure_raises_the_heart_rate_and_lets_it_recover():
    found = beats(900, Surge(300, 60, 50, 15, 60, True))
    before, during, after = (
        60 / np.median(np.diff(found[(found >= start) & (found < stop)]))
        for start, stop in ((240, 298), (320, 358), (800, 900)))
    assert during == pytest.approx(before + 50, abs=6)
    assert after == pytest.approx(before, abs=8)


def test_a_silent_seizure_leaves_the_beats_as_they_are():
    silent = Surge(100, 60, 0, 15, 60, True)
    assert np.array_equal(beats(300, silent), beats(300))


def test_a_day_has_slow_efforts_and_loud_and_silent_seizures_apart():
    surges = draw_surges(86400, 1)
    efforts = [surge for surge in surges if not surge.seizure]
    assert efforts and all(surge.ramp_s >= 60 for surge in efforts)
    seizures = [surge for surge in surges if surge.seizure]
    assert len(seizures) == 36
    assert 3 <= sum(surge.rise_bpm == 0 for surge in seizures) <= 18
    assert (np.diff([surge.onset_s for surge in seizures]) > 200).all()
    assert seizures[-1].onset_s + seizures[-1].duration_s < 86400


def test_ectopic_beats_are_early_and_a_pause_follows():
    time_s, ectopic = beat_times(1200, 1, Heart(ectopic_fraction=.05), ())
    early = np.flatnonzero(ectopic)
    rr_s = np.diff(time_s)
    assert len(early) > 20 and (np.diff(early) > 1).all()
    assert (rr_s[early - 1] < .8 * rr_s[early]).all()
    assert (rr_s > 0).all()
