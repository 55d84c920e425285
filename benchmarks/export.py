"""
Measure CPU seconds from predictions to acknowledged points, HTTP included.

`aura export` runs in this process. The server is another process on loopback
that reads each request and answers 204; its time is not counted.
"""

import multiprocessing
import shutil
import tempfile
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from multiprocessing.connection import Connection
from pathlib import Path

from aura.runners import local
from aura.settings import Settings
from benchmarks import recordings

HOURS = 24


class _Sink(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Read a whole request."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Print nothing."""


def _serve(port: Connection) -> None:
    server = HTTPServer(("127.0.0.1", 0), _Sink)
    port.send(server.server_port)
    server.serve_forever()


def main() -> None:
    """Print a row for each choice of samples."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(
        target=_serve, args=(theirs,), daemon=True)
    server.start()
    target = Settings(
        influx_url=f"http://127.0.0.1:{ours.recv()}", influx_org="aura",
        influx_bucket="ecg", workers=1)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        local.predict([recordings.single(HOURS)], recordings.model(), out,
                      replace(target, influx_url=""))
        print(f"{HOURS} h at {recordings.FS_HZ} Hz, to a server on loopback")
        print("raw samples        points   CPU s   thousand points per CPU s")
        for raw in ("none", "events", "all"):
            again = shutil.copytree(out, Path(folder) / raw)
            begin = time.process_time()
            points = local.export(
                again, replace(target, export_raw=raw))["points_written"]
            spent = time.process_time() - begin
            print(f"{raw:12s} {points:12d} {spent:7.2f} "
                  f"{points / 1000 / spent:12.0f}", flush=True)
    server.terminate()
    server.join()


if __name__ == "__main__":
    main()
