"""Runs a blueprint as the platform's orchestrator does."""
# Unlike there a run ends, reports errors and repeats a call if a block was
# unavailable; a node with several servers gets several calls at once.

import itertools
import logging
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message

from aura import blocks
from aura.blocks import Block, Servicer
from aura.platform.blueprint import Blueprint, Key, Rpc
from aura.rpc import aura_pb2
from aura.rpc.client import Transport
from aura.rpc.status import CallFailed, status_of
from aura.runners.servicers import StageServicer
from aura.settings import Settings

END_OF_DATA = (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.OUT_OF_RANGE)

_LOG = logging.getLogger(__name__)

Observer = Callable[[Rpc, Message], None]


@dataclass(frozen=True)
class Retry:
    """When to repeat a call whose block was unavailable."""

    first_s: float = 0.1  # First pause; it doubles up to the longest
    longest_s: float = 5.0
    total_s: float = 120.0  # After this time there is no further try

    def pauses(self) -> Iterator[float]:
        """Yield the pauses, in seconds, until the time is over."""
        pause, left = self.first_s, self.total_s
        while left > 0:
            yield min(pause, left)
            left -= pause
            pause = min(2 * pause, self.longest_s)


@dataclass(frozen=True)
class Failure:
    rpc: Rpc
    code: grpc.StatusCode
    details: str
    undone: int  # Messages that it did not process, with the one that failed
    log: str  # The last lines of the node's log, if they are available

    def __str__(self) -> str:
        return f"{self.rpc}: {self.code.name}: {self.details}"


