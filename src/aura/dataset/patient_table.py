"""Patients that the user names: a CSV or TSV of recordings or folders."""

import csv
import io
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from aura import state
from aura.dataset.find import Candidate
from aura.dataset.names import recording_stem
from aura.dataset.patients import Patient
from aura.errors import AuraError, Problem
from aura.folder import Folder

PARTICIPANTS = "participants.tsv"
RECORDING = ("recording", "folder", "path", "file", "filename",
             "participant_id")
PATIENT = ("patient", "patient_id", "person", "person_id", "participant_id")


@dataclass(frozen=True)
class PatientTable:
    source: str  # Name of the file
    rows: Mapping[str, str]  # Patient of each recording or folder
    problems: tuple[Problem, ...] = ()  # Rows that are not used

    def row_of(self, path: str) -> str | None:
        """The row of a recording: its path or name, or a folder of it."""
        parts = unicodedata.normalize("NFC", path).split("/")
        paths = ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]
        stem = recording_stem(parts[-1])
        return next((key for key in (
            paths[0], recording_stem(paths[0]), parts[-1], stem, *paths[1:],
            *reversed(parts[:-1]), stem.split("_")[0]) if key in self.rows),
            None)

    def assign(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """The same recordings, with the patient where the table has one."""
        found = [Candidate(self.source, self.source, None, problem)
                 for problem in self.problems]
        for one in candidates:
            row = self.row_of(one.path)
            found.append(one if row is None else replace(
                one, patient=Patient(self.rows[row], self.source)))
        return found


def table_of(folder: Folder, given: str = "",
             base: Path = Path()) -> PatientTable:
    """The table that the user gives, else the folder's participants."""
    if given:
        path = base / given
        return read(path.name, Folder(path.parent).read(path.name))
    if folder.path(PARTICIPANTS).is_file():
        try:
            return read(PARTICIPANTS, folder.read(PARTICIPANTS), strict=False)
        except AuraError as error:
            return PatientTable(PARTICIPANTS, {}, (_unused(error),))
    return PatientTable("", {})


def _unused(error: AuraError) -> Problem:
    return Problem(error.rule, "warning", f"{error.text}; without it, headers "
                   "and names give the patient")


def read(name: str, content: bytes, strict: bool = True) -> PatientTable:
    """Read a table of patients; a row with a fault is an error if strict."""
    text = unicodedata.normalize("NFC", content.decode("utf-8-sig", "replace"))
    head = text.partition("\n")[0]
    lines = csv.reader(io.StringIO(text), delimiter=next(
        (one for one in "\t;," if one in head), ","))
    names = [cell.strip().lower() for cell in next(lines, [])]
    recording = _column(name, names, RECORDING)
    patient = _column(name, names, PATIENT)
    rows: dict[str, tuple[str, int]] = {}
    problems: list[Problem] = []
    doubtful = set()
    for cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        key, value = ((cells[at].strip() if at < len(cells) else "")
                      for at in (recording, patient))
        key = key.replace("\\", "/").removeprefix("./").rstrip("/")
        error = _fault(name, lines.line_num, key, value, rows)
        if error and strict:
            raise error
        if error:
            problems.append(_unused(error))
            doubtful.add(key)
        elif key in rows:
            problems.append(state.problem(
                "patients.twice/same", found=rows[key][1],
                line_num=lines.line_num, name=name))
        else:
            rows[key] = value, lines.line_num
    return PatientTable(name, {
        key: value for key, (value, _) in rows.items() if key not in doubtful},
        tuple(problems))


def _fault(name: str, number: int, key: str, value: str,
           rows: Mapping[str, tuple[str, int]]) -> AuraError | None:
    """Why a row cannot be used."""
    if not key or value.lower() in ("", "n/a"):
        return state.error("patients.row", number=number, name=name)
    if key in rows and rows[key][0] != value:
        return state.error(
            "patients.twice", found=rows[key][1], number=number, name=name)
    return None


def _column(name: str, names: list[str], known: tuple[str, ...]) -> int:
    for one in known:
        if one in names:
            return names.index(one)
    raise state.error("patients.columns", name=name, column=known[0],
                      recording=RECORDING[0], patient=PATIENT[0])
