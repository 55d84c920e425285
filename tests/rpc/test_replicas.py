"""Several servers of one block: which gets which calls, also after faults."""

import signal
import threading
import time
from pathlib import Path

import grpc
import pytest
from tests import toys
from grpc_health.v1 import health_pb2

from aura.blocks import named
from aura.errors import UnavailableError
from aura.platform.blueprint import Blueprint, parse
from aura.rpc import replicas
from aura.rpc.aura_pb2 import EcgBatch
from aura.rpc.client import Nodes
from aura.rpc.replicas import KEEPALIVE_S, Replica, Replicas, addresses_of
from aura.rpc.status import CallFailed
from aura.runners.orchestrator import InProcess, Retry, run
from aura.settings import Settings

TRAINING = parse((Path(__file__).parents[2] / "solutions/training.json")
                 .read_text("utf-8"))
BUILDER, TRAINER = (str(rpc) for rpc in TRAINING.rpcs[1:])
SERVING = health_pb2.HealthCheckResponse.SERVING
NAME = "feature-builder1"


class Cluster:
    """Builders behind a name; loader and trainer are in this process."""

    def __init__(self, builders, count, task=""):
        self.builders = builders
        self.listed = [self.address(served) for served in builders]
        self.before = [len(builder.lines) for builder in builders]
        self.others = InProcess(
            TRAINING, Path("/"), Settings(), toys.make_toy)
        loader = self.others._nodes["ecg-loader1"][1]
        loader.count, loader.task = count, task
        self.nodes = Nodes(
            TRAINING, {node.name: "builders:8061" for node in TRAINING.nodes},
            {NAME}, self.resolve)

    @staticmethod
    def address(served):
        return f"127.0.0.1:{served.port}"

    def resolve(self, target):
        """The lookup of a headless Service's name."""
        assert target == "builders:8061"
        if not self.listed:
            raise OSError
        return tuple(self.listed)

    def call(self, rpc, request):
        return self.way(rpc).call(rpc, request)

    def calls_at_once(self, rpc):
        return self.way(rpc).calls_at_once(rpc)

    def log(self, node):
        return ""

    def way(self, rpc):
        return self.nodes if rpc.node == NAME else self.others

    def run(self, at=-1, happens=None, retry=Retry()):
        """Run; call `happens` when a batch has its answer."""
        def observe(rpc, message):
            if str(rpc) == BUILDER and message.batch_index == at:
                happens()

        with self.nodes:
            # Otherwise the server found first might do all.
            self.wait_for_all()
            return run(TRAINING, self, observe, retry)

    def wait_for_all(self):
        deadline = time.monotonic() + 10
        while self.nodes._nodes[NAME].idle < len(self.builders):
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def served(self, total):
        """How many calls each builder has answered, once all are logged."""
        deadline = time.monotonic() + 10
        while sum(counts := [
                "".join(builder.lines[before:]).count("build_features OK")
                for builder, before in zip(
                    self.builders, self.before, strict=True)]) != total:
            assert time.monotonic() < deadline, counts
            time.sleep(0.02)
        return counts


@pytest.fixture
def mortals(start):
    """Two builders that a test may end."""
    return [start("feature-builder").connect() for _ in range(2)]


def check_complete(outcome, count):
    assert outcome.failures == []
    # The toy's report has the order in which the trainer was called.
    assert outcome.results[TRAINER][-1].status_text == "in order"
    assert outcome.results[TRAINER][-1].train_rows == count
    assert [report.done for report in outcome.results[TRAINER]] == (
        [False] * (count - 1) + [True])


def test_replicas_share_the_batches_and_order_is_kept(pair):
    cluster = Cluster(pair, 40, "sleep:0.05")
    check_complete(cluster.run(), 40)
    assert min(cluster.served(40)) >= 10


def test_the_first_batch_may_be_the_last_that_is_done(pair):
    cluster = Cluster(pair, 12, "sleep_at:0,1")
    check_complete(cluster.run(), 12)
    # The slow call delayed no other call.
    assert sorted(cluster.served(12)) == [1, 11]


def test_a_replica_is_called_one_call_at_a_time(pair):
    check_complete(Cluster(pair[:1], 6, "single:0.05").run(), 6)


def test_a_replica_that_is_killed_costs_a_retry_not_a_result(start):
    mortal = start("feature-builder", TOY_DIES_AT_CALL="5")
    cluster = Cluster([mortal.connect(),
                       start("feature-builder").connect()], 40, "sleep:0.05")
    check_complete(cluster.run(), 40)
    assert mortal.ended() == -9
    assert cluster.served(40) == [4, 36]


