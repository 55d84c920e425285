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

from aura.errors import InvalidInputError
from aura.intervals import Estimate, f1, proportion, rate_per_24h
from aura.recording import Event, Floats
from aura.spans import covered, cut, merge, union

EVENT_GRID_HZ = 10
SAMPLE_GRID_HZ = 1
# The reference implementation asks for this much more than `min_overlap`.
OVERLAP_MARGIN = 1e-6


@dataclass(frozen=True)
class EventRules:
    """
    When a detected event meets an annotated one; SzCORE's by default.

    Parameters
    ----------
    tolerance_before_s, tolerance_after_s : float
        A detection may lie this far before the start and after the end.
    min_overlap : float
        Smallest part of a seizure with its tolerances that detections must
        cover, exclusive; 0 means that any overlap is a hit.
    merge_gap_s : float
        Events closer than this are one, in annotation and detection alike.
    max_duration_s : float
        Events longer than this are cut into pieces of it.
    """

    tolerance_before_s: float = 30.0
    tolerance_after_s: float = 60.0
    min_overlap: float = 0.0
    merge_gap_s: float = 90.0
    max_duration_s: float = 300.0

    def __post_init__(self) -> None:
        if not self.max_duration_s >= 1 / EVENT_GRID_HZ:
            raise InvalidInputError(
                "scoring.rules",
                f"events of at most {self.max_duration_s!r} s are too short",
                f"the shortest is one step of {1 / EVENT_GRID_HZ} s")


SZCORE = EventRules()


