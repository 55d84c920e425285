"""Recordings as an evaluation sees them, made up row by row."""

import numpy as np

from aura.ecg import features
from aura.ecg.baseline import HeartRate, ratio_to_recent_median
from aura.evaluation.case import Case
from tests.learning_examples import example


def case(patient, *seizures, name="", missing=None, csi_slope=None,
         **changes):
    """An example of `tests.learning_examples` with what a case adds."""
    one = example(patient, *seizures, **changes)
    rows = len(one.time_s)
    if missing is None:
        missing = np.zeros((rows if seizures else 0, len(features.NAMES)),
                           dtype=bool)
    return Case(
        **vars(one), name=name or f"r-{patient}", sha256=f"{patient:0>64}",
        ratio=ratio_to_recent_median(
            HeartRate(one.time_s, one.heart_rate, one.hop_s)),
        csi_slope=np.abs(one.rise) if csi_slope is None else csi_slope,
        missing=missing, candidates=np.empty((rows, 0), np.float32))


def people(patients=3, healthy=0, **kwargs):
    """One seizure in ten minutes of each patient; ten calm ones of others."""
    return [*(case(f"p{number}", (300 + 10 * number, 40), seed=number,
                   **kwargs) for number in range(patients)),
            *(case(f"h{number}", seed=50 + number, **kwargs)
              for number in range(healthy))]
