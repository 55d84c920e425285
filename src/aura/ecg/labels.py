"""Labels of feature rows: how much of each hop is annotated as seizure."""

from collections.abc import Sequence

import numpy as np

from aura.recording import Event, Floats
from aura.spans import covered, union


def seizure_fraction(events: Sequence[Event], end_s: Floats,
                     hop_s: float) -> Floats:
    """
    Fraction of each hop that lies in an annotated seizure.

    Parameters
    ----------
    events : sequence of Event
        Annotations on the recording's own clock; those that are no seizure
        are passed over, overlapping ones count once.
    end_s : ndarray, shape (n_rows,)
        Ends of the hops in seconds.
    hop_s : float
        Length of a hop in seconds.

    Returns
    -------
    ndarray, shape (n_rows,)
        In [0, 1]. Summed and multiplied by the hop it is the seconds of
        seizure inside the rows.
    """
    spans = np.array(
        sorted((e.onset_s, e.end_s) for e in events if e.is_seizure),
        dtype=np.float64).reshape(-1, 2)
    hops = np.column_stack([end_s - hop_s, end_s])
    return np.clip(covered(union(spans), hops) / hop_s, 0.0, 1.0)
