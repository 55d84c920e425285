"""EDF+ annotations and record times."""

from collections import defaultdict
from dataclasses import replace

import edfio
import pyedflib
import pytest
from hypothesis import given, settings, strategies as st

from aura.edf.header import read_header
from aura.edf.tal import EdfAnnotation, Timeline, parse, read_timeline
from aura.errors import AuraError, ResourceError
from tests.edf_builder import Channel, heart, plus, tal
from tests.work import lines_run


@pytest.fixture
def timeline_of(tmp_path):
    """Read the timeline of a built file."""
    def read(file):
        path = tmp_path / "r.edf"
        path.write_bytes(file.bytes())
        with path.open("rb") as stream:
            return read_timeline(stream, read_header(stream))
    return read


def as_tuples(timeline):
    return [(n.onset_s, n.duration_s, n.text) for n in timeline.annotations]


def test_specification_example():
    block = (b"+180\x14Lights off\x14Close door\x14\0"
             b"+1800.2\x1525.5\x14Apnea\x14\0\0\0")
    assert parse(block, {}) == [
        (180, 0, ["Lights off", "Close door"]), (1800.2, 25.5, ["Apnea"])]


def test_record_onsets_are_not_annotations(timeline_of):
    assert timeline_of(plus()).annotations == ()


def test_annotations_in_plain_edf_are_read_without_its_clock(timeline_of):
    file = plus([0, 3, 7], [tal(1, 1, "seizure")])
    assert timeline_of(replace(file, reserved="")) == Timeline(
        0.0, (EdfAnnotation(1, 1, "seizure"),))


def test_onsets_count_from_the_first_sample(timeline_of):
    onsets = [0.25 + i for i in range(60)]
    timeline = timeline_of(plus(onsets, [tal(10.25, 5, "sz")]))
    assert timeline.first_onset_s == 0.25
    assert as_tuples(timeline) == [(10, 5, "sz")]


def test_a_second_annotation_signal_is_read_too(timeline_of):
    file = plus(range(3))
    more = [tal(1, 1, "a"), b"\0", tal(-2, None, "b", "\u03b1")]
    timeline = timeline_of(replace(file, notes=(*file.notes, more)))
    assert as_tuples(timeline) == [
        (1, 1, "a"), (-2, 0, "b"), (-2, 0, "\u03b1")]


def faults_of(block):
    """What is read of a block, and the rules that it breaks."""
    faults = defaultdict(list)
    lists = parse(block, faults)
    return lists, [rule for rule, texts in faults.items() if texts]


@pytest.mark.parametrize("rule, piece", [
    ("onset", b"5\x14a\x14"), ("onset", b"+\x14a\x14"),
    ("onset", b"+1e3\x14a\x14"), ("onset", b"+5.\x14a\x14"),
    ("onset", b"\x14a\x14"), ("onset", b"+5"), ("onset", b"+5\x153"),
    ("onset", b"+9999999999999\x14a\x14"), ("onset", b"+inf\x14a\x14"),
    ("onset", b"--5\x14a\x14"), ("unterminated", b"+5\x14a")])
def test_a_list_that_cannot_be_read_is_counted(rule, piece):
    assert faults_of(piece + b"\0" + tal(7, 1, "b")) == (
        [(7, 1, ["b"])], [rule])


@pytest.mark.parametrize("rule, piece, lists", [
    ("duration", b"+5\x15-3\x14a\x14", (5, 0, ["a"])),
    ("duration", b"+5\x15long\x14a\x14", (5, 0, ["a"])),
    ("text", b"+5\x14\xe9t\xe9\x14", (5, 0, ["\u00e9t\u00e9"])),
    ("control", b"+5\x14a\x1bb\x14", (5, 0, ["a\x1bb"])),
    ("control", b"+5\x14a\x15b\x14", (5, 0, ["a\x15b"]))])
def test_a_list_with_a_fault_is_read_and_counted(rule, piece, lists):
    assert faults_of(piece + b"\0") == ([lists], [rule])


