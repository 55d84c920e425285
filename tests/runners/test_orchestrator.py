"""Running a blueprint, without servers and through five processes."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import grpc
import pytest
from tests import toys

from aura.blocks import named
from aura.errors import UnavailableError
from aura.platform.blueprint import parse
from aura.rpc.aura_pb2 import Empty
from aura.rpc.client import Nodes
from aura.runners.orchestrator import InProcess, Retry, run
from aura.runners.processes import LocalProcesses
from aura.settings import Settings

SOLUTIONS = Path(__file__).parents[2] / "solutions"
TRAINING = parse((SOLUTIONS / "training.json").read_text("utf-8"))
PREDICTION = parse((SOLUTIONS / "prediction.json").read_text("utf-8"))
LOADER, BUILDER, TRAINER = (str(rpc) for rpc in TRAINING.rpcs)
EXPORTER = "influx-exporter1.export"
BRIEF = Retry(0.01, 0.02, 0.3)
BIGGEST_MESSAGE = 100_000


def in_process(blueprint, monkeypatch, **environ):
    """Toys that are called directly."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return InProcess(blueprint, Path("/"), Settings(), toys.make_toy)


def processes(blueprint, shared, **environ):
    """Toys that are served by processes."""
    return LocalProcesses(
        blueprint, shared, environ, toys.toy_command, timeout_s=30)


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    """The training solution in processes that all tests may run."""
    with processes(TRAINING, tmp_path_factory.mktemp("shared")) as up:
        yield up


def test_a_run_ends_by_itself_with_every_message(training):
    outcome = run(TRAINING, training)
    assert outcome.counts == {LOADER: 5, BUILDER: 5, TRAINER: 5}
    assert list(outcome.results) == [TRAINER]
    assert [report.done for report in outcome.results[TRAINER]] == [
        False, False, False, False, True]
    assert outcome.failures == []


def test_the_same_processes_run_again(training):
    assert run(TRAINING, training) == run(TRAINING, training)


def test_without_servers_the_same_messages_come(training, monkeypatch):
    def watch(transport):
        seen = []
        run(TRAINING, transport,
            lambda rpc, message: seen.append((str(rpc), str(message))))
        return sorted(seen)

    assert watch(in_process(TRAINING, monkeypatch)) == watch(training)


def test_2000_messages_keep_their_order_and_are_small(monkeypatch):
    sizes = []
    outcome = run(
        PREDICTION, in_process(PREDICTION, monkeypatch, TOY_COUNT="2000"),
        lambda rpc, message: sizes.append(message.ByteSize()))
    assert [report.batch_index for report in outcome.results[EXPORTER]] == (
        list(range(2000)))
    assert len(sizes) == 4 * 2000
    assert max(sizes) < BIGGEST_MESSAGE


def test_2000_messages_pass_four_processes_in_order(tmp_path):
    sizes = []
    with processes(PREDICTION, tmp_path, TOY_COUNT="2000") as up:
        outcome = run(PREDICTION, up, lambda rpc, message: sizes.append(
            message.ByteSize()))
    assert [report.batch_index for report in outcome.results[EXPORTER]] == (
        list(range(2000)))
    assert len(sizes) == 4 * 2000
    assert max(sizes) < BIGGEST_MESSAGE


def test_an_empty_source_ends_the_run(monkeypatch):
    outcome = run(
        TRAINING, in_process(TRAINING, monkeypatch, TOY_COUNT="0"))
    assert outcome.counts == {LOADER: 0, BUILDER: 0, TRAINER: 0}
    assert outcome.results == {TRAINER: []}
    assert outcome.failures == []


def check_failed_in_the_middle(outcome):
    failure, = outcome.failures
    assert str(failure) == (
        f"{BUILDER}: FAILED_PRECONDITION: "
        "feature-builder.some.rule: it must change")
    # The source goes on, as on the platform; earlier answers are kept.
    assert outcome.counts == {LOADER: 5, BUILDER: 2, TRAINER: 2}
    assert failure.undone == 3
    return failure


def test_a_block_that_fails_in_the_middle_is_reported(monkeypatch):
    transport = in_process(TRAINING, monkeypatch, TOY_TASK="fail_at:2")
    check_failed_in_the_middle(run(TRAINING, transport))


def test_a_block_that_fails_in_a_process_is_reported_with_its_log(tmp_path):
    with processes(TRAINING, tmp_path, TOY_TASK="fail_at:2") as up:
        failure = check_failed_in_the_middle(run(TRAINING, up))
    assert "build_features FAILED_PRECONDITION" in failure.log


def test_not_found_from_a_middle_block_is_an_error(monkeypatch):
    transport = in_process(
        TRAINING, monkeypatch, TOY_TASK="raise:EndOfData")
    failure, = run(TRAINING, transport).failures
    assert failure.code is grpc.StatusCode.NOT_FOUND
    assert failure.undone == 5


