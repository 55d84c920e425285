"""
The nouns of the project: a recording, its events, its beats, its signal.

Times are seconds (float64) on the recording's own clock, which starts at
the first sample. Calendar time enters only where data leave the project.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aura.errors import Problem

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SEIZURE = "sz"
BACKGROUND = "bckg"


@dataclass(frozen=True, order=True)
class Event:
    """
    A labelled stretch of a recording.

    Parameters
    ----------
    onset_s, duration_s : float
        Start and length in seconds on the recording's own clock.
    label : str
        ``sz`` or a subtype of it (``sz_foc_ia``), ``bckg``, ``impd``.
    confidence : float or None
        Probability given to the event, in [0, 1], where one was given.
    """

    onset_s: float
    duration_s: float
    label: str = SEIZURE
    confidence: float | None = None

    @property
    def end_s(self) -> float:
        """End of the event in seconds."""
        return self.onset_s + self.duration_s

    @property
    def is_seizure(self) -> bool:
        """Whether the label is ``sz`` or one of its subtypes."""
        return self.label == SEIZURE or self.label.startswith(SEIZURE + "_")


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
        """
        Samples ``start`` to ``stop`` (exclusive), both inside the signal.

        Returns
        -------
        ndarray, shape (stop - start,)
            Millivolts, or the file's own unit where that is unknown.
        """


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
class Recording:
    """
    What is known of a recording before any of its samples is analysed.

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
        Unit in which samples are read: ``mV``, or ``""`` where the file
        does not say.
    fs_hz : float or None
        Sampling rate; None where the recording holds beats only.
    duration_s : float
        Length of the recording.
    start : datetime
        Start as the file has it, without a zone (EDF knows none).
    events : tuple of Event
        Annotated seizures, sorted, not overlapping, inside the recording.
    annotation_source : str or None
        Where `events` come from: a relative path, ``"EDF+"``, or None
        where nobody annotated the recording.
    sha256 : str
        Digest of the file's bytes.
    problems : tuple of Problem
        Warnings; a recording with an error is never constructed.
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

    @property
    def annotated(self) -> bool:
        """Whether somebody looked for seizures in this recording."""
        return self.annotation_source is not None


@dataclass(frozen=True)
class Beats:
    """
    The beat series of a recording.

    Parameters
    ----------
    time_s : ndarray, shape (n_beats,)
        Times of the R peaks, strictly increasing.
    unscorable : ndarray, shape (n_spans, 2)
        Start and end of the stretches whose beats cannot be trusted,
        sorted and disjoint, in seconds.
    duration_s : float
        Length of the recording.
    """

    time_s: Floats
    duration_s: float
    unscorable: Floats = field(default_factory=lambda: np.empty((0, 2)))

    def spans(self) -> Iterator[tuple[float, float]]:
        """Yield the unscorable stretches as (start, end) in seconds."""
        for start, end in self.unscorable:
            yield float(start), float(end)
