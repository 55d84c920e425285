"""What is true of a tree: recordings and their annotated seizures."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from aura import state
from aura.annotations.annotation import Annotations
from aura.dataset import (
    annotation_files, assemble, duplicates, find, ground_truth)
from aura.dataset.find import Candidate, Finding
from aura.dataset.names import printable, recording_stem
from aura.dataset.patients import alias, patient_identity
from aura.dataset.assemble import Refused
from aura.errors import AuraError
from aura.folder import Folder
from aura.recording import UNPLACED, Event
from aura.settings import Settings

BIDS_SUFFIXES = ("ecg", "eeg", "events")
BIDS_FOLDERS = ("ecg", "eeg")
EVENTS = "_events.tsv"
TSE = (".tse_bi", ".tse")  # In order of preference
CSV = (".csv_bi",)


@dataclass(frozen=True)
class Reference:
    path: str  # Recording, or its annotations if that is missing
    patient: str  # Alias of the patient
    duration_s: float  # Length of the recording
    events: tuple[Event, ...]  # Disjoint seizures inside the recording


@dataclass(frozen=True)
class References:
    annotated: tuple[Reference, ...]  # In order of path
    # Recordings without annotations, or with none that is understood.
    unannotated: tuple[str, ...]
    problems: tuple[Finding, ...]  # An error: the file is none of the above

    @property
    def not_understood(self) -> set[str]:
        """The recordings that have annotations but are `unannotated`."""
        return {path for path, problem in self.problems
                if problem.rule.startswith("annotations.")}.intersection(
                    map(printable, self.unannotated))

    @property
    def partly_used(self) -> set[str]:
        """The recordings of which some annotation is not used."""
        return {path for path, problem in self.problems
                if problem.rule in UNPLACED} - self.not_understood


def run_of(path: str) -> str:
    """What a recording, its annotations and its detections have in common."""
    pure = PurePosixPath(recording_stem(path))
    parent, stem = pure.parent, pure.name
    if stem.startswith("sub-"):
        run, _, suffix = stem.rpartition("_")
        stem = run if suffix in BIDS_SUFFIXES else stem
        parent = parent.parent if parent.name in BIDS_FOLDERS else parent
    return str(parent / stem)


def read_references(folder: Folder, settings: Settings) -> References:
    candidates = duplicates.resolve(
        [(folder, candidate) for candidate in find.recordings(folder)],
        settings.prefer)
    if any(candidate.problem is None for candidate in candidates):
        return _recordings(folder, candidates, settings)
    found = _annotation_files(folder, settings.alias_key)
    listed = tuple((candidate.name, candidate.problem)
                   for candidate in candidates if candidate.problem)
    return References(
        found.annotated, found.unannotated, listed + found.problems)


def read_tsv(folder: Folder, path: str) -> Annotations:
    """Read a TSV of events that must say something."""
    content = annotation_files.read_bytes(folder, path)
    table = annotation_files.read(
        path, content, "") if content.strip() else None
    if table is None or not table.rows:
        raise state.error(
            "annotations.empty/rows" if content else "annotations.empty")
    return table


def _recordings(folder: Folder, candidates: Iterable[Candidate],
                settings: Settings) -> References:
    annotated, unannotated = [], []
    problems: list[Finding] = []
    for candidate in candidates:
        found = assemble.recording(
            folder, candidate, settings.ecg_channel, settings.alias_key,
            bool(settings.strict))
        if isinstance(found, Refused):
            problems += [(found.path, problem) for problem in found.problems]
            continue
        # How good the signal is matters to who detects, not to who scores.
        problems += [(found.path, problem) for problem in found.problems
                     if problem.rule.startswith("annotations.")]
        if found.annotated:
            annotated.append(Reference(
                found.path, found.patient, found.duration_s, found.events))
        else:
            unannotated.append(found.path)
    return References(tuple(annotated), tuple(unannotated), tuple(problems))


def _annotation_files(folder: Folder, alias_key: str) -> References:
    paths, problems = find.files(folder, (*TSE, ".tsv", *CSV))
    annotated, unannotated = [], []
    for path in sorted(_one_per_run(paths)):
        try:
            document, duration_s = _read_alone(folder, path)
        except AuraError as error:
            problems.append((printable(path), error.problem))
            continue
        if document.counts_as_annotated:
            events, source, found = ground_truth.usable(
                path, *document.seizures(duration_s))
        else:
            source, found = None, (ground_truth.no_words(path, document),)
        problems += [(printable(path), problem) for problem in (
            *ground_truth.recoded(path, document), *found)]
        if source is None:
            unannotated.append(path)
            continue
        identity = patient_identity(printable(path), "")
        patient = alias("p", identity.name, alias_key)
        annotated.append(Reference(path, patient, duration_s, events))
    return References(tuple(annotated), tuple(unannotated), tuple(problems))


def _one_per_run(paths: Sequence[str]) -> Iterator[str]:
    # BIDS has other tables than those of events.
    named = any(path.lower().endswith(EVENTS) for path in paths)
    known = set()
    for ending in (*TSE, EVENTS if named else ".tsv", *CSV):
        for path in paths:
            run = run_of(path)
            if path.lower().endswith(ending) and run not in known:
                known.add(run)
                yield path


def _read_alone(folder: Folder, path: str) -> tuple[Annotations, float]:
    """Annotations of a file, and how long it says that its recording is."""
    if path.lower().endswith(".tsv"):
        document = read_tsv(folder, path)
    else:
        document = annotation_files.read_alone(
            path, annotation_files.read_bytes(folder, path)) or Annotations(())
    if not document.duration_s or document.duration_s < 0:
        raise state.error("annotations.duration")
    return document.known(), document.duration_s