def test_what_other_writers_write_is_read():
    assert faults_of(b"+5\x15\x14a\x14\0") == ([(5, 0, ["a"])], [])
    assert faults_of(b"+5,25\x151,5\x14a\x14") == (
        [(5.25, 1.5, ["a"])], [])


def test_faults_are_warnings_with_a_count(timeline_of):
    timeline = timeline_of(plus(range(3), [
        b"+1\x15-3\x14\xe9\x14\0", b"x\x14\0", b"y\x14\0"]))
    assert as_tuples(timeline) == [(1, 0, "\u00e9")]
    assert [(one.rule, one.text.split()[-1]) for one in timeline.problems] \
        == [("edf.annotation.text", "1"), ("edf.annotation.duration", "1"),
            ("edf.annotation.onset", "2")]


@pytest.mark.parametrize("first", [
    b"", b"+0\x14text\x14\0", b"+0\x151\x14\x14\0", b"+0\x14\0"])
def test_a_record_without_its_onset_follows_the_one_before_it(
        timeline_of, first):
    file = plus(range(5))
    file.notes[0][1:3] = first, first
    timeline = timeline_of(file)
    assert (timeline.parts, timeline.wrong_onsets) == (((0, 0.0),), 2)
    # With gaps that can be anywhere, it may be anywhere too.
    with pytest.raises(AuraError, match="timekeeping: .* record 2 "):
        timeline_of(replace(file, reserved="EDF+D"))


@settings(deadline=None)
@given(st.lists(st.tuples(
    st.integers(-10**6, 10**6), st.none() | st.integers(0, 10**6),
    st.lists(st.text(st.characters(codec="utf-8", min_codepoint=32)),
             min_size=1, max_size=3)), max_size=10))
def test_what_is_written_is_read(lists):
    block = b"".join(tal(*entry[:2], *entry[2]) for entry in lists) + b"\0"
    assert parse(block, {}) == [
        (onset, duration or 0, texts) for onset, duration, texts in lists]


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_counted(block):
    lists, faults = faults_of(block)
    pieces = [piece for piece in block.split(b"\0") if piece]
    assert len(lists) <= len(pieces)
    assert bool(faults) or len(lists) == len(pieces)


def test_edf_d_without_a_gap_is_read(timeline_of):
    assert timeline_of(plus(kind="EDF+D")).first_onset_s == 0


def test_parts_of_edf_d_start_at_the_onsets_of_their_records(
        timeline_of):
    onsets = [0.5, 1.5, 2.5, 98.5, 99.5, 100.51]
    timeline = timeline_of(plus(onsets, [tal(99, 1, "in a part")],
                                kind="EDF+D"))
    assert timeline.parts == ((0, 0.0), (3, 98.0), (5, 100.01))
    assert timeline.annotations == (EdfAnnotation(98.5, 1, "in a part"),)


def test_a_gap_longer_than_31_days_is_an_error(timeline_of):
    with pytest.raises(ResourceError, match="gap_length: record 2 .*3e"):
        timeline_of(plus([0, 3e7], kind="EDF+D"))


@pytest.mark.parametrize("kind", ["EDF+C", "EDF+D"])
@pytest.mark.parametrize("onsets", [
    [0, 1, 1.5], [0, 1, 0], [-1, 0, 1]])
def test_records_that_overlap_or_start_early_are_an_error(
        timeline_of, kind, onsets):
    if onsets[0] < 0:
        file = plus(range(3), kind=kind)
        file.notes[0][:] = [b"-1\x14\x14\0", b"+0\x14\x14\0", b"+1\x14\x14\0"]
    else:
        file = plus(onsets, kind=kind)
    with pytest.raises(AuraError, match="edf.record_onset"):
        timeline_of(file)


@pytest.mark.parametrize("drift", [0.002, -0.002, 0.0001])
def test_a_clock_that_drifts_makes_no_gap_in_a_continuous_file(
        timeline_of, drift):
    onsets = [i * (1 + drift) for i in range(600)]
    assert timeline_of(plus(onsets)).parts == ((0, 0),)


