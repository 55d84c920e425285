"""A solution on one machine: each node a gRPC server process on loopback."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import grpc
from google.protobuf.message import Message

from aura import blocks, state
from aura.blocks import Block
from aura.errors import UnavailableError
from aura.platform.blueprint import Blueprint, Node, Rpc
from aura.rpc.client import PERIOD_S, READY_TIMEOUT_S, Nodes, Transport
from aura.rpc.status import CallFailed

GRACE_S = 3.0
LOG_LINES, LOG_LINES_SHOWN = 40, 5
QUIET_S, QUIET_ROUNDS = 0.05, 20
_LISTENING = re.compile(r" listening on \S+:(\d+)$")


def serve_command(block: Block) -> Sequence[str]:
    return [sys.executable, "-P", "-m", "aura", "serve", block.name]


class LocalProcesses(Transport):
    """Starts the nodes of a blueprint and calls them; a context manager."""

    def __init__(self, blueprint: Blueprint, shared: Path,
                 environ: Mapping[str, str] | None = None,
                 command: Callable[[Block], Sequence[str]] = serve_command,
                 timeout_s: float = READY_TIMEOUT_S) -> None:
        if not hasattr(os, "killpg"):
            raise state.error("platform.unix_only")
        self._blueprint = blueprint
        self._environ = {
            "AURA_SINKS": blueprint.sinks,
            **os.environ, "AURA_GRACE_S": str(GRACE_S), **(environ or {}),
            "SHARED_FOLDER_PATH": str(shared.resolve()),
            "AURA_HOST": "127.0.0.1", "AURA_PORT": "0",
            "AURA_ENDS_WITH_INPUT": "1"}
        self._command = command
        self._timeout_s = timeout_s
        self._processes: dict[str, Process] = {}
        self._nodes: Nodes | None = None

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def call(self, rpc: Rpc, request: Message) -> Message:
        """Call an rpc; a process that has ended is not called again."""
        assert self._nodes is not None, "enter the context first"
        try:
            return self._nodes.call(rpc, request)
        except CallFailed as failure:
            process = self._processes[rpc.node]
            if (failure.code is grpc.StatusCode.UNAVAILABLE
                    and process.ended_within(PERIOD_S)):
                raise CallFailed(failure.code, process.how_it_ended,
                                 again=False) from None
            raise

    def log(self, node: str) -> str:
        return "\n".join(self._processes[node].last_lines())

    def _start(self) -> None:
        deadline = time.monotonic() + self._timeout_s
        for node in self._blueprint.nodes:
            self._processes[node.name] = self._begin(node)
        addresses = {node.name: self._address(node, self._processes[node.name],
                                              deadline)
                     for node in self._blueprint.nodes}
        self._nodes = Nodes(self._blueprint, addresses)
        self._nodes.wait_ready(deadline - time.monotonic(), self._check_alive,
                               lambda node: self._processes[node].last_error)

    def _begin(self, node: Node) -> "Process":
        block = blocks.offering(node.rpcs[0].name)
        return Process(node.name, self._command(block), self._environ)

    def _address(self, node: Node, process: "Process", deadline: float) -> str:
        return f"127.0.0.1:{process.wait_for_port(deadline)}"

    def _check_alive(self) -> None:
        for process in self._processes.values():
            process.check_alive()

    def _end(self) -> None:
        if self._nodes is not None:
            self._nodes.close()
        try:
            for process in self._processes.values():
                process.terminate()
            deadline = time.monotonic() + GRACE_S + 1
            for process in self._processes.values():
                process.ended_within(deadline - time.monotonic())
        finally:
            # Also if a second Ctrl-C interrupts the wait.
            for process in self._processes.values():
                process.reap()


class Process:
    def __init__(self, node: str, command: Sequence[str],
                 environ: Mapping[str, str]) -> None:
        self._node = node
        self._lines: deque[str] = deque(maxlen=LOG_LINES)
        self._port = 0
        # In its own session: Ctrl-C reaches this process first, not all.
        self._process = subprocess.Popen(
            command, env=environ, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True, text=True, errors="backslashreplace")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.append(line.rstrip())
            if found := _LISTENING.search(self._lines[-1]):
                self._port = int(found[1])

    def last_lines(self) -> list[str]:
        """The last lines of its log, after a wait for lines on their way."""
        for _ in range(QUIET_ROUNDS):
            before = list(self._lines)
            time.sleep(QUIET_S)
            if list(self._lines) == before:
                break
        return list(self._lines)

    @property
    def how_it_ended(self) -> str:
        self._reader.join(1)
        return (f"{self._node} ended with exit code "
                f"{self._process.returncode}{self._quoted_lines}")

    @property
    def _quoted_lines(self) -> str:
        return "; its last lines: " + " | ".join(
            list(self._lines)[-LOG_LINES_SHOWN:])

    @property
    def last_error(self) -> str:
        """The last error in its log, if any, to end a sentence with."""
        errors = [line for line in self._lines if " ERROR " in line]
        return f"; its last error: {errors[-1]}" if errors else ""

    def wait_for_port(self, deadline: float) -> int:
        while not self._port:
            self.check_alive()
            if time.monotonic() > deadline:
                raise state.error(
                    "run.not_there", node=self._node, lines=self._quoted_lines)
            time.sleep(PERIOD_S)
        return self._port

    def check_alive(self) -> None:
        if self._process.poll() is not None:
            raise UnavailableError("run.ended", self.how_it_ended)

    def ended_within(self, seconds: float) -> bool:
        try:
            self._process.wait(max(seconds, 0))
        except subprocess.TimeoutExpired:
            return False
        return True

    def terminate(self) -> None:
        self._process.terminate()

    def reap(self) -> None:
        # The whole session: a block may have started workers of its own.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join(1)
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
