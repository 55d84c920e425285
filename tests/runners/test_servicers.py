"""The five blocks: their real servers, licences and pages."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import grpc
import pytest

from aura.blocks import BLOCKS, named
from aura.errors import EndOfData, InvalidInputError, UnavailableError
from aura.rpc import aura_pb2
from aura.runners.processes import Process, serve_command
from aura.runners.servicers import StageServicer, serve_block
from aura.settings import ABOUT, Settings
from aura.stages import tables
from tests.served import served_blocks

ROOT = Path(__file__).parents[2]
SERVE = [sys.executable, "-m", "aura", "serve"]

for_each_block = pytest.mark.parametrize(
    "block", BLOCKS, ids=lambda block: block.name)


def methods_of(block):
    """The descriptors of a block's rpcs."""
    service = aura_pb2.DESCRIPTOR.services_by_name[block.service]
    return service.methods


@pytest.fixture
def serve():
    """Start a real block and connect to it."""
    with served_blocks() as begin:
        yield lambda *args, **environ: begin(*args, **environ).connect()


@for_each_block
def test_the_real_block_serves_all_its_rpcs_and_ends(block, serve, tmp_path):
    # As in an image: the block is named by the environment.
    served = serve(SERVE, block.name, AURA_BLOCK=block.folder,
                   SHARED_FOLDER_PATH=str(tmp_path))
    assert served.status() == "SERVING"
    for method in methods_of(block):
        call = getattr(served.stub, method.name)
        with pytest.raises(grpc.RpcError) as caught:
            call(getattr(aura_pb2, method.input_type.name)(), timeout=20)
        assert caught.value.code().name in (
            "FAILED_PRECONDITION", "INVALID_ARGUMENT")
        assert str(tmp_path) not in caught.value.details()
        assert caught.value.details().startswith(f"{block.name}.")
        if block.name == "ecg-loader":
            assert f" {method.name.removeprefix('load_')}/" in (
                caught.value.details())
    served.process.terminate()
    assert served.ended() == 0


@pytest.mark.parametrize("wrong", [aura_pb2.Empty(), None, "text"])
def test_an_answer_of_another_kind_is_no_answer(wrong, tmp_path, monkeypatch):
    from aura.stages.trainer import TrainingStage
    monkeypatch.setattr(TrainingStage, "train", lambda self, request: wrong)
    servicer = StageServicer(named("trainer"), tmp_path, Settings())
    with pytest.raises(InvalidInputError) as caught:
        servicer.train(aura_pb2.FeatureTable(run_id="r", batch_count=1), None)
    assert caught.value.rule == "block.answer"
    assert "stages/trainer.py" in str(caught.value)
    assert not (tmp_path / "runs/r/DONE").exists()


def test_a_name_on_the_command_line_beats_the_environment(serve, tmp_path):
    served = serve([*SERVE, "feature-builder"], "feature-builder",
                   AURA_BLOCK="trainer", SHARED_FOLDER_PATH=str(tmp_path))
    served.wait_for("SERVING")


@pytest.mark.parametrize("name", ["nothing", None])
def test_an_unknown_block_is_not_served(name, monkeypatch):
    monkeypatch.delenv("AURA_BLOCK", raising=False)
    with pytest.raises(InvalidInputError) as caught:
        serve_block(name)
    assert caught.value.rule == "block.unknown"


@pytest.mark.parametrize("folder", ["training", "recordings"])
def test_the_loader_is_ready_when_one_of_its_folders_exists(
        folder, tmp_path):
    loader = StageServicer(named("ecg-loader"), tmp_path, Settings())
    assert not loader.ready()
    (tmp_path / folder).mkdir()
    assert loader.ready()


@pytest.mark.parametrize("folder", ["training", "recordings"])
def test_the_loader_waits_until_a_copy_is_complete(folder, tmp_path):
    loader = StageServicer(named("ecg-loader"), tmp_path, Settings())
    (tmp_path / folder).mkdir()
    (tmp_path / folder / ".copying").touch()
    assert not loader.ready()
    with pytest.raises(UnavailableError) as caught:
        getattr(loader, f"load_{folder}")(aura_pb2.Empty(), None)
    assert caught.value.rule == "loader.copying"
    (tmp_path / folder / ".copying").unlink()
    assert loader.ready()
    with pytest.raises(EndOfData):
        getattr(loader, f"load_{folder}")(aura_pb2.Empty(), None)


def test_a_block_that_is_not_ready_logs_what_it_needs(serve, tmp_path):
    served = serve([*SERVE, "ecg-loader"], "ecg-loader",
                   SHARED_FOLDER_PATH=str(tmp_path))
    served.wait_for("NOT_SERVING")
    assert f"not ready: it needs {named('ecg-loader').needs}" in served.log
    (tmp_path / "training").mkdir()
    served.wait_for("SERVING")


def rows(folder, number):
    """Write beats of some recordings."""
    for name in range(number):
        (folder / f"{name}.csv").write_text("beat_time_s\n" + "".join(
            f"{beat * .8:.1f}\n" for beat in range(100)))


