"""
The solutions of this project as DAGs, one for each blueprint.

A run loads its recordings, processes their batches in mapped tasks, and ends
with a task that prints the results. Each task calls one rpc of one block with
``aura call``, as a process on this machine or as a pod of the block's image.
Only paths and counts pass through Airflow; all files are on the shared folder.
"""

import contextlib
import hashlib
import json
import math
import os
import re
import signal
import subprocess
import tempfile
from datetime import timedelta
from pathlib import Path

from airflow.sdk import BaseOperator, DAG, Param, task, task_group
from airflow.sdk.exceptions import (
    AirflowException, AirflowFailException, AirflowSkipException)

ROOT = Path(__file__).resolve().parents[2]


def setting(name, default):
    """A value from the environment, converted to the type of its default."""
    text = os.environ.get(name) or default
    try:
        return type(default)(text)
    except ValueError:
        raise ValueError(f"{name}={text} is not a number") from None


SOLUTIONS = Path(setting("AURA_AIRFLOW_SOLUTIONS", str(ROOT / "solutions")))
COMMAND = setting("AURA_AIRFLOW_COMMAND", str(ROOT / ".venv/bin/aura"))
TASKS = setting("AURA_AIRFLOW_TASKS", "process")
NAMESPACE = setting("AURA_AIRFLOW_NAMESPACE", "aura")
CLAIM = setting("AURA_AIRFLOW_CLAIM", "aura-shared")
WATCH = setting("AURA_AIRFLOW_WATCH", "")
AT_ONCE = max(1, setting("AURA_AIRFLOW_AT_ONCE", os.cpu_count() or 1))
MAX_TASKS = setting("AURA_AIRFLOW_MAX_TASKS", 500)
RETRIES = setting("AURA_AIRFLOW_RETRIES", 2)
RETRY_S = setting("AURA_AIRFLOW_RETRY_S", 10.0)
BATCH_HOURS = setting("AURA_AIRFLOW_BATCH_HOURS", 2.0)
WHOLE_HOURS = setting("AURA_AIRFLOW_WHOLE_HOURS", 24.0)
# In a pod the shared folder is where the blocks expect it.
SHARED = Path("/") / ("/data/shared" if TASKS == "pod" else setting(
    "SHARED_FOLDER_PATH", "/data/shared"))
