"""The command ``aura`` as a user meets it."""

import argparse
import json
import os
import re
import subprocess
import sys

import pytest

from aura import cli
from aura.detector import forest
from aura.folder import PARTIAL
from aura.runners import local
from tests.edf_builder import Channel, File, heart, noise
from tests.odd_recordings import corpus
from tests.patients import content, record, study

HEAD = "onset\tduration\teventType\tconfidence\tchannels\tdateTime\t" \
    "recordingDuration"
FAULTS = corpus()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A study, and the model and words of `aura train` on it."""
    folder = tmp_path_factory.mktemp("cli")
    study(folder / "study")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest, "TREES", 10)
        assert cli.main(["train", str(folder / "study"),
                         "--out", str(folder / "model")]) == 0
    return folder


@pytest.fixture
def run(capsys, few_trees):
    """Run a command line: exit code, output, errors; never a traceback."""
    def run(*arguments):
        capsys.readouterr()
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as exit:
            code = exit.code
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out, said.err
    return run


def test_train_predict_score(model, run, tmp_path):
    code, out, err = run("predict", model / "study", "--model",
                         model / "model", "--out", tmp_path / "p")
    assert (code, err) == (0, "")
    assert re.match(r"Predicted \d seizures in 3 recordings \(", out)
    assert [str(path.relative_to(tmp_path / "p")) for path in sorted(
        (tmp_path / "p").rglob("*.tsv"))] == [
        f"p{n}/rec.tsv" for n in (1, 2, 3)]
    code, out, _ = run("score", model / "study", tmp_path / "p", "--json")
    assert code == 0
    assert json.loads(out)["pooled"]["events"]["ref_true"] == 3


def test_the_first_line_of_a_training_is_the_verdict(model, run, tmp_path):
    code, out, err = run("train", model / "study", "--out", tmp_path / "m")
    card = json.loads((tmp_path / "m/card.json").read_bytes())
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == card["validation"]["verdict"] + "."
    assert out.splitlines()[-1] == "Research software, not a medical device."
    assert len(re.findall(r"^p-[0-9a-f]{10} ", out, re.M)) == 3
    assert {path.name for path in (tmp_path / "m").iterdir()} == {
        "model.skops", "card.json"}


def test_two_trainings_differ_in_the_time_alone(model, run, tmp_path):
    """The same recordings lie elsewhere, and are read in other batches."""
    for path in (model / "study").rglob("*.edf"):
        target = tmp_path / "copy" / path.relative_to(model / "study")
        target.parent.mkdir(parents=True)
        target.write_bytes(path.read_bytes())
    os.environ["AURA_BATCH_SIZE"] = "1"
    try:
        run("train", tmp_path / "copy", "--out", tmp_path / "m")
    finally:
        del os.environ["AURA_BATCH_SIZE"]
    one, two = (json.loads((folder / "card.json").read_bytes())
                for folder in (model / "model", tmp_path / "m"))
    assert one["model_id"] == two["model_id"]
    for card in (one, two):
        assert card.pop("created")
    assert one == two


def test_event_files_are_bids_and_say_background(model, run, tmp_path):
    record(tmp_path / "in/a/calm.edf", 200, seizure=None)
    record(tmp_path / "in/b/c/ill.edf", seed=8, seizure=(300, 60))
    run("predict", tmp_path / "in", "--model", model / "model",
        "--out", tmp_path / "p")
    calm = (tmp_path / "p/a/calm.tsv").read_text().splitlines()
    assert calm == [
        HEAD,
        "0.00\t200.00\tbckg\tn/a\tECG\t2021-03-02 10:20:30\t200.00"]
    ill = (tmp_path / "p/b/c/ill.tsv").read_text().splitlines()
    assert ill[0] == HEAD
    (row,) = [line.split("\t") for line in ill[1:]]
    assert row[2] == "sz" and row[4:] == [
        "ECG", "2021-03-02 10:20:30", "600.00"]
    assert 300 <= float(row[0]) <= 360 and 0 < float(row[3]) <= 1


def test_predict_keeps_what_scoring_and_review_need(model, run, tmp_path):
    run("predict", model / "study", "--model", model / "model",
        "--out", tmp_path / "p")
    hidden = tmp_path / "p/.aura"
    assert json.loads((hidden / "inputs.json").read_bytes()) == {
        "0": str(model / "study")}
    assert (hidden / "model.json").read_bytes() == (
        model / "model/card.json").read_bytes()
    batch = hidden / "runs/local/batches/0000"
    assert {path.name for path in batch.iterdir()} == {
        "manifest.json", "features.json", "predictions.json",
        "beats.parquet", "features.parquet", "predictions.parquet"}
    (entry, *_) = json.loads(
        (batch / "predictions.json").read_bytes())["recordings"]
    assert entry["path"] == "p1/rec.edf"
    assert len(entry["recording"]["sha256"]) == 64
    assert entry["recording"]["events"][0]["onset_s"] == 280.0
    assert not list(hidden.rglob("*.tsv"))


def test_predict_again_gives_the_same_bytes(model, run, tmp_path):
    arguments = ("predict", model / "study", "--model", model / "model",
                 "--out", tmp_path / "p")
    run(*arguments)
    before = content(tmp_path / "p")
    assert run(*arguments)[0] == 0
    assert content(tmp_path / "p") == before


def test_predict_takes_files_and_several_trees(model, run, tmp_path):
    record(tmp_path / "one/sub/x.edf", 120, seizure=None)
    record(tmp_path / "two/y.edf", 120, seizure=None)
    (tmp_path / "raw").write_bytes((tmp_path / "two/y.edf").read_bytes())
    code, _, err = run(
        "predict", tmp_path / "one", tmp_path / "two/y.edf",
        tmp_path / "raw", "--model", model / "model", "--out",
        tmp_path / "p")
    assert (code, err) == (0, "")
    assert sorted(path for path in content(tmp_path / "p")
                  if not path.startswith(".aura")) == [
        "raw.tsv", "sub/x.tsv", "y.tsv"]


def test_two_recordings_of_one_name_are_not_written_over(
        model, run, tmp_path):
    for name in ("one", "two"):
        record(tmp_path / name / "x.edf", 60, seizure=None)
    code, _, err = run(
        "predict", tmp_path / "one", tmp_path / "two", "--model",
        model / "model", "--out", tmp_path / "p")
    assert code == 2 and "predict.same_name" in err
    assert [path for path in content(tmp_path / "p")
            if path.endswith(".tsv")] == ["x.tsv"]
    inputs = json.loads((tmp_path / "p/.aura/inputs.json").read_bytes())
    assert inputs["0"] == str(tmp_path / "one")


def test_inputs_that_are_missing_or_empty_do_not_stop_the_others(
        model, run, tmp_path):
    record(tmp_path / "in/x.edf", 60, seizure=None)
    (tmp_path / "empty").mkdir()
    code, _, err = run(
        "predict", tmp_path / "no", tmp_path / "empty", tmp_path / "in",
        "--model", model / "model", "--out", tmp_path / "p")
    assert code == 2 and (tmp_path / "p/x.tsv").exists()
    assert "path.missing" in err and "path.no_recordings" in err
    code, _, err = run(
        "predict", tmp_path / "empty", "--model", model / "model", "--out",
        tmp_path / "q")
    assert code == 1 and "path.no_recordings" in err
    assert not (tmp_path / "q").exists()


def test_a_second_prediction_takes_what_it_replaces_with_it(
        model, run, tmp_path):
    for name in ("gone", "kept", "edited"):
        record(tmp_path / f"in/{name}.edf", 60, seizure=None)
    again = ("predict", tmp_path / "in", "--model", model / "model", "--out",
             tmp_path / "p")
    assert run(*again)[0] == 0
    with open(tmp_path / "p/edited.tsv", "ab") as stream:
        stream.write(b"10.00\t5.00\tsz\tn/a\tECG\tn/a\t60.00\n")
    for name in ("gone", "edited"):
        (tmp_path / f"in/{name}.edf").unlink()
    assert run(*again)[0] == 0
    assert [path for path in content(tmp_path / "p")
            if path.endswith(".tsv")] == ["edited.tsv", "kept.tsv"]


def test_an_interrupted_prediction_leaves_the_earlier_one(
        model, run, tmp_path, monkeypatch):
    record(tmp_path / "in/x.edf", 60, seizure=None)
    again = ("predict", tmp_path / "in", "--model", model / "model", "--out",
             tmp_path / "p")
    assert run(*again)[0] == 0
    before = content(tmp_path / "p")
    killed = tmp_path / f"p/{PARTIAL}x.tsv"
    killed.write_bytes(b"onset")
    os.utime(killed, (1, 1))

    def interrupted(*_):
        raise KeyboardInterrupt
    monkeypatch.setattr(
        "aura.stages.feature_builder.FeatureStage.build", interrupted)
    assert run(*again)[0] == 130
    assert content(tmp_path / "p") == before


def test_pictures_stand_beside_event_files(model, run, tmp_path):
    code, *_ = run(
        "predict", model / "study/p1", "--model", model / "model", "--out",
        tmp_path / "p", "--pictures")
    assert code == 0
    assert (tmp_path / "p/rec.png").read_bytes()[:4] == b"\x89PNG"


@pytest.fixture(scope="module")
def everything_bad(tmp_path_factory):
    """Every fault of the corpus, those of folders, and one good file."""
    folder = tmp_path_factory.mktemp("faults")
    rules = {}
    for number, case in enumerate(FAULTS):
        suffix = ".bdf" if case.content[:1] == b"\xff" else ".edf"
        place = folder / "in" / f"{number:03d}"
        place.mkdir(parents=True)
        (place / f"r{suffix}").write_bytes(case.content)
        for name, beside in case.beside.items():
            (place / name).write_bytes(beside)
        rules[f"{place.name}/r{suffix}"] = case.rule if case.refused else ""
    odd = folder / "in" / "odd"
    odd.mkdir()
    os.mkfifo(odd / "pipe.edf")
    (folder / "outside.edf").write_bytes(File().bytes())
    (odd / "out.edf").symlink_to("../../outside.edf")
    (odd / "loop.edf").symlink_to("loop.edf")
    (odd / "gone.edf").symlink_to("nowhere.edf")
    (odd / "J\u00f6rg \u2665.edf").write_bytes(File().bytes())
    (odd / "empty").mkdir()
    (odd / "folder.edf").mkdir()
    rules |= {"odd/pipe.edf": "path.not_regular",
              "odd/out.edf": "path.outside", "odd/loop.edf": "path.loop",
              "odd/gone.edf": "path.missing",
              "odd/J\u00f6rg \u2665.edf": ""}
    return folder / "in", rules


def test_every_fault_has_its_line_and_all_others_go_on(
        model, everything_bad, run, tmp_path):
    folder, rules = everything_bad
    code, out, err = run("predict", folder, "--model", model / "model",
                         "--out", tmp_path / "p")
    assert code == 2
    told = dict(re.findall(r"^rejected (.+?): ([a-z_.]+): \S", err, re.M))
    assert told == {path: rule for path, rule in rules.items() if rule}
    assert all(len(line) < 1200 for line in err.splitlines())
    assert str(folder) not in err
    assert {os.path.splitext(path)[0] + ".tsv"
            for path, rule in rules.items() if not rule} == {
        str(path.relative_to(tmp_path / "p"))
        for path in (tmp_path / "p").rglob("*.tsv")}
    # One line for each warning, however many files have it.
    warned = re.findall(r"^warning .+?: ([a-z_.]+): ", err, re.M)
    assert len(warned) == len(set(warned))
    for rule in ("ecg.several", "ecg.flat", "ecg.saturated", "ecg.noise",
                 "ecg.unit_missing", "recording.short",
                 "signal.unscorable", "annotations.overlap"):
        assert rule in warned, rule
    assert f" in {sum(not rule for rule in rules.values())} rec" in out


def test_training_passes_bad_files_over(
        model, everything_bad, run, tmp_path, monkeypatch):
    # Else the readable ones count as people without seizures.
    monkeypatch.setenv("AURA_ANNOTATED_ONLY", "1")
    folder, rules = everything_bad
    code, out, err = run("train", model / "study", folder / "odd",
                         folder / "020", "--out", tmp_path / "m")
    assert code == 2
    refused = [path for path, rule in rules.items()
               if rule and path.startswith(("odd/", "020/"))]
    assert len(re.findall("^rejected ", err, re.M)) == len(refused) >= 4
    one, two = (json.loads((path / "card.json").read_bytes())
                for path in (model / "model", tmp_path / "m"))
    assert one["model_id"] == two["model_id"]
    assert one["validation"] == two["validation"]


def test_inspect_tells_the_same_as_json(everything_bad, run):
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
            "path", "status", "channels", "chosen", "fs_hz", "duration_s",
            "annotations", "quality", "problems"]
    assert run("inspect", folder / "000")[0] == 0
    assert run("inspect", folder / "odd/pipe.edf")[0] == 1
    code, out, _ = run("inspect", folder / "odd/empty", "--json")
    assert code == 1
    assert json.loads(out)[0]["problems"][0]["rule"] == "path.no_recordings"


@pytest.mark.parametrize("name, file", [
    ("8 Hz", File().with_channel(digital=heart(60, 8))),
    ("noise", File().with_channel(digital=noise(60, 256)))])
def test_what_cannot_be_scored_is_said_not_guessed(
        model, run, tmp_path, name, file):
    (tmp_path / "r.edf").write_bytes(file.bytes())
    code, out, err = run("predict", tmp_path / "r.edf", "--model",
                         model / "model", "--out", tmp_path / "p")
    assert code == 0
    assert "signal.unscorable" in err
    assert "of which 0 s could be scored" in out
    assert "\tbckg\t" in (tmp_path / "p/r.tsv").read_text()


def test_seventeen_seconds_are_short_and_not_poor(model, run, tmp_path):
    (tmp_path / "r.edf").write_bytes(
        File().with_channel(digital=heart(17, 256)).bytes())
    code, _, err = run("predict", tmp_path / "r.edf", "--model",
                       model / "model", "--out", tmp_path / "p")
    assert code == 0
    assert "recording.short" in err and "signal.poor" not in err


def test_a_microvolt_recording_predicts_as_its_millivolt_twin(
        model, run, tmp_path):
    digital = heart(120, 256)
    for name, unit, limit in (("mv", "mV", "5"), ("uv", "uV", "5000")):
        (tmp_path / f"{name}.edf").write_bytes(File((Channel(
            unit=unit, physical=(f"-{limit}", limit), digital=digital
        ),)).bytes())
    run("predict", tmp_path, "--model", model / "model",
        "--out", tmp_path / "p")
    assert (tmp_path / "p/mv.tsv").read_text() == (
        tmp_path / "p/uv.tsv").read_text()


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
    ("train STUDY --out NOTHING", "the current folder is '.'"),
    ("predict NOTHING --model MODEL --out p", "the current folder is '.'"),
    ("train STUDY --out m --seed x", "invalid int"),
    ("run nothing --shared .", "run.no_solution"),
    ("", "required"),
])
def test_what_cannot_be_done_is_said_in_a_line(
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
    (folder / "pickled/model.skops").write_bytes(b"\x80\x04N.")
    (folder / "pickled/card.json").write_bytes(b"{}")
    (folder / "broken/config.toml").write_text("hop_s = \n")
    (folder / "badkey/config.toml").write_text("hop = 1\n")
    (folder / "badvalue/config.toml").write_text("batch_size = -1\n")
    os.mkfifo(folder / "pipe/config.toml")


@pytest.mark.parametrize("name, value, said", [
    ("AURA_HOP_S", "0", "between 0.1 and 10"),
    ("AURA_HOP_S", "fast", "must be a number"),
    ("AURA_HOP_S", "nan", "0.1 and 10"),
    ("AURA_BATCH_SIZE", "-1", "1 and 10000"),
    ("AURA_BATCH_SIZE", "2.5", "must be a whole number"),
    ("AURA_TARGET_FAR", "inf", "0 and 1000"),
    ("AURA_SEED", "-7", "0 and 4294967295"),
    ("AURA_WORKERS", "-1", "0 and 1024")])
def test_environment_variables_out_of_range_are_named(
        model, run, monkeypatch, tmp_path, name, value, said):
    monkeypatch.setenv(name, value)
    for line in (["train", model / "study", "--out", tmp_path / "m"],
                 ["inspect", model / "study"],
                 ["run", "training", "--shared", tmp_path]):
        code, _, err = run(*line)
        assert code == 1
        assert name in err and said in err


def parsers(parser):
    """A parser, and all that are below it."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from parsers(below)


