"""A scheduler that is killed in the middle of a run, on PostgreSQL."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from tests.airflow_site import Site, free_port

pytestmark = pytest.mark.airflow
BATCHES = 10


@pytest.fixture(scope="module")
def database():
    """URL of a PostgreSQL of its own, run by a user who is not root."""
    found = shutil.which("initdb") or next(
        iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))), None)
    if not found:
        pytest.skip("no PostgreSQL; apt-get install postgresql brings it")
    # No other user may enter pytest's own folders.
    folder = Path(tempfile.mkdtemp(prefix="aura-postgres-"))
    become = []
    if os.geteuid() == 0:
        become = ["runuser", "-u", "postgres", "--"]
        shutil.chown(folder, "postgres", "postgres")
    port, programs = free_port(), Path(found).resolve().parent
    done = subprocess.run(
        [*become, programs / "initdb", "-D", folder / "data", "-U", "airflow",
         "--auth=trust", "--encoding=UTF8"], text=True, capture_output=True,
        cwd="/")
    assert done.returncode == 0, done.stderr
    server = subprocess.Popen(
        [*become, programs / "postgres", "-D", folder / "data", "-p",
         str(port), "-k", folder, "-c", "listen_addresses=127.0.0.1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
    try:
        for _ in range(120):
            made = subprocess.run(
                [programs / "createdb", "-h", "127.0.0.1", "-p", str(port),
                 "-U", "airflow", "airflow"], capture_output=True)
            if made.returncode == 0:
                break
            time.sleep(1)
        yield (f"postgresql+psycopg2://airflow@127.0.0.1:{port}/airflow")
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def halfway(states):
    """Whether a batch is done while another one is worked on."""
    return "running" in states.values() and "success" in {
        state for (task, *_), state in states.items() if task == "export"}


def test_a_killed_scheduler_costs_no_batch_and_doubles_none(
        database, tmp_path, shared):
    site = Site(tmp_path / "home", tmp_path / "shared",
                AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=database,
                AURA_AIRFLOW_AT_ONCE="2")
    shutil.copytree(shared / "many", tmp_path / "shared/recordings")
    shutil.copytree(shared / "training", tmp_path / "shared/training")
    dag = "aura_prediction"
    with site:
        assert site.run("aura_training")[1] == "success"
        run = site.trigger(dag, batch_size=5)
        site.wait_for(lambda: halfway(site.states(dag, run)))
        site.kill("airflow scheduler")
        assert site.process.wait(120) == 1
        assert "the scheduler ended with exit code -9" in site.log.read_text()
    with site:
        assert site.wait(dag, run) == "success"
        states = site.states(dag, run)
    assert list(states.values()) == ["success"] * (3 + 3 * BATCHES)
    mine, = (tmp_path / "shared").glob(f"runs/{dag}-*")
    assert len(list(mine.glob("events/*.tsv"))) == 49
    assert sorted(path.name for path in mine.glob("export/*.lp.gz")) == [
        f"{number:04d}.lp.gz" for number in range(BATCHES)]
    assert (mine / "DONE").exists()
    assert not list(mine.rglob(".partial-*"))
    again = Site(tmp_path / "other", tmp_path / "shared")
    again.command("db", "migrate")
    again.command("dags", "test", dag, "--conf", '{"batch_size": 5}')
    other, = set((tmp_path / "shared").glob(f"runs/{dag}-*")) - {mine}
    for path in (*mine.glob("events/*.tsv"), *mine.glob("export/*.gz")):
        assert path.read_bytes() == (
            other / path.relative_to(mine)).read_bytes()
