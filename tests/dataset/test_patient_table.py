"""Patients that the user names in a table."""

import pytest

from aura.dataset import assemble, find, patient_table
from aura.dataset.patient_table import PARTICIPANTS, PatientTable
from aura.errors import InvalidInputError
from aura.folder import Folder
from tests.patients import record

TABLE = PatientTable("t.csv", {
    "a/day1": "Ann", "night.edf": "Ben", "a/x.edf": "Cyd", "b": "Dan",
    "e/r": "Eve", "P7": "Fay"})


@pytest.mark.parametrize("path, patient", [
    ("a/day1/r.edf", "Ann"), ("a/day1/deeper/r.edf", "Ann"),
    ("c/night.edf", "Ben"), ("a/x.edf", "Cyd"), ("z/b/r.edf", "Dan"),
    ("e/r.edf", "Eve"), ("e/r.beats.csv", "Eve"), ("P7_rest_ecg.edf", "Fay"),
    ("a/other.edf", None), ("day1/r.edf", None)])
def test_a_row_names_a_recording_or_a_folder(path, patient):
    row = TABLE.row_of(path)
    assert (row and TABLE.rows[row]) == patient


@pytest.mark.parametrize("content, rows", [
    (b"recording,patient\na.edf,1\n./b\\c/,2\n\n", {"a.edf": "1", "b/c": "2"}),
    (b"\xef\xbb\xbfPatient;Folder\r\n1;a\r\n1;a\r\n", {"a": "1"}),
    (b"participant_id\tage\tperson\nsub-1\t30\tx\n", {"sub-1": "x"}),
    (b"participant_id\tage\nsub-1\t30\n", {"sub-1": "sub-1"}),
    (b'path,patient\n"a, b.edf",1\n', {"a, b.edf": "1"})])
def test_tables_are_read(content, rows):
    assert patient_table.read("t", content).rows == rows


@pytest.mark.parametrize("content, rule", [
    (b"", "patients.columns"), (b"a,b\n1,2\n", "patients.columns"),
    (b"recording,patient\na.edf\n", "patients.row"),
    (b"recording,patient\na.edf,n/a\n", "patients.row"),
    (b"recording,patient\na,1\na,2\n", "patients.twice"),
    (b"\xff\xfe\0\0", "patients.columns")])
def test_a_table_with_a_fault_is_refused(content, rule):
    with pytest.raises(InvalidInputError) as caught:
        patient_table.read("t", content)
    assert caught.value.rule == rule


def test_a_row_twice_is_one_row_and_a_contradiction_names_both():
    table = patient_table.read("t", b"recording,patient\na,1\nb,2\na,1\n")
    assert table.rows == {"a": "1", "b": "2"}
    problem, = table.problems
    assert (problem.rule, problem.level) == ("patients.twice", "warning")
    with pytest.raises(InvalidInputError, match="lines 2 and 4"):
        patient_table.read("t", b"recording,patient\na,1\nb,2\na,3\n")


@pytest.mark.parametrize("content, rows, rule", [
    ("subject\tage\n01\t30\n", {}, "patients.columns"),
    ("", {}, "patients.columns"),
    ("participant_id\tperson_id\n01\tAnn\n02\t\n", {"01": "Ann"},
     "patients.row"),
    ("participant_id\tperson_id\n01\tAnn\n02\tN/A\n", {"01": "Ann"},
     "patients.row"),
    ("participant_id\tperson_id\n01\tAnn\n02\tBen\n02\tCyd\n02\tBen\n",
     {"01": "Ann"}, "patients.twice"),
    ("participant_id\tage\n01\t3\n02\t4\n02\t4\n", {"01": "01", "02": "02"},
     "patients.twice")])
def test_a_fault_in_participants_costs_its_rows_alone(
        tmp_path, content, rows, rule):
    record(tmp_path / "01/r.edf", 30, seizure=None)
    (tmp_path / PARTICIPANTS).write_text(content)
    folder = Folder(tmp_path)
    table = patient_table.table_of(folder)
    assert table.rows == rows
    *said, recording = table.assign(find.recordings(folder))
    assert {(one.name, one.problem.rule, one.problem.level) for one in said} \
        == {(PARTICIPANTS, rule, "warning")}
    assert recording.problem is None


def test_participants_overrule_headers_and_the_users_table_both(tmp_path):
    for name in "01", "02":
        record(tmp_path / f"study/{name}/r.edf", 30, seizure=None,
               patient=f"header{name} X X X")
    folder = Folder(tmp_path / "study")
    (tmp_path / "study" / PARTICIPANTS).write_text(
        "participant_id\tperson_id\n01\tAnn\n02\tAnn\n")
    (tmp_path / "mine.csv").write_text("folder,patient\n02,Ben\n")

    def patients(given=""):
        table = patient_table.table_of(folder, given, tmp_path)
        return [(assemble.patient_of(folder, one).name,
                 assemble.recording(folder, one).patient)
                for one in table.assign(find.recordings(folder))]

    ann, same = patients()
    assert ann == same and ann[0] == "Ann"
    one, two = patients("mine.csv")
    assert (one[0], two[0]) == ("header01", "Ben") and one[1] != two[1]