@pytest.mark.parametrize("parser", [*parsers(cli.parser())],
                         ids=lambda parser: parser.prog)
def test_help_explains_every_option_and_its_examples_parse(parser, run):
    assert run(*parser.prog.split()[1:], "--help")[0] == 0
    assert len(parser.description.split()) > 8
    for action in parser._actions:
        assert action.help or action.choices, (parser.prog, action.dest)
    _, _, examples = parser.epilog.partition("example:\n")
    lines = re.findall(r"^  (?:\S+=\S+ )?aura (.*?)(?: [|<]|   |$)",
                       re.sub(r" \\\n +", " ", examples), re.M)
    assert lines
    for line in lines:
        if not line.endswith("--help"):
            cli.parser().parse_args(line.split())


def test_the_command_lists_every_verb(run):
    _, text, _ = run("--help")
    for one in list(parsers(cli.parser()))[1:]:
        verb, *action = one.prog.split()[1:]
        assert action or re.search(rf"^  {verb} +\w", text, re.M)
    assert run("--version")[1].startswith("aura ")


def test_a_pipe_that_is_closed_is_no_error(model):
    process = subprocess.Popen(
        [sys.executable, "-m", "aura", "inspect", "--json",
         str(model / "study")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    process.wait()
    assert b"Traceback" not in error


def test_an_interrupt_is_no_traceback(run, monkeypatch, tmp_path):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(local, "train", interrupted)
    code, _, err = run("train", tmp_path, "--out", tmp_path)
    assert (code, err) == (130, "aura train: stopped\n")
