"""Time spans: arrays of starts and ends, shape (n, 2), sorted by start."""
# They may overlap unless a function excludes it. Nothing is rounded.

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aura.recording import Bools, Floats


def of(events: Iterable[Any]) -> Floats:
    """Start and end of what has `onset_s` and `end_s`, in the same order."""
    return np.array([(event.onset_s, event.end_s) for event in events],
                    dtype=np.float64).reshape(-1, 2)


def merge(spans: Floats, gap: float) -> Floats:
    """Join spans that overlap or lie closer than a gap."""
    if not len(spans):
        return spans
    ends = np.maximum.accumulate(spans[:, 1])
    first = np.append(True, spans[1:, 0] - ends[:-1] >= gap)
    return np.column_stack((spans[first, 0], ends[np.roll(first, -1)]))


def union(spans: Floats) -> Floats:
    """Disjoint spans that cover the same time."""
    return merge(spans, 0.0)


def cut(spans: Floats, longest: float) -> Floats:
    """Cut spans into pieces of the longest length and one remainder each."""
    # Summed up as timescoring does; a product may round to another grid step.
    pieces = []
    for start, end in spans.tolist():
        while end - start > longest:
            pieces.append((start, start + longest))
            start += longest
        pieces.append((start, end))
    return np.array(pieces, dtype=np.float64).reshape(-1, 2)


def covered(disjoint: Floats, spans: Floats) -> Floats:
    """Length of each span that disjoint spans cover."""
    if not len(disjoint):
        return np.zeros(len(spans))
    length = np.cumsum(np.diff(disjoint))
    upto = np.column_stack((np.append(0.0, length[:-1]), length))
    # The covered length up to a time grows only inside disjoint spans.
    amounts = np.interp(spans, disjoint.ravel(), upto.ravel())
    return np.asarray(np.diff(amounts)[:, 0])


def near(middle: NDArray[np.int64], half: int, count: int) -> Bools:
    """Whether each grid step lies within `half` steps of a given one."""
    first = np.clip(middle - half, 0, count)
    behind = np.clip(middle + half + 1, 0, count)
    depth = np.cumsum(np.bincount(first, minlength=count + 1)
                      - np.bincount(behind, minlength=count + 1))
    return np.asarray(depth[:count] > 0)
