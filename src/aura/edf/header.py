"""Headers of EDF, EDF+ and BDF recordings, checked before any sample."""
# Sources: https://doi.org/10.1016/0013-4694(92)90009-7,
# https://doi.org/10.1016/S1388-2457(03)00123-8. Sizes are Python integers: a
# file of 12 kB crashes readers that add the bytes of a record in 32 bits.

import os
import threading
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from typing import BinaryIO

from aura import state
from aura.edf import fields
from aura.errors import AuraError, InvalidInputError, Problem, plural

SIGNALS_MAX = 512
RECORD_BYTES_MAX = 16 * 2**20
RATE_HZ_MAX = 20_000

# Warnings about a file that can be read; errors in strict mode.
FAULTS = frozenset(f"edf.{name}" for name in (
    "annotations_missing", "date", "header.control", "header.number", "kind",
    "no_records", "record_count",
    "record_count_unknown", "record_onset", "startdate", "time",
    "trailing_bytes", "truncated"))
# So many whole records behind the last one are no remains of another file.
SURPLUS_MIN = 10

MAIN_BYTES = 256
MAIN_WIDTHS = (8, 80, 80, 8, 8, 8, 44, 8, 8, 4)
_MAIN_TEXTS = (1, 2, 6)
COLUMNS = {
    "label": 16, "transducer": 80, "unit": 8, "physical minimum": 8,
    "physical maximum": 8, "digital minimum": 8, "digital maximum": 8,
    "prefilter": 80, "samples per record": 8, "reserved": 32}
FREE_TEXT = ("label", "transducer", "unit", "prefilter", "reserved")
# An open file always gets the same lock.
_MOVING = [threading.Lock() for _ in range(64)]


@dataclass(frozen=True)
class SignalHeader:
    """The header fields of one signal."""

    label: str  # As in the file, made printable
    unit: str
    # Physical minimum and maximum, in `unit`, exactly as written.
    physical: tuple[Fraction, Fraction]
    digital: tuple[int, int]  # Digital minimum and maximum
    samples_per_record: int  # Number of samples in each record
    offset: int  # Bytes from the start of a record to this signal
    width: int  # Bytes of this signal in each record
    # Why this signal cannot be used, although the rest of the file can.
    fault: AuraError | None = None


@dataclass(frozen=True)
class Header:
    """A header that passed every check."""

    kind: str  # ``EDF``, ``EDF+C``, ``EDF+D``, ``BDF``, ``BDF+C`` or ``BDF+D``
    sample_bytes: int  # 2 in EDF, 3 in BDF
    # Start without a zone, to the second, and whether it can be believed.
    start: datetime
    dated: bool
    header_bytes: int  # Layout of the file
    record_bytes: int
    record_count: int
    record_duration_s: Fraction  # Seconds in one record, exactly as written
    # The channels, without the annotation signals.
    signals: tuple[SignalHeader, ...]
    annotation_signals: tuple[SignalHeader, ...]
    # The patient field; only `aura.dataset.patients` uses it.
    patient: str = field(default="", repr=False)
    problems: tuple[Problem, ...] = ()  # Warnings

    @property
    def duration_s(self) -> Fraction:
        """Length of all records together."""
        return self.record_count * self.record_duration_s

    def rate_hz(self, signal: SignalHeader) -> Fraction:
        """Exact sampling rate of a signal."""
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
    """Read and check the header of an open recording."""
    descriptor = stream.fileno()
    raw = read_at(descriptor, MAIN_BYTES, 0)
    kind, sample_bytes, unusual = _kind(raw)
    odd: list[str] = []
    main = fields.printable(raw, MAIN_WIDTHS, 0)
    count = _signal_count(main, odd)
    raw += read_at(descriptor, MAIN_BYTES * count, MAIN_BYTES)
    if len(raw) < MAIN_BYTES * (count + 1):
        raise _cut_header(len(raw))
    duration = _record_duration(main, odd)
    table, cells, signals, more = _table(
        raw[MAIN_BYTES:], duration, sample_bytes)
    odd += more
    record_bytes = sum(signal.width for signal in signals)
    records, salvaged = _records(
        descriptor, fields.integer(main[236:244], "number of records", odd),
        MAIN_BYTES * (count + 1), record_bytes, duration)
    labels = ("edf annotation", "bdf annotation")
    channels = [signal for signal in signals
                if not signal.label.lower().startswith(labels)]
    annotations = [signal for signal in signals
                   if signal.label.lower().startswith(labels)]
    if not channels:
        raise state.error("edf.no_signals")
    if kind[3:4] == "+" and not annotations:
        text = (f"the file is marked as {kind}, but it has no signal "
                f"'{kind[:3]} Annotations'")
        if kind.endswith("D"):
            raise state.error("edf.annotations_missing", text=text)
        kind = kind[:3]
        unusual.append(Problem("edf.annotations_missing", "warning",
                               f"{text}; it is read as {kind}"))
    plus = kind[3:4] == "+"
    start, dated, doubts = fields.start(
        main[168:176], main[176:184], main[88:168], plus)
    return Header(
        kind, sample_bytes, start, dated,
        MAIN_BYTES * (count + 1), record_bytes, records, duration,
        tuple(channels), tuple(annotations),
        fields.text(main[8:88]), (
            *salvaged, *unusual, *doubts, *_odd(odd),
            *_padding(raw, main + table),
            *_warnings(main, cells, plus, bool(annotations))))


