"""``aura call``: one rpc once, the same bytes as a whole run."""

import json
import os
import shutil
import subprocess
import sys
import time

import pytest

from aura.cli import main
from aura.stages import manifest


@pytest.fixture
def aura(trained, capsys, monkeypatch):
    """Call the command; its exit code, answer and standard error."""
    monkeypatch.setenv("AURA_BATCH_SIZE", "2")

    def call(rpc, *messages, **environ):
        for name, text in environ.items():
            monkeypatch.setenv(name, text)
        code = main(["call", rpc, "--shared", str(trained.shared), *(
            part for message in messages
            for part in ("--message", json.dumps(message)))])
        printed = capsys.readouterr()
        return code, json.loads(printed.out or "null"), printed.err
    return call


def contents(folder, *patterns):
    """Bytes of files by their path."""
    return {str(path.relative_to(folder)): path.read_bytes()
            for pattern in patterns for path in sorted(folder.glob(pattern))}


def age(folder):
    """Make all files an hour old."""
    for path in folder.rglob("*"):
        os.utime(path, (time.time() - 3600,) * 2)


def test_calls_one_by_one_give_the_bytes_of_a_run(aura, trained):
    trained.predict("whole")
    code, loaded, printed = aura("load_recordings", AURA_RUN_ID="single")
    assert (code, len(loaded)) == (0, 2)
    assert [one["batch_index"] for one in loaded] == [0, 1]
    assert "load_recordings 2/2: " in printed
    for one in reversed(loaded):
        for rpc in ("build_features", "predict", "export"):
            code, one, _ = aura(rpc, one)
            assert code == 0
    runs = trained.shared / "runs"
    patterns = "events/**/*.tsv", "batches/*/*", "export/*.lp.gz"
    assert contents(runs / "single", *patterns) == contents(
        runs / "whole", *patterns)
    assert (runs / "single/DONE").exists()


def test_a_list_is_answered_by_a_list_and_two_texts_are_one_list(aura):
    _, loaded, _ = aura("load_training", AURA_RUN_ID="lists")
    _, together, _ = aura("build_features", loaded)
    _, apart, _ = aura("build_features", *loaded)
    assert together == apart == [
        aura("build_features", one)[1] for one in loaded]


def test_a_repeated_training_is_not_trained_once_for_each_table(aura):
    _, loaded, _ = aura("load_training", AURA_RUN_ID="again")
    _, built, _ = aura("build_features", loaded)
    _, first, _ = aura("train", built)
    assert [report["done"] for report in first] == [False, True]
    _, second, printed = aura("train", built)
    assert second == first[-1:]
    assert printed.count("train: ") == 1


@pytest.mark.parametrize("rpc, messages, rule", [
    ("nope", [], "block.no_such_rpc"),
    ("load_recordings", [{}], "call.message"),
    ("train", [{"unheard": 1}], "call.message"),
    ("train", [3], "call.message"),
    ("train", [{"batch_index": "many"}], "call.message"),
])
def test_a_wrong_call_ends_with_its_rule(aura, rpc, messages, rule):
    code, answer, printed = aura(rpc, *messages)
    assert (code, answer) == (1, None)
    assert printed.startswith(f"aura call: {rule}: ")
    assert len(printed.splitlines()) == 1


