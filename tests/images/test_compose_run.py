"""The Compose file as it runs: health, both solutions, an orderly end."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import TAG, opened, until

from aura.blocks import BLOCKS

pytestmark = pytest.mark.images

ROOT = Path(__file__).parents[2]


class Project:
    """A Compose project of this test, on free ports."""

    def __init__(self, command, engine, shared, folder):
        self.engine = engine
        self.name = f"auratest{os.getpid()}"
        ports = folder / "ports.yaml"
        ports.write_text("services:\n" + "".join(
            f"  {block.name}:\n"
            '    ports: !override ["127.0.0.1::8061"]\n'
            for block in BLOCKS))
        self.command = [*command, "-p", self.name, "-f",
                        str(ROOT / "compose.yaml"), "-f", str(ports)]
        # As documented for a folder that belongs to its user.
        self.environ = {**os.environ, "AURA_SHARED": str(shared),
                        "AURA_TAG": TAG,
                        "AURA_USER": f"{os.getuid()}:{os.getgid()}"}

    def __call__(self, *arguments):
        """A command of Compose, with its output."""
        return subprocess.run(
            [*self.command, *arguments], env=self.environ, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def run(self, solution):
        done = self("--profile", solution, "run", "--rm", "-T", solution)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def containers(self):
        """Names of the project's containers, by service."""
        listed = self.engine(
            "ps", "--all", "--filter",
            f"label=com.docker.compose.project={self.name}", "--format",
            '{{index .Labels "com.docker.compose.service"}} {{.Names}}'
            if self.engine.is_podman else
            '{{.Label "com.docker.compose.service"}} {{.Names}}')
        return dict(line.split() for line in listed.splitlines())

    def down(self):
        return self("--profile", "training", "--profile", "prediction",
                    "down")


def compose_of(engine):
    """The Compose command of an engine, if there is one."""
    command = ([os.environ.get("AURA_PODMAN_COMPOSE", "podman-compose")]
               if engine.is_podman else [engine.name, "compose"])
    if not shutil.which(command[0]) or subprocess.run(
            [*command, "version"], capture_output=True).returncode:
        pytest.skip(f"there is no {' '.join(command)}; PyPI has "
                    "podman-compose, AURA_PODMAN_COMPOSE names it")
    return command


@pytest.fixture(scope="module")
def project(engine, built, cohort, tmp_path_factory):
    """The project; it is always taken down at the end."""
    folder = tmp_path_factory.mktemp("compose")
    shared = opened(cohort, folder / "shared")
    made = Project(compose_of(engine), engine, shared, folder)
    try:
        yield made, shared
    finally:
        made.down()


def test_both_solutions_run_and_their_blocks_are_healthy(project, engine):
    made, shared = project
    assert "Model " in made.run("training")
    assert "runs/recordings-" in made.run("prediction")
    assert len(list(shared.glob("runs/recordings-*/events/**/*.tsv"))) == len(
        list(shared.glob("recordings/**/*.edf")))
    blocks = made.containers()
    assert blocks.keys() == {block.name for block in BLOCKS}
    for container in blocks.values():
        if engine.is_podman:
            # Elsewhere a timer of systemd runs the check.
            until(lambda: not engine.code("healthcheck", "run", container))
        found = engine.inspect(container)["State"]
        assert (found.get("Health") or found["Healthcheck"])[
            "Status"] == "healthy"


def test_ports_are_open_on_loopback_only(project, engine):
    made, _ = project
    for container in made.containers().values():
        assert engine("port", container).startswith("8061/tcp -> 127.0.0.1:")


def test_a_stop_ends_every_block_in_good_order(project, engine):
    made, _ = project
    containers = made.containers().values()
    assert made("stop").returncode == 0
    assert {engine.inspect(name)["State"]["ExitCode"]
            for name in containers} == {0}
    assert made.down().returncode == 0
    assert made.containers() == {}
