"""A real Airflow with a home and a shared folder of its own."""

import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ROOT / ".venv-airflow/bin/python"
START = ROOT / "airflow/start.py"
# Generous: what else the machine does is not what is tested.
READY_S, RUN_S = 300, 900
ENDED = ("success", "failed")


def missing():
    """Why there is no Airflow here, or None."""
    if not PYTHON.is_file():
        return f"no {PYTHON.relative_to(ROOT)}; make airflow-env makes it"
    with tempfile.TemporaryDirectory() as home:
        # Else it would make a home for itself in the user's.
        probe = subprocess.run(
            [PYTHON, "-c", "import airflow.sdk"], cwd="/", text=True,
            env={**os.environ, "AIRFLOW_HOME": home}, capture_output=True)
    return (f"airflow.sdk: {probe.stderr.splitlines()[-1]}"
            if probe.returncode else None)


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Refused(OSError):
    """An answer other than the one that was asked for."""

    @property
    def code(self):
        """The HTTP status."""
        return self.args[0]


class Site:
    """
    An Airflow; a context manager that runs all its components.

    What is set in `environ` wins over what a user of the machine has set.
    """

    def __init__(self, home, shared, **environ):
        self.home, self.shared = home, shared
        self.port = free_port()
        self.environ = {
            **{name: text for name, text in os.environ.items()
               if not name.startswith(("AIRFLOW", "AURA_", "_AIRFLOW"))},
            "AIRFLOW_HOME": str(home), "SHARED_FOLDER_PATH": str(shared),
            "AIRFLOW__API__PORT": str(self.port),
            # A dead scheduler is noticed sooner than on a busy cluster.
            "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "15",
            "AURA_AIRFLOW_RETRY_S": "1", **environ}
        self.log = home.with_suffix(".log")
        self.process = self._token = None

    def command(self, *arguments, code=0, **environ):
        """Run one Airflow command to its end; what it wrote."""
        done = subprocess.run(
            [PYTHON, START, *arguments], env={**self.environ, **environ},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == code, done.stdout
        return done.stdout

    def __enter__(self):
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [PYTHON, START], env=self.environ, stdout=log, stderr=log,
                start_new_session=True)
        try:
            self.wait_for(
                lambda: len(self.get("dags")["dags"]) == 2, READY_S)
        except BaseException:
            # Nobody else would end what has been started.
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(READY_S)

    def wait_for(self, there, seconds=RUN_S):
        """Wait for something to become true."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if there():
                    return
            except OSError:
                pass
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(1)

    def processes(self):
        """All below us that live: process id, and command line or title."""
        parents, titles = {}, {}
        for path in Path("/proc").glob("[0-9]*"):
            try:
                fields = (path / "stat").read_text().rpartition(
                    ")")[2].split()
                titles[int(path.name)] = (path / "cmdline").read_text(
                    errors="replace").replace("\0", " ")
            except OSError:
                continue
            if fields[0] != "Z":
                parents[int(path.name)] = int(fields[1])
        found, new = {}, {self.process.pid}
        while new:
            new = {pid for pid, parent in parents.items() if parent in new}
            found |= {pid: titles[pid] for pid in new}
        return found

    def kill(self, title):
        """End at once the first process below us of such a title."""
        deadline = time.monotonic() + RUN_S
        while time.monotonic() < deadline:
            for pid, found in self.processes().items():
                if title in found:
                    os.kill(pid, signal.SIGKILL)
                    return
            time.sleep(0.05)
        raise AssertionError(f"no process {title!r}")

    def listening(self):
        """Addresses that it, or anything it started, listens on."""
        ours = "|".join(f"pid={pid}," for pid in self.processes())
        lines = subprocess.run(["ss", "-Hltnp"], text=True, check=True,
                               capture_output=True).stdout.splitlines()
        return {line.split()[3] for line in lines if re.search(ours, line)}

    def password(self):
        """The user and password that were made on the first run."""
        (user, password), = json.loads(
            (self.home / "passwords.json").read_text()).items()
        return user, password

    def get(self, path, body=None, method=None):
        """Ask the REST API as a person with a browser does."""
        if self._token is None:
            user, password = self.password()
            self._token = self._ask("auth/token", {
                "username": user, "password": password})["access_token"]
        return self._ask(f"api/v2/{path}", body, method)

    def _ask(self, path, body=None, method=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/{path}", method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json",
                     "Accept": "application/json", **(
                         {"Authorization": f"Bearer {self._token}"}
                         if self._token else {})})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                raise Refused(error.code) from None

    def trigger(self, dag, run=None, **params):
        """Start a run; its id."""
        return self.get(f"dags/{dag}/dagRuns", {
            "logical_date": None, "conf": params,
            **({"dag_run_id": run} if run else {})})["dag_run_id"]

    def wait(self, dag, run, seconds=RUN_S):
        """Wait for the end of a run; its state."""
        self.wait_for(lambda: self.state(dag, run) in ENDED, seconds)
        return self.state(dag, run)

    def run(self, dag, run=None, **params):
        """Start a run and wait; its id and state."""
        run = self.trigger(dag, run, **params)
        return run, self.wait(dag, run)

    def state(self, dag, run):
        """State of a run."""
        return self.get(f"dags/{dag}/dagRuns/{run}")["state"]

    def tasks(self, dag, run):
        """Task instances by task and index."""
        found = self.get(
            f"dags/{dag}/dagRuns/{run}/taskInstances?limit=1000")
        return {(one["task_id"].rpartition(".")[2], one["map_index"]): one
                for one in found["task_instances"]}

    def states(self, dag, run):
        """State of each task instance."""
        return {key: one["state"]
                for key, one in self.tasks(dag, run).items()}

    def said(self, dag, run, task, index=-1, attempt=1):
        """What the log of a task shows in the browser."""
        content = self.get(
            f"dags/{dag}/dagRuns/{run}/taskInstances/{task}/logs/{attempt}"
            f"?map_index={index}&full_content=true")["content"]
        return "\n".join(
            one if isinstance(one, str) else json.dumps(one)
            for one in content)

    def clear(self, dag, run, only_failed=True):
        """Repeat what failed, or all, as 'Clear' in the browser does."""
        return self.get(f"dags/{dag}/clearTaskInstances", {
            "dry_run": False, "dag_run_id": run, "only_failed": only_failed,
            "reset_dag_runs": True})
