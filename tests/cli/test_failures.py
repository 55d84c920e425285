"""Faults of inputs, command lines and settings, and how each is reported."""

import json
import os
import re
import subprocess
import sys

import pytest

from aura.runners import local
from tests.edf_builder import File
from tests.patients import content, record, study


def test_every_fault_has_a_line_and_good_files_are_predicted(
        model, everything_bad, run, tmp_path):
    folder, rules = everything_bad
    code, out, err = run("predict", folder, "--model", model / "model",
                         "--out", tmp_path / "p")
    assert code == 2
    printed = dict(re.findall(r"^rejected (.+?): ([a-z_.]+): \S", err, re.M))
    assert printed == {path: rule for path, rule in rules.items() if rule}
    assert all(len(line) < 1200 for line in err.splitlines())
    assert str(folder) not in err
    assert {os.path.splitext(path)[0] + ".tsv"
            for path, rule in rules.items() if not rule} == {
        str(path.relative_to(tmp_path / "p"))
        for path in (tmp_path / "p").rglob("*.tsv")}
    # Each warning has one line, however many files have it.
    warned = re.findall(r"^warning .+?: ([a-z_.]+): ", err, re.M)
    assert len(warned) == len(set(warned))
    for rule in ("ecg.several", "ecg.flat", "ecg.saturated", "ecg.noise",
                 "ecg.unit_missing", "recording.short",
                 "signal.unscorable", "annotations.overlap"):
        assert rule in warned, rule
    assert f" in {sum(not rule for rule in rules.values())} rec" in out


def test_training_leaves_bad_files_out(
        model, everything_bad, run, tmp_path, monkeypatch):
    # Otherwise the readable files count as a control group.
    monkeypatch.setenv("AURA_ANNOTATED_ONLY", "1")
    folder, rules = everything_bad
    code, out, err = run("train", model / "study", folder / "odd",
                         folder / "020", "--out", tmp_path / "m")
    assert code == 2
    rejected = [path for path, rule in rules.items()
                if rule and path.startswith(("odd/", "020/"))]
    assert len(re.findall("^rejected ", err, re.M)) == len(rejected) >= 4
    one, two = (json.loads((path / "card.json").read_bytes())
                for path in (model / "model", tmp_path / "m"))
    assert one["model_id"] == two["model_id"]
    assert one["validation"] == two["validation"]


def test_inspect_reports_every_fault_as_json(everything_bad, run):
    folder, rules = everything_bad
    code, out, _ = run("inspect", folder, "--json")
    assert code == 2
    reports = {os.path.relpath(report["path"], folder): report
               for report in json.loads(out)}
    assert {path: (report["problems"][-1]["rule"]
                   if report["status"] == "refused" else "")
            for path, report in reports.items()} == rules
    for report in reports.values():
        assert list(report) == [
            "path", "status", "channels", "chosen", "fs_hz", "unit",
            "start", "duration_s", "patient", "annotations", "quality",
            "problems"]
    assert run("inspect", folder / "000")[0] == 0
    assert run("inspect", folder / "odd/pipe.edf")[0] == 1
    code, out, _ = run("inspect", folder / "odd/empty", "--json")
    assert code == 1
    assert json.loads(out)[0]["problems"][0]["rule"] == "path.no_recordings"


def test_a_cut_recording_is_refused_by_strict_mode_only(
        run, tmp_path, monkeypatch):
    path = tmp_path / "r.edf"
    path.write_bytes(File().bytes()[:-9])
    code, out, _ = run("inspect", path)
    assert code == 0 and "warning edf.truncated" in out
    code, out, _ = run("inspect", path, "--strict")
    assert code == 1 and "error edf.truncated" in out
    monkeypatch.setenv("AURA_STRICT", "1")
    assert run("beats", path, "--out", tmp_path / "o")[0] == 1


