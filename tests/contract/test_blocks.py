"""The table of blocks: what follows from it, and what it is told of."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from blocks import __main__ as generator

from aura.blocks import BLOCKS

ROOT = Path(__file__).parents[2]
# Written from the table, or by hand where blocks differ: their libraries, and
# what stands in for each of them in tests.
LISTS = {
    "src/aura/blocks.toml", "README.md", "compose.yaml",
    "k8s/base/kustomization.yaml",
    "k8s/components/exec-probes/kustomization.yaml",
    "k8s/components/network-policy/blocks.yaml",
    "k8s/components/network-policy/runners.yaml", "pyproject.toml",
    "docs/platform.md", "docs/deploy.md", "src/aura/runners/local.py",
    "tests/chain.py",
    "tests/toys.py", "tests/contract/test_dockerfiles.py",
    "tests/platform/test_bundle.py",
    "tests/runners/test_platform_orchestrator.py", "CHANGELOG.md"}


def test_committed_files_are_as_written_from_the_table(capsys):
    assert generator.main(["--check"]) == 0, capsys.readouterr().err


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no checkout")
def test_no_other_file_lists_the_blocks():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True,
        check=True).stdout.split("\n")
    patterns = [
        re.compile(rf"(?<![\w-])({block.name}|{block.folder})(?![\w-])")
        for block in BLOCKS]
    listing = set()
    for name in (one for one in tracked if not one.endswith(".patch")):
        try:
            text = (ROOT / name).read_text("utf-8")
        except (UnicodeDecodeError, OSError):
            continue
        if all(pattern.search(text) for pattern in patterns):
            listing.add(name)
    assert listing <= LISTS, "take the blocks from aura.blocks.BLOCKS instead"


@pytest.mark.parametrize("changes, place", [
    ({"name": "Ecg-Loader"}, "src/aura/blocks.toml"),
    ({"name": "seizure-trainer"}, "src/aura/blocks.toml"),
    ({"folder": "class"}, "src/aura/blocks.toml"),
    ({"folder": "Loader"}, "src/aura/blocks.toml"),
    ({"folder": "nowhere"}, "src/aura/stages/nowhere.py"),
    ({"folder": "nowhere"}, "requirements/nowhere.txt"),
    ({"folder": "nowhere"}, "blocks/nowhere/README.md"),
    ({"folder": "nowhere"}, "blocks/nowhere/model.proto"),
    ({"folder": "nowhere"}, "pyproject.toml"),
    ({"stage": "NoStage"}, "src/aura/stages/ecg_loader.py"),
    ({"stage": "EcgSource"}, "src/aura/stages/ecg_loader.py"),
    ({"service": "NoService"}, "protos/aura.proto"),
    ({"rpcs": {"load_training": "next_training"}}, "src/aura/blocks.toml"),
    ({"rpcs": {"train": "next_training"}}, "src/aura/blocks.toml")])
def test_a_wrong_entry_is_told_with_the_file_to_mend(changes, place):
    blocks = [replace(BLOCKS[0], **changes), *BLOCKS[1:]]
    assert any(place in text for text in generator.problems(blocks))
    assert not list(generator.problems(BLOCKS))
