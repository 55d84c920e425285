"""Folders of predictions against folders of recordings, as `aura score`."""

import json
import math
import os
import re
from datetime import datetime

import pytest

from aura.annotations.bids import write_events as write_events_tsv
from aura.annotations.tse import write_seizures
from aura.dataset.find import recordings
from aura.dataset.assemble import recording
from aura.errors import MissingError, Problem
from aura.folder import Folder
from aura.recording import Event
from aura.scoring.compare import Comparison, RecordingScore, compare
from aura.scoring.reference import run_of
from aura.scoring.conventions import CONVENTIONS, by_convention
from aura.scoring.report import score_dict, score_table
from aura.scoring.score import Score
from tests.edf_builder import File

HOUR = 3600.0
START = datetime(2000, 1, 1)
EDF = File(duration="60").bytes()  # An hour of ECG without annotations
SEIZURE = [(600, 660)]
HEADER = "onset\tduration\teventType\tconfidence\tchannels\tdateTime\t" \
    "recordingDuration\n"


@pytest.fixture
def trees(tmp_path):
    """A reference and a hypothesis folder to write into."""
    folders = tmp_path / "reference", tmp_path / "hypothesis"
    for folder in folders:
        folder.mkdir()
    return folders


def tsv(*spans, duration_s=HOUR):
    return write_events_tsv(
        [Event(a, b - a) for a, b in spans], START, duration_s)


def tse(*spans):
    return write_seizures(tuple(Event(a, b - a) for a, b in spans), HOUR)


def rows(*texts):
    """A TSV of events with onset, duration and type in each row."""
    return HEADER + "".join(
        f"{text}\tn/a\tn/a\tn/a\t3600\n".replace(" ", "\t") for text in texts)


def compared(trees, *contents):
    """Write files, of bytes, text or seizures, and compare the folders."""
    for folder, files in zip(trees, contents, strict=True):
        for path, content in files.items():
            if isinstance(content, list):
                content = (tsv if path.endswith(".tsv") else tse)(*content)
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(
                content.encode() if isinstance(content, str) else content)
    return compare(*trees)


def rules(comparison):
    return [(path, problem.rule) for path, problem in comparison.problems]


def counts(comparison):
    events = comparison.pooled.events
    return events.tp, events.fp, events.ref_true


def pairs(comparison):
    return [(one.path, one.hypothesis) for one in comparison.recordings]


def test_szdb_against_itself_is_perfect(data_dir, tmp_path):
    reference = Folder(data_dir / "szdb")
    hypothesis = Folder(tmp_path)
    for candidate in recordings(reference):
        found = recording(reference, candidate)
        hypothesis.write(found.path.replace(".edf", ".tsv"), write_events_tsv(
            found.events, found.start, found.duration_s))
    comparison = compare(reference.root, tmp_path)
    assert counts(comparison) == (4, 0, 4)
    assert comparison.pooled.samples.fp == comparison.pooled.samples.fn == 0
    assert len(comparison.recordings) == 5
    assert [len(p.scores) for p in comparison.patients] == [1, 3, 1]
    assert comparison.problems == ()


# Which predictions belong to which recording

def test_recordings_with_annotations_beside_them(trees):
    comparison = compared(
        trees, {"a/one.edf": EDF, "a/one.tse_bi": SEIZURE},
        {"a/one.tsv": [(610, 650), (2000, 2010)]})
    assert counts(comparison) == (1, 1, 1)
    assert pairs(comparison) == [("a/one.edf", "a/one.tsv")]


@pytest.mark.parametrize("hypothesis_path", [
    "ecg/sub-01_ses-01_run-01_ecg.tsv", "ecg/sub-01_ses-01_run-01_events.tsv",
    "eeg/sub-01_ses-01_run-01_events.tsv"])