@pytest.mark.parametrize("verb", ["inspect", "train"])
def test_names_that_differ_by_case_only_are_reported(run, tmp_path, verb):
    for name in ("PAT01", "pat01", "PAT02"):
        record(tmp_path / f"in/{name}.edf", 60, seizure=(20, 9),
               patient=f"{name} X X X")
    options = [] if verb == "inspect" else ["--out", tmp_path / "m"]
    _, _, err = run(verb, tmp_path / "in", *options)
    assert "patient.similar: PAT01, pat01 count as 2" in err


def test_a_patient_named_by_a_folder_only_is_in_doubt(run, tmp_path):
    for name, patient in (("A_day1", "X"), ("A_day2", "X"), ("b", "Eva")):
        record(tmp_path / f"in/{name}/r.edf", 60, seizure=(20, 9),
               patient=f"{patient} X X X")
    code, out, _ = run("inspect", tmp_path / "in", "--json")
    assert code == 0 and [
        (one["patient"]["name"], one["patient"]["source"])
        for one in json.loads(out)] == [
            ("A", "folder"), ("A", "folder"), ("Eva", "header")]
    _, _, err = run("train", tmp_path / "in", "--out", tmp_path / "m")
    assert "A (by folder): A_day1/r.edf, A_day2/r.edf" in err
    assert "patient.doubtful: 1 patient" in err
    _, _, err = run("train", tmp_path / "in", "--strict-patients", "--out",
                    tmp_path / "m")
    assert err.count("patient.doubtful: only its folder") == 2
    (tmp_path / "t.csv").write_text("folder,patient\nA_day2,Ann\nq,Zoe\n")
    _, _, err = run("train", tmp_path / "in", "--patients",
                    tmp_path / "t.csv", "--out", tmp_path / "m")
    assert "Ann (by t.csv): A_day2/r.edf" in err
    assert "patients.unmatched: 1 row" in err
    _, _, err = run("inspect", tmp_path / "in", "--patients",
                    tmp_path / "t.csv")
    assert "patients.unmatched: 1 row" in err
    code, _, err = run("train", tmp_path / "in", "--patients",
                       tmp_path / "none.csv", "--out", tmp_path / "m")
    assert code == 1 and "path.missing" in err


MIXED = {"predict", "inspect", "convert", "beats", "run"}


@pytest.mark.parametrize("line", [
    "train FOLDER --out o", "evaluate FOLDER --out o --no-pictures",
    "predict FOLDER --model MODEL --out o", "inspect FOLDER",
    "convert FOLDER --to bids --out o", "beats FOLDER --out o",
    "run training --in-process --shared FOLDER"])
def test_total_failure_never_reads_like_success(
        model, run, tmp_path, monkeypatch, line):
    monkeypatch.chdir(tmp_path)
    verb = line.split()[0]
    below = "training/" if verb == "run" else ""
    for name in ("unreadable", "other", "empty", "mixed"):
        (tmp_path / name / below).mkdir(parents=True)
    for name in ("a", "b", "c"):
        (tmp_path / f"unreadable/{below}{name}.edf").write_bytes(b"0" * 99)
    (tmp_path / f"other/{below}notes.pdf").write_bytes(b"%PDF")
    line = line.replace("MODEL", str(model / "model"))
    for name in ("unreadable", "other", "empty", "missing"):
        code, out, err = run(*line.replace("FOLDER", name).split())
        last = err.splitlines()[-1]
        assert code == 1 and last.startswith(f"aura {verb}: ")
        assert ("3 files were rejected" in last) == (name == "unreadable")
        assert not re.search(r"^\w* ?0 \w", out, re.M)
        assert verb in ("inspect", "run") or not out
    if verb not in MIXED:
        return
    (tmp_path / f"mixed/{below}bad.edf").write_bytes(b"0" * 99)
    study(tmp_path / "mixed" / below)
    code, out, err = run(*line.replace("FOLDER", "mixed").split())
    assert code == 2 and out
    assert err.splitlines()[-1].endswith("1 file was rejected (see above).")


