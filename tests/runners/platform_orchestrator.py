"""
An imitation of the platform's parallel orchestrator.

It follows the observed behaviour of the original. Protos are merged into one
file without a syntax, which makes it proto2. Each connected rpc has a thread
and an unbounded queue. Channels are plain, with default limits. No call is
repeated or waits for a server. Every message becomes an event as text. Any
exception ends the thread of its rpc. The end of a run is not reported. To
run again, call `initialize` and `run`; the blocks keep their state.
"""

import json
import queue
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import grpc
from google.protobuf.descriptor_pb2 import (
    FileDescriptorProto,
    FileDescriptorSet,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass


class Refused(Exception):
    """The orchestrator rejects the solution."""


def merge(protos):
    """One proto2 file of several proto3 files, by file name."""
    messages, services = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name, text in protos.items():
            Path(folder, name).write_text(text, "utf-8")
        for name in protos:
            out = Path(folder, "set")
            subprocess.run(
                [sys.executable, "-m", "grpc_tools.protoc",
                 f"--proto_path={folder}", f"--descriptor_set_out={out}",
                 str(Path(folder, name))], check=True)
            for file in FileDescriptorSet.FromString(out.read_bytes()).file:
                if (file.package or file.syntax != "proto3"
                        or file.enum_type or file.extension):
                    raise Refused(f"cannot process {name}")
                for known, found in ((messages, file.message_type),
                                     (services, file.service)):
                    for entry in found:
                        if known.setdefault(entry.name, entry) != entry:
                            raise Refused(
                                f"cannot merge protobuf files: {entry.name} "
                                f"in {name} with different content")
    return FileDescriptorProto(
        name="all_in_one.proto", message_type=messages.values(),
        service=services.values())


class Orchestrator:
    """Runs one solution, like one process of the original."""

    def __init__(self):
        self.threads = []
        self.pool = None

    def initialize(self, blueprint, dockerinfo, protos):
        """Read a solution; end the threads of the last run."""
        for thread in self.threads:
            thread.terminate()
        for thread in self.threads:
            thread.join(30)
        self.threads, self.events = [], []
        # The original imports the merged file only once.
        if self.pool is None:
            self.pool = DescriptorPool()
            self.pool.Add(merge(protos))
        nodes = self._nodes(json.loads(dockerinfo), protos)
        links = []
        for node in json.loads(blueprint)["nodes"]:
            if node["container_name"] not in nodes:
                raise Refused(f"{node['container_name']} is not present in "
                              "dockerinfo json")
            for call in node["operation_signature_list"]:
                thread = self._thread(node["container_name"], call, nodes)
                self.threads.append(thread)
                links += [(thread, link) for link in call["connected_to"]]
        for thread in self.threads:
            incoming = [source for source, link in links
                        if link["container_name"] == thread.node
                        and link["operation_signature"]["operation_name"]
                        == thread.operation]
            if thread.empty_in and incoming:
                raise Refused(f"encountered {len(incoming)} incoming links "
                              f"of {thread.name} with input type Empty")
            for source in incoming:
                if thread.input in source.outputs:
                    raise Refused(f"cannot attach the same queue twice to "
                                  f"{source.name}")
                source.outputs.append(thread.input)

    def run(self):
        for thread in self.threads:
            thread.start()

    @property
    def is_idle(self):
        """Whether all sources have ended and all queues are empty."""
        return all(
            not thread.is_alive() or (
                not thread.empty_in and thread.waiting
                and thread.input.empty())
            for thread in self.threads)

    def named(self, operation):
        """The thread of an operation."""
        thread, = (t for t in self.threads if t.operation == operation)
        return thread

    def _nodes(self, dockerinfo, protos):
        nodes = {}
        for entry in dockerinfo["docker_info_list"]:
            name = entry["container_name"]
            if name in nodes:
                raise Refused(f"duplicate container name {name}")
            text = protos.get(f"{name}.proto", "")
            # The first line that begins so, whatever it says.
            service = re.search(r"^service +([^{\s]*)", text, re.M)
            nodes[name] = (f"{entry['ip_address']}:{int(entry['port'])}",
                           service and service[1])
        return nodes

    def _thread(self, name, call, nodes):
        address, service = nodes[name]
        signature = call["operation_signature"]
        operation = signature["operation_name"]
        if (signature.get("input_message_stream", False)
                or signature.get("output_message_stream", False)):
            raise NotImplementedError("no block of ours streams")
        try:
            method = self.pool.FindServiceByName(service).FindMethodByName(
                operation)
        except KeyError:
            # As the stub's missing attribute: when the thread runs.
            method = None
        return Caller(name, operation, method, address,
                      signature["input_message_name"] == "Empty",
                      signature["output_message_name"] == "Empty",
                      self.events)


class Caller(threading.Thread):
    """The thread of one rpc."""

    def __init__(self, node, operation, method, address, empty_in, empty_out,
                 events):
        super().__init__(name=f"{node}.{operation}", daemon=True)
        self.node, self.operation, self.method = node, operation, method
        self.address = address
        self.empty_in, self.empty_out = empty_in, empty_out
        self.events = events
        self.input = None if empty_in else queue.Queue()
        self.outputs = []
        self.channel = None
        self.waiting = False
        self.terminated = False
        self.answers = []
        self.error = None

    def run(self):
        self.channel = grpc.insecure_channel(self.address)
        try:
            given = GetMessageClass(self.method.input_type)
            answer = GetMessageClass(self.method.output_type)
            call = self.channel.unary_unary(
                f"/{self.method.containing_service.full_name}"
                f"/{self.operation}", given.SerializeToString,
                answer.FromString)
            while True:
                request = given() if self.empty_in else self._wait()
                if request is None:
                    return
                self.events.append(str(request))
                reply = call(request)
                self.events.append(str(reply))
                self.answers.append(reply)
                if not self.empty_out:
                    for output in self.outputs:
                        output.put(reply)
        except Exception as error:
            self.error = error

    def _wait(self):
        self.waiting = True
        while not self.terminated:
            try:
                request = self.input.get(timeout=0.2)
            except queue.Empty:
                continue
            self.waiting = False
            return request
        return None

    def terminate(self):
        if self.channel is not None:
            self.channel.close()
        self.terminated = True

    @property
    def status(self):
        """Name of the status that ended the thread, or None."""
        return self.error and self.error.code().name
