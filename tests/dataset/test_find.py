"""Which recordings lie in a tree."""

import os
import re

import pytest

from aura.dataset.find import recordings
from aura.errors import InvalidInputError
from aura.folder import Folder
from tests.work import lines_run


@pytest.fixture
def tree(tmp_path):
    """Make files in a folder `in`, which is inside `tmp_path`."""
    def make(*paths):
        for path in paths:
            target = tmp_path / "in" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        return Folder(tmp_path / "in")
    return make


def names(found):
    return [candidate.name for candidate in found if not candidate.problem]


def refused(found):
    return {c.name: c.problem.rule for c in found if c.problem}


def test_recordings_are_found_in_stable_order(tree):
    folder = tree("b/2.edf", "b/10.EDF", "a.bdf", "a/x.Bdf", "c/d/e/f.edf",
                  "b/notes.txt", ".hidden.edf", ".git/y.edf", "b/edf")
    found = recordings(folder)
    assert names(found) == ["a.bdf", "a/x.Bdf", "b/10.EDF", "b/2.edf",
                            "c/d/e/f.edf"]
    assert recordings(folder) == found
    assert refused(found) == {}


def test_recordings_of_other_makes_are_counted_by_kind(tree, tmp_path):
    folder = tree("a.edf", "b/100.hea", "b/100.dat", "h.ecg", "all.zip",
                  "x.tar.gz", "b/old.REC", "readme.txt", "b/rr.txt",
                  "b/kubios.txt", "b/list.txt", ".git/y.zip", "r.edf.gz",
                  "new.rec")
    inside = tmp_path / "in"
    (inside / "new.rec").write_bytes(b"0       and so on")
    (inside / "readme.txt").write_text("100 recordings\n\nof 5 people\n")
    (inside / "b/rr.txt").write_text("800\n810\n")
    (inside / "b/kubios.txt").write_text("t (ms)\n0,5; 800\n1.2; 810\n2;9\n")
    (inside / "b/list.txt").write_text("1 to 5\n2 to 9\n")
    found = recordings(folder)
    assert names(found) == ["a.edf", "b/100.hea", "new.rec", "r.edf.gz"]
    assert refused(found) == {".": "path.not_read"}
    assert found[-1].problem.level == "warning"
    counts = re.findall(
        r"(\d+) [^,\d]*\((.*?)\)", found[-1].problem.text)
    assert counts == [("1", ".ecg"), ("1", ".tar.gz"), ("1", ".zip"),
                      ("2", ".txt"), ("1", ".rec")]


def test_an_empty_folder_has_none(tree):
    folder = tree("notes.txt")
    assert recordings(folder) == []


def test_a_subfolder_names_relative_to_itself(tree):
    folder = tree("recordings/a/x.edf", "recordings/a/x.tse_bi", "y.edf")
    (found,) = recordings(folder, "recordings")
    assert (found.path, found.name) == ("recordings/a/x.edf", "a/x.edf")
    assert found.annotations == "recordings/a/x.tse_bi"


def test_a_single_file_is_an_input(tree):
    folder = tree("a/x.edf", "a/x.tse_bi", "a/y.edf", "a/odd.rec")
    (found,) = recordings(folder, "a/x.edf")
    assert (found.path, found.name) == ("a/x.edf", "x.edf")
    assert found.annotations == "a/x.tse_bi"
    assert names(recordings(folder, "a/odd.rec")) == ["odd.rec"]


def test_a_run_with_an_eeg_only_is_counted(tree):
    folder = tree("ses-1/ecg/a_run-1_ecg.edf", "ses-1/eeg/a_run-1_eeg.edf",
                  "ses-1/eeg/a_run-2_eeg.edf")
    assert refused(recordings(folder)) == {".": "path.not_read"}


def test_seizeit2_session_is_taken_from_its_ecg(tree):
    run = "sub-001_ses-01_task-szMonitoring_run-01"
    base = "sub-001/ses-01"
    folder = tree(*(f"{base}/{kind}/{run}_{kind}.edf"
                    for kind in ("ecg", "eeg", "emg", "mov")),
                  f"{base}/eeg/{run}_events.tsv",
                  "sub-001/ses-02/eeg/sub-001_ses-02_eeg.edf")
    found = recordings(folder)
    assert names(found) == [f"{base}/ecg/{run}_ecg.edf",
                            "sub-001/ses-02/eeg/sub-001_ses-02_eeg.edf"]
    assert found[0].annotations == f"{base}/eeg/{run}_events.tsv"
    assert refused(found) == {}


def test_annotations_in_the_ecg_folder_itself_come_first(tree):
    folder = tree("ses-01/ecg/r_ecg.edf", "ses-01/ecg/r_events.tsv",
                  "ses-01/eeg/r_events.tsv")
    assert recordings(folder)[0].annotations == "ses-01/ecg/r_events.tsv"


