"""Trees of detections against trees of recordings, as `aura score` does."""

import json
import math
import os
import re
from datetime import datetime

import pytest

from aura.annotations.bids import write_events as write_events_tsv
from aura.annotations.tse import write_seizures
from aura.dataset.find import recordings
from aura.dataset.read import recording
from aura.errors import MissingError, Problem
from aura.folder import Folder
from aura.recording import Event
from aura.scoring.compare import Comparison, RecordingScore, compare
from aura.scoring.reference import run_of
from aura.scoring.report import score_dict, score_table
from aura.scoring.score import Score
from tests.edf_builder import File

HOUR = 3600.0
START = datetime(2000, 1, 1)
HEADER = "onset\tduration\teventType\tconfidence\tchannels\tdateTime\t" \
    "recordingDuration\n"


@pytest.fixture
def trees(tmp_path):
    """A reference and a hypothesis tree to write into."""
    folders = tmp_path / "reference", tmp_path / "hypothesis"
    for folder in folders:
        folder.mkdir()
    return folders


def put(folder, path, content):
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(
        content.encode() if isinstance(content, str) else content)


def put_tsv(folder, path, *spans, duration_s=HOUR):
    put(folder, path, write_events_tsv(
        [Event(a, b - a) for a, b in spans], START, duration_s))


def put_tse(folder, path, *spans, duration_s=HOUR):
    put(folder, path, write_seizures(
        tuple(Event(a, b - a) for a, b in spans), duration_s))


def put_edf(folder, path):
    """An hour of slow ECG that nobody annotated."""
    put(folder, path, File(duration="60").bytes())


def rules(comparison):
    return [(path, problem.rule) for path, problem in comparison.problems]


def counts(comparison):
    events = comparison.pooled.events
    return events.tp, events.fp, events.ref_true


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
    assert comparison.problems == () and comparison.exit_code == 0


def test_recordings_with_annotations_beside_them(trees):
    reference, hypothesis = trees
    put_edf(reference, "a/one.edf")
    put_tse(reference, "a/one.tse_bi", (600, 660))
    put_tsv(hypothesis, "a/one.tsv", (610, 650), (2000, 2010))
    comparison = compare(*trees)
    assert counts(comparison) == (1, 1, 1)
    assert comparison.recordings[0].path == "a/one.edf"
    assert comparison.recordings[0].hypothesis == "a/one.tsv"
    assert comparison.exit_code == 0


@pytest.mark.parametrize("hypothesis_path", [
    "sub-01/ses-01/ecg/sub-01_ses-01_run-01_ecg.tsv",
    "sub-01/ses-01/ecg/sub-01_ses-01_run-01_events.tsv",
    "sub-01/ses-01/eeg/sub-01_ses-01_run-01_events.tsv",
])
@pytest.mark.parametrize("with_recording", [True, False])
def test_seizeit2_layout(trees, hypothesis_path, with_recording):
    reference, hypothesis = trees
    session = "sub-01/ses-01"
    if with_recording:
        put_edf(reference, f"{session}/ecg/sub-01_ses-01_run-01_ecg.edf")
        put_edf(reference, f"{session}/eeg/sub-01_ses-01_run-01_eeg.edf")
    put(reference, f"{session}/eeg/sub-01_ses-01_run-01_events.tsv",
        "onset\tduration\teventType\tlateralization\tlocalization\t"
        "vigilance\tconfidence\tchannels\tdateTime\trecordingDuration\n"
        "100\t90\timpd\tn/a\tn/a\tn/a\tn/a\tn/a\tn/a\t3600\n"
        "1000\t60\tsz_foc_ia_nm\tleft\tn/a\tawake\tn/a\tn/a\tn/a\t3600\n"
        "2000\t60\tbckg\tn/a\tn/a\tn/a\tn/a\tn/a\tn/a\t3600\n")
    put(reference, "participants.tsv", "participant_id\nsub-01\n")
    put_tsv(hypothesis, hypothesis_path, (100, 110), (1010, 1020))
    comparison = compare(*trees)
    assert counts(comparison) == (1, 1, 1)
    assert comparison.problems == ()


