"""Every recording in, every format out, from the command line."""

import gzip
import json
import os
from datetime import datetime

import edfio
import numpy as np
import pytest

from aura import cli
from aura.annotations import bids, tse
from aura.recording import Event
from aura.stages import tables
from tests.chain import Chain
from tests.edf_builder import plus, tal
from tests.patients import record, study

TSE = b"version = tse_v1.0.0\n\n"
SEIZURE = TSE + b"0.0 30.0 bckg 1.0\n30.0 45.0 seiz 1.0\n45.0 59.0 bckg 1.0\n"


@pytest.fixture
def run(capsys, few_trees):
    """Run a command line: exit code, output, errors; never a traceback."""
    def run(*arguments):
        capsys.readouterr()
        code = cli.main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out, said.err
    return run


def put(folder, **files):
    """Write files; two underscores stand for a folder, one for a dot."""
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes)
                         else content.encode())
    return folder


def rr(values):
    return "\n".join(["rr_ms", *map(str, values), ""])


def inspected(run, path):
    code, out, _ = run("inspect", path, "--json")
    return code, {report["path"].rpartition("/")[2]: report
                  for report in json.loads(out)}


def predictions(folder):
    """Columns of the predictions, and events, of one recording each."""
    place = folder / ".aura/runs/local/batches/0000"
    table = tables.read((place / "predictions.parquet").read_bytes())
    entries = json.loads((place / "predictions.json").read_bytes())
    return table.values, [entry["predicted"]
                          for entry in entries["recordings"]]


def test_a_recording_replaced_by_its_own_beats_is_predicted_the_same(
        run, template, recordings, tmp_path):
    shared, report = template
    model = shared / report.model_path
    assert run("beats", recordings, "--out", tmp_path / "beats")[0] == 0
    assert sorted(path.name for path in (tmp_path / "beats").rglob("*.*")) \
        == ["rec.beats.csv"] * 3
    for name, source in (("ecg", recordings), ("rr", tmp_path / "beats")):
        assert run("predict", source, "--model", model, "--out",
                   tmp_path / name)[0] == 0
        assert [str(path.relative_to(tmp_path / name)) for path in sorted(
            (tmp_path / name).rglob("*.tsv"))] == [
            f"p{n}/rec.tsv" for n in (1, 2, 3)]
    (ecg, alarms), (beats, others) = (
        predictions(tmp_path / name) for name in ("ecg", "rr"))
    for number in range(3):
        rows = beats["recording"] == number
        first = np.flatnonzero(ecg["recording"] == number)[:rows.sum()]
        # A series of beats ends with the last one.
        assert 0 <= 600 - rows.sum() <= 3
        for column in ("scorable", "probability", "smoothed"):
            np.testing.assert_array_equal(
                ecg[column][first], beats[column][rows])
    assert [[(e["onset_s"], e["confidence"]) for e in events]
            for events in alarms] == [
        [(e["onset_s"], e["confidence"]) for e in events]
        for events in others]
    assert any(alarms)
    # Both lie where their recording's truth is looked for.
    for name in ("ecg", "rr"):
        code, out, err = run("score", recordings, tmp_path / name, "--json")
        assert (code, err) == (0, "")
        assert json.loads(out)["pooled"]["events"]["ref_true"] == 3


def test_annotations_alone_are_a_truth_in_csv_bi_too(run, tmp_path):
    put(tmp_path / "truth", r_dot_csv_bi=(
        "# duration = 60.0 secs\nchannel,start_time,stop_time,label\n"
        "TERM,30,45,seiz\n"))
    put(tmp_path / "found", r_dot_tsv=bids.write_events(
        [Event(31, 5)], datetime(2021, 3, 2), 60.0))
    code, out, _ = run("score", tmp_path / "truth", tmp_path / "found",
                       "--json")
    assert code == 0
    assert json.loads(out)["pooled"]["events"]["tp"] == 1


