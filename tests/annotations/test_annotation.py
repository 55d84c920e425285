"""TSE and BIDS files, and disjoint seizures from annotations."""

from datetime import date, datetime

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from aura.annotations import bids, tse
from aura.annotations.bids import write_events as write_events_tsv
from aura.annotations.formats import FORMATS, adapt
from aura.annotations.annotation import (
    Annotation,
    Annotations,
    disjoint_seizures,
)
from aura.errors import AuraError, show_texts
from aura.recording import Event

START = datetime(2021, 3, 2, 10, 20, 30)
TSE = b"version = tse_v1.0.0\n\n"
HEADER = b"onset\tduration\teventType\tconfidence\tchannels\tdateTime\t" \
    b"recordingDuration\n"


def read_tse(content, start=None):
    return tse.read(content, start).events()


def read_events_tsv(content):
    table = bids.read(content)
    return table.events(), table.duration_s


def rules(problems):
    return [(problem.rule, problem.text.split()[-1]) for problem in problems]


def test_tuh_example():
    content = TSE + (b"0.0000 36.8868 bckg 1.0000\n"
                     b"36.8868 183.3055 seiz 1.0000\n")
    assert read_tse(content) == [
        Event(0, 36.8868, "bckg", 1),
        Event(36.8868, 183.3055 - 36.8868, "sz", 1)]


def test_la_teppe_example():
    content = (b"version = tse_v1.0.0\nannotator=somebody\ndate=2021-03-05\n"
               b"   \n2021-03-02T10:20:30 2021-03-02T10:21:00.500 bckg 1.0\n"
               b"2021-03-02 10:21:00.500 2021-03-02 10:21:30 seiz 0.9\n")
    assert read_tse(content, START) == [
        Event(0, 30.5, "bckg", 1), Event(30.5, 29.5, "sz", 0.9)]


def test_windows_line_ends_and_byte_order_mark_are_read():
    content = b"\xef\xbb\xbf" + TSE.replace(b"\n", b"\r\n") \
        + b"1.0 2.0 seiz 1.0\r\n"
    assert read_tse(content) == [Event(1, 1, "sz", 1)]


@pytest.mark.parametrize("line, field, content", [
    (3, "row", TSE + b"1.0 2.0 seiz\n"),
    (3, "start", TSE + b"1,0 2.0 seiz 1.0\n"),
    (3, "start", TSE + b"nan 2.0 seiz 1.0\n"),
    (3, "start", TSE + b"1e99 2.0 seiz 1.0\n"),
    (3, "stop", TSE + b"1.0 inf seiz 1.0\n"),
    (3, "stop", TSE + b"1.0 2_0 seiz 1.0\n"),
    (3, "stop", TSE + b"1.0 2021-02-30T10:00:00 seiz 1.0\n"),
    (3, "stop", TSE + b"9 5 seiz 1\n"),
    (3, "stop", TSE + b"2021-03-02T10:21:00 2021-03-02T10:20:59 bckg 1\n"),
    (2, "version", b"annotator=x\nversion = csv_v1.0.0\n1 2 seiz 1\n"),
    (3, "probability", TSE + b"1.0 2.0 seiz 1.5\n"),
    (3, "probability", TSE + b"1.0 2.0 seiz high\n"),
    (4, "start", TSE + b"1.0 2.0 seiz 1.0\n\xff 3.0 seiz 1.0\n"),
    (3, "row", TSE + b"1.0 2.0 se\x1biz 1.0\n"),
    (1, "version", b"1.0 2.0 seiz 1.0\n"),
    (1, "version", b""),
])
def test_malformed_tse_names_line_and_field(line, field, content):
    with pytest.raises(
            AuraError, match=f"syntax: line {line}: the field '{field}'"):
        read_tse(content, START)


