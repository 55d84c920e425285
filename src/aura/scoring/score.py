"""Predicted seizures against annotated ones, counted as timescoring does."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from aura.recording import Event, Floats
from aura.scoring.intervals import Estimate, f1, proportion, rate_per_24h
from aura.scoring.matching import SZCORE, EventRules, match, seizure_spans
from aura.spans import covered, union

SAMPLE_GRID_HZ = 1


@dataclass(frozen=True)
class EventScore:
    """Event counts of one recording, or the sum of several."""

    tp: int = 0  # Annotated seizures that were found
    fp: int = 0  # Predicted events that match no seizure
    ref_true: int = 0  # Annotated seizures; like `tp`, joined and cut
    hours: float = 0.0  # Hours of the recordings that have predictions
    strict_fp: int = 0  # Alarms as given that match no seizure
    # First matching alarm minus onset of each found seizure; may be negative.
    latencies_s: tuple[float, ...] = ()

    @property
    def sensitivity(self) -> Estimate:
        """Share of the seizures that was found; NaN without seizures."""
        return proportion(self.tp, self.ref_true)

    @property
    def precision(self) -> Estimate:
        """Share of the predictions that was right; NaN without any."""
        return proportion(self.tp, self.tp + self.fp)

    @property
    def f1(self) -> Estimate:
        """Harmonic mean of both; NaN without seizures and predictions."""
        return f1(self.tp, self.fp, self.ref_true - self.tp)

    @property
    def false_alarms_per_24h(self) -> Estimate:
        """False alarms per 24 h; NaN without hours."""
        return rate_per_24h(self.fp, self.hours)

    @property
    def strict_false_alarms_per_24h(self) -> Estimate:
        """False alarms as given, neither joined nor cut, per 24 h."""
        return rate_per_24h(self.strict_fp, self.hours)

    @property
    def median_latency_s(self) -> float:
        """Median of `latencies_s`; NaN if no seizure was found."""
        if not self.latencies_s:
            return math.nan
        return float(np.median(self.latencies_s))


@dataclass(frozen=True)
class SampleScore:
    """Seconds of one recording, or the sum of several, on a 1 Hz grid."""
    # The intervals assume independent seconds, which neighbours are not.

    tp: int = 0  # Seizure seconds that were found
    fp: int = 0  # Predicted seconds outside seizures
    fn: int = 0  # Seizure seconds that were missed

    @property
    def sensitivity(self) -> Estimate:
        """Share of the seizure seconds that was found."""
        return proportion(self.tp, self.tp + self.fn)

    @property
    def precision(self) -> Estimate:
        """Share of the predicted seconds that was seizure."""
        return proportion(self.tp, self.tp + self.fp)

    @property
    def f1(self) -> Estimate:
        """Harmonic mean of both."""
        return f1(self.tp, self.fp, self.fn)


@dataclass(frozen=True)
class Score:
    """Event and sample score of one recording, or the sum of several."""

    events: EventScore = EventScore()
    samples: SampleScore = SampleScore()


def score(reference: Iterable[Event], hypothesis: Iterable[Event],
          duration_s: float, rules: EventRules = SZCORE) -> Score:
    """
    Compare predicted with annotated events of one recording.

    Parameters
    ----------
    reference, hypothesis : iterable of Event
        Annotated and predicted events, in any order; events that are not
        seizures are passed over.
    duration_s : float
        Length of the recording in seconds.
    rules : EventRules, optional
        How events meet; SzCORE's rules by default.

    Returns
    -------
    Score
        ``events`` and ``samples`` (on a 1 Hz grid) with counts, and with
        ``sensitivity``, ``precision``, ``f1`` and
        ``false_alarms_per_24h`` as estimates with exact intervals.

    References
    ----------
    .. [1] Dan et al. (2024), SzCORE, https://doi.org/10.1111/epi.18113

    Examples
    --------
    >>> import aura
    >>> found = aura.score([aura.Event(600, 60)], [aura.Event(616, 80)], 3600)
    >>> found.events.sensitivity.value, found.events.fp
    (1.0, 0)
    """
    truth = seizure_spans(reference, duration_s)
    alarms = seizure_spans(hypothesis, duration_s)
    return Score(_event_score(truth, alarms, duration_s, rules),
                 _sample_score(truth, alarms))


def score_missed(reference: Iterable[Event], duration_s: float) -> Score:
    """Score of a recording without predictions: no detector saw its hours."""
    missed = score(reference, (), duration_s)
    return Score(EventScore(ref_true=missed.events.ref_true), missed.samples)


def pool(scores: Iterable[Score]) -> Score:
    """Sum of the counts over recordings."""
    listed = list(scores)
    events = [one.events for one in listed]
    samples = [one.samples for one in listed]
    return Score(
        EventScore(sum(e.tp for e in events), sum(e.fp for e in events),
                   sum(e.ref_true for e in events),
                   math.fsum(e.hours for e in events),
                   sum(e.strict_fp for e in events),
                   tuple(x for e in events for x in e.latencies_s)),
        SampleScore(sum(s.tp for s in samples), sum(s.fp for s in samples),
                    sum(s.fn for s in samples)))


def _event_score(truth: Floats, alarms: Floats, duration_s: float,
                 rules: EventRules) -> EventScore:
    found = match(truth, alarms, duration_s, rules)
    latencies_s = found.latencies_s
    return EventScore(
        tp=int(found.hit.sum()), fp=int(found.false.sum()),
        ref_true=len(found.reference), hours=duration_s / 3600.0,
        strict_fp=int((covered(union(found.whole), found.given) == 0).sum()),
        latencies_s=tuple(latencies_s[np.isfinite(latencies_s)].tolist()))


def _sample_score(truth: Floats, alarms: Floats) -> SampleScore:
    reference, hypothesis = (
        union(np.rint(spans * SAMPLE_GRID_HZ)) for spans in (truth, alarms))
    tp = int(covered(reference, hypothesis).sum())
    return SampleScore(tp, int(np.diff(hypothesis).sum()) - tp,
                       int(np.diff(reference).sum()) - tp)
