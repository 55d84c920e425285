"""The recordings of runs, as they can be reviewed."""

import hashlib
import threading
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from aura import state
from aura.dataset.names import recording_stem
from aura.errors import AuraError, Problem
from aura.folder import Folder, outside
from aura.recording import Recording
from aura.review.scored_events import ScoredEvent, score_each
from aura.settings import Settings
from aura.stages import manifest, tables
from aura.stages.manifest import Entry
from aura.stages.run_layout import (HIDDEN, RUNS, Input, Workspace, run_folder)

# Scoring ignores hidden folders: a review must not count as predictions.
REVIEWS = ".review"
MANIFESTS = ("predictions.json", "features.json", "manifest.json")
TABLES_KEPT = 8

_Stamp = tuple[str, int, int, int]


@dataclass(frozen=True)
class ReviewCase:
    key: str
    run: str
    batch: str  # Folder of its batch, relative to the workspace
    number: int  # Its number in the batch's tables
    source: str  # Name of the input that contains it
    entry: Entry  # Its entry in the last manifest
    recording: Recording  # ``entry.recording``, which is not None here

    @cached_property
    def _scored(self) -> tuple[tuple[ScoredEvent, ...], dict[str, int] | None]:
        return score_each(self.recording, self.entry.predicted)

    @property
    def events(self) -> tuple[ScoredEvent, ...]:
        """Annotated and predicted events in order of time."""
        return self._scored[0]

    @property
    def counts(self) -> dict[str, int] | None:
        """SzCORE's counts; None if the recording cannot be scored."""
        return self._scored[1]

    @property
    def unscorable(self) -> tuple[tuple[float, float], ...]:
        return self.entry.signals.unscorable if self.entry.signals else ()


@dataclass(frozen=True)
class Worklist:
    cases: tuple[ReviewCase, ...]  # In order of run and path
    refused: tuple[tuple[str, str, Problem], ...]  # Run, path, reason
    problems: tuple[tuple[str, Problem], ...]  # Unusable manifests


class Runs:
    """Runs in a workspace, read again when their files have changed."""

    def __init__(self, workspace: Workspace, reviews: Folder,
                 apart: bool = False) -> None:
        self.workspace = workspace
        self.reviews = reviews
        self._apart = apart
        self._lock = threading.Lock()
        self._state: tuple[_Stamp, ...] | None = None
        self._worklist = Worklist((), (), ())
        self._by_key: dict[str, ReviewCase] = {}
        self._tables = lru_cache(TABLES_KEPT)(self._read_table)

    def worklist(self) -> Worklist:
        """All recordings, as they are in the files now."""
        with self._lock:
            files = self._files()
            state = tuple(map(self._stamp, files))
            if state != self._state:
                self._worklist = self._read(files)
                self._by_key = {
                    case.key: case for case in self._worklist.cases}
                self._state = state
            return self._worklist

    def case(self, key: str) -> ReviewCase:
        self.worklist()
        case = self._by_key.get(key)
        if case is None:
            raise state.error("review.no_case")
        return case

    def table(self, case: ReviewCase, name: str,
              columns: tuple[str, ...] = ()) -> tables.Columns:
        """Columns of a table of the batch, with rows of all recordings."""
        return self._tables(self._stamp(f"{case.batch}/{name}"), columns)

    def _read_table(self, stamp: _Stamp,
                    columns: tuple[str, ...]) -> tables.Columns:
        return tables.read(self.workspace.folder.read(stamp[0]), columns)

    def review_name(self, case: ReviewCase, kind: str, ending: str) -> str:
        """Path of a file of the review, relative to `reviews`."""
        name = f"{kind}/{recording_stem(case.recording.path)}{ending}"
        return f"{case.run}/review/{name}" if self._apart else name

    def _files(self) -> list[str]:
        """The manifest of the last stage of every batch, in order."""
        folder = self.workspace.folder
        found = []
        for run in _subfolders(folder.path(RUNS)):
            for batch in _subfolders(run / "batches"):
                found += [path.relative_to(folder.root).as_posix()
                          for path in map(batch.joinpath, MANIFESTS)
                          if path.is_file()][:1]
        return found

    def _read(self, files: list[str]) -> Worklist:
        cases: list[ReviewCase] = []
        refused: list[tuple[str, str, Problem]] = []
        problems: list[tuple[str, Problem]] = []
        for path in files:
            _, run, *_ = path.split("/")
            batch = path.rpartition("/")[0]
            try:
                run_folder(run)
                source, entries = manifest.read_each(
                    self.workspace.folder, path)
            except AuraError as error:
                problems.append((path, error.problem))
                continue
            for number, entry in enumerate(entries):
                if isinstance(entry, AuraError):
                    problems.append((path, entry.problem))
                elif entry.recording is None:
                    refused += [(run, entry.path, problem)
                                for problem in entry.problems]
                else:
                    cases.append(ReviewCase(
                        _key(run, source, entry.path), run, batch,
                        number, source, entry, entry.recording))
        return Worklist(tuple(cases), tuple(refused), tuple(problems))

    def _stamp(self, path: str) -> _Stamp:
        try:
            state = self.workspace.folder.path(path).stat()
        except OSError:
            return path, 0, 0, 0
        return path, state.st_ino, state.st_mtime_ns, state.st_size


def beside_predictions(out: Path) -> Runs:
    """The run that ``aura predict`` has written to a folder."""
    whole = Folder(out)
    for name in (HIDDEN, REVIEWS):
        if not whole.holds(out / name):
            raise outside()
    if not (out / HIDDEN).is_dir():
        raise state.error("review.no_run", folder=out)
    folder = Folder(out / HIDDEN)
    try:
        inputs = {name: Input.remembered(Path(place)) for name, place
                  in state.read(folder, "inputs.json", dict[str, str],
                                "predict.inputs", "").items()}
    except AuraError:
        # Without the recordings only the ECG is missing.
        inputs = {}
    return Runs(Workspace(folder, inputs), Folder(out / REVIEWS))


def on_share(shared: Path, settings: Settings) -> Runs:
    """The runs on a block's shared folder; each keeps its reviews."""
    workspace = Workspace.shared(shared, settings)
    return Runs(workspace, Folder(shared / RUNS), apart=True)


def _key(run: str, source: str, path: str) -> str:
    """A key that a bookmark can hold: a repeated run gives the same."""
    text = "\0".join((run, source, path)).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:16]


def _subfolders(path: Path) -> list[Path]:
    try:
        return sorted(entry for entry in path.iterdir() if entry.is_dir()
                      and not entry.name.startswith("."))
    except OSError:
        return []