@pytest.mark.parametrize("kinds", [(), ("ecg", "eeg")])
def test_seizeit2_layout(trees, hypothesis_path, kinds):
    session = "sub-01/ses-01"
    comparison = compared(trees, {
        **{f"{session}/{kind}/sub-01_ses-01_run-01_{kind}.edf": EDF
           for kind in kinds},
        f"{session}/eeg/sub-01_ses-01_run-01_events.tsv": rows(
            "100 90 impd", "1000 60 sz_foc_ia_nm", "2000 60 bckg"),
        "participants.tsv": "participant_id\nsub-01\n"},
        {f"{session}/{hypothesis_path}": [(100, 110), (1010, 1020)]})
    assert counts(comparison) == (1, 1, 1)
    assert comparison.problems == ()


@pytest.mark.parametrize("scored, other", [
    ("ecg", "events"),   # The name of the recording itself
    ("events", "eeg")])  # Events before another modality
def test_one_of_two_predictions_of_a_run_is_scored(trees, scored, other):
    comparison = compared(trees, {"sub-1_ecg.tse_bi": SEIZURE}, {
        f"sub-1_{scored}.tsv": SEIZURE, f"sub-1_{other}.tsv": [(2000, 2010)]})
    assert counts(comparison) == (1, 0, 1)
    assert rules(comparison) == [(f"sub-1_{other}.tsv", "score.second")]


def test_tse_bi_wins_over_others_of_the_same_name(trees):
    comparison = compared(
        trees, {"one.tse_bi": SEIZURE, "one.tse": [(1200, 1230)],
                "one.tsv": [(2000, 2010)], "0.tse": SEIZURE},
        {"one.tsv": SEIZURE, "0.tsv": SEIZURE})
    assert pairs(comparison) == [
        ("0.tse", "0.tsv"), ("one.tse_bi", "one.tsv")]
    assert counts(comparison) == (2, 0, 2)


def test_two_recordings_of_a_run_have_their_own_predictions(trees):
    names = "sub-1_ecg", "sub-1_eeg"
    assert pairs(compared(
        trees, {f"{name}{ending}": content for name in names
                for ending, content in ((".edf", EDF), (".tse_bi", []))},
        {f"{name}.tsv": [] for name in names})) == [
        (f"{name}.edf", f"{name}.tsv") for name in names]


@pytest.mark.parametrize("path, run", [
    ("a/rec_ecg.edf", "a/rec_ecg"),
    ("rec.v2.edf", "rec.v2"),
    ("sub-1/ecg/sub-1_run-2_ecg.edf", "sub-1/sub-1_run-2"),
    ("sub-1/eeg/sub-1_run-2_events.tsv", "sub-1/sub-1_run-2"),
    ("sub-1/run/sub-1_run-2_bad.tsv", "sub-1/run/sub-1_run-2_bad"),
    ("eeg/rec.tse_bi", "eeg/rec"),
])
def test_only_bids_names_lose_their_last_word(path, run):
    assert run_of(path) == run


def test_hed_score_trees_without_recordings(trees):
    files = {"sub-1/eeg/sub-1_events.tsv": SEIZURE,
             "sub-2/eeg/sub-2_events.tsv": []}
    comparison = compared(trees, files, files)
    assert counts(comparison) == (1, 0, 1)
    assert len(comparison.patients) == 2
    assert comparison.pooled.events.hours == 2.0


def test_predictions_of_no_recording_are_reported(trees):
    comparison = compared(trees, {"a/one.tse_bi": []},
                          {"a/one.tsv": [], "b/one.tsv": SEIZURE})
    assert rules(comparison) == [("b/one.tsv", "score.no_reference")]
    assert counts(comparison) == (0, 0, 0)


# What is missing or wrong

def test_missing_predictions_are_misses_without_hours(trees):
    comparison = compared(
        trees, {"a/one.tse_bi": [*SEIZURE, (2000, 2060)],
                "a/two.tse_bi": SEIZURE},
        {"a/two.tsv": [*SEIZURE, (100, 110)]})
    assert counts(comparison) == (1, 1, 3)
    assert comparison.pooled.events.false_alarms_per_24h.value == 24
    assert comparison.pooled.samples.fn == 120
    assert rules(comparison) == [("a/one.tse_bi", "score.no_hypothesis")]
    assert comparison.without_hypothesis == 1
    (trees[1] / "a/two.tsv").unlink()
    comparison = compare(*trees)
    assert comparison.without_hypothesis == 2
    assert counts(comparison) == (0, 0, 3)


