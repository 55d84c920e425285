"""The picture of the layers is what the imports are held to."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def layers():
    """The layers that `make lint` checks, from the top down."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contract = tools["tool"]["importlinter"]["contracts"][0]
    return [line.split(" | ") for line in contract["layers"]]


def test_the_picture_shows_the_layers():
    page = (ROOT / "docs/architecture.md").read_text("utf-8")
    picture = re.search(r"^```\n(cli .*?)^```", page, re.M | re.S)[1]
    assert [re.split(r"\s{2,}", line)[0].split(" | ")
            for line in picture.splitlines()] == layers()


def test_there_are_few_flat_modules():
    flat = {path.stem for path in (ROOT / "src/aura").glob("*.py")}
    assert len(flat) <= 12
    assert flat - {"__init__", "__main__"} <= {
        name for line in layers() for name in line}


def test_every_place_that_the_page_names_is_there():
    page = (ROOT / "docs/architecture.md").read_text("utf-8")
    for place in re.findall(r"`([a-z]+/[a-z_]+\.py)`", page):
        assert (ROOT / "src/aura" / place).is_file(), place


def test_each_module_and_class_name_stands_once():
    paths = [path for path in (ROOT / "src/aura").rglob("*.py")
             if not path.stem.startswith("__") and "pb2" not in path.stem]
    modules = [path.stem for path in paths]
    assert sorted(set(modules)) == sorted(modules)
    classes = [name for path in paths for name in re.findall(
        r"^class (\w+)", path.read_text("utf-8"), re.M)]
    assert sorted(set(classes)) == sorted(classes)
