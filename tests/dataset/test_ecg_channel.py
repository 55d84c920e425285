"""Which channel is the ECG."""

import numpy as np
import pytest

from aura.dataset.ecg_channel import assess, best, choose, warnings
from aura.dataset.ecg_labels import ChannelInfo, by_label, pairs_of
from aura.edf.header import read_header
from aura.edf.signal import channel
from aura.errors import AuraError, MissingError
from aura.recording import ArraySignal
from tests.edf_builder import Channel, File, heart, noise

FS_HZ = 256


def signal(digital, fs_hz=FS_HZ):
    return ArraySignal(digital.ravel() / 3000.0, fs_hz, (-11, 11))


HEART = signal(heart(300, FS_HZ))
NOISE = signal(noise(300, FS_HZ, 300))
TIME = np.arange(300 * FS_HZ) / FS_HZ
HUM = signal(3000 * np.sin(2 * np.pi * 50 * TIME))
FLAT = signal(np.zeros(300 * FS_HZ))
RAILED = signal(np.clip(heart(300, FS_HZ) * 60, -33000, 33000))


def chosen(labels, wanted=""):
    """Positions of the channels that qualify, and rules of warnings."""
    keys, problems = by_label(
        [info if isinstance(info, ChannelInfo) else ChannelInfo(info)
         for info in labels], wanted)
    return keys, [problem.rule for problem in problems]


@pytest.mark.parametrize("labels, found, rules", [
    (["EEG FP1-REF", "EEG EKG1-REF"], (1,), []),
    (["ecg", "EKG2", "Fp1"], (0, 1), []),
    (["II", "ECG"], (1,), []),
    (["Fp1", "MLII", "v5"], (1, 2), ["ecg.by_lead"]),
    (["ECoG 1", "aVR"], (1,), ["ecg.by_lead"]),
    (["ECG", "ECG"], (0, 1), []),
    (["ECG HR", "ECG"], (1,), []),
    (["ECG", ChannelInfo("ECG 2", "bpm", 256)], (0,),
     ["ecg.unit_other"]),
    ([ChannelInfo("ECG", "mV", 8), "ECG 2"], (1,), []),
    ([ChannelInfo("ECG", "mV", 8)], (0,), []),
    ([ChannelInfo("ECG Rate", "bpm", 1), "II"], (1,), ["ecg.by_lead"]),
    ([ChannelInfo("X", "g"), ChannelInfo("Y", "uV")], (1,), ["ecg.by_lead"]),
    (["CH 1"], (0,), ["ecg.only_channel"]),
    *((["Fp1", lead], (1,), ["ecg.by_lead"]) for lead in (
        "DII", "Lead II", "lead_2", "ML II", "V5-REF", "CM5", "X", "Z",
        "LL-RA", "Holter", "MCL1", "V3R", "mod. II")),
])
def test_labels_units_and_rates_decide(labels, found, rules):
    assert chosen(labels) == (tuple((index,) for index in found), rules)


@pytest.mark.parametrize("wanted, found", [
    ("chest 2", ((1,),)), ("x, Chest 2,ECG", ((1,),)),
    ("ecg - chest 2", ((0, 1),)), ("Chest 2 - A - B", ((1, 2),)),
    ("A, x", ((4,),)), ("A, B", ((3,),)), ("C", ((5,), (6,)))])
def test_a_setting_wins(wanted, found):
    labels = ["ECG", "Chest 2", "A - B", "A, B", "A", "C", "c"]
    assert chosen(labels, wanted) == (found, [])


@pytest.mark.parametrize("wanted", ["chest", "a,b", "ECG - chest", " - "])
def test_a_setting_that_no_channel_has_is_a_warning(wanted):
    assert chosen(["ECG"], wanted) == (((0,),), ["ecg.not_as_set"])


@pytest.mark.parametrize("labels", [
    ["Fp1", "", "VI", "ECoG"], ["D2", "X1", "CZ", ""], ["", "CH1"],
    [ChannelInfo("X", "g"), ""],
    [ChannelInfo("CH1", "%"), ""], ["ECG HR", ""]])
def test_no_ecg_lists_the_labels(labels):
    with pytest.raises(MissingError, match=r"ecg.missing: .*\(no label\)"):
        chosen(labels)


@pytest.mark.parametrize("unit", ["bpm", "%", "Ohm"])
def test_a_unit_that_is_not_of_an_ecg_is_named(unit):
    with pytest.raises(MissingError, match=f"'ECG 1' has the unit '{unit}'"):
        chosen([ChannelInfo("ECG 1", unit), ChannelInfo("Fp1", "uV")])


def test_an_ecg_whose_unit_is_no_voltage_is_not_dropped_in_silence():
    infos = [ChannelInfo("ECG 1", "%"), ChannelInfo("ECG 2", "mV"),
             ChannelInfo("ECG HR", "bpm")]
    keys, (problem,) = by_label(infos)
    assert keys == ((1,),) and problem.rule == "ecg.unit_other"
    assert "ECG 1 (%)" in problem.text and "HR" not in problem.text


@pytest.mark.parametrize("wanted", ["ECG lft", "Chest, EGC left", "ecg LEFT1"])
def test_a_misspelt_label_brings_the_nearest_one(wanted):
    labels = ["Fp1", "ECG left", "ECG right"]
    _, (problem,) = by_label([ChannelInfo(one) for one in labels], wanted)
    assert problem.rule == "ecg.not_as_set" and "'ECG left'" in problem.text
    assert all(label in problem.text for label in labels)


def test_many_labels_are_not_all_listed():
    with pytest.raises(MissingError, match="E23 .*476") as caught:
        chosen([f"E{i}" for i in range(500)])
    assert "E24" not in str(caught.value)


