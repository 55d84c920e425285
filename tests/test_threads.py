"""How many threads the numeric library takes for itself."""

import os
import subprocess
import sys

import pytest

from aura.settings import Settings, processors

NAME = "OPENBLAS_NUM_THREADS"
# The variable as it is when numpy is first imported.
WATCH = f"""
import builtins, os, sys
load = builtins.__import__
def watch(name, *rest, **more):
    if name == "numpy" and name not in sys.modules:
        print(os.environ.get("{NAME}"), flush=True)
        os._exit(0)
    return load(name, *rest, **more)
builtins.__import__ = watch
"""
COMMAND = "import aura.cli; aura.cli.main(['inspect', '.'])"
MODULE = "import runpy; sys.argv = ['aura', 'inspect', '.']; " \
    "runpy.run_module('aura', run_name='__main__')"


def printed(code, **given):
    """What a new interpreter prints."""
    environ = {name: text for name, text in os.environ.items()
               if name != NAME}
    return subprocess.run(
        [sys.executable, "-c", code], env={**environ, **given}, text=True,
        capture_output=True, check=True).stdout.strip()


@pytest.mark.parametrize("start", [COMMAND, MODULE])
@pytest.mark.parametrize("given, taken", [
    ({}, "1"), ({NAME: "3"}, "3")])
def test_the_command_sets_one_thread_before_numpy_is_loaded(
        start, given, taken):
    assert printed(WATCH + start, **given) == taken


def test_the_library_leaves_the_environment_alone():
    assert printed("import os; before = dict(os.environ); import aura, "
                   "aura.cli; print(before == os.environ)") == "True"


@pytest.mark.parametrize(("files", "most"), [
    ({}, 99), ({"cpu.max": "max 100000\n"}, 99),
    ({"cpu.max": "200000 100000\n"}, 2), ({"cpu.max": "50000 100000\n"}, 1),
    ({"cpu.max": "nonsense"}, 99),
    ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000"}, 99),
    ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"},
     3)])
def test_workers_are_counted_by_affinity_and_cgroup(
        tmp_path, monkeypatch, files, most):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    for own in (1, 4, 8):
        monkeypatch.setattr(os, "sched_getaffinity",
                            lambda _: set(range(own)), raising=False)
        assert processors(tmp_path) == min(own, most)
    assert Settings(workers=5).threads == 5
