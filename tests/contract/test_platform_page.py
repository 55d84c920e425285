"""docs/platform.md: its commands and names agree with the code."""

import re
import shlex
from pathlib import Path

import pytest

from aura.cli import verbs
from aura.platform import blueprint
from aura.platform.bundle import SHARED_FOLDER, SHARED_FOLDER_ENV
from aura.platform.onboarding import LONGEST_NAME

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/platform.md").read_text("utf-8")
COMMANDS = re.findall(r"^aura .*$", PAGE, re.M)


def test_the_page_has_commands():
    assert {line.split()[1] for line in COMMANDS} == {
        "solution", "run", "onboard"}


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_can_be_parsed(line):
    verbs.parser().parse_args(shlex.split(line)[1:])


@pytest.mark.parametrize("name", ["training", "prediction"])
def test_the_links_are_those_of_the_blueprints(name):
    plan = blueprint.parse((ROOT / f"solutions/{name}.json").read_text())
    links = " → ".join(f"`{rpc.node.removesuffix('1')}.{rpc.name}`"
                       for rpc in plan.rpcs)
    assert f"| {name} | {links} |" in PAGE


def test_names_and_limits_are_those_of_the_code():
    assert f"at most {LONGEST_NAME} of them" in PAGE
    assert f"{SHARED_FOLDER_ENV}={SHARED_FOLDER}" in PAGE