def test_seizeit2_columns():
    content = (
        b"onset\tduration\teventType\tlateralization\tlocalization\tvigilance"
        b"\tconfidence\tchannels\tdateTime\trecordingDuration\n"
        b"0.0\t70000.0\tbckg\tn/a\tn/a\tn/a\tn/a\tn/a\tn/a\t70000.0\n"
        b"120.0\t33.0\tsz_foc_ia_nm\tleft\ttemp\tawake\tn/a\tn/a\tn/a\t"
        b"70000.0\n"
        b"300.0\t9.0\timpd\tn/a\tn/a\tn/a\tn/a\tn/a\tn/a\t70000.0\n")
    events, length = read_events_tsv(content)
    assert length == 70000
    assert [event.label for event in events] == ["bckg", "sz_foc_ia_nm",
                                                 "impd"]
    seizures, problems = disjoint_seizures(events, 70000)
    assert seizures == (Event(120, 33, "sz_foc_ia_nm"),)
    assert problems == ()


def test_plain_bids_columns_are_read():
    events, length = read_events_tsv(
        b"trial_type\tduration\tonset\nsz\tn/a\t7\n")
    assert (events, length) == ([Event(7, 0)], None)


@pytest.mark.parametrize("line, field, content", [
    (1, "onset", b""), (1, "onset", b"duration\teventType\n"),
    (1, "trial_type", b"onset\tduration\n"),
    (1, "onset", b"onset\tonset\tduration\teventType\n"),
    (2, "row", HEADER + b"1\t2\tsz\n"),
    (2, "onset", HEADER + b"n/a\t2\tsz\tn/a\tn/a\tn/a\t9\n"),
    (2, "onset", HEADER + b"1.2.3\t2\tsz\tn/a\tn/a\tn/a\t9\n"),
    (2, "duration", HEADER + b"1\tlong\tsz\tn/a\tn/a\tn/a\t9\n"),
    (2, "dateTime", HEADER + b"1\t2\tsz\t1\tn/a\t2021-02-30\t9\n"),
    (3, "dateTime", HEADER + b"1\t2\tsz\t1\tn/a\tn/a\t9\n"
        b"1\t2\tsz\t1\tn/a\t2021-03-02 10:60:00\t9\n"),
    (2, "confidence", HEADER + b"1\t2\tsz\t2\tn/a\tn/a\t9\n"),
    (2, "recordingDuration", HEADER + b"1\t2\tsz\t1\tn/a\tn/a\t-9\n"),
    (3, "recordingDuration", HEADER + b"1\t2\tsz\t1\tn/a\tn/a\t9\n"
        b"4\t2\tsz\t1\tn/a\tn/a\t10\n"),
])
def test_malformed_tsv_names_line_and_field(line, field, content):
    with pytest.raises(
            AuraError, match=f"syntax: line {line}: the field '{field}'"):
        read_events_tsv(content)


@pytest.mark.parametrize("text, day", [
    (b"2021-03-02 10:20:30", date(2021, 3, 2)),
    (b"2021-03-02T10:20Z", date(2021, 3, 2)), (b"n/a", None),
    (b"2021-03-022", None), (b"02/03/2021", None)])
def test_the_day_of_a_recording_is_read_with_any_format_of_time(text, day):
    row = b"1\t2\tsz\t1\tn/a\t" + text + b"\t9\n"
    assert bids.read(HEADER + row).recorded_on == day


def test_too_many_lines_are_an_error(monkeypatch):
    monkeypatch.setattr("aura.annotations.table_text.LINES_MAX", 3)
    with pytest.raises(AuraError, match="annotations.count"):
        read_tse(TSE + b"1 2 seiz 1\n" * 3)


def test_seizure_free_record_is_one_background_row():
    assert write_events_tsv([], START, 5399.0) == HEADER + (
        b"0.00\t5399.00\tbckg\tn/a\tn/a\t2021-03-02 10:20:30\t5399.00\n")


def test_events_are_written_in_order_with_two_decimals():
    events = [Event(876, 96.004, "sz_foc", 0.8765), Event(1.006, 2, "sz")]
    assert write_events_tsv(events, START, 5399, "ECG") == HEADER + (
        b"1.01\t2.00\tsz\tn/a\tECG\t2021-03-02 10:20:30\t5399.00\n"
        b"876.00\t96.00\tsz_foc\t0.88\tECG\t2021-03-02 10:20:30\t5399.00\n")


