"""Which channel is the ECG."""

import numpy as np
import pytest

from aura.dataset.ecg_channel import assess, best, by_label, warnings
from aura.errors import MissingError
from aura.recording import ArraySignal
from tests.edf_builder import heart, noise

FS_HZ = 256


def signal(digital, fs_hz=FS_HZ):
    return ArraySignal(digital.ravel() / 3000.0, fs_hz, (-11, 11))


HEART = signal(heart(300, FS_HZ))
NOISE = signal(noise(300, FS_HZ, 300))
TIME = np.arange(300 * FS_HZ) / FS_HZ
HUM = signal(3000 * np.sin(2 * np.pi * 50 * TIME))
FLAT = signal(np.zeros(300 * FS_HZ))
RAILED = signal(np.clip(heart(300, FS_HZ) * 60, -33000, 33000))


@pytest.mark.parametrize("labels, found, rules", [
    (["EEG FP1-REF", "EEG EKG1-REF"], (1,), []),
    (["ecg", "EKG2", "Fp1"], (0, 1), []),
    (["II", "ECG"], (1,), []),
    (["Fp1", "MLII", "v5"], (1, 2), ["ecg.by_lead"]),
    (["ECoG 1", "aVR"], (1,), ["ecg.by_lead"]),
    (["ECG", "ECG"], (0, 1), []),
])
def test_labels_decide(labels, found, rules):
    indices, problems = by_label(labels)
    assert indices == found
    assert [problem.rule for problem in problems] == rules


def test_a_setting_wins_in_any_case():
    assert by_label(["ECG", "Chest 2"], "chest 2") == ((1,), ())


def test_a_setting_that_no_channel_has_is_a_warning():
    indices, problems = by_label(["ECG"], "chest")
    assert indices == (0,)
    assert [problem.rule for problem in problems] == ["ecg.not_as_set"]


def test_no_ecg_lists_the_labels():
    with pytest.raises(MissingError, match=r"ecg.missing: .*\(no label\)"):
        by_label(["Fp1", "", "VI", "ECoG"])


def test_many_labels_are_not_all_listed():
    with pytest.raises(MissingError, match="E23 .*476") as caught:
        by_label([f"E{i}" for i in range(500)])
    assert "E24" not in str(caught.value)


@pytest.mark.parametrize("worse", [NOISE, HUM, FLAT, RAILED])
@pytest.mark.parametrize("at", [0, 1])
def test_the_best_signal_is_taken_with_a_warning(worse, at):
    qualities = {at: assess(HEART), 1 - at: assess(worse)}
    index, (problem,) = best(["ECG", "ECG"], qualities)
    assert (index, problem.rule) == (at, "ecg.several")
    assert "ECG (channel 1)" in problem.text
    assert "ECG (channel 2)" in problem.text


def test_one_candidate_is_no_choice():
    assert best(["a", "ECG"], {1: assess(FLAT)}) == (1, ())


def test_figures_are_of_a_heart():
    quality = assess(HEART)
    assert quality.flat == quality.railed == 0
    assert quality.regularity > 0.9
    assert quality.peakiness > 1
    assert quality.amplitude == pytest.approx(1.05, abs=0.05)


@pytest.mark.parametrize("scale, shift", [(-1, 0), (7, 0), (0.01, 3)])
def test_scale_polarity_and_shift_do_not_matter(scale, shift):
    other = ArraySignal(HEART.samples * scale + shift, FS_HZ)
    assert assess(other).score == pytest.approx(assess(HEART).score, abs=1e-6)


@pytest.mark.parametrize("fs_hz", [50, 100, 200, 500, 1000])
def test_a_heart_is_seen_at_any_rate(fs_hz):
    assert assess(signal(heart(60, fs_hz), fs_hz)).score > 0.5


@pytest.mark.parametrize("bpm", [40, 72, 110, 170])
def test_a_heart_is_seen_at_any_pace(bpm):
    assert assess(signal(heart(60, FS_HZ, bpm=bpm))).score > 0.5


@pytest.mark.parametrize("made, rule", [
    (HEART, None), (NOISE, "ecg.noise"), (HUM, "ecg.noise"),
    (FLAT, "ecg.flat"), (RAILED, "ecg.saturated"),
    (signal(heart(60, 8), 8), "ecg.rate_low"),
    (ArraySignal(HEART.samples * 1000, FS_HZ), "ecg.amplitude"),
    (ArraySignal(HEART.samples / 1000, FS_HZ), "ecg.amplitude")])
def test_poor_signals_are_warned_of(made, rule):
    problems = warnings(made, assess(made), "mV")
    assert all(problem.level == "warning" for problem in problems)
    found = [problem.rule for problem in problems]
    assert found == [] if rule is None else rule in found


def test_without_a_unit_the_amplitude_says_nothing():
    made = ArraySignal(HEART.samples * 1000, FS_HZ)
    assert warnings(made, assess(made), "") == ()


@pytest.mark.parametrize("count", [1, 2, 3, 10, 255, 256, 300, 2561])
def test_the_shortest_signals_are_assessed(count):
    figures = assess(ArraySignal(HEART.samples[:count], FS_HZ)).figures()
    assert all(np.isfinite(value) for value in figures.values())


def test_excerpts_are_bounded_and_spread():
    read = []

    class Long:
        fs_hz = 256.0
        sample_count = 10 * 86400 * 256
        rails = (-5.0, 5.0)

        def read(self, start, stop):
            read.append((start, stop))
            return HEART.samples[:stop - start]

    assess(Long())
    assert sum(stop - start for start, stop in read) == 12 * 2560
    assert read[0][0] == 0
    assert read[-1][1] == Long.sample_count
