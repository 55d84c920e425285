"""Learn, choose a threshold, and score who was held out; fold by fold."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from aura.detector import threshold
from aura.detector.alarms import AlarmRule, alarms
from aura.detector.validation import out_of_fold, scored_rows
from aura.evaluation.case import Case
from aura.evaluation.detectors import Detector
from aura.evaluation.folds import Round
from aura.recording import Event, Floats
from aura.scoring.score import Score, score, score_missed


@dataclass(frozen=True)
class Held:
    """A recording that was held out, and what became of it."""

    case: Case
    fold: int  # Number of the fold in its round
    # Scores as the detector gave them, and smoothed; NaN where nothing can be
    # said.
    row_score: np.ndarray
    smoothed: np.ndarray
    rule: AlarmRule  # With the threshold that the fold has chosen
    raised: tuple[Event, ...]  # Alarms
    # Of a recording that cannot be scored at all, its seizures as missed and
    # no hours.
    score: Score


def held_out(cases: Sequence[Case], dealt: Round, detector: Detector,
             target_far: float, seed: int) -> list[Held]:
    """Run one detector through one round."""
    held = []
    for number, fold in enumerate(dealt.folds):
        train, test = fold.split(cases)
        scorer = detector.fit(train, seed)
        rule = detector.rule if detector.fixed else threshold.choose(
            out_of_fold(train, detector.rule, seed, detector.fit),
            detector.rule, target_far)
        held += [_held(case, number, scorer(case), rule) for case in test]
    return held


def rescored(held: Held, level: float) -> Score:
    """Score of a held-out recording had the threshold been another one."""
    return _score(held.case, _raised(
        held.smoothed.astype(np.float64), held.case,
        replace(held.rule, threshold=level)))


def _held(case: Case, fold: int, row_score: Floats, rule: AlarmRule) -> Held:
    smoothed = scored_rows(case, row_score, rule).smoothed
    raised = _raised(smoothed, case, rule)
    return Held(case, fold, row_score.astype(np.float32),
                smoothed.astype(np.float32), rule, raised,
                _score(case, raised))


def _raised(smoothed: Floats, case: Case,
            rule: AlarmRule) -> tuple[Event, ...]:
    return tuple(alarms(smoothed, case.hop_s, rule))


def _score(case: Case, raised: Sequence[Event]) -> Score:
    if not case.can_be_scored:
        return score_missed(case.events, case.duration_s)
    return score(case.events, raised, case.duration_s)