SOURCE, REDUCED = "Empty", "train"
# Exit codes. The code of a pod that was killed is 128 plus the signal.
AGAIN_LATER, KILLED = 75, 128
# The kernel limits an argument to 128 KiB.
ARGUMENT_BYTES = 100_000
RUN_ID_LENGTH = 100
CONFINED = {"allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]}}
INSIDE = r"^(?!/)(?!.*\.\.)[^\x00]*$"


def given(env, default, **schema):
    """A parameter that sets an environment variable of the blocks."""
    return env, Param(default if isinstance(default, bool) else setting(
        env, default), **schema)


def folder(env, default, text):
    """A parameter that names a folder on the shared folder."""
    return given(env, default, type="string", pattern=INSIDE, title="Input "
                 "folder", description=f"{text}, relative to the shared "
                 "folder.", minLength=1)


PARAMS = {
    "load_training": {"folder": folder(
        "AURA_TRAINING", "training", "Annotated recordings to train on")},
    "load_recordings": {
        "folder": folder(
            "AURA_RECORDINGS", "recordings", "Recordings to predict"),
        "only_new": given(
            "AURA_ONLY_NEW", bool(WATCH), type="boolean", title="Only new "
            "recordings", description="Leave out recordings that an earlier "
            "run has finished.")},
    "build_features": {
        "batch_size": given(
            "AURA_BATCH_SIZE", 16, type="integer", minimum=1, maximum=10_000,
            title="Recordings in a batch", description="A larger value "
            "gives fewer and longer tasks.")},
    "train": {
        "target_far": given(
            "AURA_TARGET_FAR", 1.0, type="number", minimum=0, maximum=1000,
            title="Target false-alarm rate", description="False alarms per "
            "24 h, for which the alarm threshold is chosen.")},
    "predict": {
        "model": ("AURA_MODEL", Param(
            # The form treats an empty text as missing.
            None, type=["null", "string"], pattern=INSIDE, title="Model",
            description="Folder of the model, relative to the shared "
            "folder, such as models/1f0c... Leave it empty to use the model "
            "trained last."))},
}


def run_name(solution, run_id):
    """Name of the run's folder; it stays the same if a task is repeated."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", f"{solution}-{run_id}")
    return shortened(name, run_id) if len(name) > RUN_ID_LENGTH else name


def dag_name(path):
    """Name of a blueprint's DAG, of the characters that Airflow allows."""
    given = f"aura_{path.stem}"
    name = re.sub(r"[^A-Za-z0-9._-]", "_", given)
    return name if name == given and len(
        name) <= RUN_ID_LENGTH else shortened(name, given)


def shortened(name, whole):
    """A name of limited length that tells long names apart."""
    digest = hashlib.sha256(
        whole.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{name[:RUN_ID_LENGTH - 9]}-{digest}"


def environment(context, sets, sinks):
    """Environment variables of the blocks: the run's name and parameters."""
    unknown = sorted(set(context["params"]) - set(sets))
    if unknown:
        raise AirflowFailException(
            f"there is no parameter {unknown[0]}; the parameters are "
            f"{', '.join(sets)}")
    found = {"SHARED_FOLDER_PATH": str(SHARED), "AURA_RUN_ID": run_name(
        context["dag"].dag_id, context["run_id"]),
        "AURA_SINKS": " ".join(sinks)}
    for name, env in sets.items():
        value = context["params"][name]
        if env != "AURA_MODEL":
            found[env] = str(int(value) if isinstance(value, bool) else value)
        elif value:
            found[env] = str(SHARED / value)
    return found


def flat(messages):
    """The messages of one task, or of all mapped tasks, as one list."""
    return [one for some in messages or () for one in (
        [some] if isinstance(some, dict) else some or ())]


class StageProcess(BaseOperator):
    """Call an rpc in the project's virtual environment on this machine."""

    template_fields = ("messages",)

    def __init__(self, *, node, rpc, sets, sinks, messages=None, **more):
        super().__init__(task_id=rpc, **more)
        self.rpc, self.messages = rpc, messages
        self.sets, self.sinks = sets, sinks
        self._process = None

    def execute(self, context):
        """Return the block's answers; its last line is the error."""
        own = {"AURA_WORKERS": str(max(1, (os.cpu_count() or 1) // AT_ONCE)),
               **{name: value for name, value in os.environ.items()
                  if "AIRFLOW_" not in name}}
        with tempfile.TemporaryDirectory() as place:
            out = Path(place, "answer.json")
            try:
                self._process = subprocess.Popen(
                    [COMMAND, "call", self.rpc, "--out", str(out)],
                    stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                    # The process ends whenever this one ends.
                    env={**own, **environment(context, self.sets, self.sinks),
                         "AURA_ENDS_WITH_INPUT": "1"})
            except OSError as error:
                raise AirflowFailException(
                    f"{COMMAND} cannot be started: {error.strerror}; "
                    "install it with 'make demo', or name another command in "
                    "AURA_AIRFLOW_COMMAND")
            try:
                last_line = self._communicate(self._process)
            finally:
                self.on_kill()
            self._check(self._process.returncode, last_line)
            return json.loads(out.read_bytes())

    def _communicate(self, process):
        last = ""
        if self.messages is not None:
            # A process that has ended prints the reason below.
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(flat(self.messages)) + "\n")
                process.stdin.flush()
        for line in process.stderr:
            last = line.strip() or last
            self.log.info(line.rstrip())
        process.wait()
        return last

    def _check(self, code, last_line):
        if code < 0:
            raise AirflowException(
                f"{self.rpc} was ended by {signal.Signals(-code).name}"
                + ("; too little memory?" if -code == signal.SIGKILL else ""))
        if code == AGAIN_LATER:
            raise AirflowException(last_line)
        if code:
            # The same call would fail again.
            raise AirflowFailException(last_line)

    def on_kill(self):
        """End the process with its task."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def pod_of(rpc):
    """The pod of a call; it meets the restricted Pod Security Standard."""
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"labels": {"app.kubernetes.io/part-of": "aura"}},
        "spec": {
            "restartPolicy": "Never", "enableServiceLinks": False,
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True, "runAsUser": 65532,
                "runAsGroup": 65532, "fsGroup": 65532,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "base", "imagePullPolicy": "IfNotPresent",
                "resources": {
                    "requests": {"cpu": "1", "memory": "512Mi"},
                    "limits": {"cpu": "2", "memory":
                               "4Gi" if rpc == REDUCED else "2Gi"}},
                "securityContext": {**CONFINED,
                                    "readOnlyRootFilesystem": True},
                "volumeMounts": [
                    {"name": "shared", "mountPath": str(SHARED)},
                    {"name": "tmp", "mountPath": "/tmp"}]}],
            "volumes": [
                {"name": "shared",
                 "persistentVolumeClaim": {"claimName": CLAIM}},
                {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}]}}


def arguments_of(rpc, messages):
    """Arguments of ``aura call``, each within the kernel's limit."""
    arguments = ["call", rpc, "--out", "/airflow/xcom/return.json"]
    part = []
    for message in messages:
        if part and len(json.dumps([*part, message])) > ARGUMENT_BYTES:
            arguments += ["--message", json.dumps(part)]
            part = []
        part.append(message)
    return arguments + (["--message", json.dumps(part)] if part else [])


class StagePod(BaseOperator):
    """Call an rpc in a pod of the block's image."""

    template_fields = ("image", "messages")

    def __init__(self, *, node, rpc, sets, sinks, messages=None, **more):
        super().__init__(task_id=rpc, **more)
        self.name, self.image = node["container_name"], node["image"]
        self.rpc, self.messages = rpc, messages
        self.sets, self.sinks = sets, sinks
        self._operator = None

    def execute(self, context):
        """Return the block's answers; a permanent error is not retried."""
        self._operator = self.operator(context)
        try:
            return self._operator.execute_sync(context)
        except AirflowException as error:
            if exit_code(self._operator.remote_pod) in (None, AGAIN_LATER):
                raise
            raise AirflowFailException(str(error).strip()) from None

    def operator(self, context):
        """Airflow's operator for pods, imported only when a task runs."""
        from airflow.providers.cncf.kubernetes.operators.pod import (
            KubernetesPodOperator)
        return KubernetesPodOperator(
            task_id=self.rpc, name=f"aura-{self.name}", namespace=NAMESPACE,
            image=self.image, cmds=["python", "-m", "aura"],
            arguments=arguments_of(self.rpc, flat(self.messages)),
            env_vars={**environment(context, self.sets, self.sinks),
                      "AURA_WORKERS": "2"},
            pod_template_dict=pod_of(self.rpc), deferrable=False,
            xcom_sidecar_container_security_context=CONFINED,
            # The call's last line is the reason.
            termination_message_policy="FallbackToLogsOnError",
            log_pod_spec_on_failure=False, do_xcom_push=True,
            on_finish_action="delete_pod", startup_timeout_seconds=600)

    def on_kill(self):
        """End the pod with its task."""
        if self._operator is not None:
            self._operator.on_kill()


def exit_code(pod):
    """Exit code of a pod's call; None if it was killed or is unknown."""
    codes = [one.state.terminated.exit_code for one in (
        pod.status.container_statuses or () if pod else ())
        if one.name == "base" and one.state.terminated]
    return codes[0] if codes and codes[0] < KILLED else None


STAGES = {"process": StageProcess, "pod": StagePod}
if TASKS not in STAGES:
    raise ValueError(f"AURA_AIRFLOW_TASKS={TASKS} must be one of "
                     f"{', '.join(STAGES)}")
STAGE = STAGES[TASKS]


@task
def batches(messages, **context):
    """Group the batches, to limit the number of tasks."""
    if not messages:
        where = context["params"]["folder"]
        new = "new " if context["params"].get("only_new") else ""
        raise AirflowSkipException(
            f"there are no {new}recordings in {where}/: nothing to do")
    size = math.ceil(len(messages) / MAX_TASKS)
    return [messages[at:at + size] for at in range(0, len(messages), size)]


@task(trigger_rule="all_done_min_one_success", retries=0)
def finish(groups, answers, **context):
    """Print the results of the run; fail if an earlier task has failed."""
    planned = flat(groups)
    for rpc, messages in answers.items():
        # After a run is cleared, Airflow keeps answers of batches that are
        # gone. The trainer's last answer is the only one with results.
        found = flat(messages)[-1:] if rpc == REDUCED else [
            one for one in flat(messages)
            if one["batch_count"] == planned[0]["batch_count"]]
        for answer in found:
            print(answer["status_text"])
        if rpc == REDUCED:
            if not (found and found[0]["model_path"]):
                raise AirflowFailException(
                    found[0]["status_text"] if found else "the training "
                    "failed. Clear the failed tasks to repeat only these")
        elif failed := len(planned) - len(found):
            raise AirflowFailException(
                f"{failed} of {len(planned)} batches failed; the other "
                "results are complete. Clear the failed tasks to repeat only "
                "these")
    if not any(one["record_count"] for one in planned):
        raise AirflowFailException(
            "no recording could be read: " + planned[0]["status_text"])
    return "results in runs/" + run_name(
        context["dag"].dag_id, context["run_id"])


def links_of(path):
    """The source of a blueprint, and each rpc's node and targets."""
    node_of, targets, sources = {}, {}, []
    for node in json.loads(path.read_text("utf-8"))["nodes"]:
        for call in node["operation_signature_list"]:
            signature = call["operation_signature"]
            rpc = signature["operation_name"]
            if rpc in node_of:
                raise ValueError(f"two nodes have the rpc {rpc}; a DAG needs "
                                 "a name of its own for each task")
            node_of[rpc] = node
            targets[rpc] = [one["operation_signature"]["operation_name"]
                            for one in call["connected_to"]]
            if signature["input_message_name"] == SOURCE:
                sources.append(rpc)
    fed = [rpc for some in targets.values() for rpc in some]
    if (len(sources) != 1 or sorted([*sources, *fed]) != sorted(node_of)
            or {*order(sources[0], targets)} != {*node_of}
            or targets.get(REDUCED)):
        raise ValueError(
            "a DAG needs one source from which links lead to every other "
            f"rpc, one to each, and {REDUCED} at the end; 'aura solution "
            "check' on its bundle says more")
    return sources[0], node_of, targets


def solution(path):
    """The DAG of a blueprint."""
    source, node_of, targets = links_of(path)
    params = {name: pair for rpc in node_of
              for name, pair in PARAMS.get(rpc, {}).items()}
    sets = {name: env for name, (env, _) in params.items()}
    sinks = [rpc for rpc in node_of if not targets[rpc]]
    whole = timedelta(hours=WHOLE_HOURS)
    watched = WATCH if source == "load_recordings" else ""

    def stage(rpc, **more):
        return STAGE(node=node_of[rpc], rpc=rpc, sets=sets, sinks=sinks,
                     **more).output

    with DAG(
            dag_name(path), schedule=watched or None, catchup=False,
            max_active_runs=1, max_active_tasks=AT_ONCE,
            is_paused_upon_creation=False, doc_md=__doc__, tags={"aura"},
            params={name: param for name, (_, param) in params.items()},
            default_args={
                # Finish batches before new ones are started.
                "weight_rule": "upstream",
                "retries": RETRIES, "retry_exponential_backoff": True,
                "retry_delay": timedelta(seconds=RETRY_S),
                "max_retry_delay": timedelta(minutes=10),
                "execution_timeout": timedelta(hours=BATCH_HOURS)}) as dag:
        groups = batches(stage(source, execution_timeout=whole))

        @task_group
        def batch(messages):
            answers = {source: messages}
            for rpc in (one for one in order(source, targets)
                        if one not in (source, REDUCED)):
                feeding = next(name for name in answers
                               if rpc in targets[name])
                answers[rpc] = stage(rpc, messages=answers[feeding])
            return answers

        answers = batch.expand(messages=groups)
        if REDUCED in node_of:
            feeding = next(rpc for rpc in node_of if REDUCED in targets[rpc])
            answers[REDUCED] = stage(
                REDUCED, messages=answers[feeding], execution_timeout=whole)
        finish(groups, {rpc: answers[rpc] for rpc in sinks})
    return dag


def order(rpc, targets):
    """An rpc and all that its answers lead to, each after what feeds it."""
    return [rpc, *(one for target in targets[rpc]
                   for one in order(target, targets))]


def broken(path, error):
    """A DAG that only says why a blueprint cannot be run."""
    # An import error would take the other solutions' DAGs away: Airflow knows
    # it by the Python file, which is one for all.
    reason = f"{path.name!r} cannot be run as a DAG: " + (
        str(error) if isinstance(error, (ValueError, OSError)) else
        f"it is no blueprint of the canvas ({type(error).__name__})")
    with DAG(dag_name(path), schedule=None, catchup=False,
             tags={"aura", "broken blueprint"}, description=reason,
             is_paused_upon_creation=False, doc_md=reason) as dag:

        @task(retries=0)
        def blueprint():
            """Fail with what is wrong with the blueprint."""
            raise AirflowFailException(reason)
        blueprint()
    return dag


for file in sorted(SOLUTIONS.glob("*.json")):
    try:
        made = solution(file)
    # Whatever a file holds, the other solutions keep their DAGs.
    except Exception as problem:
        made = broken(file, problem)
    globals()[made.dag_id] = made
