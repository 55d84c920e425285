"""Text of files that a checkout keeps at its top, and a wheel in ``data/``."""

from pathlib import Path


def text(path: str) -> str:
    """Text of a file, by its path in the repository."""
    installed = Path(__file__).parent / "data"
    root = installed if installed.is_dir() else Path(__file__).parents[3]
    return (root / path).read_text("utf-8")
