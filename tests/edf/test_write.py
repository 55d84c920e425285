"""Written files, read by this project, pyedflib and edfio."""

import io
import math
from dataclasses import replace
from datetime import datetime
from fractions import Fraction

import edfio
import numpy as np
import pyedflib
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from aura.edf import write
from aura.edf.header import read_header
from aura.edf.signal import EcgSignal
from aura.edf.tal import read_timeline
from aura.errors import AuraError
from tests.edf_builder import Channel, File, heart, plus, tal


@pytest.fixture
def copied(tmp_path):
    """Copy a built file with annotations; the copy's path."""
    def copy(file, rows, source=tmp_path / "in.edf"):
        source.write_bytes(file if isinstance(file, bytes) else file.bytes())
        target = tmp_path / "out.edf"
        with source.open("rb") as stream, target.open("wb") as out:
            header = read_header(stream)
            write.copy(stream, out, header,
                       read_timeline(stream, header), rows)
        return target
    return copy


def ours(path):
    with path.open("rb") as stream:
        header = read_header(stream)
        timeline = read_timeline(stream, header)
        samples = [EcgSignal(stream, header, i).read_digital(
            0, header.record_count * signal.samples_per_record)
            for i, signal in enumerate(header.signals)]
    return header, timeline, samples


ROWS = [(5, 7.25, "seizure"), (2.5, None, "lights off"),
        (-1, 0, "\u53d1\u4f5c \u043f\u0440\u0438\u0441")]


def test_a_copy_has_the_same_samples_and_the_new_annotations(
        copied):
    digital = heart(60, 256)
    path = copied(File((Channel(digital=digital), Channel(
        "Resp", digital=heart(60, 32)))), ROWS)
    header, timeline, samples = ours(path)
    assert (header.kind, header.problems) == ("EDF+C", ())
    assert np.array_equal(samples[0], digital.ravel())
    assert np.array_equal(samples[1], heart(60, 32).ravel())
    assert [(n.onset_s, n.duration_s, n.text)
            for n in timeline.annotations] == [
        (-1, 0, ROWS[2][2]), (2.5, 0, "lights off"), (5, 7.25, "seizure")]
    with pyedflib.EdfReader(str(path)) as other:
        assert np.array_equal(other.readSignal(0, digital=True),
                              digital.ravel())
        onsets, lengths, texts = other.readAnnotations()
        assert list(texts) == [ROWS[2][2], "lights off", "seizure"]
        assert list(onsets) == [-1, 2.5, 5]
        assert other.getPatientCode() == "P01"
    third = edfio.read_edf(path)
    assert np.array_equal(third.signals[0].digital, digital.ravel())
    assert [a.text for a in third.annotations] == list(texts)


@pytest.mark.parametrize("file", [
    plus([0, 1, 2, 60, 61]), plus(records="-1"),
    plus(recording="Startdate 02-M\xc4R-2021 H X X"),
    plus(date="", recording="Startdate X H X X"),
    plus(duration="1,0").with_channel(physical=("-5,0", "5,"))])
def test_a_copy_of_a_recording_with_faults_has_none(copied, tmp_path, file):
    header, timeline, samples = ours(copied(file, ROWS))
    assert header.problems == ()
    faulty, before, _ = ours(tmp_path / "in.edf")
    assert header.signals[0].physical == faulty.signals[0].physical
    assert (header.start, header.duration_s, timeline.parts) == (
        faulty.start, faulty.duration_s, before.parts)
    assert header.kind == ("EDF+D" if timeline.parts[1:] else "EDF+C")
    assert np.array_equal(samples[0], file.channels[0].digital.ravel())


@pytest.mark.parametrize("plain", [True, False])
def test_patients_with_similar_names_stay_two(copied, plain):
    made = File if plain else plus
    patients = [ours(copied(made(patient=code), ROWS))[0].patient
                for code in (b"M\xfcller X X X", b"M\xf6ller X X X")]
    assert patients[0] != patients[1]
    assert all(patient.isascii() for patient in patients)


def test_plain_text_fields_become_those_of_edf_plus(copied):
    path = copied(File(patient="7 Doe John 1970", recording="Ward 3"), ROWS)
    header = ours(path)[0]
    assert header.patient == "7 X X Doe_John_1970"
    with pyedflib.EdfReader(str(path)) as other:
        assert other.getPatientCode() == "7"
        assert str(other.getStartdatetime()) == "2021-03-02 10:20:30"


def test_a_blank_patient_stays_unknown(copied):
    assert ours(copied(File(patient=""), ROWS))[0].patient == "X X X X"


@pytest.mark.parametrize("date, year", [
    ("31.12.84", 2084), ("01.01.85", 1985)])
def test_years_keep_their_century(copied, date, year):
    assert ours(copied(File(date=date), ROWS))[0].start.year == year


