"""Texts with intervals, as programs and recorders of others write them."""

import io
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from aura.dataset import assemble, beat_files, find
from aura.errors import AuraError
from aura.folder import Folder
from aura.recording import Recording

START = datetime(2025, 3, 15, 9, 0, 15)


def hearts_rr(count, seed=1):
    rng = np.random.default_rng(seed)
    return np.round(850 + 50 * np.sin(np.arange(count) / 5)
                    + rng.normal(0, 20, count)).astype(int)


def clock(seconds, write="%Y-%m-%d %H:%M:%S.%f"):
    return (START + timedelta(seconds=float(seconds))).strftime(write)


def kubios(rr, mark=".", separator=","):
    head = ["Kubios HRV Scientific Lite", "", "File name: r.txt",
            *["Parameter: 1"] * 90, "RESULTS FOR SINGLE SAMPLES",
            "RR INTERVAL DATA and SPECTRUM ESTIMATES",
            ",SAMPLE 1,,,,".replace(",", separator),
            "RR data,,,FFT spectrum,".replace(",", separator),
            "Time,RR interval,,Frequency,PSD".replace(",", separator),
            "(s),(s),,(Hz),(ms^2/Hz)".replace(",", separator)]
    ends = np.cumsum(rr) / 1000
    rows = [f"{end:.3f},{one / 1000:.3f},,{at / 100:.2f},0.5"
            for at, (end, one) in enumerate(zip(ends, rr, strict=True))]
    rows += [f",,,{at / 100:.2f},0.5" for at in range(len(rr), len(rr) + 9)]
    table = "\n".join(rows).replace(",", ";" if separator == ";" else ",")
    return "\n".join([*head, table.replace(".", mark), ""])


def rows(names, *columns, separator=","):
    return "\n".join([*names, *(separator.join(map(str, row))
                                for row in zip(*columns, strict=True)), ""])


def ends(rr):
    return np.cumsum(rr) / 1000


# The text, whether the numbers tell the unit, and whether it has a date.
MAKES = {
    "EliteHRV": (lambda rr: rows([], rr), True, False),
    "Kubios, intervals in s": (
        lambda rr: rows([], [f"{one / 1000:.3f}" for one in rr]), True,
        False),
    "decimal comma": (
        lambda rr: rows([], [f"{one / 1000:.3f}".replace(".", ",")
                             for one in rr]), True, False),
    "Kubios, comments": (
        lambda rr: rows(["# Kubios", "# RR in ms"], rr), True, False),
    "Kubios report": (kubios, False, False),
    "Kubios report, decimal comma": (
        lambda rr: kubios(rr, ",", ";"), False, False),
    "Polar Sensor Logger": (
        lambda rr: rows(["Phone timestamp;RR-interval [ms]"], [
            clock(one, "%Y-%m-%dT%H:%M:%S.%f")[:-3] for one in ends(rr)], rr,
            separator=";"), False, True),
    "Polar Flow, intervals": (
        lambda rr: rows(["duration,offline"], rr, [0] * len(rr)), True,
        False),
    "Polar Flow, times and intervals": (
        lambda rr: rows([], [f"{one:.3f}" for one in ends(rr)], rr,
                        separator="\t"), True, False),
    "HRV Logger": (
        lambda rr: rows(["date, timestamp, rr, since start"], [
            clock(one, "%Y-%m-%d %H:%M:%S +0000") for one in ends(rr)],
            [f"{1742029215 + one:.2f}" for one in ends(rr)], rr,
            [f"{one * 1000:.1f}" for one in ends(rr)], separator=", "),
        True, True),
    "HRV Logger, new": (
        lambda rr: rows(["date,rr,since start"], [
            clock(one)[:-3] for one in ends(rr)], rr,
            np.cumsum(rr) - rr), True, True),
    "HRVAS": (
        lambda rr: rows([], [f"{one:.3f}" for one in ends(rr) - rr / 1000],
                        [f"{one / 1000:.3f}" for one in rr]), True, False),
    "Empatica": (
        lambda rr: rows(["1742029215.000000, IBI"], [
            f"{one:.6f}" for one in ends(rr)],
            [f"{one / 1000:.6f}" for one in rr], separator=","), True,
        False),
    "with a unit": (lambda rr: rows(["RR (ms)"], rr), False, False)}


