"""
Recordings with gaps, EDF+D: their samples on the recording's own clock.

Where nothing was recorded there is no sample, and NaN is read. No beat is
looked for across a gap, and no gap can be scored.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from aura.ecg.quality import TOUCHING_S
from aura.edf.header import Header
from aura.edf.signal import EcgSignal
from aura.edf.tal import Timeline
from aura.errors import Problem
from aura.recording import Beats, Floats, Signal
from aura.spans import merge


@dataclass(frozen=True)
class _Part:
    """Samples that follow each other: where they are, and on the clock."""

    signal: EcgSignal
    onset_s: float
    first: int
    sample_count: int

    @property
    def fs_hz(self) -> float:
        """Sampling rate in hertz."""
        return self.signal.fs_hz

    @property
    def rails(self) -> tuple[float, float]:
        """Smallest and largest value that the device can express."""
        return self.signal.rails

    @property
    def place(self) -> int:
        """Index of the first sample on the recording's clock."""
        return round(self.onset_s * self.fs_hz)

    def read(self, start: int, stop: int) -> Floats:
        """Samples ``start`` to ``stop`` (exclusive) of the part."""
        return self.signal.read(self.first + start, self.first + stop)


class GappedSignal:
    """One channel of an open recording with gaps, on the recording's clock."""

    def __init__(self, stream: BinaryIO, header: Header, timeline: Timeline,
                 index: int) -> None:
        self._signal = EcgSignal(stream, header, index)
        self.unit, self.rails = self._signal.unit, self._signal.rails
        self.fs_hz = self._signal.fs_hz
        self.duration_s = duration_s(header, timeline)
        per_record = header.signals[index].samples_per_record
        firsts = [record for record, _ in timeline.parts]
        self._parts = [
            _Part(self._signal, onset, first * per_record,
                  (after - first) * per_record)
            for (first, onset), after in zip(
                timeline.parts, [*firsts[1:], header.record_count],
                strict=True)]
        self._places = [part.place for part in self._parts]
        self.sample_count = max(
            part.place + part.sample_count for part in self._parts)

    def read(self, start: int, stop: int) -> Floats:
        """Samples ``start`` to ``stop`` (exclusive), NaN in gaps."""
        if not 0 <= start <= stop <= self.sample_count:
            raise ValueError(f"{start} to {stop} is not inside the "
                             f"{self.sample_count} samples of the signal")
        samples = np.full(stop - start, np.nan)
        at = max(bisect_right(self._places, start) - 1, 0)
        for part in self._parts[at:]:
            begin = max(start, part.place)
            end = min(stop, part.place + part.sample_count)
            if part.place >= stop:
                break
            if end > begin:
                samples[begin - start:end - start] = part.read(
                    begin - part.place, end - part.place)
        return samples

    def parts(self) -> Iterator[tuple[float, Signal]]:
        """Yield when each part starts in seconds, and the part alone."""
        for part in self._parts:
            yield part.onset_s, part


def duration_s(header: Header, timeline: Timeline) -> float:
    """Seconds from the first sample to the last one's end, gaps included."""
    first, onset_s = timeline.parts[-1]
    if first == 0:
        return float(header.duration_s)
    rest = (header.record_count - first) * header.record_duration_s
    return onset_s + float(rest)


def warnings(header: Header, timeline: Timeline) -> tuple[Problem, ...]:
    """Say how many gaps a recording has, and how long they are."""
    if len(timeline.parts) == 1:
        return ()
    lost_s = duration_s(header, timeline) - float(header.duration_s)
    return (Problem(
        "edf.gaps", "warning", "gaps in which nothing was recorded and "
        f"nothing can be scored: {len(timeline.parts) - 1}, together "
        f"{lost_s:.6g} s"),)


def joined(parts: Sequence[tuple[float, Beats]],
           duration_s: float) -> Beats:
    """Beats of a recording from those of its parts."""
    lost = [np.empty((0, 2))]
    at = 0.0
    for onset_s, part in parts:
        if onset_s > at:
            lost.append(np.array([[at, onset_s]]))
        lost.append(part.unscorable + onset_s)
        at = onset_s + part.duration_s
    spans = np.clip(np.concatenate(lost), 0.0, duration_s)
    times = np.concatenate([
        np.empty(0), *(part.time_s + onset_s for onset_s, part in parts)])
    return Beats(times, duration_s,
                 merge(spans[np.argsort(spans[:, 0], kind="stable")],
                       TOUCHING_S))
