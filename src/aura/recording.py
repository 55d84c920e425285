"""The nouns of the project; times are seconds on the recording's own clock."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import total_ordering
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from aura.errors import InvalidInputError, Problem

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SEIZURE = "sz"
BACKGROUND = "bckg"
MIN_RATE_HZ = 50.0  # At less, no beats are detected
# With one of these findings some seizures may not be known.
UNPLACED = ("annotations.outside", "annotations.no_start",
            "annotations.doubtful", "annotations.unread",
            "annotations.contradicted")


@total_ordering
@dataclass(frozen=True)
class Event:
    """
    A labelled span of a recording, such as a seizure.

    A seizure of unknown length has the duration 0. Events sort by onset,
    duration, label and confidence; an event without a confidence comes
    before one that has it.

    Parameters
    ----------
    onset_s, duration_s : float
        Start and length in seconds on the recording's own clock.
    label : str
        ``sz`` or a subtype of it (``sz_foc_ia``), ``bckg``, ``impd``.
    confidence : float or None
        Score of the event in [0, 1]; None where it has none.

    Examples
    --------
    >>> seizure = Event(120.0, 45.0)
    >>> seizure.end_s, seizure.is_seizure
    (165.0, True)
    >>> sorted([seizure, Event(60.0, 5.0, confidence=0.8)])[0].onset_s
    60.0
    """

    onset_s: float
    duration_s: float
    label: str = SEIZURE
    confidence: float | None = None

    def __lt__(self, other: "Event") -> bool:
        if not isinstance(other, Event):
            return NotImplemented
        return self._key < other._key

    @property
    def _key(self) -> tuple[float, float, str, bool, float]:
        return (self.onset_s, self.duration_s, self.label,
                self.confidence is not None, self.confidence or 0.0)

    @property
    def end_s(self) -> float:
        """End of the event in seconds."""
        return self.onset_s + self.duration_s

    @property
    def is_seizure(self) -> bool:
        """Whether the label is ``sz`` or one of its subtypes."""
        return self.label == SEIZURE or self.label.startswith(SEIZURE + "_")


@runtime_checkable
class Signal(Protocol):
    """One channel that can be read in pieces, in physical units."""

    @property
    def fs_hz(self) -> float:
        """Sampling rate in hertz."""

    @property
    def sample_count(self) -> int:
        """Number of samples."""

    @property
    def rails(self) -> tuple[float, float]:
        """Smallest and largest value that the device can express."""

    def read(self, start: int, stop: int) -> Floats:
        """Samples ``start`` to ``stop`` in mV, or in the file's own unit."""


@dataclass(frozen=True)
class ArraySignal:
    """A signal that is in memory already, as in a notebook or a test."""

    samples: Floats
    fs_hz: float
    rails: tuple[float, float] = (-np.inf, np.inf)

    @property
    def sample_count(self) -> int:
        """Number of samples."""
        return len(self.samples)

    def read(self, start: int, stop: int) -> Floats:
        """Samples ``start`` to ``stop`` (exclusive)."""
        return self.samples[start:stop]


@dataclass(frozen=True)
class Beats:
    """
    The beat series of a recording.

    Parameters
    ----------
    time_s : ndarray, shape (n_beats,)
        Times of the R peaks in seconds, strictly increasing.
    duration_s : float
        Length of the recording in seconds.
    unscorable : ndarray, shape (n_spans, 2)
        Start and end, in seconds, of the spans whose beats cannot be
        trusted, sorted and disjoint.

    Examples
    --------
    >>> import numpy as np
    >>> beats = Beats(np.arange(0.5, 60.0, 0.8), 60.0)
    >>> len(beats.time_s)
    75
    """

    time_s: Floats
    duration_s: float
    unscorable: Floats = field(default_factory=lambda: np.empty((0, 2)))

    def spans(self) -> Iterator[tuple[float, float]]:
        """Yield the unscorable spans as (start, end) in seconds."""
        for start, end in self.unscorable:
            yield float(start), float(end)


@dataclass(frozen=True)
class Recording:
    """
    A recording: where it comes from, whose it is, and what is annotated.

    `aura.read` makes one from a file, `aura.simulate` a synthetic one.

    Parameters
    ----------
    path : str
        Location relative to the input folder, with ``/``.
    patient : str
        Alias of the patient (see `aura.dataset.patients`); never a name.
    channels : tuple of str
        Labels of all channels of the file.
    channel : str
        Label of the ECG channel that is used; ``""`` where the recording
        holds beats only.
    channel_index : int
        Position of that channel in the file, -1 where there is none.
    unit : str
        Unit of the samples: ``mV``, or ``""`` where the file gives none.
    fs_hz : float or None
        Sampling rate; None where the recording holds beats only.
    duration_s : float
        Length of the recording in seconds.
    start : datetime
        Start as the file has it, without a time zone (EDF has none).
    events : tuple of Event
        Annotated seizures, sorted, not overlapping, inside the recording.
    annotation_source : str or None
        Where `events` come from: a relative path, ``"EDF+"``, or None
        where the recording is not annotated.
    sha256 : str
        Digest of the file's bytes.
    problems : tuple of Problem
        Warnings; a recording with an error is never constructed.
    signal : Signal or None
        The ECG; None where only beats, or only metadata, are at hand.
    beats : Beats or None
        The beats of a recording without a waveform.

    Examples
    --------
    >>> import aura
    >>> night = aura.simulate(600, seizures=[(300, 60)])
    >>> night.fs_hz, night.duration_s, len(night.events)
    (256.0, 600, 1)
    >>> night.samples(10, 11).shape
    (256,)
    """

    path: str
    patient: str
    channels: tuple[str, ...]
    channel: str
    channel_index: int
    unit: str
    fs_hz: float | None
    duration_s: float
    start: datetime
    events: tuple[Event, ...] = ()
    annotation_source: str | None = None
    sha256: str = ""
    problems: tuple[Problem, ...] = ()
    signal: Signal | None = field(default=None, repr=False, compare=False)
    beats: Beats | None = field(default=None, repr=False, compare=False)

    @property
    def annotated(self) -> bool:
        """Whether an annotator looked for seizures in this recording."""
        return self.annotation_source is not None

    @property
    def understood(self) -> bool:
        """Whether nothing of its annotations, if any, is in doubt."""
        return is_understood(
            self.annotated, (problem.rule for problem in self.problems))

    def samples(self, start_s: float = 0.0,
                stop_s: float | None = None) -> Floats:
        """
        Samples of the ECG between two times.

        Parameters
        ----------
        start_s, stop_s : float
            Seconds from the start of the recording; `stop_s` is its end
            by default. Times outside the recording are cut off.

        Returns
        -------
        ndarray, shape (n,)
            In `unit`; NaN where a gap of the file has no samples.

        Raises
        ------
        InvalidInputError
            If the recording has no waveform at hand.
        """
        if self.signal is None or self.fs_hz is None:
            raise InvalidInputError(
                "recording.no_signal", "this recording has no waveform",
                "read one that has: aura.read('night.edf')")
        count = self.signal.sample_count
        start, stop = (min(max(round(time_s * self.fs_hz), 0), count)
                       for time_s in (start_s, self.duration_s
                                      if stop_s is None else stop_s))
        return self.signal.read(start, max(start, stop))


def is_understood(annotated: bool, rules: Iterable[str]) -> bool:
    """Whether no rule says that annotations of a recording are in doubt."""
    doubts = UNPLACED if annotated else ("annotations.", "edf.annotation.")
    return not any(rule.startswith(doubts) for rule in rules)
