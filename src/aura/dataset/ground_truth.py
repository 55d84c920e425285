"""The annotated seizures of a recording, from beside it and from inside."""
# A file beside it is preferred. If it is not known when a seizure was, nothing
# of the recording is learnt: its other time may not be free of them.

import contextlib
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from aura import state
from aura.annotations import lists
from aura.annotations.annotation import Annotation, Annotations
from aura.dataset import annotation_files, physio
from aura.dataset.find import Candidate
from aura.dataset.names import printable, recording_stem
from aura.edf import gaps
from aura.edf.header import Header
from aura.edf.tal import EdfAnnotation, Timeline
from aura.errors import AuraError, Problem, plural, quoted
from aura.folder import Folder, read_error
from aura.recording import UNPLACED, Event

EDF_PLUS = "EDF+"
DISAGREE_S = 1.0
DISAGREE_DAYS = 1
FILES_SHOWN = 5
# Annotations inside a recording that are lost.
LOST = ("edf.annotation.onset", "edf.annotation.unterminated")
# Texts whose encoding is a guess; in strict mode they are errors.
GUESSED = frozenset((
    "annotations.encoding", "annotations.number", "edf.annotation.text"))
# Findings of `seizures` that stay true in whatever format they are written.
DOUBTS = frozenset((*UNPLACED, *(f"annotations.{name}" for name in (
    "disagree", "other_faulty", "other_length", "other_date", "other_name",
    "clock", "no_length", "encoding", "number"))))

Problems = tuple[Problem, ...]
# Seizures, the file that they come from or `EDF_PLUS`, and what is doubtful.
Found = tuple[tuple[Event, ...], str | None, Problems]


@dataclass(frozen=True)
class Extent:
    """The recording that annotations have to fit."""

    duration_s: float
    start: datetime | None
    rate_hz: float | None = None  # None where there is no waveform
    notes: Sequence[EdfAnnotation] = ()  # Annotations inside the recording
    # By how much the recording may be shorter than its annotations say.
    ends_early_s: float = 0.0
    problems: Problems = ()  # Annotations inside that are not read as written


def extent_of(header: Header, timeline: Timeline) -> Extent:
    """The extent of a waveform."""
    return Extent(
        gaps.duration_s(header, timeline),
        header.start + timedelta(seconds=timeline.first_onset_s)
        if header.dated else None,
        # WFDB counts an EDF file in samples of its fastest signal.
        float(max(header.rate_hz(signal) for signal in header.signals)),
        timeline.annotations, problems=timeline.problems)


def seizures(folder: Folder, candidate: Candidate, extent: Extent) -> Found:
    """Read the annotated seizures of a recording."""
    path, document = chosen(folder, candidate, extent)
    extent = replace(extent, problems=(
        *extent.problems, *_unmatched(folder, candidate)))
    noted = inside(extent.notes)
    annotated = bool(noted.rows) and noted.counts_as_annotated
    within, problems = noted.seizures(extent.duration_s)
    if path is None or document is None or not document.counts_as_annotated:
        problems += tuple(_not_read(candidate, path, document, extent,
                                    annotated))
        return usable(EDF_PLUS if annotated else None, within,
                      extent.problems + problems)
    doubtful = tuple(_doubts(document, path, candidate, extent))
    placed, found = document.seizures(extent.duration_s)
    source = path.removeprefix(candidate.path.removesuffix(candidate.name))
    placed, used, found = usable(source, placed, found)
    if used and annotated and not _same(placed, within):
        found += (_disagree(path, placed, "inside the recording", within),)
    if used:
        # What is in doubt inside may be a seizure that the file lacks.
        found += tuple(
            replace(problem, text=f"inside the recording: {problem.text}")
            for problem in problems
            if problem.rule in (*UNPLACED, "annotations.other"))
        if within and not placed:
            found += (state.problem("annotations.contradicted"),)
    if used:
        found += tuple(_others(folder, candidate, path, extent, placed))
    return placed, used, extent.problems + doubtful + found


def _not_read(candidate: Candidate, path: str | None,
              document: Annotations | None, extent: Extent,
              annotated: bool) -> Iterator[Problem]:
    """Report what may be annotations of a recording, but is not read."""
    if path is not None and document is not None:
        yield no_words(path, document)
    if any(problem.rule in LOST for problem in extent.problems):
        yield state.problem("annotations.unread")
    if annotated:
        return
    if path is None and _paths(candidate):
        yield state.problem(
            "annotations.not_listed", found=_shown(_paths(candidate)[0]))
    if path is None and candidate.unread:
        yield state.problem(
            "annotations.not_read",
            found=', '.join(map(_shown, candidate.unread[:FILES_SHOWN])))


def _unmatched(folder: Folder, candidate: Candidate) -> Iterator[Problem]:
    """Warn of names in a list that are no recording beside it."""
    record = posixpath.basename(recording_stem(candidate.path))
    for path in _paths(candidate):
        with contextlib.suppress(AuraError, OSError):
            names = annotation_files.unmatched(folder, path, record)
            if names:
                yield state.problem(
                    "annotations.unmatched", path=_shown(path),
                    names=quoted(names), names2=len(names))


def recoded(path: str, document: Annotations) -> Iterator[Problem]:
    """The warnings for a file that is not in UTF-8, or has commas."""
    if document.recoded:
        yield state.problem("annotations.encoding", path=_shown(path))
    if document.commas:
        yield state.problem("annotations.number", path=_shown(path))


