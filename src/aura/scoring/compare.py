"""Score a folder of predictions against annotated recordings."""

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aura import state
from aura.annotations.vocabulary import OTHER
from aura.dataset import find
from aura.dataset.find import Finding
from aura.dataset.names import printable, recording_stem
from aura.errors import AuraError, Problem, plural
from aura.folder import Folder
from aura.recording import Event
from aura.scoring.conventions import Counted, by_convention
from aura.scoring.matching import seizure_spans
from aura.scoring.reference import (
    EVENTS, Reference, References, read_references, read_tsv, run_of)
from aura.scoring.score import Score, pool, score, score_missed
from aura.settings import Settings

DURATION_TOLERANCE_S = 1.0


@dataclass(frozen=True)
class RecordingScore:
    path: str  # In the reference folder, with ``/``
    patient: str  # Alias of the patient
    hypothesis: str | None  # Path of the predictions, if there are any
    duration_s: float
    seizures: int  # Annotated seizures, before joining and cutting
    score: Score
    by_convention: Counted  # By `aura.scoring.conventions`


@dataclass(frozen=True)
class PatientScore:
    patient: str  # Alias
    scores: tuple[RecordingScore, ...]  # At least one

    @property
    def score(self) -> Score:
        return pool(s.score for s in self.scores)


@dataclass(frozen=True)
class Comparison:
    recordings: tuple[RecordingScore, ...]  # In order of path
    unannotated: tuple[str, ...]  # Recordings that are not annotated
    problems: tuple[Finding, ...]  # A file with an error was not used
    # Numbers of recordings whose annotations are not used, or in part.
    not_understood: int = 0
    partly_used: int = 0

    @property
    def pooled(self) -> Score:
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
    def without_hypothesis(self) -> int:
        """Recordings without usable predictions."""
        return sum(r.hypothesis is None for r in self.recordings)

    @property
    def refused(self) -> int:
        return len({path for path, problem in self.problems
                    if problem.level == "error"})


def compare(reference: Path, hypothesis: Path,
            settings: Settings = Settings()) -> Comparison:
    for role, path in (("REFERENCE", reference), ("HYPOTHESIS", hypothesis)):
        if not path.is_dir():
            raise state.error("score.folder", role=role)
    truth = read_references(Folder(reference), settings)
    if not (truth.annotated or truth.unannotated or truth.problems):
        raise state.error("score.no_reference")
    return _compare(truth, Folder(hypothesis))


def _compare(truth: References, folder: Folder) -> Comparison:
    paths, found = find.files(folder, (".tsv",))
    problems = [*truth.problems, *found]
    pairs = _pair(truth.annotated, paths)
    scores = []
    for reference in truth.annotated:
        path = pairs.get(reference.path)
        try:
            scored, warnings = (_missed(reference) if path is None
                                else _score(reference, folder, path))
        except AuraError as error:
            # A file with an error must not score better than a missing one.
            scored, warnings = _missed(reference)[0], [
                (printable(path or reference.path), error.problem)]
        scores.append(scored)
        problems += warnings
    problems += _unpaired(truth, set(paths) - set(pairs.values()))
    return Comparison(
        tuple(scores), truth.unannotated, tuple(problems),
        len(truth.not_understood), len(truth.partly_used))


def _pair(references: Sequence[Reference],
          paths: Sequence[str]) -> dict[str, str]:
    """Predictions of each recording: same name, otherwise same BIDS run."""
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
    """Warn of predictions that are not scored, once for each recording."""
    scored = {run_of(reference.path) for reference in truth.annotated}
    reported = {run_of(path) for path in (
        *truth.unannotated, *(path for path, _ in truth.problems))}
    for path in sorted(paths):
        if run_of(path) in scored:
            yield printable(path), state.problem("score.second")
        elif run_of(path) not in reported:
            yield printable(path), state.problem("score.no_reference/one")


def _missed(reference: Reference) -> tuple[RecordingScore, list[Finding]]:
    scored = _recording_score(
        reference, None, (),
        score_missed(reference.events, reference.duration_s))
    return scored, [(scored.path, state.problem(
        "score.no_hypothesis", seizures=plural(scored.seizures, "seizure")))]


def _score(reference: Reference, folder: Folder,
           path: str) -> tuple[RecordingScore, list[Finding]]:
    table = read_tsv(folder, path)
    predicted, stated_s = table.events(), table.duration_s
    _check_duration(reference.duration_s, stated_s)
    if not table.counts_as_annotated:
        scored = replace(_missed(reference)[0], hypothesis=printable(path))
        return scored, [(printable(path), state.problem(
            "score.unscorable", seizures=plural(scored.seizures, "seizure")))]
    scored = _recording_score(reference, printable(path), predicted, score(
        reference.events, predicted, reference.duration_s))
    return scored, [(printable(path), problem) for problem in _warnings(
        predicted, reference.duration_s, stated_s)]


def _recording_score(reference: Reference, hypothesis: str | None,
                     predicted: Sequence[Event],
                     found: Score) -> RecordingScore:
    seizures = seizure_spans(reference.events, reference.duration_s)
    return RecordingScore(
        printable(reference.path), reference.patient, hypothesis,
        reference.duration_s, len(seizures), found, by_convention(
            reference.events, predicted, reference.duration_s))


def _check_duration(duration_s: float, stated_s: float | None) -> None:
    if stated_s is not None and (
            abs(stated_s - duration_s) > DURATION_TOLERANCE_S):
        raise state.error(
            "score.duration", stated=stated_s, known=duration_s,
            most=DURATION_TOLERANCE_S)


def _warnings(predicted: Sequence[Event], duration_s: float,
              stated_s: float | None) -> Iterator[Problem]:
    if stated_s is None:
        yield state.problem("score.duration_unknown")
    other = sum(event.label == OTHER for event in predicted)
    if other:
        yield state.problem("score.other", rows=plural(other, "row"))
    outside = sum(
        event.onset_s < 0 or event.end_s > duration_s + DURATION_TOLERANCE_S
        for event in predicted if event.is_seizure)
    if outside:
        yield state.problem(
            "score.outside", seconds=duration_s,
            predictions=plural(outside, "prediction"))