def test_a_missing_model_is_permanent_and_a_full_disk_temporary(
        aura, trained, tmp_path):
    _, loaded, _ = aura("load_recordings", AURA_RUN_ID="faults")
    _, built, _ = aura("build_features", loaded[0])
    shutil.rmtree(trained.shared / "models")
    code, _, printed = aura("predict", built)
    assert code == 1 and printed.startswith("aura call: model.missing: ")
    full = subprocess.run(
        ["bash", "-c", 'ulimit -f 1; exec "$@"', "bash", sys.executable,
         "-m", "aura", "call", "build_features", "--shared",
         str(trained.shared), "--message", json.dumps(loaded[0])],
        text=True, capture_output=True, env={
            **os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    assert full.returncode == 75, full.stderr
    assert "disk.full" in full.stderr


def test_the_answer_goes_to_a_file_if_one_is_named(aura, trained):
    out = trained.shared / "answer/return.json"
    assert main(["call", "load_recordings", "--shared", str(trained.shared),
                 "--out", str(out)]) == 0
    assert len(json.loads(out.read_bytes())) == 2


def test_a_call_ends_with_the_process_that_holds_its_input(tmp_path):
    """Also if nothing reads its answer."""
    (tmp_path / "recordings").mkdir()
    for number in range(300):
        (tmp_path / f"recordings/{number}.edf").touch()
    process = subprocess.Popen(
        [sys.executable, "-m", "aura", "call", "load_recordings"],
        env={**os.environ, "SHARED_FOLDER_PATH": str(tmp_path),
             "AURA_BATCH_SIZE": "1", "AURA_ENDS_WITH_INPUT": "1"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True)
    try:
        while "300/300" not in process.stderr.readline():
            assert process.poll() is None
        process.stdin.close()
        assert process.wait(60) == 75
    finally:
        process.kill()
        process.stdout.close()
        process.stderr.close()


class TestOnlyNew:
    """``AURA_ONLY_NEW``: each recording is predicted once."""

    @pytest.fixture
    def predict(self, aura, trained):
        """Predict what is new, in batches of one; the recordings' names."""
        age(trained.shared / "recordings")

        def run(name, upto=None, exported=9):
            code, loaded, _ = aura(
                "load_recordings", AURA_RUN_ID=name, AURA_ONLY_NEW="1",
                AURA_BATCH_SIZE="1")
            assert code == 0
            for index, one in enumerate(loaded[:upto]):
                _, one, _ = aura("build_features", one)
                _, one, _ = aura("predict", one)
                if index < exported:
                    aura("export", one)
            return [entry.path for one in loaded for entry in manifest.read(
                trained.workspace.folder, one["manifest_path"]).entries]
        return run

    def test_what_is_finished_does_not_come_again(self, predict, trained):
        assert predict("first") == [f"p{n}/rec.edf" for n in (1, 2, 3)]
        assert predict("second") == []
        assert not (trained.shared / "runs/second").exists()

    def test_what_a_run_did_not_finish_comes_again(self, predict):
        predict("first", upto=1)
        assert predict("second", exported=0) == ["p2/rec.edf", "p3/rec.edf"]
        assert predict("third") == ["p2/rec.edf", "p3/rec.edf"]

    @pytest.mark.parametrize("sinks, exported, left", [
        ("predict", 0, []), ("predict export", 3, []),
        ("predict export", 1, ["p2/rec.edf", "p3/rec.edf"])])
    def test_all_sinks_finish_a_run_and_no_other_rpc(
            self, predict, trained, monkeypatch, sinks, exported, left):
        monkeypatch.setenv("AURA_SINKS", sinks)
        predict("first", exported=exported)
        assert (trained.shared / "runs/first/DONE").exists() == (not left)
        assert predict("second", exported=0) == left

    def test_what_was_changed_is_new(self, predict, trained):
        predict("first")
        changed = trained.shared / "recordings/p2/rec.edf"
        os.utime(changed, (time.time() - 1800,) * 2)
        assert predict("second") == ["p2/rec.edf"]
        assert predict("third") == []

    def test_what_is_still_being_copied_is_left_for_later(
            self, predict, trained):
        fresh = trained.shared / "recordings/p2/rec.edf"
        os.utime(fresh)
        assert predict("first") == ["p1/rec.edf", "p3/rec.edf"]
        age(trained.shared / "recordings/p2")
        assert predict("second") == ["p2/rec.edf"]

    def test_a_refused_file_does_not_come_for_ever(self, predict, trained):
        corrupt = trained.shared / "recordings/p2/rec.edf"
        corrupt.write_bytes(b"nothing")
        (trained.shared / "recordings/gone.edf").symlink_to("nowhere")
        age(trained.shared / "recordings/p2")
        assert len(predict("first")) == 4
        assert predict("second") == []

    def test_a_removed_run_is_predicted_again(self, predict, trained):
        predict("first")
        shutil.rmtree(trained.shared / "runs/first")
        assert len(predict("second")) == 3

    def test_a_run_that_is_repeated_repeats_what_it_did(self, predict):
        first = predict("first")
        assert predict("first") == first
        assert predict("second") == []

    def test_a_damaged_note_is_no_reason_to_predict_nothing(
            self, predict, trained):
        predict("first")
        (trained.shared / "runs/first/arrivals.json").write_text('{"a": [')
        assert len(predict("second")) == 3

    def test_without_the_setting_all_come_again(self, predict, aura):
        predict("first")
        _, loaded, _ = aura(
            "load_recordings", AURA_RUN_ID="all", AURA_ONLY_NEW="0")
        assert len(loaded) == 3
        assert predict("second") == []
