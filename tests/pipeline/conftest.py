"""A study and a model that the tests of this folder start from."""

import shutil

import pytest

from aura.detector import forest
from tests.chain import Chain
from tests.patients import study


@pytest.fixture
def few_trees(monkeypatch):
    """Ten trees vote as a hundred do, in a tenth of the time."""
    monkeypatch.setattr(forest, "TREES", 10)


@pytest.fixture(scope="session")
def recordings(tmp_path_factory):
    """Three annotated patients; not to be changed."""
    folder = tmp_path_factory.mktemp("study")
    study(folder)
    return folder


@pytest.fixture(scope="session")
def template(recordings, tmp_path_factory):
    """A shared folder after a training, and the trainer's report."""
    shared = tmp_path_factory.mktemp("template")
    for name in ("training", "recordings"):
        shutil.copytree(recordings, shared / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest, "TREES", 10)
        return shared, Chain(shared).train()


@pytest.fixture
def chain(tmp_path, recordings, few_trees):
    """Stages on a folder whose training/ and recordings/ are the study."""
    for name in ("training", "recordings"):
        shutil.copytree(recordings, tmp_path / "shared" / name)
    return Chain(tmp_path / "shared")


@pytest.fixture
def trained(tmp_path, template, few_trees):
    """The same, after a training."""
    shared, report = template
    shutil.copytree(shared, tmp_path / "shared")
    chain = Chain(tmp_path / "shared")
    chain.report = report
    return chain