def test_a_replica_that_is_added_gets_batches_too(pair):
    cluster = Cluster(pair, 60, "sleep:0.05")
    added = cluster.listed.pop()
    cluster.wait_for_all = lambda: None
    check_complete(cluster.run(2, lambda: cluster.listed.append(added)), 60)
    assert min(cluster.served(60)) > 0


def test_a_replica_that_goes_in_good_order_loses_no_batch(mortals):
    cluster = Cluster(mortals, 40, "sleep:0.05")
    check_complete(cluster.run(2, mortals[0].process.terminate), 40)
    assert mortals[0].ended() == 0
    assert cluster.served(40)[0] < 40


def test_a_run_whose_replicas_have_all_died_fails(mortals):
    cluster = Cluster(mortals, 20, "die_at:3")
    failure, = cluster.run(retry=Retry(0.1, 0.1, 0.1)).failures
    assert failure.code is grpc.StatusCode.UNAVAILABLE
    assert failure.undone == 17


def test_answers_before_a_failure_are_passed_on(pair):
    outcome = Cluster(pair, 20, "fail_at:4").run()
    failure, = outcome.failures
    assert failure.code is grpc.StatusCode.FAILED_PRECONDITION
    assert failure.undone == 16
    assert outcome.counts[BUILDER] == outcome.counts[TRAINER] == 4


def test_one_replica_is_enough(pair):
    cluster = Cluster(pair[:1], 3)
    cluster.listed.append("127.0.0.1:1")
    check_complete(cluster.run(), 3)


def wait_until_idle(servers, count):
    deadline = time.monotonic() + 10
    while servers.idle < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_nodes_are_ready_with_their_first_replica(pair):
    listed = threading.Event()
    servers = Replicas(
        named("feature-builder"), "builders:8061",
        lambda _: [Cluster.address(pair[0])] if listed.is_set() else [])
    assert servers.health() is None
    listed.set()
    wait_until_idle(servers, 1)
    assert servers.health() == SERVING
    servers.close()


def test_a_name_without_any_server_does_not_answer():
    plan = Blueprint("builder", TRAINING.nodes[1:2])
    with Nodes(plan, {NAME: "nobody.invalid:8061"}, {NAME}) as nodes:
        with pytest.raises(UnavailableError) as caught:
            nodes.wait_ready(0.3)
    assert caught.value.rule == "run.not_there"
    assert NAME in caught.value.text


def failure_of(server, request):
    """A thread that calls a server, and the failures that it meets."""
    caught = []

    def call():
        try:
            server.call("build_features", request)
        except CallFailed as failure:
            caught.append(failure)

    caller = threading.Thread(target=call)
    caller.start()
    return caller, caught


def test_a_call_that_waits_for_a_server_ends_with_the_connection():
    servers = Replicas(named("feature-builder"), "nowhere:1", lambda _: ())
    caller, caught = failure_of(servers, EcgBatch())
    servers.close()
    caller.join(10)
    assert [failure.code for failure in caught] == [
        grpc.StatusCode.CANCELLED]


def test_only_a_node_with_replicas_gets_calls_at_once():
    addresses = {node.name: "127.0.0.1:1" for node in TRAINING.nodes}
    with Nodes(TRAINING, addresses, {NAME}) as nodes:
        assert [nodes.calls_at_once(rpc) > 1 for rpc in TRAINING.rpcs] == [
            False, True, False]


def test_a_host_with_two_kinds_of_addresses_is_one_server():
    assert len(addresses_of("localhost:8061")) == 1
    assert addresses_of("127.0.0.1:8061") == ["127.0.0.1:8061"]
    assert addresses_of("[::1]:8061") == ["[::1]:8061"]
    with pytest.raises(OSError):
        addresses_of("nobody.invalid:8061")


def test_a_server_whose_machine_has_vanished_fails_its_call(
        start, monkeypatch):
    """A stopped process stands for a machine that answers nothing."""
    monkeypatch.setattr(replicas, "KEEPALIVE_S", 1)
    monkeypatch.setattr(replicas, "KEEPALIVE_TIMEOUT_S", 1)
    served = start("feature-builder").connect()
    served.wait_for("SERVING")
    server = Replica(named("feature-builder"), Cluster.address(served))
    caller, caught = failure_of(
        server, EcgBatch(manifest_path="sleep:600"))
    time.sleep(0.5)
    served.process.send_signal(signal.SIGSTOP)
    caller.join(120)
    server.close()
    failure, = caught
    # Another server may do it.
    assert failure.code is grpc.StatusCode.UNAVAILABLE
    assert failure.again


def test_no_server_takes_keepalive_pings_for_an_attack():
    # A gRPC server ends a connection that pings twice within this time:
    # GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, five minutes.
    assert KEEPALIVE_S > 300
