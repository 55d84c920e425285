"""
What is known of the seizures of one recording: beside it and inside it.

What lies beside a recording is used before what is inside; where two
disagree, that is said. A seizure that is known of and cannot be placed
leaves no truth at all.
"""

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from aura.annotations.annotation import Annotation, Annotations
from aura.annotations.events import UNPLACED, settle
from aura.dataset import sidecars
from aura.dataset.find import Candidate, printable
from aura.edf.tal import Note
from aura.errors import AuraError, Problem, ResourceError
from aura.folder import Folder
from aura.recording import Event

BYTES_MAX = 64 * 2**20
EDF_PLUS = "EDF+"
DISAGREE_S = 1.0
DISAGREE_DAYS = 1
# What is wrong wherever the annotations go, of the findings of `gather`.
DOUBTS = frozenset(f"annotations.{name}" for name in (
    "disagree", "other_faulty", "other_length", "other_date", "other_name",
    "clock", *(rule.partition(".")[2] for rule in UNPLACED)))

Problems = tuple[Problem, ...]
Found = tuple[tuple[Event, ...], str | None, Problems]


@dataclass(frozen=True)
class Frame:
    """What annotations have to fit into."""

    duration_s: float  # Length of the recording
    start: datetime | None  # Its start, where it is known
    # Its sampling rate, where there is a waveform.
    rate_hz: float | None = None
    notes: Sequence[Note] = ()  # Annotations inside the recording
    # By how much the recording may be shorter than its annotations say; beats
    # end with the last one, and not with the recorder.
    ends_early_s: float = 0.0


def gather(folder: Folder, candidate: Candidate, frame: Frame) -> Found:
    """The seizures of a recording."""
    noted = inside(frame.notes)
    looked = bool(noted.rows) and noted.looked
    within, problems = settle(noted.events(), frame.duration_s)
    path, document = used(folder, candidate, frame)
    if path is None or document is None or not document.looked:
        if path is not None and document is not None:
            problems += (no_words(path, len(document.rows)),)
        return _trusted(within, EDF_PLUS if looked else None, problems)
    doubtful = tuple(_doubts(document, candidate, frame))
    placed, found = settle(document.events(), frame.duration_s)
    source = path.removeprefix(candidate.path.removesuffix(candidate.name))
    placed, source_used, found = _trusted(placed, source, found)
    if source_used and looked and not _same(placed, within):
        found += (_disagree(len(placed), "inside", len(within)),)
    if source_used:
        found += tuple(_others(folder, candidate, path, frame, placed))
    return placed, source_used, doubtful + found


def used(folder: Folder, candidate: Candidate, frame: Frame) -> tuple[
        str | None, Annotations | None]:
    """
    Path and content of the annotations beside a recording that count.

    The first in which somebody looked for seizures, or else the first.
    """
    first: tuple[str | None, Annotations | None] = (None, None)
    for path in _paths(candidate):
        document = _read(folder, path, candidate, frame)
        if document is not None and document.looked:
            return path, document
        if document is not None and first[0] is None:
            first = path, document
    return first


def doubts(folder: Folder, candidate: Candidate, frame: Frame) -> Problems:
    """Findings of `gather` that hold wherever the annotations go."""
    return tuple(problem for problem in gather(folder, candidate, frame)[2]
                 if problem.rule in DOUBTS)


def inside(notes: Sequence[Note]) -> Annotations:
    """The annotations inside a recording, with their own words."""
    return Annotations(tuple(
        Annotation(note.onset_s, note.duration_s or None, note.text)
        for note in notes))


def content(folder: Folder, path: str) -> bytes:
    """All of a file of annotations."""
    with folder.open(path) as stream:
        read = stream.read(BYTES_MAX + 1)
    if len(read) > BYTES_MAX:
        raise ResourceError(
            "annotations.size", "this file of annotations has more than "
            f"{BYTES_MAX} bytes", "keep the seizures")
    return read


def _paths(candidate: Candidate) -> Sequence[str]:
    return ([] if candidate.annotations is None
            else [candidate.annotations, *candidate.others])


