"""Tables of words, messages and rules, as TOML files beside the code."""

import tomllib
from pathlib import Path
from typing import Any


def beside(module: str, name: str = "") -> dict[str, Any]:
    """The TOML file of a module, ``__file__``, or another beside it."""
    path = Path(module)
    return tomllib.loads((path.with_name(name) if name else path.with_suffix(
        ".toml")).read_text("utf-8"))