def test_the_settings_are_read_when_a_run_begins_and_not_in_its_middle(
        tmp_path):
    (tmp_path / "recordings").mkdir()
    rows(tmp_path / "recordings", 4)
    loader = StageServicer(named("ecg-loader"), tmp_path, Settings(),
                           lambda: Settings.load(tmp_path, {}))

    def run(change=None):
        counts = []
        while True:
            try:
                batch = loader.load_recordings(aura_pb2.Empty(), None)
            except EndOfData:
                return counts
            counts.append(batch.record_count)
            (tmp_path / "config.toml").write_text(change or "")

    (tmp_path / "config.toml").write_text("batch_size = 3")
    assert run("batch_size = 1") == [3, 1]
    assert run("batch_size = 1") == [1, 1, 1, 1]
    loader.load_recordings(aura_pb2.Empty(), None)
    (tmp_path / "config.toml").write_text("batch_size = 'x'")
    assert loader.ready(), "a mistake must not disturb a run"
    assert run("batch_size = 'x'") == [1, 1, 1]
    with pytest.raises(InvalidInputError):
        loader.ready()
    with pytest.raises(InvalidInputError):
        run()
    (tmp_path / "config.toml").write_text("batch_size = 2")
    assert run() == [2, 2]


def test_a_stage_keeps_the_settings_of_a_run_to_its_last_batch(tmp_path):
    (tmp_path / "recordings").mkdir()
    rows(tmp_path / "recordings", 2)
    loaded = [
        StageServicer(named("ecg-loader"), tmp_path, Settings(
            batch_size=1, run_id=name)) for name in ("a", "b")]
    batches = [[loader.load_recordings(aura_pb2.Empty(), None)
                for _ in range(2)] for loader in loaded]
    builder = StageServicer(named("feature-builder"), tmp_path, Settings(),
                            lambda: Settings.load(tmp_path, {}))

    def hop(batch):
        table = builder.build_features(batch, None)
        return tables.read((tmp_path / table.table_path).read_bytes(), (
            "time_s",)).number("hop_s")

    assert hop(batches[0][0]) == 1
    (tmp_path / "config.toml").write_text("hop_s = 2")
    assert hop(batches[1][0]) == 2
    assert hop(batches[0][1]) == 1
    assert hop(batches[0][0]) == 2


def test_the_exporter_serves_its_page_on_the_port_that_is_set(
        serve, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    served = serve([*SERVE, "influx-exporter"], "influx-exporter",
                   SHARED_FOLDER_PATH=str(tmp_path), AURA_WEB_PORT=str(port))
    served.wait_for("SERVING")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as page:
        assert b"not a medical device" in page.read()


WITHOUT_UNIX = """
import os, signal, sys
from pathlib import Path

for name in "geteuid", "getegid", "getuid", "killpg", "set_blocking":
    delattr(os, name)
del signal.SIGKILL

from aura.errors import UnsupportedError
from aura.platform.blueprint import Blueprint
from aura.runners.containers import LocalContainers
from aura.runners.processes import LocalProcesses
from aura.runners.servicers import serve_block

nothing = Blueprint("nothing", ())
for use in (lambda: serve_block("trainer"),
            lambda: LocalProcesses(nothing, Path(".")),
            lambda: LocalContainers(nothing, Path("."))):
    try:
        use()
    except UnsupportedError as error:
        print(error)
"""


def test_a_system_without_unix_calls_imports_all_and_says_what_it_lacks():
    done = subprocess.run([sys.executable, "-c", WITHOUT_UNIX], text=True,
                          capture_output=True)
    assert done.returncode == 0, done.stderr
    assert re.findall("^platform.unix_only: ", done.stdout, re.M) == (
        ["platform.unix_only: "] * 3)
    assert done.stdout.count("\n") == 3


@for_each_block
def test_the_license_is_a_profile_of_the_platform(block):
    license = json.loads(
        (ROOT / "blocks" / block.folder / "license.json").read_text("utf-8"))
    assert license["$schema"].endswith("/1.0.0/license-profile.json")
    assert license["keyword"] == "Apache-2.0"
    assert license["rtuRequired"] is False
    assert set(license) == {
        "$schema", "keyword", "licenseName", "copyright", "softwareType",
        "companyName", "contact", "rtuRequired"}
    assert set(license["copyright"]) == {"year", "company", "suffix"}
    assert set(license["contact"]) == {"name", "URL", "email"}


@for_each_block
def test_the_readme_names_rpcs_messages_and_true_settings(block):
    text = (ROOT / "blocks" / block.folder / "README.md").read_text("utf-8")
    for method in methods_of(block):
        assert (f"| `{method.name}` | `{method.input_type.name}` | "
                f"`{method.output_type.name}` |") in text
    known = {about.env: name for name, about in ABOUT.items()}
    for name, meaning, default in re.findall(
            r"^\| `(AURA_\w+)` \| (.*) \| (.*) \|$", text, re.M):
        assert meaning == ABOUT[known[name]].text
        assert default == (str(getattr(Settings, known[name])) or "(none)")


def test_modules_in_the_current_folder_do_not_reach_a_block(
        tmp_path, monkeypatch):
    for name in "random", "signal", "queue":
        (tmp_path / f"{name}.py").write_text("raise SystemExit(1)\n")
    monkeypatch.chdir(tmp_path)
    process = Process("loader", serve_command(named("ecg-loader")), {
        **os.environ, "SHARED_FOLDER_PATH": str(tmp_path), "AURA_PORT": "0"})
    try:
        assert process.wait_for_port(time.monotonic() + 120)
    finally:
        process.reap()
