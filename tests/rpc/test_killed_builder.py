"""A feature-builder that is killed at work: the bytes stay the same."""

import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from aura.blocks import named
from aura.folder import PARTIAL
from aura.platform.blueprint import Blueprint, parse
from aura.rpc.client import Nodes
from aura.runners.orchestrator import InProcess, run
from aura.runners.processes import Process, serve_command
from aura.settings import Settings
from aura.synthetic.cohort import write_cohort

TRAINING = parse((Path(__file__).parents[2] / "solutions/training.json")
                 .read_text("utf-8"))
BUILDER = replace(TRAINING.nodes[1].rpcs[0], targets=())
BUILDERS = replace(TRAINING.nodes[1], rpcs=(BUILDER,))
# Without the trainer, whose hundred trees show nothing here.
PLAN = Blueprint("tables", (TRAINING.nodes[0], BUILDERS))
BATCHES = 12
SETTINGS = Settings(batch_size=1)


class Spread(InProcess):
    """The loader here, several builders behind one name."""

    def __init__(self, shared, builders):
        super().__init__(PLAN, shared, SETTINGS)
        deadline = time.monotonic() + 60
        addresses = [f"127.0.0.1:{builder.wait_for_port(deadline)}"
                     for builder in builders]
        self.nodes = Nodes(
            Blueprint("builders", (BUILDERS,)),
            {BUILDER.node: "builders:8061"}, {BUILDER.node},
            lambda target: addresses)

    def way(self, rpc):
        return self.nodes if rpc.node == BUILDER.node else super()

    def wait_for_both(self):
        deadline = time.monotonic() + 60
        while self.nodes._nodes[BUILDER.node].idle < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def call(self, rpc, request):
        return self.way(rpc).call(rpc, request)

    def calls_at_once(self, rpc):
        return self.way(rpc).calls_at_once(rpc)


@pytest.fixture
def builders(tmp_path):
    """Two real feature-builders on one shared folder."""
    environ = {**os.environ, "SHARED_FOLDER_PATH": str(tmp_path / "many"),
               "AURA_PORT": "0", "AURA_WORKERS": "1",
               "AURA_SINKS": "build_features"}
    write_cohort(tmp_path / "one/training", patients=BATCHES, hours=0.1)
    shutil.copytree(tmp_path / "one", tmp_path / "many")
    started = [Process(name, serve_command(named("feature-builder")), environ)
               for name in ("first", "second")]
    yield started
    for process in started:
        process.reap()


def tables_of(shared):
    """The files of the one run on a folder, by name."""
    run_folder, = (shared / "runs").iterdir()
    return {str(path.relative_to(run_folder)): path.read_bytes()
            for path in run_folder.rglob("*") if path.is_file()}


def test_a_builder_killed_at_work_changes_no_byte(builders, tmp_path):
    first, seen = builders[0], []

    def observe(rpc, message):
        if rpc.node == BUILDER.node:
            seen.append(message.batch_index)
            # By now both have begun another batch.
            if len(seen) == 3:
                os.kill(first._process.pid, signal.SIGKILL)

    spread = Spread(tmp_path / "many", builders)
    with spread.nodes:
        spread.wait_for_both()
        outcome = run(PLAN, spread, observe)
    assert outcome.failures == []
    assert seen == list(range(BATCHES))
    assert first.ended_within(5)
    assert first._process.returncode == -signal.SIGKILL
    with InProcess(PLAN, tmp_path / "one", SETTINGS) as alone:
        assert run(PLAN, alone).failures == []
    one, many = tables_of(tmp_path / "one"), tables_of(tmp_path / "many")
    assert len([name for name in one if name.endswith(".parquet")]) == (
        2 * BATCHES)
    assert {name: one[name] == many.get(name) for name in one} == {
        name: True for name in one}
    # The killed builder may leave a partial file, under a name of its own.
    assert all(Path(name).name.startswith(PARTIAL)
               for name in many.keys() - one.keys())