def _read(folder: Folder, path: str, candidate: Candidate,
          frame: Frame) -> Annotations | None:
    record = posixpath.basename(candidate.stem)
    try:
        return sidecars.read(path, content(folder, path), record,
                             frame.start, frame.rate_hz)
    except AuraError as error:
        text = str(error.args[1])
        raise type(error)(error.rule, f"annotations {_shown(path)}: {text}",
                          "mend or remove it") from None
    except OSError as error:
        raise ResourceError(
            "path.read", f"annotations {_shown(path)}: reading failed: "
            f"{error.strerror}", "mend or remove it") from None


def _others(folder: Folder, candidate: Candidate, path: str, frame: Frame,
            placed: tuple[Event, ...]) -> Iterator[Problem]:
    """What further annotations of the same recording say otherwise."""
    for other in _paths(candidate):
        if other == path:
            continue
        try:
            document = _read(folder, other, candidate, frame)
        except AuraError as error:
            yield Problem(
                "annotations.other_faulty", "warning", f"{error.text}; not "
                f"needed, since {_shown(path)} is used")
            continue
        if document is not None and document.looked:
            events, _ = settle(
                document.events(), frame.duration_s)
            if not _same(placed, events):
                yield _disagree(len(placed), f"in {_shown(other)}",
                                len(events))


def no_words(path: str, count: int) -> Problem:
    """The warning for annotations that say nothing about seizures."""
    return Problem(
        "annotations.no_words", "warning", f"no annotation in {_shown(path)} "
        "has a word for a seizure or for background, so that they do not "
        f"say that anybody looked for seizures: {count}; add a row 'bckg' "
        "over the recording if there is none")


def _disagree(count: int, where: str, others: int) -> Problem:
    return Problem(
        "annotations.disagree", "warning", "the annotations beside the file "
        f"have {count} seizures and those {where} {others}, or other times; "
        + ("those beside it are used" if where == "inside"
           else "the first are used"))


def _trusted(events: tuple[Event, ...], source: str | None,
             problems: Problems) -> Found:
    """Nothing at all, where a seizure is known of and its place is not."""
    unplaced = [problem.rule in UNPLACED for problem in problems]
    if not any(unplaced):
        return events, source, problems
    return (), None, tuple(
        replace(problem, text=f"{problem.text}; the recording counts as not "
                "annotated: mend or remove the annotation")
        if bad else problem
        for problem, bad in zip(problems, unplaced, strict=True))


def _doubts(document: Annotations, candidate: Candidate,
            frame: Frame) -> Iterator[Problem]:
    length, day = document.duration_s, document.recorded_on
    record = posixpath.basename(candidate.stem)
    late = 0.0 if length is None else length - frame.duration_s
    if length is not None and not (
            -DISAGREE_S <= late <= DISAGREE_S + frame.ends_early_s):
        yield Problem(
            "annotations.other_length", "warning", "the annotations beside "
            f"the file are of a recording of {length:g} s and this one has "
            f"{frame.duration_s:g} s; are they those of this recording?")
    if day and frame.start and abs(
            (day - frame.start.date()).days) > DISAGREE_DAYS:
        yield Problem(
            "annotations.other_date", "warning", "the annotations beside the "
            "file have another date than the recording; if none of the two "
            "was changed for privacy, are they those of this recording?")
    if document.name and document.name.lower() != record.lower():
        yield Problem(
            "annotations.other_name", "warning", "the annotations beside the "
            "file name another recording; if it was not renamed, are they "
            "those of this one?")
    if document.start_is_first:
        yield Problem(
            "annotations.clock", "warning", "the annotations have dates for "
            "times and the recording has none; it is taken to start with "
            "their first row")


def _same(one: tuple[Event, ...], other: tuple[Event, ...]) -> bool:
    return len(one) == len(other) and all(
        abs(a.onset_s - b.onset_s) <= DISAGREE_S
        and abs(a.end_s - b.end_s) <= DISAGREE_S
        for a, b in zip(one, other, strict=True))


def _shown(path: str) -> str:
    return "".join(c if c.isprintable() else "\ufffd"
                   for c in printable(posixpath.basename(path)))
