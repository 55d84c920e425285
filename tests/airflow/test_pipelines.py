"""Both solutions through a scheduler, with what can happen to them."""

import json
import os
import runpy
import shutil
import subprocess
import sys
import time

import pytest

from tests import recipes
from tests.airflow_site import PYTHON, ROOT, START, Refused

pytestmark = pytest.mark.airflow
AURA = ROOT / ".venv/bin/aura"
BYTES = {
    # A model's card says when it was trained.
    "training": ("models/*/model.npy", "runs/*/batches/*/*"),
    "prediction": ("runs/*/events/**/*.tsv", "runs/*/batches/*/*",
                   "runs/*/export/*.lp.gz"),
}


def content(shared, patterns, run):
    """Bytes of a run's files, by path without the run's name."""
    return {str(path.relative_to(shared)).replace(run, "RUN"):
            path.read_bytes() for pattern in patterns
            for path in sorted(shared.glob(pattern.replace("runs/*", run)))
            if path.is_file()}


def folder_of(dag, run):
    """Name of a run's folder."""
    return f"runs/{dag}-" + "".join(
        one if one.isalnum() or one in "._-" else "_" for one in run)


def whole_run(solution, shared, environ):
    """What ``aura run`` makes of the same folder; its run's name."""
    before = set(shared.glob("runs/*"))
    subprocess.run([AURA, "run", solution, "--shared", shared,
                    "--in-process"], check=True, capture_output=True,
                   env={**environ, "AURA_BATCH_SIZE": "2"})
    made, = set(shared.glob("runs/*")) - before
    return str(made.relative_to(shared))


def test_both_dags_give_the_bytes_of_aura_run(trained, tmp_path, sources):
    site, run = trained
    for name in ("training", "recordings"):
        (tmp_path / name).symlink_to(sources)
    runs = {"training": run}
    runs["prediction"], state = site.run("aura_prediction", batch_size=2)
    assert state == "success"
    for solution, run in runs.items():
        whole = whole_run(solution, tmp_path, site.environ)
        mine = folder_of(f"aura_{solution}", run)
        ours = content(site.shared, BYTES[solution], mine)
        assert ours == content(tmp_path, BYTES[solution], whole)
        assert len(ours) > 5 and (site.shared / mine / "DONE").exists()


def test_a_training_by_dags_test_ends_well(alone):
    text = alone.command("dags", "test", "aura_training", "--conf",
                         json.dumps({"batch_size": 16}))
    finished = next(line for line in text.splitlines()
                    if "DagRun Finished" in line)
    assert "state=success" in finished


@pytest.mark.skipif(recipes.missing() is not None,
                    reason=str(recipes.missing()))
def test_the_block_of_the_recipe_is_a_task_beside_the_others(
        alone, tmp_path):
    copy = recipes.Copy(tmp_path / "project", "ward-report.patch")
    command = tmp_path / "aura"
    command.write_text(
        f"#!/bin/sh\nPYTHONPATH='{copy.environ['PYTHONPATH']}' exec "
        f"'{sys.executable}' -m aura \"$@\"\n")
    command.chmod(0o755)
    before = set(alone.shared.glob("runs/*"))
    text = alone.command(
        "dags", "test", "aura_prediction-with-report", "--conf",
        json.dumps({"folder": "many", "batch_size": 50}),
        AURA_AIRFLOW_SOLUTIONS=str(copy.root / "solutions"),
        AURA_AIRFLOW_COMMAND=str(command))
    assert "state=success" in next(
        line for line in text.splitlines() if "DagRun Finished" in line)
    made, = set(alone.shared.glob("runs/*")) - before
    [(header, *rows)] = copy.reports(made)
    assert len(rows) == 49


def test_messages_are_small_and_hold_paths_not_arrays(trained):
    site, run = trained
    found = site.get(f"dags/aura_training/dagRuns/{run}/taskInstances/"
                     "load_training/xcomEntries/return_value")["value"]
    text = found if isinstance(found, str) else json.dumps(found)
    assert "manifest.json" in text and len(text) < 5000


