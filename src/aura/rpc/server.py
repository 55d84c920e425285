"""A block as a gRPC server: health, reflection, readiness, draining."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from aura import state
from aura.blocks import Block, Servicer
from aura.errors import AuraError, InvalidInputError, frames_of
from aura.rpc import binding
from aura.rpc.dispatch import Dispatch

READY_PERIOD_S = 1.0
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
STARTING = health_pb2.HealthCheckResponse.UNKNOWN

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Endpoint:
    """Where a server listens, and how it stops."""

    host: str = "127.0.0.1"  # ``AURA_HOST``; images set ``[::]``
    port: int = 8061  # ``AURA_PORT``; 0 takes a free one, which the log names
    grace_s: float = 25.0  # ``AURA_GRACE_S``; Kubernetes kills after 30 s
    # ``AURA_ENDS_WITH_INPUT=1``: end with the parent that holds the input.
    ends_with_input: bool = False

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ) -> "Endpoint":
        host = (environ.get("AURA_HOST") or cls.host).strip("[]")
        return cls(f"[{host}]" if ":" in host else host,
                   int(_number(environ, "AURA_PORT", cls.port, 65535)),
                   _number(environ, "AURA_GRACE_S", cls.grace_s, 86400),
                   environ.get("AURA_ENDS_WITH_INPUT") == "1")


def _number(environ: Mapping[str, str], name: str, default: float,
            most: int) -> float:
    text = environ.get(name) or str(default)
    try:
        value = type(default)(text)
    except ValueError:
        value = -1
    if not 0 <= value <= most:
        kind = "whole number" if isinstance(default, int) else "number"
        raise InvalidInputError("serve.setting", f"{name} is {text!r}",
                                f"set it to a {kind} from 0 to {most}")
    return value


class Deferred:
    """The servicer until the real one is made; its calls wait for that."""
    # The platform's orchestrator drops a block whose first call fails, so the
    # port opens before anything slow is imported.

    def __init__(self, block: Block) -> None:
        self._tried = threading.Event()
        self._made: Servicer | BaseException | None = None
        for rpc in block.rpcs:
            setattr(self, rpc, self._waiting(rpc))

    def resolve(self, made: Servicer | BaseException) -> None:
        """Pass calls on to a servicer, or fail them with an exception."""
        self._made = made
        self._tried.set()

    def _waiting(self, rpc: str) -> Callable[..., Any]:
        def call(request: Any, context: grpc.ServicerContext) -> Any:
            self._tried.wait()
            made = self._made
            if isinstance(made, BaseException):
                # Raised again and again, it would collect all its frames.
                raise made.with_traceback(None)
            return getattr(made, rpc)(request, context)
        return call


class BlockServer:
    def __init__(self, block: Block, endpoint: Endpoint) -> None:
        self._block = block
        self._endpoint = endpoint
        self._servicer = Deferred(block)
        self._dispatch = Dispatch(block)
        self._stopping = threading.Event()
        self._health = health.HealthServicer()
        self._health.set(block.service, STARTING)
        # Only streams of reflection use these threads; see `Dispatch`.
        self._server = grpc.server(
            ThreadPoolExecutor(2, thread_name_prefix="reflection"),
            interceptors=[self._dispatch], options=(("grpc.so_reuseport", 0),))
        self._server.add_generic_rpc_handlers(
            [binding.handlers(block.service, self._servicer)])
        health_pb2_grpc.add_HealthServicer_to_server(
            self._health, self._server)
        reflection.enable_server_reflection(
            (block.service, health.SERVICE_NAME, reflection.SERVICE_NAME),
            self._server)

    def start(self) -> None:
        """Open the port and answer; calls wait until `prepare` is done."""
        host, port = self._endpoint.host, self._endpoint.port
        try:
            bound = self._server.add_insecure_port(f"{host}:{port}")
        except RuntimeError:
            raise state.error("serve.port", port=port, host=host) from None
        self._server.start()
        _LOG.info("%s listening on %s:%d", self._block.name, host, bound)

    def prepare(self, make: Callable[[], Servicer]) -> None:
        """Make the servicer, pass calls to it, and watch its readiness."""
        # Users can fix some errors meanwhile, such as missing rights.
        logged = ""
        while True:
            try:
                servicer = make()
                break
            except AuraError as error:
                self._servicer.resolve(error)
                self._health.set(self._block.service, NOT_SERVING)
                if logged != (logged := str(error)):
                    _LOG.error("%s cannot work: %s", self._block.name, error)
            except BaseException as error:
                self._servicer.resolve(error)
                raise
            if self._stopping.wait(READY_PERIOD_S):
                return
        self._servicer.resolve(servicer)
        self._watch(servicer)

    def _watch(self, servicer: Servicer) -> None:
        known = None
        while True:
            reason = self._missing(servicer)
            if reason != known:
                _LOG.info("%s is %s", self._block.name,
                          f"not ready: {reason}" if reason else "ready")
                self._health.set(self._block.service,
                                 NOT_SERVING if reason else SERVING)
            known = reason
            if self._stopping.wait(READY_PERIOD_S):
                return

    def _missing(self, servicer: Servicer) -> str:
        """Why the block is not ready; nothing if it is."""
        try:
            return "" if servicer.ready() else f"it needs {self._block.needs}"
        except Exception as error:
            known = isinstance(error, AuraError)
            return str(error) if known else frames_of(error)

    def drain(self) -> bool:
        """Take no more calls and let running ones finish; False if cut off."""
        deadline = time.monotonic() + self._endpoint.grace_s
        self._stopping.set()
        self._health.enter_graceful_shutdown()
        self._server.stop(self._endpoint.grace_s).wait()
        # A call whose client has gone still works; let it finish too.
        while self._dispatch.work.pending and time.monotonic() < deadline:
            time.sleep(0.01)
        return not self._dispatch.work.pending


def serve(block: Block, make: Callable[[], Servicer]) -> int:
    """Serve one block until SIGTERM or SIGINT, from the main thread."""
    if not hasattr(os, "geteuid"):
        raise state.error("platform.unix_only/serve")
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, force=True,
                        format="%(asctime)s %(levelname)s %(message)s")
    endpoint = Endpoint.load()
    end = _End()
    server = BlockServer(block, endpoint)
    server.start()
    for work in (lambda: _prepare(server, make, end),
                 lambda: _follow_input(endpoint, end)):
        threading.Thread(target=work, daemon=True).start()
    code = end.wait()
    # A second Ctrl-C does not wait.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _LOG.info("%s is stopping", block.name)
    if not server.drain():
        _LOG.error("%s: running calls were cut off", block.name)
        _leave(1)
    return code


class _End:
    """Makes the main thread wait until a signal or another thread ends it."""
    # A signal may reach any thread; the interpreter writes to this pipe.

    _FAILED = b"\xff"

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)

    def request(self, code: int) -> None:
        os.write(self._write, self._FAILED if code else b"\0")

    def wait(self) -> int:
        return int(os.read(self._read, 1) == self._FAILED)


def _prepare(server: BlockServer, make: Callable[[], Servicer],
             end: _End) -> None:
    try:
        server.prepare(make)
    except ImportError as error:
        _LOG.error("cannot start: %s", error)
        end.request(1)
    except BaseException as error:
        _LOG.error("cannot start\n%s", frames_of(error))
        end.request(1)


def _follow_input(endpoint: Endpoint, end: _End) -> None:
    if endpoint.ends_with_input:
        # Not sys.stdin, whose lock would be held when the process ends.
        while os.read(0, 1024):
            pass
        end.request(0)


def _leave(code: int) -> NoReturn:
    # An ordinary exit would wait hours for the threads of the calls.
    logging.shutdown()
    os._exit(code)
