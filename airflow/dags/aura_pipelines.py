"""
The solutions of this project as DAGs: one for each blueprint.

A run loads its recordings, hands their batches out in mapped tasks, and ends
with one task that says what came of it. Each task calls one rpc of one block
once, by ``aura call``: as a process of this machine, or as a pod of the
block's image. Only paths and counts travel; the work is on the shared folder.
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
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
)

ROOT = Path(__file__).resolve().parents[2]


def setting(name, default):
    """A setting of the deployment; see docs/airflow.md."""
    return type(default)(os.environ.get(f"AURA_AIRFLOW_{name}") or default)


SOLUTIONS = Path(setting("SOLUTIONS", str(ROOT / "solutions")))
COMMAND = setting("COMMAND", str(ROOT / ".venv/bin/aura"))
PODS = setting("TASKS", "process") == "pod"
NAMESPACE = setting("NAMESPACE", "aura")
CLAIM = setting("CLAIM", "aura-shared")
WATCH = setting("WATCH", "")
AT_ONCE = setting("AT_ONCE", os.cpu_count() or 1)
MAX_TASKS = setting("MAX_TASKS", 500)
RETRIES = setting("RETRIES", 2)
RETRY_S = setting("RETRY_S", 10.0)
BATCH_HOURS = setting("BATCH_HOURS", 2.0)
WHOLE_HOURS = setting("WHOLE_HOURS", 24.0)

# A pod has it where the blocks expect it.
SHARED = Path("/data/shared") if PODS else Path("/") / (
    os.environ.get("SHARED_FOLDER_PATH") or "/data/shared")
SOURCE, REDUCED = "Empty", "train"
AGAIN_LATER = 75
# The kernel limits one argument to 128 KiB.
ARGUMENT_BYTES = 100_000
RUN_ID_LENGTH = 100
INSIDE = r"^(?!/)(?!.*\.\.)[^\x00]*$"


def given(env, default, **schema):
    """A parameter that sets an environment variable of the blocks."""
    kind = type(default)
    return env, Param(
        kind(os.environ.get(env) or default) if kind is not bool else default,
        **schema)


def folder(env, default, text):
    """A parameter that names a folder on the shared folder."""
    return given(env, default, type="string", pattern=INSIDE, title="Input "
                 "folder", description=f"{text}, relative to the shared "
                 "folder.", minLength=1)


PARAMS = {
    "load_training": {
        "folder": folder("AURA_TRAINING", "training",
                         "Annotated recordings to learn from")},
    "load_recordings": {
        "folder": folder("AURA_RECORDINGS", "recordings",
                         "Recordings to predict"),
        "only_new": given(
            "AURA_ONLY_NEW", bool(WATCH), type="boolean", title="Only new "
            "ones", description="Leave out recordings that an earlier run "
            "has finished with.")},
    "build_features": {
        "batch_size": given(
            "AURA_BATCH_SIZE", 16, type="integer", minimum=1, maximum=10_000,
            title="Recordings in a batch", description="More make fewer "
            "and longer tasks.")},
    "train": {
        "target_far": given(
            "AURA_TARGET_FAR", 1.0, type="number", minimum=0, maximum=1000,
            title="Target false-alarm rate", description="False alarms per "
            "24 h at which the alarm threshold is set.")},
    "predict": {
        "model": ("AURA_MODEL", Param(
            # The form takes an empty text for a missing one.
            None, type=["null", "string"], pattern=INSIDE, title="Model",
            description="Folder of a model, relative to the shared folder, "
            "such as models/1f0c... Empty: the one trained last."))},
}


def run_name(solution, run_id):
    """Name of the run's folder: the same one whenever a task is repeated."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", f"{solution}-{run_id}")
    if len(name) <= RUN_ID_LENGTH:
        return name
    digest = hashlib.sha256(run_id.encode()).hexdigest()[:8]
    return f"{name[:RUN_ID_LENGTH - 9]}-{digest}"


def environment(context, sets):
    """What a run sets for the blocks: its name, and its parameters."""
    found = {"SHARED_FOLDER_PATH": str(SHARED), "AURA_RUN_ID": run_name(
        context["dag"].dag_id, context["run_id"])}
    for name, env in sets.items():
        value = context["params"][name]
        if env != "AURA_MODEL":
            found[env] = str(int(value) if isinstance(value, bool) else value)
        elif value:
            found[env] = str(SHARED / value)
    return found


