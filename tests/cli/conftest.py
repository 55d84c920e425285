"""Fixtures of the tests of the command line."""

import os

import pytest

from aura import cli
from aura.detector import forest
from tests.edf_builder import File
from tests.odd_recordings import corpus
from tests.patients import study


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A study, and the model of `aura train` on it; not to be changed."""
    folder = tmp_path_factory.mktemp("cli")
    study(folder / "study")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest, "TREES", 10)
        assert cli.main(["train", str(folder / "study"),
                         "--out", str(folder / "model")]) == 0
    return folder


@pytest.fixture
def run(capsys, few_trees):
    """Run a command line; return its exit code, output and errors."""
    def run(*arguments):
        capsys.readouterr()
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as exit:
            code = exit.code
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return code, printed.out, printed.err
    return run


@pytest.fixture(scope="session")
def everything_bad(tmp_path_factory):
    """A folder with every fault, and the rule of each of its files."""
    folder = tmp_path_factory.mktemp("faults")
    rules = {}
    for number, case in enumerate(corpus()):
        suffix = ".bdf" if case.content[:1] == b"\xff" else ".edf"
        place = folder / "in" / f"{number:03d}"
        place.mkdir(parents=True)
        (place / f"r{suffix}").write_bytes(case.content)
        for name, beside in case.beside.items():
            (place / name).write_bytes(beside)
        rules[f"{place.name}/r{suffix}"] = case.rule if case.refused else ""
    odd = folder / "in" / "odd"
    odd.mkdir()
    os.mkfifo(odd / "pipe.edf")
    (folder / "outside.edf").write_bytes(File().bytes())
    (odd / "out.edf").symlink_to("../../outside.edf")
    (odd / "loop.edf").symlink_to("loop.edf")
    (odd / "gone.edf").symlink_to("nowhere.edf")
    (odd / "J\u00f6rg \u2665.edf").write_bytes(File().bytes())
    (odd / "empty").mkdir()
    (odd / "folder.edf").mkdir()
    rules |= {"odd/pipe.edf": "path.not_regular",
              "odd/out.edf": "path.outside", "odd/loop.edf": "path.loop",
              "odd/gone.edf": "path.missing",
              "odd/J\u00f6rg \u2665.edf": ""}
    return folder / "in", rules
