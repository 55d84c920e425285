"""``aura inspect``, ``aura convert``, ``aura beats`` and ``aura fetch``."""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aura.annotations.formats import FORMATS
from aura.cli import console
from aura.dataset import assemble, duplicates, find, patient_table
from aura.dataset.convert import convert as converted
from aura.dataset.names import printable
from aura.errors import AuraError, Problem, plural
from aura.folder import Folder
from aura.recording import is_understood
from aura.settings import Settings
from aura.stages.run_layout import Input


def inspect(given: argparse.Namespace) -> int:
    settings = console.settings(given)
    rows, matched = set[str](), set[str | None]()
    reports = [report for path in given.paths
               for report in _reports(path, settings, rows, matched)]
    console.warn_of_names(
        (report["patient"]["name"] for report in reports if report["patient"]),
        sorted(rows - matched), settings.patients)
    if given.json:
        print(json.dumps(reports, indent=2, allow_nan=False))
    else:
        for report in reports:
            print(_described(report))
    return console.exit_code(
        "inspect", sum(report["status"] == "ok" for report in reports),
        [[Problem(**problem) for problem in report["problems"]]
         for report in reports])


def _reports(path: str, settings: Settings, rows: set[str],
             matched: set[str | None]) -> Iterator[dict[str, Any]]:
    """The reports on an input; adds rows of --patients, and those it uses."""
    from aura.runners import local
    try:
        source = Input.named(Path(path))
        table = patient_table.table_of(source.folder, settings.patients)
        found = duplicates.resolve(
            [(source.folder, candidate) for candidate in table.assign(
                find.recordings(source.folder, source.subfolder))],
            settings.prefer)
        if not found:
            raise local.no_recordings()
    except AuraError as error:
        yield {"path": printable(path), "status": "refused", "channels": [],
               "chosen": None, "fs_hz": None, "unit": None, "start": None,
               "duration_s": None, "patient": None,
               "annotations": {"source": None, "count": 0, "seizures": [],
                               "understood": True},
               "quality": {}, "problems": [vars(error.problem)]}
        return
    whole = os.path.isdir(path)
    rows.update(table.rows if settings.patients else ())
    matched.update(table.row_of(candidate.path) for candidate in found)
    for candidate in found:
        report = assemble.report(
            source.folder, candidate, settings.ecg_channel,
            settings.alias_key, bool(settings.strict))
        name = os.path.join(path, report["path"]) if whole else path
        report["annotations"]["understood"] = is_understood(
            report["annotations"]["source"] is not None,
            (problem["rule"] for problem in report["problems"]))
        yield {**report, "path": printable(name)}


def _described(report: dict[str, Any]) -> str:
    sound = report["status"] == "ok"
    refused = any(one["level"] == "error" for one in report["problems"])
    state = "ok" if sound else "rejected" if refused else "not read"
    lines = [f"{state:10}{report['path']}"]
    if sound:
        notes = report["annotations"]
        seizures = plural(len(notes["seizures"]), "seizure")
        where = (f"{seizures} in {notes['source']}" if notes["source"]
                 else "not annotated" if notes["understood"]
                 else "annotations not understood")
        source = ("beats" if report["fs_hz"] is None else
                  f"{report['chosen']} {report['fs_hz']:g} Hz "
                  f"{report['unit'] or 'without a unit'}")
        patient = report["patient"]
        lines[0] += (f"  {source}  {report['start'].replace('T', ' ')}  "
                     f"{console.clock(report['duration_s'])}  {where}  "
                     f"patient {printable(patient['name'])} "
                     f"(by {patient['source']})")
    return "\n".join([*lines, *(
        f"{problem['level']:>9} {problem['rule']}: {problem['text']}"
        for problem in report["problems"])])


def convert(given: argparse.Namespace) -> int:
    from aura.runners import local
    strict = bool(console.settings(given).strict)
    source = Input.named(given.path)
    out = Folder(given.out)
    out.try_writing()
    # Left by runs that were killed; no writer that lives is touched.
    out.sweep()
    done = list(converted(source.folder, source.subfolder, FORMATS[given.to],
                          out, strict=strict))
    if not done:
        raise local.no_recordings()
    console.print_problems((one.path, problem) for one in done
                           for problem in one.problems)
    written = sum(one.written is not None for one in done)
    code = console.exit_code(
        "convert", written, [one.problems for one in done],
        "No annotations could be written")
    if written:
        print(f"Wrote {plural(written, 'file')} to {given.out}.")
    return code


def beats(given: argparse.Namespace) -> int:
    from aura.runners import write_beats
    outcome = write_beats.write(
        given.paths, given.out, console.settings(given), console.track)
    code = console.print_outcome("beats", outcome)
    if code != 1:
        used = [entry for _, entry in outcome.entries if not entry.refused]
        count = sum(entry.signals.beats for entry in used if entry.signals)
        seconds = sum(
            entry.recording.duration_s for entry in used if entry.recording)
        print(f"Wrote {plural(count, 'beat')} of "
              f"{plural(len(used), 'recording')} "
              f"({console.length(seconds)}) to {given.out}.")
    return code


def fetch(given: argparse.Namespace) -> int:
    from tqdm import tqdm

    from aura.physionet import write_tree
    from aura.physionet.sets import LICENCE, PHYSIONET, SETS
    wanted = SETS[given.name]
    out = given.out or Path(wanted.name)
    with tqdm(unit="B", unit_scale=True, disable=None, leave=False) as bar:
        tree = write_tree.tree(wanted, out, given.beats, given.base_url,
                               bar.update)
        done = list(tree.fetch(given.records, bar.set_description))
        tree.finish(wanted.url(given.base_url), complete=not given.records)
    new = sum(one.new for one in done)
    print(f"{plural(len(done), 'recording')} of {wanted.name} "
          f"{wanted.version} in {out}, {new} of them downloaded now.")
    print(f"Licence of the data: {LICENCE}\nPlease cite: {wanted.citation}\n"
          f"and: {PHYSIONET}")
    if wanted.seizures and not given.beats:
        print("Each patient has a folder; see "
              f"{out / write_tree.README}.", file=sys.stderr)
    return 0
