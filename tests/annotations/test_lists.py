"""Lists of the seizures of a folder, and exports of MNE and EDFbrowser."""

from datetime import datetime

import pytest
from hypothesis import given, strategies as st

from aura.annotations import bids, lists
from aura.errors import AuraError

START = datetime(2020, 1, 1, 10, 0, 0)
SIENA = """PATIENT ID: PN00

Seizure n 1
File name: PN00-1.edf
Registration start time: 23.50.00
Registration end time: 01.30.00
Seizure start time: 23.51.40
Seizure end time: 23.52.40

Seizure n 2(in)
File name: PNO0-1.EDF
Registration start time: 23:50:00
Start time: 0.10.00
End time: 0.10.30

Seizure n 3
File name: PN00-2.edf
Registration start time: 9.00.00
Seizure start time: 9.00.10
Seizure end time: 9.00.20
"""
CHB = """Data Sampling Rate: 256 Hz
Channel 1: FP1-F7

File Name: chb01_03.edf
File Start Time: 13:43:04
File End Time: 14:43:04
Number of Seizures in File: 2
Seizure 1 Start Time: 100 seconds
Seizure 1 End Time: 160 seconds
Seizure 2 Start Time: 900 seconds
Seizure 2 End Time: 901 seconds

File Name: chb01_04.edf
Number of Seizures in File: 0
"""


def spans(document):
    """Onsets and durations; None for no document."""
    return document and [(row.onset_s, row.duration_s)
                         for row in document.rows]


@pytest.mark.parametrize("text, record, found", [
    (SIENA, "pn00-1", [(100, 60), (1200, 30)]), (SIENA, "PN00-2", [(10, 10)]),
    (SIENA, "PN00-3", None), (CHB, "chb01_03", [(100, 60), (900, 1)]),
    (CHB, "chb01_04", []), (CHB, "chb01_05", None), ("", "r", None),
    ("File name: r.edf\nSeizure 1 Start Time: 60\n", "r", [(60, None)]),
    ("File name: r.edf\nRecording start time: 10:00:00\n"
     "Seizure start time: 60.5 s\n", "r", [(60.5, None)])])
def test_lists_give_the_seizures_of_a_record(text, record, found):
    midnight = START.replace(hour=0)
    for start in (None, midnight):
        assert spans(lists.read(text.encode(), record, start)) == found


def test_the_clock_of_the_recording_counts_and_a_difference_is_kept():
    read = lists.read(SIENA.encode(), "PN00-2", START.replace(hour=8))
    assert spans(read) == [(3610, 10)] and read.start == START.replace(hour=9)
    same = lists.read(SIENA.encode(), "PN00-2", START.replace(hour=9))
    assert spans(same) == [(10, 10)] and same.start is None


@pytest.mark.parametrize("lines, span", [
    ("Registration start time: 10. 00 .00\nSeizure start time 10:01:40\n"
     "Seizure end time : 1 0.02.40", None),
    ("Registrarion start time: 10.00.00\nSeizure start time: 10.01.40\n"
     "Siezure end time: 10.02.40", (100, 60)),
    ("File Start Time: 24:00:10\nSeizure 1 Start Time: 00:01:50\n"
     "Seizure 1 End Time: 24:02:50", (100, 60)),
    ("File End Time: n/a\nSiezure Start Time: 100 seconds", (100, None))])
def test_slips_of_a_typist_are_read_or_are_errors(lines, span):
    text = f"File name: r.edf\n{lines}\n".encode()
    if span is None:
        with pytest.raises(AuraError, match="annotations.syntax"):
            lists.read(text, "r")
    else:
        assert spans(lists.read(text, "r")) == [span]


@pytest.mark.parametrize("named, record, beside, own", [
    ("PN01.edf", "PN01-1", ["PN01-1"], True),
    ("PN01.edf", "PN01-1", ["PN01-1", "PN01-2"], False),
    ("PN11-.edf", "PN11-1", ["PN11-1"], True),
    ("PNO6-1.edf", "PN06-1", ["PN06-1"], True),
    ("PN1.edf", "PN11-1", ["PN11-1"], False)])
