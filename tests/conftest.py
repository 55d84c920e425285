"""What all tests share: where the real recordings are."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Before numpy, which tests import first: its threads fight for the processors
# with those of everything else that runs.
import aura  # noqa: F401

ROOT = Path(__file__).parents[1]

# How long one example takes says more of what else the machine does. The
# same commit has the same examples; `make soak` looks for others.
settings.register_profile(
    "aura", deadline=None, derandomize=not os.environ.get("AURA_SOAK"))
settings.load_profile("aura")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real recordings, never part of the project."""
    folder = Path(os.environ.get("AURA_DATA", ROOT / "../shared/data"))
    if not folder.is_dir():
        pytest.skip(f"no real recordings at {folder}; set AURA_DATA")
    return folder.resolve()
