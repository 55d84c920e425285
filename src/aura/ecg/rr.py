"""RR intervals of a beat series, with artifacts and ectopic beats marked."""
# Nothing is interpolated. Features leave out intervals that are not normal,
# and every difference that touches one.

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


STUCK_S = 20.0
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
    """
    RR intervals of a beat series, each with its kind.

    An interval is *unscorable* if it touches an unscorable span, an
    *artifact* outside 0.3 to 1.8 s, and *ectopic* if it differs by more than
    20 % both from the interval before it and from the median of the five
    before it. The second condition is not in the source: without it, a true
    step of the heart rate would be rejected for ever. The kind depends only
    on the past, so a stream finds the same.

    Source: https://doi.org/10.1093/oxfordjournals.eurheartj.a059428
    """
    time_s = beats.time_s[1:]
    rr_s = np.diff(beats.time_s)
    kind = np.full(len(rr_s), Kind.NORMAL, dtype=np.int8)
    plausible = (rr_s >= MIN_RR_S - ROUNDING_S) & (
        rr_s <= MAX_RR_S + ROUNDING_S)
    lost = covered(beats.unscorable, np.column_stack(
        [beats.time_s[:-1], time_s])) > 0
    usable = plausible & ~lost
    kind[usable] = np.where(
        _ectopic(rr_s[usable]), Kind.ECTOPIC, Kind.NORMAL)
    kind[~plausible] = Kind.ARTEFACT
    kind[lost] = Kind.UNSCORABLE
    return RRSeries(time_s, rr_s, kind)


def without_stuck(beats: Beats) -> Beats:
    """Mark time in which a sensor repeats itself as unscorable."""
    # No heart keeps its intervals to the microsecond: in 696 h of 43 people
    # with normal hearts, heart failure, epilepsy and pacemakers the longest
    # stretch of equal ones has 14 s. Only the past counts, as in a stream.
    rr_s = np.diff(beats.time_s)
    same = np.abs(np.diff(rr_s, prepend=np.inf)) < 2 * ROUNDING_S
    first = np.flatnonzero(same & ~np.append(False, same[:-1]))
    last = np.flatnonzero(same & ~np.append(same[1:], False))
    # A run begins with the interval before the first that equals it.
    spans = np.column_stack([
        beats.time_s[np.maximum(first - 1, 0)] + STUCK_S,
        beats.time_s[last + 1]])
    spans = spans[spans[:, 0] < spans[:, 1]]
    if not len(spans):
        return beats
    return replace(beats, unscorable=union(
        np.concatenate([beats.unscorable, spans])))


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
