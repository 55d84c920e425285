"""The wheel: it installs `aura` and nothing else, and works anywhere."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from aura.blocks import BLOCKS
from aura.platform import repository
from aura.synthetic.cohort import write_cohort

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """The files of a wheel that was built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from hatchling.build import "
         "build_wheel; build_wheel(sys.argv[1])", folder], cwd=ROOT,
        capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    wheel, = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "files")
    return folder / "files"


@pytest.fixture
def call(unpacked, tmp_path):
    """Run Python on the wheel, in a folder with packages of other projects."""
    for name in ("blocks", "solutions"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit(9)")

    def run(*arguments):
        return subprocess.run(
            [sys.executable, *map(str, arguments)], cwd=tmp_path, text=True,
            capture_output=True,
            env={**os.environ, "PYTHONPATH": str(unpacked)})

    return run


def test_it_installs_aura_and_nothing_else(unpacked):
    names = {path.name for path in unpacked.iterdir()}
    assert "aura" in names
    assert all(name == "aura" or name.endswith(".dist-info")
               for name in names) and len(names) == 2
    data = unpacked / "aura/platform/data"
    files = {path.relative_to(data).as_posix(): path.read_text("utf-8")
             for path in data.rglob("*") if path.is_file()}
    assert len(files) == 2 * len(BLOCKS) + len(repository.solutions())
    assert files == {path: repository.text(path) for path in files}


def test_the_installed_package_is_the_wheels(call, unpacked):
    done = call("-c", "import aura; print(aura.__file__)")
    assert done.stdout == f"{unpacked}/aura/__init__.py\n"


def test_blocks_can_be_called_beside_foreign_packages(call, tmp_path):
    write_cohort(tmp_path / "shared/training", patients=1, hours=0.1)
    done = call("-m", "aura", "call", "load_training", "--shared", "shared")
    assert done.returncode == 0, done.stderr
    assert '"record_count": 1' in done.stdout


@pytest.mark.parametrize("how", [[], ["--in-process"]])
def test_a_solution_can_be_run_beside_foreign_packages(call, tmp_path, how):
    (tmp_path / "shared/training").mkdir(parents=True)
    done = call("-m", "aura", "run", "training", "--shared", "shared", *how)
    # The blocks have started, and have found no recording.
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_a_bundle_can_be_written_beside_foreign_packages(call, tmp_path):
    done = call("-m", "aura", "solution", "bundle", "training", "--registry",
                "aura", "--tag", "1", "--out", "bundle")
    assert done.returncode == 0, done.stderr
    for name, folder in (("ecg-loader1", "ecg_loader"),
                         ("seizure-trainer1", "trainer")):
        assert (tmp_path / f"bundle/microservice/{name}.proto").read_text(
            ) == repository.text(f"blocks/{folder}/model.proto")
