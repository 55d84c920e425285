"""What is scored: a recording with all that a detector may look at."""

from dataclasses import dataclass

import numpy as np

from aura.detector.forest import Example
from aura.recording import Bools, Floats


@dataclass(frozen=True)
class Case(Example):
    """
    One recording of an evaluation.

    The fields of `aura.detector.forest.Example`, and:
    """

    name: str  # Alias of the recording
    sha256: str  # Digest of the recording's bytes
    # Heart rate over its 5-min median (`ratio_to_recent_median`); NaN where
    # nothing can be said.
    ratio: Floats
    csi_slope: Floats  # See `aura.evaluation.jeppesen`
    # Which features of the schema are missing; no rows where nobody annotated
    # the recording.
    missing: Bools
    # See `aura.evaluation.candidates`; no columns where none are tried.
    candidates: np.ndarray

    @property
    def can_be_scored(self) -> bool:
        """Whether anything at all can be said of the recording."""
        return bool(self.scorable.any())

    @property
    def scorable_s(self) -> float:
        """Seconds of rows that can be scored."""
        return float(self.scorable.sum() * self.hop_s)
