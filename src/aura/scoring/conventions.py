"""The same events by several conventions, whose counts differ many-fold."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from aura.recording import Event, Floats
from aura.scoring.matching import EVENT_GRID_HZ, SZCORE, seizure_spans
from aura.scoring.score import score
from aura.spans import union

CONVENTIONS = {
    "szcore_events": "SzCORE events",
    "szcore_samples": "SzCORE samples (seconds)",
    "any_overlap": "any overlap (OVLP of NEDC)",
    "time_aligned": "time-aligned (TAES of NEDC)",
    "as_given": "alarms as given, not joined"}
WINDOW_S = (-SZCORE.tolerance_before_s, SZCORE.tolerance_after_s)
STEP_S = 1 / EVENT_GRID_HZ
DECIMALS = 4  # As in the files of NEDC
Counted = tuple[tuple[float, ...], ...]


def by_convention(reference: Iterable[Event], hypothesis: Iterable[Event],
                  duration_s: float) -> Counted:
    """Found, annotated and false: a row for each convention."""
    pair = tuple(reference), tuple(hypothesis)
    szcore = score(*pair, duration_s)
    events, seconds = szcore.events, szcore.samples
    truth, alarms = (_disjoint(one, duration_s) for one in pair)
    return ((events.tp, events.ref_true, events.fp),
            (seconds.tp, seconds.tp + seconds.fn, seconds.fp),
            _any_overlap(truth, alarms), _time_aligned(truth, alarms),
            _any_overlap(truth + WINDOW_S, alarms))


def _disjoint(events: Iterable[Event], duration_s: float) -> Floats:
    """Events without overlaps, each at least a step of SzCORE's grid long."""
    # Rounded, so that events that touch do not overlap by a last digit.
    starts, ends = np.round(seizure_spans(events, duration_s), DECIMALS).T
    ends = np.minimum(np.maximum(ends, starts + STEP_S), duration_s)
    starts = np.minimum(starts, np.maximum(ends - STEP_S, 0.0))
    return union(np.column_stack((starts, ends)))


def _overlapping(spans: Floats, others: Floats) -> tuple[Any, Any]:
    """For each span the first of the others that it overlaps, and the end."""
    return (np.searchsorted(others[:, 1], spans[:, 0], side="right"),
            np.searchsorted(others[:, 0], spans[:, 1]))


def _any_overlap(truth: Floats, alarms: Floats) -> tuple[float, ...]:
    # Source: https://doi.org/10.1016/S1388-2457(03)00311-X
    hit, right = (int(np.sum(first < end)) for first, end in (
        _overlapping(truth, alarms), _overlapping(alarms, union(truth))))
    return hit, len(truth), len(alarms) - right


def _time_aligned(truth: Floats, alarms: Floats) -> tuple[float, ...]:
    # Source: https://arxiv.org/abs/1712.10107; the order is that of NEDC's
    # program: an alarm counts for the first seizure that it overlaps.
    found = false = 0.0
    used = spent = free = 0
    for place, (first, end) in enumerate(zip(*_overlapping(truth, alarms))):
        mine = alarms[max(first, free):end]
        if place < spent or not len(mine):
            continue
        start_s, end_s = truth[place]
        inside = np.diff(np.clip(mine, start_s, end_s)) / (end_s - start_s)
        whole = np.diff(mine) / (end_s - start_s)
        found += float(inside.sum())
        false += float(np.minimum(whole - inside, 1.0).sum())
        used, free = used + len(mine), end
        if mine[0, 1] >= end_s:
            # Further seizures under the same alarm are missed.
            spent = np.searchsorted(truth[:, 0], mine[0, 1])
    return found, len(truth), false + len(alarms) - used
