"""``aura inspect`` and ``aura score``."""

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aura.cli import console
from aura.settings import Settings


def register(verbs: Any) -> None:
    """Add the verbs to the parser."""
    inspect = verbs.add_parser(
        "inspect", help="say what recordings hold and what is wrong",
        description="Read recordings as training and prediction do, and say "
        "what was found: channels and which one is taken for the ECG, "
        "annotations, signal quality, and every fault with its rule.",
        epilog="example: aura inspect study/ --json | jq '.[] | .problems'")
    inspect.add_argument("paths", nargs="+", metavar="PATH",
                         help="recordings, or folders of them")
    inspect.add_argument("--json", action="store_true",
                         help="one array with an object per file")
    console.add_prefer(inspect)
    inspect.set_defaults(run=_inspect)
    score = verbs.add_parser(
        "score", help="compare predictions with annotations",
        description="Score event files against annotated recordings as "
        "SzCORE does, by events and by seconds, pooled and per patient, "
        "with exact intervals.",
        epilog="example: aura score study/ predictions/")
    score.add_argument("reference", type=Path, metavar="REFERENCE_DIR",
                       help="annotated recordings, or annotation files alone")
    score.add_argument("hypothesis", type=Path, metavar="HYPOTHESIS_DIR",
                       help="what 'aura predict' has written")
    score.add_argument("--json", action="store_true",
                       help="counts, rates and intervals as one object")
    console.add_prefer(score)
    score.set_defaults(run=_score)


def _inspect(given: argparse.Namespace) -> int:
    settings = console.preferred(given, Settings.load())
    reports = [report for path in given.paths
               for report in _reports(path, settings)]
    if given.json:
        print(json.dumps(reports, indent=2, allow_nan=False))
    else:
        for report in reports:
            print(_told(report))
    good = sum(report["status"] == "ok" for report in reports)
    if not good:
        return 1
    bad = any(problem["level"] == "error" for report in reports
              for problem in report["problems"])
    return 2 if bad else 0


def _reports(path: str, settings: Settings) -> Iterator[dict[str, Any]]:
    from aura.dataset import duplicates, find, read
    from aura.errors import AuraError
    from aura.runners import local
    try:
        source = local.given(Path(path))
        found = duplicates.resolve(
            [(source.folder, candidate) for candidate in find.find(
                source.folder, source.subfolder)], settings.prefer)
    except AuraError as error:
        yield _nothing(path, error)
        return
    if not found:
        yield _nothing(path, local.no_recordings())
    whole = os.path.isdir(path)
    for candidate in found:
        report = read.report(source.folder, candidate,
                             settings.ecg_channel, settings.alias_key)
        name = os.path.join(path, report["path"]) if whole else path
        yield {**report, "path": find.printable(name)}


def _nothing(path: str, error: Exception) -> dict[str, Any]:
    from aura.dataset.find import printable
    from aura.errors import AuraError
    assert isinstance(error, AuraError)
    return {
        "path": printable(path), "status": "refused", "channels": [],
        "chosen": None, "fs_hz": None, "duration_s": None,
        "annotations": {"source": None, "count": 0, "seizures": []},
        "quality": {}, "problems": [
            {"rule": error.rule, "level": "error", "text": error.text}]}


def _told(report: dict[str, Any]) -> str:
    lines = [f"{report['status']:8}{report['path']}"]
    if report["status"] == "ok":
        notes = report["annotations"]
        seizures = console.counted(len(notes["seizures"]), "seizure")
        where = (f"{seizures} in {notes['source']}"
                 if notes["source"] else "not annotated")
        source = ("beats" if report["fs_hz"] is None else
                  f"{report['chosen']} {report['fs_hz']:g} Hz")
        lines[0] += (f"  {source}  "
                     f"{console.clock(report['duration_s'])}  {where}")
    lines += [f"        {problem['level']} {problem['rule']}: "
              f"{problem['text']}" for problem in report["problems"]]
    return "\n".join(lines)


def _score(given: argparse.Namespace) -> int:
    from aura.scoring import compare
    from aura.scoring.report import score_dict, score_table
    settings = console.preferred(given, Settings.load())
    compared = compare.compare(
        given.reference, given.hypothesis, settings.ecg_channel,
        settings.alias_key, prefer=settings.prefer)
    if given.json:
        print(json.dumps(score_dict(compared), indent=2,
                         allow_nan=False))
    else:
        print(score_table(compared))
    console.tell(compared.problems)
    code: int = compared.exit_code
    return code