@lru_cache(16)
def _table(raw: bytes, duration: Fraction, sample_bytes: int) -> tuple[
        bytes, dict[str, list[bytes]], list[SignalHeader], list[str]]:
    """The table of the signals, which many files of a device share."""
    odd: list[str] = []
    count = len(raw) // MAIN_BYTES
    widths = [width for width in COLUMNS.values() for _ in range(count)]
    table = fields.printable(raw, widths, MAIN_BYTES)
    cells = columns(table, count)
    return table, cells, _signals(cells, duration, sample_bytes, odd), odd


def _kind(main: bytes) -> tuple[str, int, list[Problem]]:
    if len(main) < MAIN_BYTES:
        raise _cut_header(len(main))
    if main[:8].rstrip(b" \0") == b"0":
        family, sample_bytes = "EDF", 2
    elif main[:8] == b"\xffBIOSEMI":
        family, sample_bytes = "BDF", 3
    else:
        raise state.error("edf.version")
    reserved = main[192:236].rstrip(b" \0")
    if reserved[:4] not in (b"EDF+", b"BDF+"):
        return family, sample_bytes, []
    # Gaps are read in each, so that only one without annotations matters.
    kind = f"{family}+{'D' if reserved[4:5] in (b'D', b'd') else 'C'}"
    return kind, sample_bytes, [] if reserved.startswith(kind.encode()) else [
        state.problem("edf.kind", family=family, kind=kind)]


def _signal_count(main: bytes, odd: list[str]) -> int:
    count = fields.integer(main[252:256], "number of signals", odd)
    if count < 1:
        raise state.error("edf.no_signals/count", count=count)
    if count > SIGNALS_MAX:
        raise state.error(
            "edf.signal_count", count=count, signals_max=SIGNALS_MAX)
    header_bytes = fields.integer(main[184:192], "bytes in the header", odd)
    if header_bytes != MAIN_BYTES * (count + 1):
        raise state.error(
            "edf.header_bytes", header_bytes=header_bytes, count=count,
            found=MAIN_BYTES * (count + 1))
    return count


def _record_duration(main: bytes, odd: list[str]) -> Fraction:
    duration = fields.decimal(main[244:252], "duration of a record", odd)
    if duration <= 0:
        raise state.error("edf.record_duration", duration=float(duration))
    return duration


def _records(descriptor: int, claimed: int, begin: int, record_bytes: int,
             duration: Fraction) -> tuple[int, list[Problem]]:
    """Number of records to read, with a warning if the header has another."""
    if not 0 < record_bytes <= RECORD_BYTES_MAX:
        raise state.error(
            "edf.record_size", record_bytes=record_bytes,
            record_bytes_max=RECORD_BYTES_MAX)
    body = max(os.fstat(descriptor).st_size - begin, 0)
    whole, rest = divmod(body, record_bytes)
    if not whole:
        raise state.error(
            "edf.truncated", body=body, record_bytes=record_bytes)
    if (whole, rest) == (claimed, 0):
        return whole, []
    read, left = f"the {plural(whole, 'whole record')} in the file", ""
    if rest:
        left = f"; the {rest} bytes after them are not read"
    if claimed < 1:
        rule = ("edf.record_count_unknown" if claimed == -1
                else "edf.no_records")
        found = f"the number of records is {claimed}; {read}"
    elif whole < claimed:
        rule = "edf.truncated"
        missing_s = float((claimed - whole) * duration)
        found = (f"the file ends {missing_s:g} s too early: its header gives "
                 f"{plural(claimed, 'record')}; {read}")
    elif (whole - claimed >= (SURPLUS_MIN if rest else 1)
            and not _is_other(descriptor, begin + claimed * record_bytes)):
        rule = "edf.record_count"
        found = f"the number of records is {claimed}; {read}"
    else:
        rule, whole = "edf.trailing_bytes", claimed
        found = f"the {plural(claimed, 'record')} that the header gives"
        left = (f"; the {body - claimed * record_bytes} bytes after them are "
                "not read")
    return whole, [Problem(
        rule, "warning", f"{found} ({float(whole * duration):g} s) are read"
        + left)]


