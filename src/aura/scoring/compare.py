"""
A tree of detections against the tree of recordings they were made for.

A hypothesis lies where its recording lies, as ``<stem of the file>.tsv``. In
BIDS names the last word does not count, nor do the folders ``ecg`` and
``eeg``: ``eeg/sub-1_run-2_events.tsv`` belongs to
``ecg/sub-1_run-2_ecg.edf``.
"""

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from aura.annotations.vocabulary import OTHER
from aura.dataset.find import Finding, list_files, printable
from aura.dataset.names import recording_stem
from aura.errors import AuraError, InvalidInputError, MissingError, Problem
from aura.folder import Folder
from aura.recording import Event
from aura.scoring.matching import seizure_spans
from aura.scoring.reference import (
    EVENTS,
    Reference,
    References,
    Track,
    read_references,
    read_tsv,
    run_of,
)
from aura.scoring.score import Score, pool, score, score_missed

DURATION_TOLERANCE_S = 1.0


@dataclass(frozen=True)
class RecordingScore:
    """Score of one annotated recording."""

    path: str  # Location in the reference tree, with ``/``
    patient: str  # Alias of the patient
    # Location of the detections in the hypothesis tree; None where there are
    # none, so that all seizures are missed.
    hypothesis: str | None
    duration_s: float  # Length of the recording
    seizures: int  # Annotated seizures, before any are joined or cut
    score: Score  # Counts by the rules of SzCORE


@dataclass(frozen=True)
class PatientScore:
    """Scores of the recordings of one patient."""

    patient: str  # Alias
    scores: tuple[RecordingScore, ...]  # At least one

    @property
    def example(self) -> str:
        """Path of the first recording, to know the patient by."""
        return self.scores[0].path

    @property
    def score(self) -> Score:
        """Sum of the counts."""
        return pool(s.score for s in self.scores)


@dataclass(frozen=True)
class Comparison:
    """What came of comparing two trees."""

    # Scored recordings in order of path.
    recordings: tuple[RecordingScore, ...]
    # Recordings that nobody annotated; they are not scored.
    unannotated: tuple[str, ...]
    # Path, in the tree it is found in, and what is wrong there. An error means
    # that the file could not be used.
    problems: tuple[Finding, ...]

    @property
    def pooled(self) -> Score:
        """Sum of all counts."""
        return pool(r.score for r in self.recordings)

    @property
    def patients(self) -> tuple[PatientScore, ...]:
        """Scores of each patient, in order of the first recording."""
        grouped: dict[str, list[RecordingScore]] = defaultdict(list)
        for recording in self.recordings:
            grouped[recording.patient].append(recording)
        return tuple(PatientScore(patient, tuple(scores))
                     for patient, scores in grouped.items())

    @property
    def seizures(self) -> int:
        """Annotated seizures, before any are joined or cut."""
        return sum(r.seizures for r in self.recordings)

    @property
    def without_hypothesis(self) -> int:
        """Recordings whose seizures are missed for want of detections."""
        return sum(r.hypothesis is None for r in self.recordings)

    @property
    def refused(self) -> int:
        """Files that could not be used because something is wrong."""
        return len({path for path, problem in self.problems
                    if problem.level == "error"})

    @property
    def exit_code(self) -> int:
        """0 all well, 1 no pair could be scored, 2 some were refused."""
        if self.without_hypothesis == len(self.recordings):
            return 1
        return 2 if self.refused else 0


def compare(reference: Path, hypothesis: Path, ecg_channel: str = "",
            alias_key: str = "aura", track: Track = iter,
            prefer: str = "") -> Comparison:
    """Score a tree of detections against a tree of annotated recordings."""
    for role, path in (("reference", reference), ("hypothesis", hypothesis)):
        if not path.is_dir():
            raise MissingError(
                "score.folder", f"the {role} is no folder",
                "give the folder of annotated recordings, then that of "
                "the detections")
    truth = read_references(
        Folder(reference), ecg_channel, alias_key, track, prefer)
    if not (truth.annotated or truth.unannotated or truth.problems):
        raise MissingError(
            "score.no_reference", "the reference holds no recordings and no "
            "annotations", "EDF, BDF and CSV of beats are read, .tse_bi, "
            ".tse, .tsv and .csv_bi")
    return _compare(truth, Folder(hypothesis))