@dataclass(frozen=True)
class EventScore:
    """
    Event counts of one recording, or the sum of several.

    Parameters
    ----------
    tp : int
        Annotated seizures that were detected.
    fp : int
        Detected events that meet no detected seizure.
    ref_true : int
        Annotated seizures; like `tp` after merging and cutting.
    hours : float
        Hours in which false alarms could occur: those with detections to
        look at.
    strict_fp : int
        Alarms as given, neither merged nor cut, that meet no seizure with
        its tolerances.
    latencies_s : tuple of float
        For each detected seizure (merged, not cut): onset of the first
        alarm as given that meets it, minus onset of the seizure. Negative
        where the alarm came first.
    """

    tp: int = 0
    fp: int = 0
    ref_true: int = 0
    hours: float = 0.0
    strict_fp: int = 0
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

    Parameters
    ----------
    tp, fp, fn : int
        Seconds of seizure that were detected, seconds detected outside
        seizures, seconds of seizure that were missed.
    """

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
    """
    A metric averaged over the patients for whom it is defined.

    Parameters
    ----------
    mean, std : float
        Mean and standard deviation (ddof 0); NaN without patients.
    patients : int
        Patients for whom the metric is defined.
    """

    mean: float
    std: float
    patients: int


def score(reference: Iterable[Event], hypothesis: Iterable[Event],
          duration_s: float, rules: EventRules = SZCORE) -> Score:
    """
    Compare detected with annotated events of one recording.

    Parameters
    ----------
    reference, hypothesis : iterable of Event
        Annotated and detected events in any order; those that are no
        seizures (``bckg``, ``impd``) are passed over.
    duration_s : float
        Length of the recording.
    rules : EventRules
        How events are counted.

    Returns
    -------
    Score

    Raises
    ------
    InvalidInputError
        If the duration is not above 0, or an event is negative in length
        or not finite.
    """
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
    """
    Average one metric over patients, as SzCORE does by default.

    Parameters
    ----------
    values : sequence of float
        The metric of each patient; NaN where it is undefined.
    """
    defined = np.array([x for x in values if not math.isnan(x)])
    if not len(defined):
        return PatientMean(math.nan, math.nan, 0)
    return PatientMean(
        float(defined.mean()), float(defined.std()), len(defined))


def seizure_spans(events: Iterable[Event], duration_s: float) -> Floats:
    """
    Seizures among the events, inside the recording, in order.

    Parameters
    ----------
    events : iterable of Event
        Events of any label, in any order.
    duration_s : float
        Length of the recording.

    Returns
    -------
    ndarray, shape (n_seizures, 2)
        Start and end in seconds, sorted; may overlap. An event outside the
        recording is left out, one across its border is cut there.

    Raises
    ------
    InvalidInputError
        As for `score`.
    """
    if not 0 < duration_s < math.inf:
        raise InvalidInputError(
            "scoring.duration", f"the recording lasts {duration_s!r} s",
            "a duration is finite and above 0")
    spans = np.array(
        sorted((e.onset_s, e.end_s) for e in events if e.is_seizure),
        dtype=np.float64).reshape(-1, 2)
    wrong = ~np.isfinite(spans).all(axis=1) | (spans[:, 1] < spans[:, 0])
    if wrong.any():
        start, end = spans[wrong][0].tolist()
        raise InvalidInputError(
            "scoring.event", f"an event goes from {start} s to {end} s",
            "onset and duration are finite, the duration is not negative")
    starts, ends = spans.T
    inside = (starts < duration_s) & ((ends > 0) | (starts == 0))
    clipped: Floats = np.clip(spans[inside], 0.0, duration_s)
    return clipped


def _event_score(truth: Floats, alarms: Floats, duration_s: float,
                 rules: EventRules) -> EventScore:
    steps = max(1, round(duration_s * EVENT_GRID_HZ))
    merged_truth = merge(truth, rules.merge_gap_s)
    reference = cut(merged_truth, rules.max_duration_s)
    hypothesis = _on_grid(
        cut(merge(alarms, rules.merge_gap_s), rules.max_duration_s), steps)
    extended = _extend(reference, steps, rules)
    windows = _on_grid(extended, steps)
    length = np.maximum(np.diff(extended)[:, 0], 1 / EVENT_GRID_HZ)
    overlap = covered(union(hypothesis), windows) / EVENT_GRID_HZ / length
    hit = overlap > rules.min_overlap + OVERLAP_MARGIN
    false = covered(union(windows[hit]), hypothesis) == 0
    whole = _on_grid(_extend(merged_truth, steps, rules), steps)
    given = _on_grid(alarms, steps)
    return EventScore(
        tp=int(hit.sum()), fp=int(false.sum()), ref_true=len(reference),
        hours=duration_s / 3600.0,
        strict_fp=int((covered(union(whole), given) == 0).sum()),
        latencies_s=_latencies(merged_truth, whole, alarms, given))


def _sample_score(truth: Floats, alarms: Floats) -> SampleScore:
    reference, hypothesis = (
        union(np.rint(spans * SAMPLE_GRID_HZ)) for spans in (truth, alarms))
    tp = int(covered(reference, hypothesis).sum())
    return SampleScore(tp, int(np.diff(hypothesis).sum()) - tp,
                       int(np.diff(reference).sum()) - tp)


def _latencies(truth: Floats, windows: Floats, alarms: Floats,
               given: Floats) -> tuple[float, ...]:
    # The first alarm whose end lies behind the start of a window is the
    # first that can meet it; it does if it starts before the window's end.
    reach = np.maximum.accumulate(given[:, 1])
    first = np.searchsorted(reach, windows[:, 0], side="right")
    return tuple(
        float(alarms[i, 0] - onset)
        for i, onset, end in zip(first, truth[:, 0], windows[:, 1])
        if i < len(alarms) and given[i, 0] < end)


def _extend(spans: Floats, steps: int, rules: EventRules) -> Floats:
    """Add the tolerances, inside the recording."""
    return np.column_stack((
        np.maximum(0.0, spans[:, 0] - rules.tolerance_before_s),
        np.minimum(steps / EVENT_GRID_HZ,
                   spans[:, 1] + rules.tolerance_after_s)))


def _on_grid(spans: Floats, steps: int) -> Floats:
    """Steps of the event grid that spans take: at least one, all inside."""
    starts, stops = np.rint(spans * EVENT_GRID_HZ).T
    starts = np.minimum(starts, steps - 1)
    return np.column_stack((
        starts, np.clip(stops, starts + 1, steps)))