def test_scores_without_any_prediction_have_no_table(model, run, tmp_path):
    code, out, err = run("score", model / "study", tmp_path)
    assert (code, out) == (1, "") and "score.no_hypothesis" in err
    code, out, _ = run("score", model / "study", tmp_path, "--json")
    assert code == 1 and json.loads(out)["without_hypothesis"] == 3


def test_a_prediction_of_nothing_keeps_the_earlier_one(model, run, tmp_path):
    record(tmp_path / "in/x.edf", 60, seizure=None)
    again = ("predict", tmp_path / "in", "--model", model / "model", "--out",
             tmp_path / "p")
    run(*again)
    before = content(tmp_path / "p")
    (tmp_path / "in/x.edf").write_bytes(b"0" * 99)
    assert run(*again)[0] == 1
    assert content(tmp_path / "p") == before


NOWHERE = "nowhere/at/all"


@pytest.mark.parametrize("line, rule", [
    (f"train {NOWHERE} --out m", "path.missing"),
    ("train empty --out m", "path.no_recordings"),
    ("train bad --out m", "edf.header.truncated"),
    ("train STUDY/p1 --out m", "train.few_patients"),
    ("train STUDY --out afile", "disk.unwritable"),
    ("train STUDY --out afile/m", "disk.unwritable"),
    ("train STUDY --out m --seed -1", "settings.value"),
    ("train STUDY --out m --target-far -1", "settings.value"),
    ("train STUDY --out m --target-far nan", "settings.value"),
    ("predict STUDY --model m --out p --adapt-after 25", "settings.value"),
    (f"predict {NOWHERE} --model MODEL --out p", "path.missing"),
    (f"predict STUDY --model {NOWHERE} --out p", "model.missing"),
    ("predict STUDY --model empty --out p", "model.missing"),
    ("predict STUDY --model afile --out p", "model.missing"),
    ("predict STUDY --model loop --out p", "model.missing"),
    ("predict STUDY --model pickled --out p", "model."),
    ("predict STUDY --model MODEL --out afile", "disk.unwritable"),
    ("predict bad --model MODEL --out p", "edf.header.truncated"),
    (f"score {NOWHERE} p", "score.folder"),
    (f"score STUDY {NOWHERE}", "score.folder"),
    (f"inspect {NOWHERE}", ""),
    (f"run training --shared {NOWHERE}", "run.no_folder"),
    ("run training --shared afile", "run.no_folder"),
    ("run training --shared . --in-process", "loader.no_folder"),
    ("run prediction --shared broken", "settings.file"),
    ("run prediction --shared badkey --in-process", "settings.unknown"),
    ("run prediction --shared badvalue", "settings.value"),
    ("run prediction --shared pipe", "settings.file"),
    ("run prediction --shared nomodel --in-process", "model.missing"),
    ("serve nothing", "block.unknown"),
    (f"demo --data {NOWHERE} --out d", "path.missing"),
    ("demo --data . --out d", "demo.inside"),
    ("demo --out afile", "disk.unwritable"),
    ("convert STUDY --to bids --out afile", "disk.unwritable"),
    ("demo --out mine", "demo.not_ours"),
    ("bogus", "invalid choice"),
    ("train", "required"),
    ("train STUDY --out NOTHING", "the name is empty"),
    ("predict NOTHING --model MODEL --out p", "the name is empty"),
    ("train STUDY --out m --seed x", "invalid int"),
    ("run nothing --shared .", "run.no_solution"),
    ("", "required"),
])
def test_an_impossible_command_has_one_line_with_the_rule(
        model, run, tmp_path, monkeypatch, line, rule):
    monkeypatch.chdir(tmp_path)
    _hostile_folder(tmp_path)
    before = content(tmp_path)
    line = line.replace("STUDY", str(model / "study")).replace(
        "MODEL", str(model / "model"))
    code, out, err = run(*(
        "" if word == "NOTHING" else word for word in line.split()))
    assert code == 1
    assert rule in err
    assert all(len(text) < 500 for text in err.splitlines())
    kept = {path: data for path, data in content(tmp_path).items()
            if not path.startswith(("p/.aura", "nomodel/runs"))}
    assert kept == before


