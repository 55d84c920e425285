"""Trees of annotations from one format into another, file by file."""

import os
import posixpath
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

from aura import state
from aura.annotations import szdb, tuh, wfdb
from aura.annotations.annotation import Annotation, Annotations
from aura.annotations.formats import FORMATS, Format, adapt
from aura.annotations.vocabulary import OTHER
from aura.dataset import (
    annotation_files, assemble, beat_files, find, ground_truth)
from aura.dataset.find import ECG, Candidate
from aura.dataset.ground_truth import Extent, extent_of
from aura.dataset.names import events_stem, printable, recording_stem
from aura.dataset.unpack import open_recording
from aura.edf import gaps, write
from aura.edf.header import FAULTS, Header, read_header
from aura.edf.tal import Timeline, read_timeline
from aura.errors import AuraError, InvalidInputError, Problem
from aura.folder import Folder, problem_of
from aura.recording import BACKGROUND

# Endings of annotation files without a recording beside them.
ALONE = (".tse_bi", ".tse", ".tsv", ".csv_bi", ".csv", *wfdb.SUFFIXES,
         szdb.NAME)
# Two times are the same within this, whatever their format's decimals.
SAME_S = 1e-4

Track = Callable[[Sequence[Candidate]], Iterable[Candidate]]


@dataclass(frozen=True)
class Converted:
    """What became of one input."""

    path: str  # The recording, or the annotations where they lie alone
    written: str | None  # What was written, relative to the output folder
    # What is lost as warnings, or the error why nothing was written.
    problems: tuple[Problem, ...] = ()


def convert(folder: Folder, subfolder: str, to: Format, out: Folder,
            track: Track = iter, strict: bool = False) -> Iterator[Converted]:
    """Convert all annotations of a tree; a fault is an error if strict."""
    work = _Conversion(folder, to, out, strict)
    single = bool(subfolder) and folder.path(subfolder).is_file()
    if single and _is_alone(folder, subfolder):
        yield work.alone(subfolder, posixpath.basename(subfolder))
        return
    candidates = [candidate for candidate in find.recordings(folder, subfolder)
                  if not work.is_output(candidate.path, subfolder)]
    # Listed before anything is written, which may be into the same tree.
    alone = [] if single else [
        found for found in _alone(folder, subfolder, candidates)
        if not work.is_output(found[0], subfolder)]
    for candidate in track(candidates):
        yield work.recording(candidate)
    for path, unused in alone:
        name = path[len(subfolder) + 1:] if subfolder else path
        yield work.alone(path, name, unused)


class _Conversion:
    """Where to, and what has been written already."""

    def __init__(self, folder: Folder, to: Format, out: Folder,
                 strict: bool) -> None:
        self._folder, self._to, self._out = folder, to, out
        self._strict = strict
        self._written: set[str] = set()

    def is_output(self, path: str, subfolder: str) -> bool:
        """Whether a file of the input lies in an output folder inside it."""
        base = self._folder.path(subfolder) if subfolder else \
            self._folder.root
        return self._out.root != base and self._folder.holds(
            self._out.root) and (self._folder.root / path).is_relative_to(
                self._out.root)

    def recording(self, candidate: Candidate) -> Converted:
        """One recording, with what is noted beside and inside it."""
        if candidate.problem is not None:
            return Converted(candidate.name, None, (candidate.problem,))
        try:
            with open_recording(self._folder, candidate.path) as stream:
                if candidate.form != ECG:
                    series = beat_files.read(stream)
                    self._check(series.problems)
                    extent = Extent(series.duration_s, series.start)
                    return _with_faults(
                        self._text(candidate, extent), series.problems)
                header = read_header(stream)
                timeline = read_timeline(stream, header)
                faults = (*header.problems, *gaps.warnings(header, timeline))
                self._check(faults)
                extent = extent_of(header, timeline)
                done = (self._text(candidate, extent)
                        if self._to.write is not None else
                        self._copy(candidate, extent, stream, header,
                                   timeline))
                return _with_faults(done, faults)
        except Exception as error:
            return Converted(candidate.name, None, (problem_of(error),))

    def _check(self, problems: tuple[Problem, ...]) -> None:
        if self._strict:
            assemble.refuse(problems)

    def alone(self, path: str, name: str,
              unused: Sequence[str] = ()) -> Converted:
        """One file of annotations without its recording."""
        shown = printable(name)
        try:
            document = annotation_files.read_alone(
                path, annotation_files.read_bytes(self._folder, path))
            if document is None:
                raise state.error("convert.list")
            return self._write(
                shown, _stem(name), document,
                (*ground_truth.recoded(path, document), *_unused(unused)))
        except Exception as error:
            return Converted(shown, None, (problem_of(error),))

    def _text(self, candidate: Candidate, extent: Extent) -> Converted:
        document, problems = self._known(candidate, extent)
        if document is None:
            return Converted(candidate.name, None, (_nothing(),))
        stem = _stem(candidate.name)
        return self._write(candidate.name, stem, replace(
            document, duration_s=extent.duration_s,
            start=extent.start or document.start,
            name=posixpath.basename(stem)), problems)

    def _known(self, candidate: Candidate, extent: Extent) -> tuple[
            Annotations | None, tuple[Problem, ...]]:
        """All that is noted beside and inside a recording, with doubts."""
        path, document = ground_truth.chosen(self._folder, candidate, extent)
        inside = ground_truth.inside(extent.notes)
        doubts = ground_truth.doubts(self._folder, candidate, extent)
        if document is None:
            return inside if inside.rows else None, doubts
        if not document.rows:
            # Without a row a copy would not say that anybody looked.
            document = replace(document, rows=(Annotation(
                0.0, extent.duration_s, BACKGROUND),))
        return _both(document, inside), doubts + _unused([
            one for one in (candidate.annotations, *candidate.others)
            if one is not None and one != path])

    def _write(self, name: str, stem: str, document: Annotations,
               doubts: tuple[Problem, ...]) -> Converted:
        if self._to.write is None:
            raise _needs_recording("has no waveform to copy")
        if self._to.covers and not document.counts_as_annotated:
            return Converted(name, None, (_no_truth(document, self._to),))
        adapted, problems = adapt(document, self._to)
        target = self._target(stem, self._to.ending)
        self._out.write(target, self._to.write(adapted))
        return Converted(name, target, doubts + problems)

    def _copy(self, candidate: Candidate, extent: Extent, stream: BinaryIO,
              header: Header, timeline: Timeline) -> Converted:
        document, doubts = self._known(candidate, extent)
        if document is None:
            return Converted(candidate.name, None, (_nothing(),))
        adapted, problems = adapt(document, self._to)
        ending = f".{header.kind[:3].lower()}"
        target = self._target(_stem(candidate.name, keep=True), ending)
        with self._out.replace(target) as copy:
            write.copy(stream, copy, header, timeline, [
                (row.onset_s, row.duration_s, row.text)
                for row in adapted.rows])
        return Converted(candidate.name, target, doubts + problems)

    def _target(self, stem: str, ending: str) -> str:
        """A name that nothing else has, and no file of the input."""
        if ending == annotation_files.EVENTS:
            stem = posixpath.join(posixpath.dirname(stem), events_stem(
                posixpath.basename(stem)))
        target = stem + ending
        place = self._out.path(target)
        if target in self._written:
            raise state.error("convert.same_name", target=printable(target))
        if os.path.lexists(place) and self._folder.holds(place):
            raise state.error("convert.exists", target=printable(target))
        self._written.add(target)
        return target


