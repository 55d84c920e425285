"""Which predicted events match which annotated seizures, by SzCORE's rules."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from aura import state
from aura.recording import Bools, Event, Floats
from aura.spans import covered, cut, merge, union

EVENT_GRID_HZ = 10
OVERLAP_MARGIN = 1e-6  # More than `min_overlap`, as timescoring has it

Outcome = Literal["TP", "FP", "FN"]


@dataclass(frozen=True)
class EventRules:
    """When a predicted event matches an annotated one; SzCORE by default."""

    tolerance_before_s: float = 30.0  # A prediction may lie this far outside
    tolerance_after_s: float = 60.0
    min_overlap: float = 0.0  # Share of a seizure, with tolerances, to exceed
    merge_gap_s: float = 90.0  # Closer events are joined
    max_duration_s: float = 300.0  # Longer events are cut

    def __post_init__(self) -> None:
        if not self.max_duration_s >= 1 / EVENT_GRID_HZ:
            raise state.error(
                "scoring.rules", found=self.max_duration_s,
                step=1 / EVENT_GRID_HZ)


SZCORE = EventRules()


@dataclass(frozen=True)
class Matches:
    truth: Floats  # Seizures, joined, and alarms as given, in seconds
    alarms: Floats
    reference: Floats  # What is counted: both, joined and cut, in seconds
    hypothesis: Floats
    windows: Floats  # `reference` with tolerances, in grid steps
    detections: Floats
    hit: Bools  # For each of `reference`, whether it is found
    false: Bools  # For each of `hypothesis`, whether it is a false alarm
    whole: Floats  # `truth` with its tolerances and `alarms`, in grid steps
    given: Floats

    @property
    def latencies_s(self) -> Floats:
        """First matching alarm minus onset, for each of `truth`; or NaN."""
        # The first alarm that ends after the start of a window may match it.
        reach = np.maximum.accumulate(self.given[:, 1])
        first = np.searchsorted(reach, self.whole[:, 0], side="right")
        return np.array(
            [self.alarms[i, 0] - onset if i < len(reach) and self.given[i, 0]
             < end else math.nan for i, onset, end in zip(
                 first, self.truth[:, 0], self.whole[:, 1])])


@dataclass(frozen=True)
class Judged:
    """An event as it is counted: found, false or missed."""

    outcome: Outcome  # Found seizure, false alarm, missed seizure
    onset_s: float  # After joining and cutting
    end_s: float
    matches: tuple[int, ...] = ()  # Places in `Agreement.predicted`
    latency_s: float = np.nan  # First alarm minus onset; of a cut one, once


@dataclass(frozen=True)
class Agreement:
    annotated: Floats  # Start and end, sorted, inside the recording
    predicted: Floats
    found: Bools  # Whether it is part of a found seizure
    right: Bools
    judged: tuple[Judged, ...]  # In order of time, as they are counted


def match(truth: Floats, alarms: Floats, duration_s: float,
          rules: EventRules = SZCORE) -> Matches:
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
    return Matches(merged, alarms, reference, hypothesis, windows, detections,
                   hit, covered(union(windows[hit]), detections) == 0,
                   _on_grid(_extend(merged, steps, rules), steps),
                   _on_grid(alarms, steps))


def agree(reference: Iterable[Event], hypothesis: Iterable[Event],
          duration_s: float, rules: EventRules = SZCORE) -> Agreement:
    annotated = seizure_spans(reference, duration_s)
    predicted = seizure_spans(hypothesis, duration_s)
    found = match(annotated, predicted, duration_s, rules)
    false = [Judged("FP", start, end)
             for start, end in found.hypothesis[found.false].tolist()]
    return Agreement(
        annotated, predicted, _part_of(annotated, found.reference[found.hit]),
        _part_of(predicted, found.hypothesis[~found.false]),
        tuple(sorted([*_seizures(found), *false],
                     key=lambda one: (one.onset_s, one.end_s, one.outcome))))


def seizure_spans(events: Iterable[Event], duration_s: float) -> Floats:
    """Seizures among the events, inside the recording, in order."""
    if not 0 < duration_s < math.inf:
        raise state.error("scoring.duration", found=duration_s)
    spans = np.array(sorted((e.onset_s, e.end_s) for e in events
                            if e.is_seizure), dtype=np.float64).reshape(-1, 2)
    wrong = ~np.isfinite(spans).all(axis=1) | (spans[:, 1] < spans[:, 0])
    if wrong.any():
        start, end = spans[wrong][0].tolist()
        raise state.error("scoring.event", start=start, end=end)
    starts, ends = spans.T
    inside = (starts < duration_s) & ((ends > 0) | (starts == 0))
    clipped: Floats = np.clip(spans[inside], 0.0, duration_s)
    return clipped


def _seizures(found: Matches) -> Iterable[Judged]:
    latency_s = found.latencies_s
    whole = np.searchsorted(
        found.truth[:, 0], found.reference[:, 0], side="right") - 1
    for (start, end), window, hit, number in zip(
            found.reference.tolist(), found.windows, found.hit,
            whole.tolist()):
        if not hit:
            yield Judged("FN", start, end)
            continue
        matches = np.flatnonzero(_overlap(found.given, window))
        if not len(matches):
            # Only the gap between two joined alarms overlaps the seizure.
            joined = found.hypothesis[_overlap(found.detections, window)]
            matches = np.flatnonzero(_part_of(found.alarms, joined))
        yield Judged("TP", start, end, tuple(matches.tolist()),
                     float(latency_s[number]))
        latency_s[number] = np.nan


def _overlap(spans: Floats, other: Floats) -> Bools:
    return np.asarray((spans[:, 0] < other[1]) & (spans[:, 1] > other[0]))


def _part_of(spans: Floats, pieces: Floats) -> Bools:
    """Whether each span lies on a piece; touching its edge is not enough."""
    found = np.zeros(len(spans), np.bool_)
    for piece in pieces:
        found |= _overlap(spans, piece) | (
            (spans[:, 0] == spans[:, 1]) & (spans[:, 0] >= piece[0])
            & (spans[:, 0] <= piece[1]))
    return found


def _extend(spans: Floats, steps: int, rules: EventRules) -> Floats:
    return np.column_stack(
        (np.maximum(0.0, spans[:, 0] - rules.tolerance_before_s), np.minimum(
            steps / EVENT_GRID_HZ, spans[:, 1] + rules.tolerance_after_s)))


def _on_grid(spans: Floats, steps: int) -> Floats:
    """Grid steps that spans take: at least one each, all inside."""
    starts, stops = np.rint(spans * EVENT_GRID_HZ).T
    starts = np.minimum(starts, steps - 1)
    return np.column_stack((starts, np.clip(stops, starts + 1, steps)))
