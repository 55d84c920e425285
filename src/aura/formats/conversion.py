"""
Trees of annotations from one format into another.

Recordings with their annotations, and annotations alone, are turned one by
one; a file at fault costs itself. The tree is mirrored, and what a format
cannot carry is said.
"""

import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import BinaryIO

from aura.catalogue import ECG, Candidate, find, printable
from aura.edf import Header, read_header
from aura.errors import (
    AuraError,
    InvalidInputError,
    PreconditionError,
    Problem,
)
from aura.formats import (
    annotated,
    beat_series,
    edf_gaps,
    edf_plus,
    seizure_times,
    sidecars,
    tuh_csv,
)
from aura.formats.annotated import Frame
from aura.formats.annotation import Annotation, Annotations
from aura.formats.names import events_stem, recording_stem
from aura.formats.table import FORMATS, Format, adapt
from aura.formats.words import OTHER
from aura.tal import Timeline, read_timeline
from aura.workspace import Folder

# Of annotations that lie alone; what is beside recordings is found there.
ALONE = (".tse_bi", ".tse", ".tsv", ".csv_bi", ".csv")

Track = Callable[[Sequence[Candidate]], Iterable[Candidate]]


@dataclass(frozen=True)
class Converted:
    """
    What became of one input.

    Parameters
    ----------
    path : str
        The recording, or the annotations where they lie alone.
    written : str or None
        What was written, relative to the output folder.
    problems : tuple of Problem
        What is lost as warnings, or the error why nothing was written.
    """

    path: str
    written: str | None
    problems: tuple[Problem, ...] = ()


def convert(folder: Folder, subfolder: str, to: Format, out: Folder,
            track: Track = iter) -> Iterator[Converted]:
    """
    Convert all annotations of a tree.

    Parameters
    ----------
    folder : Folder
        Where the tree lies.
    subfolder : str
        Part of it, or a single file; ``""`` for all.
    to : Format
        One of `aura.formats.table.FORMATS`.
    out : Folder
        Where to write, the tree mirrored. No file of the input is
        overwritten.
    track : callable, optional
        Iterates over what it is given, such as a progress bar.

    Yields
    ------
    Converted
        For each recording, then for each file of annotations alone.
        Recordings without any annotation have the warning
        ``convert.nothing``.

    Raises
    ------
    ResourceError, PreconditionError
        Where nothing can be written any more.
    """
    work = _Conversion(folder, to, out)
    single = bool(subfolder) and folder.path(subfolder).is_file()
    candidates = find(folder, subfolder)
    if single and _is_alone(folder, subfolder):
        name = posixpath.basename(subfolder)
        yield work.alone(subfolder, name)
        return
    for candidate in track(candidates):
        yield work.recording(candidate)
    if not single:
        taken = {path for candidate in candidates for path in (
            candidate.annotations, *candidate.others) if path is not None}
        named = {candidate.stem for candidate in candidates}
        for path in _alone(folder, subfolder):
            name = path[len(subfolder) + 1:] if subfolder else path
            if path not in taken and _stem(name) not in named:
                yield work.alone(path, name)