def test_a_year_that_needs_four_digits_is_kept(copied):
    file = plus(date="02.03.yy", recording="Startdate 02-MAR-2090 X X X")
    assert ours(copied(file, ROWS))[0].start.year == 2090


def test_gaps_stay_gaps(copied):
    onsets = [0.5, 1.5, 9.5, 10.5]
    path = copied(plus(onsets, kind="EDF+D"), [(9.25, 1, "sz")])
    header, timeline, _ = ours(path)
    assert header.kind == "EDF+D"
    assert timeline.parts == ((0, 0.0), (2, 9.0))
    assert timeline.first_onset_s == 0.5
    assert [(n.onset_s, n.text) for n in timeline.annotations] == [
        (9.25, "sz")]


def test_old_annotations_are_replaced(copied):
    path = copied(plus(texts=[tal(5, 7, "old")]), [(1, 1, "new")])
    header, timeline, _ = ours(path)
    assert [n.text for n in timeline.annotations] == ["new"]
    assert len(header.annotation_signals) == 1


def test_bdf_stays_bdf(copied):
    file = plus(kind="BDF+C", channels=(Channel(
        range=("-8388608", "8388607"), digital=heart(60, 256)),))
    header, timeline, samples = ours(copied(file, ROWS))
    assert header.kind == "BDF+C"
    assert np.array_equal(samples[0], heart(60, 256).ravel())
    assert len(timeline.annotations) == 3


def test_a_copy_has_room_for_a_hundred_thousand_annotations(copied):
    rows = [(i / 2000, 0.001, f"event {i}") for i in range(100_000)]
    header, timeline, _ = ours(copied(File(), rows))
    assert len(timeline.annotations) == 100_000
    assert timeline.annotations[77].text == "event 77"
    spread = header.record_bytes * header.record_count
    assert spread < 1.2 * sum(len(f"+{onset_s}..0.001..{text}..")
                              for onset_s, _, text in rows) + 60 * 1000


def test_a_record_that_is_too_long_to_be_read_is_not_written(
        copied, monkeypatch):
    # 512 bytes of samples, and 12 of annotations without the text.
    monkeypatch.setattr(write, "RECORD_BYTES_MAX", 512 + 12 + 100)
    copied(File(), [(1, 1, "x" * 100)])
    with pytest.raises(AuraError, match="convert.record_size"):
        copied(File(), [(1, 1, "x" * 101)])


rows_of = st.lists(st.tuples(
    st.floats(-5, 70).map(lambda x: round(x, 6)),
    st.none() | st.floats(0, 70).map(lambda x: round(x, 6)),
    st.text(max_size=20).map(write.printable).filter(bool)), max_size=20)


@settings(max_examples=25,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=rows_of, seconds=st.sampled_from(["1", "0.5", "3"]),
       first=st.sampled_from([0, 0.25]))
def test_samples_and_annotations_agree_with_pyedflib_and_edfio(
        copied, rows, seconds, first):
    length = float(seconds)
    digital = heart(20, 64)
    path = copied(plus([first + i * length for i in range(20)],
                       duration=seconds, channels=(Channel(
                           digital=digital),)), rows)
    header, timeline, samples = ours(path)
    assert header.record_duration_s == Fraction(seconds)
    wanted = sorted(rows, key=lambda row: row[0])
    for note, (onset_s, duration_s, text) in zip(
            timeline.annotations, wanted, strict=True):
        assert note.onset_s == pytest.approx(onset_s, abs=1e-6)
        assert note.duration_s == pytest.approx(duration_s or 0, abs=1e-6)
        assert note.text == text
    with pyedflib.EdfReader(str(path)) as other:
        assert np.array_equal(
            other.readSignal(0, digital=True), samples[0])
        onsets, lengths, texts = other.readAnnotations()
    # EDFlib keeps 100 ns and drops a trailing space; order is the file's.
    assert [text.strip() for text in texts] == [
        text.strip() for _, _, text in wanted]
    assert onsets == pytest.approx([row[0] for row in wanted], abs=2e-6)
    third = edfio.read_edf(io.BytesIO(path.read_bytes()))
    assert np.array_equal(third.signals[0].digital, samples[0])
    assert sorted(a.text for a in third.annotations) == sorted(
        text for _, _, text in wanted)
    assert all(math.isfinite(a.onset) for a in third.annotations)


def test_annotations_in_plain_edf_are_not_carried_over(copied):
    file = replace(plus(texts=[tal(5, 7, "seizure")]), reserved="")
    header, timeline, _ = ours(copied(file, [(1, 1, "new")]))
    assert [s.label for s in header.signals] == ["ECG"]
    assert [n.text for n in timeline.annotations] == ["new"]


START = datetime(2001, 2, 3, 4, 5, 6)
SEIZURES = [(0.0, 12.5, "sz"), (100.25, 50, "sz_foc_ia"),
            (3599.9, 0.1, "\u53d1\u4f5c \u043f\u0440\u0438\u0441")]