def _with_faults(done: Converted, problems: Sequence[Problem]) -> Converted:
    """Report what is wrong with a recording that was read all the same."""
    return replace(done, problems=(*(
        problem for problem in problems
        if problem.rule in FAULTS | beat_files.FAULTS), *done.problems))


def _both(document: Annotations, inside: Annotations) -> Annotations:
    """What lies beside counts; of what is inside only other texts stay."""
    # All of it stays where nobody looked for seizures beside it.
    said: dict[tuple[str, int], list[float]] = defaultdict(list)
    for row in document.rows:
        said[row.text, round(row.onset_s)].append(row.onset_s)

    def is_new(row: Annotation) -> bool:
        second = round(row.onset_s)
        return not any(abs(onset - row.onset_s) <= SAME_S
                       for near in (second - 1, second, second + 1)
                       for onset in said.get((row.text, near), ()))

    return replace(document, rows=(*document.rows, *(
        row for row in inside.rows if is_new(row)
        and (row.label == OTHER or not document.counts_as_annotated))))


def _stem(name: str, keep: bool = False) -> str:
    """What an output is named after; BIDS events without their suffix."""
    stem = recording_stem(name)
    if not keep and name.lower().endswith(".seizures"):
        stem = recording_stem(stem)
    return stem.removesuffix("_events")


def _alone(folder: Folder, subfolder: str, candidates: Sequence[Candidate],
           ) -> Iterator[tuple[str, list[str]]]:
    """Annotations without a recording: the best, and others of its name."""
    base = Folder(folder.path(subfolder)) if subfolder else folder
    taken = {path for candidate in candidates
             for path in (candidate.annotations, *candidate.others)}
    named = {candidate.stem for candidate in candidates}
    paths, _ = find.files(base, ALONE)
    known: dict[str, list[str]] = defaultdict(list)
    for ending in ALONE:
        for path in paths:
            whole = posixpath.join(subfolder, path)
            if path.lower().endswith(ending) and whole not in taken \
                    and _stem(path) not in named and _is_alone(folder, whole):
                known[_stem(path)].append(whole)
    yield from ((first, others) for first, *others in known.values())


def _is_alone(folder: Folder, path: str) -> bool:
    """Whether a file is one of annotations, by name and, of CSV, header."""
    name = posixpath.basename(path).lower()
    if name.endswith(".csv"):
        try:
            with folder.open(path) as stream:
                return tuh.is_one(stream.read(beat_files.HEAD_BYTES))
        except (AuraError, OSError):
            return False
    return name.endswith(ALONE[:-1]) or name == szdb.NAME


def _nothing() -> Problem:
    return state.problem("convert.nothing")


def _no_truth(document: Annotations, to: Format) -> Problem:
    return state.problem(
        "convert.no_truth", name=to.name, rows=len(document.rows))


def _unused(paths: Sequence[str]) -> tuple[Problem, ...]:
    names = [printable(posixpath.basename(path)) for path in paths
             if posixpath.basename(path).lower() != szdb.NAME]
    return (state.problem(
        "convert.unused", names=', '.join(names)),) if names else ()


def _needs_recording(text: str) -> InvalidInputError:
    return InvalidInputError(
        "convert.needs_recording", f"this file {text}",
        "give the recording with its annotations beside it, or choose one "
        "of " + ", ".join(name for name, made in FORMATS.items()
                          if made.write is not None))
