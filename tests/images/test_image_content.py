"""The content of the images."""

import json
import re
from pathlib import Path

import pytest
from packaging.markers import Marker, default_environment
from packaging.utils import canonicalize_name

from aura.blocks import BLOCKS

pytestmark = pytest.mark.images

ROOT = Path(__file__).parents[2]
BASE = "python:3.11-slim-bookworm"
# Own layers over the base, uncompressed.
MOST_MB = {"ecg-loader": 150, "seizure-predictor": 130, "influx-exporter": 160}
LISTED = """
import json, platform
from importlib.metadata import distributions
print(json.dumps([platform.python_version(), sorted(
    [found.metadata["Name"], found.version] for found in distributions())]))
"""
COMPILED = """
import importlib.util, pathlib, sys
for root in ("/opt/venv/lib", "/opt/aura"):
    for source in pathlib.Path(root).rglob("*.py"):
        made = pathlib.Path(importlib.util.cache_from_source(source))
        # PEP 552: 1 is a hash, and that is not compared with the source.
        if made.read_bytes()[4:8] != bytes((1, 0, 0, 0)):
            print(source)
"""
WRITABLE = """
import os
for path, folders, files in os.walk("/"):
    if path in ("/proc", "/sys", "/dev"):
        folders.clear()
    else:
        for name in (path, *(f"{path}/{file}" for file in files)):
            if os.access(name, os.W_OK) and not os.path.islink(name):
                print(name)
"""

for_each_block = pytest.mark.parametrize(
    "block", BLOCKS, ids=lambda block: block.name)


@for_each_block
def test_own_layers_are_small(engine, built, block, record_property):
    own = (engine.inspect(built[block.name])["Size"]
           - engine.inspect(BASE)["Size"]) / 1e6
    record_property("own_layers_mb", own)
    print(f"{block.name}: {own:.0f} MB over the base")
    assert 20 < own <= MOST_MB.get(block.name, 300)


@for_each_block
def test_the_libraries_are_those_of_the_lock(engine, built, block):
    python, listed = json.loads(engine.python(built[block.name], LISTED))
    environment = {**default_environment(), "python_full_version": python}
    locked = set()
    for name, version, marker in re.findall(
            r"^(\S+)==(\S+)(?: ; (.*?))? \\$",
            (ROOT / f"requirements/{block.folder}.txt").read_text(), re.M):
        if not marker or Marker(marker).evaluate(environment):
            locked.add((name, version))
    assert {(canonicalize_name(name), version)
            for name, version in listed} == locked


@for_each_block
def test_the_platforms_files_are_at_the_root(engine, built, block):
    for name in ("model.proto", "license.json"):
        content = engine("run", "--rm", "--network", "none", "--entrypoint",
                         "cat", built[block.name], f"/{name}")
        assert content == (ROOT / "blocks" / block.folder / name).read_text(
            "utf-8").strip()


@for_each_block
def test_the_code_is_aura_and_nothing_else(engine, built, block):
    assert engine("run", "--rm", "--network", "none", "--entrypoint", "find",
                  built[block.name], "/opt/aura", "-maxdepth", "1"
                  ).split() == ["/opt/aura", "/opt/aura/aura"]


@for_each_block
def test_all_files_are_compiled_and_not_compared_with_their_source(
        engine, built, block):
    assert engine.python(built[block.name], COMPILED) == ""


@for_each_block
def test_the_user_is_a_number_and_owns_nothing(engine, built, block):
    config = engine.inspect(built[block.name])["Config"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", config["User"])
    writable = engine(
        "run", "--rm", "--network", "none", "--entrypoint", "python",
        built[block.name], "-c", WRITABLE).splitlines()
    assert set(writable) <= {"/tmp", "/var/tmp", "/run/lock", "/var/lock"}


@for_each_block
def test_the_image_has_the_config_of_the_platform(engine, built, block):
    image = engine.inspect(built[block.name])
    config = image["Config"]
    assert set(config["ExposedPorts"]) == {"8061/tcp", "8062/tcp"}
    assert config["Entrypoint"] == ["python", "-m", "aura", "serve"]
    assert f"AURA_BLOCK={block.folder}" in config["Env"]
    # Podman and docker show it at different places.
    check = image.get("Healthcheck") or config["Healthcheck"]
    assert check["Test"] == ["CMD", "python", "-m", "aura.rpc.health"]
    labels = {name.removeprefix("org.opencontainers.image."): text
              for name, text in config["Labels"].items()}
    assert labels["title"] == block.name
    assert labels["licenses"] == "Apache-2.0"
    assert re.fullmatch(r"\d+\.\d+\.\d+", labels["version"])
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", labels["revision"])
    assert labels["description"] == block.purpose
