"""Texts beside the code, and those at the top of a checkout."""

from pathlib import Path


_HERE = Path(__file__).parent


def text(path: str) -> str:
    """Text of a file, by its path in the repository."""
    return (_root() / path).read_text("utf-8")


def solutions() -> dict[str, str]:
    """The blueprints of the project's solutions, by name."""
    return {path.stem: path.read_text("utf-8")
            for path in sorted((_root() / "solutions").glob("*.json"))}


def _root() -> Path:
    # A wheel has such files in ``data/``.
    installed = _HERE / "data"
    return installed if installed.is_dir() else _HERE.parents[2]


def template(path: str) -> str:
    return (_HERE / path).read_text("utf-8")
