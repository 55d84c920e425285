"""A real Airflow for the tests of this folder, where there is one."""

import os
import shutil
import time

import pytest

from tests import airflow_site
from tests.airflow_site import Site
from tests.patients import record, study

MANY = 50


@pytest.fixture(scope="session", autouse=True)
def airflow():
    """Skips where there is no Airflow."""
    reason = airflow_site.missing()
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def sources(tmp_path_factory):
    """Annotated recordings: real ones where they are, else synthetic."""
    real = os.environ.get("AURA_DATA") or airflow_site.ROOT / "../shared/data"
    folder = airflow_site.Path(real, "szdb")
    if folder.is_dir():
        return folder.resolve()
    made = tmp_path_factory.mktemp("study")
    study(made)
    return made


@pytest.fixture(scope="session")
def shared(tmp_path_factory, sources):
    """A shared folder with inputs of several kinds."""
    folder = tmp_path_factory.mktemp("shared") / "für alle"
    for name in ("training", "recordings"):
        shutil.copytree(sources, folder / name)
    first = record(folder / "many/00.edf", 120, seed=1, seizure=None)
    for number in range(1, MANY):
        shutil.copy(first, folder / f"many/{number:02d}.edf")
    with (folder / "many/07.edf").open("r+b") as file:
        file.truncate(1000)
    for path in folder.rglob("*.edf"):
        os.utime(path, (time.time() - 3600,) * 2)
    (folder / "empty").mkdir()
    return folder


@pytest.fixture(scope="session")
def site(tmp_path_factory, shared):
    """An Airflow as ``make airflow`` starts it, with two at once."""
    with Site(tmp_path_factory.mktemp("airflow") / "it's home", shared,
              AURA_AIRFLOW_AT_ONCE="2") as found:
        yield found


@pytest.fixture(scope="session")
def trained(site):
    """The site after a training through the scheduler, and the run's id."""
    run, state = site.run("aura_training", batch_size=2)
    assert state == "success", site.states("aura_training", run)
    return site, run


@pytest.fixture(scope="session")
def alone(tmp_path_factory, trained):
    """
    The same shared folder, with a database of its own and no components.

    A scheduler would take part in what ``dags test`` runs.
    """
    site, _ = trained
    found = Site(tmp_path_factory.mktemp("alone") / "home", site.shared)
    found.command("db", "migrate")
    return found
