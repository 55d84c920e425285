"""The committed protos: as generated, and ready to be merged."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from aura.blocks import BLOCKS
from aura.platform import repository
from aura.rpc import aura_pb2
from tests.runners.platform_orchestrator import merge

ROOT = Path(__file__).parents[2]


def load_project():
    """The script that makes the protos, as a module."""
    spec = importlib.util.spec_from_file_location(
        "project", ROOT / "protos" / "project.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def merged():
    """One file of all five, as the orchestrator makes it."""
    return merge({
        f"{block.name}1.proto": repository.text(
            f"blocks/{block.folder}/model.proto") for block in BLOCKS})


def test_committed_files_are_as_generated(capsys):
    assert load_project().main(["--check"]) == 0, capsys.readouterr().out


def test_a_changed_source_is_noticed(tmp_path, capsys, monkeypatch):
    project = load_project()
    source = ROOT / "protos" / "aura.proto"
    (tmp_path / "aura.proto").write_text(
        source.read_text("utf-8").replace("ecg_hours", "hours"), "utf-8")
    products = project.project(tmp_path)
    monkeypatch.setattr(project, "project", lambda folder: products)
    assert project.main(["--check"]) == 1
    out = capsys.readouterr().out
    assert "blocks/ecg_loader/model.proto: out of date" in out
    assert "src/aura/rpc/aura_pb2.py: out of date" in out
    assert "blocks/trainer" not in out


def test_a_source_that_breaks_a_rule_is_rejected(tmp_path):
    source = ROOT / "protos" / "aura.proto"
    (tmp_path / "aura.proto").write_text(
        source.read_text("utf-8").replace("int64", "uint64"), "utf-8")
    with pytest.raises(SystemExit, match="uint64"):
        load_project().project(tmp_path)


def test_a_source_that_does_not_compile_is_rejected(tmp_path, capfd):
    (tmp_path / "aura.proto").write_text("service {", "utf-8")
    with pytest.raises(SystemExit, match="does not compile"):
        load_project().project(tmp_path)
    assert "aura.proto:1" in capfd.readouterr().err


def test_the_five_merge_into_one_proto2_file_that_protoc_takes(
        merged, tmp_path):
    descriptors = tmp_path / "merged.pb"
    descriptors.write_bytes(
        FileDescriptorSet(file=[merged]).SerializeToString())
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc",
         f"--descriptor_set_in={descriptors}", f"--python_out={tmp_path}",
         f"--grpc_python_out={tmp_path}", merged.name], check=True)
    for name in ("all_in_one_pb2.py", "all_in_one_pb2_grpc.py"):
        compile((tmp_path / name).read_text("utf-8"), name, "exec")


@pytest.mark.parametrize("name", [
    "EcgBatch", "FeatureTable", "TrainingReport", "PredictionTable",
    "ExportReport"])
@pytest.mark.parametrize("filled", [True, False])
def test_messages_pass_the_merged_file_unchanged(merged, name, filled):
    pool = DescriptorPool()
    pool.Add(merged)
    theirs = GetMessageClass(pool.FindMessageTypeByName(name))
    message = getattr(aura_pb2, name)()
    if filled:
        samples = {str: "runs/ä/0", bool: True, int: -7, float: 0.25}
        for field in message.DESCRIPTOR.fields:
            setattr(message, field.name,
                    samples[type(getattr(message, field.name))])
    wire = message.SerializeToString()
    hop = theirs.FromString(wire).SerializeToString()
    assert type(message).FromString(hop) == message


def test_the_table_of_blocks_agrees_with_the_services():
    services = aura_pb2.DESCRIPTOR.services_by_name
    assert {block.service: tuple(block.rpcs) for block in BLOCKS} == {
        name: tuple(service.methods_by_name)
        for name, service in services.items()}


def test_the_orchestrator_finds_each_service_by_its_line():
    for block in BLOCKS:
        text = (ROOT / "blocks" / block.folder / "model.proto").read_text()
        lines = [line for line in text.split("\n")
                 if line.startswith("service ")]
        assert [line.split("{", 1)[0].split(" ", 1)[1].strip()
                for line in lines] == [block.service]
