"""
Measure the overhead of Airflow on 500 small recordings.

The same batches are processed with ``aura run`` in one process, with ``aura
call`` for each task of the DAG, and with the DAG under LocalExecutor, with one
and with two tasks at a time. CPU times include all processes; the time of an
idle Airflow is measured and shown separately.
"""

import json
import os
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from tests.airflow_site import ROOT, Site, missing
from tests.patients import record, study

AURA = str(ROOT / ".venv/bin/aura")
RECORDINGS = int(os.environ.get("AURA_BENCH_RECORDINGS", 500))
BATCH_SIZE = int(os.environ.get("AURA_BENCH_BATCH", 100))
SECONDS = 60
IDLE_S = 30
DAG = "aura_prediction"
RPCS = ("build_features", "predict", "export")
TICK = os.sysconf("SC_CLK_TCK")


def prepare(shared):
    """Make a model, and recordings that differ only in their names."""
    study(shared / "training")
    first = record(shared / "recordings/000.edf", SECONDS, seizure=None)
    for number in range(1, RECORDINGS):
        shutil.copy(first, shared / f"recordings/{number:03d}.edf")
    run("run", "training", "--shared", str(shared), "--in-process")


def run(*arguments, text=None):
    """Run ``aura``, and return its output."""
    return subprocess.run(
        [AURA, *arguments], check=True, text=True, input=text,
        capture_output=True, env={
            **os.environ, "AURA_BATCH_SIZE": str(BATCH_SIZE),
            "AURA_WORKERS": "1"}).stdout


def timed(work):
    """Wall and CPU seconds of a function that runs programs."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - begin, sum(
        getattr(after, name) - getattr(before, name)
        for name in ("ru_utime", "ru_stime"))


def calls(shared):
    """Run each task of the DAG as a program, one after another."""
    loaded = json.loads(run("call", "load_recordings", "--shared", shared))
    for batch in loaded:
        text = json.dumps([batch])
        for rpc in RPCS:
            text = run("call", rpc, "--shared", shared, text=text)


def used(site):
    """CPU seconds of an Airflow so far, and of its ended processes."""
    total = 0
    for pid in site.processes():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(
                ")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))
    return total / TICK


def scheduled(folder, shared, at_once):
    """Wall, CPU and idle CPU seconds of a run of the DAG, and its tasks."""
    with Site(folder / f"home{at_once}", shared, AURA_WORKERS="1",
              AURA_AIRFLOW_AT_ONCE=str(at_once)) as site:
        # The first run imports and compiles.
        site.run(DAG, folder="training", batch_size=BATCH_SIZE)
        before = used(site)
        time.sleep(IDLE_S)
        idle = (used(site) - before) / IDLE_S
        before, begin = used(site), time.monotonic()
        name, state = site.run(DAG, batch_size=BATCH_SIZE)
        wall = time.monotonic() - begin
        assert state == "success", site.states(DAG, name)
        return (wall, used(site) - before, idle * wall,
                len(site.tasks(DAG, name)))


def main():
    """Print a row for each way."""
    reason = missing()
    if reason:
        print(f"skipped: {reason}")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shared = folder / "shared"
        prepare(shared)
        batches = -(-RECORDINGS // BATCH_SIZE)
        print(f"{RECORDINGS} recordings of {SECONDS} s in {batches} batches")
        whole = timed(lambda: run(
            "run", "prediction", "--shared", str(shared), "--in-process"))
        apart = timed(lambda: calls(str(shared)))
        print(f"{'':34}{'wall s':>8}{'CPU s':>8}{'tasks':>7}"
              f"{'CPU s more than aura call, a task':>36}")
        print(f"{'aura run --in-process':34}{whole[0]:8.1f}{whole[1]:8.1f}")
        print(f"{'aura call, one after another':34}{apart[0]:8.1f}"
              f"{apart[1]:8.1f}{3 * batches + 1:7}")
        for at_once in (1, 2):
            wall, cpu, idle, tasks = scheduled(folder, shared, at_once)
            print(f"{f'Airflow, {at_once} at once':34}{wall:8.1f}{cpu:8.1f}"
                  f"{tasks:7}{(cpu - idle - apart[1]) / tasks:36.2f}"
                  f"   (idle meanwhile: {idle:.1f})", flush=True)
