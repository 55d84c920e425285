"""Made-up recordings of an evaluation."""

import numpy as np

from aura.ecg import features
from aura.ecg.baseline import HeartRate, ratio_to_recent_median
from aura.evaluation.detectors import Case
from tests.learning_examples import example


def case(patient, *seizures, name="", missing=None, csi_slope=None,
         **changes):
    """An example of `tests.learning_examples` with the fields of a case."""
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
        missing=missing, more=np.empty((rows, 0), np.float32))


def people(patients=3, control=0, **kwargs):
    """Ten minutes each: patients with a seizure, and a control group."""
    return [*(case(f"p{number}", (300 + 10 * number, 40), seed=number,
                   **kwargs) for number in range(patients)),
            *(case(f"h{number}", seed=50 + number, **kwargs)
              for number in range(control))]