def chosen(folder: Folder, candidate: Candidate, extent: Extent) -> tuple[
        str | None, Annotations | None]:
    """Path and content of the annotation file that is used."""
    # It is the first that counts as annotated, or else the first.
    first: tuple[str | None, Annotations | None] = (None, None)
    for path in _paths(candidate):
        document = _read(folder, path, candidate, extent)
        if document is not None and document.counts_as_annotated:
            return path, document
        if document is not None and first[0] is None:
            first = path, document
    return first


def doubts(folder: Folder, candidate: Candidate, extent: Extent) -> Problems:
    """Findings of `seizures` that stay true in another format."""
    return tuple(problem for problem in seizures(folder, candidate, extent)[2]
                 if problem.rule in DOUBTS)


def inside(notes: Sequence[EdfAnnotation]) -> Annotations:
    """The annotations inside a recording, in their own words."""
    return Annotations(tuple(
        Annotation(note.onset_s, note.duration_s or None, note.text)
        for note in notes)).known()


def no_words(path: str, document: Annotations) -> Problem:
    """The warning for annotations that say nothing about seizures."""
    return state.problem(
        "annotations.no_words", found=plural(len(document.rows), 'annotation'),
        path=_shown(path), found2=quoted((row.text for row in document.rows)))


def _paths(candidate: Candidate) -> Sequence[str]:
    return ([] if candidate.annotations is None
            else [candidate.annotations, *candidate.others])


def _read(folder: Folder, path: str, candidate: Candidate,
          extent: Extent) -> Annotations | None:
    record = posixpath.basename(candidate.stem)
    try:
        try:
            document = annotation_files.read(
                path, annotation_files.read_bytes(folder, path), record,
                extent.start, extent.rate_hz,
                annotation_files.recordings_beside(folder, path)
                if lists.is_one(posixpath.basename(path)) else ())
            if document and candidate.path.lower().endswith(
                    physio.SUFFIX) and path.lower().endswith(
                        annotation_files.EVENTS):
                document = document.shifted(
                    -physio.about(folder, candidate.path)[0].start_s)
            return document and document.known()
        except OSError as error:
            raise read_error(error) from None
    except AuraError as error:
        raise type(error)(
            error.rule, f"annotations {_shown(path)}: {error.args[1]}",
            "correct or remove this file") from None


def _others(folder: Folder, candidate: Candidate, path: str, extent: Extent,
            placed: tuple[Event, ...]) -> Iterator[Problem]:
    """Warn of further annotation files that are faulty or disagree."""
    for other in _paths(candidate):
        if other == path:
            continue
        try:
            document = _read(folder, other, candidate, extent)
        except AuraError as error:
            yield state.problem(
                "annotations.other_faulty", text=error.text, path=_shown(path))
            continue
        if document is not None and document.counts_as_annotated:
            events, _ = document.seizures(extent.duration_s)
            if not _same(placed, events):
                yield _disagree(path, placed, f"in {_shown(other)}", events)


def _disagree(path: str, used: tuple[Event, ...], where: str,
              others: tuple[Event, ...]) -> Problem:
    return state.problem(
        "annotations.disagree", found=plural(len(used), 'seizure'),
        path=_shown(path), others=len(others), where=where)


def usable(source: str | None, events: tuple[Event, ...],
           problems: Problems) -> Found:
    """The seizures; no truth if none is known but there may be some."""
    # With an event in doubt a recording is never one without seizures.
    unplaced = [problem.rule in UNPLACED for problem in problems]
    if not any(unplaced):
        return events, source, problems
    so = ("the other seizures are scored, but the recording is not used for "
          "training" if events and source
          else "so the recording counts as not annotated")
    return (events, source if events else None, tuple(
        replace(problem, text=f"{problem.text}; {so}: correct or remove the "
                "annotation")
        if bad else problem
        for problem, bad in zip(problems, unplaced, strict=True)))


def _doubts(document: Annotations, path: str, candidate: Candidate,
            extent: Extent) -> Iterator[Problem]:
    yield from recoded(path, document)
    length, day = document.duration_s, document.recorded_on
    record = posixpath.basename(candidate.stem)
    late = 0.0 if length is None else length - extent.duration_s
    if length is not None and not (
            -DISAGREE_S <= late <= DISAGREE_S + extent.ends_early_s):
        yield state.problem(
            "annotations.other_length", length=length,
            duration_s=extent.duration_s)
    if day and extent.start and abs(
            (day - extent.start.date()).days) > DISAGREE_DAYS:
        yield state.problem("annotations.other_date")
    if document.name and document.name.lower() != record.lower():
        yield state.problem("annotations.other_name")
    if lists.is_one(posixpath.basename(path)) and document.start:
        yield state.problem("annotations.clock", start=document.start)
    if document.start_is_first:
        yield state.problem("annotations.clock/first_row")


def _same(one: tuple[Event, ...], other: tuple[Event, ...]) -> bool:
    return len(one) == len(other) and all(
        abs(a.onset_s - b.onset_s) <= DISAGREE_S
        and abs(a.end_s - b.end_s) <= DISAGREE_S
        for a, b in zip(one, other, strict=True))


def _shown(path: str) -> str:
    return "".join(c if c.isprintable() else "\ufffd"
                   for c in printable(posixpath.basename(path)))
