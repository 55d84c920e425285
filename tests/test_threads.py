"""How many threads the numeric library takes for itself."""

import os
import subprocess
import sys

import pytest

TELL = "import os, aura; print(os.environ['OPENBLAS_NUM_THREADS'])"


@pytest.mark.parametrize("given, taken", [({}, "1"), (
    {"OPENBLAS_NUM_THREADS": "3"}, "3")])
def test_one_thread_per_calculation_unless_the_user_says_so(given, taken):
    environ = {name: text for name, text in os.environ.items()
               if name != "OPENBLAS_NUM_THREADS"}
    told = subprocess.run(
        [sys.executable, "-c", TELL], env={**environ, **given}, text=True,
        capture_output=True, check=True)
    assert told.stdout.strip() == taken


def test_it_is_said_before_numpy_is_loaded():
    told = subprocess.run(
        [sys.executable, "-c", "import sys, aura; print(*sys.modules)"],
        text=True, capture_output=True, check=True)
    assert "numpy" not in told.stdout.split()