def test_a_channel_with_a_tab_does_not_break_its_row():
    content = write_events_tsv([], START, 9, "E\tC\nG")
    assert read_events_tsv(content)[1] == 9


spans = st.lists(st.tuples(
    st.floats(-50, 150, allow_nan=False), st.floats(-5, 60, allow_nan=False),
    st.sampled_from(["sz", "sz_foc", "sz_foc_a", "bckg", "impd", "other"])),
    max_size=12)


@settings(deadline=None)
@given(spans, st.floats(1, 100))
def test_written_events_are_read_back_to_the_hundredth(rows, duration_s):
    seizures, _ = disjoint_seizures([Event(*row) for row in rows], duration_s)
    content = write_events_tsv(seizures, START, duration_s)
    events, length = read_events_tsv(content)
    assert length == pytest.approx(duration_s, abs=0.0051)
    if not seizures:
        assert [event.label for event in events] == ["bckg"]
        return
    assert [e.label for e in events] == [e.label for e in seizures]
    for written, read in zip(seizures, events, strict=True):
        assert read.onset_s == pytest.approx(written.onset_s, abs=0.0051)
        assert read.end_s == pytest.approx(written.end_s, abs=0.0051)
        assert round(read.end_s, 2) <= length


@settings(deadline=None)
@given(spans, st.integers(1, 100))
def test_disjoint_seizures_are_the_union_inside_the_recording(
        rows, duration_s):
    rows = [(round(onset), round(length), label)
            for onset, length, label in rows]
    seizures, _ = disjoint_seizures([Event(*row) for row in rows], duration_s)
    covered = np.zeros(duration_s, bool)
    for onset, length, label in rows:
        if label.startswith("sz") and length > 0:
            covered[max(onset, 0):max(onset + length, 0)] = True
    points = {event.onset_s for event in seizures if not event.duration_s}
    assert points == {
        onset for onset, length, label in rows
        if label.startswith("sz") and length <= 0 <= onset < duration_s
        and not covered[max(onset - 1, 0):onset + 1].any()}
    assert sum(event.duration_s for event in seizures) == covered.sum()
    assert list(seizures) == sorted(seizures)
    assert all(first.end_s < second.onset_s for first, second
               in zip(seizures, seizures[1:], strict=False))


@settings(deadline=None)
@given(spans, st.floats(1, 100), st.randoms())
def test_the_order_of_the_rows_changes_nothing(rows, duration_s, random):
    events = [Event(*row) for row in rows]
    shuffled = random.sample(events, len(events))
    assert disjoint_seizures(events, duration_s)[0] \
        == disjoint_seizures(shuffled, duration_s)[0]


def test_each_kind_of_change_is_counted():
    seizures, problems = disjoint_seizures([
        Event(50, 10), Event(-5, 10), Event(95, 10), Event(200, 10),
        Event(-20, 10), Event(30, 0), Event(31, -1), Event(55, 10),
        Event(100, 0), Event(20, 5, "other"), Event(0, 100, "bckg")], 100)
    assert seizures == (Event(0, 5), Event(30, 0), Event(31, 0),
                        Event(50, 15), Event(95, 5))
    assert rules(problems) == [
        ("annotations.order", "2"), ("annotations.no_length", "2"),
        ("annotations.outside", "3"), ("annotations.clipped", "2"),
        ("annotations.overlap", "1")]


def found(*rows):
    """Seizures and rules of rows of onset, duration and text."""
    document = Annotations(tuple(Annotation(*row) for row in rows))
    events, problems = document.seizures(1000)
    return ([(event.onset_s, event.duration_s) for event in events],
            [problem.rule for problem in problems])


@pytest.mark.parametrize("begin, end", [
    ("Seizure start", "Seizure end"), ("sz onset", "sz offset"),
    ("Seizure", "Seizure end"), ("Anfall", "Anfall Ende"),
    ("SZON", "SZOFF"), ("sz on 2", "sz off 2"),
    ("SZ BEGIN", "SZ STOP"), ("Anfall Anfang", "Anfall Ende"),
    ("Anfallsbeginn", "Anfallsende"), ("onset", "offset"),
    ("EEG onset", "EEG offset"), ("EEG onset", "Seizure end"),
    ("inicio de crisis", "fin de crisis"), ("CRISE_DEBUT", "crise_fin"),
    ("Seizure 2 onset left temporal", "Seizure 2 end"),
    ("FBTCS start", "FBTCS over")])
