"""The five real blocks as processes, with the platform's environment."""

import json
import os
import re
import subprocess
import sys
import threading
import time

SERVE = [sys.executable, "-m", "aura", "serve"]


class Served:
    """A block in a process of its own, started in some other folder."""

    def __init__(self, name, shared, prefix=(), **environ):
        # The platform names the shared folder without its first slash.
        self.process = subprocess.Popen(
            [*prefix, *SERVE, name], cwd="/", stderr=subprocess.PIPE,
            text=True, env={
                **os.environ, "AURA_PORT": "0", "AURA_BATCH_SIZE": "1",
                "SHARED_FOLDER_PATH": str(shared).lstrip("/"), **environ})
        self.lines = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            self.lines.append(line)

    @property
    def port(self):
        deadline = time.monotonic() + 120
        while True:
            for line in self.lines:
                if found := re.search(r" listening on \S+:(\d+)", line):
                    return found[1]
            assert self.process.poll() is None, "".join(self.lines)
            assert time.monotonic() < deadline, "".join(self.lines)
            time.sleep(0.02)

    def close(self):
        self.process.terminate()
        code = self.process.wait(120)
        self.reader.join(10)
        self.process.stderr.close()
        return code


class Bundle:
    """What `aura solution bundle` has written, with addresses of blocks."""

    def __init__(self, folder, addresses):
        self.folder = folder
        dockerinfo = json.loads((folder / "dockerinfo.json").read_text())
        for entry in dockerinfo["docker_info_list"]:
            block = entry["container_name"].removesuffix("1")
            if block in addresses:
                entry["ip_address"] = "127.0.0.1"
                entry["port"] = addresses[block]
        self.dockerinfo = folder.parent / f"{folder.name}-dockerinfo.json"
        self.dockerinfo.write_text(json.dumps(dockerinfo))

    def __iter__(self):
        """What the platform's client hands to the orchestrator."""
        yield (self.folder / "blueprint.json").read_text()
        yield self.dockerinfo.read_text()
        yield {path.name: path.read_text()
               for path in (self.folder / "microservice").glob("*.proto")}
