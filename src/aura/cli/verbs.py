"""The command line's parser, made from the table ``verbs.toml``."""

import argparse
import os
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import aura
from aura import blocks, state
from aura.annotations.formats import FORMATS
from aura.physionet.sets import BASE_URL, SETS
from aura.settings import ABOUT, SHARED_FOLDER_DEFAULT, Settings

_TABLE = state.beside(__file__)
SETTINGS: Mapping[str, Any] = _TABLE["setting"]
_FACTS = {
    "base_url": BASE_URL, "shared": SHARED_FOLDER_DEFAULT,
    "sets": "\n".join(textwrap.fill(
        one.title, 78, initial_indent=f"  {one.name:8}",
        subsequent_indent=" " * 10) for one in SETS.values()),
    "set_names": " or ".join([", ".join([*SETS][:-1]), [*SETS][-1]]),
    "formats": ", ".join(FORMATS),
    "blocks": ", ".join(block.name for block in blocks.BLOCKS),
    "rpcs": ", ".join(rpc for block in blocks.BLOCKS for rpc in block.rpcs)}


class _Help(argparse.HelpFormatter):
    """Fills each paragraph, and leaves those with indented lines alone."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n\n".join(
            part if "\n " in f"\n{part}"
            else argparse.HelpFormatter._fill_text(self, part, width, indent)
            for part in text.split("\n\n"))


class Parser(argparse.ArgumentParser):
    """A parser that exits with 1 where a command line makes no sense."""

    def __init__(self, **named: Any) -> None:
        super().__init__(formatter_class=_Help, **named)

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(1, f"{self.prog}: {message}. Run '{self.prog} --help' for "
                  "help.\n")


def parser() -> Parser:
    """The parser of ``aura``; `run` of what it reads names a function."""
    made = Parser(prog="aura", **_TABLE["aura"])
    made.add_argument(
        "--version", action="version", version=f"aura {aura.__version__}",
        help="show the version and exit")
    below: dict[str, Any] = {"": made.add_subparsers(
        dest="verb", metavar="VERB", required=True, prog="aura",
        help=argparse.SUPPRESS)}
    groups: dict[str, str] = {}
    for name, about in _TABLE["verb"].items():
        above, _, own = name.rpartition(" ")
        verb = below[above].add_parser(
            own, help=about["summary"],
            description=about["text"].strip().format(**_FACTS),
            epilog="example:\n" + textwrap.indent(
                about["example"].strip("\n"), "  "))
        verb.set_defaults(run=about["run"])
        if about.get("has_actions"):
            below[name] = verb.add_subparsers(
                dest="action", metavar="ACTION", required=True,
                title="actions")
        _add_options(verb, about.get("options", ()), about.get("help", {}))
        if not above:
            groups[about["group"]] = groups.get(about["group"], "") + (
                f"  {name:10}{about['summary']}\n")
    for title, text in groups.items():
        made.add_argument_group(title, text)
    return made


def _add_options(verb: argparse.ArgumentParser, names: list[str],
                 texts: Mapping[str, str]) -> None:
    # In older Pythons an empty group is an error.
    exclusive = verb.add_mutually_exclusive_group() if any(
        _TABLE["option"].get(name, {}).get("exclusive")
        for name in names) else verb
    for name in names:
        given = dict(SETTINGS.get(name) or _TABLE["option"][name])
        if name in SETTINGS:
            given |= {"dest": name, "help": _about(name, texts.get(name))}
        for key in ("help", "default"):
            if isinstance(given.get(key), str):
                given[key] = given[key].strip().format(**_FACTS)
        for key, known in (("type", _TYPES), ("choices", _CHOICES)):
            if isinstance(given.get(key), str):
                given[key] = known[given[key]]
        own = given.pop("flags", None) or given.pop("name")
        (exclusive if given.pop("exclusive", False) else verb).add_argument(
            own, **given)


def _about(setting: str, text: str | None) -> str:
    about, default = ABOUT[setting], getattr(Settings, setting)
    return (text or about.text) + (
        f" [default: {default:g}; {about.env}]" if default
        else f" [{about.env}]")


def _path(text: str) -> Path:
    # An unset variable of the shell would otherwise be the current folder.
    if not text:
        raise argparse.ArgumentTypeError(
            "the name is empty; write '.' for the current folder")
    return Path(text)


def _speed(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1e6:
        raise argparse.ArgumentTypeError(
            f"{text} is not a number from 0 to 1000000")
    return value


_CHOICES: Mapping[str, Any] = {"sets": list(SETS), "formats": list(FORMATS)}
_TYPES: Mapping[str, Any] = {
    "path": _path, "file": os.path.abspath, "int": int, "float": float,
    "speed": _speed}
