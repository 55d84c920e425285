"""Rhythms and lead faults whose beats are known exactly."""

from functools import cache
from typing import Any

import numpy as np

from aura import state
from aura.recording import Event
from aura.synthetic.heart import Heart, beat_times
from aura.synthetic.waveform import ECTOPIC_WAVES, WAVES, Sensor, SyntheticEcg

SHORTEST = 0.45  # Shortest interval of an irregular rhythm, as a share


@cache
def rhythms() -> dict[str, dict[str, Any]]:
    """The table of rhythms, by name."""
    return state.beside(__file__)


def rhythm(name: str, duration_s: float = 600.0,
           seed: int = 1) -> SyntheticEcg:
    """The ECG of one rhythm of the table."""
    given = rhythms()[name]
    heart = Heart(given.get("bpm", 68.0), ectopic_fraction=0.0)
    beats, _ = beat_times(duration_s, seed, heart, ())
    rr_s = np.gradient(beats)
    early = np.resize(given.get("early", [0.0]), len(beats))
    beats = beats - early * rr_s
    if spread := given.get("irregular"):
        rng = np.random.default_rng([seed, len(beats)])
        beats = np.cumsum(rr_s * np.maximum(
            1 + spread * rng.standard_normal(len(beats)), SHORTEST))
    inside = beats < duration_s
    faults: tuple[Event, ...] = ()
    if "fault" in given:
        label, every_s, length_s = given["fault"]
        faults = tuple(Event(onset_s, length_s, label) for onset_s
                       in np.arange(every_s, duration_s - length_s, every_s))
    return SyntheticEcg(
        duration_s, seed,
        Sensor(**{key: given[key] for key in (
            "fs_hz", "snr_db", "mains_mv", "mains_hz") if key in given}),
        beats[inside], (early > 0)[inside], faults=faults,
        waves=(np.array(given.get("waves", WAVES)),
               np.array(given.get("ectopic", ECTOPIC_WAVES))))
