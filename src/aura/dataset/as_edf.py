"""A waveform of another format, written as EDF+ where it is opened."""
# All else in AURA reads EDF. Whole numbers stay as they are.

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from aura import state
from aura.edf import write
from aura.edf.fields import UNDATED

DAYS_MAX = 31
RECORD_S_MAX, RATE_MAX_HZ = 60, 100_000
BLOCK_ROWS, FULL = 2**18, 2**23 - 1
# So little may a rate differ that no header of EDF can have exactly.
RATE_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Lead:
    """One signal: its label, and what a count of it means."""

    label: str
    unit: str
    gain: float  # Counts per unit
    baseline: float  # Counts at 0 units
    low: int  # Smallest and largest count that the device can give
    high: int


@dataclass(frozen=True)
class Waveform:
    """The signals of a recording, of one length and rate."""

    rate_hz: float
    leads: tuple[Lead, ...]
    length: int  # Samples of each lead, as the file claims
    # Rows of counts, with a column for each lead.
    blocks: Callable[[], Iterator[NDArray[np.int32]]]
    # None if the file has no date; on the day of `UNDATED` only a time of day.
    start: datetime | None = None
    patient: str = ""  # Code or name, without blanks
    notes: tuple[write.Row, ...] = ()

    def write(self, stream: BinaryIO) -> None:
        """Write it; samples after the last whole record are left out."""
        if not 0 < self.length <= DAYS_MAX * 86400 * self.rate_hz:
            raise state.error(
                "waveform.length", length=self.length, days_max=DAYS_MAX)
        samples, record_s = _record(self.rate_hz, self.length)
        wide = any(lead.low < -2**15 or lead.high >= 2**15
                   for lead in self.leads)
        main = write.Main(
            "BDF+C" if wide else "EDF+C", self.start or UNDATED, write.field(
                f"{self.patient or 'X'} X X X"),
            write.startdate(self.start, "X X X") if self.start
            and self.start.date() != UNDATED.date()
            else "Startdate X X X X", self.length // samples, record_s)
        limit = 2**23 if wide else 2**15
        fields = []
        for lead in map(_in_microvolts, self.leads):
            if lead.low < -limit or lead.high >= limit:
                raise state.error("waveform.range/bits", label=lead.label)
            fields.append(write.signal_fields(
                write.field(lead.label, 16), write.field(re.sub(
                    "^[\xb5\u03bc]", "u", lead.unit), 8),
                (decimal((lead.low - lead.baseline) / lead.gain),
                 decimal((lead.high - lead.baseline) / lead.gain)),
                (lead.low, lead.high), samples))
        write.samples(stream, main, fields, self._records(samples), self.notes)

    def _records(self, samples: int) -> Iterator[NDArray[np.int32]]:
        """Rows that hold a record each: all samples of lead after lead."""
        rest = np.empty((0, len(self.leads)), np.int32)
        for block in self.blocks():
            rest = np.concatenate([rest, block])
            count = len(rest) // samples
            whole = rest[:count * samples].reshape(count, samples, -1)
            yield whole.transpose(0, 2, 1).reshape(count, -1)
            rest = rest[count * samples:]


def of_numbers(rate_hz: float, labels: Sequence[tuple[str, str]], length: int,
               blocks: Callable[[], Iterator[NDArray[np.floating[Any]]]],
               start: datetime | None = None,
               notes: tuple[write.Row, ...] = ()) -> Waveform:
    """Labels and units, and rows of numbers, which become 24-bit counts."""
    low, high = np.full((2, len(labels)), np.nan)
    for block in blocks():
        known = np.where(np.isfinite(block), block, np.nan)
        low = np.fmin(low, np.fmin.reduce(known))
        high = np.fmax(high, np.fmax.reduce(known))
    low = np.nan_to_num(low)
    # A constant column has a range too.
    high = np.where(high > low, high, low + np.maximum(np.abs(low), 1e-6))
    gain = 2 * FULL / (high - low)

    def counts() -> Iterator[NDArray[np.int32]]:
        for block in blocks():
            scaled = (block - low) * gain - FULL
            yield np.where(np.isfinite(scaled), np.rint(scaled),
                           -FULL - 1).astype(np.int32)

    return Waveform(rate_hz, tuple(
        Lead(label, unit, float(steps), float(-FULL - least * steps),
             -FULL - 1, FULL) for (label, unit), steps, least in zip(
                 labels, gain, low, strict=True)),
        length, counts, start, notes=notes)


def _in_microvolts(lead: Lead) -> Lead:
    """Volts in a unit in which the fields of EDF have enough digits."""
    return replace(lead, unit="uV", gain=lead.gain / 1e6) if (
        lead.unit.lower() == "v") else lead


def _record(rate_hz: float, length: int) -> tuple[int, str]:
    """Samples and seconds of a record that give the rate exactly."""
    if not 0 < rate_hz <= RATE_MAX_HZ:
        raise state.error(
            "waveform.rate", rate_hz=rate_hz, rate_max_hz=RATE_MAX_HZ)
    rate = Fraction(str(rate_hz))
    # About a second, and no longer than the recording.
    usual = max(1, min(round(rate), length))
    # With a multiple of this the seconds have an end to their decimals.
    step = rate.numerator // math.gcd(rate.numerator, 10**18)
    first = -(-usual // step) * step
    for samples in range(first, first + 99 * step, step):
        text = decimal(float(samples / rate))
        if Fraction(text) == samples / rate and samples <= min(
                length, int(RECORD_S_MAX * rate)):
            return samples, text
    text = decimal(float(usual / rate))
    if abs(usual / float(text) / rate_hz - 1) > RATE_TOLERANCE:
        raise state.error("waveform.rate/exact", rate_hz=rate_hz)
    return usual, text


def decimal(value: float) -> str:
    """A number with as many decimals as the eight characters of EDF allow."""
    for digits in range(7, -1, -1):
        text = f"{value:.{digits}f}"
        if len(text) <= 8:
            return text.rstrip("0").rstrip(".") if digits else text
    raise state.error("waveform.range", value=value)
