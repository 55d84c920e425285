"""
Seizure detections against annotations, as SzCORE counts them.

The counts are those of timescoring 0.0.7, the reference implementation,
for sorted events inside the recording. Where that is silently wrong this
module is not: events may come in any order, overlap, hold one another,
start or end outside the recording (only the part inside counts), or be
shorter than a step of the time grid (they take one step).

References
----------
.. [1] Dan et al. (2024). SzCORE: Seizure Community Open-Source Research
   Evaluation framework for the validation of electroencephalography-based
   automated seizure detection algorithms. Epilepsia.
   https://doi.org/10.1111/epi.18113
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from aura.recording import Event, Floats
from aura.scoring.intervals import Estimate, f1, proportion, rate_per_24h
from aura.scoring.matching import SZCORE, EventRules, meet, seizure_spans
from aura.spans import covered, union

SAMPLE_GRID_HZ = 1


@dataclass(frozen=True)
class EventScore:
    """Event counts of one recording, or the sum of several."""

    tp: int = 0  # Annotated seizures that were detected
    fp: int = 0  # Detected events that meet no detected seizure
    # Annotated seizures; like `tp` after merging and cutting.
    ref_true: int = 0
    # Hours in which false alarms could occur: those with detections to look
    # at.
    hours: float = 0.0
    # Alarms as given, neither merged nor cut, that meet no seizure with its
    # tolerances.
    strict_fp: int = 0
    # For each detected seizure (merged, not cut): onset of the first alarm as
    # given that meets it, minus onset of the seizure. Negative where the alarm
    # came first.
    latencies_s: tuple[float, ...] = ()

    @property
    def sensitivity(self) -> Estimate:
        """Part of the seizures that was detected; NaN without seizures."""
        return proportion(self.tp, self.ref_true)

    @property
    def precision(self) -> Estimate:
        """Part of the detections that was right; NaN without any."""
        return proportion(self.tp, self.tp + self.fp)

    @property
    def f1(self) -> Estimate:
        """Harmonic mean of both; NaN without seizures and detections."""
        return f1(self.tp, self.fp, self.ref_true - self.tp)

    @property
    def false_alarms_per_24h(self) -> Estimate:
        """False alarms per 24 h; NaN without hours."""
        return rate_per_24h(self.fp, self.hours)

    @property
    def strict_false_alarms_per_24h(self) -> Estimate:
        """Alarms as given, neither merged nor cut, that are false."""
        return rate_per_24h(self.strict_fp, self.hours)

    @property
    def median_latency_s(self) -> float:
        """Median of `latencies_s`; NaN without a hit."""
        if not self.latencies_s:
            return math.nan
        return float(np.median(self.latencies_s))


@dataclass(frozen=True)
class SampleScore:
    """
    Seconds of one recording, or the sum of several, on a 1 Hz grid.

    The intervals take seconds as independent, which neighbours are not:
    read them as the least uncertainty there is.
    """

    # Seconds of seizure that were detected, seconds detected outside seizures,
    # seconds of seizure that were missed.
    tp: int = 0
    fp: int = 0
    fn: int = 0

    @property
    def sensitivity(self) -> Estimate:
        """Part of the seizure seconds that was detected."""
        return proportion(self.tp, self.tp + self.fn)

    @property
    def precision(self) -> Estimate:
        """Part of the detected seconds that was seizure."""
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


@dataclass(frozen=True)
class PatientMean:
    """A metric averaged over the patients for whom it is defined."""

    mean: float  # Mean and standard deviation (ddof 0); NaN without patients
    std: float
    patients: int  # Patients for whom the metric is defined


def score(reference: Iterable[Event], hypothesis: Iterable[Event],
          duration_s: float, rules: EventRules = SZCORE) -> Score:
    """Compare detected with annotated events of one recording."""
    truth = seizure_spans(reference, duration_s)
    alarms = seizure_spans(hypothesis, duration_s)
    return Score(_event_score(truth, alarms, duration_s, rules),
                 _sample_score(truth, alarms))


def score_missed(reference: Iterable[Event], duration_s: float,
                 rules: EventRules = SZCORE) -> Score:
    """
    Score of a recording for which there is no hypothesis at all.

    Its seizures are missed. Its hours do not count: nobody looked for
    alarms in them, and they must not dilute the rate of false ones.
    Parameters and errors are those of `score`.
    """
    missed = score(reference, (), duration_s, rules)
    return Score(EventScore(ref_true=missed.events.ref_true), missed.samples)


def pool(scores: Iterable[Score]) -> Score:
    """Sum of the counts over recordings."""
    listed = list(scores)
    events = [one.events for one in listed]
    samples = [one.samples for one in listed]
    return Score(
        EventScore(
            sum(e.tp for e in events), sum(e.fp for e in events),
            sum(e.ref_true for e in events),
            math.fsum(e.hours for e in events),
            sum(e.strict_fp for e in events),
            tuple(x for e in events for x in e.latencies_s)),
        SampleScore(
            sum(s.tp for s in samples), sum(s.fp for s in samples),
            sum(s.fn for s in samples)))


def mean_over_patients(values: Sequence[float]) -> PatientMean:
    """Average one metric over patients, as SzCORE does by default."""
    defined = np.array([x for x in values if not math.isnan(x)])
    if not len(defined):
        return PatientMean(math.nan, math.nan, 0)
    return PatientMean(
        float(defined.mean()), float(defined.std()), len(defined))


def _event_score(truth: Floats, alarms: Floats, duration_s: float,
                 rules: EventRules) -> EventScore:
    met = meet(truth, alarms, duration_s, rules)
    latencies_s = met.latencies_s
    return EventScore(
        tp=int(met.hit.sum()), fp=int(met.false.sum()),
        ref_true=len(met.reference), hours=duration_s / 3600.0,
        strict_fp=int((covered(union(met.whole), met.given) == 0).sum()),
        latencies_s=tuple(latencies_s[np.isfinite(latencies_s)].tolist()))


def _sample_score(truth: Floats, alarms: Floats) -> SampleScore:
    reference, hypothesis = (
        union(np.rint(spans * SAMPLE_GRID_HZ)) for spans in (truth, alarms))
    tp = int(covered(reference, hypothesis).sum())
    return SampleScore(tp, int(np.diff(hypothesis).sum()) - tp,
                       int(np.diff(reference).sum()) - tp)