def flat(messages):
    """Messages of one task, or of all mapped tasks, as one list."""
    return [one for some in messages or () for one in (
        [some] if isinstance(some, dict) else some or ())]


class StageProcess(BaseOperator):
    """Call an rpc in the project's own environment, on this machine."""

    template_fields = ("messages",)

    def __init__(self, *, node, rpc, sets, messages=None, **more):
        super().__init__(task_id=rpc, **more)
        self.rpc, self.sets, self.messages = rpc, sets, messages
        self._process = None

    def execute(self, context):
        """Answer with the block's answers; the last line tells a fault."""
        own = {"AURA_WORKERS": str(max(1, (os.cpu_count() or 1) // AT_ONCE)),
               **{name: value for name, value in os.environ.items()
                  if "AIRFLOW_" not in name}}
        with tempfile.TemporaryDirectory() as place:
            out = Path(place, "answer.json")
            try:
                self._process = subprocess.Popen(
                    [COMMAND, "call", self.rpc, "--out", str(out)],
                    stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                    # It ends with us, whatever ends us.
                    env={**own, **environment(context, self.sets),
                         "AURA_ENDS_WITH_INPUT": "1"})
            except OSError as error:
                raise AirflowFailException(
                    f"{COMMAND} cannot be started: {error.strerror}; make "
                    "demo installs it, AURA_AIRFLOW_COMMAND names another")
            try:
                said = self._talk(self._process)
            finally:
                self.on_kill()
            self._judge(self._process.returncode, said)
            return json.loads(out.read_bytes())

    def _talk(self, process):
        last = ""
        if self.messages is not None:
            # One that has ended already says why.
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(flat(self.messages)) + "\n")
                process.stdin.flush()
        for line in process.stderr:
            last = line.strip() or last
            self.log.info(line.rstrip())
        process.wait()
        return last

    def _judge(self, code, said):
        if code < 0:
            raise AirflowException(
                f"{self.rpc} was ended by {signal.Signals(-code).name}"
                + ("; too little memory?" if -code == signal.SIGKILL else ""))
        if code == AGAIN_LATER:
            raise AirflowException(said)
        if code:
            # The same call would fail again.
            raise AirflowFailException(said)

    def on_kill(self):
        """End the process with its task."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def pod_of(rpc):
    """Pod of a call, as the restricted Pod Security Standard wants it."""
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
                "terminationMessagePolicy": "FallbackToLogsOnError",
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


CONFINED = {"allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]}}


def arguments_of(rpc, messages):
    """Arguments of ``aura call``, each shorter than the kernel allows."""
    arguments = ["call", rpc, "--out", "/airflow/xcom/return.json"]
    part = []
    for message in messages:
        if part and len(json.dumps([*part, message])) > ARGUMENT_BYTES:
            arguments += ["--message", json.dumps(part)]
            part = []
        part.append(message)
    return arguments + (["--message", json.dumps(part)] if part else [])


def stage_pod():
    """The operator for pods; importing its library takes a while."""
    from airflow.providers.cncf.kubernetes.operators.pod import (
        KubernetesPodOperator)

    class StagePod(KubernetesPodOperator):
        """Call an rpc in a pod of the block's image."""

        template_fields = (
            *KubernetesPodOperator.template_fields, "messages")

        def __init__(self, *, node, rpc, sets, messages=None, **more):
            super().__init__(
                task_id=rpc, name=f"aura-{node['container_name']}",
                namespace=NAMESPACE, image=node["image"],
                cmds=["python", "-m", "aura"], pod_template_dict=pod_of(rpc),
                xcom_sidecar_container_security_context=CONFINED,
                automount_service_account_token=False, do_xcom_push=True,
                on_finish_action="delete_pod", startup_timeout_seconds=600,
                **more)
            self.rpc, self.sets, self.messages = rpc, sets, messages

        def execute(self, context):
            """Answer with the block's answers."""
            self.arguments = arguments_of(self.rpc, flat(self.messages))
            self.env_vars = {
                **environment(context, self.sets), "AURA_WORKERS": "2"}
            return super().execute(context)

    return StagePod


STAGE = stage_pod() if PODS else StageProcess


@task
def batches(messages, **context):
    """Group the batches, so that there are never too many tasks."""
    if not messages:
        where = context["params"]["folder"]
        new = "new " if context["params"].get("only_new") else ""
        raise AirflowSkipException(
            f"there is no {new}recording in {where}/: nothing to do")
    size = math.ceil(len(messages) / MAX_TASKS)
    return [messages[at:at + size] for at in range(0, len(messages), size)]


@task(trigger_rule="all_done_min_one_success", retries=0)
def finish(groups, answers, **context):
    """Say what came of the run; it fails if a task before it did."""
    there = [some for some in answers or () if some]
    failed = len(groups) - len(there)
    if failed:
        raise AirflowFailException(
            f"{failed} of {len(groups)} tasks failed; the results of the "
            "others are there. Clear what failed to repeat it alone")
    answers = flat(there)
    # Of a training only the last answer tells more than what has arrived.
    told = answers[-1:] if "done" in answers[-1] else answers
    for answer in told:
        print(answer["status_text"])
    if not told[-1].get("model_path", True):
        raise AirflowFailException(told[-1]["status_text"])
    return "results in runs/" + run_name(
        context["dag"].dag_id, context["run_id"])


def chain_of(path):
    """Nodes and rpcs of a blueprint, from its source to its end."""
    nodes = {node["container_name"]: node for node in json.loads(
        path.read_text("utf-8"))["nodes"]}
    links = [(node, call) for node in nodes.values()
             for call in node["operation_signature_list"]]
    found = [link for link in links if link[1]["operation_signature"][
        "input_message_name"] == SOURCE]
    while True:
        following = found[-1][1]["connected_to"] if found else []
        if len(found) > len(links) or len(following) > 1 or not found:
            raise ValueError(
                f"{path.name}: a DAG is made of one source and one chain of "
                "rpcs; this blueprint branches or has none")
        if not following:
            return [(node, call["operation_signature"]["operation_name"])
                    for node, call in found]
        name = following[0]["operation_signature"]["operation_name"]
        found += [link for link in links
                  if link[0]["container_name"]
                  == following[0]["container_name"]
                  and link[1]["operation_signature"]["operation_name"]
                  == name]


def solution(path):
    """The DAG of a blueprint."""
    (source, load), *chain = chain_of(path)
    reduced = chain.pop() if chain[-1][1] == REDUCED else None
    used = [load, *(rpc for _, rpc in chain), *([REDUCED] if reduced else [])]
    params = {name: pair for rpc in used
              for name, pair in PARAMS.get(rpc, {}).items()}
    sets = {name: env for name, (env, _) in params.items()}
    whole = timedelta(hours=WHOLE_HOURS)
    watched = WATCH if load == "load_recordings" else ""
    with DAG(
            f"aura_{path.stem}", schedule=watched or None, catchup=False,
            max_active_runs=1, max_active_tasks=AT_ONCE,
            is_paused_upon_creation=False, doc_md=__doc__, tags={"aura"},
            params={name: param for name, (_, param) in params.items()},
            default_args={
                # What was begun is finished before more is begun.
                "weight_rule": "upstream",
                "retries": RETRIES, "retry_exponential_backoff": True,
                "retry_delay": timedelta(seconds=RETRY_S),
                "max_retry_delay": timedelta(minutes=10),
                "execution_timeout": timedelta(hours=BATCH_HOURS)}) as dag:
        groups = batches(STAGE(
            node=source, rpc=load, sets=sets, execution_timeout=whole).output)

        @task_group
        def batch(messages):
            for node, rpc in chain:
                messages = STAGE(node=node, rpc=rpc, sets=sets,
                                 messages=messages).output
            return messages

        answers = batch.expand(messages=groups)
        if reduced:
            report = STAGE(
                node=reduced[0], rpc=REDUCED, sets=sets, messages=answers,
                execution_timeout=whole).output
            finish([None], [report])
        else:
            finish(groups, answers)
    return dag


for blueprint in sorted(SOLUTIONS.glob("*.json")):
    globals()[f"aura_{blueprint.stem}"] = solution(blueprint)
