"""A solution on one machine: each node a container of its image."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from aura import state
from aura.platform.blueprint import Blueprint, Node
from aura.platform.bundle import GRPC_PORT, SHARED_FOLDER, SHARED_FOLDER_ENV
from aura.runners.processes import GRACE_S, LocalProcesses, Process

ENGINE_ENV, ENGINES = "AURA_ENGINE", ("podman", "docker")
MODEL_ENV, MODEL_FOLDER = "AURA_MODEL", "/given-model"
# Settings of the user that reach the containers.
_PASSED_ON = ("AURA_", "INFLUXDB_V2_")
_NOT_PASSED_ON = {"AURA_BLOCK", "AURA_HOST", "AURA_PORT", ENGINE_ENV,
                  MODEL_ENV}


def engine() -> str:
    """The container engine: ``AURA_ENGINE``, else podman or docker."""
    given = os.environ.get(ENGINE_ENV)
    for name in (given,) if given else ENGINES:
        # A docker command without its daemon does not work.
        if shutil.which(name) and not subprocess.run(
                [name, "info"], capture_output=True).returncode:
            return name
    raise state.error(
        "run.no_engine", name=given or "podman or docker", variable=ENGINE_ENV)


class LocalContainers(LocalProcesses):
    """Starts the images of a blueprint and calls them; a context manager."""

    def __init__(self, blueprint: Blueprint, shared: Path) -> None:
        super().__init__(blueprint, shared)
        self._engine = engine()
        self._shared = shared.resolve()
        self._settings = {"AURA_SINKS": blueprint.sinks} | {
            name: value for name, value in os.environ.items()
            if name.startswith(_PASSED_ON) and name not in _NOT_PASSED_ON}
        self._settings |= {
            "AURA_GRACE_S": str(GRACE_S), "AURA_ENDS_WITH_INPUT": "1",
            SHARED_FOLDER_ENV: SHARED_FOLDER}
        self._model = os.environ.get(MODEL_ENV)
        if self._model:
            self._settings[MODEL_ENV] = MODEL_FOLDER
        self._token = secrets.token_hex(4)

    def _start(self) -> None:
        # A pull may take minutes; the nodes' time to start begins after it.
        for node in self._blueprint.nodes:
            self._fetch(node.image)
        super()._start()

    def _begin(self, node: Node) -> Process:
        return Process(node.name, self._command_of(node),
                       {**os.environ, **self._settings})

    def _address(self, node: Node, process: Process, deadline: float) -> str:
        process.wait_for_port(deadline)
        done = self._run("port", self._name(node.name), f"{GRPC_PORT}/tcp")
        if done.returncode != 0:
            raise state.error(
                "run.engine", engine=Path(self._engine).name, node=node.name,
                why=_last(done.stderr))
        return done.stdout.splitlines()[0].strip()

    def _end(self) -> None:
        started = [self._name(node) for node in self._processes]
        try:
            super()._end()
        finally:
            # A container may not have ended, or its client was killed.
            for name in started:
                self._run("rm", "--force", name)

    def _name(self, node: str) -> str:
        return f"aura-{self._token}-{node}"

    def _fetch(self, image: str) -> None:
        if not image:
            raise state.error("run.no_image/name")
        for verb in (("image", "inspect"), ("pull",)):
            done = self._run(*verb, image)
            if done.returncode == 0:
                return
        raise state.error("run.no_image", image=image, why=_last(done.stderr))

    def _run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([self._engine, *arguments], check=False,
                              capture_output=True, text=True)

    def _command_of(self, node: Node) -> Sequence[str]:
        owner = self._shared.stat()
        command = [
            self._engine, "run", "--rm", "--interactive",
            "--name", self._name(node.name),
            "--publish", f"127.0.0.1::{GRPC_PORT}",
            "--user", f"{owner.st_uid}:{owner.st_gid}",
            "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL",
            "--security-opt", "no-new-privileges",
            # Under SELinux the user's folder keeps its label.
            "--security-opt", "label=disable",
            "--volume", f"{self._shared}:/{SHARED_FOLDER}"]
        if self._model:
            command += [
                "--volume", f"{Path(self._model).resolve()}:{MODEL_FOLDER}:ro"]
        if Path(self._engine).name == "podman" and os.geteuid() != 0:
            command += ["--userns", "keep-id"]
        # Names only: every user can read the arguments of a process.
        for name in sorted(self._settings):
            command += ["--env", name]
        return [*command, node.image]


def _last(text: str) -> str:
    return " ".join(text.split())[-200:]
