"""
A solution on one machine: each node a container with the blueprint's image.

The containers are given what the platform gives them: the shared folder,
its name without the leading slash, and nothing to write to besides. They
listen on loopback, and end and are removed with the `LocalContainers` that
started them, also when this process is killed.
"""

import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from aura.errors import MissingError, PreconditionError, UnavailableError
from aura.platform.blueprint import Blueprint, Node
from aura.platform.bundle import GRPC_PORT, SHARED_FOLDER, SHARED_FOLDER_ENV
from aura.rpc.client import READY_TIMEOUT_S
from aura.runners.processes import GRACE_S, LocalProcesses, Process

ENGINE_ENV, ENGINES = "AURA_ENGINE", ("podman", "docker")
MODEL_ENV, MODEL_FOLDER = "AURA_MODEL", "/given-model"
# What a user sets for a run; where a block listens is settled here.
_PASSED_ON = ("AURA_", "INFLUXDB_V2_")
_SETTLED = {"AURA_HOST", "AURA_PORT", ENGINE_ENV, MODEL_ENV}


def engine() -> str:
    """The container engine: ``AURA_ENGINE``, else podman or docker."""
    given = os.environ.get(ENGINE_ENV)
    for name in (given,) if given else ENGINES:
        # A docker command without its daemon is no engine.
        if shutil.which(name) and not subprocess.run(
                [name, "info"], capture_output=True).returncode:
            return name
    raise PreconditionError(
        "run.no_engine", f"there is no working {given or 'podman'}"
        f"{'' if given else ' or docker'}",
        f"install one, or name another by {ENGINE_ENV}")


class LocalContainers(LocalProcesses):
    """Starts the images of a blueprint and calls them; a context manager."""

    def __init__(self, blueprint: Blueprint, shared: Path,
                 environ: Mapping[str, str] | None = None,
                 timeout_s: float = READY_TIMEOUT_S) -> None:
        super().__init__(blueprint, shared, environ, timeout_s=timeout_s)
        self._engine = engine()
        self._shared = shared.resolve()
        self._settings = {
            name: value
            for name, value in {**os.environ, **(environ or {})}.items()
            if name.startswith(_PASSED_ON) and name not in _SETTLED}
        self._settings |= {
            "AURA_GRACE_S": str(GRACE_S), "AURA_ENDS_WITH_INPUT": "1",
            SHARED_FOLDER_ENV: SHARED_FOLDER}
        self._model = {**os.environ, **(environ or {})}.get(MODEL_ENV)
        if self._model:
            self._settings[MODEL_ENV] = MODEL_FOLDER
        self._token = secrets.token_hex(4)

    def _start(self) -> None:
        # A pull takes minutes; a node that has to start, seconds.
        for node in self._blueprint.nodes:
            self._fetch(node.image)
        super()._start()

    def _begin(self, node: Node) -> Process:
        return Process(node.name, self._command_of(node),
                       {**os.environ, **self._settings})

    def _address(self, node: Node, process: Process, deadline: float) -> str:
        process.wait_for_port(deadline)
        said = self._ask("port", self._name(node.name), f"{GRPC_PORT}/tcp")
        return said.splitlines()[0].strip()

    def _end(self) -> None:
        started = [self._name(node) for node in self._processes]
        try:
            super()._end()
        finally:
            # One that did not end by itself, or whose client was killed.
            for name in started:
                subprocess.run([self._engine, "rm", "--force", name],
                               capture_output=True, check=False)

    def _name(self, node: str) -> str:
        return f"aura-{self._token}-{node}"

    def _fetch(self, image: str) -> None:
        if not image:
            raise PreconditionError(
                "run.no_image", "the blueprint names no image for a node",
                "write it with 'aura solution bundle'")
        for verb in (("image", "inspect"), ("pull",)):
            done = subprocess.run([self._engine, *verb, image], check=False,
                                  capture_output=True, text=True)
            if done.returncode == 0:
                return
        raise MissingError(
            "run.no_image", f"there is no image {image}: "
            + " ".join(done.stderr.split())[-200:],
            "build it, or bundle the solution with another registry or tag")

    def _ask(self, *arguments: str) -> str:
        done = subprocess.run([self._engine, *arguments], check=False,
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise UnavailableError(
                "run.engine", f"{Path(self._engine).name} {arguments[0]} "
                f"failed: {' '.join(done.stderr.split())[-200:]}")
        return done.stdout

    def _command_of(self, node: Node) -> Sequence[str]:
        owner = self._shared.stat()
        command = [
            self._engine, "run", "--rm", "--interactive",
            "--name", self._name(node.name),
            "--publish", f"127.0.0.1::{GRPC_PORT}",
            "--user", f"{owner.st_uid}:{owner.st_gid}",
            "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL",
            "--security-opt", "no-new-privileges",
            # Where SELinux rules, the user's folder keeps its label.
            "--security-opt", "label=disable",
            "--volume", f"{self._shared}:/{SHARED_FOLDER}"]
        if self._model:
            command += [
                "--volume", f"{Path(self._model).resolve()}:{MODEL_FOLDER}:ro"]
        if Path(self._engine).name == "podman" and os.geteuid() != 0:
            command += ["--userns", "keep-id"]
        # By name alone: everybody may read the arguments of a process.
        for name in sorted(self._settings):
            command += ["--env", name]
        return [*command, node.image]
