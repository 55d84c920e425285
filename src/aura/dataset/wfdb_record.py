"""Records of WFDB: a header in text, and samples in one file or several."""
# Source: https://physionet.org/physiotools/wag/header-5.htm Whole numbers of 8
# to 32 bits are read, one sample of each signal at a time.

import contextlib
import posixpath
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from aura import state
from aura.dataset.as_edf import Lead, Waveform, of_numbers
from aura.edf.fields import UNDATED
from aura.errors import (
    AuraError, CorruptDataError, InvalidInputError, MissingError)
from aura.folder import Folder

Counts = NDArray[np.int32]

_NAME = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_FILE = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)
_FORMAT = re.compile(r"(\d{1,4})([x:]\d[x:\d]*)?(?:\+(\d{1,9}))?", re.ASCII)
_NUMBER = r"(?:\d{1,20}\.?\d{0,20}|\.\d{1,20})(?:[eE][+-]?\d{1,2})?"
_RATE = re.compile(rf"({_NUMBER})(?:/.*)?", re.ASCII)
_GAIN = re.compile(rf"({_NUMBER})(?:\((-?\d{{1,10}})\))?(?:/(\S+))?", re.ASCII)
_WHOLE = re.compile(r"-?\d{1,18}", re.ASCII)
SUFFIX, GAP = ".hea", "~"
HEADER_BYTES_MAX = 2**20
RATE_HZ = 250.0
GAIN = 200.0
# Bits of a sample; samples that are packed together, and their bytes.
FORMATS = {80: (8, 1, 1), 16: (16, 1, 2), 61: (16, 1, 2), 160: (16, 1, 2),
           24: (24, 1, 3), 32: (32, 1, 4), 212: (12, 2, 3),
           310: (10, 3, 4), 311: (10, 3, 4)}
_DTYPES = {16: "<i2", 61: ">i2", 80: "u1", 160: "<u2", 32: "<i4"}
_OFFSETS = {80: 128, 160: 32768}
AGAIN = "copy the record again from its source"
BLOCK_ROWS = 6 * 2**15  # A whole number of packs of each format


@dataclass(frozen=True)
class SignalLine:
    """The header line of one signal."""

    file: str
    packing: int  # Format of the samples
    offset: int  # Bytes before the first sample
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
    """Header of a record, maybe without signals."""

    name: str
    rate_hz: float
    length: int | None
    signals: tuple[SignalLine, ...]
    start: datetime | None = field(default=None)
    # Names and lengths of the records that it joins; `GAP` is no record.
    segments: tuple[tuple[str, int], ...] = ()

    @property
    def files(self) -> list[tuple[str, list[SignalLine]]]:
        """The files of samples, each with its signals in order."""
        return [(name, list(group)) for name, group in groupby(
            self.signals, lambda one: one.file)]


def read(folder: Folder, path: str) -> Waveform:
    """Read the header and check the samples, which are read again later."""
    header = _header_of(folder, path)
    place = posixpath.dirname(path)
    # One without a length only names the signals of all others.
    gap = header, Waveform(header.rate_hz, (), 0, lambda: iter(()))
    parts = [(*(gap if name == GAP else _part(folder, posixpath.join(
        place, name + SUFFIX))), length)
        for name, length in header.segments if length]
    return _joined(header, parts) if parts else _part(folder, path, header)[1]


def _header_of(folder: Folder, path: str) -> RecordHeader:
    with folder.open(path) as stream:
        return read_header(stream.read(HEADER_BYTES_MAX + 1),
                           posixpath.basename(path)[:-len(SUFFIX)])


def _part(folder: Folder, path: str, header: RecordHeader | None = None) -> (
        tuple[RecordHeader, Waveform]):
    """The header and signals of a record that joins no others."""
    place = posixpath.dirname(path)

    @contextlib.contextmanager
    def open_file(file: str) -> Iterator[BinaryIO]:
        try:
            with folder.open(posixpath.join(place, file)) as stream:
                yield stream
        except MissingError:
            raise state.error("wfdb.file", file=file) from None

    header = header or _header_of(folder, path)
    return header, waveform(header, open_file)


def _joined(header: RecordHeader, parts: list[
        tuple[RecordHeader, Waveform, int]]) -> Waveform:
    """The segments of a record one after the other, by their labels."""
    places: dict[tuple[str, str, int], int] = {}
    for _, part, _ in parts:
        if part.rate_hz != header.rate_hz:
            raise state.error("wfdb.format/rates", record=header.name)
        for key in _keys(part):
            places.setdefault(key, len(places))

    def blocks() -> Iterator[NDArray[np.floating[Any]]]:
        for of_part, part, left in parts:
            for block in part.blocks():
                rows = np.full((min(left, len(block)), len(places)), np.nan)
                for key, line, lead, counts in zip(
                        _keys(part), of_part.signals, part.leads,
                        block[:left].T, strict=True):
                    lowest = -2 ** (FORMATS[line.packing][0] - 1)
                    rows[:, places[key]] = np.where(
                        counts == lowest, np.nan,
                        (counts - lead.baseline) / lead.gain)
                left -= len(rows)
                yield rows
            while left > 0:
                yield np.full((min(left, BLOCK_ROWS), len(places)), np.nan)
                left -= BLOCK_ROWS

    return of_numbers(header.rate_hz, [key[:2] for key in places], sum(
        length for *_, length in parts), blocks, header.start)


