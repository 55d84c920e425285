"""The five blocks: what their folders hold, and their real servers."""

import json
import re
import sys
import time
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import grpc
import pytest

from aura.blocks import BLOCKS, named
from aura.errors import InvalidInputError
from aura.rpc import aura_pb2
from aura.rpc.server import serve_block
from aura.settings import Settings

ROOT = Path(__file__).parents[2]
SERVE = "import sys; from aura.rpc.server import serve_block; " \
    "sys.exit(serve_block(sys.argv[1]))"
VERBS = {"EcgSource": "next", "FeatureStage": "build",
         "TrainingStage": "train", "PredictionStage": "predict",
         "ExportStage": "export"}


def methods_of(block):
    """The descriptors of a block's rpcs."""
    service = aura_pb2.DESCRIPTOR.services_by_name[block.service]
    return service.methods


@pytest.fixture
def recorded_stages(monkeypatch):
    """Stages that write down how they are made and called."""
    seen = []

    def stage(verb):
        class Stage:
            def __init__(self, *made, remember=False):
                self.made, self.remember = made, remember

            def ready(self):
                return self.made[-1] == "recordings"

        def call(self, *request):
            seen.append((self.made, request, self.remember))
            return aura_pb2.EcgBatch(run_id="answered")

        setattr(Stage, verb, call)
        return Stage

    for block in BLOCKS:
        module = ModuleType(f"aura.stages.{block.folder}")
        for name, verb in VERBS.items():
            setattr(module, name, stage(verb))
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.delitem(
            sys.modules, f"blocks.{block.folder}.server", raising=False)
    yield seen
    for block in BLOCKS:
        sys.modules.pop(f"blocks.{block.folder}.server", None)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_every_rpc_hands_its_request_to_the_stage(block, recorded_stages):
    shared, settings = Path("/shared"), Settings()
    servicer = block.servicer(shared, settings)
    for method in methods_of(block):
        request = getattr(aura_pb2, method.input_type.name)()
        answer = getattr(servicer, method.name)(request, None)
        assert answer.run_id == "answered"
        made, given, remember = recorded_stages.pop()
        # A folder that is watched holds recordings, not lessons.
        assert remember == (method.name == "load_recordings")
        assert made[0].folder.root == shared
        assert made[1] is settings
        if block.name == "ecg-loader":
            assert made[2:] == (method.name.removeprefix("load_"),)
            assert given == ()
        else:
            assert given == (request,)


def test_the_loader_is_ready_when_one_of_its_folders_is_there(
        recorded_stages):
    assert named("ecg-loader").servicer(Path("/"), Settings()).ready()


def test_another_block_is_ready_when_its_stage_is(recorded_stages):
    servicer = named("feature-builder").servicer(Path("/"), Settings())
    assert not servicer.ready()


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
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


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_the_readme_names_rpcs_messages_and_true_settings(block):
    text = (ROOT / "blocks" / block.folder / "README.md").read_text("utf-8")
    for method in methods_of(block):
        assert (f"| `{method.name}` | `{method.input_type.name}` | "
                f"`{method.output_type.name}` |") in text
    known = {entry.metadata["env"]: entry for entry in fields(Settings)}
    for name, meaning, default in re.findall(
            r"^\| `(AURA_\w+)` \| (.*) \| (.*) \|$", text, re.M):
        assert meaning == known[name].metadata["text"]
        assert default == (str(known[name].default) or "(none)")


def test_an_unknown_block_is_not_served():
    with pytest.raises(InvalidInputError, match="no block 'nothing'"):
        serve_block("nothing")


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_the_real_block_serves_and_ends(block, serve_real, tmp_path):
    served = serve_real(
        [sys.executable, "-c", SERVE, block.name], block.name,
        SHARED_FOLDER_PATH=str(tmp_path))
    assert served.status() == "SERVING"
    assert time.monotonic() - served.started < 3
    method = methods_of(block)[0]
    call = getattr(served.stub, method.name)
    with pytest.raises(grpc.RpcError) as caught:
        call(getattr(aura_pb2, method.input_type.name)(), timeout=20)
    assert caught.value.code().name in (
        "FAILED_PRECONDITION", "INVALID_ARGUMENT")
    assert str(tmp_path) not in caught.value.details()
    assert caught.value.details().startswith(f"{block.name}.")
    served.process.terminate()
    assert served.ended() == 0