def test_annotations_alone_in_unknown_words_are_no_truth(run, tmp_path):
    put(tmp_path / "truth", r_dot_tsv=(
        "onset\tduration\teventType\trecordingDuration\n"
        "1\t2\t\u53d1\u4f5c\t60\n"))
    put(tmp_path / "found", r_dot_tsv=bids.write_events(
        [Event(31, 5)], datetime(2021, 3, 2), 60.0))
    code, _, err = run("score", tmp_path / "truth", tmp_path / "found")
    assert (code, "annotations.no_words" in err) == (1, True)


def test_a_stretch_without_a_lead_is_a_gap_in_the_beats_too(run, tmp_path):
    path = record(tmp_path / "in/r.edf")
    raw = bytearray(path.read_bytes())
    header = 256 * 3
    size = (len(raw) - header) // 600
    for second in range(100, 160):
        at = header + second * size
        raw[at:at + 512] = bytes(512)
    path.write_bytes(raw)
    assert run("beats", tmp_path / "in", "--out", tmp_path / "b")[0] == 0
    text = (tmp_path / "b/r.beats.csv").read_text()
    times = np.array(text.split()[1:], float)
    assert text.startswith("beat_time_s\n")
    assert not np.any((times > 101) & (times < 159))
    _, reports = inspected(run, tmp_path / "b")
    (problem,) = (p for p in reports["r.beats.csv"]["problems"]
                  if p["rule"] == "beats.gaps")
    assert ": 1, together 6" in problem["text"]


def test_intervals_go_through_all_five_stages(tmp_path, few_trees):
    for port in ("training", "recordings"):
        folder = tmp_path / port
        study(tmp_path / "ecg")
        assert cli.main(["beats", str(tmp_path / "ecg"), "--out",
                         str(folder)]) == 0
        for path in sorted(folder.rglob("*.csv")):
            times = np.array(path.read_text().split()[1:], float)
            path.unlink()
            (path.parent / "rec.rr.csv.gz").write_bytes(gzip.compress(
                rr(np.diff(times) * 1000).encode()))
            number = int(path.parent.name[1:])
            onset = 240 + 40 * number - times[0]
            (path.parent / "rec.tse_bi").write_bytes(
                TSE + f"{onset:.4f} {onset + 60:.4f} seiz 1.0\n".encode())
    chain = Chain(tmp_path)
    report = chain.train()
    assert report.done and report.model_path, report.status_text
    (first, second) = chain.predict()
    assert first.points_written > 0
    assert "2 recordings" in first.status_text
    lines = gzip.decompress((
        tmp_path / "runs/run/export/0000.lp.gz").read_bytes()).decode()
    assert "heart_rate" in lines
    events = sorted((tmp_path / "runs/run/events").rglob("*.tsv"))
    assert [path.name for path in events] == ["rec.tsv"] * 3


@pytest.mark.parametrize("name, content, rule", [
    ("r.rr.csv", rr([0.8] * 99), "beats.unit"),
    ("r.rr.csv", rr([800, -800, 800]), "beats.interval"),
    ("r.beats.csv", "beat_time_s\n3\n2\n1\n", "beats.order"),
    ("r.beats.csv", "mean_hr\n60\n", "beats.header"),
    ("rr_r.csv", "timestamp,frame,rr_interval\n", "beats.few"),
    ("r.rr.csv.gz", b"\x1f\x8bcut", "beats.gzip")])
def test_beats_at_fault_cost_themselves(run, tmp_path, name, content, rule):
    put(tmp_path, good_dot_csv=rr([800] * 99))
    (tmp_path / name).write_bytes(
        content if isinstance(content, bytes) else content.encode())
    code, reports = inspected(run, tmp_path)
    assert code == 2
    assert reports["good.csv"]["status"] == "ok"
    assert [p["rule"] for p in reports[name]["problems"]] == [rule]


@pytest.mark.parametrize("beats, sidecar", [
    ("r.beats.csv", "r.tse_bi"), ("r.rr.csv", "r.csv_bi"),
    ("rr_r.csv", "r_events.tsv"), ("r.csv", "r.tse_bi")])