def _hostile_folder(folder):
    for name in ("empty", "bad", "pickled", "broken", "badkey", "badvalue",
                 "pipe", "nomodel/recordings", "mine/shared"):
        (folder / name).mkdir(parents=True)
    (folder / "mine/shared/precious.edf").write_bytes(b"mine")
    (folder / "afile").write_bytes(b"")
    (folder / "loop").symlink_to("loop")
    (folder / "bad/cut.edf").write_bytes(b"0" * 99)
    (folder / "nomodel/recordings/r.edf").write_bytes(File().bytes())
    (folder / "pickled/model.npy").write_bytes(b"\x80\x04N.")
    (folder / "pickled/card.json").write_bytes(b"{}")
    (folder / "broken/config.toml").write_text("hop_s = \n")
    (folder / "badkey/config.toml").write_text("hop = 1\n")
    (folder / "badvalue/config.toml").write_text("batch_size = -1\n")
    os.mkfifo(folder / "pipe/config.toml")


@pytest.mark.parametrize("name, value, allowed", [
    ("AURA_HOP_S", "0", "between 0.1 and 10"),
    ("AURA_HOP_S", "fast", "must be a number"),
    ("AURA_HOP_S", "nan", "0.1 and 10"),
    ("AURA_BATCH_SIZE", "-1", "1 and 10000"),
    ("AURA_BATCH_SIZE", "2.5", "must be a whole number"),
    ("AURA_TARGET_FAR", "inf", "0 and 1000"),
    ("AURA_SEED", "-7", "0 and 4294967295"),
    ("AURA_WORKERS", "-1", "0 and 1024")])
def test_environment_variables_out_of_range_are_named(
        model, run, monkeypatch, tmp_path, name, value, allowed):
    monkeypatch.setenv(name, value)
    for line in (["train", model / "study", "--out", tmp_path / "m"],
                 ["inspect", model / "study"],
                 ["run", "training", "--shared", tmp_path]):
        code, _, err = run(*line)
        assert code == 1
        assert name in err and allowed in err


def test_a_closed_pipe_is_not_an_error(model):
    process = subprocess.Popen(
        [sys.executable, "-m", "aura", "inspect", "--json",
         str(model / "study")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    process.wait()
    assert b"Traceback" not in error


def test_an_interrupt_prints_no_traceback(run, monkeypatch, tmp_path):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(local, "train", interrupted)
    code, _, err = run("train", tmp_path, "--out", tmp_path)
    assert (code, err) == (130, "aura train: stopped\n")


@pytest.mark.parametrize("missing", ["arro3", "google", "scipy"])
def test_a_package_that_is_not_installed_is_named(missing, model, tmp_path):
    code = f"""
import sys
sys.modules[{missing!r}] = None
from aura.cli import main
sys.exit(main(["predict", *sys.argv[1:], "--out", "p"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, model / "study", "--model",
         model / "model"], cwd=tmp_path, text=True, capture_output=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "install.missing" in done.stderr and missing in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="homes are found in pwd")
def test_a_user_without_a_home_can_use_the_library():
    environ = {name: text for name, text in os.environ.items()
               if name not in ("HOME", "USERPROFILE")}
    done = subprocess.run([sys.executable, "-c", """
import os, pwd
def nobody(_):
    raise KeyError
pwd.getpwuid = nobody
before = dict(os.environ)
import aura
aura.find_beats
from aura.ecg import beats
assert before == dict(os.environ), os.environ
"""], text=True, capture_output=True, env=environ)
    assert done.returncode == 0, done.stderr