@dataclass
class RunResult:
    # Number of answers of each rpc, by ``node.rpc``.
    counts: dict[str, int] = field(default_factory=dict)
    # All answers of the rpcs at the end of the graph, in order.
    results: dict[str, list[Message]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    biggest_bytes: int = 0  # Size of the biggest answer


def run(blueprint: Blueprint, transport: Transport,
        observe: Observer | None = None, retry: Retry = Retry()) -> RunResult:
    state = _Run(blueprint, transport, observe, retry)
    threads = [threading.Thread(target=state.work, args=(rpc,), name=str(rpc),
                                daemon=True) for rpc in blueprint.rpcs]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    finally:
        # After Ctrl-C each thread ends with the call that it is in.
        state.stopped.set()
    if state.error is not None:
        raise state.error
    return state.outcome


class _Run:
    def __init__(self, blueprint: Blueprint, transport: Transport,
                 observe: Observer | None, retry: Retry) -> None:
        self.outcome = RunResult({str(rpc): 0 for rpc in blueprint.rpcs}, {
            str(rpc): [] for rpc in blueprint.rpcs if rpc.is_sink})
        self.stopped = threading.Event()
        self.error: BaseException | None = None
        self._transport = transport
        self._observe = observe
        self._retry = retry
        self._lock = threading.Lock()
        self._inputs: Mapping[Key, _Input] = {
            rpc.key: _Input(len(blueprint.feeding(rpc)))
            for rpc in blueprint.rpcs}

    def work(self, rpc: Rpc) -> None:
        answers = _InOrder(lambda answer: self._hand_on(rpc, answer))
        count = 1 if rpc.is_source else self._transport.calls_at_once(rpc)
        callers = [threading.Thread(target=self._call_all, args=(rpc, answers),
                                    daemon=True) for _ in range(count)]
        for thread in callers:
            thread.start()
        for thread in callers:
            thread.join()
        try:
            if answers.failures:
                self._report(rpc, answers.failures[min(answers.failures)])
        finally:
            for key in rpc.targets:
                self._inputs[key].end()

    def _call_all(self, rpc: Rpc, answers: "_InOrder") -> None:
        call = (self._transport.call if rpc.is_source
                else self._call_patiently)
        number = 0
        try:
            for number, request in (
                    zip(itertools.count(), itertools.repeat(aura_pb2.Empty()))
                    if rpc.is_source else self._inputs[rpc.key]):
                if self.stopped.is_set() or answers.failures:
                    return
                answers.put(number, call(rpc, request))
        except CallFailed as failure:
            if not (rpc.is_source and failure.code in END_OF_DATA):
                answers.failures[number] = failure
        except BaseException as error:
            self.error = error
            self.stopped.set()

    def _call_patiently(self, rpc: Rpc, request: Message) -> Message:
        for pause in self._retry.pauses():
            try:
                return self._transport.call(rpc, request)
            except CallFailed as failure:
                if not failure.again or self.stopped.is_set():
                    raise
                _LOG.warning("%s: next try in %.1f s: %s", rpc, pause, failure)
                if self.stopped.wait(pause):
                    raise
        return self._transport.call(rpc, request)

    def _hand_on(self, rpc: Rpc, answer: Message) -> None:
        with self._lock:
            self.outcome.counts[str(rpc)] += 1
            self.outcome.biggest_bytes = max(
                self.outcome.biggest_bytes, answer.ByteSize())
            if rpc.is_sink:
                self.outcome.results[str(rpc)].append(answer)
            if self._observe is not None:
                self._observe(rpc, answer)
        for key in rpc.targets:
            self._inputs[key].put(answer)

    def _report(self, rpc: Rpc, failure: CallFailed) -> None:
        # Take the remaining messages too, only to count them.
        for _ in self._inputs[rpc.key]:
            pass
        undone = (0 if rpc.is_source else self._inputs[rpc.key].taken
                  - self.outcome.counts[str(rpc)])
        report = Failure(rpc, failure.code, failure.details, undone,
                         self._transport.log(rpc.node))
        with self._lock:
            self.outcome.failures.append(report)


class _InOrder:
    """Passes answers on in the order of their requests."""

    def __init__(self, hand_on: Callable[[Message], None]) -> None:
        self.failures: dict[int, CallFailed] = {}
        self._hand_on = hand_on
        self._lock = threading.Lock()
        self._held: dict[int, Message] = {}
        self._next = 0

    def put(self, number: int, answer: Message) -> None:
        with self._lock:
            self._held[number] = answer
            while self._next in self._held:
                self._hand_on(self._held.pop(self._next))
                self._next += 1


class _Input:
    """The queue of one rpc; it ends when all its producers have ended."""

    def __init__(self, producers: int) -> None:
        self.taken = 0
        self._producers = producers
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[Message | None] = queue.SimpleQueue()

    def put(self, message: Message) -> None:
        self._queue.put(message)

    def end(self) -> None:
        self._queue.put(None)

    def __iter__(self) -> Iterator[tuple[int, Message]]:
        while (message := self._take()) is not None:
            yield message

    def _take(self) -> tuple[int, Message] | None:
        # One caller at a time waits for a message, the others for the lock.
        with self._lock:
            while self._producers:
                message = self._queue.get()
                if message is not None:
                    self.taken += 1
                    return self.taken - 1, message
                self._producers -= 1
            return None


class InProcess(Transport):
    """The blocks' servicers in this process, called without any server."""

    def __init__(self, blueprint: Blueprint, shared: Path, settings: Settings,
                 make: Callable[[Block], Servicer] | None = None) -> None:
        settings = replace(settings, sinks=settings.sinks or blueprint.sinks)
        make = make or (lambda block: StageServicer(block, shared, settings))
        self._nodes: dict[str, tuple[str, Any]] = {}
        for node in blueprint.nodes:
            block = blocks.offering(node.rpcs[0].name)
            self._nodes[node.name] = block.name, make(block)

    def call(self, rpc: Rpc, request: Message) -> Message:
        block, servicer = self._nodes[rpc.node]
        try:
            # A copy, as each block gets over the wire.
            answer: Message = getattr(servicer, rpc.name)(
                type(request).FromString(request.SerializeToString()), None)
        except BaseException as error:
            raise CallFailed(*status_of(error, block)) from error
        return answer
