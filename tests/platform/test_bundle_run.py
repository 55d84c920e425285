"""`aura run BUNDLE`: the real blocks as processes of their own."""

import re
import shutil
import subprocess
import sys

import pytest

from aura import cli
from aura.settings import Settings
from tests.edf_builder import Channel, File, heart

COUNT = 200
BIGGEST_BYTES = 100_000
RPCS = ("load_recordings", "build_features", "predict", "export")


def aura(*arguments):
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "aura", *map(str, arguments)], text=True,
        capture_output=True, check=False)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """The prediction solution as the platform's download."""
    folder = tmp_path_factory.mktemp("bundle") / "prediction"
    assert cli.main(["solution", "bundle", "prediction", "--registry", "aura",
                     "--tag", "dev", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def ran(template, bundle, tmp_path_factory):
    """A shared folder with many short recordings, and the run on it."""
    shared = tmp_path_factory.mktemp("many")
    shutil.copytree(template[0] / "models", shared / "models")
    for number in range(COUNT):
        folder = shared / f"recordings/p{number // 10:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:04d}.edf").write_bytes(File((Channel(
            digital=heart(60, 128, bpm=60 + number / 4)),)).bytes())
    return shared, aura("run", bundle, "--shared", shared)


def test_many_recordings_pass_the_bundle_in_order_and_none_is_lost(ran):
    shared, done = ran
    assert done.returncode == 0, done.stderr
    batches = -(-COUNT // Settings.batch_size)
    for rpc in RPCS:
        assert re.findall(rf"^\S+\.{rpc} (\d+)/{batches}:", done.stderr,
                          re.M) == [str(n + 1) for n in range(batches)]
    run, = (shared / "runs").iterdir()
    assert {path.relative_to(run / "events").with_suffix(".edf").as_posix()
            for path in run.glob("events/**/*.tsv")} == {
        path.relative_to(shared / "recordings").as_posix()
        for path in shared.glob("recordings/**/*.edf")}
    assert len(list(run.glob("export/*.lp.gz"))) == batches
    assert (run / "DONE").exists()


def test_its_messages_are_small(ran):
    numbers, = re.findall(
        r"^(\d+) messages, the biggest of (\d+) bytes$", ran[1].stdout, re.M)
    assert int(numbers[0]) == len(RPCS) * -(-COUNT // Settings.batch_size)
    assert 100 < int(numbers[1]) < BIGGEST_BYTES
