"""Each malformed or odd recording gets its own error or warning."""

import json

import pytest

from aura.dataset import assemble, find
from aura.edf.header import FAULTS
from aura.folder import Folder
from tests.odd_recordings import corpus

CASES = corpus()


def inspect(folder, case, strict=False):
    """Store a case and report on it as `aura inspect` does."""
    suffix = ".bdf" if case.content[:1] == b"\xff" else ".edf"
    (folder / f"r{suffix}").write_bytes(case.content)
    for name, content in case.beside.items():
        (folder / name).write_bytes(content)
    inside = Folder(folder)
    (candidate,) = find.recordings(inside)
    return assemble.report(inside, candidate, strict=strict)


def test_the_corpus_is_large():
    refused = [case for case in CASES if case.refused]
    assert len(refused) >= 120
    assert len(CASES) - len(refused) >= 50


@pytest.mark.parametrize("case", [
    case for case in CASES if case.rule in FAULTS and not case.refused
    and "beside the ECG" not in case.name and "EEG" not in case.name],
    ids=lambda case: case.name)
def test_strict_mode_refuses_what_could_be_read(tmp_path, case):
    found = inspect(tmp_path, case, strict=True)
    assert found["status"] == "refused"
    assert all(problem["level"] == "error" for problem in found["problems"])
    loose = inspect(tmp_path, case)["problems"]
    assert found["problems"][0]["rule"] in FAULTS & {
        problem["rule"] for problem in loose}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_recording_gets_its_rule(tmp_path, case):
    found = inspect(tmp_path, case)
    json.dumps(found)
    levels = {problem["rule"]: problem["level"]
              for problem in found["problems"]}
    assert found["status"] == ("refused" if case.refused else "ok"), levels
    if case.refused:
        assert levels == {case.rule: "error"}
    else:
        assert set(levels.values()) <= {"warning"}
        assert case.rule in levels if case.rule else levels == {}
    assert all(label.isprintable() for label in found["channels"])
    for problem in found["problems"]:
        assert problem["text"].isprintable()
        assert str(tmp_path) not in problem["text"]
        assert len(problem["text"]) < 1000
