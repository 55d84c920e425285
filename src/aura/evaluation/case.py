"""A recording with everything that a detector may look at."""

from dataclasses import dataclass

import numpy as np

from aura.detector.forest import Example
from aura.recording import Bools, Floats


@dataclass(frozen=True)
class Case(Example):
    """A recording of an evaluation; the forest sees the part `Example`."""

    name: str  # Alias of the recording
    sha256: str  # Digest of the recording's bytes
    ratio: Floats  # Heart rate over its 5-min median; NaN if unscorable
    csi_slope: Floats  # See `aura.evaluation.detectors.csi_slope`
    missing: Bools  # Missing features; no rows without events
    candidates: np.ndarray  # No columns unless asked for

    @property
    def can_be_scored(self) -> bool:
        return bool(self.scorable.any())

    @property
    def scorable_s(self) -> float:
        return float(self.scorable.sum() * self.hop_s)
