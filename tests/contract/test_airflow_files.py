"""Airflow's files, by reading; nothing of Airflow is needed for that."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests/k8s"))

from pod_rules import hardened, pod_of, restricted  # noqa: E402

FOLDER = ROOT / "airflow"
DAGS = FOLDER / "dags/aura_pipelines.py"


def imported(node):
    """Modules that import statements below a node name."""
    for one in ast.walk(node):
        if isinstance(one, ast.Import):
            yield from (alias.name for alias in one.names)
        elif isinstance(one, ast.ImportFrom):
            yield one.module


def test_the_dag_file_imports_only_the_sdk_and_the_standard_library():
    tree = ast.parse(DAGS.read_text("utf-8"))
    # What a function imports is no part of parsing.
    later = {name for one in ast.walk(tree) if isinstance(
        one, ast.FunctionDef) for name in imported(one)}
    for name in set(imported(tree)) - later:
        assert (name.partition(".")[0] in sys.stdlib_module_names
                or name.startswith("airflow.sdk"))
    assert later == {"airflow.providers.cncf.kubernetes.operators.pod"}


def test_the_start_script_needs_nothing_but_python():
    tree = ast.parse((FOLDER / "start.py").read_text("utf-8"))
    assert {name.partition(".")[0] for name in imported(tree)} <= set(
        sys.stdlib_module_names)


def test_nothing_here_can_shadow_airflow_itself():
    assert not list(FOLDER.rglob("__init__.py"))


def test_airflow_is_no_dependency_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "airflow" not in str(project["project"])
    for path in (ROOT / "requirements").glob("*.txt"):
        assert "airflow" not in path.read_text("utf-8")


def test_the_lock_has_a_digest_for_every_package():
    lock = (FOLDER / "requirements.txt").read_text("utf-8")
    packages = re.split(r"\n(?=\S)", lock.strip())
    assert all("--hash=sha256:" in package for package in packages)
    wanted = (FOLDER / "requirements.in").read_text("utf-8")
    version = re.search(r"==(\S+)", wanted)[1]
    assert f"\napache-airflow=={version} " in lock
    for name in ("cncf-kubernetes", "postgres"):
        assert f"\napache-airflow-providers-{name}==" in lock


SERVICES = yaml.safe_load(
    (FOLDER / "compose.yaml").read_text("utf-8"))["services"]


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"database"}))
def test_every_container_of_airflow_is_confined(name):
    service = SERVICES[name]
    assert service["read_only"] is True and service["tmpfs"] == ["/tmp"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    environment = service["environment"]
    # The known trap: workers that do not find, or do not trust, the server.
    assert environment["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == (
        "http://api-server:8080/execution/")
    assert environment["AIRFLOW__API_AUTH__JWT_SECRET_CMD"]
    assert not any(re.search("SECRET|PASSWORD|KEY|CONN", key)
                   and not key.endswith(("_CMD", "_FILE"))
                   for key in environment)


def test_only_this_machine_reaches_the_compose_file():
    ports = [port for service in SERVICES.values()
             for port in service.get("ports", ())]
    assert ports == ["127.0.0.1:8080:8080"]


def test_the_pod_of_a_task_runs_what_the_executor_gives_it():
    pod = yaml.safe_load((FOLDER / "pod.yaml").read_text("utf-8"))
    assert [*restricted(pod_of(pod)), *hardened(pod_of(pod))] == []
    base, = pod["spec"]["containers"]
    # The executor looks for this name and sets only the arguments.
    assert base["name"] == "base" and "args" not in base
    entry = re.search(r"ENTRYPOINT (.*)", (FOLDER / "Dockerfile").read_text(
        "utf-8"))[1]
    assert base["command"] == ["env"] and "airflow" in entry
    known = {one["name"]: one["value"] for one in base["env"]}
    assert known["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"].endswith(
        "/execution/")
    mounts = {one["name"]: one["mountPath"] for one in base["volumeMounts"]}
    assert mounts["shared"] == known["SHARED_FOLDER_PATH"]
    assert pod["metadata"]["namespace"] in (
        ROOT / "docs/airflow.md").read_text("utf-8")
