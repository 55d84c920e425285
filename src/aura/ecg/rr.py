"""RR intervals of a beat series, with artifacts and ectopic beats marked."""
# Nothing is interpolated; features leave out what is not normal.

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from aura.recording import Beats, Floats
from aura.spans import covered, union

# AURA's own limits of a plausible interval.
MIN_RR_S = 0.3
MAX_RR_S = 1.8
# Malik's criterion: a normal interval is within 20 % of those before it.
MALIK = 0.2
NEIGHBOURS = 5
# Whoever repeats 1 to 12 intervals so exactly and often is a sensor.
LOOP_BEATS, LOOP_REPEATS, LOOP_JITTER_S, STUCK_S = 12, 16, 2e-5, 20.0
# Beats are known to a microsecond. Less than that never decides whether an
# interval is within a limit: how floats round depends on the time of day.
ROUNDING_S = 1e-6


class Kind(IntEnum):
    """Kind of an RR interval."""

    NORMAL = 0
    ECTOPIC = 1
    ARTEFACT = 2
    UNSCORABLE = 3


@dataclass(frozen=True)
class RRSeries:
    """The RR intervals of a recording."""

    time_s: Floats  # Time of the beat that ends the interval, in seconds
    rr_s: Floats  # Length of the interval in seconds
    kind: NDArray[np.int8]  # A `Kind` for each interval

    @property
    def normal(self) -> NDArray[np.bool_]:
        """Which intervals lie between two normal beats."""
        return np.equal(self.kind, Kind.NORMAL)


def rr_series(beats: Beats) -> RRSeries:
    """RR intervals of a beat series, each with its kind."""
    # Source: https://doi.org/10.1093/oxfordjournals.eurheartj.a059428
    # The median of five is not in it: without, a true step of the heart rate
    # would be rejected for ever. Only the past counts.
    time_s = beats.time_s[1:]
    rr_s = np.diff(beats.time_s)
    kind = np.full(len(rr_s), Kind.NORMAL, dtype=np.int8)
    plausible = (rr_s >= MIN_RR_S - ROUNDING_S) & (
        rr_s <= MAX_RR_S + ROUNDING_S)
    lost = covered(beats.unscorable, np.column_stack(
        [beats.time_s[:-1], time_s])) > 0
    usable = plausible & ~lost
    kind[usable] = np.where(_ectopic(rr_s[usable]), Kind.ECTOPIC, Kind.NORMAL)
    kind[~plausible] = Kind.ARTEFACT
    kind[lost] = Kind.UNSCORABLE
    return RRSeries(time_s, rr_s, kind)


def without_stuck(beats: Beats) -> Beats:
    """Mark time in which a sensor repeats itself as unscorable."""
    # No heart keeps its intervals, or a pattern of them, for so long
    # (docs/features.md). Only the past counts, so a stream marks the same.
    rr_s = np.diff(beats.time_s)
    spans = [beats.unscorable]
    for lag in range(1, LOOP_BEATS + 1):
        same = np.zeros(len(rr_s), dtype=bool)
        same[lag:] = np.abs(rr_s[lag:] - rr_s[:-lag]) < LOOP_JITTER_S
        edges = np.diff(same, prepend=False, append=False)
        first, end = np.flatnonzero(edges).reshape(-1, 2).T
        seen = first + LOOP_REPEATS * lag
        first, end, seen = (one[seen <= end] for one in (first, end, seen))
        begin_s = np.maximum(
            beats.time_s[first - lag] + STUCK_S, beats.time_s[seen])
        spans.append(np.column_stack([begin_s, beats.time_s[end]]))
    lost = np.concatenate(spans)
    lost = lost[lost[:, 0] < lost[:, 1]]
    if len(lost) == len(beats.unscorable):
        return beats
    return replace(beats, unscorable=union(
        lost[np.argsort(lost[:, 0], kind="stable")]))


def _ectopic(rr_s: Floats) -> NDArray[np.bool_]:
    if rr_s.size == 0:
        return np.zeros(0, dtype=bool)
    padded: Floats = np.concatenate([np.full(NEIGHBOURS, rr_s[0]), rr_s])
    before = np.lib.stride_tricks.sliding_window_view(padded, NEIGHBOURS)
    usual: Floats = np.median(before[:-1], axis=1)
    previous = padded[NEIGHBOURS - 1:-1]
    far: NDArray[np.bool_] = (
        np.abs(rr_s - usual) > MALIK * usual + ROUNDING_S)
    jumps: NDArray[np.bool_] = (
        np.abs(rr_s - previous) > MALIK * previous + ROUNDING_S)
    return far & jumps