def test_a_source_that_fails_is_reported(monkeypatch):
    class Broken(toys.Loader):
        def load_training(self, request, context):
            if self.index == 2:
                raise ValueError(toys.CANARY)
            return super().load_training(request, context)

    monkeypatch.setitem(toys.TOYS, "ecg-loader", Broken)
    outcome = run(TRAINING, in_process(TRAINING, monkeypatch))
    failure, = outcome.failures
    assert failure.code is grpc.StatusCode.INTERNAL
    assert "Anna" not in failure.details
    assert failure.undone == 0
    assert outcome.counts[TRAINER] == 2


def test_a_block_that_is_unavailable_for_a_moment_is_called_again(
        monkeypatch, caplog):
    transport = in_process(TRAINING, monkeypatch, TOY_TASK="away_at:1,3")
    outcome = run(TRAINING, transport, retry=BRIEF)
    # A line for each try names the rpc and the reason.
    assert [message.partition(": ")[0] for message in caplog.messages] == [
        BUILDER] * 3
    assert all(message.endswith(
        "s: UNAVAILABLE: feature-builder.some.rule: back soon")
        for message in caplog.messages)
    assert outcome.failures == []
    assert outcome.results[TRAINER][-1].status_text == "in order"
    assert outcome.results[TRAINER][-1].train_rows == 5


def test_a_block_that_stays_unavailable_fails_its_rpc(monkeypatch):
    transport = in_process(TRAINING, monkeypatch, TOY_TASK="away_at:1,9999")
    failure, = run(TRAINING, transport, retry=BRIEF).failures
    assert failure.code is grpc.StatusCode.UNAVAILABLE
    # The first try has no pause before it.
    builder = transport._nodes["feature-builder1"][1]
    assert builder.tries == 1 + len(list(BRIEF.pauses()))


def test_a_source_that_is_unavailable_is_not_called_again(monkeypatch):
    calls = []

    class Away(toys.Loader):
        def load_training(self, request, context):
            calls.append(request)
            raise UnavailableError("some.rule", "back soon")

    monkeypatch.setitem(toys.TOYS, "ecg-loader", Away)
    failure, = run(TRAINING, in_process(TRAINING, monkeypatch),
                   retry=BRIEF).failures
    assert failure.code is grpc.StatusCode.UNAVAILABLE
    assert len(calls) == 1


def test_pauses_grow_to_a_limit_and_end():
    pauses = list(Retry(0.1, 0.5, 2.0).pauses())
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.5, 0.5, 0.3])


def test_a_process_that_is_killed_is_not_called_again(tmp_path, caplog):
    with processes(TRAINING, tmp_path, TOY_TASK="die_at:1") as up:
        outcome = run(TRAINING, up)
    # Each further try would be logged.
    assert caplog.messages == []
    failure, = outcome.failures
    assert failure.code is grpc.StatusCode.UNAVAILABLE
    assert failure.details.startswith(
        "feature-builder1 ended with exit code -9")
    assert "build_features OK" in failure.details
    assert outcome.counts[LOADER] == 5


def test_calls_of_one_rpc_never_overlap(monkeypatch):
    inside, most = [], []

    class Slow(toys.Builder):
        def build_features(self, request, context):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.002)
            inside.pop()
            return super().build_features(request, context)

    monkeypatch.setitem(toys.TOYS, "feature-builder", Slow)
    run(TRAINING, in_process(TRAINING, monkeypatch, TOY_COUNT="20"))
    assert most == [1] * 20


def test_one_answer_goes_to_every_target(monkeypatch):
    content = json.loads((SOLUTIONS / "prediction.json").read_text("utf-8"))
    trainer = json.loads((SOLUTIONS / "training.json").read_text("utf-8"))
    content["nodes"].append(trainer["nodes"][2])
    builder = content["nodes"][1]["operation_signature_list"][0]
    builder["connected_to"].append({
        "container_name": "seizure-trainer1",
        "operation_signature": {"operation_name": "train"}})
    blueprint = parse(json.dumps(content))
    outcome = run(blueprint, in_process(blueprint, monkeypatch))
    assert outcome.failures == []
    assert set(outcome.results) == {EXPORTER, TRAINER}
    assert outcome.results[TRAINER][-1].train_rows == 5
    assert len(outcome.results[EXPORTER]) == 5


def test_two_sources_feed_one_queue_which_ends_with_the_last(monkeypatch):
    content = json.loads((SOLUTIONS / "training.json").read_text("utf-8"))
    second = json.loads(json.dumps(content["nodes"][0]))
    second["container_name"] = "ecg-loader2"
    content["nodes"].append(second)
    blueprint = parse(json.dumps(content))
    outcome = run(blueprint, in_process(blueprint, monkeypatch))
    assert outcome.counts[BUILDER] == 10
    assert len(outcome.results[TRAINER]) == 10


def test_an_error_of_an_observer_ends_the_run(monkeypatch):
    def observe(rpc, message):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(TRAINING, in_process(TRAINING, monkeypatch), observe)


