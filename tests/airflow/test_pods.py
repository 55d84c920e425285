"""Stages as pods: what is asked of Kubernetes, checked without a cluster."""

import json
import os
import subprocess
import sys

import pytest

from tests.airflow_site import PYTHON, ROOT

sys.path.insert(0, str(ROOT / "tests/k8s"))

from pod_rules import hardened, restricted  # noqa: E402

pytestmark = pytest.mark.airflow
# The operator's own additions beside our container.
SIDECAR = {"readOnlyRootFilesystem", "limits", "tmp"}
BUILD = """
import json, runpy, sys
found = runpy.run_path(sys.argv[1])
message = {"run_id": "run", "status_text": "3 recordings"}
PARAMS = {"folder": "f", "batch_size": 3, "target_far": 1.5,
          "model": "models/m", "only_new": True}
class Dag:
    dag_id = "aura_prediction"
pods = {}
for name in ("aura_training", "aura_prediction"):
    for task in found[name].tasks:
        if type(task).__name__ == "StagePod":
            pods[task.task_id] = task
        elif hasattr(task, "partial_kwargs") and "rpc" in task.partial_kwargs:
            pods[task.task_id] = task.unmap(None)
answers = {}
assert not {"kubernetes", "airflow.providers.cncf.kubernetes.operators.pod"
            } & set(sys.modules), "a parse has to pay for them"
for name, task in pods.items():
    task.messages = 1000 * [message]
    operator = task.operator({
        "dag": Dag, "run_id": "manual__1+00:00", "params": {
            param: PARAMS[param] for param in task.sets}})
    answers[name.rpartition(".")[2]] = operator.hook.api_client.\\
        sanitize_for_serialization(operator.build_pod_request_obj())
from kubernetes.client import models
def ended(code, name="base"):
    return models.V1Pod(status=models.V1PodStatus(container_statuses=[
        models.V1ContainerStatus(
            name=name, image="i", image_id="i", ready=False, restart_count=0,
            state=models.V1ContainerState(
                terminated=models.V1ContainerStateTerminated(
                    exit_code=code)))]))
codes = [found["exit_code"](pod) for pod in (
    ended(1), ended(75), ended(137), ended(1, "xcom"), None,
    models.V1Pod(status=models.V1PodStatus()))]
print(json.dumps([answers, codes]))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """What `BUILD` prints."""
    home = tmp_path_factory.mktemp("home")
    config = home / "config"
    config.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "none",
        "contexts": [{"name": "none",
                      "context": {"cluster": "none", "user": "none"}}],
        "clusters": [{"name": "none",
                      "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "none", "user": {}}]}))
    done = subprocess.run(
        [PYTHON, "-c", BUILD, ROOT / "airflow/dags/aura_pipelines.py"],
        text=True, capture_output=True, env={
            **os.environ, "AIRFLOW_HOME": str(home),
            "KUBECONFIG": str(config), "AURA_AIRFLOW_TASKS": "pod",
            "AIRFLOW_CONN_KUBERNETES_DEFAULT": json.dumps({
                "conn_type": "kubernetes"})})
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def pods(built):
    """The pod of each stage."""
    found, _ = built
    assert set(found) == {"load_training", "load_recordings",
                          "build_features", "train", "predict", "export"}
    return found


def test_every_pod_meets_the_restricted_standard(pods):
    for rpc, pod in pods.items():
        assert list(restricted(pod)) == [], rpc
        own = {**pod, "spec": {**pod["spec"], "containers": [
            one for one in pod["spec"]["containers"]
            if one["name"] == "base"], "volumes": [
            one for one in pod["spec"]["volumes"] if one["name"] != "xcom"]}}
        assert list(hardened(own)) == [], rpc


def test_a_pod_calls_one_rpc_of_its_blocks_image(pods):
    for rpc, pod in pods.items():
        base = next(one for one in pod["spec"]["containers"]
                    if one["name"] == "base")
        assert base["command"] == ["python", "-m", "aura"]
        assert base["args"][:4] == ["call", rpc, "--out",
                                    "/airflow/xcom/return.json"]
        assert max(map(len, base["args"])) < 128 * 1024
        # What went wrong is then part of the task's last line.
        assert base["terminationMessagePolicy"] == "FallbackToLogsOnError"
    images = {rpc: pod["spec"]["containers"][0]["image"]
              for rpc, pod in pods.items()}
    assert images["predict"] == "aura/seizure-predictor:dev"
    assert images["load_training"] == images["load_recordings"] == (
        "aura/ecg-loader:dev")


def test_a_run_is_the_same_for_a_pod_as_for_a_process(pods):
    environ = {one["name"]: one["value"] for one in pods["predict"]["spec"][
        "containers"][0]["env"]}
    assert environ["AURA_MODEL"] == "/data/shared/models/m"
    assert environ["AURA_RUN_ID"] == "aura_prediction-manual__1_00_00"
    assert environ["AURA_ONLY_NEW"] == "1"
    assert environ["SHARED_FOLDER_PATH"] == "/data/shared"


def test_a_pod_that_was_killed_is_repeated_and_one_that_ended_says_how(built):
    _, codes = built
    assert codes == [1, 75, None, None, None, None]
