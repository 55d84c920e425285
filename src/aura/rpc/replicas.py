"""Several servers of one block behind one name."""
# gRPC's own ``round_robin`` cannot replace this: it counts calls, not work,
# and it looks up the name again only after a connection was lost.

import contextlib
import socket
import threading
from collections.abc import Callable, Sequence

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from aura.blocks import Block
from aura.rpc import binding
from aura.rpc.status import CallFailed

LOOK_PERIOD_S = 1.0
PATIENCE_S = 2.0  # While no server at all answers

# A server closes a connection that pings more often than every 300 s.
KEEPALIVE_S, KEEPALIVE_TIMEOUT_S = 330.0, 20.0
_SERVING = health_pb2.HealthCheckResponse.SERVING

Resolve = Callable[[str], Sequence[str]]


def addresses_of(target: str) -> list[str]:
    """All addresses behind a ``host:port``, of one family: one a server."""
    host, _, port = target.rpartition(":")
    found = socket.getaddrinfo(
        host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    family = found[0][0]
    hosts = sorted({str(entry[4][0]) for entry in found if entry[0] == family})
    return [f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            for host in hosts]


class Replica:
    def __init__(self, block: Block, address: str) -> None:
        self._service = block.service
        self._closed = False
        timeout_ms = round(1000 * KEEPALIVE_TIMEOUT_S)
        self._channel = grpc.insecure_channel(address, (
            ("grpc.enable_http_proxy", 0),
            # A shared pool would also share broken connections.
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 2000),
            ("grpc.keepalive_time_ms", round(1000 * KEEPALIVE_S)),
            ("grpc.keepalive_timeout_ms", timeout_ms),
            # For a machine whose kernel still answers, and nothing else.
            ("grpc.http2.ping_timeout_ms", timeout_ms),
            # A long call sends no data; any number of pings is allowed.
            ("grpc.http2.max_pings_without_data", 0)))
        self._stub = binding.stub(block.service, self._channel)

    def call(self, rpc: str, request: Message) -> Message:
        """Call an rpc without a deadline: a training may take hours."""
        try:
            answer: Message = getattr(self._stub, rpc)(request)
        except grpc.RpcError as error:
            # A server that is stopping cancels calls that arrive just then.
            away = error.code() is grpc.StatusCode.UNAVAILABLE or (
                error.code() is grpc.StatusCode.CANCELLED and not self._closed)
            raise CallFailed(
                error.code(), error.details() or "", away) from None
        # grpcio raises this if the channel has been closed meanwhile.
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
        self._closed = True
        self._channel.close()


class Replicas:
    """The servers of a block behind a name with several addresses."""

    def __init__(self, block: Block, target: str,
                 resolve: Resolve = addresses_of) -> None:
        self._block = block
        self._target = target
        self._resolve = resolve
        # By address. A server in neither set has failed, or is new.
        self._known: dict[str, Replica] = {}
        self._idle: list[str] = []
        self._busy: set[str] = set()
        self._changed = threading.Condition()
        self._closed = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def idle(self) -> int:
        return len(self._idle)

    def call(self, rpc: str, request: Message) -> Message:
        """Call an rpc of an idle server; wait until there is one."""
        address = self._borrow()
        failed = False
        try:
            return self._known[address].call(rpc, request)
        except CallFailed as failure:
            failed = failure.again
            raise
        finally:
            with self._changed:
                self._busy.remove(address)
                if not failed:
                    self._idle.append(address)
                self._changed.notify()

    def health(self) -> int | None:
        """SERVING as soon as one server is; None before."""
        with self._changed:
            return _SERVING if self._idle or self._busy else None

    def close(self) -> None:
        self._closed.set()
        with self._changed:
            for server in self._known.values():
                server.close()
            self._changed.notify_all()

    def _borrow(self) -> str:
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
            address = self._idle.pop(0)
            self._busy.add(address)
            return address

    def _watch(self) -> None:
        while True:
            # A name without any server is an error of the resolver, too.
            with contextlib.suppress(OSError):
                self._look(set(self._resolve(self._target)))
            if self._closed.wait(LOOK_PERIOD_S):
                return

    def _look(self, listed: set[str]) -> None:
        with self._changed:
            if self._closed.is_set():
                return
            for address in listed - self._known.keys():
                self._known[address] = Replica(self._block, address)
            # A busy server may be draining; its answer counts.
            for address in self._known.keys() - listed - self._busy:
                self._known.pop(address).close()
            self._idle = [one for one in self._idle if one in self._known]
            away = self._known.keys() - self._busy - set(self._idle)
        for address in away:
            if self._known[address].health() == _SERVING:
                with self._changed:
                    self._idle.append(address)
                    self._changed.notify()