def test_one_corrupt_file_among_fifty_costs_itself(trained):
    site, _ = trained
    run, state = site.run("aura_prediction", folder="many", batch_size=25)
    assert state == "success"
    said = site.said("aura_prediction", run, "finish")
    assert "24 recordings" in said and "1 edf.truncated" in said
    mine = site.shared / folder_of("aura_prediction", run)
    assert len(list(mine.glob("events/*.tsv"))) == 49


def test_an_empty_folder_is_a_skipped_and_green_run(site):
    run, state = site.run("aura_prediction", folder="empty")
    states = site.states("aura_prediction", run)
    assert state == "success"
    assert states.pop(("load_recordings", -1)) == "success"
    assert set(states.values()) == {"skipped"}
    assert "recordings in empty/" in site.said(
        "aura_prediction", run, "batches")


def test_a_missing_model_fails_at_once_and_says_so(site):
    run, state = site.run("aura_prediction", folder="many", batch_size=50,
                          model="models/none")
    task = site.tasks("aura_prediction", run)["predict", 0]
    assert (state, task["state"], task["try_number"]) == (
        "failed", "failed", 1)
    assert "model.missing: " in site.said(
        "aura_prediction", run, "batch.predict", 0)
    assert "1 of 1 batches failed" in site.said(
        "aura_prediction", run, "finish")


@pytest.mark.parametrize("params, reason", [
    ({"folder": "nowhere"}, "loader.no_folder: "),
    ({"batch_sise": 5}, "batch_sise")])
def test_what_does_not_exist_is_named_at_once(site, params, reason):
    run, state = site.run("aura_prediction", **params)
    task = site.tasks("aura_prediction", run)["load_recordings", -1]
    assert (state, task["state"], task["try_number"]) == (
        "failed", "failed", 1)
    assert reason in site.said("aura_prediction", run, "load_recordings")


def test_a_batch_that_fails_does_not_cost_the_others(trained):
    site, _ = trained
    dag, run = "aura_prediction", "one-fails"
    mine = site.shared / folder_of(dag, run)
    # Nothing can be written where a folder is.
    bar = mine / "batches/0001/features.parquet/bar"
    bar.mkdir(parents=True)
    _, state = site.run(dag, run, folder="many", batch_size=10)
    states = site.states(dag, run)
    assert state == "failed"
    assert states["build_features", 1] == "failed"
    assert states["export", 1] == "upstream_failed"
    assert [states["export", one] for one in (0, 2, 3, 4)] == ["success"] * 4
    assert "disk.unwritable: " in site.said(
        dag, run, "batch.build_features", 1)
    assert "1 of 5 batches failed" in (
        site.said(dag, run, "finish"))
    assert len(list(mine.glob("events/*.tsv"))) == 39
    assert not (mine / "DONE").exists()
    bar.rmdir()
    bar.parent.rmdir()
    site.clear(dag, run)
    assert site.wait(dag, run) == "success"
    assert len(list(mine.glob("events/*.tsv"))) == 49
    assert (mine / "DONE").exists()
    assert site.tasks(dag, run)["export", 0]["try_number"] == 1


def test_a_run_can_be_repeated_even_if_its_folder_has_changed(trained):
    site, _ = trained
    dag, folder = "aura_prediction", site.shared / "zwei & mehr"
    folder.mkdir()
    for name in ("00.edf", "08.edf"):
        shutil.copy(site.shared / "many" / name, folder)
        # New, and long enough ago to be whole.
        os.utime(folder / name, (time.time() - 1800,) * 2)
    run, state = site.run(dag, folder=folder.name, batch_size=1,
                          only_new=True)
    assert site.states(dag, run)["export", 1] == state == "success"
    patterns = BYTES["prediction"]
    first = content(site.shared, patterns, folder_of(dag, run))
    site.clear(dag, run, only_failed=False)
    assert site.wait(dag, run) == "success"
    assert site.tasks(dag, run)["export", 1]["try_number"] == 2
    assert first and first == content(
        site.shared, patterns, folder_of(dag, run))
    (folder / "08.edf").unlink()
    site.clear(dag, run, only_failed=False)
    assert site.wait(dag, run) == "success"
    states = site.states(dag, run)
    assert (states["export", 0], states["export", 1]) == (
        "success", "removed")


