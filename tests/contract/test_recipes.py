"""The examples of docs/extend.md, applied to a copy of the project."""

import shutil

import pytest

from tests import recipes

PAGE = (recipes.ROOT / "docs/extend.md").read_text("utf-8")
BLOCK, FEATURE, FORMAT = EXAMPLES = (
    "ward-report.patch", "range-hr.patch", "wav.patch")
# The most files and lines by hand.
MOST = {BLOCK: (8, 150), FEATURE: (3, 20), FORMAT: (4, 100)}
TESTS = ("tests/contract/test_blocks.py", "tests/contract/test_projection.py",
         "tests/contract/test_dockerfiles.py",
         "tests/stages/test_ward_report.py", "tests/k8s/test_manifests.py",
         "tests/k8s/test_compose.py",
         "tests/ecg/test_features.py::"
         "test_features_equal_their_definitions[4-10.0]",
         "tests/ecg/test_features.py::"
         "test_the_first_columns_are_auras_in_auras_order",
         "tests/review/test_service.py::"
         "test_every_feature_has_a_title_and_a_meaning",
         "tests/dataset/test_wav.py")

pytestmark = pytest.mark.skipif(
    recipes.missing() is not None, reason=str(recipes.missing()))


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy that has all examples."""
    return recipes.Copy(
        tmp_path_factory.mktemp("copy") / "project", *EXAMPLES)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_has_few_files_and_lines(example):
    files = recipes.git("apply", "--numstat", recipes.EXAMPLES / example
                        ).splitlines()
    lines = sum(int(line.split()[0]) for line in files)
    most_files, most_lines = MOST[example]
    assert len(files) <= most_files and lines <= most_lines
    assert f"[{example}](examples/{example})" in PAGE
    assert f"{len(files)} files, {lines} lines" in PAGE


def test_the_examples_pass_the_tests_of_what_they_extend(copy):
    copy.python("-m", "blocks", "--check")
    copy.python("protos/project.py", "--check")
    copy.python("-m", "pytest", "-q", "-m", "", "-p", "no:cacheprovider",
                *TESTS)


def test_the_new_solution_runs_with_an_older_model_and_can_be_bundled(
        copy, template, tmp_path):
    shared, _ = template
    run = copy.python
    shutil.copytree(shared, tmp_path / "shared")
    before = set((tmp_path / "shared/runs").iterdir())
    for how in (["--in-process"], []):
        printed = run("-m", "aura", "run", "prediction-with-report",
                      "--shared", tmp_path / "shared", *how,
                      AURA_EXPORT_FEATURES="all")
        assert "ward-report1.report 1/1: " in printed
    for made in set((tmp_path / "shared/runs").iterdir()) - before:
        [(header, *rows)] = copy.reports(made)
        assert len(rows) == 3
        table = (made / "batches/0000/features.parquet").read_bytes()
        assert b"range_hr" in table
    run("-m", "aura", "solution", "bundle", "prediction-with-report",
        "--registry", "r", "--tag", "1", "--out", tmp_path / "bundle")
    assert "no fault found" in run(
        "-m", "aura", "solution", "check", tmp_path / "bundle")
