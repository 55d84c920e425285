"""JSON that programs leave for each other, and TOML beside the code."""

import functools
import json
import sys
import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from aura import errors
from aura.errors import AuraError, CorruptDataError, Problem
from aura.folder import Folder

T = TypeVar("T")


def beside(module: str, name: str = "") -> dict[str, Any]:
    """The TOML file of a module, ``__file__``, or another beside it."""
    path = Path(module)
    return tomllib.loads((path.with_name(name) if name else path.with_suffix(
        ".toml")).read_text("utf-8"))


@functools.cache
def _messages() -> dict[str, dict[str, str]]:
    return beside(__file__, "messages.toml")


def error(key: str, kind: type[AuraError] | None = None, /,
          **found: object) -> AuraError:
    """The error of a rule, in the words of ``messages.toml``."""
    known = _messages()[key]
    kind = kind or getattr(errors, f"{known.get('kind', 'InvalidInput')}Error")
    return kind(key.partition("/")[0], known["text"].format(**found),
                known.get("fix", "").format(**found))


def problem(key: str, /, **found: object) -> Problem:
    """The warning of a rule, in the words of ``messages.toml``."""
    return Problem(key.partition("/")[0], "warning",
                   _messages()[key]["text"].format(**found))


def read(folder: Folder, name: str, kind: type[T], rule: str, fix: str) -> T:
    """Read a file of a folder; errors are those of `parse` and `Folder`."""
    return parse(folder.read(name), kind, rule, name, fix)


def parse(content: bytes | str, kind: type[T], rule: str, what: str, fix: str,
          error: type[AuraError] = CorruptDataError, *,
          not_json: str = "") -> T:
    """Read JSON as a type; an error names the field, and not its value."""
    try:
        found = json.loads(content, parse_constant=str,
                           parse_float=_number, parse_int=_number)
    except (ValueError, RecursionError) as fault:
        raise error(not_json or rule, f"{what} is not JSON: {fault}",
                    fix) from None
    return convert(found, kind, rule, what, fix, error)


def convert(found: Any, kind: type[T], rule: str, what: str, fix: str,
            error: type[AuraError] = CorruptDataError) -> T:
    """Plain values as a type."""
    try:
        return msgspec.convert(found, kind)
    # A text that is not UTF-8 is no ValidationError.
    except (ValueError, RecursionError) as fault:
        raise error(rule, f"{what} has a wrong field: {fault}", fix) from None


def write(folder: Folder, name: str, content: Any, indent: int | None = 2, *,
          sort_keys: bool = True) -> None:
    """Write a file; equal contents give equal bytes."""
    folder.write(name, (json.dumps(
        msgspec.to_builtins(content), indent=indent, sort_keys=sort_keys,
        allow_nan=False) + "\n").encode("ascii"))


def _number(text: str) -> int | float | str:
    """A number that all programs can hold; its text if there is none."""
    if len(text) <= 20 and text.lstrip("-").isdigit():
        return int(text)
    value = float(text)
    return value if abs(value) <= sys.float_info.max else text
