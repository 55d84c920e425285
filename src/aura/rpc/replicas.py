"""
Several servers of one block behind one name.

Each is called one call at a time, as a single one would be. Who is there is
asked again and again, since servers come and go while a run goes on; one
that failed is called no more until it says SERVING.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from aura.blocks import Block
from aura.rpc import aura_pb2_grpc
from aura.rpc.status import CallFailed

LOOK_PERIOD_S = 1.0
# How long nobody may be there until a call is said to have failed.
PATIENCE_S = 2.0

# A server by gRPC's defaults ends a connection that asks more often than
# every 300 s whether it is there.
KEEPALIVE_S, KEEPALIVE_TIMEOUT_S = 330.0, 20.0
OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
)
_SERVING = health_pb2.HealthCheckResponse.SERVING

Resolve = Callable[[str], Sequence[str]]


def addresses_of(target: str) -> list[str]:
    """
    All addresses behind a ``host:port``, of one family.

    A server that has an IPv4 and an IPv6 address is still one server.
    """
    host, _, port = target.rpartition(":")
    found = socket.getaddrinfo(
        host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    family = found[0][0]
    hosts = sorted({str(entry[4][0]) for entry in found
                    if entry[0] == family})
    return [f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            for host in hosts]


class Replica:
    """One server of a block, by its address."""

    def __init__(self, block: Block, address: str,
                 keepalive_s: float = KEEPALIVE_S,
                 keepalive_timeout_s: float = KEEPALIVE_TIMEOUT_S) -> None:
        self.address = address
        self._service = block.service
        self._closed = False
        timeout_ms = round(1000 * keepalive_timeout_s)
        # A pool shared with others would share their broken connections.
        self._channel = grpc.insecure_channel(address, (
            *OPTIONS, ("grpc.use_local_subchannel_pool", 1),
            ("grpc.keepalive_time_ms", round(1000 * keepalive_s)),
            ("grpc.keepalive_timeout_ms", timeout_ms),
            # Where the kernel still answers, but nobody else.
            ("grpc.http2.ping_timeout_ms", timeout_ms),
            # An hour of work sends nothing; as many questions as it takes.
            ("grpc.http2.max_pings_without_data", 0)))
        self._stub: Any = getattr(
            aura_pb2_grpc, f"{block.service}Stub")(self._channel)

    def call(self, rpc: str, request: Message) -> Message:
        """Call an rpc without a deadline: a training may take hours."""
        try:
            answer: Message = getattr(self._stub, rpc)(request)
        except grpc.RpcError as error:
            # A server that is stopping cancels what comes in just then.
            away = error.code() is grpc.StatusCode.UNAVAILABLE or (
                error.code() is grpc.StatusCode.CANCELLED
                and not self._closed)
            raise CallFailed(
                error.code(), error.details() or "", away) from None
        # What grpcio says of a channel that was closed meanwhile.
        except ValueError as error:
            raise CallFailed(grpc.StatusCode.CANCELLED, str(error)) from None
        return answer

    def health(self) -> int | None:
        """The health status of its service; None if it does not answer."""
        try:
            status: int = health_pb2_grpc.HealthStub(self._channel).Check(
                health_pb2.HealthCheckRequest(service=self._service),
                timeout=2).status
        except (grpc.RpcError, ValueError):
            return None
        return status

    def close(self) -> None:
        """Give up calls in progress and close the connection."""
        self._closed = True
        self._channel.close()


class Replicas:
    """The servers of a block behind a name with several addresses."""

    def __init__(self, block: Block, target: str,
                 resolve: Resolve = addresses_of) -> None:
        self._block = block
        self._target = target
        self._resolve = resolve
        self._known: dict[str, Replica] = {}
        self._idle: list[Replica] = []
        self._busy: list[Replica] = []
        self._changed = threading.Condition()
        self._closed = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def call(self, rpc: str, request: Message) -> Message:
        """Call an rpc of a server that has nothing to do; wait for one."""
        server, sound = self._borrow(), True
        try:
            return server.call(rpc, request)
        except CallFailed as failure:
            sound = not failure.again
            raise
        finally:
            with self._changed:
                self._busy.remove(server)
                if sound:
                    self._idle.append(server)
                self._changed.notify()

    def health(self) -> int | None:
        """SERVING as soon as one server is; None before."""
        with self._changed:
            return _SERVING if self._idle or self._busy else None

    def close(self) -> None:
        """Give up calls in progress and close all connections."""
        self._closed.set()
        with self._changed:
            for server in self._known.values():
                server.close()
            self._changed.notify_all()

    def _borrow(self) -> Replica:
        with self._changed:
            while not self._idle:
                changed = self._changed.wait(PATIENCE_S)
                if self._closed.is_set():
                    raise CallFailed(
                        grpc.StatusCode.CANCELLED, "the run was ended")
                if not (changed or self._idle or self._busy):
                    raise CallFailed(
                        grpc.StatusCode.UNAVAILABLE,
                        f"no server behind {self._target} answers")
            self._busy.append(self._idle.pop(0))
            return self._busy[-1]

    def _watch(self) -> None:
        while True:
            # Nobody behind a name is an error of the resolver's, too.
            with contextlib.suppress(OSError):
                self._look(self._resolve(self._target))
            if self._closed.wait(LOOK_PERIOD_S):
                return

    def _look(self, addresses: Sequence[str]) -> None:
        with self._changed:
            if self._closed.is_set():
                return
            for address in set(addresses) - self._known.keys():
                self._known[address] = Replica(self._block, address)
            # One at work may be draining; its answer counts.
            for server in list(self._known.values()):
                if (server.address not in addresses
                        and server not in self._busy):
                    del self._known[server.address]
                    if server in self._idle:
                        self._idle.remove(server)
                    server.close()
            resting = [server for server in self._known.values()
                       if server not in (*self._idle, *self._busy)]
        for server in resting:
            if server.health() == _SERVING:
                with self._changed:
                    self._idle.append(server)
                    self._changed.notify()