def test_own_name_wins_over_another_of_the_same_run(trees):
    reference, hypothesis = trees
    put_tse(reference, "sub-1_ecg.tse_bi", (600, 660))
    put_tsv(hypothesis, "sub-1_ecg.tsv", (600, 660))
    put_tsv(hypothesis, "sub-1_events.tsv", (2000, 2010))
    comparison = compare(*trees)
    assert counts(comparison) == (1, 0, 1)
    assert rules(comparison) == [("sub-1_events.tsv", "score.second")]


def test_events_win_over_detections_on_another_modality(trees):
    reference, hypothesis = trees
    put_tse(reference, "sub-1_ecg.tse_bi", (600, 660))
    put_tsv(hypothesis, "sub-1_eeg.tsv", (2000, 2010))
    put_tsv(hypothesis, "sub-1_events.tsv", (600, 660))
    comparison = compare(*trees)
    assert comparison.recordings[0].hypothesis == "sub-1_events.tsv"
    assert rules(comparison) == [("sub-1_eeg.tsv", "score.second")]


def test_tse_bi_wins_over_others_of_the_same_name(trees):
    reference, hypothesis = trees
    put_tse(reference, "one.tse_bi", (600, 660))
    put_tse(reference, "one.tse", (1200, 1230))
    put_tsv(reference, "one.tsv", (2000, 2010))
    put_tse(reference, "0.tse", (600, 660))
    put_tsv(hypothesis, "one.tsv", (600, 660))
    put_tsv(hypothesis, "0.tsv", (600, 660))
    comparison = compare(*trees)
    assert [r.path for r in comparison.recordings] == ["0.tse", "one.tse_bi"]
    assert counts(comparison) == (2, 0, 2)


def test_two_recordings_of_a_run_have_their_own_detections(trees):
    reference, hypothesis = trees
    for name in ("sub-1_ecg", "sub-1_eeg"):
        put_edf(reference, f"{name}.edf")
        put_tse(reference, f"{name}.tse_bi")
        put_tsv(hypothesis, f"{name}.tsv")
    assert [(r.path, r.hypothesis) for r in compare(*trees).recordings] == [
        ("sub-1_ecg.edf", "sub-1_ecg.tsv"),
        ("sub-1_eeg.edf", "sub-1_eeg.tsv")]


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
    reference, hypothesis = trees
    put_tsv(reference, "sub-1/eeg/sub-1_events.tsv", (600, 660))
    put_tsv(reference, "sub-2/eeg/sub-2_events.tsv")
    put_tsv(hypothesis, "sub-1/eeg/sub-1_events.tsv", (600, 660))
    put_tsv(hypothesis, "sub-2/eeg/sub-2_events.tsv")
    comparison = compare(*trees)
    assert counts(comparison) == (1, 0, 1)
    assert len(comparison.patients) == 2
    assert comparison.pooled.events.hours == 2.0


def test_missing_detections_are_misses_without_hours(trees):
    reference, hypothesis = trees
    put_tse(reference, "a/one.tse_bi", (600, 660), (2000, 2060))
    put_tse(reference, "a/two.tse_bi", (600, 660))
    put_tsv(hypothesis, "a/two.tsv", (600, 660), (100, 110))
    comparison = compare(*trees)
    assert counts(comparison) == (1, 1, 3)
    assert comparison.pooled.events.false_alarms_per_24h.value == 24
    assert comparison.pooled.samples.fn == 120
    assert rules(comparison) == [("a/one.tse_bi", "score.no_hypothesis")]
    assert comparison.without_hypothesis == 1
    assert comparison.exit_code == 0


def test_hypotheses_all_missing_is_nothing_scored(trees):
    reference, hypothesis = trees
    put_tse(reference, "a/one.tse_bi", (600, 660))
    comparison = compare(*trees)
    assert comparison.exit_code == 1
    assert counts(comparison) == (0, 0, 1)