@pytest.mark.parametrize("duration_s", [None, 0.0, 1.0])
def test_two_marks_are_one_seizure(begin, end, duration_s):
    rows = [(100, duration_s, begin), (160, duration_s, end)]
    for order in (rows, rows[::-1]):
        assert found(*order) == ([(100, 60)], [])


@pytest.mark.parametrize("rows, seizures, rule", [
    ([(100, "EEG onset"), (110, "clinical onset"), (150, "clinical offset"),
      (160, "EEG offset")], [(100, 60)], "overlap"),
    ([(100, "EEG onset"), (110, "clinical onset"), (160, "Seizure end")],
     [(100, 60)], "no_length"),
    ([(100, "sz start"), (600, "sz start"), (660, "sz end")],
     [(100, 0), (600, 60)], "no_length"),
    ([(100, "sz start"), (160, "sz end"), (200, "sz end")],
     [(100, 60)], "no_start"),
    ([(100, "sz end"), (160, "sz start")], [(160, 0)], "no_start"),
    ([(100, "sz start"), (3701, "sz end")], [(100, 0)], "no_start"),
    ([(100, "Seizure 1"), (600, "Seizure"), (660, "Seizure end")],
     [(100, 0), (600, 60)], "no_length"),
    ([(100, "sz start"), (160, "sz end"), (160, "sz start"),
      (200, "sz end")], [(100, 100)], "overlap")])
def test_marks_that_are_no_plain_pair(rows, seizures, rule):
    events, rules_found = found(*((at, None, text) for at, text in rows))
    assert events == seizures
    assert f"annotations.{rule}" in rules_found


def test_an_end_that_says_nothing_new_is_no_fault():
    assert found((100, 60, "seizure"), (162, None, "Seizure end")) == (
        [(100, 60)], [])
    assert found((100, 60, "seizure"), (170, None, "Seizure end")) == (
        [(100, 60)], ["annotations.no_start"])


def test_marks_on_several_channels_are_one_seizure():
    rows = [(at, None, text, None, channel) for channel in ("C3", "C4")
            for at, text in ((100, "sz start"), (160, "sz end"))]
    assert found(*rows) == ([(100, 60)], [])


@pytest.mark.parametrize("to", FORMATS)
def test_marks_become_one_row_of_every_format(to):
    document = Annotations((
        Annotation(10, None, "FIAS start"), Annotation(20, 5, "cough"),
        Annotation(40, None, "FIAS end")), duration_s=60)
    adapted, _ = adapt(document, FORMATS[to])
    (event,) = adapted.seizures(60)[0]
    assert (event.onset_s, event.duration_s) == (10, 30)
    assert adapted.paired() == adapted


def test_what_is_not_used_is_counted_and_shown_where_names_may_be():
    document = Annotations((
        Annotation(1, 2, "no\tseizure"), Annotation(5, None, "seizure?"),
        Annotation(7, None, "seizure end"), Annotation(9, 1, "lights off")))
    for shown in (False, True):
        show_texts(shown)
        _, problems = document.seizures(100)
        show_texts(False)
        assert rules(problems) == [
            ("annotations.other", "2"), ("annotations.doubtful", "1"),
            ("annotations.no_start", "1")]
        assert ("lights off" in problems[0].text) == shown
        assert problems[0].text.isprintable()


def test_joined_seizures_keep_what_their_subtypes_share():
    seizures, _ = disjoint_seizures([
        Event(0, 10, "sz_foc_ia_m", 0.4), Event(5, 10, "sz_foc_ia_nm", 0.7),
        Event(30, 5, "sz_foc"), Event(35, 5, "sz_gen")], 100)
    assert seizures == (Event(0, 15, "sz_foc_ia", 0.7), Event(30, 10, "sz"))
