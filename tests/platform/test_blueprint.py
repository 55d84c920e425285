"""Blueprints: the project's own, and bad ones."""

import copy
import json
from pathlib import Path

import pytest

from aura import blocks
from aura.errors import InvalidInputError
from aura.platform.blueprint import parse
from aura.rpc import aura_pb2

SOLUTIONS = Path(__file__).parents[2] / "solutions"


def read(name):
    """Text of one of the project's solutions."""
    return (SOLUTIONS / f"{name}.json").read_text("utf-8")


PREDICTION = json.loads(read("prediction"))


def node(content, number):
    """One rpc entry of a node of a blueprint's content."""
    return content["nodes"][number]["operation_signature_list"][0]


def changed(change):
    """The prediction solution with a change made to its content."""
    content = copy.deepcopy(PREDICTION)
    change(content)
    return json.dumps(content)


def link(content, number):
    """The first link that goes out of a node."""
    return node(content, number)["connected_to"][0]


def test_training_is_loader_builder_trainer():
    blueprint = parse(read("training"))
    assert [str(rpc) for rpc in blueprint.rpcs] == [
        "ecg-loader1.load_training", "feature-builder1.build_features",
        "seizure-trainer1.train"]
    loader, builder, trainer = blueprint.rpcs
    assert loader.is_source and not loader.is_sink
    assert blueprint.feeding(builder) == (loader,)
    assert trainer.is_sink and not trainer.is_source


def test_prediction_is_loader_builder_predictor_exporter():
    assert [str(rpc) for rpc in parse(read("prediction")).rpcs] == [
        "ecg-loader1.load_recordings", "feature-builder1.build_features",
        "seizure-predictor1.predict", "influx-exporter1.export"]


@pytest.mark.parametrize("name", ["training", "prediction"])
def test_solutions_agree_with_the_protos(name):
    for entry in parse(read(name)).nodes:
        for rpc in entry.rpcs:
            block = blocks.offering(rpc.name)
            assert entry.name == f"{block.name}1"
            assert entry.image == f"aura/{block.name}:dev"
            method = aura_pb2.DESCRIPTOR.services_by_name[
                block.service].methods_by_name[rpc.name]
            assert (rpc.given, rpc.answer) == (
                method.input_type.name, method.output_type.name)


@pytest.mark.parametrize("name", ["training", "prediction"])
def test_solutions_have_the_fields_of_the_platform(name):
    content = json.loads(read(name))
    assert list(content) == [
        "name", "version", "input_ports", "nodes", "probeIndicator"]
    for entry in content["nodes"]:
        assert list(entry) == [
            "container_name", "node_type", "image", "proto_uri",
            "operation_signature_list"]
        assert entry["node_type"] == "MLModel"
        for call in entry["operation_signature_list"]:
            assert set(call) == {"operation_signature", "connected_to"}


BAD = {
    "duplicate": lambda c: c["nodes"].append(c["nodes"][0]),
    "name": lambda c: c["nodes"][3].update(container_name="Influx_1"),
    "link": lambda c: link(c, 0).update(container_name="other1"),
    "source": lambda c: link(c, 2).update(
        container_name="ecg-loader1",
        operation_signature={"operation_name": "load_recordings"}),
    "type": lambda c: link(c, 1).update(
        container_name="influx-exporter1",
        operation_signature={"operation_name": "export"}),
    "no_source": lambda c: c["nodes"].pop(0),
    "unreachable": lambda c: node(c, 0).update(connected_to=[]),
    "stream": lambda c: node(c, 1)["operation_signature"].update(
        input_message_stream=True),
    "field": lambda c: c.pop("nodes"),
}


@pytest.mark.parametrize("rule", BAD)
def test_a_bad_blueprint_is_rejected_with_its_rule(rule):
    with pytest.raises(InvalidInputError) as caught:
        parse(changed(BAD[rule]))
    assert caught.value.rule == f"blueprint.{rule}"


def test_an_unconnected_node_is_rejected():
    def change(content):
        content["nodes"][3]["operation_signature_list"] = []
        node(content, 2)["connected_to"] = []

    with pytest.raises(InvalidInputError, match="unreachable: .*exporter1"):
        parse(changed(change))


def test_messages_in_a_circle_are_rejected():
    def change(content):
        signature = node(content, 3)["operation_signature"]
        signature["output_message_name"] = "FeatureTable"
        node(content, 3)["connected_to"] = [{
            "container_name": "seizure-predictor1",
            "operation_signature": {"operation_name": "predict"}}]

    with pytest.raises(InvalidInputError) as caught:
        parse(changed(change))
    assert caught.value.rule == "blueprint.circle"
    assert "seizure-predictor1.predict" in caught.value.text
    assert "ecg-loader1" not in caught.value.text


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '"a"', '{"a": 1}'])
def test_other_content_is_rejected(text):
    with pytest.raises(InvalidInputError, match=r"blueprint\.(json|field)"):
        parse(text)


@pytest.mark.parametrize("key", [
    "operation_name", "input_message_name", "output_message_name"])
def test_a_missing_field_names_the_node(key):
    def change(content):
        del node(content, 1)["operation_signature"][key]

    with pytest.raises(InvalidInputError) as caught:
        parse(changed(change))
    assert "nodes[1]" in caught.value.text
    assert key in caught.value.text


def test_a_missing_stream_flag_means_no_stream():
    def change(content):
        for number in range(4):
            signature = node(content, number)["operation_signature"]
            del signature["input_message_stream"]
            del signature["output_message_stream"]

    assert parse(changed(change)) == parse(read("prediction"))


def test_blocks_are_found_by_name_folder_or_rpc():
    for block in blocks.BLOCKS:
        assert blocks.named(block.name) is block
        assert blocks.named(block.folder) is block
        for rpc in block.rpcs:
            assert blocks.offering(rpc) is block


def test_an_unknown_block_is_rejected_with_a_list_of_the_known():
    with pytest.raises(InvalidInputError, match="ecg-loader, feature-"):
        blocks.named("loader")
    with pytest.raises(InvalidInputError, match="load_training, load_"):
        blocks.offering("load")
