"""Texts beside the code, and those at the top of a checkout."""

from pathlib import Path


_HERE = Path(__file__).parent


def text(path: str) -> str:
    """Text of a file, by its path in the repository."""
    # A wheel has such files in ``data/``.
    installed = _HERE / "data"
    root = installed if installed.is_dir() else _HERE.parents[2]
    return (root / path).read_text("utf-8")


def template(path: str) -> str:
    return (_HERE / path).read_text("utf-8")