def test_a_sidecar_shares_the_name_before_the_form(
        run, tmp_path, beats, sidecar):
    contents = {
        "r.tse_bi": SEIZURE,
        "r.csv_bi": b"channel,start_time,stop_time,label\nTERM,30,45,seiz\n",
        "r_events.tsv": b"onset\tduration\teventType\n30\t15\tsz\n"}
    (tmp_path / sidecar).write_bytes(contents[sidecar])
    (tmp_path / beats).write_text(rr([1000] * 60))
    code, reports = inspected(run, tmp_path)
    notes = reports[beats]["annotations"]
    assert (notes["source"], notes["seizures"]) == (sidecar, [
        {"onset_s": 30.0, "duration_s": 15.0, "label": "sz"}])


def test_two_dialects_in_one_tree_are_each_read(run, tmp_path):
    put(tmp_path, a_dot_edf=plus().bytes(), a_dot_tse_bi=SEIZURE,
        b_dot_edf=plus().bytes(),
        b_dot_csv="channel,start_time,stop_time,label\nC3-C4,5,9,fnsz\n",
        c_dot_edf=plus().bytes(), c_events_dot_tsv=(
            "onset\tduration\teventType\n1\t2\tsz_foc\n"),
        d_dot_edf=plus().bytes(), e_dot_edf=plus().bytes())
    (tmp_path / "times.seize").write_text("d 0:00:10 0:00:20\n")
    code, reports = inspected(run, tmp_path)
    assert code == 0
    assert {name: (report["annotations"]["source"],
                   [s["label"] for s in report["annotations"]["seizures"]])
            for name, report in reports.items()} == {
        "a.edf": ("a.tse_bi", ["sz"]), "b.edf": ("b.csv", ["sz_foc"]),
        "c.edf": ("c_events.tsv", ["sz_foc"]),
        "d.edf": ("times.seize", ["sz"]), "e.edf": (None, [])}


def test_two_dialects_of_one_recording_that_differ_are_told(run, tmp_path):
    put(tmp_path, r_dot_edf=plus().bytes(), r_dot_tse_bi=SEIZURE,
        r_dot_csv_bi="channel,start_time,stop_time,label\nTERM,5,9,seiz\n",
        r_dot_tse=SEIZURE, r_events_dot_tsv="onset\n")
    _, reports = inspected(run, tmp_path)
    report = reports["r.edf"]
    assert report["annotations"]["source"] == "r.tse_bi"
    assert [p["rule"] for p in report["problems"]] == [
        "annotations.other_faulty", "annotations.disagree"]
    assert "r.csv_bi" in report["problems"][1]["text"]


def test_labels_in_other_scripts_are_shown_and_in_doubt(
        run, tmp_path):
    put(tmp_path, r_dot_edf=plus().bytes(), r_events_dot_tsv=(
        "onset\tduration\teventType\n1\t2\t\u53d1\u4f5c\n"
        "5\t2\t\u043f\u0440\u0438\u0441\u0442\u0443\u043f\n9\t1\tsz\n"))
    _, reports = inspected(run, tmp_path)
    assert len(reports["r.edf"]["annotations"]["seizures"]) == 1
    (problem,) = reports["r.edf"]["problems"]
    assert problem["rule"] == "annotations.doubtful"
    assert ": 2; " in problem["text"]


@pytest.mark.parametrize("verb", ["score", "convert"])
def test_strict_rejects_what_is_read_otherwise(run, tmp_path, verb):
    put(tmp_path / "in", r_dot_edf=plus().bytes() + b"x",
        r_dot_csv_bi="channel,start_time,stop_time,label\nTERM,5,9,seiz\n")
    (tmp_path / "out").mkdir()
    arguments = (verb, tmp_path / "in", *(
        [tmp_path / "out"] if verb == "score" else
        ["--to", "bids", "--out", tmp_path / "out"]))
    assert "rejected r.edf" not in run(*arguments)[2]
    code, _, err = run(*arguments, "--strict")
    assert code == 1
    assert "rejected r.edf: edf.trailing_bytes: rejected by --strict" in err


