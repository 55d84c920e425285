"""
Which events of two layers meet, by the rules of SzCORE.

Both layers are joined, cut and laid on one grid of time, as timescoring
0.0.7 does; `scoring.score` counts what comes of it and `agreement` names
it, event by event.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from aura.errors import InvalidInputError
from aura.recording import Bools, Event, Floats
from aura.spans import covered, cut, merge, union

EVENT_GRID_HZ = 10
# The reference implementation asks for this much more than `min_overlap`.
OVERLAP_MARGIN = 1e-6


@dataclass(frozen=True)
class EventRules:
    """When a detected event meets an annotated one; SzCORE's by default."""

    # A detection may lie this far before the start and after the end.
    tolerance_before_s: float = 30.0
    tolerance_after_s: float = 60.0
    # Smallest part of a seizure with its tolerances that detections must
    # cover, exclusive; 0 means that any overlap is a hit.
    min_overlap: float = 0.0
    # Events closer than this are one, in annotation and detection alike.
    merge_gap_s: float = 90.0
    # Events longer than this are cut into pieces of it.
    max_duration_s: float = 300.0

    def __post_init__(self) -> None:
        if not self.max_duration_s >= 1 / EVENT_GRID_HZ:
            raise InvalidInputError(
                "scoring.rules",
                f"events of at most {self.max_duration_s!r} s are too short",
                f"the shortest is one step of {1 / EVENT_GRID_HZ} s")


SZCORE = EventRules()


@dataclass(frozen=True)
class Meeting:
    """Which events of two layers meet, by the rules."""

    truth: Floats  # Seizures, merged, and alarms as given, in seconds
    alarms: Floats
    reference: Floats  # What is counted: both, merged and cut, in seconds
    hypothesis: Floats
    # `reference` with its tolerances and `hypothesis`, in steps.
    windows: Floats
    detections: Floats
    hit: Bools  # Of `reference` and `hypothesis`
    false: Bools
    whole: Floats  # `truth` with its tolerances and `alarms`, in steps
    given: Floats

    @property
    def latencies_s(self) -> Floats:
        """
        Latency of the detection of each of `truth`, in seconds.

        Onset of the first alarm that meets it, minus its own; NaN where
        none does.
        """
        # The first alarm whose end lies behind the start of a window is the
        # first that can meet it; it does if it starts before the window ends.
        reach = np.maximum.accumulate(self.given[:, 1])
        first = np.searchsorted(reach, self.whole[:, 0], side="right")
        return np.array([
            self.alarms[i, 0] - onset
            if i < len(reach) and self.given[i, 0] < end else math.nan
            for i, onset, end in zip(
                first, self.truth[:, 0], self.whole[:, 1])])


def meet(truth: Floats, alarms: Floats, duration_s: float,
         rules: EventRules = SZCORE) -> Meeting:
    """Lay the seizures of two layers against each other."""
    steps = max(1, round(duration_s * EVENT_GRID_HZ))
    merged = merge(truth, rules.merge_gap_s)
    reference = cut(merged, rules.max_duration_s)
    hypothesis = cut(merge(alarms, rules.merge_gap_s), rules.max_duration_s)
    detections = _on_grid(hypothesis, steps)
    extended = _extend(reference, steps, rules)
    windows = _on_grid(extended, steps)
    length = np.maximum(np.diff(extended)[:, 0], 1 / EVENT_GRID_HZ)
    overlap = covered(union(detections), windows) / EVENT_GRID_HZ / length
    hit = overlap > rules.min_overlap + OVERLAP_MARGIN
    return Meeting(
        merged, alarms, reference, hypothesis, windows, detections, hit,
        covered(union(windows[hit]), detections) == 0,
        _on_grid(_extend(merged, steps, rules), steps),
        _on_grid(alarms, steps))


def seizure_spans(events: Iterable[Event], duration_s: float) -> Floats:
    """Seizures among the events, inside the recording, in order."""
    if not 0 < duration_s < math.inf:
        raise InvalidInputError(
            "scoring.duration", f"the recording lasts {duration_s!r} s",
            "a duration is finite and above 0")
    spans = np.array(
        sorted((e.onset_s, e.end_s) for e in events if e.is_seizure),
        dtype=np.float64).reshape(-1, 2)
    wrong = ~np.isfinite(spans).all(axis=1) | (spans[:, 1] < spans[:, 0])
    if wrong.any():
        start, end = spans[wrong][0].tolist()
        raise InvalidInputError(
            "scoring.event", f"an event goes from {start} s to {end} s",
            "onset and duration are finite, the duration is not negative")
    starts, ends = spans.T
    inside = (starts < duration_s) & ((ends > 0) | (starts == 0))
    clipped: Floats = np.clip(spans[inside], 0.0, duration_s)
    return clipped


def _extend(spans: Floats, steps: int, rules: EventRules) -> Floats:
    """Add the tolerances, inside the recording."""
    return np.column_stack((
        np.maximum(0.0, spans[:, 0] - rules.tolerance_before_s),
        np.minimum(steps / EVENT_GRID_HZ,
                   spans[:, 1] + rules.tolerance_after_s)))


def _on_grid(spans: Floats, steps: int) -> Floats:
    """Steps of the event grid that spans take: at least one, all inside."""
    starts, stops = np.rint(spans * EVENT_GRID_HZ).T
    starts = np.minimum(starts, steps - 1)
    return np.column_stack((
        starts, np.clip(stops, starts + 1, steps)))
