"""
Made-up hours without a seizure in which the heart does what alarms like.

Exertion, arousals, ectopic beats and noise: beats of synthetic people
(`heart`), through the very features of a recording. A forest may learn
from them beside real people; nobody's score or threshold comes from them.
"""

from functools import cache

import numpy as np

from aura.detector.forest import MODEL_FEATURES, Example
from aura.ecg import features
from aura.recording import Beats, Floats
from aura.synthetic.heart import Heart, Surge, beat_times

PEOPLE = 12
DURATION_S = 7200.0
# Rise in bpm, seconds to the plateau, on it, and time constant of the way
# back, each from and to; how many in an hour.
EXERTION = (30, 70), (60, 240), (180, 900), (60, 180), 2.0
AROUSAL = (10, 35), (3, 10), (5, 25), (10, 30), 8.0
ECTOPIC = (0.0, 0.02, 0.1, 0.2)
# Bursts of noise: so many in an hour, so long, and with so many more beats.
NOISE_PER_H, NOISE_S, NOISE_SHARE = 6.0, (5.0, 40.0), (0.2, 1.0)


@cache
def hard_negatives(hop_s: float, seed: int) -> tuple[Example, ...]:
    """Twenty-four hours of twelve made-up people without a seizure."""
    return tuple(made_up(number, hop_s, seed) for number in range(PEOPLE))


def made_up(number: int, hop_s: float, seed: int) -> Example:
    """Two hours of one of these people."""
    rng = np.random.default_rng([seed, number])
    own_seed = int(rng.integers(2 ** 31))
    heart = Heart(
        rest_bpm=rng.uniform(55, 85), hf_depth=rng.uniform(.02, .05),
        ectopic_fraction=ECTOPIC[number % len(ECTOPIC)])
    time_s, _ = beat_times(DURATION_S, own_seed, heart, _surges(rng))
    if number % 3 == 2:
        time_s = _with_noise(time_s, rng)
    rows = features.build(
        Beats(time_s, DURATION_S, np.empty((0, 2))), hop_s)

    def column(name: str) -> np.ndarray:
        return rows.values[:, features.NAMES.index(name)]

    return Example(
        patient=f"made-up-{number}", time_s=rows.time_s,
        values=np.column_stack([column(name) for name in MODEL_FEATURES]),
        rise=column("hr_rise").astype(np.float64),
        from_peak=column("hr_from_peak").astype(np.float64),
        heart_rate=column("mean_hr").astype(np.float64),
        scorable=rows.scorable, events=(), duration_s=DURATION_S,
        hop_s=hop_s)


def _surges(rng: np.random.Generator) -> tuple[Surge, ...]:
    made = []
    for rise, ramp, lasts, recovery, per_h in (EXERTION, AROUSAL):
        for _ in range(round(per_h * DURATION_S / 3600)):
            ramp_s = rng.uniform(*ramp)
            made.append(Surge(
                rng.uniform(0, DURATION_S), ramp_s + rng.uniform(*lasts),
                rng.uniform(*rise), ramp_s, rng.uniform(*recovery), False))
    return tuple(made)


def _with_noise(time_s: Floats, rng: np.random.Generator) -> Floats:
    """Beats with others between them where there is noise."""
    more = [time_s]
    for _ in range(round(NOISE_PER_H * DURATION_S / 3600)):
        begin_s = rng.uniform(0, DURATION_S)
        inside = np.flatnonzero(
            (time_s > begin_s) & (time_s < begin_s + rng.uniform(*NOISE_S)))
        chosen = inside[rng.random(len(inside)) < rng.uniform(*NOISE_SHARE)]
        chosen = chosen[chosen > 0]
        part = rng.uniform(.3, .7, len(chosen))
        more.append(time_s[chosen - 1] * part + time_s[chosen] * (1 - part))
    return np.unique(np.round(np.concatenate(more), 6))
