"""How a block's server starts, reports that it is ready, and ends."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from aura.errors import InvalidInputError
from aura.rpc.aura_pb2 import EcgBatch, Empty
from aura.rpc.dispatch import CALLS_AT_ONCE, CALLS_WAITING
from aura.rpc.server import Endpoint
from tests.toys import wait_for_file

SLEEP = EcgBatch(manifest_path="sleep:0.4")


def test_health_answers_while_the_block_is_still_made(start, tmp_path):
    served = start("feature-builder", TOY_START=f"waits for {tmp_path / 'go'}")
    served.connect()
    assert served.status() == "SERVING"
    assert served.status("FeatureBuilder") == "UNKNOWN"
    # A call that comes early waits; an orchestrator would not come again.
    early = served.stub.build_features.future(
        EcgBatch(batch_index=3), timeout=60)
    assert not early.done()
    (tmp_path / "go").touch()
    assert early.result().batch_index == 3
    served.wait_for("SERVING")


def test_health_of_an_unknown_service_is_not_found(builder):
    with pytest.raises(grpc.RpcError) as caught:
        builder.status("EcgLoader")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_the_service_serves_when_what_it_needs_is_there(start, tmp_path):
    needed = tmp_path / "model"
    served = start("feature-builder", TOY_NEEDS=str(needed)).connect()
    served.wait_for("NOT_SERVING")
    assert served.status() == "SERVING"
    needed.touch()
    served.wait_for("SERVING", 3)
    needed.unlink()
    served.wait_for("NOT_SERVING", 3)


def test_reflection_lists_the_service(builder):
    stub = reflection_pb2_grpc.ServerReflectionStub(builder.channel)
    reply, = stub.ServerReflectionInfo(iter([
        reflection_pb2.ServerReflectionRequest(list_services="")]))
    assert {entry.name for entry in reply.list_services_response.service} == {
        "FeatureBuilder", "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection"}


def test_health_answers_while_all_threads_work(builder, tmp_path):
    wait = EcgBatch(manifest_path=f"wait:{tmp_path / 'go'}")
    calls = [builder.stub.build_features.future(wait)
             for _ in range(2 * CALLS_AT_ONCE)]
    assert builder.status() == "SERVING"
    assert not any(call.done() for call in calls)
    (tmp_path / "go").touch()
    assert all(call.result() is not None for call in calls)


def test_calls_beyond_the_queue_are_refused_as_unavailable(builder):
    limit = CALLS_AT_ONCE + CALLS_WAITING
    # The first calls hold all threads until the last one was sent.
    calls = [builder.stub.build_features.future(EcgBatch(
        manifest_path="sleep:2" if number < CALLS_AT_ONCE else ""))
        for number in range(limit + 8)]
    codes = [call.code() for call in calls]
    assert codes.count(grpc.StatusCode.OK) == limit
    refused = [call for call in calls if call.code() is
               grpc.StatusCode.UNAVAILABLE]
    assert len(refused) == 8
    assert refused[0].details().startswith("feature-builder.rpc.busy: ")
    assert builder.stub.build_features(EcgBatch()) is not None


def test_a_queued_call_that_was_cancelled_does_not_start(
        builder, tmp_path):
    busy = [builder.stub.build_features.future(SLEEP)
            for _ in range(CALLS_AT_ONCE)]
    time.sleep(0.1)
    late = builder.stub.build_features.future(
        EcgBatch(manifest_path=f"touch:{tmp_path / 'late'},0"))
    time.sleep(0.1)
    late.cancel()
    assert all(call.result() is not None for call in busy)
    builder.stub.build_features(EcgBatch())
    assert not (tmp_path / "late.begun").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_lets_calls_in_progress_end(start, tmp_path, number):
    served = start("feature-builder").connect()
    served.wait_for("SERVING")
    watch = served.health.Watch(
        health_pb2.HealthCheckRequest(service="FeatureBuilder"))
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    call = served.stub.build_features.future(
        EcgBatch(manifest_path=f"touch:{tmp_path / 'call'},0.5"))
    queued = [served.stub.build_features.future(SLEEP)
              for _ in range(CALLS_AT_ONCE)]
    wait_for_file(tmp_path / "call.begun")
    time.sleep(0.1)
    served.process.send_signal(number)
    assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
    watch.cancel()
    # Calls are still taken between this status and the closing of the port.
    time.sleep(0.1)
    with pytest.raises(grpc.RpcError) as caught:
        served.stub.build_features(EcgBatch(), timeout=0.3)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert all(c.code() is grpc.StatusCode.OK for c in [call, *queued])
    assert served.ended() == 0
    assert (tmp_path / "call.ended").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="has Linux's threads")
def test_a_signal_that_another_thread_gets_ends_the_server(start):
    served = start("feature-builder").connect()
    served.wait_for("SERVING")
    main = served.process.pid
    other = max(int(task.name) for task in
                Path(f"/proc/{main}/task").iterdir())
    assert other != main
    assert ctypes.CDLL(None).tgkill(main, other, signal.SIGTERM) == 0
    assert served.ended() == 0


def test_an_idle_server_does_not_wait_for_its_grace(start):
    served = start("ecg-loader", AURA_GRACE_S="3600").connect()
    served.wait_for("SERVING")
    served.process.terminate()
    assert served.ended(60) == 0


def test_a_stop_while_the_block_is_made_does_not_wait(start):
    served = start("feature-builder", TOY_START="30").connect()
    served.process.terminate()
    assert served.ended(5) == 0


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.3])
def test_a_stop_ends_a_server_that_is_still_importing(tmp_path, seconds):
    # This gRPC is slow to import, in short steps: Python handles no signal
    # that arrives just before a wait.
    (tmp_path / "grpc").mkdir()
    (tmp_path / "grpc/__init__.py").write_text(
        "print('importing', flush=True)\nimport time\n"
        "for _ in range(6000):\n    time.sleep(.01)\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "aura", "serve", "feature-builder"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(
            [str(tmp_path), os.environ.get("PYTHONPATH", "")])},
        stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout.readline() == "importing\n"
        time.sleep(seconds)
        process.terminate()
        assert process.wait(30) == 0


def test_calls_that_run_longer_than_the_grace_are_cut_off(start, tmp_path):
    served = start("feature-builder", AURA_GRACE_S="0.3").connect()
    call = served.stub.build_features.future(
        EcgBatch(manifest_path=f"touch:{tmp_path / 'call'},30"))
    wait_for_file(tmp_path / "call.begun")
    served.process.terminate()
    assert served.ended(5) == 1
    assert call.code() in (
        grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    assert "running calls were cut off" in served.log


def test_a_call_whose_caller_has_gone_may_finish_its_writing(
        start, tmp_path):
    served = start("feature-builder").connect()
    call = served.stub.build_features.future(
        EcgBatch(manifest_path=f"touch:{tmp_path / 'call'},0.5"))
    wait_for_file(tmp_path / "call.begun")
    call.cancel()
    served.process.terminate()
    assert served.ended() == 0
    assert (tmp_path / "call.ended").exists()


def test_the_end_of_the_parent_ends_the_server(start):
    served = start("ecg-loader", AURA_ENDS_WITH_INPUT="1").connect()
    served.process.stdin.close()
    assert served.ended() == 0


def test_by_default_the_end_of_its_input_changes_nothing(start):
    served = start("ecg-loader").connect()
    served.process.stdin.close()
    with pytest.raises(subprocess.TimeoutExpired):
        served.process.wait(0.5)
    assert served.status() == "SERVING"


def test_a_port_is_never_shared(start):
    first = start("ecg-loader").connect()
    second = start("ecg-loader", AURA_PORT=str(first.port))
    assert second.ended() == 1
    assert "serve.port: " in second.log and str(first.port) in second.log
    assert first.stub.load_training(Empty()) is not None


def test_only_loopback_listens_by_default(start):
    served = start("ecg-loader").connect()
    assert "ecg-loader listening on 127.0.0.1:" in served.log


def test_a_block_that_cannot_be_made_answers_why_until_that_is_fixed(
        start, tmp_path):
    needed = tmp_path / "needed"
    served = start("ecg-loader", TOY_START=f"needs {needed}").connect()
    served.wait_for("NOT_SERVING")
    assert served.status() == "SERVING"
    for _ in range(3):
        with pytest.raises(grpc.RpcError) as caught:
            served.stub.load_training(Empty(), timeout=30)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert caught.value.details() == (
            "ecg-loader.toy.start: nothing works")
    needed.touch()
    served.wait_for("SERVING")
    assert served.stub.load_training(Empty()).batch_index == 0
    # One line for many tries.
    assert served.log.count("cannot work: toy.start: nothing works") == 1


def test_a_block_that_cannot_be_made_stops_at_once(start, tmp_path):
    served = start("ecg-loader", TOY_START=f"needs {tmp_path / 'x'}")
    served.connect().wait_for("NOT_SERVING")
    served.process.terminate()
    assert served.ended() == 0


def test_a_crash_at_the_start_names_the_place_but_no_patient(start):
    served = start("ecg-loader", TOY_START="crash")
    assert served.ended() == 1
    assert "ValueError" in served.log and "toys.py" in served.log
    assert "Anna" not in served.log


def test_the_endpoint_comes_from_the_environment():
    assert Endpoint.load({}) == Endpoint("127.0.0.1", 8061, 25.0, False)
    assert Endpoint.load({
        "AURA_HOST": "[::]", "AURA_PORT": "9", "AURA_GRACE_S": "0.5",
        "AURA_ENDS_WITH_INPUT": "1"}) == Endpoint("[::]", 9, 0.5, True)


@pytest.mark.parametrize("name, text", [
    *((name, text) for name in ("AURA_PORT", "AURA_GRACE_S")
      for text in ("x", "-1", "1e9", "nan", "inf")), ("AURA_PORT", "1.5")])
def test_a_bad_endpoint_names_the_variable(name, text):
    with pytest.raises(InvalidInputError, match=name):
        Endpoint.load({name: text})


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("host", [
    "[::]", "::", "0.0.0.0", "127.0.0.1", "::1", "[::1]"])
def test_the_health_check_asks_where_the_block_listens(start, host):
    if "::1" in host and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    served = start("ecg-loader", AURA_HOST=host)
    assert served.listening.wait(10), served.log
    done = subprocess.run(
        [sys.executable, "-m", "aura.rpc.health"], text=True,
        capture_output=True, env={**os.environ, "AURA_HOST": host,
                                  "AURA_PORT": str(served.port)})
    assert (done.returncode, done.stdout) == (0, "SERVING\n"), done.stderr


def test_a_stop_under_load_loses_no_accepted_call(start):
    served = start("feature-builder").connect()
    served.wait_for("SERVING")
    calls = [served.stub.build_features.future(
        EcgBatch(manifest_path="sleep:0.05", batch_index=index))
        for index in range(24)]
    calls[0].result()
    served.process.terminate()
    assert [call.result().batch_index for call in calls] == list(range(24))
    assert served.ended() == 0