def test_a_name_that_is_not_quite_a_recording(named, record, beside, own):
    text = f"File name: {named}\nSeizure start time: 3 s\n".encode()
    found = lists.read(text, record, beside=beside)
    assert (spans(found) == [(3, None)] if own else found is None)
    assert lists.unmatched([named], beside) == ([] if own else [named])


@pytest.mark.parametrize("lines", [
    "Seizure start time: 10 s\nSeizure from 10:00:00 to 10:01:00",
    "Seizure start time: soon", "Seizure start time: 10.10",
    "Seizure start time: 600 samples", "Seizure start time: 24.00.00",
    "Seizure start time: 10 seconds\nSeizure end time: 5 seconds",
    "Seizure end time: 5 seconds", "Registration start time: 10.00.00",
    "Number of Seizures in File: 1",
    "Number of Seizures in File: 0\nSeizure Start Time: 5 seconds"])
def test_a_list_that_is_not_understood_is_an_error(lines):
    with pytest.raises(AuraError, match="annotations.syntax"):
        lists.read(f"File name: r.edf\n{lines}\n".encode(), "r")


def test_a_clock_counts_from_the_recording_where_the_list_gives_no_start():
    text = b"File name: r.edf\nSeizure start time: 10.01.00\n"
    assert spans(lists.read(text, "r", START)) == [(60, None)]
    with pytest.raises(AuraError, match="annotations.syntax: line 2"):
        lists.read(text, "r")


@given(st.text(max_size=80))
def test_any_list_is_read_or_is_an_error_with_a_rule(text):
    try:
        lists.read(f"File name: r\n{text}".encode(), "r")
    except AuraError as error:
        assert error.rule.startswith("annotations.")


@pytest.mark.parametrize("name, is_one", [
    ("Seizures-list-PN00.txt", True), ("chb01-summary.txt", True),
    ("seizure_list.txt", True), ("summary.txt", False),
    ("chb01-summary.pdf", False)])
def test_lists_are_known_by_their_names(name, is_one):
    assert lists.is_one(name) == is_one


@pytest.mark.parametrize("text", [
    "onset,duration,description\n100.0,60.0,Seizure\n",
    "onset,duration,description\n2020-01-01 10:01:40.000000,60,\"Sz, a\"\n",
    "onset,duration,description\n1970-01-01 00:01:40,60,Sz\n",
    "# MNE-Annotations\n# orig_time : 2020-01-01 10:01:00+00:00\n"
    "# onset, duration, description\n40.0, 60.0, Sz, left\n",
    "Onset,Duration,Annotation\n+00:01:40.000,60,Sz\n",
    "Onset,Duration,Annotation\n+00:01:40,,Sz start\n+160.0,,Sz end\n",
    "Onset\tDuration\tAnnotation\n+100.0000\t+60.0\tSz\n",
    '"Onset";"Duration";"Annotation"\n"100";"60";"Sz; left"\n'])
def test_exports_are_read(text):
    assert bids.is_export(text.encode())
    document = bids.read(text.encode(), START)
    assert spans(document.paired()) == [(100, 60)]
    (event,) = document.events()
    assert event.is_seizure


@pytest.mark.parametrize("text", [
    "rr_ms\n800\n", "time,onset\n1,2\n", "", "onset\n"])
def test_other_tables_are_no_exports(text):
    assert not bids.is_export(text.encode())


@pytest.mark.parametrize("onset", ["10:01:40", "x", "2020-01-01 10:01:40"])
def test_an_onset_of_unknown_origin_is_an_error(onset):
    text = f"Onset,Duration,Annotation\n{onset},60,Sz\n"
    with pytest.raises(AuraError, match="line 2: the field 'onset'"):
        bids.read(text.encode())