class _Conversion:
    """Where to, and what has been written already."""

    def __init__(self, folder: Folder, to: Format, out: Folder) -> None:
        self._folder, self._to, self._out = folder, to, out
        self._written: set[str] = set()

    def recording(self, candidate: Candidate) -> Converted:
        """One recording, with what is noted beside and inside it."""
        if candidate.problem is not None:
            return Converted(candidate.name, None, (candidate.problem,))
        try:
            with self._folder.open(candidate.path) as stream:
                if candidate.form != ECG:
                    series = beat_series.read(stream)
                    frame = Frame(series.duration_s, series.start)
                    return self._text(candidate, frame, None)
                header = read_header(stream)
                timeline = read_timeline(stream, header)
                frame = _frame(header, timeline)
                if self._to.write is not None:
                    return self._text(candidate, frame, timeline)
                return self._copy(candidate, frame, stream, header, timeline)
        except (AuraError, OSError) as error:
            return Converted(candidate.name, None, (_problem(error),))

    def alone(self, path: str, name: str) -> Converted:
        """One file of annotations without its recording."""
        shown = printable(name)
        try:
            document = sidecars.read_alone(
                path, annotated.content(self._folder, path))
            if document is None:
                raise _needs_recording("names no recording")
            return self._write(shown, _stem(name), document)
        except (AuraError, OSError) as error:
            return Converted(shown, None, (_problem(error),))

    def _text(self, candidate: Candidate, frame: Frame,
              timeline: Timeline | None) -> Converted:
        path, document = annotated.used(self._folder, candidate, frame)
        if document is None and timeline is not None and timeline.notes:
            document = annotated.inside(timeline.notes)
        if document is None:
            return Converted(candidate.name, None, (_nothing(),))
        stem = _stem(candidate.name)
        return self._write(candidate.name, stem, replace(
            document, duration_s=frame.duration_s,
            start=frame.start or document.start,
            name=posixpath.basename(stem)))

    def _write(self, name: str, stem: str,
               document: Annotations) -> Converted:
        if self._to.write is None:
            raise _needs_recording("has no waveform to copy")
        adapted, problems = adapt(document, self._to)
        target = self._target(stem, self._to.ending)
        self._out.write(target, self._to.write(adapted))
        return Converted(name, target, problems)

    def _copy(self, candidate: Candidate, frame: Frame, stream: BinaryIO,
              header: Header, timeline: Timeline) -> Converted:
        path, document = annotated.used(self._folder, candidate, frame)
        inside = annotated.inside(timeline.notes)
        if document is None and not inside.rows:
            return Converted(candidate.name, None, (_nothing(),))
        adapted, problems = adapt(
            inside if document is None else _both(document, inside),
            self._to)
        ending = f".{header.kind[:3].lower()}"
        target = self._target(_stem(candidate.name, keep=True), ending)
        with self._out.replace(target) as copy:
            edf_plus.write(stream, copy, header, timeline, adapted.rows)
        return Converted(candidate.name, target, problems)

    def _target(self, stem: str, ending: str) -> str:
        """A name that nothing else has, and no file of the input."""
        if ending == sidecars.EVENTS:
            stem = posixpath.join(posixpath.dirname(stem), events_stem(
                posixpath.basename(stem)))
        target = stem + ending
        place = self._out.path(target)
        if target in self._written:
            raise InvalidInputError(
                "convert.same_name", "something else of this input has been "
                f"written as {printable(target)}", "rename one of them")
        if os.path.lexists(place) and self._folder.holds(place):
            raise PreconditionError(
                "convert.exists", f"{printable(target)} is a file of the "
                "input", "write into another folder")
        self._written.add(target)
        return target


def _both(document: Annotations, inside: Annotations) -> Annotations:
    """What lies beside counts; of what is inside only other texts stay."""
    return replace(document, rows=(*document.rows, *(
        row for row in inside.rows if row.label == OTHER
        and not _has(document, row))))


def _has(document: Annotations, row: Annotation) -> bool:
    return any(other.text == row.text and abs(
        other.onset_s - row.onset_s) < 1e-6 for other in document.rows)


def _frame(header: Header, timeline: Timeline) -> Frame:
    return Frame(
        edf_gaps.duration_s(header, timeline),
        header.start + timedelta(seconds=timeline.first_onset_s),
        float(max(header.rate_hz(signal) for signal in header.signals)),
        timeline.notes)


def _stem(name: str, keep: bool = False) -> str:
    """What an output is named after; BIDS events without their suffix."""
    stem = recording_stem(name)
    if not keep and name.lower().endswith(".seizures"):
        stem = recording_stem(stem)
    return stem.removesuffix("_events")


def _alone(folder: Folder, subfolder: str) -> Iterator[str]:
    """Annotations that may lie alone, the best of each name first."""
    from aura.references import list_files
    base = Folder(folder.path(subfolder)) if subfolder else folder
    paths, _ = list_files(base, ALONE)
    known: set[str] = set()
    for ending in ALONE:
        for path in paths:
            whole = posixpath.join(subfolder, path)
            if path.lower().endswith(ending) and _stem(path) not in known \
                    and _is_alone(folder, whole):
                known.add(_stem(path))
                yield whole


def _is_alone(folder: Folder, path: str) -> bool:
    """Whether a file is one of annotations, by name and, of CSV, header."""
    name = posixpath.basename(path).lower()
    if name.endswith(".csv"):
        try:
            with folder.open(path) as stream:
                return tuh_csv.is_one(stream.read(beat_series.HEAD_BYTES))
        except (AuraError, OSError):
            return False
    return name.endswith(ALONE) and name != seizure_times.NAME


def _problem(error: AuraError | OSError) -> Problem:
    if isinstance(error, AuraError):
        return error.problem
    return Problem("path.read", "error", f"reading failed: {error.strerror}")


def _nothing() -> Problem:
    return Problem("convert.nothing", "warning", "nobody annotated this "
                   "recording; nothing is written")


def _needs_recording(text: str) -> InvalidInputError:
    return InvalidInputError(
        "convert.needs_recording", f"this file {text}",
        "give the recording with its annotations beside it, or choose one "
        "of " + ", ".join(name for name, made in FORMATS.items()
                          if made.write is not None))
