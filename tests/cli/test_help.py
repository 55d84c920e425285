"""The help of the command line."""

import argparse
import re

import pytest

from aura.cli import verbs


def parsers(parser):
    """A parser, and all that are below it."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from parsers(below)


@pytest.mark.parametrize("parser", [*parsers(verbs.parser())],
                         ids=lambda parser: parser.prog)
def test_help_explains_every_option_and_its_examples_parse(parser, run):
    assert run(*parser.prog.split()[1:], "--help")[0] == 0
    assert len(parser.description.split()) > 8
    for action in parser._actions:
        assert action.help or action.choices, (parser.prog, action.dest)
    _, _, examples = parser.epilog.partition("example:\n")
    lines = re.findall(r"^  (?:\S+=\S+ )?aura (.*?)(?: [|<]|   |$)",
                       re.sub(r" \\\n +", " ", examples), re.M)
    assert lines
    for line in lines:
        if not line.endswith("--help"):
            verbs.parser().parse_args(line.split())


def test_the_command_lists_every_verb(run):
    _, text, _ = run("--help")
    for one in list(parsers(verbs.parser()))[1:]:
        verb, *action = one.prog.split()[1:]
        assert action or re.search(rf"^  {verb} +\w", text, re.M)
    assert run("--version")[1].startswith("aura ")
