"""
EDF, EDF+ and BDF recordings: a header that is safe, samples in pieces.

The header is judged before a sample is touched, with sizes in Python
integers: readers that add the bytes of a record in 32 bits can be crashed
by a file of 12 kB. Samples are then read by position, so that any number of
threads may read one open file.

What differs from the specification [1]_ [2]_: non-ASCII text in free-text
fields is read with a warning, and a channel that is not an ECG may have a
senseless range (published collections hold such dummies). What is stricter:
the size of the file has to be exactly what the header says.

References
----------
.. [1] Kemp et al. (1992), https://doi.org/10.1016/0013-4694(92)90009-7
.. [2] Kemp and Olivan (2003), EDF+,
   https://doi.org/10.1016/S1388-2457(03)00123-8
"""

import os
import threading
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import BinaryIO

from aura.edf import fields
from aura.errors import (
    AuraError,
    CorruptDataError,
    InvalidInputError,
    Problem,
    ResourceError,
    UnsupportedError,
)

SIGNALS_MAX = 512
RECORD_BYTES_MAX = 16 * 2**20
RATE_HZ_MAX = 20_000

_MAIN = 256
_MAIN_TEXTS = ((8, 88), (88, 168), (192, 236))
_COLUMNS = {
    "label": 16, "transducer": 80, "unit": 8, "physical minimum": 8,
    "physical maximum": 8, "digital minimum": 8, "digital maximum": 8,
    "prefilter": 80, "samples per record": 8, "reserved": 32}
_FREE_TEXT = ("label", "transducer", "unit", "prefilter", "reserved")
# An open file always gets the same lock.
_MOVING = [threading.Lock() for _ in range(64)]


@dataclass(frozen=True)
class SignalHeader:
    """What the header says of one signal."""

    label: str  # As in the file, made printable
    unit: str
    # Physical minimum and maximum, in `unit`, exactly as written.
    physical: tuple[Fraction, Fraction]
    digital: tuple[int, int]  # Digital minimum and maximum
    samples_per_record: int  # Number of samples in each record
    offset: int  # Bytes from the start of a record to this signal
    width: int  # Bytes of this signal in each record
    # Why no sample of this signal can be trusted, though the layout of the
    # file is sound.
    fault: AuraError | None = None


@dataclass(frozen=True)
class Header:
    """A header that has passed every check."""

    kind: str  # ``EDF``, ``EDF+C``, ``EDF+D``, ``BDF``, ``BDF+C`` or ``BDF+D``
    sample_bytes: int  # 2 in EDF, 3 in BDF
    start: datetime  # Start without a zone, to the second
    header_bytes: int  # Layout of the file
    record_bytes: int
    record_count: int
    record_duration_s: Fraction  # Seconds in one record, exactly as written
    # The channels, without those that hold annotations.
    signals: tuple[SignalHeader, ...]
    # Signals that hold EDF+ annotations.
    annotation_signals: tuple[SignalHeader, ...]
    # The patient field, for `aura.dataset.patients` alone.
    patient: str = field(default="", repr=False)
    problems: tuple[Problem, ...] = ()  # Warnings

    @property
    def duration_s(self) -> Fraction:
        """Seconds from the first to the end of the last record."""
        return self.record_count * self.record_duration_s

    def rate_hz(self, signal: SignalHeader) -> Fraction:
        """Sampling rate of a signal in hertz, exactly."""
        return signal.samples_per_record / self.record_duration_s


def read_at(descriptor: int, count: int, offset: int) -> bytes:
    """Read bytes by position from any thread; the file position stays."""
    if hasattr(os, "pread"):
        return os.pread(descriptor, count, offset)
    # Windows has no pread.
    with _MOVING[descriptor % len(_MOVING)]:
        position = os.lseek(descriptor, 0, os.SEEK_CUR)
        try:
            os.lseek(descriptor, offset, os.SEEK_SET)
            return os.read(descriptor, count)
        finally:
            os.lseek(descriptor, position, os.SEEK_SET)


