"""The Compose file, by parsing; and the wrappers of the verbs."""

import re
import shutil
import subprocess

import pytest
from manifests import ROOT, read

from aura.blocks import BLOCKS, offering
from aura.platform import blueprint, repository
from aura.platform.bundle import SHARED_FOLDER_ENV
from aura.platform.bundle_files import addresses
from aura.rpc.server import Endpoint

SOLUTIONS = tuple(repository.solutions())
# The store and Grafana are in test_store.py.
SERVICES = {name: service for name, service in read(
    ROOT / "compose.yaml")["services"].items()
    if "view" not in service.get("profiles", ())}
BLOCK_NAMES = tuple(block.name for block in BLOCKS)


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_confined(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"] == ["/tmp"]
    assert re.fullmatch(r"\$\{AURA_USER:-[1-9]\d+:[1-9]\d+\}",
                        service["user"])
    assert service["mem_limit"]
    assert not service.keys() & {"privileged", "network_mode", "pid",
                                 "cap_add", "devices", "ipc"}
    owner = name if name in BLOCK_NAMES else "ecg-loader"
    assert service["image"] == f"aura/{owner}:${{AURA_TAG:-dev}}"


def test_ports_are_open_on_this_machine_only():
    ports = [port for service in SERVICES.values()
             for port in service.get("ports", ())]
    taken = [re.fullmatch(rf"127\.0\.0\.1:(\d+):{Endpoint.port}", port)[1]
             for port in ports]
    assert len(set(taken)) == len(BLOCKS)


@pytest.mark.parametrize("name", BLOCK_NAMES)
def test_a_block_has_time_to_end_and_is_asked_for_its_health(name):
    service = SERVICES[name]
    assert int(service["stop_grace_period"].rstrip("s")) > Endpoint.grace_s
    assert service["healthcheck"]["test"] == [
        "CMD", "python", "-m", "aura.rpc.health"]
    shared = service["environment"][SHARED_FOLDER_ENV]
    assert [volume.rpartition(":")[2] for volume in service["volumes"]] == [
        shared]


@pytest.mark.parametrize("name", SOLUTIONS)
def test_a_run_waits_for_the_blocks_of_its_blueprint(name):
    plan = blueprint.parse(
        (ROOT / f"solutions/{name}.json").read_text("utf-8"))
    wanted = {offering(node.rpcs[0].name).name for node in plan.nodes}
    service = SERVICES[name]
    assert service["depends_on"] == {
        block: {"condition": "service_healthy"} for block in wanted}
    assert service["entrypoint"] == ["python", "-m", "aura", "run", name]
    given, target, _ = service["volumes"][1].split(":")
    assert f"--connect={target}" in service["command"]
    found = addresses((ROOT / given).read_text("utf-8"), plan)
    assert set(found.values()) == {
        f"{block}:{Endpoint.port}" for block in wanted}


def test_compose_itself_accepts_the_file():
    for command in (["docker", "compose"], ["podman-compose"]):
        if shutil.which(command[0]) and not subprocess.run(
                [*command, "version"], capture_output=True).returncode:
            break
    else:
        pytest.skip("there is no docker compose and no podman-compose")
    done = subprocess.run(
        [*command, "-f", str(ROOT / "compose.yaml"), "config"],
        text=True, capture_output=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.k8s
def test_ci_wraps_verbs_that_the_makefile_has():
    verbs = set(re.findall(
        r"^([a-z][-a-z0-9]*):", (ROOT / "Makefile").read_text(), re.M))
    used = set()
    for name in (".travis.yml", "Jenkinsfile"):
        for line in re.findall(
                r"make ([-a-z0-9 ]+)", (ROOT / name).read_text("utf-8")):
            used |= set(line.split())
    assert {"lint", "test", "test-images", "test-k8s"} <= used <= verbs