def test_an_eeg_file_of_bids_has_its_events(tree):
    (found,) = recordings(tree("eeg/sub-1_eeg.edf", "eeg/sub-1_events.tsv"))
    assert found.annotations == "eeg/sub-1_events.tsv"


def test_two_names_for_one_output_are_refused(tree):
    found = recordings(tree("a.edf", "a.bdf", "b/a.edf", "A.edf"))
    assert names(found) == ["A.edf", "a.bdf", "b/a.edf"]
    assert refused(found) == {"a.edf": "path.same_stem"}


def test_links_to_files_inside_are_followed(tree):
    folder = tree("store/abc", "x.edf.txt")
    (folder.root / "x.edf").symlink_to("store/abc")
    assert names(recordings(folder)) == ["x.edf"]


def test_links_that_leave_are_refused(tree, tmp_path):
    (tmp_path / "secret.edf").touch()
    (tmp_path / "outer").mkdir()
    (tmp_path / "outer" / "z.edf").touch()
    folder = tree("x.edf")
    (folder.root / "out.edf").symlink_to(tmp_path / "secret.edf")
    (folder.root / "outer").symlink_to(tmp_path / "outer")
    (folder.root / "notes.txt").symlink_to(tmp_path / "secret.edf")
    found = recordings(folder)
    assert names(found) == ["x.edf"]
    assert refused(found) == {"out.edf": "path.outside",
                              "outer": "path.outside"}


def test_an_ecg_folder_elsewhere_hides_no_eeg(tree, tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "r_ecg.edf").touch()
    folder = tree("s/eeg/r_eeg.edf")
    (folder.root / "s/ecg").symlink_to(tmp_path / "far")
    assert names(recordings(folder)) == ["s/eeg/r_eeg.edf"]


def test_a_folder_is_not_walked_twice(tree):
    folder = tree("real/x.edf")
    (folder.root / "again").symlink_to("real")
    found = recordings(folder)
    assert names(found) == ["real/x.edf"]
    assert refused(found) == {"again": "path.linked"}
    assert [c.problem.level for c in found if c.problem] == ["warning"]


def test_loops_end(tree):
    folder = tree("a/x.edf")
    (folder.root / "a/up").symlink_to("..")
    (folder.root / "self.edf").symlink_to("self.edf")
    found = recordings(folder)
    assert names(found) == ["a/x.edf"]
    assert refused(found) == {"a/up": "path.linked", "self.edf": "path.loop"}


def test_a_linked_folder_beside_the_input_is_walked(tree):
    folder = tree("store/x.edf", "recordings/y.edf")
    (folder.root / "recordings/more").symlink_to("../store")
    found = recordings(folder, "recordings")
    assert names(found) == ["more/x.edf", "y.edf"]


def test_content_that_is_not_there_is_refused(tree):
    folder = tree("x.edf")
    (folder.root / "annex.edf").symlink_to(".git/annex/objects/gone")
    assert refused(recordings(folder)) == {"annex.edf": "path.missing"}


def test_pipes_are_not_waited_for(tree):
    folder = tree("x.edf")
    os.mkfifo(folder.root / "pipe.edf")
    os.mkfifo(folder.root / "pipe")
    assert refused(recordings(folder)) == {"pipe.edf": "path.not_regular"}
    assert refused(recordings(folder, "pipe")) == {"pipe": "path.not_regular"}


def test_names_that_are_no_text_are_refused_printably(tree):
    folder = tree("\u00e9\u4e2d\U0001f600/\u00e5.edf", "-x.edf", "a b.edf")
    os.close(os.open(os.fsencode(folder.root) + b"/bad\xff.edf", os.O_CREAT))
    os.mkdir(os.fsencode(folder.root) + b"/dir\xfe")
    (folder.root / "esc\x1b[2J.edf").touch()
    (folder.root / "line\nfeed.edf").touch()
    found = recordings(folder)
    assert names(found) == ["-x.edf", "a b.edf",
                            "\u00e9\u4e2d\U0001f600/\u00e5.edf"]
    assert refused(found) == {
        "bad\\udcff.edf": "path.name", "dir\\udcfe": "path.name",
        "esc\\x1b[2J.edf": "path.name", "line\\x0afeed.edf": "path.name"}


