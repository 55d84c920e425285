"""
Which predicted event matches which annotation, event by event.

The same rules and the same counts as `aura.scoring.score`: here are the events
behind its numbers.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from aura.recording import Bools, Event, Floats
from aura.scoring.matching import (
    SZCORE,
    EventRules,
    Meeting,
    meet,
    seizure_spans,
)

Outcome = Literal["TP", "FP", "FN"]


@dataclass(frozen=True)
class Judged:
    """An event as it is counted, and what became of it."""

    outcome: Outcome  # Detected seizure, false alarm, missed seizure
    onset_s: float  # Its stretch, after joining and cutting by the rules
    end_s: float
    # Events of the other layer that it meets, tolerances included: numbers in
    # `Agreement.annotated` or `Agreement.predicted`, from 0.
    matches: tuple[int, ...] = ()
    # Of a detected seizure: onset of the first alarm that meets it, minus its
    # own. Of a seizure that is cut, the first detected piece has it; NaN for
    # all others.
    latency_s: float = np.nan


@dataclass(frozen=True)
class Agreement:
    """Two layers of one recording against each other."""

    # Start and end of the seizures of each layer as they were given, sorted,
    # inside the recording.
    annotated: Floats
    predicted: Floats
    # Of each of them, whether it belongs to a detected seizure or to a
    # detection that is not false.
    found: Bools
    right: Bools
    # What is counted, in order of time: as many of each outcome as
    # `aura.scoring.score.score` says.
    judged: tuple[Judged, ...]


def agree(reference: Iterable[Event], hypothesis: Iterable[Event],
          duration_s: float, rules: EventRules = SZCORE) -> Agreement:
    """Match the events of one recording."""
    annotated = seizure_spans(reference, duration_s)
    predicted = seizure_spans(hypothesis, duration_s)
    met = meet(annotated, predicted, duration_s, rules)
    judged = sorted(
        [*_seizures(met), *_false_alarms(met)],
        key=lambda one: (one.onset_s, one.end_s, one.outcome))
    return Agreement(
        annotated, predicted,
        _belongs(annotated, met.reference[met.hit]),
        _belongs(predicted, met.hypothesis[~met.false]), tuple(judged))


def _seizures(met: Meeting) -> Iterable[Judged]:
    latency_s = met.latencies_s
    whole = np.searchsorted(
        met.truth[:, 0], met.reference[:, 0], side="right") - 1
    for (start, end), window, hit, number in zip(
            met.reference.tolist(), met.windows, met.hit, whole.tolist()):
        if not hit:
            yield Judged("FN", start, end)
            continue
        # An alarm belongs to what was made of it by joining: where only the
        # gap between two alarms meets a seizure, both are named.
        pieces = met.hypothesis[_meets(met.detections, window)]
        direct = np.flatnonzero(_meets(met.given, window))
        matches = direct if len(direct) else np.flatnonzero(
            _belongs(met.alarms, pieces))
        yield Judged("TP", start, end, tuple(matches.tolist()),
                     float(latency_s[number]))
        latency_s[number] = np.nan


def _false_alarms(met: Meeting) -> Iterable[Judged]:
    for start, end in met.hypothesis[met.false].tolist():
        yield Judged("FP", start, end)


def _meets(spans: Floats, other: Floats) -> Bools:
    return np.asarray((spans[:, 0] < other[1]) & (spans[:, 1] > other[0]))


def _belongs(spans: Floats, pieces: Floats) -> Bools:
    """Whether spans are part of any piece; touching at a cut is not."""
    found = np.zeros(len(spans), np.bool_)
    for piece in pieces:
        found |= _meets(spans, piece) | (
            (spans[:, 0] == spans[:, 1]) & (spans[:, 0] >= piece[0])
            & (spans[:, 0] <= piece[1]))
    return found
