"""
Calling the nodes of a solution that listen somewhere.

Channels are plain and local: no proxy of the environment comes between, and
a block that was restarted is found again soon.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from aura import blocks
from aura.blueprint import Blueprint, Rpc
from aura.errors import UnavailableError
from aura.rpc import aura_pb2_grpc
from aura.rpc.status import CallFailed

READY_TIMEOUT_S = 60.0
# A block that has started and still says no is waiting for its user.
NOT_READY_PATIENCE_S = 3.0
PERIOD_S = 0.05

_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
)
_SERVING = health_pb2.HealthCheckResponse.SERVING
_STARTING = health_pb2.HealthCheckResponse.UNKNOWN


class Nodes:
    """
    The nodes of a blueprint, each behind an address.

    Parameters
    ----------
    blueprint : Blueprint
        Whose nodes are called.
    addresses : mapping of str to str
        ``host:port`` of each node.
    """

    def __init__(self, blueprint: Blueprint,
                 addresses: Mapping[str, str]) -> None:
        self._blocks = {
            node.name: blocks.offering(node.rpcs[0].name)
            for node in blueprint.nodes}
        self._channels = {
            name: grpc.insecure_channel(addresses[name], _OPTIONS)
            for name in self._blocks}
        self._stubs: dict[str, Any] = {
            name: getattr(aura_pb2_grpc, f"{block.service}Stub")(
                self._channels[name])
            for name, block in self._blocks.items()}

    def __enter__(self) -> "Nodes":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up calls in progress and close all connections."""
        for channel in self._channels.values():
            channel.close()

    def call(self, rpc: Rpc, request: Message) -> Message:
        """Call an rpc without a deadline: a training may take hours."""
        try:
            answer: Message = getattr(self._stubs[rpc.node], rpc.name)(
                request)
        except grpc.RpcError as error:
            raise CallFailed(error.code(), error.details() or "") from None
        # What grpcio says of a channel that was closed meanwhile.
        except ValueError as error:
            raise CallFailed(grpc.StatusCode.CANCELLED, str(error)) from None
        return answer

    def log(self, node: str) -> str:
        """Nothing: what a node logs stays where it runs."""
        return ""

    def wait_ready(self, timeout_s: float = READY_TIMEOUT_S,
                   check: Callable[[], None] = lambda: None) -> None:
        """
        Wait until every node's service says SERVING.

        Parameters
        ----------
        timeout_s : float
            Seconds for all nodes together.
        check : callable, optional
            Called while waiting; raises to end it.

        Raises
        ------
        UnavailableError
            If a node is not there, or not ready, in time.
        """
        deadline = time.monotonic() + timeout_s
        for name in self._channels:
            self._wait_for(name, deadline, check)

    def _wait_for(self, name: str, deadline: float,
                  check: Callable[[], None]) -> None:
        block, patience = self._blocks[name], NOT_READY_PATIENCE_S
        while (status := self._health(name)) != _SERVING:
            check()
            if status not in (None, _STARTING):
                patience -= PERIOD_S
            if patience < 0:
                raise UnavailableError(
                    "run.not_ready", f"{name} is up but not ready",
                    f"it needs {block.needs}")
            if time.monotonic() > deadline:
                raise UnavailableError(
                    "run.not_there", f"{name} does not answer",
                    "look whether it runs and listens at its address")
            time.sleep(PERIOD_S)

    def _health(self, name: str) -> int | None:
        stub = health_pb2_grpc.HealthStub(self._channels[name])
        request = health_pb2.HealthCheckRequest(
            service=self._blocks[name].service)
        try:
            status: int = stub.Check(request, timeout=2).status
        except grpc.RpcError:
            return None
        return status
