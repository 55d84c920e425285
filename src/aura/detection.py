"""From samples or beats to alarms: the one way that everything here takes."""
# Steps import what they need when called: an image has one step only.

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from aura import state
from aura.frame import Frame
from aura.recording import (
    ArraySignal, Beats, Bools, Event, Floats, Recording, Signal)

if TYPE_CHECKING:
    from aura.detector.alarms import AlarmRule
    from aura.detector.model import Model
    from aura.ecg.features import FeatureRows

Source = Recording | Beats | Signal | ArrayLike


@runtime_checkable
class Parted(Protocol):
    """A signal with gaps: its continuous parts, each with its onset."""

    duration_s: float

    def parts(self) -> Iterator[tuple[float, Signal]]:
        """Yield the onset in seconds and the signal of each part."""


@dataclass(frozen=True)
class Detection(Frame):
    """
    What a model found in one recording, step by step.

    Parameters
    ----------
    beats : Beats
        R peaks, and the spans that cannot be scored.
    features : FeatureRows
        All features, one row per hop.
    probability : ndarray, shape (n_rows,)
        Score of the forest in [0, 1]; NaN where a row cannot be scored.
        It is a score and not a chance (docs/evaluation.md).
    smoothed : ndarray, shape (n_rows,)
        Causal mean of `probability`, which the threshold is compared with.
    threshold : float
        Threshold of the model.
    events : tuple of Event
        Alarms in order; `confidence` is the highest smoothed score.

    Examples
    --------
    >>> import aura
    >>> model = aura.train([
    ...     aura.simulate(1200, seizures=[(600, 60)], seed=n) for n in (1, 2)])
    >>> found = aura.detect(aura.simulate(1200), model)
    >>> found.to_pandas().columns.to_list()
    ['time_s', 'scorable', 'probability', 'smoothed']
    """

    beats: Beats
    features: "FeatureRows"
    probability: Floats
    smoothed: Floats
    threshold: float
    events: tuple[Event, ...]

    def columns(self) -> dict[str, np.ndarray]:
        """Time, whether it can be scored, and both scores of each row."""
        return {"time_s": self.features.time_s,
                "scorable": self.features.scorable,
                "probability": self.probability, "smoothed": self.smoothed}


def find_beats(source: Source, fs_hz: float | None = None) -> Beats:
    """
    Find the R peaks of an ECG, and the spans where they mean nothing.

    No beat is looked for across a gap of the file. Memory is bounded by a
    segment of 15 min, however long the recording is.

    Parameters
    ----------
    source : Recording, Signal or array_like, shape (n_samples,)
        One ECG lead in any unit and either polarity; NaN where samples
        are missing.
    fs_hz : float, optional
        Sampling rate in hertz; needed for an array, at least 50 Hz.

    Returns
    -------
    Beats
        Times in seconds from the first sample, to the microsecond.

    Raises
    ------
    InvalidInputError
        If an array is not one-dimensional and numeric or has no rate, or
        if the recording has neither a waveform nor beats at hand.

    References
    ----------
    .. [1] Pan and Tompkins (1985), https://doi.org/10.1109/TBME.1985.325532
    .. [2] Brunner and Hofer (2023), SleepECG,
       https://doi.org/10.21105/joss.05411

    Examples
    --------
    >>> import aura
    >>> night = aura.simulate(60)
    >>> beats = aura.find_beats(night.samples(), night.fs_hz)
    >>> beats.time_s[:2].round(2).tolist(), len(beats.unscorable)
    ([0.81, 1.83], 0)
    """
    if isinstance(source, Beats):
        return source
    from aura.ecg.rr import without_stuck
    if isinstance(source, Recording):
        if source.beats is not None:
            return without_stuck(source.beats)
        if source.signal is None:
            raise state.error("recording.no_signal")
        source = source.signal
    signal = (source if isinstance(source, Signal) else _array(source, fs_hz))
    from aura.ecg import beats
    if not isinstance(signal, Parted):
        return without_stuck(beats.find_beats(signal))
    return without_stuck(beats.joined([
        (onset_s, beats.find_beats(part))
        for onset_s, part in signal.parts()], signal.duration_s))


def features(source: Source, fs_hz: float | None = None, *,
             hop_s: float = 1.0) -> "FeatureRows":
    """
    Compute the features of a recording, one row per hop.

    A row at time t describes windows of 10, 60 and 150 s and up to 30 min
    that end at t; nothing looks ahead.

    Parameters
    ----------
    source : Recording, Beats, Signal or array_like, shape (n_samples,)
        As for `find_beats`; `Beats` are taken as they are.
    fs_hz : float, optional
        Sampling rate in hertz; needed for an array.
    hop_s : float
        Seconds from one row to the next.

    Returns
    -------
    FeatureRows
        ``time_s`` and ``scorable``, shape (n_rows,), and ``values``, shape
        (n_rows, n_features), in the units of ``aura.ecg.features.SCHEMA``;
        ``to_pandas()`` and ``to_arrow()`` give named columns.

    Raises
    ------
    InvalidInputError
        As for `find_beats`, or if `hop_s` is not a positive number.

    References
    ----------
    .. [1] Task Force of the European Society of Cardiology (1996),
       https://doi.org/10.1161/01.CIR.93.5.1043

    Examples
    --------
    >>> import aura
    >>> rows = aura.features(aura.simulate(600))
    >>> len(rows.time_s)
    600
    >>> rows.to_pandas()["mean_hr"].iloc[-1].round().item()
    54.0
    """
    if not 0 < hop_s < np.inf:
        raise state.error("features.hop", hop_s=hop_s)
    from aura.ecg import features as ecg_features
    return ecg_features.build(find_beats(source, fs_hz), hop_s)


