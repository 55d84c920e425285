"""One recording, from its bytes to what the stages know of it."""

import gzip
import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from aura.annotations import vocabulary
from aura.dataset import (
    annotation_files,
    ecg_channel,
    find,
    assemble,
    unpack,
)
from aura.dataset.patients import alias
from aura.dataset.assemble import Refused
from aura.errors import AuraError
from aura.folder import Folder
from aura.recording import Event, Recording
from tests.edf_builder import Channel, File, heart, noise, plus, tal

TSE = b"version = tse_v1.0.0\n\n"


@pytest.fixture
def examined(tmp_path):
    """Store a recording and what lies beside it, and examine it."""
    def examine(file, beside=None, name="r.edf", only="", **settings):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file if isinstance(file, bytes) else file.bytes())
        for other, content in (beside or {}).items():
            (path.parent / other).parent.mkdir(exist_ok=True)
            (path.parent / other).write_bytes(content)
        folder = Folder(tmp_path)
        (candidate,) = find.recordings(folder, only)
        return assemble.recording(folder, candidate, **settings)
    return examine


def rules(outcome):
    return [problem.rule for problem in outcome.problems]


def test_everything_is_known_of_a_good_recording(examined):
    file = plus([i + 0.25 for i in range(60)], [tal(5.25, 7, "seizure")])
    assert examined(file, name="p1/r.edf", alias_key="k") == Recording(
        path="p1/r.edf", patient=alias("p", "P01", "k"), channels=("ECG",),
        channel="ECG", channel_index=0, unit="mV", fs_hz=256.0,
        duration_s=60.0, start=datetime(2021, 3, 2, 10, 20, 30, 250_000),
        events=(Event(5, 7),), annotation_source="EDF+",
        sha256=hashlib.sha256(file.bytes()).hexdigest())


def test_background_alone_says_that_somebody_looked(examined):
    recording = examined(plus(texts=[tal(0, 60, "bckg")]))
    assert recording.annotated
    assert recording.events == ()


@pytest.mark.parametrize("row", [
    tal(45, None, "sz"), tal(45, 0, "sz"), b"+45\x15-3\x14sz\x14\0",
    tal(45, None, "sz start")])
def test_a_seizure_of_unknown_length_is_a_point(examined, row):
    recording = examined(plus(texts=[tal(30, 9, "sz"), row]))
    assert recording.events == (Event(30, 9), Event(45, 0))
    assert recording.understood
    assert rules(recording)[-1] == "annotations.no_length"


@pytest.mark.parametrize("row, rule", [
    (tal(61, 5, "sz"), "annotations.outside"),
    (tal(61, None, "sz"), "annotations.outside"),
    (tal(45, 5, "seizure?"), "annotations.doubtful"),
    (tal(5, None, "seizure end"), "annotations.no_start"),
    (b"+x\x14sz\x14\0", "annotations.unread")])
def test_other_seizures_stay_beside_one_that_is_not_understood(
        examined, row, rule):
    recording = examined(plus(texts=[tal(30, 9, "sz"), row]))
    assert recording.events == (Event(30, 9),)
    assert (recording.annotated, recording.understood) == (True, False)
    assert rules(recording)[-1] == rule
    recording = examined(plus(texts=[tal(0, 60, "bckg"), row]))
    assert (recording.annotated, recording.understood) == (False, False)
    assert rules(recording)[-1] == rule


@pytest.mark.parametrize("file, beside, understood", [
    (plus(), {}, True), (plus(texts=[tal(1, 1, "lights off")]), {}, False),
    (File(), {"r.txt": b"10:20 tired"}, True),
    (File(), {"r.txt": b"onset,duration\n1,2\n"}, False),
    (File(), {"r.csv": b"start;end\n1;2\n"}, False),
    (File(), {"r.xlsx": b""}, False), (File(), {"r.json": b"{}"}, False),
    (File(), {"r_seizures.json": b"{}"}, False),
    (File(), {"Anf\u00e4lle.xlsx": b""}, False),
    (File(), {"seizures.csv": b"r,10,20\n"}, False),
    (File(), {"README.md": b"seizures", "RECORDS": b"r"}, True),
    (File(), {"RECORDS-WITH-SEIZURES": b"r"}, False),
    (File(), {"r2.edf": File().bytes(), "r2.txt": b"seizure"}, True),
    (File(), {"times.seize": b"q 0:0:1 0:0:9\n"}, False),
    (File(), {"r_events.tsv": b"onset\tduration\teventType\n"
              b"1\t2\tcough\n"}, False)])
