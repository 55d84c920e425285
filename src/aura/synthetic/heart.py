"""The heart rate of a synthetic patient, its rises, and the beats."""
# Integral pulse frequency modulation: https://doi.org/10.1109/10.855382

from dataclasses import dataclass

import numpy as np

from aura.recording import Bools, Floats

RATE_GRID_HZ = 4.0
SLOT_S = 420.0
SEIZURES_PER_H, EFFORTS_PER_H = 1.5, 1.0
SILENT = 0.25  # Share of the seizures without a rise

# A stream of random numbers for each purpose; `waveform` continues them.
_SURGES, _RATE, _ECTOPY, LAST_STREAM = range(4)


@dataclass(frozen=True)
class Heart:
    rest_bpm: float = 68.0  # Mean heart rate at rest
    breath_hz: float = 0.25  # Respiratory rate
    # Relative size of the respiratory, the 0.1 Hz and the slow wave.
    hf_depth: float = 0.035
    lf_depth: float = 0.03
    drift_depth: float = 0.05
    ectopic_fraction: float = 0.001  # Share of beats that come early and wide

    @classmethod
    def random(cls, seed: int) -> "Heart":
        """Draw the traits of a patient from a seed."""
        draw = np.random.default_rng([seed, LAST_STREAM]).uniform
        return cls(draw(56, 80), draw(.2, .3), draw(.02, .05),
                   draw(.02, .04), draw(.03, .06), draw(0, .002))


@dataclass(frozen=True)
class Surge:
    """A rise of the heart rate in a seizure or a physical effort."""

    onset_s: float
    duration_s: float  # Time until recovery begins
    rise_bpm: float  # Height of the plateau; may be 0
    ramp_s: float  # Time from onset to plateau
    recovery_s: float  # Time constant of the recovery
    seizure: bool

    def rate_bpm(self, time_s: Floats) -> Floats:
        ramp = np.clip((time_s - self.onset_s) / self.ramp_s, 0, 1)
        over_s = np.maximum(time_s - self.onset_s - self.duration_s, 0)
        smooth: Floats = ramp * ramp * (3 - 2 * ramp)
        back: Floats = np.exp(-over_s / self.recovery_s)
        return self.rise_bpm * smooth * back


def draw_surges(duration_s: float, seed: int) -> tuple[Surge, ...]:
    """Spread seizures and harmless efforts over a recording."""
    rng = np.random.default_rng([seed, _SURGES])
    slots = int(duration_s // SLOT_S)
    hours = duration_s / 3600
    seizures = min(slots, max(1, round(hours * SEIZURES_PER_H)))
    efforts = min(slots - seizures, round(hours * EFFORTS_PER_H))
    chosen = np.sort(rng.permutation(slots)[:seizures + efforts])
    is_seizure = rng.permutation(np.arange(seizures + efforts) < seizures)
    slot_s = duration_s / max(slots, 1)
    surges = []
    for slot, seizure in zip(chosen, is_seizure):
        onset_s = round(float(slot_s * (slot + rng.uniform(.15, .4))), 1)
        if seizure:
            rise = rng.uniform(35, 70) * (rng.random() >= SILENT)
            surges.append(Surge(
                onset_s, round(rng.uniform(40, 100), 1), rise,
                rng.uniform(10, 30), rng.uniform(40, 80), True))
        else:
            surges.append(Surge(onset_s, round(rng.uniform(120, 160), 1),
                                rng.uniform(15, 35), rng.uniform(80, 120),
                                rng.uniform(60, 120), False))
    return tuple(surges)


def beat_times(duration_s: float, seed: int, heart: Heart,
               surges: tuple[Surge, ...]) -> tuple[Floats, Bools]:
    """Beat times in seconds, and which beats are ectopic: early by 35 %."""
    time_s = np.arange(0, duration_s + 2, 1 / RATE_GRID_HZ)
    turns = np.cumsum(_rate_bpm(time_s, seed, heart, surges)
                      / (60 * RATE_GRID_HZ))
    beats = np.interp(np.arange(1, turns[-1]), turns, time_s)
    beats = beats[beats < duration_s]
    rng = np.random.default_rng([seed, _ECTOPY])
    ectopic = rng.random(len(beats)) < heart.ectopic_fraction
    ectopic[:2] = ectopic[-2:] = False
    ectopic[1:] &= ~ectopic[:-1]
    early = np.flatnonzero(ectopic)
    beats[early] -= .35 * (beats[early] - beats[early - 1])
    return beats, ectopic


def _rate_bpm(time_s: Floats, seed: int, heart: Heart,
              surges: tuple[Surge, ...]) -> Floats:
    rng = np.random.default_rng([seed, _RATE])

    def wave(knot_s: float) -> Floats:
        knots = rng.standard_normal(int(time_s[-1] / knot_s) + 2)
        line: Floats = np.interp(time_s, knot_s * np.arange(len(knots)), knots)
        return line

    def oscillation(hz: float, knot_s: float) -> Floats:
        turns = np.cumsum(hz * (1 + .1 * wave(knot_s))) / RATE_GRID_HZ
        swing: Floats = np.sin(2 * np.pi * (turns + rng.random()))
        return swing

    day = np.cos(2 * np.pi * (time_s / 86400 + rng.random()))
    slow = heart.drift_depth * (.6 * wave(300) + .4 * wave(40) + day)
    rate = heart.rest_bpm * (1 + slow)
    for surge in surges:
        rate += surge.rate_bpm(time_s)
    calm = np.minimum(heart.rest_bpm / np.maximum(rate, 1), 1) ** 2
    rate *= 1 + calm * (heart.hf_depth * oscillation(heart.breath_hz, 20)
                        + heart.lf_depth * oscillation(.1, 40))
    return np.clip(rate, 30, 200)
