"""Calls to the nodes of a solution that already listen."""

import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import Protocol, Self

from google.protobuf.message import Message
from grpc_health.v1 import health_pb2

from aura import blocks, state
from aura.errors import UnavailableError
from aura.platform.blueprint import Blueprint, Rpc
from aura.rpc.replicas import Replica, Replicas, Resolve, addresses_of

READY_TIMEOUT_S = 60.0
NOT_READY_PATIENCE_S = 3.0  # It has started and waits for its user
WARN_AFTER_S = 10.0  # Once for each node that a run waits for
PERIOD_S = 0.05
MOST_AT_ONCE = 16  # Replicas that are called at the same time

_LOG = logging.getLogger(__name__)
_SERVING = health_pb2.HealthCheckResponse.SERVING
_STARTING = health_pb2.HealthCheckResponse.UNKNOWN


class Transport(Protocol):
    """Nodes of a blueprint that can be called."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def call(self, rpc: Rpc, request: Message) -> Message:
        """Call an rpc and wait for its answer, however long that takes."""

    def calls_at_once(self, rpc: Rpc) -> int:
        """How many calls of an rpc may run at the same time."""
        return 1

    def log(self, node: str) -> str:
        """The last lines of a node's log, if they are available."""
        return ""


class Nodes(Transport):
    def __init__(self, blueprint: Blueprint, addresses: Mapping[str, str],
                 replicated: Collection[str] = (),
                 resolve: Resolve = addresses_of) -> None:
        self._blocks = {node.name: blocks.offering(node.rpcs[0].name)
                        for node in blueprint.nodes}
        self._nodes: dict[str, Replica | Replicas] = {
            name: Replicas(block, addresses[name], resolve)
            if name in replicated else Replica(block, addresses[name])
            for name, block in self._blocks.items()}

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for node in self._nodes.values():
            node.close()

    def call(self, rpc: Rpc, request: Message) -> Message:
        return self._nodes[rpc.node].call(rpc.name, request)

    def calls_at_once(self, rpc: Rpc) -> int:
        return (MOST_AT_ONCE if isinstance(self._nodes[rpc.node], Replicas)
                else 1)

    def wait_ready(self, timeout_s: float = READY_TIMEOUT_S,
                   check: Callable[[], None] = lambda: None,
                   last_error: Callable[[str], str] = lambda name: "") -> None:
        """Wait until every node's service is SERVING."""
        deadline = time.monotonic() + timeout_s
        for name in self._nodes:
            self._wait_for(name, deadline, check, last_error)

    def _wait_for(self, name: str, deadline: float, check: Callable[[], None],
                  last_error: Callable[[str], str]) -> None:
        block, patience = self._blocks[name], NOT_READY_PATIENCE_S
        warn_at = time.monotonic() + WARN_AFTER_S
        while (status := self._nodes[name].health()) != _SERVING:
            check()
            if status not in (None, _STARTING):
                patience -= PERIOD_S
            if patience < 0:
                raise UnavailableError(
                    "run.not_ready", f"{name} is running but not ready",
                    f"it needs {block.needs}{last_error(name)}")
            if time.monotonic() > warn_at:
                warn_at = deadline
                _LOG.warning("waiting for %s: it needs %s", name, block.needs)
            if time.monotonic() > deadline:
                raise state.error(
                    "run.not_there/wait_for", name=name, needs=block.needs)
            time.sleep(PERIOD_S)