def test_annotations_of_another_recording_are_doubted(run, tmp_path):
    put(tmp_path, r_dot_edf=plus().bytes(), r_dot_csv_bi=(
        "# version = csv_v1.0.0\n# bname = q\n# duration = 3600.00 secs\n"
        "channel,start_time,stop_time,label\nTERM,5,9,seiz\n"))
    _, reports = inspected(run, tmp_path)
    assert [p["rule"] for p in reports["r.edf"]["problems"]] == [
        "annotations.other_length", "annotations.other_name"]


def test_one_recording_in_two_forms_is_refused_unless_preferred(
        run, recordings, tmp_path):
    run("beats", recordings / "p1", "--out", tmp_path / "in/p1")
    (tmp_path / "in/p1/rec.edf").write_bytes(
        (recordings / "p1/rec.edf").read_bytes())
    code, reports = inspected(run, tmp_path / "in")
    assert code == 1
    assert {p["rule"] for report in reports.values()
            for p in report["problems"]} == {"recording.two_forms"}
    code, _, err = run("beats", tmp_path / "in", "--out", tmp_path / "b",
                       "--prefer", "ecg")
    assert code == 0
    assert err.count("recording.other_form") == 1
    code, out, _ = run("inspect", tmp_path / "in", "--prefer", "beats")
    assert code == 0
    assert "rec.beats.csv  beats  " in out


@pytest.mark.parametrize("way", ["bids", "tse", "csv", "csv_bi", "edf"])
def test_szdb_by_way_of_each_format_and_back(run, data_dir, tmp_path, way):
    for source, name, to in ((data_dir / "szdb", "there", way),
                             (tmp_path / "there", "back", "tse_bi")):
        code, out, _ = run("convert", source, "--to", to, "--out",
                           tmp_path / name)
        assert (code, "5 files" in out) == (0, True)
    for path in (data_dir / "szdb").rglob("*.tse_bi"):
        back = tmp_path / "back" / path.relative_to(data_dir / "szdb")
        assert back.read_bytes() == path.read_bytes()
    if way == "edf":
        for path in (tmp_path / "there").rglob("*.edf"):
            source = data_dir / "szdb" / path.relative_to(tmp_path / "there")
            np.testing.assert_array_equal(
                edfio.read_edf(path).signals[0].digital,
                edfio.read_edf(source).signals[0].digital)


def test_convert_mirrors_the_tree_and_one_bad_file_costs_itself(
        run, tmp_path):
    put(tmp_path / "in", a__r_dot_edf=plus().bytes(), a__r_dot_tse=TSE + (
        b"0 30 bckg 1\n30 45 cpsz 0.8\n"),
        b__bad_dot_edf=plus().bytes(), b__bad_dot_tse_bi=b"1 2 seiz 1\n",
        c__none_dot_edf=plus().bytes(),
        d__alone_dot_csv_bi="channel,start_time,stop_time,label\n"
        "TERM,0,9,bckg\n", e__beats_dot_csv=rr([900] * 99),
        e__beats_dot_tse_bi=SEIZURE)
    code, out, err = run("convert", tmp_path / "in", "--to", "bids",
                         "--out", tmp_path / "out")
    assert code == 2
    assert sorted(str(path.relative_to(tmp_path / "out"))
                  for path in (tmp_path / "out").rglob("*.*")) == [
        "a/r_events.tsv", "d/alone_events.tsv", "e/beats_events.tsv"]
    assert "rejected b/bad.edf: annotations.syntax" in err
    assert "c/none.edf: convert.nothing" in err
    rows = bids.read((tmp_path / "out/a/r_events.tsv").read_bytes()).rows
    assert [(row.text, row.confidence) for row in rows] == [
        ("bckg", 1.0), ("sz_foc_ia", 0.8)]


def test_what_a_format_cannot_carry_is_a_line(run, tmp_path):
    put(tmp_path / "in", r_dot_edf=plus(texts=[
        tal(5, 7, "sz_foc_ia"), tal(20, None, "lights off")]).bytes())
    code, _, err = run("convert", tmp_path / "in", "--to", "tse_bi",
                       "--out", tmp_path / "out")
    assert code == 0
    assert [line.split(": ")[1] for line in err.splitlines()] == [
        "convert.certain", "convert.left_out", "convert.start",
        "convert.type"]
    rows = tse.read((tmp_path / "out/r.tse_bi").read_bytes()).rows
    assert [(row.onset_s, row.end_s, row.text) for row in rows] == [
        (0, 5, "bckg"), (5, 12, "seiz"), (12, 60, "bckg")]


