"""The image as SzCORE runs it: no network, no rights, one file in and out."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from aura.blocks import BLOCKS
from aura.runners import local
from aura.settings import Settings
from aura.synthetic.cohort import write_cohort
from blocks import images

pytestmark = pytest.mark.images

ROOT = Path(__file__).parents[2]
PREDICTOR = "localhost/aura-szcore-test/seizure-predictor:test"
IMAGE = "localhost/aura-szcore-test/szcore:test"
HEADER = ("onset\tduration\teventType\tconfidence\tchannels\tdateTime\t"
          "recordingDuration")


@pytest.fixture(scope="module")
def image(engine):
    block, = (one for one in BLOCKS if one.folder == "predictor")
    images.build(block, PREDICTOR)
    command = [engine.name, "build", "-q", "-t", IMAGE, "-f",
               str(ROOT / "szcore/Dockerfile"), "--build-arg",
               f"PREDICTOR={PREDICTOR}", str(ROOT)]
    if engine.is_podman:
        command[2:2] = ["--format", "docker"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return IMAGE


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """data, output and model, as they are mounted."""
    import pyedflib
    root = tmp_path_factory.mktemp("szcore")
    write_cohort(root / "study", patients=3, hours=.25, seed=1)
    report, _ = local.train([root / "study"], root / "model", Settings())
    assert report.model_path
    (root / "data/sub").mkdir(parents=True)
    write_cohort(root / "other", patients=1, hours=.25, seed=7)
    next((root / "other").rglob("*.edf")).rename(root / "data/sub/sz.edf")
    writer = pyedflib.EdfWriter(str(root / "data/unipolar.edf"), 1)
    writer.setSignalHeader(0, {
        "label": "Fp1-Avg", "dimension": "uV", "sample_frequency": 256,
        "physical_min": -800., "physical_max": 800., "digital_min": -32768,
        "digital_max": 32767, "transducer": "", "prefilter": ""})
    writer.writeSamples([np.random.default_rng(0).normal(0, 9, 256 * 75)])
    writer.close()
    (root / "output").mkdir()
    # The image's user owns nothing on this machine.
    (root / "output").chmod(0o777)
    for path in (root, *root.rglob("*")):
        path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))
    return root


def run(engine, image, folders, source, target, *options):
    """The call of SzCORE's check, with less rights than it gives."""
    return subprocess.run(
        [engine.name, "run", "--rm", "--network", "none", *engine.confined,
         "-v", f"{folders}/data:/data:ro", "-v", f"{folders}/output:/output",
         "-e", f"INPUT={source}", "-e", f"OUTPUT={target}", *options,
         image], capture_output=True, text=True)


def test_the_contract_is_kept(engine, image, folders):
    model = ("-v", f"{folders}/model:/model:ro")
    done = run(engine, image, folders, "sub/sz.edf", "sz.tsv", *model)
    assert done.returncode == 0, done.stderr
    lines = (folders / "output/sz.tsv").read_text().splitlines()
    assert lines[0] == HEADER
    assert all(line.split("\t")[2] == "sz" for line in lines[1:])
    local.predict([folders / "data/sub/sz.edf"], folders / "model",
                  folders / "same", Settings())
    assert (folders / "same/sz.tsv").read_text().splitlines() == lines
    done = run(engine, image, folders, "unipolar.edf", "x.tsv", *model)
    assert done.returncode == 0 and "ecg.missing" in done.stderr
    head, row = (folders / "output/x.tsv").read_text().splitlines()
    assert head == HEADER
    assert row.startswith("0.00\t0.00\tbckg\t") and row.endswith("\t75.00")


def test_without_a_model_it_names_the_place_for_one(engine, image, folders):
    done = run(engine, image, folders, "unipolar.edf", "none.tsv")
    assert done.returncode == 1 and "/model" in done.stderr
    assert not (folders / "output/none.tsv").exists()


def test_it_is_the_predictor_with_what_finds_beats_on_top(engine, image):
    ours, theirs = engine.inspect(image), engine.inspect(PREDICTOR)
    shared = theirs["RootFS"]["Layers"]
    assert ours["RootFS"]["Layers"][:len(shared)] == shared
    assert (ours["Size"] - theirs["Size"]) / 1e6 < 180
    assert ours["Config"]["User"] == "65532:65532"
    assert set(ours["Config"]["Volumes"]) == {"/data", "/output"}