@pytest.mark.parametrize("worse", [NOISE, HUM, FLAT, RAILED])
@pytest.mark.parametrize("at", [0, 1])
def test_the_best_signal_is_taken_with_a_warning(worse, at):
    qualities = {(at,): assess(HEART), (1 - at,): assess(worse)}
    index, (problem,) = best(["ECG", "ECG"], qualities)
    assert (index, problem.rule) == ((at,), "ecg.several")
    assert "ECG (channel 1)" in problem.text
    assert "ECG (channel 2)" in problem.text


def test_one_candidate_is_no_choice():
    assert best(["a", "ECG"], {(1,): assess(FLAT)}) == ((1,), ())


@pytest.mark.parametrize("labels, pairs", [
    (["ECG+", "ECG-"], [(0, 1)]), (["ECG-", "ECG+"], [(1, 0)]),
    (["EEG EKG1-REF", "EEG EKG2-REF"], [(0, 1)]),
    (["ECG L", "ECG R"], [(0, 1)]), (["ECG LA", "ECG RA"], [(0, 1)]),
    (["EKG (+)", "EKG (-)"], [(0, 1)]), (["ECG1", "ECG3"], []),
    (["ECG1", "EKG2"], []), (["ECG1", "ECG1", "ECG2"], []),
    (["ECG1", "ECG2", "ECG3", "ECG+", "ECG-"], [(0, 1), (3, 4)])])
def test_labels_of_two_electrodes_are_a_pair(labels, pairs):
    keys = [(i,) for i in range(len(labels))]
    assert list(pairs_of(labels, keys)) == pairs


ECG_MV = 0.4 * heart(120, FS_HZ).ravel() / 3000
STEPS = np.repeat(np.random.default_rng(5).normal(0, 1.2, 150), 218)[
    :ECG_MV.size]
MUSCLE = np.random.default_rng(6).normal(0, 1, ECG_MV.size)


def pick(tmp_path, labels, *signals, wanted="", **changes):
    """The channel that is chosen in a recording, its samples and rules."""
    (tmp_path / "r.edf").write_bytes(File(tuple(
        Channel(label, digital=np.round((samples + 5) * 6553.5 - 32768).astype(
            int).reshape(-1, FS_HZ), **changes)
        for label, samples in zip(labels, signals, strict=True))).bytes())
    with (tmp_path / "r.edf").open("rb") as stream:
        header = read_header(stream)
        key, figures, problems = choose(stream, header, wanted)
        signal = channel(stream, header, key)
        return (key, signal.read(0, signal.sample_count),
                [one.rule for one in problems], figures)


@pytest.mark.parametrize("labels", [("ECG+", "ECG-"), ("EKG1", "EKG2")])
@pytest.mark.parametrize("shared", [STEPS, MUSCLE, STEPS + MUSCLE / 9])
def test_the_difference_of_two_electrodes_is_the_ecg(
        tmp_path, labels, shared):
    key, samples, rules, figures = pick(
        tmp_path, labels, shared + ECG_MV, shared - ECG_MV)
    assert (key, rules) == ((0, 1), ["ecg.pair"])
    assert samples == pytest.approx(2 * ECG_MV, abs=4e-4)
    assert [*figures] == [*labels, " - ".join(labels)]


def test_two_leads_of_one_heart_are_not_subtracted(tmp_path):
    for second in (0.7 * ECG_MV + 0.02 * MUSCLE, -ECG_MV, ECG_MV / 4):
        key, _, rules, _ = pick(tmp_path, ("ECG1", "ECG2"), ECG_MV, second)
        assert len(key) == 1
        assert rules == ["ecg.several"]


@pytest.mark.parametrize("labels", [("ECG+", "ECG-"), ("EKG1", "EKG2")])
def test_the_other_electrode_is_used_where_one_is_off(tmp_path, labels):
    key, _, rules, _ = pick(tmp_path, labels, 0 * ECG_MV, ECG_MV)
    assert key == (1,)
    assert rules == ["ecg.pair", "ecg.several"]


def test_a_difference_can_be_set_and_is_clipped_where_a_channel_is(tmp_path):
    one = np.clip(ECG_MV * 20, -5, 5)
    key, samples, rules, _ = pick(
        tmp_path, ("ECG", "Chest"), one, ECG_MV, wanted="Chest, ECG - Chest")
    assert key == (1,)
    key, samples, rules, _ = pick(
        tmp_path, ("ECG", "Chest"), one, ECG_MV, wanted="x,ECG - Chest")
    assert key == (0, 1)
    at_limit = one >= 5 - 1e-9
    assert at_limit.any()
    assert np.array_equal(samples == 10, at_limit)
    other = File((Channel(), Channel("Chest", "uV")))
    (tmp_path / "o.edf").write_bytes(other.with_channel(unit="").bytes())
    with (tmp_path / "o.edf").open("rb") as stream, pytest.raises(
            AuraError, match="ecg.pair"):
        choose(stream, read_header(stream), "ECG - Chest")


@pytest.mark.parametrize("hz", [50, 60])
@pytest.mark.parametrize("fs_hz", [100, 128, 200, 256, 1000])
def test_hum_hides_no_heart(hz, fs_hz):
    time_s = np.arange(60 * fs_hz) / fs_hz
    beats = heart(60, fs_hz).ravel() / 3000
    hum = np.sin(2 * np.pi * hz * time_s + 1)
    hum += 0.2 * np.sin(6 * np.pi * hz * time_s)
    loud = ArraySignal(beats + (2 * hum if hz != fs_hz / 2 else 0), fs_hz)
    clear = assess(ArraySignal(beats, fs_hz))
    assert assess(loud).score == pytest.approx(clear.score, abs=0.2)
    assert warnings(loud, assess(loud), "mV") == ()


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