def test_only_a_recording_without_any_annotation_may_be_free_of_seizures(
        examined, file, beside, understood):
    recording = examined(file, beside, only="r.edf")
    assert (recording.annotated, recording.understood) == (False, understood)
    assert (recording.problems == ()) == understood


def test_a_text_to_ignore_is_no_annotation(examined):
    file = plus(texts=[tal(1, 1, "Lights off")])
    vocabulary.use("!lights *")
    try:
        recording = examined(file)
    finally:
        vocabulary.use("")
    assert (recording.annotated, recording.problems) == (False, ())


def test_a_seizure_that_is_cut_is_still_truth(examined):
    recording = examined(plus(texts=[tal(58, 9, "sz")]))
    assert recording.events == (Event(58, 2),)
    assert rules(recording) == ["annotations.clipped"]


def test_annotations_of_another_recording_are_doubted_and_used(examined):
    recording = examined(File(), {"r_events.tsv": (
        b"onset\tduration\teventType\tdateTime\trecordingDuration\n"
        b"3\t9\tsz\t1999-01-01 00:00:00\t3600\n")})
    assert recording.events == (Event(3, 9, "sz"),)
    assert rules(recording) == ["annotations.other_length",
                                "annotations.other_date"]


def test_a_sidecar_wins_and_a_disagreement_is_said(examined):
    file = plus(texts=[tal(30, 9, "sz")])
    recording = examined(file, {"r.tse_bi": TSE + b"1 9 seiz 1\n"})
    assert recording.events == (Event(1, 8, "sz", 1),)
    assert recording.annotation_source == "r.tse_bi"
    assert rules(recording) == ["annotations.disagree"]


@pytest.mark.parametrize("row", [b"30.4 39 seiz 1\n", b"30 39.9 seiz 1\n"])
def test_a_second_is_no_disagreement(examined, row):
    file = plus(texts=[tal(30, 9, "sz")])
    assert rules(examined(file, {"r.tse_bi": TSE + row})) == []


def test_notes_inside_are_counted_and_contradict_nothing(examined):
    file = plus(texts=[tal(30, 9, "lights off")])
    found = examined(file, {"r.tse_bi": TSE + b"1 9 seiz 1\n"})
    assert rules(found) == ["annotations.other"] and found.understood


@pytest.mark.parametrize("place", [
    "../times.seize", "../Liste.xlsx", "../r.tse_bi", ".seizures.txt",
    "seizures.txt.gz", "Liste.ods", "Befund.docx", "log.pdf", "marks.db",
    "../seizures.txt", "../../annotations.pdf", ".r.tse_bi"])
def test_a_list_elsewhere_in_the_input_bars_a_recording(examined, place):
    recording = examined(File(), {place: b""}, name="a/b/r.edf")
    assert (recording.annotated, recording.understood) == (False, False)
    assert rules(recording) == ["annotations.not_read"]


@pytest.mark.parametrize("place", [
    "../participants.tsv", "README.txt", "../README.pdf", "._seizures.txt",
    "../paper.pdf", "../task-x_events.json", "../tired.txt"])
def test_files_that_describe_a_set_bar_no_recording(examined, place):
    recording = examined(File(), {place: b"seizure 10:20:30"},
                         name="a/b/r.edf")
    assert recording.understood and recording.problems == ()


@pytest.mark.parametrize("events, understood", [
    ("../eeg/sub-1_task-a_events.tsv", False), ("sub-1_events.tsv", False),
    ("../eeg/sub-1_task-a_run-1_events.tsv", False),
    ("../eeg/sub-1_task-a_run-02_events.tsv", True),
    ("../eeg/sub-1_task-b_events.tsv", True), ("sub-2_events.tsv", True)])
def test_events_of_another_run_are_not_those_of_this_one(
        examined, events, understood):
    recording = examined(File(), {events: b""},
                         name="sub-1/ecg/sub-1_task-a_run-01_ecg.edf")
    assert (recording.annotated, recording.understood) == (False, understood)