def test_recordings_nobody_annotated_are_left_out_and_counted(trees):
    reference, hypothesis = trees
    for name in ("known", "unknown"):
        put_edf(reference, f"{name}.edf")
        put_tsv(hypothesis, f"{name}.tsv", (10, 20))
    put_tse(reference, "known.tse_bi", (5, 25))
    comparison = compare(*trees)
    assert comparison.unannotated == ("unknown.edf",)
    assert counts(comparison) == (1, 0, 1)
    assert comparison.problems == ()


def test_detections_of_no_recording_are_said(trees):
    reference, hypothesis = trees
    put_tse(reference, "a/one.tse_bi")
    put_tsv(hypothesis, "a/one.tsv")
    put_tsv(hypothesis, "b/one.tsv", (600, 660))
    comparison = compare(*trees)
    assert rules(comparison) == [("b/one.tsv", "score.no_reference")]
    assert counts(comparison) == (0, 0, 0)


@pytest.mark.parametrize("said_s, refused", [
    (HOUR + 1, False), (HOUR - 1, False), (HOUR + 1.01, True), (30.0, True)])
def test_other_duration_is_refused_beyond_a_second(trees, said_s, refused):
    reference, hypothesis = trees
    put_tse(reference, "one.tse_bi", (600, 660))
    put_tsv(hypothesis, "one.tsv", (6, 7), duration_s=said_s)
    comparison = compare(*trees)
    scored, = comparison.recordings
    assert (scored.hypothesis is None) == refused == comparison.refused
    if refused:
        (path, problem), = comparison.problems
        assert path == "one.tsv" and problem.rule == "score.duration"
        assert comparison.exit_code == 1
        assert counts(comparison) == (0, 0, 1)


def test_refused_beside_scored_gives_2(trees):
    reference, hypothesis = trees
    for name in ("one", "two"):
        put_tse(reference, f"{name}.tse_bi", (600, 660))
    put_tsv(hypothesis, "one.tsv", (600, 660))
    put_tsv(hypothesis, "two.tsv", (6, 7), duration_s=30.0)
    comparison = compare(*trees)
    assert comparison.exit_code == 2
    assert counts(comparison) == (1, 0, 2)
    assert comparison.refused == 1


@pytest.mark.parametrize("content", ["", "\n", HEADER, "\ufeff" + HEADER])
@pytest.mark.parametrize("tree", [0, 1])
def test_tsv_without_rows_is_an_error_that_names_the_file(
        trees, tree, content):
    for folder in trees:
        put_tsv(folder, "a/one.tsv", (600, 660))
    put(trees[tree], "a/one.tsv", content)
    comparison = compare(*trees)
    (path, problem), = comparison.problems
    assert (path, problem.rule) == ("a/one.tsv", "annotations.empty")
    assert problem.level == "error"
    if tree == 0:
        assert comparison.recordings == ()
    else:
        # It must not cost less than a missing one.
        assert counts(comparison) == (0, 0, 1)


def test_broken_row_is_named_by_line(trees):
    reference, hypothesis = trees
    put_tse(reference, "one.tse_bi", (600, 660))
    put(hypothesis, "one.tsv", HEADER + "x\t1\tsz\tn/a\tn/a\tn/a\t3600\n")
    (path, problem), = compare(*trees).problems
    assert path == "one.tsv" and "line 2" in problem.text


def test_reference_without_duration_is_refused(trees):
    reference, hypothesis = trees
    put(reference, "one.tsv", "onset\tduration\teventType\n5\t5\tsz\n")
    put_tsv(hypothesis, "one.tsv")
    assert rules(compare(*trees)) == [("one.tsv", "annotations.duration")]


def test_unsorted_rows_change_nothing(trees):
    reference, hypothesis = trees
    rows = [f"{onset}\t60\tsz\tn/a\tn/a\tn/a\t3600\n"
            for onset in (3000, 600, 1800)]
    for folder in trees:
        put(folder, "one.tsv", HEADER + "".join(rows))
    assert counts(compare(*trees)) == (3, 0, 3)


