"""Which thread answers which call: long calls must not block the health."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import grpc

from aura import state
from aura.blocks import Block
from aura.rpc.status import Behaviour, answering

CALLS_AT_ONCE = 4
CALLS_WAITING = 60


class WorkPool(ThreadPoolExecutor):
    """Threads for a block's calls, with a count of the unfinished ones."""

    def __init__(self) -> None:
        super().__init__(CALLS_AT_ONCE, thread_name_prefix="call")
        self._lock = threading.Lock()
        self.pending = 0

    def submit(self, *args: Any, **kwargs: Any) -> "Future[Any]":
        with self._lock:
            self.pending += 1
        future = super().submit(*args, **kwargs)
        future.add_done_callback(self._done)
        return future

    def _done(self, future: "Future[Any]") -> None:
        with self._lock:
            self.pending -= 1


class Dispatch(grpc.ServerInterceptor):  # type: ignore[type-arg]
    """Gives each call its threads, and wraps the block's in `answering`."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self._quick = ThreadPoolExecutor(2, thread_name_prefix="quick")
        self.work = WorkPool()

    def intercept_service(
            self, continuation: Callable[[grpc.HandlerCallDetails], Any],
            handler_call_details: grpc.HandlerCallDetails) -> Any:
        handler = continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler
        _, service, rpc = handler_call_details.method.split("/")
        if service != self._block.service:
            return _in_pool(handler, handler.unary_unary, self._quick)
        full = self.work.pending >= CALLS_AT_ONCE + CALLS_WAITING
        behaviour = _refuse if full else handler.unary_unary
        return _in_pool(handler, answering(behaviour, self._block.name, rpc),
                        self._quick if full else self.work)


def _refuse(request: Any, context: grpc.ServicerContext) -> Any:
    raise state.error("rpc.busy", calls_waiting=CALLS_WAITING)


def _in_pool(handler: Any, behaviour: Behaviour,
             pool: ThreadPoolExecutor) -> Any:
    def run(request: Any, context: grpc.ServicerContext) -> Any:
        return behaviour(request, context)
    setattr(run, "experimental_thread_pool", pool)
    return grpc.unary_unary_rpc_method_handler(
        run, handler.request_deserializer, handler.response_serializer)