def _keys(part: Waveform) -> list[tuple[str, str, int]]:
    """Label and unit of each signal, and how many before it have them."""
    names = [(lead.label, lead.unit) for lead in part.leads]
    return [(*name, names[:at].count(name)) for at, name in enumerate(names)]


def segments(head: bytes) -> set[str]:
    """The records that a header joins, by its begin."""
    with contextlib.suppress(AuraError):
        return {name for name, _ in read_header(head, "").segments}
    return set()


def read_header(content: bytes, record: str) -> RecordHeader:
    """Read a ``.hea`` file."""
    lines = [line.strip() for line in content.decode(
        "utf-8", "replace").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines or len(content) > HEADER_BYTES_MAX:
        raise _malformed(record, 1)
    name, count, rate, length, clock, day, *_ = [*lines[0].split(), *[""] * 6]
    name, _, several = name.partition("/")
    known = _RATE.fullmatch(rate or str(RATE_HZ))
    if not (_NAME.fullmatch(name) and count.isdecimal() and known
            and (length or "0").isdecimal() and len(count + length) < 19):
        raise _malformed(record, 1)
    start = _start(clock, day)
    if several == str(len(lines) - 1):
        return RecordHeader(name, float(known[1]) or RATE_HZ, None, (), start,
                            tuple(_segments(lines[1:], record)))
    if several or len(lines) <= int(count):
        raise _malformed(record, len(lines) + 1)
    found = [_signal(line, record, number) for number, line in enumerate(
        lines[1:int(count) + 1], 2)]
    header = RecordHeader(
        name, float(known[1]) or RATE_HZ, int(length or 0) or None,
        tuple(found), start)
    for file, group in header.files:
        if len({(one.packing, one.offset) for one in group}) > 1 or [
                other for other, _ in header.files].count(file) > 1:
            raise state.error("wfdb.format/mixed", record=record, file=file)
    return header


def _segments(lines: list[str], record: str) -> Iterator[tuple[str, int]]:
    for number, line in enumerate(lines, 2):
        name, length, *_ = [*line.split(), ""]
        if not (length.isdecimal() and len(length) < 19 and (
                name == GAP or _NAME.fullmatch(name))):
            raise _malformed(record, number)
        yield name, int(length)


def _signal(text: str, record: str, number: int) -> SignalLine:
    # The label is all that follows the eighth field.
    file, form, gain, bits, zero, first, total, block, label, *_ = [
        *text.split(maxsplit=8), *[""] * 9]
    kind, scale = _FORMAT.fullmatch(form), _GAIN.fullmatch(gain or "0")
    if not (_FILE.fullmatch(file) and kind and scale and all(
            _WHOLE.fullmatch(one or "0")
            for one in (bits, zero, first, total, block))):
        raise _malformed(record, number)
    if kind[2] or int(kind[1]) not in FORMATS:
        raise state.error(
            "wfdb.format", record=record, file=file, form=form,
            known=", ".join(map(str, sorted(FORMATS))))
    packing = int(kind[1])
    return SignalLine(
        file, packing, int(kind[3] or 0), label.strip(),
        float(scale[1]) or GAIN, scale[3] or "mV",
        int(scale[2] or zero or 0), int(zero or 0),
        int(bits or 0) or FORMATS[packing][0], int(total) if total else None)


def _start(clock: str, day: str) -> datetime | None:
    """The start; a time of day without a date is on the day `UNDATED`."""
    day = day or f"{UNDATED:%d/%m/%Y}"
    for form in ("%H:%M:%S %d/%m/%Y", "%H:%M:%S.%f %d/%m/%Y"):
        with contextlib.suppress(ValueError):
            return datetime.strptime(f"{clock} {day}", form)
    return None


def waveform(header: RecordHeader, open_file: Callable[
        [str], AbstractContextManager[BinaryIO]]) -> Waveform:
    """The signals of a record, checked against its header."""
    if not header.signals:
        raise state.error("wfdb.format/empty", record=header.name)
    low, high, length = _ranges(header, open_file)

    def blocks() -> Iterator[Counts]:
        with ExitStack() as opened:
            parts = [_blocks(opened.enter_context(open_file(file)), lines)
                     for file, lines in header.files]
            left = length
            for block in zip(*parts, strict=False):
                rows = min(left, *map(len, block))
                yield np.hstack([part[:rows] for part in block])
                left -= rows

    return Waveform(
        header.rate_hz, tuple(Lead(
            one.label, one.unit, one.gain, one.baseline,
            *_limits(one, least, most)) for one, least, most in zip(
                header.signals, low, high, strict=True)),
        length if header.length is None else header.length, blocks,
        header.start)


def _limits(line: SignalLine, least: int, most: int) -> tuple[int, int]:
    """The range of the converter, or a wide one's part that is in use."""
    if line.bits > 16:
        margin = (most - least) // 8 + 1
        return least - margin, most + margin
    half = 2 ** (line.bits - 1)
    return min(least, line.zero - half), max(most, line.zero + half - 1)


def _ranges(header: RecordHeader, open_file: Callable[
        [str], AbstractContextManager[BinaryIO]]) -> tuple[
            list[int], list[int], int]:
    """Smallest and largest sample of each signal, and the common length."""
    low, high, lengths = list[int](), list[int](), list[int]()
    for file, lines in header.files:
        ranges, sums, length = [], np.zeros(len(lines), np.int64), 0
        with open_file(file) as stream:
            for block in _blocks(stream, lines):
                if header.length is not None:
                    block = block[:header.length - length]
                if not len(block):
                    break
                ranges.append((block.min(axis=0), block.max(axis=0)))
                sums += block.sum(axis=0, dtype=np.int64)
                length += len(block)
        if not length:
            raise CorruptDataError(
                "wfdb.length", f"{file} has no samples", AGAIN)
        # The sums of a file that was cut off say nothing.
        check_sums(header, file, lines, sums if length == (
            header.length or length) else None)
        low += np.min([one for one, _ in ranges], axis=0).tolist()
        high += np.max([one for _, one in ranges], axis=0).tolist()
        lengths.append(length)
    if header.length is None and len(set(lengths)) > 1:
        raise state.error("wfdb.length/differ")
    return low, high, min(lengths)


def check_sums(header: RecordHeader, file: str, lines: list[SignalLine],
               sums: NDArray[np.int64] | None) -> None:
    """Compare the sums of all samples with those in the header."""
    for place, line in enumerate(lines if sums is not None else ()):
        if sums is not None and line.checksum is not None and (
                int(sums[place]) - line.checksum) % 2**16:
            raise state.error(
                "wfdb.sum", file=file, signal=place + 1, record=header.name)


def _blocks(stream: BinaryIO, lines: list[SignalLine]) -> Iterator[Counts]:
    """Blocks of samples, a column for each signal of a file."""
    packing, width = lines[0].packing, len(lines)
    _, packed, size = FORMATS[packing]
    stream.seek(lines[0].offset)
    # All files have blocks of as many rows, so signals stay together.
    while content := stream.read(BLOCK_ROWS * width // packed * size):
        flat = decoded(content, packing)
        yield flat[:len(flat) // width * width].reshape(-1, width)


def decoded(content: bytes, packing: int) -> Counts:
    """The samples of a file, or of whole packs of it."""
    _, packed, size = FORMATS[packing]
    # The last pack may have room for samples that are not there.
    used = len(content) * packed // size
    raw = np.frombuffer(content + bytes(-len(content) % size), np.uint8)
    if packing in _DTYPES:
        flat: Counts = np.frombuffer(
            content[:used * size], _DTYPES[packing]).astype(
                np.int32) - _OFFSETS.get(packing, 0)
        return flat
    one = raw.reshape(-1, size).astype(np.int32).T
    if packing == 24:
        samples = [one[0] | one[1] << 8 | one[2] << 16]
    elif packing == 212:
        samples = [one[0] | (one[1] & 0x0F) << 8,
                   one[2] | (one[1] & 0xF0) << 4]
    elif packing == 310:
        samples = [one[0] >> 1 | (one[1] & 7) << 7,
                   one[2] >> 1 | (one[3] & 7) << 7,
                   one[1] >> 3 | (one[3] >> 3) << 5]
    else:
        samples = [one[0] | (one[1] & 3) << 8,
                   one[1] >> 2 | (one[2] & 15) << 6,
                   one[2] >> 4 | (one[3] & 63) << 4]
    bits = FORMATS[packing][0]
    flat = np.column_stack(samples).ravel()[:used]
    return np.where(flat >> (bits - 1), flat - (1 << bits), flat).astype(
        np.int32)


def _malformed(record: str, line: int) -> InvalidInputError:
    return InvalidInputError(
        "wfdb.header", f"{record}.hea: line {line} is not a line of a WFDB "
        "header", AGAIN)