def test_doubtful_detections_are_scored_and_said(trees):
    reference, hypothesis = trees
    put_tse(reference, "one.tse_bi", (600, 660))
    put(hypothesis, "one.tsv",
        "onset\tduration\teventType\n3590\t90\tsz\n600\t60\talarm\n")
    comparison = compare(*trees)
    assert counts(comparison) == (0, 1, 1)
    assert rules(comparison) == [
        ("one.tsv", "score.duration_unknown"), ("one.tsv", "score.other"),
        ("one.tsv", "score.outside")]
    assert comparison.exit_code == 0


def test_hidden_folders_are_not_searched(trees):
    reference, hypothesis = trees
    put_tse(reference, "one.tse_bi")
    put_tsv(hypothesis, "one.tsv")
    put_tsv(hypothesis, ".aura/one.tsv", (1, 2))
    put_tsv(hypothesis, ".two.tsv", (1, 2))
    put_tsv(reference, ".aura/three.tsv", (1, 2))
    comparison = compare(*trees)
    assert comparison.problems == ()
    assert len(comparison.recordings) == 1


@pytest.mark.parametrize("make", [
    os.mkfifo, lambda path: path.symlink_to("/etc/passwd"),
    lambda path: path.mkdir()])
def test_what_is_no_file_is_never_waited_for(trees, make):
    reference, hypothesis = trees
    put_tse(reference, "one.tse_bi", (600, 660))
    make(hypothesis / "one.tsv")
    comparison = compare(*trees)
    assert comparison.exit_code == 1
    assert len(comparison.problems) == 1


def test_corrupt_recording_is_refused_and_its_detections_are_not(trees):
    reference, hypothesis = trees
    put_edf(reference, "good.edf")
    put_tse(reference, "good.tse_bi", (600, 660))
    put(reference, "bad.edf", b"0" * 300)
    for name in ("good", "bad"):
        put_tsv(hypothesis, f"{name}.tsv", (600, 660))
    comparison = compare(*trees)
    assert [path for path, _ in comparison.problems] == ["bad.edf"]
    assert comparison.exit_code == 2


def test_missing_folder_and_empty_reference_are_errors(trees, tmp_path):
    with pytest.raises(MissingError, match="score.no_reference"):
        compare(*trees)
    with pytest.raises(MissingError, match="score.folder"):
        compare(trees[0], tmp_path / "nowhere")


def test_progress_sees_every_recording(trees):
    reference, hypothesis = trees
    put_edf(reference, "one.edf")
    seen = []
    compare(*trees, track=lambda things: seen.extend(things) or things)
    assert [candidate.name for candidate in seen] == ["one.edf"]


@pytest.fixture
def scored(trees):
    """Two patients, one of whom has neither a seizure nor an alarm."""
    reference, hypothesis = trees
    put_tse(reference, "a/one.tse_bi", (600, 660), (700, 1500), (3000, 3060))
    put_tsv(hypothesis, "a/one.tsv", (612, 650), (2000, 2010), (2050, 2060))
    put_tse(reference, "b/one.tse_bi")
    put_tsv(hypothesis, "b/one.tsv")
    return compare(*trees)


def test_json_is_strict_and_has_counts_and_intervals(scored):
    text = json.dumps(score_dict(scored), allow_nan=False)
    sheet = json.loads(text)
    events = sheet["pooled"]["events"]
    # 600 to 1500 s are one event, cut into three.
    assert (events["tp"], events["fp"], events["ref_true"]) == (1, 1, 4)
    assert events["strict_fp"] == 2
    assert events["latencies_s"] == [12.0]
    assert sheet["seizures"] == 3
    assert events["sensitivity"] == {
        "value": 0.25, "count": 1, "total": 4,
        "interval": pytest.approx([0.0063, 0.8059], abs=1e-4)}
    assert sheet["resolvable_false_alarms_per_24h"] == 12
    quiet = sheet["per_patient"][1]
    assert quiet["events"]["sensitivity"] == {
        "value": None, "count": 0, "total": 0, "interval": [0.0, 1.0]}
    mean = sheet["mean_over_patients"]["events"]
    assert mean["sensitivity"] == {"mean": 0.25, "std": 0, "patients": 1}
    assert mean["false_alarms_per_24h"]["patients"] == 2
    assert [r["path"] for r in sheet["per_recording"]] == [
        "a/one.tse_bi", "b/one.tse_bi"]


