"""The alarm threshold: as many seizures as a false alarm rate allows."""
# A target rate is a promise to people whom the model has never seen. People
# differ more than hours do, so the spread over people judges a threshold.

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from aura.detector.alarms import AlarmRule, alarms, trailing_min
from aura.recording import Event, Floats
from aura.scoring.intervals import rate_over_people, rate_per_24h
from aura.scoring.score import Score, pool, score

BLOCK_S = 60.0
# Each threshold that is tried costs a scoring of all recordings.
LEVELS = 200
# Fewer people say too little about how much people differ.
PEOPLE = 10
# Share of the target where no rate can be promised.
CAUTION = 0.5


@dataclass(frozen=True)
class Scored:
    smoothed: Floats  # As `aura.detector.alarms.smooth` gives it
    events: tuple[Event, ...]  # Annotated seizures
    duration_s: float
    hop_s: float  # Seconds from one row to the next
    patient: str = ""


def can_promise(recordings: Sequence[Scored], target_far: float) -> bool:
    """Whether these people and hours suffice to promise a rate."""
    hours = math.fsum(one.duration_s for one in recordings) / 3600.0
    return (len({one.patient for one in recordings}) >= PEOPLE
            and rate_per_24h(0, hours).high <= target_far)


def choose(recordings: Sequence[Scored], rule: AlarmRule,
           target_far: float) -> AlarmRule:
    """Choose the threshold for a target rate of false alarms."""
    # Of those that find the most seizures, the lowest alarms earliest.
    hours = math.fsum(one.duration_s for one in recordings) / 3600.0
    allowed = target_far * hours / 24.0
    promise = can_promise(recordings, target_far)
    peaks = [block_peaks(one.smoothed, one.hop_s, rule) for one in recordings]
    seen = np.unique(np.concatenate([np.zeros(1), *peaks]))[::-1]

    def scores_at(level: float) -> list[Score]:
        # A recording that does not reach the level has no alarms.
        return [score_alarms(one, replace(rule, threshold=level))
                if own.max(initial=-1.0) >= level
                else score(one.events, (), one.duration_s)
                for one, own in zip(recordings, peaks, strict=True)]

    highest, most = float(seen[0]), 0
    # No recording reaches it.
    best = (highest + 1.0) / 2 if highest < 1 else math.nextafter(
        highest, math.inf)
    cuts = (seen[:-1] + seen[1:]) / 2

    def too_many(level: float) -> bool:
        return pool(scores_at(level)).events.fp > allowed

    # Low levels cost most, and there are many more of them than are needed.
    end = 1
    while end < len(cuts) and not too_many(float(cuts[end - 1])):
        end *= 2
    end = bisect_left(cuts[:end], True, key=too_many)
    for place in np.linspace(0, end - 1, min(end, LEVELS)).astype(int):
        scores = scores_at(float(cuts[place]))
        found = pool(scores).events
        if found.fp > allowed or (
                promise and highest_rate(recordings, scores) > target_far):
            break
        calm = promise or (found.tp > 0 and found.fp + 1 <= CAUTION * allowed)
        if found.tp > most or (found.tp == most and calm):
            best, most = float(cuts[place]), found.tp
    return replace(rule, threshold=best)


def highest_rate(recordings: Sequence[Scored],
                 scores: Sequence[Score]) -> float:
    """The most false alarms per 24 h that may be expected of other people."""
    people: dict[str, list[float]] = {}
    for one, found in zip(recordings, scores, strict=True):
        count, hours = people.setdefault(one.patient, [0.0, 0.0])
        people[one.patient] = [count + found.events.fp,
                               hours + found.events.hours]
    known = [(count, hours) for count, hours in people.values() if hours]
    # Strangers may be worse: one person more is like the worst of them.
    worst = max(known, key=lambda person: person[0] / person[1])
    return rate_over_people([*known, worst]).high


def score_alarms(recording: Scored, rule: AlarmRule) -> Score:
    raised = alarms(recording.smoothed, recording.hop_s, rule)
    return score(recording.events, raised, recording.duration_s)


def block_peaks(smoothed: Floats, hop_s: float, rule: AlarmRule) -> Floats:
    """Highest threshold at which each minute still raises an alarm."""
    held = trailing_min(smoothed, hop_s, rule)
    width = max(round(BLOCK_S / hop_s), 1)
    count = -(-len(held) // width)
    padded = np.pad(np.nan_to_num(held, nan=-1.0),
                    (0, count * width - len(held)), constant_values=-1.0)
    highest: Floats = np.max(padded.reshape(count, width), axis=1)
    return highest[highest > 0]