@pytest.mark.parametrize("encoding, expected", [
    ("utf-8", []), ("utf-16", []), ("cp1252", ["annotations.encoding"])])
@pytest.mark.parametrize("name, text", [
    ("r_events.tsv",
     "onset\tduration\teventType\n3\t9\tCrise \xe9pilepsie\n"),
    ("r-annot.csv", "onset,duration,description\n3,9,Crise \xe9pilepsie\n"),
    ("Seizures-list-\xe9.txt", "Na\xefve\nFile name: r.edf\nSeizure start "
     "time: 3 seconds\nSeizure end time: 12 seconds\n")])
def test_a_text_in_another_encoding_is_read(
        examined, name, text, encoding, expected):
    recording = examined(File(), {name: text.encode(encoding)})
    assert recording.events == (Event(3, 9),)
    assert rules(recording) == expected
    strict = examined(File(), {name: text.encode(encoding)}, strict=True)
    assert (rules(strict) if expected else []) == expected
    assert isinstance(strict, Refused) is bool(expected)


def test_names_of_a_list_without_a_recording_are_reported_once(examined):
    text = b"".join(b"File name: %s\nSeizure start time: 3 s\n" % name
                    for name in (b"r-1.edf", b"s-.edf", b"q.edf"))
    beside = {"s-1.edf": File().bytes(), "r-list-seizure-summary.txt": text}
    first = examined(File(), beside, name="r-1.edf", only="r-1.edf")
    other = examined(File(), beside, name="r-1.edf", only="s-1.edf")
    assert "annotations.unmatched" in rules(first)
    assert "annotations.unmatched" not in rules(other)
    assert "annotations.other_name" in rules(other)
    assert first.events == other.events == (Event(3, 0),)


def test_the_recordings_of_a_list_are_listed_once(tmp_path, monkeypatch):
    names = [f"r{number}" for number in range(5)]
    for name in names:
        (tmp_path / f"{name}.edf").write_bytes(File().bytes())
    (tmp_path / "x-summary.txt").write_text("".join(
        f"File name: {name}.edf\nSeizure start time: 3 s\n"
        for name in names))
    folder, listed = Folder(tmp_path), []
    candidates = find.recordings(folder)
    listdir = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: (
        listed.append(path), listdir(path))[1])
    for candidate in candidates:
        assert assemble.recording(folder, candidate).events == (Event(3, 0),)
    assert listed == [tmp_path]


def test_a_seizeit2_session(examined):
    recording = examined(
        File(), name="sub-01/ses-01/ecg/sub-01_ses-01_ecg.edf",
        beside={"../ecg/sub-01_ses-01_events.tsv":
                b"onset\tduration\teventType\n3\t9\tsz_foc_ia\n"})
    assert recording.patient == alias("p", "sub-01", "aura")
    assert recording.events == (Event(3, 9, "sz_foc_ia"),)


def test_a_sidecar_that_leaves_the_folder_refuses(examined, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "far.tse_bi").write_bytes(TSE)
    (tmp_path / "in/r.edf").write_bytes(File().bytes())
    (tmp_path / "in/r.tse_bi").symlink_to("../far.tse_bi")
    folder = Folder(tmp_path / "in")
    (candidate,) = find.recordings(folder)
    assert rules(assemble.recording(folder, candidate)) == ["path.outside"]


@pytest.mark.parametrize("place, name", [
    (".", "r.tse_bi"), (".", "r_events.tsv"), ("../eeg", "r_events.tsv")])
@pytest.mark.parametrize("make, rule", [
    (lambda path: path.symlink_to("gone"), "path.missing"),
    (lambda path: path.symlink_to(path.name), "path.loop"),
    (lambda path: path.mkdir(), "path.not_regular"),
    (os.mkfifo, "path.not_regular"),
    (lambda path: path.symlink_to("/dev/null"), "path.not_regular"),
    (lambda path: path.symlink_to("/etc/passwd"), "path.outside"),
    (lambda path: path.write_bytes(b"a\0"), "annotations.syntax")])