def read_header(stream: BinaryIO) -> Header:
    """Read and judge the header of an open recording."""
    descriptor = stream.fileno()
    raw = read_at(descriptor, _MAIN, 0)
    kind, sample_bytes = _kind(raw)
    plus = kind[3:4] == "+"
    main = fields.printable(raw, _MAIN_TEXTS, 0)
    count = _signal_count(main)
    raw += read_at(descriptor, _MAIN * count, _MAIN)
    if len(raw) < _MAIN * (count + 1):
        raise _cut_header(len(raw))
    table = fields.printable(raw[_MAIN:], _table_texts(count), _MAIN)
    duration = _record_duration(main)
    columns = _columns(table, count)
    signals = _signals(columns, duration, sample_bytes)
    record_bytes = sum(signal.width for signal in signals)
    records = _record_count(main, record_bytes)
    _check_size(os.fstat(descriptor).st_size - _MAIN * (count + 1),
                records, record_bytes)
    notes = [s for s in signals if s.label == f"{kind[:3]} Annotations"]
    channels = [s for s in signals if s not in notes]
    if not channels:
        raise InvalidInputError(
            "edf.no_signals", "the file holds annotations and no signal",
            "give the recording itself")
    if plus and not notes:
        raise InvalidInputError(
            "edf.annotations_missing", f"the file says {kind} and has no "
            f"signal '{kind[:3]} Annotations'", "write it as plain EDF")
    return Header(
        kind, sample_bytes,
        fields.start(main[168:176], main[176:184], main[88:168], plus),
        _MAIN * (count + 1), record_bytes, records, duration,
        tuple(channels), tuple(notes) if plus else (),
        fields.text(main[8:88]), (
            *_padding(raw, main + table),
            *_warnings(main, columns, plus, notes)))


def _kind(main: bytes) -> tuple[str, int]:
    if len(main) < _MAIN:
        raise _cut_header(len(main))
    if main[:8] == b"0       ":
        family, sample_bytes = "EDF", 2
    elif main[:8] == b"\xffBIOSEMI":
        family, sample_bytes = "BDF", 3
    else:
        raise InvalidInputError(
            "edf.version", "this is neither EDF nor BDF by its first 8 bytes",
            "convert the recording to EDF")
    reserved = main[192:236].rstrip(b" ")
    if reserved[:4] not in (b"EDF+", b"BDF+"):
        return family, sample_bytes
    kind = reserved[:5].decode("latin-1")
    if kind not in (f"{family}+C", f"{family}+D"):
        raise InvalidInputError(
            "edf.kind", f"the reserved field of this {family} file names "
            "another kind of file",
            f"allowed are '{family}+C', '{family}+D' or neither")
    return kind, sample_bytes


def _signal_count(main: bytes) -> int:
    count = fields.integer(main[252:256], "number of signals")
    if count < 1:
        raise InvalidInputError(
            "edf.no_signals", f"the header announces {count} signals",
            "give a recording with at least one")
    if count > SIGNALS_MAX:
        raise ResourceError(
            "edf.signal_count", f"the header announces {count} signals; "
            f"up to {SIGNALS_MAX} are read", "keep the ECG and drop the rest")
    header_bytes = fields.integer(main[184:192], "bytes in the header")
    if header_bytes != _MAIN * (count + 1):
        raise InvalidInputError(
            "edf.header_bytes", f"the header says it has {header_bytes} "
            f"bytes; with {count} signals it has {_MAIN * (count + 1)}",
            "correct the header")
    return count


def _record_duration(main: bytes) -> Fraction:
    duration = fields.decimal(main[244:252], "duration of a record")
    if duration <= 0:
        raise InvalidInputError(
            "edf.record_duration", f"a record lasts {float(duration):g} s, "
            "where more than 0 is needed", "correct the header")
    return duration


def _record_count(main: bytes, record_bytes: int) -> int:
    if not 0 < record_bytes <= RECORD_BYTES_MAX:
        raise ResourceError(
            "edf.record_size", f"a record has {record_bytes} bytes; 1 to "
            f"{RECORD_BYTES_MAX} are read", "write shorter records")
    count = fields.integer(main[236:244], "number of records")
    if count == -1:
        raise UnsupportedError(
            "edf.record_count_unknown", "the number of records is -1: the "
            "recording was not closed properly",
            "repair it with the recorder's own software")
    if count < 1:
        raise InvalidInputError(
            "edf.no_records", f"the header announces {count} records",
            "give a recording with at least one")
    return count


def _check_size(body: int, records: int, record_bytes: int) -> None:
    claimed = records * record_bytes
    if body < claimed:
        raise CorruptDataError(
            "edf.truncated", f"the file ends after {max(body, 0)} of "
            f"{claimed} bytes of samples", "copy it again from its source")
    surplus, rest = divmod(body - claimed, record_bytes)
    if rest:
        raise CorruptDataError(
            "edf.trailing_bytes", f"{body - claimed} bytes follow the last "
            "record", "copy it again from its source")
    if surplus:
        raise CorruptDataError(
            "edf.record_count", f"the header announces {records} records and "
            f"the file holds {records + surplus}",
            "correct the number of records")