def test_a_copy_has_what_lies_beside_and_other_notes(run, tmp_path):
    put(tmp_path / "in", r_dot_edf=plus(texts=[
        tal(5, 7, "seizure"), tal(20, None, "lights off")]).bytes(),
        r_dot_tse_bi=SEIZURE)
    assert run("convert", tmp_path / "in", "--to", "edf", "--out",
               tmp_path / "out")[0] == 0
    code, reports = inspected(run, tmp_path / "out")
    assert reports["r.edf"]["annotations"]["seizures"] == [
        {"onset_s": 30.0, "duration_s": 15.0, "label": "sz"}]
    assert [a.text for a in edfio.read_edf(
        tmp_path / "out/r.edf").annotations] == [
        "bckg", "lights off", "seiz", "bckg"]


def test_notes_about_other_things_are_no_truth(run, tmp_path):
    """A technician's notes, or a script nobody reads, say no 'no seizure'."""
    put(tmp_path / "in", r_dot_edf=plus(texts=[
        tal(20, None, "lights off")]).bytes(), q_dot_edf=plus().bytes(),
        q_events_dot_tsv="onset\tduration\teventType\n1\t2\t\u53d1\u4f5c\n")
    for to in ("tse_bi", "csv"):
        code, _, err = run("convert", tmp_path / "in", "--to", to,
                           "--out", tmp_path / to)
        assert (code, "convert.no_truth" in err) == (1, True)
        assert list((tmp_path / to).iterdir()) == []
    assert run("convert", tmp_path / "in", "--to", "bids", "--out",
               tmp_path / "bids")[0] == 0
    put(tmp_path / "bids", r_dot_edf=plus().bytes())
    for folder in ("in", "bids"):
        _, reports = inspected(run, tmp_path / folder)
        assert {report["annotations"]["source"]
                for report in reports.values()} == {None}
    assert "annotations.no_words" in [
        p["rule"] for p in reports["r.edf"]["problems"]]


@pytest.mark.parametrize("to", ["bids", "edf", "csv_bi"])
def test_a_table_without_rows_stays_a_truth_without_seizures(
        run, tmp_path, to):
    put(tmp_path / "in", r_dot_edf=plus().bytes(),
        r_events_dot_tsv="onset\tduration\teventType\n")
    assert run("convert", tmp_path / "in", "--to", to, "--out",
               tmp_path / "out")[0] == 0
    if to != "edf":
        put(tmp_path / "out", r_dot_edf=plus().bytes())
    _, reports = inspected(run, tmp_path / "out")
    assert reports["r.edf"]["annotations"]["source"]


def test_convert_tells_doubts_and_carries_notes_from_inside(run, tmp_path):
    put(tmp_path / "in", r_dot_edf=plus(texts=[
        tal(5, 7, "seizure"), tal(20, None, "lights off")]).bytes(),
        r_dot_csv_bi="# duration = 3600.0 secs\nchannel,start_time,"
        "stop_time,label\nTERM,30,45,seiz\nTERM,900,990,seiz\n",
        r_dot_csv="channel,start_time,stop_time,label\nC3-C4,30,45,cpsz\n")
    code, _, err = run("convert", tmp_path / "in", "--to", "bids",
                       "--out", tmp_path / "out")
    assert code == 0
    assert {line.split(": ")[1] for line in err.splitlines()} == {
        "annotations.other_length", "annotations.outside",
        "annotations.disagree", "convert.unused"}
    rows = bids.read((tmp_path / "out/r_events.tsv").read_bytes()).rows
    assert [(row.onset_s, row.text) for row in rows] == [
        (30, "sz"), (900, "sz"), (20, "lights off")]
    put(tmp_path / "in", r_dot_csv_bi=(
        "channel,start_time,stop_time,label\nTERM,30,45,seiz\n"))
    _, _, err = run("convert", tmp_path / "in", "--to", "edf",
                    "--out", tmp_path / "copy")
    assert "annotations.disagree" in err


