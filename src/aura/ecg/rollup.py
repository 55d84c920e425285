"""Fewer samples to draw: the extremes of each stretch, R peaks kept."""

import numpy as np

from aura import state
from aura.recording import Floats


def minmax(samples: Floats, factor: int) -> tuple[Floats, Floats]:
    """Smallest and largest value of each `factor` samples."""
    if factor < 1:
        raise state.error("rollup.factor", factor=factor)
    if not len(samples):
        return samples.copy(), samples.copy()
    starts = np.arange(0, len(samples), factor)
    return (np.fmin.reduceat(samples, starts),
            np.fmax.reduceat(samples, starts))
