"""
An InfluxDB on loopback that goes wrong on order, and remembers what it has.

It keeps points as a store does: by measurement, tags and time, so that
writing twice changes nothing. What it stores is what it was sent, whatever
it answers.
"""

import contextlib
import gzip
import json
import re
import socket
import struct
import threading
import time
import zlib
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

BAD = b'bad'


class Store:
    """What was stored, asked and answered."""

    def __init__(self, fault):
        self.fault = fault
        self.points = {}
        self.writes = 0
        self.received = 0
        self.tokens = set()
        self.deletes = True
        self.delete_fault = None
        self.deleted = 0
        self.lock = threading.Lock()

    def keep(self, lines):
        """Store lines; a key is all but the fields."""
        with self.lock:
            for line in lines:
                # A space within a tag has a backslash before it.
                head, rest = re.split(rb"(?<!\\) ", line, maxsplit=1)
                self.points[head, rest.rpartition(b" ")[2]] = line
                self.received += 1

    def forget(self, asked):
        """Delete points as the manual of InfluxDB's delete API has it."""
        wanted = {one.encode() for one in re.sub(
            r'="(.*?)"', r"=\1", asked["predicate"]).split(" AND ")}
        start, stop = (_nanoseconds(asked[name]) for name in (
            "start", "stop"))
        with self.lock:
            self.deleted += 1
            for key in [*self.points]:
                measurement, *tags = re.split(rb"(?<!\\),", key[0])
                if start <= int(key[1]) <= stop and wanted <= {
                        b"_measurement=" + measurement, *tags}:
                    del self.points[key]


def _nanoseconds(text):
    seconds, _, rest = text.rstrip("Z").partition(".")
    since = datetime.fromisoformat(seconds) - datetime(1970, 1, 1)
    return since // timedelta(seconds=1) * 10 ** 9 + int(rest)


@contextlib.contextmanager
def serving(fault=None):
    """
    Serve; a fault is called with the handler, the lines and the number of
    the write, and returns True when it has answered by itself.
    """
    store = Store(fault)

    class Handler(_Handler):
        pass
    Handler.store = store
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda request, address: None
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": .02})
    thread.start()
    store.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield store
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    store = None

    def log_message(self, *arguments):
        """Tests are silent."""

    def do_POST(self):
        """Write or delete points; nothing else is known."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        address = urlsplit(self.path)
        if address.path == "/api/v2/delete" and self.store.deletes:
            if not self.store.delete_fault or not self.store.delete_fault(
                    self, body):
                self.store.forget(json.loads(body))
                self.answer(204)
            return
        if address.path != "/api/v2/write":
            self.answer(404, '{"message": "path not found"}')
            return
        query = parse_qs(address.query)
        assert query["precision"] == ["ns"]
        assert self.headers["Content-Encoding"] == "gzip"
        self.store.tokens.add(self.headers["Authorization"])
        lines = gzip.decompress(body).split(b"\n")[:-1]
        with self.store.lock:
            self.store.writes += 1
            number = self.store.writes
        if self.store.fault is None or not self.store.fault(
                self, lines, number):
            self.store.keep(lines)
            self.answer(204)

    def answer(self, status, body="", **headers):
        """Send an answer; a dict is JSON."""
        body = body if isinstance(body, str) else json.dumps(body)
        self.send_response(status)
        if status != 204:
            headers["Content-Length"] = str(len(body.encode()))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if status != 204:
            self.wfile.write(body.encode())
        return True

    def cut(self):
        """Reset the connection."""
        self.connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True
        return True


def once(fault):
    """A fault of the first write only."""
    return lambda one, lines, number: number == 1 and fault(
        one, lines, number)


def status(code, body="", **headers):
    """A fault that answers and stores nothing."""
    return lambda one, lines, number: one.answer(code, body, **headers)


def chance(lines, share):
    """A stable share of requests, whatever their order."""
    return zlib.crc32(lines[0]) % 100 < share


def partial(code):
    """Good lines are stored, the bad ones named by a count alone."""
    def fault(one, lines, number):
        bad = [line for line in lines if BAD in line]
        if not bad:
            return False
        one.store.keep([line for line in lines if BAD not in line])
        return one.answer(code, {
            "message": f"partial write: field type conflict dropped="
            f"{len(bad)}"})
    return fault


def whole(one, lines, number):
    """One bad line has the whole batch refused."""
    return any(BAD in line for line in lines) and one.answer(
        400, {"message": "unable to parse 'secret value': missing field"})


def too_large(limit):
    """A server that takes so many lines at once."""
    return lambda one, lines, number: len(lines) > limit and one.answer(413)


def stored_but_silent(one, lines, number):
    """The points are stored and the answer gets lost."""
    one.store.keep(lines)
    return one.cut()


def slow(seconds):
    """Longer than the client waits; stored late."""
    def fault(one, lines, number):
        time.sleep(seconds)
        return False
    return fault


def half_an_answer(one, lines, number):
    """The connection ends within the answer."""
    one.wfile.write(b"HTTP/1.1 20")
    return one.cut()
