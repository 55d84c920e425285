"""
The alarm threshold: as many seizures as a false alarm rate allows.

The hours of the recordings limit which rates can be shown. In 8 h one false
alarm is 3 per 24 h, so a target of 1 then allows none.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from aura.detector.alarms import AlarmRule, alarms, trailing_min
from aura.recording import Event, Floats
from aura.scoring.score import Score, pool, score

BLOCK_S = 60.0
# Each threshold that is tried costs a scoring of all recordings.
CANDIDATES = 150
# Share of the target. At the full target of one false alarm per 24 h there
# were two to three in people the model had not seen.
CAUTION = 0.5


@dataclass(frozen=True)
class Scored:
    """A held-out recording with its smoothed probabilities."""

    smoothed: Floats  # As `aura.detector.alarms.smooth` gives it
    events: tuple[Event, ...]  # Annotated seizures
    duration_s: float
    hop_s: float  # Seconds from one row to the next


def choose(recordings: Sequence[Scored], rule: AlarmRule,
           target_far: float) -> AlarmRule:
    """
    Choose the threshold for a target rate of false alarms.

    Several thresholds may find the most seizures within the target. The
    lowest alarms earliest, but the rate is usually higher in new patients.
    We take the lowest whose false alarms plus one stay within half the
    target, or the strictest if the hours cannot show so low a rate.
    """
    hours = math.fsum(one.duration_s for one in recordings) / 3600.0
    allowed = target_far * hours / 24.0
    peaks = [block_peaks(one.smoothed, one.hop_s, rule) for one in recordings]
    seen = np.unique(np.concatenate([np.zeros(1), *peaks]))[::-1]
    best, most = replace(rule, threshold=_above(float(seen[0]))), 0
    tried = seen[:CANDIDATES + 4 * math.ceil(allowed)]
    for threshold in (tried[:-1] + tried[1:]) / 2:
        trial = replace(rule, threshold=float(threshold))
        found = _score(recordings, peaks, trial)
        if found.events.fp > allowed:
            break
        calm = found.events.fp + 1 <= CAUTION * allowed
        if found.events.tp > most or (found.events.tp == most > 0 and calm):
            best, most = trial, found.events.tp
    return best


def score_alarms(recording: Scored, rule: AlarmRule) -> Score:
    """Score of the alarms of one recording, counted as in SzCORE."""
    raised = alarms(recording.smoothed, recording.hop_s, rule)
    return score(recording.events, raised, recording.duration_s)


def _score(recordings: Sequence[Scored], peaks: Sequence[Floats],
           rule: AlarmRule) -> Score:
    # Below the threshold a recording has neither hits nor false alarms.
    return pool(score_alarms(one, rule)
                for one, highest in zip(recordings, peaks, strict=True)
                if np.max(highest, initial=-1.0) >= rule.threshold)


def block_peaks(smoothed: Floats, hop_s: float, rule: AlarmRule) -> Floats:
    """Highest threshold at which each minute still raises an alarm."""
    held = trailing_min(smoothed, hop_s, rule)
    width = max(round(BLOCK_S / hop_s), 1)
    count = -(-len(held) // width)
    padded = np.pad(np.nan_to_num(held, nan=-1.0),
                    (0, count * width - len(held)), constant_values=-1.0)
    highest: Floats = np.max(padded.reshape(count, width), axis=1)
    return highest[highest > 0]


def _above(highest: float) -> float:
    """A threshold that no recording reaches."""
    return (highest + 1.0) / 2 if highest < 1 else math.nextafter(
        highest, math.inf)