def test_a_fault_of_a_sidecar_names_it(tmp_path, place, name, make, rule):
    for folder in ("ecg", "eeg"):
        (tmp_path / folder).mkdir()
    (tmp_path / "ecg/r_ecg.edf").write_bytes(File().bytes())
    if name.endswith(".tse_bi"):
        name = "r_ecg.tse_bi"
    make(tmp_path / "ecg" / place / name)
    folder = Folder(tmp_path)
    (candidate,) = find.recordings(folder)
    outcome = assemble.recording(folder, candidate)
    assert isinstance(outcome, Refused)
    assert rules(outcome) == [rule]
    assert name in outcome.problems[0].text


def test_a_sidecar_that_cannot_be_read_names_it(examined, monkeypatch):
    def broken(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(annotation_files, "read_bytes", broken)
    outcome = examined(File(), {"r.tse_bi": TSE})
    assert rules(outcome) == ["path.read"]
    assert "r.tse_bi" in outcome.problems[0].text


def test_the_name_of_a_faulty_sidecar_is_printable(examined):
    outcome = examined(File(), {"r\u202e.tse_bi": TSE + b"1\n"},
                       name="r\u202e.edf")
    assert rules(outcome) == ["annotations.syntax"]
    assert outcome.problems[0].text.isprintable()


CSV = b"""# version = csv_v1.0.0
# bname = r
# duration = 60.0000 secs
#
channel,start_time,stop_time,label,confidence
TERM,0.0000,1.0000,bckg,1.0000
TERM,1.0000,9.0000,%s,0.9000
"""


@pytest.mark.parametrize("suffix, word, label", [
    (".csv_bi", b"seiz", "sz"), (".csv", b"cpsz", "sz_foc_ia"),
    (".CSV_BI", b"SEIZ", "sz")])
def test_annotations_of_tusz_v2_are_read(examined, suffix, word, label):
    recording = examined(File(), {f"r{suffix}": CSV % word})
    assert recording.events == (Event(1, 8, label, 0.9),)
    assert recording.annotation_source == f"r{suffix}"
    assert rules(recording) == []


def test_a_csv_that_is_no_annotation_is_passed_over(examined):
    recording = examined(File(), {"r.csv": b"mean_hr,sdnn\n70,31\n"})
    assert not recording.annotated
    assert rules(recording) == []


def test_a_sidecar_without_end_refuses(examined, monkeypatch):
    monkeypatch.setattr(annotation_files, "BYTES_MAX", 20)
    outcome = examined(File(), {"r.tse_bi": TSE + b"1 2 seiz 1\n"})
    assert rules(outcome) == ["annotations.size"]


def test_the_best_of_several_is_taken(examined):
    recording = examined(File((
        Channel("EEG"), Channel("ECG", digital=noise(60, 256)),
        Channel("ECG"))))
    assert (recording.channel, recording.channel_index) == ("ECG", 2)
    assert rules(recording) == ["ecg.several"]


def test_the_setting_takes_another(examined):
    file = File((Channel("ECG"), Channel("Chest")))
    recording = examined(file, ecg_channel="chest")
    assert (recording.channel, recording.channel_index) == ("Chest", 1)
    assert rules(recording) == []


def test_a_faulty_ecg_is_named_and_passed_over(examined):
    file = File((Channel("ECG1", range=("5", "5")), Channel("ECG2"),
                 Channel("ECG3", digital=noise(60, 256))))
    recording = examined(file)
    assert recording.channel == "ECG2"
    assert rules(recording) == ["edf.digital_range", "ecg.several"]
    assert "channel ECG1: " in recording.problems[0].text
    assert "ECG1" not in recording.problems[1].text
    assert rules(examined(file, ecg_channel="ECG2")) == ["edf.digital_range"]


def test_a_faulty_ecg_that_was_asked_for_refuses(examined):
    file = File((Channel("ECG1"), Channel("ECG2", range=("5", "5"))))
    outcome = examined(file, ecg_channel="ecg2")
    assert isinstance(outcome, Refused)
    assert outcome.problems[0].text.startswith("channel ECG2: ")


def test_faulty_ecgs_alone_refuse_by_the_first(examined):
    outcome = examined(File((
        Channel("ECG1", physical=("5", "5")),
        Channel("ECG2", range=("5", "5")))))
    assert isinstance(outcome, Refused)
    assert rules(outcome) == ["edf.physical_range"]
    assert outcome.problems[0].text.startswith("channel ECG1: ")


def test_header_text_of_a_patient_is_nowhere(examined):
    canary = "Canary^Yellow"
    for changes in ({}, {"date": canary[:8]}, {"duration": canary[:8]},
                    {"records": canary[:8]}, {"time": canary[:8]}):
        outcome = examined(File(patient=canary, recording=canary, **changes))
        assert "Canary" not in repr(outcome)
    outcome = examined(plus(patient=canary, texts=[tal(1, 1, canary)]))
    assert "Canary" not in repr(outcome)
    outcome = examined(plus(recording=f"Startdate {canary} X X X"))
    assert "Canary" not in repr(outcome)


def test_a_file_that_cannot_be_read_is_refused(examined, monkeypatch):
    def broken(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("aura.edf.header.os.pread", broken)
    assert rules(examined(File())) == ["path.read"]


def test_a_file_that_grows_meanwhile_is_refused(examined, monkeypatch):
    assess = ecg_channel.assess

    def meanwhile(signal):
        with open(f"/proc/self/fd/{signal._stream.fileno()}", "ab") as file:
            file.write(b"more")
        return assess(signal)

    monkeypatch.setattr(ecg_channel, "assess", meanwhile)
    assert rules(examined(File())) == ["recording.changed"]


def test_unreadable_without_the_right_to(examined, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (tmp_path / "r.edf").touch(mode=0)
    folder = Folder(tmp_path)
    (candidate,) = find.recordings(folder)
    assert rules(assemble.recording(folder, candidate)) == ["path.unreadable"]


def test_a_signal_is_opened_by_what_was_examined(examined, tmp_path):
    recording = examined(File((Channel("EEG"), Channel("ECG"))))
    with assemble.open_signal(Folder(tmp_path), recording) as signal:
        assert signal.sample_count == 15360
        expected = -5 + (heart(60, 256)[0] + 32768) * 10 / 65535
        assert signal.read(0, 256) == pytest.approx(expected)


@pytest.mark.parametrize("changed", [
    File((Channel("EEG"), Channel("EKG"))),
    File((Channel("EEG", digital=heart(30, 256)),
          Channel("ECG", digital=heart(30, 256)))),
    File((Channel("EEG"), Channel("ECG", digital=heart(60, 128))))])
def test_a_recording_that_was_exchanged_is_not_opened(
        examined, tmp_path, changed):
    recording = examined(File((Channel("EEG"), Channel("ECG"))))
    (tmp_path / "r.edf").write_bytes(changed.bytes())
    with pytest.raises(AuraError, match="recording.changed"), \
            assemble.open_signal(Folder(tmp_path), recording):
        pass


def packed(content):
    """The same bytes whenever the tests are collected."""
    return gzip.compress(content, mtime=0)


@pytest.mark.parametrize("name", ["r.edf.gz", "R.EDF.GZ"])
def test_a_packed_recording_is_read_like_another(examined, tmp_path, name):
    file = plus(texts=[tal(5, 7, "seizure")])
    small = examined(packed(file.bytes()), name=name)
    folder = Folder(tmp_path)
    candidate, = find.recordings(folder)
    assert assemble.patient_of(folder, candidate).source == "header"
    with assemble.open_signal(Folder(tmp_path), small) as signal:
        samples = signal.read(0, signal.sample_count)
    (tmp_path / name).unlink()
    plain = examined(file)
    assert replace(small, path="r.edf") == plain
    with assemble.open_signal(Folder(tmp_path), plain) as signal:
        assert np.array_equal(samples, signal.read(0, signal.sample_count))


def test_all_members_of_a_packed_file_are_read(examined):
    content = File().bytes()
    parts = packed(content[:9000]), packed(b""), packed(content[9000:])
    assert examined(b"".join(parts), name="r.edf.gz").duration_s == 60


@pytest.mark.parametrize("text, rule", [
    ("seizure?", "annotations.doubtful"),
    ("Seizure end", "annotations.no_start"),
    ("Seizure", "annotations.contradicted")])
def test_a_doubt_inside_is_not_hidden_by_a_file_beside(examined, text, rule):
    found = examined(plus(texts=[tal(5, 7, text)]), {
        "r.tse_bi": TSE + b"0 60 bckg 1\n"})
    assert rule in rules(found)
    assert found.annotated and not found.understood


@pytest.mark.parametrize("content, rule", [
    (packed(File().bytes())[:-9], "edf.gzip"),
    (b"no gzip", "edf.gzip"), (b"", "edf.gzip"),
    (packed(b"text"), "edf.header.truncated"),
    (packed(b"text" * 99), "edf.version"),
    (packed(bytes(2 * 10**6)), "edf.version"),
    (packed(File().bytes() + bytes(2 * 10**6)), "edf.gzip_size")])
def test_a_packed_file_that_is_no_recording_is_refused(
        examined, monkeypatch, content, rule):
    monkeypatch.setattr(unpack, "UNPACKED_MAX", 1_500_000)
    assert rules(examined(content, name="r.edf.gz")) == [rule]


def test_eight_threads_open_and_read_one_file(examined, tmp_path):
    digital = noise(60, 256)
    recording = examined(File().with_channel(digital=digital))
    truth = -5 + (digital.ravel() + 32768) * 10 / 65535

    def right(seed):
        start = int(np.random.default_rng(seed).integers(0, 14_000))
        with assemble.open_signal(Folder(tmp_path), recording) as signal:
            return np.allclose(signal.read(start, start + 999),
                               truth[start:start + 999])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(right, range(400)))


def test_report_of_a_recording(examined, tmp_path):
    examined(plus(texts=[tal(5, 7, "seizure")]))
    folder = Folder(tmp_path)
    (candidate,) = find.recordings(folder)
    report = assemble.report(folder, candidate)
    assert json.loads(json.dumps(report)) == report
    quality = report.pop("quality")
    assert quality["ECG"]["score"] > 0.5
    assert report.pop("patient") == {
        "alias": assemble.recording(folder, candidate).patient,
        "name": "P01", "source": "header"}
    assert report == {
        "path": "r.edf", "status": "ok", "channels": ["ECG"],
        "chosen": "ECG", "fs_hz": 256.0, "unit": "mV",
        "start": "2021-03-02T10:20:30", "duration_s": 60.0,
        "annotations": {"source": "EDF+", "count": 1, "seizures": [
            {"onset_s": 5.0, "duration_s": 7.0, "label": "sz"}]},
        "problems": []}


def test_a_report_opens_a_recording_once(examined, tmp_path, monkeypatch):
    examined(packed(plus().bytes()), name="r.edf.gz")
    folder, opened = Folder(tmp_path), []
    (candidate,) = find.recordings(folder)
    open_once = Folder.open
    monkeypatch.setattr(Folder, "open", lambda self, path: (
        opened.append(path), open_once(self, path))[1])
    assert assemble.report(folder, candidate)["status"] == "ok"
    assert opened == ["r.edf.gz"]


def test_report_of_what_is_refused(examined, tmp_path):
    examined(b"no recording")
    folder = Folder(tmp_path)
    (candidate,) = find.recordings(folder)
    report = assemble.report(folder, candidate)
    assert (report["status"], report["chosen"]) == ("refused", None)
    assert [problem["rule"] for problem in report["problems"]] \
        == ["edf.header.truncated"]


def test_refused_entries_of_the_catalogue_stay_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.edf")
    folder = Folder(tmp_path)
    (candidate,) = find.recordings(folder)
    outcome = assemble.recording(folder, candidate)
    assert outcome.path == "pipe.edf"
    assert rules(outcome) == ["path.not_regular"]


def test_szdb_is_read_without_a_word(data_dir):
    folder = Folder(data_dir)
    found = [assemble.recording(folder, candidate)
             for candidate in find.recordings(folder, "szdb")]
    assert [(r.path, [(e.onset_s, e.end_s) for e in r.events])
            for r in found] == [
        ("szA/sz01.edf", [(876, 972)]),
        ("szB/sz02_first5000s.edf", [(3763, 3823)]),
        ("szB/sz03_first5000s.edf", []),
        ("szB/sz04.edf", [(1210, 1315)]),
        ("szC/sz05.edf", [(1447, 1530)])]
    assert [r.problems for r in found] == [()] * 5
    assert len({r.patient for r in found}) == 3


def test_mitdb_is_read_without_a_word(data_dir):
    folder = Folder(data_dir)
    found = [assemble.recording(folder, candidate)
             for candidate in find.recordings(folder, "mitdb")]
    assert len(found) == 8
    assert all(r.problems == () and not r.annotated for r in found)
    assert len({r.patient for r in found}) == 8
