"""Tables of words and messages that are data beside the code."""

import tomllib
from importlib import resources
from typing import Any


def table(name: str) -> dict[str, Any]:
    """One of the TOML files beside the code."""
    return tomllib.loads((
        resources.files("aura.annotations") / name).read_text("utf-8"))
