"""The schema: every measurement in the store, from ``schema.toml``."""

from collections.abc import Mapping
from dataclasses import dataclass

from aura import state

SECOND_NS = 10 ** 9
COMMON_TAGS = ("patient", "recording")
ORIGINAL, PREDICTED = "original", "predicted"
RAW = "raw"
# Zoom levels of the ECG: tag and seconds.
RESOLUTIONS: Mapping[str, float] = {"100ms": 0.1, "1s": 1.0, "10s": 10.0}
MODEL_DIGITS = 12


@dataclass(frozen=True)
class Field:
    """One field: its type in the store, its unit, its meaning."""

    kind: str  # ``float``, ``integer``, ``boolean`` or ``string``
    unit: str
    text: str


@dataclass(frozen=True)
class Measurement:
    name: str  # As the store knows it
    text: str  # What one point is
    tags: tuple[str, ...]  # Besides `COMMON_TAGS`
    # In the order in which they are written; a missing value has no field.
    fields: Mapping[str, Field]


MEASUREMENTS = tuple(
    Measurement(name, about["text"], tuple(about["tags"]), {
        field: Field(*known) for field, known in about["fields"].items()})
    for name, about in state.beside(__file__).items())

(RECORDING, ECG, BEAT, HEART_RATE, FEATURE, QUALITY, UNSCORABLE,
 PROBABILITY, EVENT, AGREEMENT, SCORE) = MEASUREMENTS