def test_table_has_the_counts_and_intervals_of_the_json(scored):
    lines = score_table(scored).splitlines()
    pooled = next(line for line in lines if line.startswith("pooled"))
    assert re.split("  +", pooled) == [
        "pooled", "2", "2.0", "1/4", "0.25 (0.01 to 0.81)", "1",
        "12.00 (0.30 to 66.86)", "24.00", "0.50", "0.33", "12.0", "0.04",
        "0.66", "0.08"]
    mean = next(line for line in lines if line.startswith("patients'"))
    assert re.split("  +", mean)[1:] == [
        "0.25", "12.00", "24.00", "0.50", "0.33", "0.04", "0.66", "0.08"]
    quiet = next(line for line in lines if line.endswith("b/one.tse_bi"))
    assert re.split("  +", quiet)[3:6] == ["0/0", "-", "0"]
    # Columns are right-aligned under their heads.
    assert pooled.index("1/4") + 3 == lines[4].index("found") + 5
    # 3 annotated seizures count as 4 events.
    assert any(re.findall(r"\b\d+\b", line) == ["3", "4"] for line in lines)


def test_table_counts_what_is_left_out():
    missed = RecordingScore("a", "p", None, HOUR, 1, Score())
    wrong = Problem("edf.truncated", "error", "cut")
    lines = score_table(Comparison(
        (missed,), ("b", "c"), tuple((name, wrong) for name in "defd"))
    ).splitlines()
    assert [line[:2] for line in lines[2:6]] == ["1 ", "2 ", "3 ", ""]


def test_the_same_wherever_the_trees_lie(scored, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    moved = [(tmp_path / name).rename(tmp_path / "elsewhere" / name)
             for name in ("reference", "hypothesis")]
    again = compare(*moved)
    assert again == scored
    for text in (score_table(again), json.dumps(score_dict(again))):
        assert str(tmp_path) not in text


def test_names_are_printed_whatever_they_hold(trees):
    for folder, write in zip(trees, (put_tse, put_tsv)):
        suffix = ".tse_bi" if write is put_tse else ".tsv"
        write(folder, os.fsdecode(b"p\xff/r\n1") + suffix)
        write(folder, "épilepsie/é" + suffix)
    comparison = compare(*trees)
    assert len(comparison.recordings) == 2
    text = score_table(comparison)
    text.encode("utf-8")
    assert "é.tse_bi" in text
    assert re.search(r"p\S+/r\S+1\.tse_bi$", text, re.MULTILINE)


def test_nothing_scored_is_still_a_sheet():
    empty = Comparison((), ("one.edf",), ())
    assert empty.exit_code == 1
    assert math.isnan(empty.pooled.events.sensitivity.value)
    sheet = json.loads(json.dumps(score_dict(empty), allow_nan=False))
    assert sheet["resolvable_false_alarms_per_24h"] is None
    assert len(score_table(empty).splitlines()) == 4


def test_a_seizure_that_nobody_can_place_is_no_background(trees):
    reference, hypothesis = trees
    put(reference, "one.tsv", HEADER
        + "0\t0\tbckg\tn/a\tn/a\tn/a\t3600\n"
        + "5000\t60\tsz\tn/a\tn/a\tn/a\t3600\n")
    put_tsv(hypothesis, "one.tsv", (600, 660))
    comparison = compare(*trees)
    assert comparison.recordings == ()
    assert comparison.unannotated == ("one.tsv",)
    assert ("one.tsv", "annotations.outside") in rules(comparison)
