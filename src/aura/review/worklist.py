"""
The recordings of a run, as they can be reviewed.

A case is known by a key made of the run's name and the recording's path, so
that a bookmark stays right when the run is repeated, and no request ever
names a path. What cannot be read costs itself: a damaged batch is a problem
of the collection, and all others are shown.
"""

import hashlib
import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from aura.dataset.names import recording_stem
from aura.errors import AuraError, MissingError, Problem
from aura.folder import Folder
from aura.recording import Recording
from aura.stages import manifest, tables
from aura.stages.manifest import Entry
from aura.stages.run_layout import RUNS, Workspace, run_folder

MANIFESTS = ("predictions.json", "features.json", "manifest.json")
TABLES_KEPT = 8


@dataclass(frozen=True)
class ReviewCase:
    """One recording of a run."""

    key: str  # What requests name it by
    run: str  # Name of the run
    batch: str  # Folder of its batch, relative to the workspace
    number: int  # Its number in the batch's tables
    source: str  # Name of the input that the recording lies in
    entry: Entry  # What the last stage knew of it
    recording: Recording  # The same as ``entry.recording``


@dataclass(frozen=True)
class Collection:
    """All that a workspace holds."""

    cases: tuple[ReviewCase, ...]  # In order of run and of the input's tree
    # Run, path and reason of the files that were never predicted.
    refused: tuple[tuple[str, str, Problem], ...]
    # What of the runs themselves cannot be read.
    problems: tuple[tuple[str, Problem], ...]


class Runs:
    """Runs in a workspace, read anew when their files have changed."""

    def __init__(self, workspace: Workspace, reviews: Folder,
                 apart: bool = False) -> None:
        self.workspace = workspace
        self.reviews = reviews
        self._apart = apart
        self._lock = threading.Lock()
        self._state: tuple[tuple[str, int, int, int], ...] | None = None
        self._collection = Collection((), (), ())
        self._by_key: dict[str, ReviewCase] = {}
        self._tables: OrderedDict[tuple[object, ...], tables.Columns] = (
            OrderedDict())

    def collection(self) -> Collection:
        """All cases as the files have them now."""
        with self._lock:
            files = self._files()
            state = tuple(_stamp(self.workspace.folder, path)
                          for path in files)
            if state != self._state:
                self._collection = self._read(files)
                self._by_key = {
                    case.key: case for case in self._collection.cases}
                self._state = state
            return self._collection

    def case(self, key: str) -> ReviewCase:
        """The case of a key."""
        self.collection()
        case = self._by_key.get(key)
        if case is None:
            raise MissingError(
                "review.no_case", "there is no such recording in this run",
                "go back to the list; the run may have been repeated")
        return case

    def table(self, case: ReviewCase, name: str,
              columns: tuple[str, ...] = ()) -> tables.Columns:
        """Columns of a table of the case's batch; the rows of all recordings.
        """
        path = f"{case.batch}/{name}"
        key = (*_stamp(self.workspace.folder, path), columns)
        with self._lock:
            if key in self._tables:
                self._tables.move_to_end(key)
                return self._tables[key]
        read = tables.read(self.workspace.folder.read(path), columns)
        with self._lock:
            self._tables[key] = read
            while len(self._tables) > TABLES_KEPT:
                self._tables.popitem(last=False)
        return read

    def review_name(self, case: ReviewCase, kind: str, ending: str) -> str:
        """Location of a file of the review, the input's tree mirrored."""
        name = f"{kind}/{recording_stem(case.recording.path)}{ending}"
        return f"{case.run}/review/{name}" if self._apart else name

    def _files(self) -> list[str]:
        """The fullest manifest of every batch, in order."""
        folder = self.workspace.folder
        found = []
        for run in _subfolders(folder.path(RUNS)):
            for batch in _subfolders(run / "batches"):
                for name in MANIFESTS:
                    if (batch / name).is_file():
                        found.append(str(
                            (batch / name).relative_to(folder.root)))
                        break
        return found

    def _read(self, files: list[str]) -> Collection:
        cases: list[ReviewCase] = []
        refused: list[tuple[str, str, Problem]] = []
        problems: list[tuple[str, Problem]] = []
        for path in files:
            run = path.split("/")[1]
            try:
                run_folder(run)
                listed = manifest.read(self.workspace.folder, path)
            except AuraError as error:
                problems.append((path, error.problem))
                continue
            for number, entry in enumerate(listed.entries):
                if entry.recording is None:
                    refused += [(run, entry.path, problem)
                                for problem in entry.problems]
                    continue
                if not _sound(entry):
                    problems.append((path, Problem(
                        "manifest.damaged", "error", "an entry of this "
                        "manifest has times that are no numbers; run the "
                        "stage that writes it again")))
                    continue
                cases.append(ReviewCase(
                    _key(run, listed.input, entry.path), run,
                    path.rpartition("/")[0], number, listed.input, entry,
                    entry.recording))
        return Collection(tuple(cases), tuple(refused), tuple(problems))


def _sound(entry: Entry) -> bool:
    """Whether all times are numbers, which a manifest does not promise."""
    recording = entry.recording
    assert recording is not None
    events = (*recording.events, *(entry.predicted or ()))
    spans = entry.signals.unscorable if entry.signals else ()
    numbers = [recording.duration_s, *(
        value for event in events
        for value in (event.onset_s, event.duration_s)), *(
        value for span in spans for value in span)]
    return (all(isinstance(value, int | float) and math.isfinite(value)
                for value in numbers)
            and recording.duration_s > 0
            and all(isinstance(event.label, str) and event.duration_s >= 0
                    for event in events))


def _key(run: str, source: str, path: str) -> str:
    text = "\0".join((run, source, path)).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:16]


def _subfolders(path: Path) -> list[Path]:
    try:
        return sorted(entry for entry in path.iterdir() if entry.is_dir()
                      and not entry.name.startswith("."))
    except OSError:
        return []


def _stamp(folder: Folder, path: str) -> tuple[str, int, int, int]:
    try:
        state = folder.path(path).stat()
    except OSError:
        return path, 0, 0, 0
    return path, state.st_ino, state.st_mtime_ns, state.st_size
