"""Errors become statuses in one place, without private details."""

import re

import grpc
import pytest
from tests.toys import CANARY

from aura import errors
from aura.errors import frames_of
from aura.rpc.aura_pb2 import EcgBatch
from aura.rpc.status import CODES, printable, status_of

TABLE = {
    "InvalidInputError": "INVALID_ARGUMENT",
    "CorruptDataError": "DATA_LOSS",
    "MissingError": "FAILED_PRECONDITION",
    "ForbiddenError": "PERMISSION_DENIED",
    "PreconditionError": "FAILED_PRECONDITION",
    "ResourceError": "RESOURCE_EXHAUSTED",
    "UnsupportedError": "UNIMPLEMENTED",
    "UnavailableError": "UNAVAILABLE",
}


def failing(builder, task, text=""):
    """Code and details of a call that has to fail."""
    with pytest.raises(grpc.RpcError) as caught:
        builder.stub.build_features(
            EcgBatch(manifest_path=task, status_text=text))
    return caught.value.code().name, caught.value.details()


@pytest.mark.parametrize("kind", TABLE)
def test_each_error_has_its_status(builder, kind):
    assert failing(builder, f"raise:{kind}", "found this") == (
        TABLE[kind], "feature-builder.some.rule: found this; fix it")


def test_only_the_end_of_data_is_not_found(builder):
    code, details = failing(builder, "raise:EndOfData")
    assert code == "NOT_FOUND"
    assert details == ("feature-builder.source.end: "
                       "all batches have been handed out")
    assert [kind for kind, code in CODES.items()
            if code is grpc.StatusCode.NOT_FOUND] == [errors.EndOfData]


def test_every_error_of_the_project_has_a_status():
    kinds = {kind for kind in vars(errors).values()
             if isinstance(kind, type) and issubclass(kind, errors.AuraError)}
    assert kinds - {errors.AuraError} == set(CODES)
    assert grpc.StatusCode.UNKNOWN not in CODES.values()


def test_a_subclass_has_the_status_of_its_parent():
    class TooSmall(errors.CorruptDataError):
        pass

    assert status_of(TooSmall("edf.size", "too small"), "ecg-loader") == (
        grpc.StatusCode.DATA_LOSS, "ecg-loader.edf.size: too small")


def test_a_client_gets_only_a_number_of_an_unexpected_error(builder):
    code, details = failing(builder, "leak")
    assert code == "INTERNAL"
    found = re.fullmatch(
        r"feature-builder\.internal: unexpected error ([0-9a-f]{8}); .*",
        details)
    assert found
    log = builder.log
    assert found[1] in log
    assert "ValueError" in log and "FileNotFoundError" in log
    assert "toys.py" in log and "do_leak" in log


def test_patients_are_in_neither_status_nor_log(builder):
    for task in ("leak", "exit", "exhaust", f"leak:{CANARY}"):
        _, details = failing(builder, task, f"{CANARY} Anna")
        assert "Anna" not in details and "/data" not in details
    builder.stub.build_features(EcgBatch(status_text=CANARY))
    assert "Anna" not in builder.log
    assert "1970" not in builder.log


def test_sys_exit_in_an_rpc_is_an_error_like_others(builder):
    code, details = failing(builder, "exit")
    assert code == "INTERNAL"
    assert builder.process.poll() is None


def test_out_of_memory_is_resource_exhausted(builder):
    assert failing(builder, "exhaust")[0] == "RESOURCE_EXHAUSTED"


def test_an_rpc_that_is_not_there_is_unimplemented_not_unknown(builder):
    call = builder.channel.unary_unary("/FeatureBuilder/none")
    with pytest.raises(grpc.RpcError) as caught:
        call(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_another_message_that_does_not_parse_is_internal(builder):
    call = builder.channel.unary_unary("/FeatureBuilder/build_features")
    with pytest.raises(grpc.RpcError) as caught:
        call(b"\xff\xff\xff")
    assert caught.value.code() is grpc.StatusCode.INTERNAL


@pytest.mark.parametrize("text", ["a" * 5000, "µ" * 5000, "😈" * 5000])
def test_details_are_at_most_1000_bytes(builder, text):
    code, details = failing(builder, "raise:CorruptDataError", text)
    assert code == "DATA_LOSS"
    assert 990 < len(details.encode("utf-8")) <= 1000
    assert details.endswith("...")
    assert "\ufffd" not in details


def test_details_hold_no_control_characters(builder):
    _, details = failing(
        builder, "raise:CorruptDataError", "a\x1b[31mred\nb\x00\x7f\u202e")
    assert details == (
        r"feature-builder.some.rule: a\x1b[31mred\nb\x00\x7f\u202e; fix it")


def test_printable_keeps_what_can_be_read():
    assert printable("Füße 😈 -- 'x'") == "Füße 😈 -- 'x'"
    assert printable("\udcff") == r"\udcff"


def test_frames_end_where_causes_go_in_circles():
    first, second = ValueError("a"), KeyError("b")
    first.__cause__, second.__cause__ = second, first
    assert frames_of(first).count("ValueError") == 4


def test_one_line_per_call_has_rpc_status_and_time(builder):
    before = len(builder.lines)
    builder.stub.build_features(EcgBatch(manifest_path="sleep:0.05"))
    failing(builder, "raise:MissingError", "gone")
    failing(builder, "raise:EndOfData")
    assert builder.log
    pattern = r"\S+ \S+ INFO build_features (\w+) (\d+) ms ?([\w.]*)\n"
    calls = [re.fullmatch(pattern, line) for line in builder.lines[before:]]
    assert [(call[1], call[3]) for call in calls] == [
        ("OK", ""), ("FAILED_PRECONDITION", "some.rule"),
        ("NOT_FOUND", "source.end")]
    assert 50 <= int(calls[0][2]) < 5000
