"""Labels of feature rows: how much of each hop is annotated as seizure."""

from collections.abc import Sequence

import numpy as np

from aura.recording import Event, Floats
from aura.spans import covered, union


def seizure_fraction(events: Sequence[Event], end_s: Floats,
                     hop_s: float) -> Floats:
    """Fraction of each hop that lies in an annotated seizure."""
    spans = np.array(
        sorted((e.onset_s, e.end_s) for e in events if e.is_seizure),
        dtype=np.float64).reshape(-1, 2)
    hops = np.column_stack([end_s - hop_s, end_s])
    return np.clip(covered(union(spans), hops) / hop_s, 0.0, 1.0)
