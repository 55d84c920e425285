"""The five images, built once, and containers of them."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from aura.blocks import BLOCKS
from aura.errors import AuraError
from aura.platform.bundle import image_name
from aura.rpc import binding
from aura.runners import containers
from blocks import images

# With --import-mode=importlib a test cannot import what lies beside it.
sys.path.insert(0, str(Path(__file__).parent))

TAG = "test"
BASE = "python:3.11-slim-bookworm"
# The longest time that a busy machine may take; nothing always waits so long.
LONGEST_S = 120.0
SOAK = os.environ.get("AURA_SOAK") == "1"
# As on the platform: no slash, no rights, and two places to write to.
SHARED = "sharedfolder1"
CONFINED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL",
            "--security-opt", "no-new-privileges")


def until(true, tell=lambda: ""):
    """Wait until something is true; `tell` describes the failure."""
    deadline = time.monotonic() + LONGEST_S
    while not true():
        assert time.monotonic() < deadline, tell()
        time.sleep(0.02)


class Engine:
    """The container engine of this machine."""

    def __init__(self, name):
        self.name = name
        # Podman makes more of a container writable than Kubernetes does.
        self.confined = CONFINED + (
            ("--read-only-tmpfs=false",) if self.is_podman else ())

    @property
    def is_podman(self):
        return self.name.endswith("podman")

    def __call__(self, *arguments, check=True):
        """Standard output of an engine's command."""
        done = subprocess.run([self.name, *arguments], text=True,
                              capture_output=True)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.strip()

    def code(self, *arguments):
        """Exit code of an engine's command."""
        return subprocess.run([self.name, *arguments],
                              capture_output=True).returncode

    def inspect(self, name):
        return json.loads(self("inspect", name))[0]

    def python(self, image, script):
        """The output of a script in a container without any network."""
        return self("run", "--rm", "--network", "none", *self.confined,
                    "--entrypoint", "python", image, "-c", script)


class Container:
    """A running container of a block, with stubs to call it."""

    def __init__(self, engine, block, image, options):
        self.engine, self.block = engine, block
        self.id = engine("create", *engine.confined, *options, image)
        self.channel = None

    def start(self):
        self.engine("start", self.id)
        return self

    def connect(self):
        networks = self.engine.inspect(self.id)["NetworkSettings"]["Networks"]
        address, = (entry["IPAddress"] for entry in networks.values())
        self.address = f"{address}:8061"
        # The container may not have opened its port yet.
        self.channel = grpc.insecure_channel(self.address, (
            ("grpc.enable_http_proxy", 0),
            ("grpc.initial_reconnect_backoff_ms", 20),
            ("grpc.max_reconnect_backoff_ms", 20)))
        self.health = health_pb2_grpc.HealthStub(self.channel)
        self.stub = binding.stub(self.block.service, self.channel)
        return self

    def wait_for(self, service=""):
        """Wait until a service, or the server, is SERVING; the time."""
        until(lambda: self.health.Check(
            health_pb2.HealthCheckRequest(service=service),
            wait_for_ready=True, timeout=LONGEST_S).status == 1,
            lambda: self.log)
        return datetime.now(UTC)

    @property
    def started(self):
        """When the engine started the container's process."""
        return datetime.fromisoformat(json.loads(self.engine(
            "inspect", "-f", "{{json .State.StartedAt}}", self.id)))

    @property
    def log(self):
        return subprocess.run([self.engine.name, "logs", self.id], text=True,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT).stdout

    def run(self, *command):
        """Exit code of a command in the container."""
        return self.engine.code("exec", self.id, *command)

    def wait_for_success(self, *arguments):
        """Repeat an engine's command until it ends with 0."""
        until(lambda: not self.engine.code(*arguments), lambda: self.log)

    def terminate(self):
        self.engine("kill", "--signal", "TERM", self.id)

    def ended(self):
        """Exit code of the container."""
        return int(self.engine("wait", self.id))

    def close(self):
        if self.channel is not None:
            self.channel.close()
        self.engine("rm", "-f", self.id, check=False)


def opened(source, folder):
    """A copy of a shared folder that any user may write to."""
    shutil.copytree(source, folder)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o777)
    return folder


@pytest.fixture(scope="session")
def engine():
    """The engine, if this machine has one."""
    try:
        return Engine(containers.engine())
    except AuraError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def built(engine):
    """Name of the image of each block; all are built."""
    names = {}
    for block in BLOCKS:
        names[block.name] = image_name("aura", block.name, TAG)
        images.build(block, names[block.name])
    return names


@pytest.fixture(scope="session")
def network(engine):
    """A network without a way outside."""
    name = f"aura-test-{os.getpid()}"
    engine("network", "create", "--internal", name)
    yield name
    engine("network", "rm", "-f", name)


@pytest.fixture
def run_block(engine, built, network):
    """Run a block on a shared folder: ``run_block(block, shared)``."""
    with contextlib.ExitStack() as running:
        def run(block, shared, *options, to=network):
            container = Container(engine, block, built[block.name], (
                "--network", to, "-e", f"SHARED_FOLDER_PATH={SHARED}",
                "-v", f"{shared}:/{SHARED}", *options))
            running.callback(container.close)
            container.start()
            return container if to == "none" else container.connect()

        yield run


@pytest.fixture(scope="session")
def cohort(tmp_path_factory):
    """A shared folder with synthetic patients for both solutions."""
    from aura.synthetic.cohort import write_cohort
    shared = tmp_path_factory.mktemp("cohort") / "shared"
    shared.mkdir()
    write_cohort(shared / "training", patients=3, hours=0.25, seed=1)
    write_cohort(shared / "recordings", patients=2, hours=0.25, seed=2)
    return shared
