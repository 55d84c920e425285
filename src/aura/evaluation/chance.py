"""What chance alone would give, and what other people might have given."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aura.evaluation.nested import Held
from aura.recording import Event, Floats
from aura.scoring.intervals import LEVEL
from aura.scoring.score import score

SURROGATES = 500
RESAMPLES = 2000


@dataclass(frozen=True)
class Chance:
    """Seizures that the same alarms would hit at random times."""

    mean: float  # Expected number of seizures hit
    high: float  # As many or fewer in 95 % of the surrogates
    # Part of the surrogates, the truth counted in, that hit as many as were
    # found.
    p_value: float


def by_shifted_alarms(held: Sequence[Held], seed: int,
                      surrogates: int | None = None) -> Chance:
    """
    Shift all alarms of a recording by one random time, around its end.

    How many alarms there are, how long and how far apart, stays as it is;
    only their relation to the seizures goes.

    Source: https://doi.org/10.1103/PhysRevE.67.010901
    """
    random = np.random.default_rng(seed)
    surrogates = SURROGATES if surrogates is None else surrogates
    hits = np.zeros(surrogates)
    for one in held:
        if not one.case.seizures or not one.raised:
            continue
        for number, shift_s in enumerate(
                random.uniform(0.0, one.case.duration_s, surrogates)):
            hits[number] += score(
                one.case.events, _shifted(one, float(shift_s)),
                one.case.duration_s).events.tp
    found = sum(one.score.events.tp for one in held)
    return Chance(
        float(hits.mean()), float(np.quantile(hits, LEVEL)),
        float((1 + np.sum(hits >= found)) / (1 + surrogates)))


def _shifted(held: Held, shift_s: float) -> list[Event]:
    duration_s = held.case.duration_s
    shifted = []
    for event in held.raised:
        onset_s = (event.onset_s + shift_s) % duration_s
        inside_s = min(event.duration_s, duration_s - onset_s)
        shifted.append(Event(onset_s, inside_s))
        if inside_s < event.duration_s:
            shifted.append(Event(0.0, event.duration_s - inside_s))
    return shifted


@dataclass(frozen=True)
class Resampled:
    """The 95 % interval of a figure over resampled patients."""

    low: float  # NaN where no resample defines the figure
    high: float
    undefined: int  # Resamples that do not, such as those without a seizure


def by_patients(held: Sequence[Held], seed: int,
                resamples: int = RESAMPLES) -> dict[str, Resampled]:
    """
    Draw patients anew, with all that is theirs, and count again.

    Seizures and false alarms of one person are alike, so that intervals
    which take them as independent are too narrow. With a handful of
    patients these are no exact ones either.
    """
    names = sorted({one.case.patient for one in held})
    counts = np.zeros((len(names), 4))
    for one in held:
        events = one.score.events
        counts[names.index(one.case.patient)] += (
            events.tp, events.fp, events.ref_true, events.hours)
    drawn = np.random.default_rng(seed).integers(
        0, len(names), (resamples, len(names)))
    tp, fp, truth, hours = counts[drawn].sum(axis=1).T
    return {
        "sensitivity": _interval(tp, truth),
        "false_alarms_per_24h": _interval(24.0 * fp, hours),
        "f1": _interval(2 * tp, tp + fp + truth)}


def _interval(part: Floats, whole: Floats) -> Resampled:
    defined = whole > 0
    values = part[defined] / whole[defined]
    tail = (1 - LEVEL) / 2
    low, high = (np.quantile(values, (tail, 1 - tail)) if len(values)
                 else (np.nan, np.nan))
    return Resampled(float(low), float(high), int((~defined).sum()))
