"""Nested, patient-wise scoring: who is held out when, and what is found."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from aura.detector import threshold, validation
from aura.detector.alarms import AlarmRule, alarms
from aura.evaluation.detectors import Case, Detector
from aura.recording import Event, Floats
from aura.scoring.score import Score, score, score_missed


@dataclass(frozen=True)
class Fold:
    """Aliases of the people who are learnt from, and who are scored."""

    train: tuple[str, ...]  # Sorted
    test: tuple[str, ...]

    def split(self, cases: Sequence[Case]) -> tuple[list[Case], list[Case]]:
        train = [case for case in cases if case.patient in self.train]
        test = [case for case in cases if case.patient in self.test]
        validation.check_disjoint(train, test)
        return train, test


Round = tuple[Fold, ...]  # Scores each person at most once


@dataclass(frozen=True)
class Held:
    case: Case
    fold: int  # Position of the fold in its round
    row_score: np.ndarray  # Scores of rows; NaN if unscorable
    smoothed: np.ndarray
    rule: AlarmRule  # With the threshold of the fold
    raised: tuple[Event, ...]  # Alarms
    score: Score  # All missed in no hours if nothing is scorable


def control_group(cases: Sequence[Case]) -> list[str]:
    """People without a seizure, sorted."""
    return sorted({case.patient for case in cases}
                  - {case.patient for case in cases if case.seizures})


def rounds(cases: Sequence[Case]) -> tuple[Round, ...]:
    """Deal people into rounds of folds: one for each half of the controls."""
    control = control_group(cases)
    everybody = {case.patient for case in cases}
    if len(control) < 2:
        return (tuple(_fold(everybody, test)
                      for test in validation.folds(cases)),)
    patients = everybody - set(control)
    dealt = validation.folds(
        [case for case in cases if case.patient in patients])
    return tuple((*(_fold(patients | set(near), test) for test in dealt),
                  _fold(patients | set(near), far))
                 for near, far in ((control[::2], control[1::2]),
                                   (control[1::2], control[::2])))


def _fold(people: set[str], test: Sequence[str]) -> Fold:
    return Fold(tuple(sorted(people - set(test))), tuple(sorted(test)))


def held_out(cases: Sequence[Case], folds: Round, detector: Detector,
             target_far: float, seed: int) -> list[Held]:
    held = []
    for number, fold in enumerate(folds):
        train, test = fold.split(cases)
        scorer = detector.fit(train, seed)
        rule = detector.rule if detector.fixed else threshold.choose(
            validation.out_of_fold(train, detector.rule, seed, detector.fit),
            detector.rule, target_far)
        held += [_held(case, number, scorer(case), rule) for case in test]
    return held


def rescored(held: Held, level: float) -> Score:
    raised = alarms(held.smoothed.astype(np.float64), held.case.hop_s,
                    replace(held.rule, threshold=level))
    return _score(held.case, raised)


def _held(case: Case, fold: int, row_score: Floats, rule: AlarmRule) -> Held:
    smoothed = validation.scored_rows(case, row_score, rule).smoothed
    raised = tuple(alarms(smoothed, case.hop_s, rule))
    return Held(case, fold, row_score.astype(np.float32),
                smoothed.astype(np.float32), rule, raised,
                _score(case, raised))


def _score(case: Case, raised: Sequence[Event]) -> Score:
    if not case.can_be_scored:
        return score_missed(case.events, case.duration_s)
    return score(case.events, raised, case.duration_s)