def test_recordings_without_annotations_are_left_out_and_counted(trees):
    comparison = compared(
        trees, {"known.edf": EDF, "unknown.edf": EDF,
                "known.tse_bi": [(5, 25)]},
        {"known.tsv": [(10, 20)], "unknown.tsv": [(10, 20)]})
    assert comparison.unannotated == ("unknown.edf",)
    assert counts(comparison) == (1, 0, 1)
    assert comparison.problems == ()


@pytest.mark.parametrize("stated_s, refused", [
    (HOUR + 1, False), (HOUR - 1, False), (HOUR + 1.01, True), (30.0, True)])
def test_another_duration_is_refused_beyond_a_second(
        trees, stated_s, refused):
    comparison = compared(
        trees, {"one.tse_bi": SEIZURE, "two.tse_bi": SEIZURE},
        {"one.tsv": tsv((6, 7), duration_s=stated_s), "two.tsv": SEIZURE})
    assert (comparison.recordings[0].hypothesis is None) == refused
    assert rules(comparison) == [("one.tsv", "score.duration")] * refused
    assert comparison.refused == refused
    assert counts(comparison) == (1, 1 - refused, 2)


@pytest.mark.parametrize("tree, content, rule", [
    *((tree, content, rule) for tree in (0, 1) for content, rule in (
        ("", "empty"), ("\n", "empty"), (HEADER, "empty"),
        ("\ufeff" + HEADER, "empty"), (rows("x 1 sz"), "syntax"))),
    (0, "onset\tduration\teventType\n5\t5\tsz\n", "duration")])
def test_unusable_tsv_is_named(trees, tree, content, rule):
    contents = [{"a/one.tsv": SEIZURE}, {"a/one.tsv": SEIZURE}]
    contents[tree]["a/one.tsv"] = content
    comparison = compared(trees, *contents)
    assert rules(comparison) == [("a/one.tsv", f"annotations.{rule}")]
    assert comparison.problems[0][1].level == "error"
    # Predictions that cannot be read count as missing.
    assert counts(comparison) == (0, 0, tree)


def test_doubtful_predictions_are_scored_with_a_warning(trees):
    comparison = compared(trees, {"one.tse_bi": SEIZURE}, {
        "one.tsv": "onset\tduration\teventType\n3590\t90\tsz\n"
                   "600\t60\talarm\n"})
    assert counts(comparison) == (0, 1, 1)
    assert rules(comparison) == [
        ("one.tsv", "score.duration_unknown"), ("one.tsv", "score.other"),
        ("one.tsv", "score.outside")]


def test_hidden_files_and_folders_are_not_searched(trees):
    comparison = compared(
        trees, {"one.tse_bi": [], ".aura/three.tsv": [(1, 2)]},
        {"one.tsv": [], ".aura/one.tsv": [(1, 2)], ".two.tsv": [(1, 2)]})
    assert comparison.problems == ()
    assert pairs(comparison) == [("one.tse_bi", "one.tsv")]


@pytest.mark.parametrize("make", [
    os.mkfifo, lambda path: path.symlink_to("/etc/passwd"),
    lambda path: path.mkdir()])
def test_what_is_no_file_is_never_waited_for(trees, make):
    make(trees[1] / "one.tsv")
    comparison = compared(trees, {"one.tse_bi": SEIZURE}, {})
    assert len(comparison.problems) == 1


def test_corrupt_recording_is_refused_and_its_predictions_are_not(trees):
    comparison = compared(
        trees, {"good.edf": EDF, "good.tse_bi": SEIZURE, "bad.edf": "0" * 300},
        {"good.tsv": SEIZURE, "bad.tsv": SEIZURE})
    assert [path for path, _ in comparison.problems] == ["bad.edf"]