def test_a_killed_task_says_so_and_is_repeated(trained):
    site, _ = trained
    run = site.trigger("aura_prediction", folder="many", batch_size=50)
    site.kill("aura call build_features")
    assert site.wait("aura_prediction", run) == "success"
    task = site.tasks("aura_prediction", run)["build_features", 0]
    assert task["try_number"] == 2
    assert "build_features was ended by SIGKILL" in site.said(
        "aura_prediction", run, "batch.build_features", 0, 1)


def test_recordings_are_predicted_once_each(trained):
    site, _ = trained
    for expected in ("success", "skipped"):
        run, state = site.run("aura_prediction", folder="many",
                              batch_size=25, only_new=True)
        assert state == "success"
        assert site.states("aura_prediction", run)["finish", -1] in (
            "skipped", expected)
    assert "recordings in many/" in site.said(
        "aura_prediction", run, "batches")


def test_more_batches_than_tasks_are_allowed_are_grouped(alone):
    text = alone.command(
        "dags", "test", "aura_prediction", "--conf", json.dumps(
            {"folder": "many", "batch_size": 10}),
        AURA_AIRFLOW_MAX_TASKS="2")
    finished = next(line for line in text.splitlines()
                    if "DagRun Finished" in line)
    assert "state=success" in finished
    assert "batch.export [2]" not in text
    for batch in range(1, 6):
        assert f"export {batch}/5: " in text


def blueprints(folder, **changed):
    """The project's solutions and changed ones, in a new folder."""
    shutil.copytree(ROOT / "solutions", folder)
    for name, text in changed.items():
        (folder / f"{name}.json").write_text(text)
    return str(folder)


def test_a_blueprint_that_branches_runs_to_all_its_ends(alone, tmp_path):
    prediction, training = (
        json.loads((ROOT / f"solutions/{name}.json").read_text())
        for name in ("prediction", "training"))
    builder, trainer = prediction["nodes"][1], training["nodes"][2]
    builder["operation_signature_list"][0]["connected_to"].append(
        training["nodes"][1]["operation_signature_list"][0][
            "connected_to"][0])
    prediction["nodes"].append(trainer)
    text = alone.command(
        "dags", "test", "aura_both", AURA_AIRFLOW_SOLUTIONS=blueprints(
            tmp_path / "s", both=json.dumps(prediction)))
    assert "state=success" in next(
        line for line in text.splitlines() if "DagRun Finished" in line)
    run = max(alone.shared.glob("runs/aura_both-*"))
    assert {path.name for path in run.iterdir()} >= {
        "training_report.json", "export_report.json", "DONE"}


def test_a_broken_blueprint_costs_only_its_own_dag(alone, tmp_path):
    sound = (ROOT / "solutions/training.json").read_text()
    told = {"cut": sound[:400], "none": "[]", "in a circle": sound.replace(
        '"connected_to": []', '"connected_to": [{"container_name": '
        '"feature-builder1", "operation_signature": {"operation_name": '
        '"build_features"}}]')}
    folder = blueprints(tmp_path / "s", **told)
    listed = json.loads(alone.command(
        "dags", "list", "--local", "-o", "json",
        AURA_AIRFLOW_SOLUTIONS=folder).partition("[{")[2].join(["[{", ""]))
    names = {one["dag_id"].partition("-")[0] for one in listed}
    assert names == {"aura_training", "aura_prediction", "aura_cut",
                     "aura_none", "aura_in_a_circle"}
    text = alone.command("dags", "test", "aura_cut", code=1,
                         AURA_AIRFLOW_SOLUTIONS=folder)
    assert "'cut.json' cannot be run as a DAG: " in text


def test_a_run_without_one_readable_recording_fails(alone):
    (alone.shared / "unreadable").mkdir()
    (alone.shared / "unreadable/a.edf").write_bytes(b"no recording")
    text = alone.command("dags", "test", "aura_prediction", "--conf",
                         json.dumps({"folder": "unreadable"}), code=1)
    assert "no recording could be read: " in text


