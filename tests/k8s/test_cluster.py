"""Both solutions on a real cluster: the same bytes as in one process."""

import re
import shutil
import subprocess
import sys

import pytest
import yaml
from manifests import K8S
from patience import until

from aura import cli
from aura.platform.bundle import CLAIM, ORCHESTRATOR, SHARED_FOLDER
from aura.synthetic.cohort import write_cohort
from tests import recipes

pytestmark = pytest.mark.k8s

BATCHES = 40


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


def tables_of(shared):
    """The feature tables of the run of predictions."""
    return list(shared.glob("runs/recordings-*/batches/*/features.json"))


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
    assert re.findall(rf"\.build_features (\d+)/{count}:", log) == [
        str(number) for number in range(1, count + 1)]


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
    synthetic(site.shared, patients=BATCHES)
    folder = here(site.shared, tmp_path / "shared")
    site.apply("training")
    site.wait("training")
    # Both are ready, and one of the two is to have no luck.
    victim, other = builders = site.pods("feature-builder")
    before = [site.log(pod).count("build_features OK") for pod in builders]
    site.apply("prediction")
    until(lambda: tables_of(site.shared), 0.01)
    for pod in builders:
        site.cluster.signal(pod, "STOP")
    # Time stands still: nothing is missed, however slow this machine is.
    assert len(tables_of(site.shared)) < BATCHES - 1
    site.cluster.signal(other, "CONT")
    until(lambda: len(tables_of(site.shared)) >= BATCHES - 1)
    # Only the batch is missing that the victim has in its hands.
    site.cluster.signal(victim, "KILL")
    log = site.wait("prediction")
    check_order(log, BATCHES)
    assert "feature-builder1.build_features: next try in" in log
    check_same(site.shared, folder)
    # The pod itself was kept, and its container started anew.
    until(lambda: site.restarts(victim) == 1)
    assert site.restarts(other) == 0
    done = [log.count("build_features OK") - count for log, count in zip(
        (site.log(victim, "--previous"), site.log(other)), before)]
    # One may have been done already, but not yet been answered.
    assert min(done) >= 0 and sum(done) in (BATCHES, BATCHES + 1)


@pytest.mark.skipif(recipes.missing() is not None,
                    reason=str(recipes.missing()))
def test_the_block_of_the_recipe_runs_beside_the_others(site, tmp_path):
    copy = recipes.Copy(tmp_path / "project", "ward-report.patch")
    image = copy.build_image("dev")
    site.cluster("load", image)
    synthetic(site.shared, patients=2)
    subprocess.run(
        [sys.executable, "-m", "aura", "run", "training", "--shared",
         str(site.shared), "--in-process"], check=True, capture_output=True)
    # The images of the other blocks do not know the new solution.
    with (site.shared / "config.toml").open("a") as file:
        file.write('sinks = "export report"\n')
    subprocess.run(["chmod", "-R", "a+rwX", site.shared], check=True)
    solution = "prediction-with-report"
    job = copy.root / f"k8s/solutions/{solution}/run.yaml"
    job.write_text(job.read_text("utf-8").replace(
        "aura/ecg-loader:dev", image), "utf-8")
    site.apply(solution, copy.root / "k8s/clusters/local" / solution)
    site.wait(solution)
    made, = site.shared.glob("runs/recordings-*")
    assert [len(rows) for _, *rows in copy.reports(made)] == [1, 1]


def hardened(solution, out):
    """The platform's own YAML of a solution, hardened, and a Job to run it."""
    assert cli.main(["solution", "bundle", solution, "--registry", "aura",
                     "--tag", "dev", "--out", str(out)]) == 0
    for name in ("platform", "clusters/local/platform"):
        shutil.copytree(K8S / name, out / name)
    job, = (thing for thing in yaml.safe_load_all(
        (K8S / f"solutions/{solution}/run.yaml").read_text("utf-8"))
        if thing["kind"] == "Job")
    spec = job["spec"]["template"]["spec"]
    del spec["serviceAccountName"]
    runner, = spec["containers"]
    runner["command"][-1] = "/etc/aura"
    runner["args"][0] = f"--shared=/{SHARED_FOLDER}"
    runner["volumeMounts"][0]["mountPath"] = f"/{SHARED_FOLDER}"
    spec["volumes"][0]["persistentVolumeClaim"]["claimName"] = CLAIM
    (out / "run.yaml").write_text(yaml.safe_dump(job), "utf-8")
    # The orchestrator's image cannot be had here; the Job stands in for it.
    (out / "kustomization.yaml").write_text(yaml.safe_dump({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["run.yaml", *(
            f"deployments/{path.name}" for path in sorted(
                out.glob("deployments/*"))
            if not path.name.startswith(ORCHESTRATOR))],
        "components": ["platform", "clusters/local/platform"],
        "configMapGenerator": [{
            "name": f"aura-{solution}-nodes",
            "files": ["blueprint.json", "dockerinfo.json"]}],
        "generatorOptions": {"disableNameSuffixHash": True}}), "utf-8")
    return out


@pytest.mark.parametrize("site", [CLAIM], indirect=True)
def test_the_platforms_own_pods_run_hardened_and_give_the_same_bytes(
        site, tmp_path):
    synthetic(site.shared, patients=4)
    folder = here(site.shared, tmp_path / "shared")
    for solution in ("training", "prediction"):
        site.apply(solution, hardened(solution, tmp_path / solution))
        site.wait(solution)
    check_same(site.shared, folder)
    for pod in site.cluster.get("-n", site.name, "pods")["items"]:
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        container, = pod["spec"]["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