def annotation_file(tmp_path, rows, duration_s=3600.0, start=START):
    path = tmp_path / "review.edf"
    path.write_bytes(write.annotation_file(rows, start, duration_s))
    return path


def test_a_file_of_annotations_alone_agrees_with_pyedflib_and_edfio(tmp_path):
    path = annotation_file(tmp_path, SEIZURES)
    file = edfio.read_edf(path)
    assert [(one.onset, one.duration, one.text)
            for one in file.annotations] == SEIZURES
    assert datetime.combine(file.startdate, file.starttime) == START
    assert file.duration >= 3600
    with pyedflib.EdfReader(str(path)) as file:
        assert list(zip(*file.readAnnotations(), strict=True)) == SEIZURES
        assert file.getStartdatetime() == START


def test_many_events_keep_records_small(tmp_path):
    rows = [(8.0 * n, 2.5, f"sz_{n}") for n in range(10_000)]
    path = annotation_file(tmp_path, rows, 86_400.0)
    assert [(one.onset, one.duration, one.text)
            for one in edfio.read_edf(path).annotations] == rows
    assert int(path.read_bytes()[472:480]) * 2 <= 61_440


@pytest.mark.parametrize("size", [61_000, 70_000, 200_000])
def test_a_long_text_makes_a_long_record_and_not_many(tmp_path, size):
    path = annotation_file(tmp_path, [(1.0, 1.0, "x" * size)] * 3)
    assert [len(one.text) for one in edfio.read_edf(path).annotations] == [
        size] * 3
    assert path.stat().st_size < 8 * size


@pytest.mark.parametrize("start", [
    datetime(1950, 1, 1), datetime(1985, 1, 1), datetime(2084, 12, 31),
    datetime(2090, 6, 7)])
def test_the_header_has_the_day_in_any_century(tmp_path, start):
    path = annotation_file(tmp_path, SEIZURES, start=start)
    text = path.read_bytes()[88:184].decode()
    month = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()[
        start.month - 1]
    assert f"Startdate {start:%d}-{month}-{start.year}" in text
    # The specification's own way out, which not every reader knows.
    if not 1985 <= start.year <= 2084:
        assert path.read_bytes()[168:176] == f"{start:%d.%m}.yy".encode()
    else:
        assert edfio.read_edf(path).startdate == start.date()


def test_a_fraction_of_the_start_goes_into_the_onsets(tmp_path):
    path = annotation_file(tmp_path, [(10.0, 5, "sz")],
                           start=START.replace(microsecond=250_000))
    file = edfio.read_edf(path)
    assert file.starttime == START.time().replace(microsecond=250_000)
    assert [one.onset for one in file.annotations] == [10.0]


def test_a_file_of_annotations_alone_names_no_patient(tmp_path):
    header = annotation_file(tmp_path, SEIZURES).read_bytes()[:256]
    assert header[8:88].split() == [b"X"] * 4


def test_a_control_character_does_not_end_an_annotation(tmp_path):
    path = annotation_file(tmp_path, [(1.0, 2.0, "a\x14b\0c\ud800")])
    assert [one.text for one in edfio.read_edf(path).annotations] == [
        "a b c?"]


@pytest.mark.parametrize("kind, bits", [
    ("EDF", 16), ("EDF+C", 16), ("BDF+C", 24)])
def test_one_signal_agrees_with_pyedflib_and_edfio(tmp_path, kind, bits):
    limit = 1 << (bits - 1)
    samples = np.array([[-limit, -1, 0], [1, 256, limit - 1]], np.int32)
    rows = [(0.5, 1.0, "seizure")] if "+" in kind else []
    path = tmp_path / f"r.{kind[:3].lower()}"
    with path.open("wb") as stream:
        write.samples(
            stream, write.Main(kind, START, "X X X X", write.startdate(
                START, "X X X"), 2, "1"),
            [write.signal_fields("ECG", "mV", ("-5", "5"),
                                 (-limit, limit - 1), 3)], [samples], rows)
    header, timeline, found = ours(path)
    assert (header.kind, header.start, header.problems) == (kind, START, ())
    assert np.array_equal(found[0], samples.ravel())
    assert [(n.onset_s, n.duration_s, n.text)
            for n in timeline.annotations] == rows
    with pyedflib.EdfReader(str(path)) as other:
        assert np.array_equal(other.readSignal(0, digital=True), found[0])
        assert list(zip(*other.readAnnotations(), strict=True)) == rows
    third = (edfio.read_bdf if bits == 24 else edfio.read_edf)(path)
    assert np.array_equal(third.signals[0].digital, found[0])
    assert [(a.onset, a.duration, a.text) for a in third.annotations] == rows


def test_a_text_longer_than_its_field_is_an_error():
    with pytest.raises(ValueError, match="more than 80 bytes"):
        write.Main("EDF", START, "p" * 81, "", 1, "1").header([
            write.signal_fields("ECG", "mV", ("-5", "5"), (-9, 9), 1)])
