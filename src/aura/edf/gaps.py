"""Samples of recordings with gaps on the recording's own clock."""
# Samples in a gap are read as NaN; beats are detected in each part.
# Interrupted recordings that are marked as EDF+C have gaps too.

from bisect import bisect_right
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from aura.edf import RULES
from aura.edf.header import Header
from aura.edf.signal import EcgSignal, PairSignal, channel
from aura.edf.tal import Timeline
from aura.errors import Problem, plural
from aura.recording import Floats, Signal


class _Part:
    """Samples between two gaps, and where they are on the clock."""

    def __init__(self, signal: EcgSignal | PairSignal, onset_s: float,
                 first: int, sample_count: int) -> None:
        self._signal, self._first = signal, first
        self.onset_s, self.sample_count = onset_s, sample_count
        self.fs_hz, self.rails = signal.fs_hz, signal.rails
        # Index of the first sample on the recording's clock.
        self.place = round(onset_s * signal.fs_hz)

    def read(self, start: int, stop: int) -> Floats:
        """Read samples ``start`` to ``stop`` (exclusive) of the part."""
        return self._signal.read(self._first + start, self._first + stop)


class GappedSignal:
    """One channel of an open recording with gaps, on the recording's clock."""

    def __init__(self, stream: BinaryIO, header: Header, timeline: Timeline,
                 indices: tuple[int, ...]) -> None:
        self._signal = channel(stream, header, indices)
        self.unit, self.rails = self._signal.unit, self._signal.rails
        self.fs_hz = self._signal.fs_hz
        self.duration_s = duration_s(header, timeline)
        per_record = header.signals[indices[0]].samples_per_record
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
        """Read samples ``start`` to ``stop`` (exclusive), NaN in gaps."""
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
        """Yield the onset in seconds and the signal of each part."""
        for part in self._parts:
            yield part.onset_s, part


def duration_s(header: Header, timeline: Timeline) -> float:
    """Length of the recording with its gaps."""
    first, onset_s = timeline.parts[-1]
    if first == 0:
        return float(header.duration_s)
    rest = (header.record_count - first) * header.record_duration_s
    return onset_s + float(rest)


def warnings(header: Header, timeline: Timeline) -> tuple[Problem, ...]:
    """Report the number and length of gaps, and a late first record."""
    found = []
    count, late_s = len(timeline.parts) - 1, timeline.first_onset_s
    if late_s >= 1:
        found.append(RULES.warning("edf.record_onset/late", seconds=late_s))
    if timeline.wrong_onsets:
        found.append(RULES.warning(
            "edf.record_onset/wrong", count=timeline.wrong_onsets))
    if count:
        lost_s = duration_s(header, timeline) - float(header.duration_s)
        found.append(RULES.warning(
            "edf.record_onset/gaps" if header.kind.endswith("C")
            else "edf.gaps", gaps=plural(count, "gap"), seconds=lost_s,
            kind=header.kind))
    return tuple(found)
