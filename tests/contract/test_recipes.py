"""The examples of docs/extend.md, applied to a copy of the project."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATCH = ROOT / "docs/examples/ward-report.patch"
PAGE = (ROOT / "docs/extend.md").read_text("utf-8")
MOST_FILES, MOST_LINES = 8, 150
TESTS = ("tests/contract/test_blocks.py", "tests/contract/test_projection.py",
         "tests/contract/test_dockerfiles.py",
         "tests/stages/test_ward_report.py", "tests/k8s/test_manifests.py",
         "tests/k8s/test_compose.py")

pytestmark = pytest.mark.skipif(
    not (ROOT / ".git").exists() or not shutil.which("git"),
    reason="the project is no checkout, or git is missing")


def git(*arguments, folder=ROOT):
    return subprocess.run(["git", *map(str, arguments)], cwd=folder, text=True,
                          check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run Python in a copy that has the sixth block."""
    copy = tmp_path_factory.mktemp("copy") / "project"
    for name in git("ls-files").splitlines():
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    git("init", "-q", folder=copy)
    git("apply", PATCH, folder=copy)
    # As `make lock` writes it, which needs the network: the libraries of the
    # loader without the one that only the loader has.
    lock = (copy / "requirements/ecg_loader.txt").read_text("utf-8")
    (copy / "requirements/ward_report.txt").write_text(
        re.sub(r"^fitdecode==.*\n(?: .*\n)+", "", lock, flags=re.M), "utf-8")

    def python(*arguments):
        done = subprocess.run(
            [sys.executable, *map(str, arguments)], cwd=copy, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={
                **os.environ, "PYTHONPATH": f"{copy / 'src'}:{copy}"})
        assert done.returncode == 0, done.stdout
        return done.stdout

    python("protos/project.py")
    python("-m", "blocks")
    git("add", "-A", folder=copy)
    return python


def test_a_block_takes_few_files_and_lines():
    files = git("apply", "--numstat", PATCH).splitlines()
    lines = sum(int(line.split()[0]) for line in files)
    assert len(files) <= MOST_FILES and lines <= MOST_LINES
    assert f"{len(files)} files, {lines} lines" in PAGE


def test_the_sixth_block_passes_the_tests_of_the_five(run):
    run("-m", "blocks", "--check")
    run("protos/project.py", "--check")
    run("-m", "pytest", "-q", "-m", "", "-p", "no:cacheprovider", *TESTS)


def test_its_solution_runs_and_can_be_bundled(run, template, tmp_path):
    shared, _ = template
    shutil.copytree(shared, tmp_path / "shared")
    before = set((tmp_path / "shared/runs").iterdir())
    for how in (["--in-process"], []):
        printed = run("-m", "aura", "run", "prediction-with-report",
                      "--shared", tmp_path / "shared", *how)
        assert "ward-report1.report 1/1: " in printed
    for made in set((tmp_path / "shared/runs").iterdir()) - before:
        assert (made / "DONE").exists()
        header, *rows = (made / "batches/0000/ward.tsv").read_text(
            ).splitlines()
        assert len(rows) == 3
    run("-m", "aura", "solution", "bundle", "prediction-with-report",
        "--registry", "r", "--tag", "1", "--out", tmp_path / "bundle")
    assert "no fault found" in run(
        "-m", "aura", "solution", "check", tmp_path / "bundle")
