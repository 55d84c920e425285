"""The library and the command work without Unix, as on Windows."""

import re
import shutil
import subprocess
import sys

from tests.patients import content, study

# Removes what Windows lacks, after the import of other packages.
ABSENT = """
import os, signal, sys
import grpc, joblib, numpy, sklearn.ensemble, sleepecg, starlette, uvicorn
for name in ("fcntl", "resource", "pwd", "grp"):
    sys.modules[name] = None
for name in ("pread", "geteuid", "getegid", "killpg", "set_blocking",
             "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC"):
    delattr(os, name)
del signal.SIGKILL
"""
IMPORT_ALL = """
import importlib, pkgutil
import aura
for module in pkgutil.walk_packages(aura.__path__, "aura."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""
RUN = """
import sys
from aura.cli import main
from aura.detector import forest
forest.TREES = 10
for line in sys.stdin:
    assert main(line.split()) == 0, line
"""
COUNT = """
import threading
from pathlib import Path
from aura.folder import Folder

folder = Folder(Path.cwd())
folder.write("count", b"0")

def add():
    for _ in range(20):
        with folder.locked(".lock"):
            count = int(folder.read("count")) + 1
            folder.write("count", str(count).encode())

threads = [threading.Thread(target=add) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(int(folder.read("count")))
"""
LINES = """\
train study --out model
predict study --model model --out predictions
inspect study --json
score study predictions --json
convert --to bids --out converted study
beats study --out beats
export --files points predictions
review predictions --html pages
"""


def run(script, folder, lines=""):
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, input=lines, text=True,
        capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_module_imports(tmp_path):
    run(ABSENT + IMPORT_ALL, tmp_path)


def test_threads_lock_each_other_out(tmp_path):
    assert run(ABSENT + COUNT, tmp_path) == "80\n"


def test_commands_write_the_same_bytes(tmp_path):
    found = []
    for absent in ("", ABSENT):
        study(tmp_path / "work/study")
        out = run(absent + RUN, tmp_path / "work", LINES)
        found.append({"stdout": out, **{
            name: re.sub(rb'"created": "[^"]+"', b"", one)
            for name, one in content(tmp_path / "work").items()}})
        shutil.rmtree(tmp_path / "work")
    assert found[0].keys() == found[1].keys()
    assert [name for name in found[0]
            if found[0][name] != found[1][name]] == []
