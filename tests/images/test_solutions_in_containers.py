"""Bundles whose images are started here, and an onboarded model's image."""

import json
import shutil

import pytest
from conftest import TAG

from aura import cli
from tests import recipes

pytestmark = pytest.mark.images


def run(bundle, shared, *how):
    """Run a bundle; its tables and event files."""
    known = set(shared.glob("runs/*"))
    assert cli.main(["run", str(bundle), "--shared", str(shared), *how]) == 0
    new, = set(shared.glob("runs/*")) - known
    return {path.relative_to(new).as_posix(): path.read_bytes()
            for pattern in ("events/**/*.tsv", "batches/*/*.parquet")
            for path in new.glob(pattern)}


def names_of(engine):
    """Names of all containers of the machine."""
    return set(engine("ps", "--all", "--format", "{{.Names}}").splitlines())


@pytest.fixture
def nothing_is_left(engine):
    """The test leaves no container; other processes may start some."""
    before = names_of(engine)
    yield
    assert not {name for name in names_of(engine) - before
                if name.endswith(("-ecg-loader1", "-feature-builder1"))}


@pytest.fixture(scope="module")
def bundles(built, tmp_path_factory):
    """Both solutions with the images that were built."""
    folder = tmp_path_factory.mktemp("bundles")
    for name in ("training", "prediction"):
        assert cli.main(["solution", "bundle", name, "--registry", "aura",
                         "--tag", TAG, "--out", str(folder / name)]) == 0
    return folder


@pytest.fixture(scope="module")
def trained(cohort, bundles, tmp_path_factory):
    """A shared folder, trained in containers, and its predictions there."""
    shared = tmp_path_factory.mktemp("containers") / "shared"
    shutil.copytree(cohort, shared)
    run(bundles / "training", shared, "--containers")
    return shared, run(bundles / "prediction", shared, "--containers")


def test_containers_give_the_same_bytes_as_this_process(
        trained, bundles, nothing_is_left):
    shared, found = trained
    assert any(path.endswith(".tsv") for path in found)
    assert run(bundles / "prediction", shared, "--in-process") == found


@pytest.mark.skipif(recipes.missing() is not None,
                    reason=str(recipes.missing()))
def test_the_block_of_the_recipe_is_built_and_runs_beside_the_others(
        trained, engine, tmp_path):
    shared, _ = trained
    known = set(shared.glob("runs/*"))
    copy = recipes.Copy(tmp_path / "project", "ward-report.patch")
    image = copy.build_image(TAG)
    try:
        copy.python("-m", "aura", "solution", "bundle",
                    "prediction-with-report", "--registry", "aura",
                    "--tag", TAG, "--out", tmp_path / "bundle")
        copy.python("-m", "aura", "run", tmp_path / "bundle",
                    "--shared", shared, "--containers")
        made, = set(shared.glob("runs/*")) - known
        [(header, *rows)] = copy.reports(made)
        assert len(rows) == 2
    finally:
        engine("rmi", "--force", image)


def test_an_onboarded_model_gives_identical_predictions(
        trained, bundles, cohort, engine, tmp_path):
    shared, found = trained
    model, = shared.glob("models/*/")
    out = tmp_path / "context"
    assert cli.main(["onboard", str(model), "--registry", "aura", "--tag",
                     TAG, "--name", "clinic-model", "--out", str(out)]) == 0
    image = f"aura/clinic-model:{TAG}"
    engine("build", "-q", "-t", image, str(out))
    try:
        image_facts = engine.inspect(image)
        labels = image_facts.get("Labels") or image_facts["Config"]["Labels"]
        assert labels["aura.model_id"] == model.name
        for name in ("model.proto", "license.json"):
            assert engine.python(
                image, f"print(open('/{name}').read(), end='')") == (
                    out / name).read_text().strip()
        bundle = tmp_path / "bundle"
        shutil.copytree(bundles / "prediction", bundle)
        content = (bundle / "blueprint.json").read_text()
        (bundle / "blueprint.json").write_text(content.replace(
            f"aura/seizure-predictor:{TAG}", image))
        elsewhere = tmp_path / "shared"
        shutil.copytree(cohort / "recordings", elsewhere / "recordings")
        assert run(bundle, elsewhere, "--containers") == found
    finally:
        engine("rmi", "--force", image)


def test_a_node_that_is_not_ready_is_reported_and_nothing_is_left(
        bundles, nothing_is_left, tmp_path, capfd):
    # Without a model the predictor runs, but is not ready.
    (tmp_path / "recordings").mkdir()
    assert cli.main(["run", str(bundles / "prediction"), "--shared",
                     str(tmp_path), "--containers"]) == 1
    assert "run.not_ready: seizure-predictor1 " in capfd.readouterr().err


def test_an_image_that_does_not_exist_is_reported(
        bundles, engine, tmp_path, capfd):
    bundle = tmp_path / "bundle"
    shutil.copytree(bundles / "training", bundle)
    content = json.loads((bundle / "blueprint.json").read_text())
    content["nodes"][0]["image"] = "localhost/aura/nothing:none"
    (bundle / "blueprint.json").write_text(json.dumps(content))
    assert cli.main(["run", str(bundle), "--shared", str(tmp_path),
                     "--containers"]) == 1
    error = capfd.readouterr().err
    assert "run.no_image: " in error and "aura/nothing:none" in error
