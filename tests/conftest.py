"""Fixtures that tests of several folders share; they import late."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]

# Set before a test imports numpy: BLAS threads compete for the processors with
# everything else that runs.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# How long one example takes says more of what else the machine does. The
# same commit has the same examples; `make soak` looks for others.
settings.register_profile(
    "aura", deadline=None, derandomize=not os.environ.get("AURA_SOAK"))
settings.load_profile("aura")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real recordings, never part of the project."""
    folder = Path(os.environ.get("AURA_DATA", ROOT / "../shared/data"))
    if not folder.is_dir():
        pytest.skip(f"no real recordings at {folder}; set AURA_DATA")
    return folder.resolve()


@pytest.fixture
def few_trees(monkeypatch):
    """Ten trees vote as a hundred do, in a tenth of the time."""
    from aura.detector import forest
    monkeypatch.setattr(forest, "TREES", 10)


@pytest.fixture(scope="session")
def recordings(tmp_path_factory):
    """Three annotated patients; not to be changed."""
    from tests.patients import study
    folder = tmp_path_factory.mktemp("study")
    study(folder)
    return folder


@pytest.fixture(scope="session")
def template(recordings, tmp_path_factory):
    """A shared folder after a training, and the trainer's report."""
    from aura.detector import forest
    from tests.chain import Chain
    shared = tmp_path_factory.mktemp("template")
    for name in ("training", "recordings"):
        shutil.copytree(recordings, shared / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest, "TREES", 10)
        return shared, Chain(shared).train()


@pytest.fixture
def chain(tmp_path, recordings, few_trees):
    """Stages on a folder whose training/ and recordings/ are the study."""
    from tests.chain import Chain
    for name in ("training", "recordings"):
        shutil.copytree(recordings, tmp_path / "shared" / name)
    return Chain(tmp_path / "shared")


@pytest.fixture
def trained(tmp_path, template, few_trees):
    """The same, after a training."""
    from tests.chain import Chain
    shared, report = template
    shutil.copytree(shared, tmp_path / "shared")
    chain = Chain(tmp_path / "shared")
    chain.report = report
    return chain


@pytest.fixture
def start():
    """Start a toy of a block: ``start(name, ENVIRONMENT=...)``."""
    from tests.served import served_toys
    with served_toys() as begin:
        yield begin
