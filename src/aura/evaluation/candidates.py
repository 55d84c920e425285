"""Variants of the forest that ``aura evaluate --candidates`` compares."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial

import numpy as np
from scipy.ndimage import maximum_filter1d  # type: ignore[import-untyped]

from aura.detector.forest import MODEL_FEATURES, Example
from aura.detector.training import RULE
from aura.detector.validation import Scorer, fit_forest
from aura.ecg import features
from aura.ecg.rr import Kind
from aura.evaluation.case import Case
from aura.evaluation.detectors import Detector
from aura.recording import Beats, Floats
from aura.synthetic.heart import Heart, Surge, beat_times

RHYTHM_S = 60.0
RHYTHM_BEATS = 60
PEAK_S = 300.0
# Heart rate above its baseline at which an alarm would begin and end.
ALARM_BPM, ALARM_END_BPM = 30.0, 18.0
ALARM_S, AFTER_ALARM_S = 300.0, 180.0

# Columns of the feature table that are candidates as they are.
TABLED = ("hr_slope_10", "hr_slope_30", "hr_from_peak")
NAMES = ("ectopic_rate", "rejected_rate", "irregularity", "hr_recovered",
         "hr_rise_frozen", *TABLED)
# Sets of columns: key, name, columns.
SETS = (
    ("rhythm", "ectopy, irregularity and rejection rate", NAMES[:3]),
    ("recovery", "shape of the recovery", ("hr_recovered", "hr_from_peak")),
    ("ascent", "steepness of the ascent", TABLED[:2]),
    ("frozen", "baseline frozen in and after alarms", ("hr_rise_frozen",)),
)

PEOPLE = 12  # Made-up people
DURATION_S = 7200.0
# Rise in bpm, seconds up, at the top and of the way down, number an hour.
EXERTION = (30, 70), (60, 240), (180, 900), (60, 180), 2.0
AROUSAL = (10, 35), (3, 10), (5, 25), (10, 30), 8.0
ECTOPIC = (0.0, 0.02, 0.1, 0.2)
# Bursts of noise: how many in an hour, how long, share of extra beats.
NOISE_PER_H, NOISE_S, NOISE_SHARE = 6.0, (5.0, 40.0), (0.2, 1.0)


def detectors() -> Iterator[Detector]:
    for key, name, names in SETS:
        yield Detector(
            f"forest_{key}", f"RandomForest + {name}",
            "Beside its own two features the forest sees "
            f"{', '.join(names)}.", RULE, partial(_with_columns, names))
    yield Detector(
        "forest_negatives", "RandomForest + made-up hard negatives",
        "The forest learns besides from a made-up day without seizures: "
        "exertion, arousals, ectopic beats, noise.", RULE, _with_negatives)


def _with_columns(names: Sequence[str], cases: Sequence[Case],
                  seed: int) -> Scorer[Case]:
    places = [NAMES.index(name) for name in names]

    def extended(case: Case) -> Case:
        return replace(case, values=np.column_stack(
            [case.values, case.candidates[:, places]]),
            columns=(*case.columns, *names))

    scorer = fit_forest([extended(case) for case in cases], seed)
    return lambda case: scorer(extended(case))


def _with_negatives(cases: Sequence[Case], seed: int) -> Scorer[Case]:
    return fit_forest([*cases, *hard_negatives(cases[0].hop_s, seed)], seed)


# Columns

def columns(intervals: Mapping[str, np.ndarray],
            table: Mapping[str, np.ndarray], hop_s: float) -> np.ndarray:
    bpm = np.where(table["scorable"], table["mean_hr"], np.nan)
    return np.column_stack([
        *rhythm(intervals["time_s"], intervals["rr_s"], intervals["kind"],
                table["time_s"]),
        recovered(bpm, hop_s),
        bpm - frozen_baseline(bpm, table["hr_base"], hop_s),
        *(table[name] for name in TABLED)]).astype(np.float32)


def rhythm(time_s: Floats, rr_s: Floats, kind: np.ndarray,
           end_s: Floats) -> tuple[Floats, Floats, Floats]:
    """Share of ectopic beats, share of rejected time, and irregularity."""
    plausible = (kind == Kind.NORMAL) | (kind == Kind.ECTOPIC)
    at_s, length_s = time_s[plausible], rr_s[plausible]
    begin = np.searchsorted(at_s, end_s - RHYTHM_S, side="right")
    stop = np.searchsorted(at_s, end_s, side="right")

    def total(values: np.ndarray) -> Floats:
        running = np.concatenate([[0.0], np.cumsum(values)])
        summed: Floats = running[stop] - running[begin]
        return summed

    count = stop - begin
    ectopic = np.divide(total(kind[plausible] == Kind.ECTOPIC), count,
                        out=np.full(len(end_s), np.nan), where=count > 0)
    rejected = np.clip(1 - total(length_s) / np.minimum(end_s, RHYTHM_S), 0, 1)
    irregular = np.full(len(at_s) + 1, np.nan)
    if len(at_s) > RHYTHM_BEATS:
        change = np.abs(np.diff(length_s))
        irregular[RHYTHM_BEATS + 1:] = (
            _medians(change) / _medians(length_s[1:]))
    return ectopic, rejected, irregular[stop]


def recovered(bpm: Floats, hop_s: float) -> Floats:
    """Heart rate minus its highest value in the last 5 min, in bpm."""
    size = max(round(PEAK_S / hop_s), 1)
    highest = maximum_filter1d(
        np.where(np.isfinite(bpm), bpm, -np.inf), size, mode="constant",
        cval=-np.inf, origin=(size - 1) // 2)
    below: Floats = bpm - highest
    return below


def frozen_baseline(bpm: Floats, base: Floats, hop_s: float) -> Floats:
    """The baseline, held while the heart rate is high and 3 min longer."""
    found = base.astype(np.float64)
    at, count = 0, len(base)
    over = np.flatnonzero(bpm - found >= ALARM_BPM)
    longest = round(ALARM_S / hop_s)
    after = round(AFTER_ALARM_S / hop_s)
    while True:
        place = int(np.searchsorted(over, at))
        if place == len(over):
            return found
        begin = int(over[place])
        rise = bpm[begin:begin + longest] - found[begin]
        ended = np.flatnonzero(rise < ALARM_END_BPM)
        stop = min(begin + (int(ended[0]) if len(ended) else longest)
                   + after, count)
        found[begin:stop] = found[begin]
        at = stop


def _medians(values: Floats) -> Floats:
    """Medians of 60 successive values, from the sixtieth value on."""
    medians: Floats = np.median(np.lib.stride_tricks.sliding_window_view(
        values, RHYTHM_BEATS), axis=1)
    return medians


# Made-up hours without seizures

@cache
def hard_negatives(hop_s: float, seed: int) -> tuple[Example, ...]:
    """Twelve made-up people without seizures, two hours each."""
    return tuple(made_up(number, hop_s, seed) for number in range(PEOPLE))


def made_up(number: int, hop_s: float, seed: int) -> Example:
    """Two hours of one made-up person."""
    rng = np.random.default_rng([seed, number])
    own_seed = int(rng.integers(2 ** 31))
    heart = Heart(rest_bpm=rng.uniform(55, 85), hf_depth=rng.uniform(.02, .05),
                  ectopic_fraction=ECTOPIC[number % len(ECTOPIC)])
    time_s, _ = beat_times(DURATION_S, own_seed, heart, _surges(rng))
    if number % 3 == 2:
        time_s = _with_noise(time_s, rng)
    rows = features.build(Beats(time_s, DURATION_S, np.empty((0, 2))), hop_s)

    def column(name: str) -> np.ndarray:
        return rows.values[:, features.NAMES.index(name)]

    return Example(
        patient=f"made-up-{number}", time_s=rows.time_s,
        values=np.column_stack([column(name) for name in MODEL_FEATURES]),
        rise=column("hr_rise").astype(np.float64),
        from_peak=column("hr_from_peak").astype(np.float64),
        heart_rate=column("mean_hr").astype(np.float64),
        scorable=rows.scorable, events=(), duration_s=DURATION_S, hop_s=hop_s)


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
    """Beats with false beats between them during bursts of noise."""
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