@pytest.mark.parametrize("make", MAKES)
def test_the_texts_of_each_maker(make):
    text, guessed, dated = MAKES[make]
    rr = hearts_rr(4000)
    content = text(rr).encode()
    # The begin is enough to know it, and may end within a row.
    assert beat_files.form_of(content[:beat_files.HEAD_BYTES]) == "rr"
    series = beat_files.read(io.BytesIO(content))
    assert np.diff(series.time_s) == pytest.approx(rr / 1000, abs=2e-6)
    warned = {one.rule for one in series.problems}
    assert ("beats.unit" in warned) is guessed
    assert ("beats.number" in warned) is ("comma" in make)
    assert warned <= {"beats.unit", "beats.number"}
    assert series.start is None if not dated else (
        abs(series.start - START) < timedelta(seconds=1))


@pytest.mark.parametrize("make", [
    "Polar Sensor Logger", "Polar Flow, times and intervals", "HRV Logger",
    "HRV Logger, new", "HRVAS", "Empatica", "Kubios report"])
def test_times_in_them_show_what_was_lost(make):
    text, _, _ = MAKES[make]
    rr = hearts_rr(900)
    # Rows are missing: the strap was off.
    lines = text(rr).split("\n")
    first = next(at for at, line in enumerate(lines)
                 if line and line[0].isdigit() and "IBI" not in line)
    del lines[first + 400:first + 500]
    series = beat_files.read(io.BytesIO("\n".join(lines).encode()))
    assert series.duration_s - series.time_s[0] == pytest.approx(
        rr.sum() / 1000, abs=1)
    assert np.diff(series.beats().unscorable[-1]) == pytest.approx(
        rr[400:500].sum() / 1000, abs=1)


def test_intervals_without_contact_pass_but_are_a_gap():
    rr = hearts_rr(300)
    off = np.isin(np.arange(300), [100, 250]).astype(int)
    series = beat_files.read(io.BytesIO(rows(
        ["duration,offline"], rr, off).encode()))
    assert series.duration_s == pytest.approx(rr.sum() / 1000)
    at = np.append(0, ends(rr))
    assert series.beats().unscorable == pytest.approx(np.array([
        [at[100], at[101]], [at[250], at[251]]]))


