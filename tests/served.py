"""Real servers in real processes."""

import contextlib
import os
import re
import subprocess
import threading
import time

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from aura import blocks
from aura.rpc import binding
from tests import toys


class Served:
    """A block served by a process, with stubs to call it."""

    def __init__(self, command, name, environ):
        self.block = blocks.named(name)
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env={**os.environ, "AURA_PORT": "0", **environ})
        self.lines = []
        self.listening = threading.Event()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        self.channel = None

    def read(self):
        for line in self.process.stderr:
            self.lines.append(line)
            if found := re.search(r"listening on \S+:(\d+)", line):
                self.port = int(found[1])
                self.listening.set()

    def connect(self):
        assert self.listening.wait(10), self.log
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.port}")
        self.health = health_pb2_grpc.HealthStub(self.channel)
        self.stub = binding.stub(self.block.service, self.channel)
        return self

    @property
    def log(self):
        """All of its log, after a wait for lines on their way."""
        before = -1
        while before != len(self.lines):
            before = len(self.lines)
            time.sleep(0.1)
        return "".join(self.lines)

    def status(self, service=""):
        """Name of the health status of a service."""
        reply = self.health.Check(
            health_pb2.HealthCheckRequest(service=service), timeout=60)
        return health_pb2.HealthCheckResponse.ServingStatus.Name(
            reply.status)

    def wait_for(self, status, seconds=10.0):
        """Wait until the block's own service has a health status."""
        deadline = time.monotonic() + seconds
        while self.status(self.block.service) != status:
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)

    def ended(self, seconds=10.0):
        """Exit code of the process, once its log has been read."""
        code = self.process.wait(seconds)
        self.reader.join()
        return code

    def close(self):
        if self.channel is not None:
            self.channel.close()
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdin.close()
        self.process.stderr.close()


@contextlib.contextmanager
def served_blocks():
    """A function that starts servers, all of which end at the end."""
    with contextlib.ExitStack() as running:
        def start(command, name, **environ):
            served = Served(command, name, environ)
            running.callback(served.close)
            return served

        yield start


@contextlib.contextmanager
def served_toys():
    """The same for toys: ``start(name, ENVIRONMENT=...)``."""
    with served_blocks() as serve:
        yield lambda name, **environ: serve(
            toys.toy_command(blocks.named(name)), name, **environ)