def test_small_delays_add_up_to_a_gap(timeline_of):
    onsets = [i * 1.0005 for i in range(60)]
    parts = timeline_of(plus(onsets, kind="EDF+D")).parts
    assert all(abs(onset - onsets[record]) < 1e-9 for record, onset in parts)
    ends = [after for after, _ in parts[1:]] + [60]
    assert all((end - first) * 0.0005 <= 0.0021
               for (first, _), end in zip(parts, ends, strict=True))


def test_rounded_onsets_are_not_gaps(timeline_of):
    onsets = [round(i / 3, 4) for i in range(200)]
    assert timeline_of(plus(onsets, duration="0.333333", channels=(
        Channel(digital=heart(200, 85)),))).annotations == ()


def test_bdf_annotations_are_read(timeline_of):
    file = plus(range(3), [tal(1, 1, "seizure")], kind="BDF+C")
    assert as_tuples(timeline_of(file)) == [(1, 1, "seizure")]


def test_ten_times_the_annotations_are_ten_times_the_work(tmp_path):
    def work(records):
        file = plus(range(records))
        for record, block in enumerate(file.notes[0]):
            file.notes[0][record] = block + 10 * tal(record, 0.5, "seizure")
        path = tmp_path / f"{records}.edf"
        path.write_bytes(file.bytes())

        def read():
            with path.open("rb") as stream:
                timeline = read_timeline(stream, read_header(stream))
                assert len(timeline.annotations) == 10 * records

        return lines_run(read)

    assert work(1000) < 10.1 * work(100)


def test_a_million_events_are_the_limit(timeline_of, monkeypatch):
    monkeypatch.setattr("aura.edf.tal.ANNOTATIONS_MAX", 3)
    texts = [tal(1, 1, "a")] * 4
    with pytest.raises(AuraError, match="edf.annotation.count"):
        timeline_of(plus(range(3), texts))


def test_events_agree_with_pyedflib_and_edfio(tmp_path):
    texts = [tal(i * 0.5, i % 7 or None, f"word {i}") for i in range(60)]
    path = tmp_path / "r.edf"
    path.write_bytes(plus(texts=texts).bytes())
    assert_readers_agree(path)


def test_events_agree_on_real_recordings(data_dir):
    for path in sorted((data_dir / "szdb").rglob("*.edf")):
        assert_readers_agree(path)


def assert_readers_agree(path):
    with path.open("rb") as stream:
        found = as_tuples(read_timeline(stream, read_header(stream)))
    with pyedflib.EdfReader(str(path)) as reader:
        onsets, lengths, texts = reader.readAnnotations()
    assert found == [
        (onset, max(length, 0), text) for onset, length, text
        in zip(onsets, lengths, texts, strict=True)]
    others = edfio.read_edf(path).annotations
    assert sorted(found) == sorted(
        (note.onset, note.duration or 0, note.text) for note in others)


@pytest.mark.parametrize("kind", ["EDF+C", "EDF+D"])
@pytest.mark.parametrize("wrong", [3e4, 1.5, 0])
def test_one_wrong_start_gives_way_to_its_neighbours(
        timeline_of, kind, wrong):
    timeline = timeline_of(plus([0, 1, wrong, 3, 4], kind=kind))
    assert (timeline.parts, timeline.wrong_onsets) == (((0, 0.0),), 1)


def test_a_record_alone_between_two_gaps_is_no_wrong_start(timeline_of):
    timeline = timeline_of(plus([0, 1, 5, 9, 10], kind="EDF+D"))
    assert [onset_s for _, onset_s in timeline.parts] == [0, 5, 9]
    assert timeline.wrong_onsets == 0


@pytest.mark.parametrize("padding", [b"\0\xff\xff", b"   ", b"\0 \0 "])
def test_padding_behind_annotations_is_no_annotation(padding):
    faults = defaultdict(list)
    assert parse(b"+0\x14\x14\0+5\x152\x14sz\x14" + padding, faults) == [
        (0, 0, [""]), (5, 2, ["sz"])]
    assert set(faults) == {"padding"}
