"""What others see of the project: one version, and CI that runs `make`."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml

import aura

ROOT = Path(__file__).parents[2]


def text_of(name):
    return (ROOT / name).read_text("utf-8")


def newest_release():
    """Version and date of the newest heading of the changelog."""
    return re.search(r"^## \[(\d\S*)\] - (\S+)$", text_of("CHANGELOG.md"),
                     re.M).groups()


def test_there_is_one_version():
    citation = yaml.safe_load(text_of("CITATION.cff"))
    assert (aura.__version__, str(citation["date-released"])) == (
        newest_release())
    assert citation["version"] == aura.__version__


def test_a_build_takes_the_version_from_the_package():
    settings = tomllib.loads(text_of("pyproject.toml"))
    assert "version" not in settings["project"]
    assert settings["project"]["dynamic"] == ["version"]
    assert settings["tool"]["hatch"]["version"]["path"] == (
        "src/aura/__init__.py")


def test_every_release_of_the_changelog_has_a_link():
    changelog = text_of("CHANGELOG.md")
    releases = re.findall(r"^## \[(.+?)\]", changelog, re.M)
    assert releases == re.findall(r"^\[(.+?)\]: https", changelog, re.M)


def test_a_checker_of_types_finds_those_of_the_package():
    assert (ROOT / "src/aura/py.typed").exists()


def commands_of_github():
    workflow = yaml.safe_load(text_of(".github/workflows/ci.yml"))
    return [step["run"] for job in workflow["jobs"].values()
            for step in job["steps"] if "run" in step]


def commands_of_travis():
    settings = yaml.safe_load(text_of(".travis.yml"))
    assert settings["install"] == "skip"
    assert not {name for name in settings if re.match(
        "before_|after_|deploy|jobs", name)}
    return [settings["script"]]


def commands_of_jenkins():
    text = text_of("Jenkinsfile")
    steps = re.findall(r"\bsh '([^']*)'", text)
    assert len(steps) == len(re.findall(r"\b(?:sh|bat|powershell)\b", text))
    return steps


def commands_of_pre_commit():
    settings = yaml.safe_load(text_of(".pre-commit-config.yaml"))
    return [hook["entry"] for repository in settings["repos"]
            for hook in repository["hooks"]
            if hook.get("language") == "system"]


def verbs_called(command):
    """Verbs of each line of a command; None where it is not `make`."""
    for line in command.strip().splitlines():
        program, *words = shlex.split(line)
        if program != "make":
            yield None
        yield from (word for word in words
                    if not re.fullmatch(r"[A-Z]+=[\w./-]*", word))


@pytest.mark.parametrize("commands", [
    commands_of_github, commands_of_travis, commands_of_jenkins,
    commands_of_pre_commit])
def test_ci_calls_verbs_of_the_makefile_only(commands):
    rules = re.findall(r"^([a-z][\w-]*):(?!=)", text_of("Makefile"), re.M)
    called = [verb for command in commands()
              for verb in verbs_called(command)]
    assert called and set(called) <= set(rules)


@pytest.mark.parametrize("command", [
    "pip install .", "make lint\npytest", "make lint && pytest",
    "make lint; ls", "make no-such-verb", "make PYTHON=$(rm) lint"])
def test_a_command_that_is_no_verb_is_seen(command):
    rules = {"lint", "test"}
    assert not set(verbs_called(command)) <= rules


def test_actions_are_pinned_and_may_only_read():
    text = text_of(".github/workflows/ci.yml")
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}
    used = re.findall(r"uses: (.*)", text)
    assert used and all(
        re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", one) for one in used)
