"""Who a recording is of."""

import pytest

from aura.dataset.patients import alias, patient_identity, similar


@pytest.mark.parametrize("path, header, identity", [
    ("ds/sub-012/ses-01/ecg/sub-012_ses-01_ecg.edf", "X X X X", "sub-012"),
    ("ecg/sub-012_ses-01_ecg.edf", "Other", "sub-012"),
    ("dev/01_tcp_ar/002/00000258/s002_2003_07_21/00000258_s002_t000.edf",
     "Other", "00000258"),
    ("train/aaaaaaac/s001_2002/02_tcp_le/aaaaaaac_s001_t000.edf", "X",
     "aaaaaaac"),
    ("szdb/szA/sz01.edf", "szB X X X", "szB"),
    ("data/p7/night.edf", "X X X X", "p7"),
    ("data/p7/night.edf", "", "p7"),
    ("data/p7/night.edf", "x", "p7"),
    ("data/subject/night.edf", "", "subject"),
    ("night.edf", "X", "night"),
    ("data/A_day1/night.edf", "X X X X", "A"),
    ("data/A_day12/night.edf", "X X X X", "A"),
    ("data/B-Session-2/night.edf", "", "B"),
    ("data/day1/night.edf", "", "data"), ("day1/night.edf", "", "day1"),
    ("A/day2/edf/r.edf", "X_X_X_X", "edf"), ("p7/r.edf", "(anonymous)", "p7"),
    ("p7/r.edf", "xxxx", "p7"), ("p7/r.edf", "0 M", "p7"),
    ("p7/r.edf", "? X", "p7"), ("p7/r.edf", "ID: 12", "ID: 12"),
    ("data/monday1/night.edf", "", "monday1"),
    ("data/p7/night.edf", "Patient 01", "Patient 01"),
    ("data/p7/night.edf", "Patient 02 M", "Patient 02"),
    ("data/p7/night.edf", "Patient X X 02_M", "Patient 02"),
    ("data/p7/night.edf", "Patient F X 7", "Patient 7"),
    ("data/p7/night.edf", "Patient M", "p7"),
    ("data/p7/night.edf", "Patient # 3", "Patient 3"),
    ("data/p7/night.edf", "Patient No. 4", "Patient 4"),
    ("data/p7/night.edf", "Patient ID 4", "Patient 4"),
    ("data/p7/night.edf", "Pat.-Nr. 12", "Pat.-Nr. 12"),
    ("data/p7/night.edf", "Patient, 6", "Patient, 6"),
    ("data/p7/night.edf", "Participant 3 F", "Participant 3"),
    ("data/p7/night.edf", "Versuchsperson 3", "Versuchsperson 3"),
    ("data/p7/night.edf", "Patient M 01-JAN-1950 7", "Patient 7"),
    ("data/p7/night.edf", "Patient M 01-JAN-1950 X", "p7"),
    ("data/p7/night.edf", "Patient-ID: X", "p7"),
    ("data/p7/night.edf", "Anonymous M", "p7"),
    ("noending", "", "noending"),
    ("data/p7/night.edf", "S 01", "S 01"), ("p7/r.edf", "S 01 M", "S 01"),
    ("p7/r.edf", "AUR 007 X", "AUR 007"), ("p7/r.edf", "Smith 45", "Smith"),
    ("p7/r.edf", "Smith 1951", "Smith"), ("p7/r.edf", "M 45", "M"),
    ("p7/r.edf", "S F 01-JAN-1950 01", "S"),
])
def test_rule(path, header, identity):
    assert patient_identity(path, header).name == identity


def test_same_patient_in_two_trees_is_one():
    assert patient_identity("a/szA/sz01.edf", "szA M X X") \
        == patient_identity("b/x/other.edf", "szA X X X")


def test_composed_and_decomposed_names_are_one():
    assert patient_identity("Jos\u00e9/a.edf", "") \
        == patient_identity("Jose\u0301/a.edf", "")


def test_alias_needs_kind_and_key_and_tells_nothing():
    # HMAC-SHA256 of "p-szA" under "aura", by openssl.
    assert alias("p", "szA", "aura") == "p-e3f224f7f3"
    assert alias("r", "szA", "aura")[2:] != alias("p", "szA", "aura")[2:]
    assert alias("p", "szA", "other") != alias("p", "szA", "aura")


def test_names_that_differ_by_case_or_signs_are_similar():
    assert similar(["PAT01", "pat01", "S-01", "S 1", "S01", "S10", "T1"]) == [
        ["PAT01", "pat01"], ["S 1", "S-01", "S01"]]