def test_a_seizure_outside_the_recording_makes_no_background(trees):
    comparison = compared(
        trees, {"one.tsv": rows("0 0 bckg", "5000 60 sz")},
        {"one.tsv": SEIZURE})
    assert comparison.recordings == ()
    assert comparison.unannotated == ("one.tsv",)
    assert ("one.tsv", "annotations.outside") in rules(comparison)


def test_a_row_that_cannot_be_used_costs_only_itself(trees):
    comparison = compared(trees, {
        "one.tsv": rows("600 60 sz", "5000 60 sz"),
        "two.tsv": rows("0 3600 bckg", "700 60 sz?")},
        {"one.tsv": SEIZURE, "two.tsv": SEIZURE})
    assert counts(comparison) == (1, 0, 1)
    assert comparison.unannotated == ("two.tsv",)
    assert rules(comparison) == [("one.tsv", "annotations.outside"),
                                 ("two.tsv", "annotations.doubtful")]
    data = score_dict(comparison)
    assert [data[name] for name in (
        "recordings", "unannotated", "not_understood", "partly_used")] \
        == [1, 1, 1, 1]
    text = score_table(comparison)
    assert "1 recording left out: no annotation of a seizure is" in text
    assert "1 recording scored without some annotations" in text


@pytest.mark.parametrize("alarm, found", [
    ((565, 571), 1), ((560, 569), 0), ((655, 660), 1), ((661, 670), 0)])
def test_a_seizure_of_unknown_length_is_found_within_its_tolerances(
        trees, alarm, found):
    comparison = compared(
        trees, {"one.tsv": rows("600 n/a sz")}, {"one.tsv": [alarm]})
    assert counts(comparison) == (found, 1 - found, 1)


def test_missing_folder_and_empty_reference_are_errors(trees, tmp_path):
    with pytest.raises(MissingError, match="score.no_reference"):
        compare(*trees)
    with pytest.raises(MissingError, match="score.folder"):
        compare(trees[0], tmp_path / "nowhere")


# Reports

@pytest.fixture
def scored(trees):
    """Two patients, one of whom has neither a seizure nor an alarm."""
    return compared(
        trees, {"a/one.tse_bi": [*SEIZURE, (700, 1500), (3000, 3060)],
                "b/one.tse_bi": []},
        {"a/one.tsv": [(612, 650), (2000, 2010), (2050, 2060)],
         "b/one.tsv": []})


def test_json_is_strict_and_has_counts_and_intervals(scored):
    text = json.dumps(score_dict(scored), allow_nan=False)
    found = json.loads(text)
    events = found["pooled"]["events"]
    # 600 to 1500 s are one event, cut into three.
    assert (events["tp"], events["fp"], events["ref_true"]) == (1, 1, 4)
    assert events["strict_fp"] == 2
    assert events["latencies_s"] == [12.0]
    assert found["seizures"] == 3
    assert events["sensitivity"] == {
        "value": 0.25, "count": 1, "total": 4,
        "interval": pytest.approx([0.0063, 0.8059], abs=1e-4)}
    assert found["resolvable_false_alarms_per_24h"] == 12
    quiet = found["per_patient"][1]
    assert quiet["events"]["sensitivity"] == {
        "value": None, "count": 0, "total": 0, "interval": [0.0, 1.0]}
    mean = found["mean_over_patients"]["events"]
    assert mean["sensitivity"] == {
        "mean": 0.25, "std": 0, "median": 0.25, "low": 0.25, "high": 0.25,
        "patients": 1}
    rates = mean["false_alarms_per_24h"]
    assert [rates[name] for name in ("median", "low", "high", "patients")
            ] == [12, 0, 24, 2]
    # 38 s and two alarms of 10 s in two hours.
    assert found["in_alarm_share"] == pytest.approx(58 / 7200)
    assert (found["seizures_not_scored"], found["hours_not_scored"]) == (0, 0)
    assert [r["path"] for r in found["per_recording"]] == [
        "a/one.tse_bi", "b/one.tse_bi"]


