"""
Recordings of WFDB: a header in text, and samples in one of a few formats.

The formats 212 (pairs of 12 bits in 3 bytes), 16, 61, 80 and 160 are read,
with all signals in one file and one sample of each at a time. The checksum of
each signal is verified.

References
----------
.. [1] WFDB Programmer's Guide, header(5) and signal(5),
   https://physionet.org/physiotools/wag/header-5.htm
"""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aura.errors import CorruptDataError, InvalidInputError, UnsupportedError

_RECORD = re.compile(
    r"(?P<name>[A-Za-z0-9_-]+) +(?P<count>\d{1,3})"
    r"(?: +(?P<rate>\d{1,7}(?:\.\d{1,9})?)\S*)?(?: +(?P<length>\d{1,15}))?"
    r"(?: .*)?")
_SIGNAL = re.compile(
    r"(?P<file>[A-Za-z0-9_.-]+) +(?P<format>\d{1,4})"
    r"(?: +(?P<gain>\d{1,9}(?:\.\d{1,9})?)(?:\((?P<base>-?\d{1,9})\))?"
    r"(?:/(?P<unit>\S+))?)?"
    r"(?: +(?P<bits>\d{1,2}))?(?: +(?P<zero>-?\d{1,9}))?"
    r"(?: +(?P<first>-?\d{1,9}))?(?: +(?P<sum>-?\d{1,9}))?"
    r"(?: +(?P<block>\d{1,9}))?(?: +(?P<label>.*))?")
RATE_HZ = 250.0
GAIN = 200.0
# Bits of one sample if the header does not give them.
_BITS = {212: 12, 80: 8, 16: 16, 61: 16, 160: 16}
_DTYPES = {16: "<i2", 61: ">i2", 80: "u1", 160: "<u2"}
_OFFSETS = {80: 128, 160: 32768}


@dataclass(frozen=True)
class SignalLine:
    """The header line of one signal."""

    label: str  # Lead
    gain: float  # Counts per unit
    unit: str
    # Counts at 0 units, and in the middle of the converter's range
    baseline: int
    zero: int
    bits: int  # Resolution of the converter
    checksum: int | None  # Sum of all samples, 16 bits


@dataclass(frozen=True)
class RecordHeader:
    """Header of a record; without signals, `file` is ``""``."""

    name: str
    rate_hz: float
    length: int | None
    file: str
    packing: int
    signals: tuple[SignalLine, ...]


def read_header(content: bytes, record: str) -> RecordHeader:
    """Read a ``.hea`` file."""
    lines = [line.strip() for line in content.decode(
        "utf-8", "replace").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    match = _RECORD.fullmatch(lines[0]) if lines else None
    if match is None:
        raise _malformed(record, 1)
    count = int(match["count"])
    rows = [_SIGNAL.fullmatch(line) for line in lines[1:count + 1]]
    if len(rows) < count or None in rows:
        raise _malformed(record, 2 + (
            rows.index(None) if None in rows else len(rows)))
    found = [row for row in rows if row is not None]
    kinds = {(row["file"], int(row["format"])) for row in found}
    if len(kinds) > 1 or any(kind not in _BITS for _, kind in kinds):
        raise UnsupportedError(
            "wfdb.format", f"{record}.hea: the signals are in "
            + ", ".join(f"{file} (format {kind})"
                        for file, kind in sorted(kinds))
            + "; they have to be in one file of format "
            + ", ".join(map(str, sorted(_BITS))),
            "fetch the other records with --records")
    file, packing = next(iter(kinds), ("", 0))
    return RecordHeader(
        match["name"], float(match["rate"] or RATE_HZ),
        int(match["length"]) if match["length"] else None, file, packing,
        tuple(_signal(row, packing) for row in found))


def _signal(row: re.Match[str], packing: int) -> SignalLine:
    zero = int(row["zero"] or 0)
    return SignalLine(
        (row["label"] or "").strip(), float(row["gain"] or 0) or GAIN,
        row["unit"] or "mV",
        int(row["base"]) if row["base"] else zero, zero,
        int(row["bits"] or 0) or _BITS[packing],
        int(row["sum"]) if row["sum"] else None)


def read_samples(content: bytes, header: RecordHeader) -> NDArray[np.int32]:
    """Samples of all signals as the counts in the file."""
    flat = (_unpacked_212(content) if header.packing == 212
            else np.frombuffer(content[:len(content) // _size(header)
                                       * _size(header)],
                               _DTYPES[header.packing]).astype(np.int32)
            - _OFFSETS.get(header.packing, 0))
    width = len(header.signals)
    length = header.length if header.length is not None else len(flat) // width
    if len(flat) < length * width:
        raise CorruptDataError(
            "wfdb.length", f"{header.file} has {len(flat)} samples, but its "
            f"header gives {length * width}",
            "fetch the other records with --records")
    samples = flat[:length * width].reshape(length, width)
    for place, signal in enumerate(header.signals):
        total = int(samples[:, place].sum(dtype=np.int64))
        if signal.checksum is not None and (
                total - signal.checksum) % 2**16:
            raise CorruptDataError(
                "wfdb.sum", f"{header.file}: the samples of signal "
                f"{place + 1} do not have the checksum in the header",
                "fetch the other records with --records")
    return samples


def _size(header: RecordHeader) -> int:
    return np.dtype(_DTYPES[header.packing]).itemsize


def _unpacked_212(content: bytes) -> NDArray[np.int32]:
    """Two samples of 12 bits in three bytes; the last may be alone."""
    whole = len(content) // 3
    raw = np.frombuffer(content + bytes(-len(content) % 3), np.uint8)
    first, middle, second = raw.reshape(-1, 3).astype(np.int32).T
    pairs = np.column_stack([
        first | (middle & 0x0F) << 8, second | (middle & 0xF0) << 4])
    pairs[pairs > 2047] -= 4096
    flat: NDArray[np.int32] = pairs.ravel()
    return flat[:2 * whole + (len(content) % 3 == 2)]


def _malformed(record: str, line: int) -> InvalidInputError:
    return InvalidInputError(
        "wfdb.header", f"{record}.hea: line {line} is not a line of a WFDB "
        "header", "fetch the other records with --records")
