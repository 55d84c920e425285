"""Annotated recordings as the trainer sees them, made up row by row."""

import numpy as np

from aura.detector.forest import Example
from aura.recording import Event


def example(patient, *seizures, seconds=600, seed=0, hop_s=1.0, surge=40.0,
            **changes):
    """A calm heart rate that rises during each (onset, duration)."""
    random = np.random.default_rng(seed)
    time_s = np.arange(1, round(seconds / hop_s) + 1) * hop_s
    rate = 70 + random.normal(0, 3, len(time_s))
    for onset_s, duration_s in seizures:
        inside = (time_s > onset_s) & (time_s <= onset_s + duration_s)
        rate[inside] += surge
    over = rate - 70
    recent = np.lib.stride_tricks.sliding_window_view(
        np.concatenate([np.full(59, -np.inf), rate]), 60).max(axis=1)
    known = {
        "patient": patient, "time_s": time_s,
        "values": np.column_stack([over, over - 5]).astype(np.float32),
        "rise": over, "from_peak": rate - recent, "heart_rate": rate,
        "scorable": np.ones(len(time_s), dtype=bool),
        "events": tuple(Event(*span) for span in seizures),
        "duration_s": float(seconds), "hop_s": hop_s}
    return Example(**{**known, **changes})


def cohort(patients=3, **kwargs):
    """One recording with one seizure for each patient."""
    return [example(f"p{number}", (300 + 10 * number, 40), seed=number,
                    **kwargs) for number in range(patients)]