def test_table_has_the_counts_and_intervals_of_the_json(scored):
    lines = score_table(scored).splitlines()
    pooled = next(line for line in lines if line.startswith("pooled"))
    assert re.split("  +", pooled) == [
        "pooled", "2", "2.0", "1/4", "0.25 (0.01 to 0.81)", "1",
        "12.00 (0.30 to 66.86)", "24.00", "0.50", "0.33", "12.0", "0.04",
        "0.66", "0.08"]
    mean = next(line for line in lines if line.startswith("patients' mean"))
    assert re.split("  +", mean)[1:] == [
        "0.25", "12.00", "24.00", "0.50", "0.33", "0.04", "0.66", "0.08"]
    median = next(line for line in lines if line.startswith("patients' med"))
    assert re.split("  +", median.strip())[1:] == [
        "0.25 (0.25 to 0.25)", "12.00 (0.00 to 24.00)"]
    quiet = next(line for line in lines if line.endswith("b/one.tse_bi"))
    assert re.split("  +", quiet)[3:6] == ["0/0", "-", "0"]
    # Columns are right-aligned under their heads.
    assert pooled.index("1/4") + 3 == lines[4].index("found") + 5
    # 3 annotated seizures count as 4 events.
    assert any(re.findall(r"\b\d+\b", line) == ["3", "4"] for line in lines)


def test_the_table_has_the_same_events_by_all_conventions(scored):
    found = score_dict(scored)["conventions"]
    lines = score_table(scored).splitlines()
    at = next(place for place, line in enumerate(lines)
              if line.startswith("the same events"))
    shown = {re.split("  +", line)[0]: re.split("  +", line)[1:]
             for line in lines[at + 1:at + 1 + len(CONVENTIONS)]}
    assert {key: shown[name][:5] for key, name in CONVENTIONS.items()} == {
        "szcore_events": ["1", "4", "0.25", "1", "12.00"],
        "szcore_samples": ["38", "920", "0.04", "20", "240.00"],
        "any_overlap": ["1", "3", "0.33", "2", "24.00"],
        "time_aligned": ["0.63", "3", "0.21", "2.00", "24.00"],
        "as_given": ["1", "3", "0.33", "2", "24.00"]}
    for key, name in CONVENTIONS.items():
        assert shown[name][5:] == [
            f"{found[key][part]:.2f}" for part in ("precision", "f1")]


def test_table_counts_what_is_left_out():
    missed = RecordingScore("a", "p", None, HOUR, 1, Score(),
                            by_convention((), (), HOUR))
    wrong = Problem("edf.truncated", "error", "cut")
    lines = score_table(Comparison(
        (missed,), ("b", "c"), tuple((name, wrong) for name in "defd"))
    ).splitlines()
    assert [line[:2] for line in lines[2:6]] == ["1 ", "2 ", "3 ", ""]
    assert any("Not scored: 1.0 h with 1 seizure" in line for line in lines)


def test_the_same_wherever_the_trees_lie(scored, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    moved = [(tmp_path / name).rename(tmp_path / "elsewhere" / name)
             for name in ("reference", "hypothesis")]
    again = compare(*moved)
    assert again == scored
    for text in (score_table(again), json.dumps(score_dict(again))):
        assert str(tmp_path) not in text


def test_names_are_printed_whatever_they_hold(trees):
    names = os.fsdecode(b"p\xff/r\n1"), "épilepsie/é"
    comparison = compared(trees, {f"{name}.tse_bi": [] for name in names},
                          {f"{name}.tsv": [] for name in names})
    assert len(comparison.recordings) == 2
    text = score_table(comparison)
    text.encode("utf-8")
    assert "é.tse_bi" in text
    assert re.search(r"p\S+/r\S+1\.tse_bi$", text, re.MULTILINE)


def test_a_comparison_without_recordings_has_a_report():
    empty = Comparison((), ("one.edf",), ())
    assert math.isnan(empty.pooled.events.sensitivity.value)
    found = json.loads(json.dumps(score_dict(empty), allow_nan=False))
    assert found["resolvable_false_alarms_per_24h"] is None
    assert len(score_table(empty).splitlines()) == 4
