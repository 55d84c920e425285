"""Samples of an open EDF or BDF recording, read by position."""
# With one handle per path, threads get zeros from libraries.

from fractions import Fraction
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from aura import state
from aura.edf.header import Header, SignalHeader, read_at
from aura.recording import Floats

BLOCK_BYTES = 4 * 2**20
# A longer record is not read as a whole for one of its channels.
SKIP_BYTES = 8192

# Millivolts per unit, by the name of the unit in lower case.
MILLIVOLTS = {
    "nv": Fraction(1, 10**6), "uv": Fraction(1, 10**3),
    "\u00b5v": Fraction(1, 10**3), "\u03bcv": Fraction(1, 10**3),
    "mv": Fraction(1), "v": Fraction(10**3),
    # Words, as far as the eight characters of the field go
    "microv": Fraction(1, 10**3), "microvol": Fraction(1, 10**3),
    "milliv": Fraction(1), "millivol": Fraction(1), "volt": Fraction(10**3),
    "volts": Fraction(10**3)}


def read_column(stream: BinaryIO, header: Header, signal: SignalHeader,
                first: int, last: int) -> NDArray[np.uint8]:
    """Read one signal of records ``first`` to ``last`` (exclusive)."""
    descriptor, count = stream.fileno(), last - first
    at = header.header_bytes + first * header.record_bytes
    if header.record_bytes <= SKIP_BYTES:
        block = read_exactly(descriptor, count * header.record_bytes, at)
        table = block.reshape(count, header.record_bytes)
        return table[:, signal.offset:signal.offset + signal.width]
    column = np.empty((count, signal.width), np.uint8)
    for row in range(count):
        column[row] = read_exactly(
            descriptor, signal.width,
            at + row * header.record_bytes + signal.offset)
    return column


def records_per_block(header: Header, signal: SignalHeader) -> int:
    """Number of records for which about `BLOCK_BYTES` are read."""
    read = (header.record_bytes if header.record_bytes <= SKIP_BYTES
            else signal.width)
    return max(1, BLOCK_BYTES // max(read, 1))


def read_exactly(descriptor: int, count: int, at: int) -> NDArray[np.uint8]:
    """Read this many bytes by position."""
    block = read_at(descriptor, count, at)
    if len(block) < count:
        raise state.error("edf.truncated/shrank")
    return np.frombuffer(block, np.uint8)


class EcgSignal:
    """One channel of an open recording, an `aura.recording.Signal`."""

    def __init__(self, stream: BinaryIO, header: Header, index: int) -> None:
        signal = header.signals[index]
        if signal.fault is not None:
            # Files of one device share it, so no older call may stay in it.
            raise signal.fault.with_traceback(None)
        self._stream, self._header, self._signal = stream, header, signal
        factor = MILLIVOLTS.get(signal.unit.lower(), Fraction(1))
        bottom, top = (factor * value for value in signal.physical)
        low, high = signal.digital
        gain = (top - bottom) / (high - low)
        self._gain, self._zero = float(gain), float(bottom - low * gain)
        self.unit = "mV" if signal.unit.lower() in MILLIVOLTS else ""
        self.rails = (float(min(bottom, top)), float(max(bottom, top)))
        self.fs_hz = float(header.rate_hz(signal))
        self.sample_count = header.record_count * signal.samples_per_record

    def read(self, start: int, stop: int) -> Floats:
        """Read samples ``start`` to ``stop`` (exclusive)."""
        samples = self._read(start, stop, np.float64)
        samples *= self._gain
        samples += self._zero
        return samples

    def read_digital(self, start: int, stop: int) -> NDArray[np.int32]:
        """Read the same samples as the integers in the file."""
        return self._read(start, stop, np.int32)

    def _read(self, start: int, stop: int, dtype: Any) -> NDArray[Any]:
        if not 0 <= start <= stop <= self.sample_count:
            raise ValueError(f"{start} to {stop} is not inside the "
                             f"{self.sample_count} samples of the signal")
        samples = np.empty(stop - start, dtype)
        per_record = self._signal.samples_per_record
        step = records_per_block(self._header, self._signal) * per_record
        at = start
        while at < stop:
            end = min(stop, at - at % per_record + step)
            samples[at - start:end - start] = self._block(at, end)
            at = end
        return samples

    def _block(self, start: int, stop: int) -> NDArray[Any]:
        header, signal = self._header, self._signal
        size, per_record = header.sample_bytes, signal.samples_per_record
        first, skipped = divmod(start, per_record)
        last = -(-stop // per_record)
        if last == first + 1:
            # A record may last hours, so only the samples asked for are read.
            at = (header.header_bytes + first * header.record_bytes
                  + signal.offset + skipped * size)
            return _integers(read_exactly(
                self._stream.fileno(), (stop - start) * size, at), size)
        column = read_column(self._stream, header, signal, first, last)
        values = _integers(column.reshape(-1), size)
        return values[skipped:skipped + stop - start]


class PairSignal:
    """The difference of two channels, an `aura.recording.Signal`."""

    def __init__(self, one: EcgSignal, other: EcgSignal) -> None:
        if (one.fs_hz, one.unit) != (other.fs_hz, other.unit):
            rates = " and ".join(f"{signal.fs_hz:g} Hz in "
                                 f"{signal.unit or 'no unit of voltage'}"
                                 for signal in (one, other))
            raise state.error("ecg.pair", rates=rates)
        self._both = one, other
        self.unit, self.fs_hz = one.unit, one.fs_hz
        self.sample_count = one.sample_count
        self.rails = (one.rails[0] - other.rails[1],
                      one.rails[1] - other.rails[0])

    def read(self, start: int, stop: int) -> Floats:
        """Read samples ``start`` to ``stop`` (exclusive)."""
        samples, other = (one.read(start, stop) for one in self._both)
        clipped = np.zeros(stop - start, bool)
        for values, one in zip((samples, other), self._both, strict=True):
            clipped |= (values <= one.rails[0]) | (values >= one.rails[1])
        samples -= other
        # The difference is clipped where one of the two is.
        samples[clipped] = self.rails[1]
        return samples


def channel(stream: BinaryIO, header: Header,
            indices: tuple[int, ...]) -> EcgSignal | PairSignal:
    """One channel, or the difference of two."""
    signals = [EcgSignal(stream, header, index) for index in indices]
    return signals[0] if len(signals) == 1 else PairSignal(*signals)


def _integers(raw: NDArray[np.uint8], size: int) -> NDArray[Any]:
    if size == 2:
        return raw.view("<i2")
    wide = np.zeros((len(raw) // 3, 4), np.uint8)
    wide[:, 1:] = raw.reshape(-1, 3)
    # The shift brings the sign of the highest byte down.
    return wide.view("<i4").ravel() >> 8
