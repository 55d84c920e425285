"""The named cases of the gRPC interoperability suite, against our server."""

import time

import grpc
import pytest

from aura.rpc.aura_pb2 import EcgBatch, Empty


def code_of(call, *args, **kwargs):
    """The status of a call that has to fail."""
    with pytest.raises(grpc.RpcError) as caught:
        call(*args, **kwargs)
    return caught.value.code().name


def test_empty_unary(start):
    loader = start("ecg-loader").connect()
    assert loader.stub.load_training(Empty()) == EcgBatch(
        run_id="r", batch_count=5)


def test_large_unary(builder):
    text = "x" * 1_000_000
    reply = builder.stub.build_features(EcgBatch(status_text=text))
    assert reply.status_text == text


def test_more_than_4_mib_is_resource_exhausted(builder):
    batch = EcgBatch(status_text="x" * 4_300_000)
    assert code_of(
        builder.stub.build_features, batch) == "RESOURCE_EXHAUSTED"


def test_unimplemented_method(builder):
    call = builder.channel.unary_unary("/FeatureBuilder/other")
    assert code_of(call, b"") == "UNIMPLEMENTED"


def test_unimplemented_service(builder):
    call = builder.channel.unary_unary("/EcgLoader/load_training")
    assert code_of(call, b"") == "UNIMPLEMENTED"


def test_timeout_on_sleeping_server(builder):
    assert code_of(
        builder.stub.build_features, EcgBatch(manifest_path="sleep:1"),
        timeout=0.1) == "DEADLINE_EXCEEDED"
    assert builder.stub.build_features(EcgBatch(), timeout=60) is not None


def test_cancel_after_begin(builder):
    future = builder.stub.build_features.future(
        EcgBatch(manifest_path="sleep:0.3"))
    time.sleep(0.1)
    future.cancel()
    assert future.code() is grpc.StatusCode.CANCELLED
    assert builder.stub.build_features(EcgBatch(), timeout=60) is not None


def test_special_status_message(builder):
    with pytest.raises(grpc.RpcError) as caught:
        builder.stub.build_features(EcgBatch(
            manifest_path="raise:InvalidInputError",
            status_text="\t\ntest with whitespace\r\nand Unicode BMP ☺ and "
                        "non-BMP 😈\t\n"))
    # Whitespace is written as escapes: a log line stays one line.
    assert caught.value.details() == (
        "feature-builder.some.rule: \\t\\ntest with whitespace\\r\\nand "
        "Unicode BMP ☺ and non-BMP 😈\\t\\n; fix it")


def test_a_message_of_defaults_passes(builder):
    reply = builder.stub.build_features(EcgBatch())
    assert (reply.run_id, reply.batch_index, reply.is_last) == ("", 0, False)


def test_soak_of_one_channel(builder):
    for index in range(300):
        reply = builder.stub.build_features(EcgBatch(batch_index=index))
        assert reply.batch_index == index