NOTHING = {
    "notes": "The patient slept well.\n22:10 lights off\nRR ok\n",
    "readme": "rr_ms are intervals\n\n    rr_ms\n    800\n    810\n",
    "about Kubios": "Kubios HRV was used for all of these recordings.\n",
    "annotations": "onset,duration,description\n876.0,96.0,Seizure 1\n",
    "EDFbrowser": "Onset,Duration,Annotation\n+00:14:36,96,Seizure 1\n",
    "onsets": rows([], range(300, 9000, 150)),
    "onsets with length": rows([], range(300, 9000, 150), [60] * 58),
    "one number": "876\n",
    "few numbers": rows([], hearts_rr(9)),
    "heart rate": rows([], 60000 // hearts_rr(500)),
    "labels": rows([], np.arange(500) % 2),
    "stages": rows([], np.arange(500) // 7 % 4),
    "ECG in microvolts": rows([], np.round(900 * np.sin(np.arange(900)))),
    "the same number": rows([], [800] * 500),
    "table of numbers": rows([], hearts_rr(99), hearts_rr(99, 2)),
    "vital signs": rows(["time,HR,RR,SpO2"], range(99), [71] * 99,
                        [14 + at % 3 for at in range(99)], [97] * 99),
    "Polar HR": "Phone timestamp;HR [bpm];HRV [ms];Breathing interval [rpm];"
                "\n2025-03-15T09:00:15.123;71;43.1;14.2;\n",
    "Polar ECG": "Phone timestamp;sensor timestamp [ns];timestamp [ms];"
                 "ecg [uV]\n2025-03-15T09:00:15.123;599616050941733;0.0;-85\n",
    "Polar Flow session": "Name,Sport,Date,Start time,Duration\n"
                          ",RUNNING,15-03-2025,09:00:15,00:31:12\n",
    "HRV4Training days": "date, HR, AVNN, SDNN, rMSSD, pNN50\n"
                         "2025-03-15, 52.1, 1151.2, 88.1, 92.3, 41.2\n",
    "HRV Logger events": "date,timestamp,annotation,manual\n"
                         "2025-03-15 09:00:15,0,Start,false\n",
    "nothing": ""}


@pytest.mark.parametrize("name", NOTHING)
@pytest.mark.parametrize("ending", [".txt", ".csv", ".rr", ".ibi"])
def test_what_holds_no_intervals_is_no_recording(tmp_path, name, ending):
    (tmp_path / f"night{ending}").write_text(NOTHING[name])
    found = find.recordings(Folder(tmp_path))
    assert [one for one in found if one.problem is None] == []
    assert {one.problem.rule for one in found} <= {"path.not_read"}
    assert bool(found) >= (ending in (".rr", ".ibi"))


@pytest.mark.parametrize("ending", [".txt", ".csv", ".rr", ".ibi", ".TXT"])
def test_a_text_with_intervals_is_a_recording(tmp_path, ending):
    rr = hearts_rr(200)
    (tmp_path / f"2025-03-15 07-12-33{ending}").write_text(rows([], rr))
    (tmp_path / "notes.txt").write_text(NOTHING["notes"])
    folder = Folder(tmp_path)
    candidate, = find.recordings(folder)
    known = assemble.recording(folder, candidate)
    assert isinstance(known, Recording)
    assert known.duration_s == pytest.approx(rr.sum() / 1000)


@pytest.mark.parametrize("name", ["RR", "rr intervals", "IBI", "NNI", "R-R"])
@pytest.mark.parametrize("unit_s", [1e-3, 1])
def test_a_column_without_a_unit_has_the_one_that_fits(name, unit_s):
    rr = hearts_rr(60) / 1000
    series = beat_files.read(io.BytesIO(rows(
        [f"n;{name}"], range(60), rr / unit_s, separator=";").encode()))
    assert np.diff(series.time_s) == pytest.approx(rr, abs=1e-6)
    text, = (one.text for one in series.problems if one.rule == "beats.unit")
    assert (" seconds," in text) is (unit_s == 1)


def test_a_report_of_several_samples_is_rejected():
    text = kubios(hearts_rr(90)).replace(
        "Time,RR interval,,", "Time,RR interval,,Time,RR interval,").replace(
        "(s),(s),,", "(s),(s),,(s),(s),")
    assert beat_files.form_of(text.encode()) == "rr"
    with pytest.raises(AuraError, match="beats.header"):
        beat_files.read(io.BytesIO(text.encode()))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(300, 1500), min_size=20, max_size=300),
       st.sampled_from(sorted(MAKES)), st.booleans())
def test_intervals_are_those_that_were_written(rr, make, windows):
    text, _, _ = MAKES[make]
    content = text(np.array(rr))
    if windows:
        content = "\ufeff" + content.replace("\n", "\r\n")
    try:
        series = beat_files.read(io.BytesIO(content.encode()))
    except AuraError as error:
        # Without a name, numbers that only rise may be anything.
        assert error.rule == "beats.header"
        assert np.all(np.diff(rr) >= 0) or np.all(np.diff(rr) <= 0)
    else:
        assert np.diff(series.time_s) == pytest.approx(
            np.array(rr) / 1000, abs=2e-6)