def test_an_output_folder_inside_the_input_is_no_input(run, tmp_path):
    put(tmp_path, r_dot_edf=plus().bytes(), r_dot_tse_bi=SEIZURE,
        alone_dot_tse_bi=SEIZURE)
    for expected in (0, 1):
        code, _, err = run("convert", tmp_path, "--to", "csv",
                           "--out", tmp_path / "out/csv")
        assert (code, err.count("convert.exists")) == (
            expected, 2 * expected)
    assert sorted(path.name for path in tmp_path.rglob("*.csv")) == [
        "alone.csv", "r.csv"]


@pytest.mark.parametrize("verb", ["beats", "convert --to bids"])
def test_what_a_killed_run_left_is_removed(run, tmp_path, verb):
    put(tmp_path / "in", r_dot_csv=rr([900] * 99), r_dot_tse_bi=SEIZURE)
    left = put(tmp_path / "out", a__b="") / "a/.partial-0123"
    left.write_bytes(b"half")
    os.utime(left, (1, 1))
    name, *more = verb.split()
    assert run(name, tmp_path / "in", *more, "--out", tmp_path / "out")[0] \
        == 0
    assert not left.exists()


def test_lists_and_marks_alone_are_refused_and_not_passed_over(
        run, tmp_path):
    put(tmp_path / "in", r_dot_edf_dot_seizures=bytes(2))
    (tmp_path / "in/times.seize").write_text("d 0:00:10 0:00:20\n")
    for path in ("in", "in/times.seize"):
        code, _, err = run("convert", tmp_path / path, "--to", "bids",
                           "--out", tmp_path / "out")
        assert (code, "times.seize: convert.list" in err) == (1, True)
    assert "annotations.wfdb" in run(
        "convert", tmp_path / "in", "--to", "bids", "--out",
        tmp_path / "out")[2]


def test_no_file_of_the_input_is_written_over(run, tmp_path):
    put(tmp_path, r_dot_edf=plus().bytes(), r_dot_tse_bi=SEIZURE)
    code, _, err = run("convert", tmp_path, "--to", "tse_bi", "--out",
                       tmp_path)
    assert code == 1
    assert "r.tse_bi is a file of the input" in err
    put(tmp_path / "b", r_dot_beats_dot_csv=rr([900] * 99))
    code, _, err = run("beats", tmp_path / "b", "--out", tmp_path / "b")
    assert (code, "beats.exists" in err) == (1, True)


def test_beats_have_no_copy_as_edf(run, tmp_path):
    put(tmp_path / "in", r_dot_csv=rr([900] * 99), r_dot_tse_bi=SEIZURE)
    code, _, err = run("convert", tmp_path / "in", "--to", "edf", "--out",
                       tmp_path / "out")
    assert (code, "convert.needs_recording" in err) == (1, True)


def test_single_files_are_converted(run, tmp_path):
    put(tmp_path / "in", r_dot_tse_bi=SEIZURE, q_dot_edf=plus(
        texts=[tal(5, 7, "sz")]).bytes())
    for name, made in (("r.tse_bi", "r.csv"), ("q.edf", "q.csv")):
        assert run("convert", tmp_path / "in" / name, "--to", "csv",
                   "--out", tmp_path / "out")[0] == 0
        assert (tmp_path / "out" / made).exists()


def test_predictions_are_converted(run, template, recordings, tmp_path):
    shared, report = template
    run("predict", recordings, "--model", shared / report.model_path,
        "--out", tmp_path / "p")
    code, out, err = run("convert", tmp_path / "p", "--to", "csv_bi",
                         "--out", tmp_path / "c")
    assert (code, "3 files" in out) == (0, True)
    assert b"seiz" in b"".join(
        path.read_bytes() for path in (tmp_path / "c").rglob("*.csv_bi"))