def _compare(truth: References, folder: Folder) -> Comparison:
    paths, found = list_files(folder, (".tsv",))
    problems = [*truth.problems, *found]
    pairs = _pair(truth.annotated, paths)
    scores = []
    for reference in truth.annotated:
        path = pairs.get(reference.path)
        try:
            scored, doubts = (_missed(reference) if path is None
                              else _score(reference, folder, path))
        except AuraError as error:
            # A file that was emptied must not cost less than a missing one.
            scored, doubts = _missed(reference)[0], [
                (printable(path or reference.path), error.problem)]
        scores.append(scored)
        problems += doubts
    problems += _unpaired(truth, set(paths) - set(pairs.values()))
    return Comparison(tuple(scores), truth.unannotated, tuple(problems))


def _pair(references: Sequence[Reference],
          paths: Sequence[str]) -> dict[str, str]:
    """Detections of each reference: of its own name, else of its run."""
    named = {posixpath.splitext(path)[0]: path for path in paths}
    pairs = {}
    for reference in references:
        path = named.pop(recording_stem(reference.path), None)
        if path is not None:
            pairs[reference.path] = path
    left: dict[str, list[str]] = defaultdict(list)
    for path in sorted(named.values(),
                       key=lambda path: (not path.endswith(EVENTS), path)):
        left[run_of(path)].append(path)
    for reference in references:
        others = left.get(run_of(reference.path))
        if reference.path not in pairs and others:
            pairs[reference.path] = others.pop(0)
    return pairs


def _unpaired(truth: References, paths: Iterable[str]) -> Iterator[Finding]:
    """Say which detections are not scored, unless that has been said."""
    scored = {run_of(reference.path) for reference in truth.annotated}
    said = {run_of(path) for path in (
        *truth.unannotated, *(path for path, _ in truth.problems))}
    for path in sorted(paths):
        if run_of(path) in scored:
            yield printable(path), Problem(
                "score.second", "warning", "the same recording has other "
                "detections, and those are scored")
        elif run_of(path) not in said:
            yield printable(path), Problem(
                "score.no_reference", "warning", "these detections belong "
                "to no recording of the reference and are not scored")


def _missed(reference: Reference) -> tuple[RecordingScore, list[Finding]]:
    scored = _recording_score(
        reference, None,
        score_missed(reference.events, reference.duration_s))
    return scored, [(scored.path, Problem(
        "score.no_hypothesis", "warning", "there are no detections for this "
        f"recording; its seizures ({scored.seizures}) count as missed, its "
        "hours not at all"))]


def _score(reference: Reference, folder: Folder,
           path: str) -> tuple[RecordingScore, list[Finding]]:
    detected, said_s = read_tsv(folder, path)
    _check_duration(reference.duration_s, said_s)
    scored = _recording_score(
        reference, printable(path),
        score(reference.events, detected, reference.duration_s))
    return scored, [
        (printable(path), problem)
        for problem in _doubts(detected, reference.duration_s, said_s)]


def _recording_score(reference: Reference, hypothesis: str | None,
                     found: Score) -> RecordingScore:
    seizures = seizure_spans(reference.events, reference.duration_s)
    return RecordingScore(
        printable(reference.path), reference.patient, hypothesis,
        reference.duration_s, len(seizures), found)


def _check_duration(duration_s: float, said_s: float | None) -> None:
    if said_s is not None and (
            abs(said_s - duration_s) > DURATION_TOLERANCE_S):
        raise InvalidInputError(
            "score.duration", f"recordingDuration is {said_s:.2f} s, but the "
            f"recording lasts {duration_s:.2f} s; they may differ by "
            f"{DURATION_TOLERANCE_S:g} s",
            "score the detections of this very recording")


def _doubts(detected: Sequence[Event], duration_s: float,
            said_s: float | None) -> Iterator[Problem]:
    if said_s is None:
        yield Problem(
            "score.duration_unknown", "warning", "there is no "
            "recordingDuration: whether these detections were made on the "
            "whole recording cannot be checked")
    other = sum(event.label == OTHER for event in detected)
    if other:
        yield Problem(
            "score.other", "warning", f"{other} rows have an eventType that "
            "is not known to be a seizure and are not scored; seizures are "
            "'sz' or begin with 'sz_'")
    beyond = sum(
        event.onset_s < 0 or event.end_s > duration_s + DURATION_TOLERANCE_S
        for event in detected if event.is_seizure)
    if beyond:
        yield Problem(
            "score.outside", "warning", f"{beyond} detections reach beyond "
            f"the recording of {duration_s:.2f} s; what lies outside is not "
            "scored")