def test_an_unreadable_folder_is_refused(tree, monkeypatch):
    folder = tree("x.edf", "locked/y.edf")
    scandir = os.scandir

    def denied(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("aura.dataset.find.os.scandir", denied)
    found = recordings(folder)
    assert names(found) == ["x.edf"]
    assert refused(found) == {"locked": "path.unreadable"}


@pytest.mark.parametrize("subfolder", ["nothing", "nothing/x.edf"])
def test_an_input_that_is_not_there(tree, subfolder):
    (found,) = recordings(tree("x.edf"), subfolder)
    assert found.problem.rule == "path.missing"


def test_an_input_that_leaves_by_a_link(tree, tmp_path):
    folder = tree("x.edf")
    (folder.root / "out").symlink_to(tmp_path)
    (found,) = recordings(folder, "out")
    assert found.problem.rule == "path.outside"


@pytest.mark.parametrize("subfolder", ["..", "a/../..", "/etc", "a\0b"])
def test_an_input_outside_is_a_mistake(tree, subfolder):
    with pytest.raises(InvalidInputError, match="path.outside"):
        recordings(tree("x.edf"), subfolder)


@pytest.mark.parametrize("name, content", [
    ("{}.edf", b""), ("p{}/x.edf", b""), ("{}.csv", b"mean_nni\n800\n"),
    ("{}.txt", b"800\n810\n")])
def test_the_work_of_a_search_grows_like_the_folder(tree, name, content):
    folder = tree("a.edf")

    def work(count):
        for number in range(count):
            write(folder, name.format(number), content)
        return lines_run(lambda: recordings(folder))

    work(10)
    few = work(60)
    assert work(600) < 10.5 * few


def write(folder, name, content):
    path = folder.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_a_csv_is_a_recording_by_its_header(tree):
    folder = tree("a.beats.csv", "notes.csv", "x/rr_b.csv", "x/c.rr.csv.gz")
    write(folder, "d.csv", b"beat_time_s\n1\n")
    write(folder, "e.CSV", b"time,RR_ms\n1,800\n")
    write(folder, "feats.csv", b"mean_nni,sdnn\n800,30\n")
    write(folder, "f.csv", b"channel,start_time,stop_time,label\n")
    found = recordings(folder)
    assert {one.name: one.form for one in found} == {
        "a.beats.csv": "beats", "d.csv": "beats", "e.CSV": "rr",
        "x/rr_b.csv": "beats", "x/c.rr.csv.gz": "beats"}
    assert [one.stem for one in found] == ["a", "d", "e", "x/c", "x/b"]


def test_a_pipe_that_calls_itself_beats_is_refused_and_others_passed_over(
        tree):
    folder = tree("a.edf")
    os.mkfifo(folder.root / "b.beats.csv")
    os.mkfifo(folder.root / "c.csv")
    assert refused(recordings(folder)) == {"b.beats.csv": "path.not_regular"}


@pytest.mark.parametrize("sidecar", [
    "x.tse_bi", "x.TSE_BI", "x.tse", "x.csv_bi", "x_events.tsv",
    "x.edf.seizures", "x.seizures", "times.seize"])
def test_every_kind_of_annotations_beside_a_recording(tree, sidecar):
    found = recordings(tree("x.edf", sidecar, "y.tse_bi", "x.tsv"))
    assert [one.annotations for one in found] == [sidecar]


@pytest.mark.parametrize("name, read", [
    ("x_annotations.csv", True), ("x_seizures.txt", True),
    ("P7_events.tsv", False), ("annotations.csv", False),
    ("x_2_annotations.csv", False), ("x_task-rest_seizures.csv", False)])
def test_an_export_is_read_only_for_the_recording_that_it_names(
        tree, name, read):
    folder = tree("x.edf", "y.edf")
    write(folder, name, b"onset,duration,description\n5,9,seizure\n")
    one, other = recordings(folder)
    assert (one.annotations, other.annotations) == (name if read else None,
                                                    None)
    assert read or name in one.unread


def test_the_best_annotations_are_used_and_the_others_known(tree):
    folder = tree("x.edf", "x.csv_bi", "x_events.tsv", "x.tse", "x.tse_bi",
                  "times.seize")
    write(folder, "x.csv", b"channel,start_time,stop_time,label\n")
    (found,) = recordings(folder)
    assert found.annotations == "x.tse_bi"
    assert found.others == ("x.tse", "x_events.tsv", "x.csv_bi", "x.csv",
                            "times.seize")


def test_a_csv_is_not_the_annotation_of_itself_nor_is_a_table_of_beats(tree):
    folder = tree("x.edf")
    write(folder, "x.csv", b"beat_time_s\n1\n2\n")
    write(folder, "y.csv", b"rr_ms\n800\n")
    assert [(one.name, one.annotations) for one in recordings(folder)] == [
        ("x.csv", None), ("x.edf", None), ("y.csv", None)]


def test_of_two_files_of_one_form_and_name_the_second_is_refused(tree):
    folder = tree("x.beats.csv", "x.edf")
    write(folder, "x.csv", b"beat_time_s\n1\n2\n")
    found = recordings(folder)
    assert names(found) == ["x.beats.csv", "x.edf"]
    assert refused(found) == {"x.csv": "path.same_stem"}