def _columns(table: bytes, count: int) -> dict[str, list[bytes]]:
    columns, at = {}, 0
    for name, width in _COLUMNS.items():
        columns[name] = [
            table[at + i * width:at + (i + 1) * width] for i in range(count)]
        at += count * width
    return columns


def _table_texts(count: int) -> list[tuple[int, int]]:
    """Where the free texts of the signals are in their table."""
    spans, at = [], 0
    for name, width in _COLUMNS.items():
        if name in _FREE_TEXT:
            spans += [(at + i * width, at + (i + 1) * width)
                      for i in range(count)]
        at += count * width
    return spans


def _signals(columns: dict[str, list[bytes]], duration: Fraction,
             sample_bytes: int) -> list[SignalHeader]:
    signals, offset = [], 0
    for index, label in enumerate(columns["label"]):
        samples = fields.integer(
            columns["samples per record"][index], "samples per record")
        if samples < 0:
            raise InvalidInputError(
                "edf.samples", f"signal {index + 1} has {samples} samples "
                "per record", "correct the header")
        row = {name: column[index] for name, column in columns.items()}
        physical, digital, fault = _ranges(row, sample_bytes)
        width = samples * sample_bytes
        signals.append(SignalHeader(
            fields.text(label), fields.text(row["unit"]), physical, digital,
            samples, offset, width,
            fault or _rate_fault(samples / duration)))
        offset += width
    return signals


def _ranges(row: dict[str, bytes], sample_bytes: int) -> tuple[
        tuple[Fraction, Fraction], tuple[int, int], AuraError | None]:
    limit = 1 << (8 * sample_bytes - 1)
    unknown = (Fraction(0), Fraction(0)), (0, 0)
    try:
        low, high = (fields.integer(row[f"digital {end}imum"],
                                    f"digital {end}imum")
                     for end in ("min", "max"))
        bottom, top = (fields.decimal(row[f"physical {end}imum"],
                                      f"physical {end}imum")
                       for end in ("min", "max"))
    except InvalidInputError as error:
        return *unknown, error
    if not -limit <= low < high < limit:
        return *unknown, InvalidInputError(
            "edf.digital_range", f"the digital range is {low} to {high}; "
            f"it has to rise, within {-limit} to {limit - 1}",
            "correct the header")
    if bottom == top:
        return *unknown, InvalidInputError(
            "edf.physical_range", "physical minimum and maximum are both "
            f"{float(top):g}", "correct the header")
    return (bottom, top), (low, high), None


def _rate_fault(rate_hz: Fraction) -> AuraError | None:
    if 0 < rate_hz <= RATE_HZ_MAX:
        return None
    return InvalidInputError(
        "edf.sampling_rate", f"the sampling rate is {float(rate_hz):g} Hz; "
        f"above 0 and up to {RATE_HZ_MAX} are read", "correct the header")


def _warnings(main: bytes, columns: dict[str, list[bytes]], plus: bool,
              notes: list[SignalHeader]) -> list[Problem]:
    found = []
    texts = [main[8:168], main[192:236]]
    texts += [cell for name in _FREE_TEXT for cell in columns[name]]
    if not all(cell.isascii() for cell in texts):
        found.append(Problem(
            "edf.header.not_ascii", "warning",
            "the header has characters beyond ASCII; read as UTF-8 where "
            "valid, else as Latin-1"))
    if plus and main[88:98] != b"Startdate ":
        found.append(Problem(
            "edf.startdate_missing", "warning",
            "the recording field of this EDF+ file has no start date; the "
            "one of the main header is used"))
    if notes and not plus:
        found.append(Problem(
            "edf.annotations_in_plain", "warning",
            "annotations of a file that does not call itself EDF+ or BDF+ "
            "are not read"))
    return found


def _padding(raw: bytes, padded: bytes) -> list[Problem]:
    if raw == padded:
        return []
    return [Problem(
        "edf.header.nul_padding", "warning", "texts of the header are padded "
        "with NUL, where EDF pads with spaces; read as if it did")]


def _cut_header(length: int) -> CorruptDataError:
    return CorruptDataError(
        "edf.header.truncated", f"the file ends inside its header, after "
        f"{length} bytes", "copy it again from its source")