def detect(source: Source, model: "Model", fs_hz: float | None = None, *,
           adapt_after_h: float = 0.0) -> Detection:
    """
    Find seizures in one recording with a trained model.

    The result equals that of ``aura predict`` on the same recording.

    Parameters
    ----------
    source : Recording, Beats, Signal or array_like, shape (n_samples,)
        As for `find_beats`; `Beats` are taken as they are.
    model : Model
        From `load_model` or `train`.
    fs_hz : float, optional
        Sampling rate in hertz; needed for an array.
    adapt_after_h : float
        Scorable hours after which the recording's own past may raise the
        threshold; 0 leaves it to the model.

    Returns
    -------
    Detection
        Beats, features, scores and alarms.

    Raises
    ------
    InvalidInputError
        As for `find_beats`.
    PreconditionError
        If the model was trained on other features.

    Examples
    --------
    >>> import aura
    >>> model = aura.train([
    ...     aura.simulate(1200, seizures=[(600, 60)], seed=n) for n in (1, 2)])
    >>> night = aura.simulate(1200, seizures=[(800, 60)], seed=99)
    >>> found = aura.detect(night, model)
    >>> [round(event.onset_s) for event in found.events]
    [816]
    """
    from aura.detector.alarms import rule_of
    from aura.detector.model import check_features
    from aura.ecg.features import NAMES, SCHEMA, SCHEMA_ID
    check_features(model, SCHEMA_ID, SCHEMA)
    beats = find_beats(source, fs_hz)
    rows = features(beats, hop_s=model.hop_s)
    probability = probabilities(
        model, [rows.values[:, NAMES.index(name)]
                for name in model.features], rows.scorable)
    rule = rule_of(model.alarm, adapt_after_h)
    smoothed, events = raise_alarms(probability, model.hop_s, rule)
    return Detection(beats, rows, probability, smoothed, rule.threshold,
                     tuple(events))


def train(recordings: Iterable[Recording], *, target_far: float = 1.0,
          seed: int = 1, hop_s: float = 1.0,
          adapt_after_h: float = 0.0) -> "Model":
    """
    Train a random forest and validate it patient by patient.

    Parameters
    ----------
    recordings : iterable of Recording
        Annotated recordings of two or more patients with seizures. Those
        without an annotation, or with one in doubt, are left out.
    target_far : float
        False alarms per 24 h at which the alarm threshold is set.
    seed : int
        Everything random follows from it.
    hop_s : float
        Seconds from one row of features to the next.
    adapt_after_h : float
        Scorable hours after which a recording's own past may raise the
        threshold; 0 for never.

    Returns
    -------
    Model
        The forest, its alarm rule, and in ``card["validation"]`` what it
        found in patients left out of training.

    Raises
    ------
    PreconditionError
        If the recordings are too few to learn from, or to validate.

    Examples
    --------
    >>> import aura
    >>> model = aura.train([
    ...     aura.simulate(1200, seizures=[(600, 60)], seed=n) for n in (1, 2)])
    >>> model.features
    ('hr_rise', 'hr_over_p95')
    >>> model.card["data"]["patients_with_seizures"]
    2
    """
    from aura.detector import training
    annotated = [one for one in recordings if one.annotated and one.understood]
    return training.train(
        [training.example_of(one, features(one, hop_s=hop_s).columns(),
                             hop_s) for one in annotated],
        target_far=target_far, seed=seed, adapt_after_h=adapt_after_h,
        digest=training.fingerprint(map(training.head_of, annotated)))


def probabilities(model: "Model", columns: Sequence[np.ndarray],
                  scorable: Bools) -> Floats:
    """Score of each row; `columns` are the model's features in its order."""
    found = np.full(len(scorable), np.nan)
    found[scorable] = model.forest.probability(
        np.column_stack([column[scorable] for column in columns]))
    return found


def raise_alarms(probability: Floats, hop_s: float,
                 rule: "AlarmRule") -> tuple[Floats, list[Event]]:
    """Smoothed scores of one recording's rows, and its alarms."""
    from aura.detector.alarms import alarms, smooth
    smoothed = smooth(probability, hop_s, rule)
    return smoothed, alarms(smoothed, hop_s, rule)


def _array(samples: ArrayLike, fs_hz: float | None) -> ArraySignal:
    """An array as a signal, once it is sure to be one."""
    try:
        values = np.asarray(samples, dtype=np.float64)
    except (TypeError, ValueError):
        raise state.error(
            "signal.array", name=type(samples).__name__) from None
    if values.ndim != 1:
        raise state.error("signal.shape", shape=values.shape)
    if fs_hz is None or not 0 < fs_hz < np.inf:
        raise state.error("signal.rate", fs_hz=fs_hz)
    return ArraySignal(np.where(np.isfinite(values), values, np.nan), fs_hz)
