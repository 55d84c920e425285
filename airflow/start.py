"""
Run Airflow with the project's DAGs on this machine.

Without arguments, start all components; they end together. With arguments,
run a single Airflow command with the same settings, such as ``start.py dags
list``. ``start.py secrets`` only creates the secrets for compose.yaml.
Variables that are already set in the environment are kept.
"""

import base64
import json
import os
import secrets
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
AIRFLOW = [sys.executable, "-m", "airflow"]
# The API server reads the log files directly, so no component serves them.
COMPONENTS = {
    "api-server": ["api-server"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}
USER = "admin"
PASSWORDS = "passwords.json"
SECRETS = {
    "AIRFLOW__CORE__FERNET_KEY": "fernet_key",
    "AIRFLOW__API__SECRET_KEY": "api_secret_key",
    "AIRFLOW__API_AUTH__JWT_SECRET": "jwt_secret",
}
GRACE_S = 30.0
WAIT_S = 180.0


def settings(given):
    """
    The environment of all components: `given`, and defaults for the rest.

    The first run creates the secrets in files that only their owner can read.
    Airflow reads them with a command, so they are in no environment variable.
    """
    home = Path(given.get("AIRFLOW_HOME") or ROOT / ".airflow").resolve()
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    port = given.get("AIRFLOW__API__PORT") or "8080"
    made = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": port,
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}/",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL":
            f"http://127.0.0.1:{port}/execution/",
        # Wrap long error messages in the log view.
        "AIRFLOW__API__DEFAULT_WRAP": "True",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "airflow/dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": str(2 * (os.cpu_count() or 1)),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE":
            str(home / PASSWORDS),
        # A task must not fail on a busy machine; the default is 5 s.
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
        "AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FOLDER_PERMISSIONS": "0o700",
        "AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FILE_PERMISSIONS": "0o600",
        "SHARED_FOLDER_PATH": str(ROOT / "shared"),
    }
    for name, file in SECRETS.items():
        if name not in given:
            keep(home / file, base64.urlsafe_b64encode(
                secrets.token_bytes(32)).decode())
            made[f"{name}_CMD"] = f"cat {shlex.quote(str(home / file))}"
    password = secrets.token_urlsafe(24)
    # Only compose.yaml uses these two.
    if keep(home / "database_password", password):
        keep(home / "database_url", "postgresql+psycopg2://airflow:"
             f"{password}@database/airflow")
    keep(home / PASSWORDS, json.dumps({USER: secrets.token_urlsafe(16)}))
    found = {**made, **{name: text for name, text in given.items() if text}}
    # The components and tasks run in other folders.
    found["SHARED_FOLDER_PATH"] = os.path.abspath(
        os.path.expanduser(found["SHARED_FOLDER_PATH"]))
    return found


def keep(path, content):
    """Write a secret unless the file exists; return whether it was written."""
    try:
        descriptor = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w") as stream:
        stream.write(content)
    return True


class Components:
    """The processes of Airflow, which end together."""

    def __init__(self, environ):
        self.environ = environ
        self.started = {}

    def start(self):
        """Start all components, and print their lines with their names."""
        for name, arguments in COMPONENTS.items():
            # In its own session, because Ctrl-C must reach only this process.
            process = subprocess.Popen(
                [*AIRFLOW, *arguments], env=self.environ, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                errors="replace", start_new_session=True)
            self.started[name] = process
            threading.Thread(target=relay, args=(name, process.stdout),
                             daemon=True).start()

    def ended(self):
        """Name and exit code of a component that has ended, or None."""
        for name, process in self.started.items():
            if process.poll() is not None:
                return name, process.returncode
        return None

    def end(self):
        """Terminate all components, and kill those that remain."""
        # The scheduler's workers need the API server until they end.
        for name, process in reversed(self.started.items()):
            process.terminate()
        deadline = time.monotonic() + GRACE_S
        for process in self.started.values():
            try:
                process.wait(max(0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                pass
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()


def relay(name, stream):
    """Print the lines of a component after its name."""
    for line in stream:
        print(f"{name:13} | {line.rstrip()}", flush=True)


def wait(components, url):
    """Wait until the API server answers; False if a component has ended."""
    from urllib.error import URLError
    from urllib.request import urlopen
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        if components.ended():
            return False
        try:
            with urlopen(f"{url}api/v2/version", timeout=5):
                return True
        except (URLError, OSError):
            time.sleep(1)
    print(f"make airflow: {url} does not answer yet", flush=True)
    return True


def serve(environ):
    """Run all components until Ctrl-C or until one ends; return the error."""
    shared = Path(environ["SHARED_FOLDER_PATH"])
    for name in ("training", "recordings"):
        (shared / name).mkdir(parents=True, exist_ok=True)
    if subprocess.run([*AIRFLOW, "db", "migrate"], env=environ,
                      stdout=subprocess.DEVNULL).returncode:
        return "the database could not be prepared"
    components = Components(environ)
    try:
        components.start()
        url = environ["AIRFLOW__API__BASE_URL"]
        if wait(components, url):
            print(f"\nAirflow runs at {url}. The user is {USER}; the password "
                  f"is in {environ['AIRFLOW_HOME']}/{PASSWORDS}.\n"
                  f"Put recordings into {shared}/training and "
                  f"{shared}/recordings.\nStop with Ctrl-C.\n", flush=True)
        while not (ended := components.ended()):
            time.sleep(0.5)
        return f"the {ended[0]} ended with exit code {ended[1]}"
    except KeyboardInterrupt:
        return None
    finally:
        components.end()


def main(arguments):
    """Run Airflow or a single command, and return the exit code."""
    environ = settings(os.environ)
    if arguments == ["secrets"]:
        return 0
    if arguments:
        return subprocess.run([*AIRFLOW, *arguments], env=environ).returncode
    # A shell disables Ctrl-C for a process in the background.
    for asked in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asked, signal.default_int_handler)
    problem = serve(environ)
    if problem:
        print(f"make airflow: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