def test_an_unwritable_shared_folder_is_named(alone, tmp_path):
    (tmp_path / "training").symlink_to(alone.shared / "many")
    (tmp_path / "runs").write_text("")
    text = alone.command("dags", "test", "aura_training", code=1,
                         SHARED_FOLDER_PATH=str(tmp_path))
    assert "disk.unwritable: " in text


@pytest.mark.parametrize("dag, names", [
    ("aura_training", {"folder", "batch_size", "target_far"}),
    ("aura_prediction", {"folder", "batch_size", "only_new", "model"})])
def test_parameters_have_types_descriptions_and_defaults(site, dag, names):
    params = site.get(f"dags/{dag}/details")["params"]
    assert set(params) == names
    for name, param in params.items():
        kind = param["schema"]["type"]
        assert kind in ("string", "number", "integer", "boolean") or (
            kind == ["null", "string"])
        # The form demands what may not be null.
        assert "null" in kind or param["value"] not in (None, "")
        assert param["description"].endswith(".")
    with pytest.raises(Refused) as refused:
        site.trigger(dag, folder="../elsewhere")
    assert refused.value.code == 400


def test_only_this_machine_can_talk_to_it_and_nobody_without_password(site):
    user, password = site.password()
    with pytest.raises(Refused) as refused:
        site._ask("auth/token", {"username": user, "password": user})
    assert refused.value.code == 401
    assert len(password) > 20
    for name in ("passwords.json", "fernet_key", "jwt_secret",
                 "api_secret_key", "airflow.cfg"):
        assert (site.home / name).stat().st_mode & 0o777 == 0o600
    assert site.home.stat().st_mode & 0o777 == 0o700
    assert site.listening() == {f"127.0.0.1:{site.port}"}


def test_secrets_stand_in_no_environment(site):
    words = [(site.home / name).read_text() for name in (
        "fernet_key", "jwt_secret", "api_secret_key")]
    for pid in site.processes():
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                environ = file.read().decode(errors="replace")
        except OSError:
            continue
        assert not any(word in environ for word in words)


def test_the_file_imports_nothing_slow_when_it_is_parsed(site):
    slow = ("aura", "grpc", "kubernetes", "numpy", "pandas")
    done = subprocess.run(
        [PYTHON, "-c", "import airflow.sdk, runpy, sys;"
         "before = set(sys.modules);"
         f"runpy.run_path({str(ROOT / 'airflow/dags/aura_pipelines.py')!r});"
         f"print((set(sys.modules) - before).intersection({slow}))"],
        env=site.environ, text=True, capture_output=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize("name, text, said", [
    ("AURA_AIRFLOW_TASKS", "pods", "AURA_AIRFLOW_TASKS=pods must be"),
    ("AURA_AIRFLOW_AT_ONCE", "all", "AURA_AIRFLOW_AT_ONCE=all"),
    ("AURA_BATCH_SIZE", "all", "AURA_BATCH_SIZE=all")])
def test_a_setting_that_is_wrong_is_named(site, tmp_path, name, text, said):
    done = subprocess.run(
        [PYTHON, ROOT / "airflow/dags/aura_pipelines.py"], text=True,
        capture_output=True, cwd=tmp_path, env={**site.environ, name: text})
    assert said in done.stderr.splitlines()[-1]


def test_a_shared_folder_may_be_named_as_in_a_shell(tmp_path, monkeypatch):
    """The components work in folders of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/user")
    settings = runpy.run_path(str(START))["settings"]
    for given, expected in (("my data", f"{tmp_path}/my data"),
                            ("~/data", "/home/user/data"),
                            ("/data/../d", "/d")):
        found = settings({"AIRFLOW_HOME": "home", "SHARED_FOLDER_PATH": given})
        assert found["SHARED_FOLDER_PATH"] == expected


def test_one_that_cannot_start_ends_all_and_says_which(site, tmp_path):
    """Here the port is taken, by the site itself."""
    done = subprocess.run(
        [PYTHON, START], text=True, capture_output=True,
        env={**site.environ, "AIRFLOW_HOME": str(tmp_path / "home")})
    assert done.returncode == 1
    assert "make airflow: the api-server ended with exit code" in done.stderr