def _is_other(descriptor: int, at: int) -> bool:
    """Whether one byte is repeated from here on, or another file begins."""
    if read_at(descriptor, 8, at) == read_at(descriptor, 8, 0):
        return True
    first = read_at(descriptor, 1, at)
    while block := read_at(descriptor, 2**20, at):
        if block.strip(first):
            return False
        at += len(block)
    return True


def columns(table: bytes, count: int) -> dict[str, list[bytes]]:
    """Each field of all signals, by the names of `COLUMNS`."""
    cells, at = {}, 0
    for name, width in COLUMNS.items():
        cells[name] = [
            table[at + i * width:at + (i + 1) * width] for i in range(count)]
        at += count * width
    return cells


def _signals(columns: dict[str, list[bytes]], duration: Fraction,
             sample_bytes: int, odd: list[str]) -> list[SignalHeader]:
    signals, offset = [], 0
    for index, label in enumerate(columns["label"]):
        samples = fields.integer(
            columns["samples per record"][index],
            f"samples per record of signal {index + 1}", odd)
        if samples < 0:
            raise state.error("edf.samples", found=index + 1, samples=samples)
        row = {name: column[index] for name, column in columns.items()}
        physical, digital, fault = _ranges(row, sample_bytes, odd)
        width = samples * sample_bytes
        signals.append(SignalHeader(
            fields.text(label), fields.text(row["unit"]), physical, digital,
            samples, offset, width,
            fault or _rate_fault(samples / duration)))
        offset += width
    return signals


def _ranges(row: dict[str, bytes], sample_bytes: int,
            odd: list[str]) -> tuple[
        tuple[Fraction, Fraction], tuple[int, int], AuraError | None]:
    limit = 1 << (8 * sample_bytes - 1)
    unknown = (Fraction(0), Fraction(0)), (0, 0)
    try:
        low, high = (fields.integer(row[f"digital {end}imum"],
                                    f"digital {end}imum", odd)
                     for end in ("min", "max"))
        bottom, top = (fields.decimal(row[f"physical {end}imum"],
                                      f"physical {end}imum", odd)
                       for end in ("min", "max"))
    except InvalidInputError as error:
        return *unknown, error
    if low > high:
        odd.append(f"'digital minimum' is {low}, above the maximum {high}")
        low, high, bottom, top = high, low, top, bottom
    if not -limit <= low < high < limit:
        return *unknown, state.error(
            "edf.digital_range", low=low, high=high, least=-limit,
            most=limit - 1, fix=fields.REPAIR)
    if bottom == top:
        return *unknown, state.error(
            "edf.physical_range", both=float(top), fix=fields.REPAIR)
    return (bottom, top), (low, high), None


def _rate_fault(rate_hz: Fraction) -> AuraError | None:
    if 0 < rate_hz <= RATE_HZ_MAX:
        return None
    return state.error(
        "edf.sampling_rate", rate_hz=float(rate_hz), rate_hz_max=RATE_HZ_MAX)


def _warnings(main: bytes, columns: dict[str, list[bytes]], plus: bool,
              annotated: bool) -> list[Problem]:
    found = []
    texts = [main[8:168], main[192:236]]
    texts += [cell for name in FREE_TEXT for cell in columns[name]]
    if not all(cell.isascii() for cell in texts):
        found.append(state.problem("edf.header.not_ascii"))
    if plus and main[88:98] != b"Startdate ":
        found.append(state.problem("edf.startdate_missing"))
    if annotated and not plus:
        found.append(state.problem("edf.annotations_in_plain"))
    return found


def _odd(found: list[str]) -> list[Problem]:
    if not found:
        return []
    more = f" and {len(found) - 4} more" if len(found) > 4 else ""
    return [state.problem(
        "edf.header.number", found=', '.join(found[:4]), more=more)]


def _padding(raw: bytes, padded: bytes) -> list[Problem]:
    if raw == padded:
        return []
    count = len(raw) // MAIN_BYTES - 1
    layout = [(width, number in _MAIN_TEXTS)
              for number, width in enumerate(MAIN_WIDTHS)]
    layout += [(width, name in FREE_TEXT)
               for name, width in COLUMNS.items() for _ in range(count)]
    kinds, at = set(), 0
    for width, free in layout:
        if raw[at:at + width] != padded[at:at + width]:
            kinds.add(free)
        at += width
    return [Problem(
        "edf.header.nul_padding" if free else "edf.header.control",
        "warning", f"{'texts' if free else 'numbers or dates'} of the header "
        "are padded with NUL instead of spaces; they are read without the "
        "padding") for free in sorted(kinds)]


def _cut_header(length: int) -> AuraError:
    return state.error(
        "edf.header.truncated",
        what=f"ends inside its header, after {length} bytes"
        if length else "is empty")