def test_a_node_that_cannot_start_is_reported_with_its_last_lines(tmp_path):
    with pytest.raises(UnavailableError) as caught:
        with processes(TRAINING, tmp_path, TOY_START="crash"):
            pass
    assert caught.value.rule == "run.ended"
    assert "exit code 1" in caught.value.text
    assert "ValueError" in caught.value.text


def test_a_node_that_cannot_be_made_reports_its_last_error(tmp_path):
    with pytest.raises(UnavailableError) as caught:
        with processes(TRAINING, tmp_path, TOY_START="needs /nonexistent"):
            pass
    assert caught.value.rule == "run.not_ready"
    assert caught.value.text.startswith("ecg-loader1 ")
    assert caught.value.text.endswith(" toy.start: nothing works")


def test_a_node_that_is_not_ready_reports_what_it_needs(tmp_path):
    with pytest.raises(UnavailableError) as caught:
        with processes(TRAINING, tmp_path, TOY_NEEDS="/nonexistent"):
            pass
    assert caught.value.rule == "run.not_ready"
    assert caught.value.text.startswith("feature-builder1 ")
    assert named("feature-builder").needs in caught.value.text


def test_a_node_that_hangs_is_given_up(tmp_path):
    with pytest.raises(UnavailableError, match="run.not_there"):
        with LocalProcesses(
                TRAINING, tmp_path, command=lambda block: ["sleep", "60"],
                timeout_s=0.3):
            pass


def test_nodes_elsewhere_are_called_by_address(training, start, tmp_path):
    served = [start(name).connect() for name in (
        "ecg-loader", "feature-builder", "seizure-trainer")]
    addresses = {node.name: f"127.0.0.1:{entry.port}"
                 for node, entry in zip(TRAINING.nodes, served, strict=True)}
    with Nodes(TRAINING, addresses) as nodes:
        nodes.wait_ready()
        assert run(TRAINING, nodes) == run(TRAINING, training)


def test_nodes_that_do_not_listen_are_reported():
    addresses = {node.name: "127.0.0.1:1" for node in TRAINING.nodes}
    with Nodes(TRAINING, addresses) as nodes:
        with pytest.raises(UnavailableError, match="run.not_there: ecg-load"):
            nodes.wait_ready(0.2)


def test_a_restarted_block_costs_a_retry_not_a_result(start):
    first = start("feature-builder").connect()
    loader = start("ecg-loader", TOY_COUNT="40").connect()
    trainer = start("seizure-trainer").connect()
    addresses = {
        "ecg-loader1": f"127.0.0.1:{loader.port}",
        "feature-builder1": f"127.0.0.1:{first.port}",
        "seizure-trainer1": f"127.0.0.1:{trainer.port}"}
    again = []

    def observe(rpc, message):
        if str(rpc) == BUILDER and message.batch_index == 10:
            first.process.kill()
            first.process.wait()
            again.append(start("feature-builder", AURA_PORT=str(first.port)))

    with Nodes(TRAINING, addresses) as nodes:
        nodes.wait_ready()
        outcome = run(TRAINING, nodes, observe)
    assert len(again) == 1
    assert outcome.failures == []
    assert outcome.results[TRAINER][-1].train_rows == 40


RUNNER = """
    import signal, sys, time
    from pathlib import Path
    # A process in the background would ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.path.insert(0, {folder!r})
    from tests import toys
    from aura.platform.blueprint import parse
    from aura.runners.processes import LocalProcesses
    from aura.runners.orchestrator import run
    blueprint = parse(Path({solution!r}).read_text("utf-8"))
    environ = {{"TOY_TASK": "sleep:300", "AURA_GRACE_S": "0.2"}}
    with LocalProcesses(
            blueprint, Path("."), environ, toys.toy_command) as up:
        pids = [str(p._process.pid) for p in up._processes.values()]
        print(*pids, flush=True)
        run(blueprint, up)
"""


def alive(pid):
    """Whether a process runs, zombies not counted."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1]
    except FileNotFoundError:
        return False
    return state.split()[0] != "Z"


@pytest.mark.parametrize("number", [
    signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_runner(number, tmp_path):
    code = textwrap.dedent(RUNNER).format(
        folder=str(SOLUTIONS.parent),
        solution=str(SOLUTIONS / "training.json"))
    runner = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, cwd=tmp_path)
    try:
        pids = [int(pid) for pid in runner.stdout.readline().split()]
        assert len(pids) == 3 and all(alive(pid) for pid in pids)
        time.sleep(0.3)
        runner.send_signal(number)
        assert runner.wait(90) != 0
        deadline = time.monotonic() + 90
        while any(alive(pid) for pid in pids):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        runner.kill()
        runner.wait()
        runner.stdout.close()


def test_a_run_leaves_no_thread_and_no_child(tmp_path):
    before = threading.active_count()
    with processes(TRAINING, tmp_path) as up:
        run(TRAINING, up)
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    with processes(TRAINING, tmp_path) as up:
        up.call(TRAINING.rpcs[0], Empty())
    after = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    assert after == children
    deadline = time.monotonic() + 5
    while threading.active_count() > before:
        assert time.monotonic() < deadline
        time.sleep(0.05)
