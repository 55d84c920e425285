"""Both solutions on a real cluster: the same bytes as in one process."""

import shutil
import subprocess
import sys
import time

import pytest

from aura.cohort import write_cohort

pytestmark = pytest.mark.k8s


def synthetic(shared, patients):
    """Synthetic patients to learn from and to judge, one to a batch."""
    write_cohort(shared / "training", patients=3, hours=0.25, seed=1)
    write_cohort(shared / "recordings", patients=patients, hours=0.25, seed=2)
    settle(shared)


def settle(shared):
    (shared / "config.toml").write_text("batch_size = 1\n")
    subprocess.run(["chmod", "-R", "a+rX", shared], check=True)


def here(shared, folder):
    """What one process makes of the same inputs."""
    shutil.copytree(shared, folder)
    for solution in ("training", "prediction"):
        subprocess.run(
            [sys.executable, "-m", "aura", "run", solution, "--shared",
             str(folder), "--in-process"], check=True, capture_output=True)
    return folder


def files_of(shared, port):
    """What the one run of a port wrote, by name."""
    run, = shared.glob(f"runs/{port}-*")
    return {str(path.relative_to(run)): path.read_bytes()
            for path in run.rglob("*") if path.is_file()}


def check_same(there, here):
    """All files of both runs are the same, but for what tells the time."""
    for port in ("training", "recordings"):
        mine, theirs = files_of(here, port), files_of(there, port)
        assert mine.keys() == theirs.keys()
        different = {name for name in mine if mine[name] != theirs[name]}
        # Manifest paths hold the run's id; the report holds the model card.
        assert not {name for name in different if name.startswith((
            "events/", "batches/")) or name.endswith(".lp.gz")}
    assert (there / "models/latest.json").read_bytes() == (
        here / "models/latest.json").read_bytes()
    assert any(name.endswith(".tsv") for name in mine)


def check_order(log, count):
    """Every batch came back, in order."""
    lines = [line for line in log.splitlines() if ".build_features" in line]
    assert [line.split()[1] for line in lines] == [
        f"{number}/{count}:" for number in range(1, count + 1)]


@pytest.mark.parametrize("source", ["synthetic", "szdb"])
def test_both_solutions_give_the_bytes_of_one_process(
        site, source, request, tmp_path):
    if source == "szdb":
        data = request.getfixturevalue("data_dir") / "szdb"
        for port in ("training", "recordings"):
            shutil.copytree(data, site.shared / port)
        settle(site.shared)
    else:
        synthetic(site.shared, patients=4)
    folder = here(site.shared, tmp_path / "shared")
    for solution in ("training", "prediction"):
        site.apply(solution)
        log = site.wait(solution)
    check_order(log, len(list(
        (site.shared / "recordings").rglob("*.edf"))))
    check_same(site.shared, folder)


def test_a_killed_feature_builder_costs_a_retry_not_a_result(
        site, tmp_path):
    synthetic(site.shared, patients=24)
    folder = here(site.shared, tmp_path / "shared")
    site.apply("training")
    site.wait("training")
    site.apply("prediction")
    deadline = time.monotonic() + 300
    while len(made := list(site.shared.glob(
            "runs/recordings-*/batches/*/features.json"))) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    victim = site.pods("feature-builder")[0]
    status, = victim["status"]["containerStatuses"]
    site.cluster.kill(status["containerID"])
    assert len(made) < 24
    check_order(site.wait("prediction"), 24)
    check_same(site.shared, folder)
    # The pod itself was kept, and its container started anew.
    again, = (pod for pod in site.pods("feature-builder")
              if pod["metadata"]["uid"] == victim["metadata"]["uid"])
    assert again["status"]["containerStatuses"][0]["restartCount"] == 1
    # Before that both had been at work.
    for pod in site.pods("feature-builder"):
        name = pod["metadata"]["name"]
        assert "build_features OK" in site.cluster.kube(
            "-n", site.name, "logs", name,
            *(["--previous"] if pod["metadata"]["uid"] == (
                again["metadata"]["uid"]) else []))
