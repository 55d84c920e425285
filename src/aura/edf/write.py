"""Writing of EDF, EDF+ and BDF+: header, annotation lists, records."""
# pyedflib takes one annotation of 40 characters per record, rounds the
# duration of a record and writes no gaps. edfio moves records that follow a
# gap, and leaves plain EDF plain. Tests read with both what is written here.

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from aura import state
from aura.edf import fields
from aura.edf.header import (
    COLUMNS, FREE_TEXT, MAIN_BYTES, MAIN_WIDTHS, RECORD_BYTES_MAX, Header,
    columns, read_at)
from aura.edf.signal import BLOCK_BYTES, read_exactly
from aura.edf.tal import Timeline

DECIMALS = 6
# EDF+ recommends records of at most this many bytes.
_PLUS_RECORD_BYTES = 61440

# Onset in seconds after the first sample, duration if known, text.
Row = tuple[float, float | None, str]
# One text for each of `COLUMNS`.
SignalFields = tuple[str, ...]


@dataclass(frozen=True)
class Main:
    """The part of a header before its signals; texts fit their fields."""

    kind: str  # ``EDF``, ``EDF+C``, ``EDF+D``, ``BDF+C`` or ``BDF+D``
    start: datetime
    patient: str
    recording: str
    record_count: int
    record_s: str

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample."""
        return 3 if self.kind.startswith("BDF") else 2

    def header(self, signals: Sequence[SignalFields]) -> bytes:
        """Encode the whole header."""
        # Two digits of a year reach from 1985 to 2084.
        year = (f"{self.start:%y}" if 1985 <= self.start.year <= 2084
                else "yy")
        cells = [*zip((
            "\xffBIOSEMI" if self.kind.startswith("BDF") else "0",
            self.patient, self.recording, f"{self.start:%d.%m.}{year}",
            f"{self.start:%H.%M.%S}", str(MAIN_BYTES * (len(signals) + 1)),
            self.kind if "+" in self.kind else "", str(self.record_count),
            self.record_s, str(len(signals))), MAIN_WIDTHS, strict=True)]
        for column, width in zip(
                zip(*signals, strict=True), COLUMNS.values(), strict=True):
            cells += [(cell, width) for cell in column]
        return b"".join(_padded(cell, width) for cell, width in cells)


def signal_fields(label: str, unit: str, physical: tuple[str, str],
                  digital: tuple[int, int], samples_per_record: int,
                  transducer: str = "") -> SignalFields:
    """The ten header fields of a signal."""
    return (label, transducer, unit, *physical, *map(str, digital), "",
            str(samples_per_record), "")


def samples(target: BinaryIO, main: Main, signals: Sequence[SignalFields],
            blocks: Iterable[NDArray[np.int32]],
            rows: Iterable[Row] = ()) -> None:
    """Write signals, given as rows with the samples of a record each."""
    packed = (_packed(block, main.sample_bytes) for block in blocks)
    record_s = float(main.record_s)
    _write(target, main, signals, packed, _spread(
        [_encode(*row) for row in rows],
        [number * record_s for number in range(main.record_count)])
        if "+" in main.kind else ())


def copy(source: BinaryIO, target: BinaryIO, header: Header,
         timeline: Timeline, rows: Iterable[Row]) -> None:
    """Copy a recording's samples as EDF+ or BDF+ with these annotations."""
    raw = read_at(source.fileno(), header.header_bytes, 0).replace(b"\0", b" ")
    family, first_s = header.kind[:3], timeline.first_onset_s
    lists = _spread(
        [_encode(first_s + onset_s, duration_s, text)
         for onset_s, duration_s, text in sorted(
             rows, key=lambda row: row[0])],
        [first_s + onset_s for onset_s in _onsets(header, timeline)])
    size = sum(one.width for one in header.signals) + _width(
        lists, header.sample_bytes)
    if size > RECORD_BYTES_MAX:
        raise state.error(
            "convert.record_size", size=size,
            record_bytes_max=RECORD_BYTES_MAX)
    count = header.header_bytes // MAIN_BYTES - 1
    signals = [
        tuple(cell.decode("latin-1") for cell in cells) for cells in zip(
            *_cells(raw[MAIN_BYTES:], count), strict=True)
        if fields.text(cells[0]) != f"{family} Annotations"]
    form = "+D" if len(timeline.parts) > 1 else header.kind[3:] or "+C"
    main = Main(
        family + form, header.start, _patient(header),
        _recording(header, raw[88:168]), header.record_count,
        raw[244:252].replace(b",", b".").decode("ascii"))
    _write(target, main, signals, _records(source, header), lists)


def annotation_file(rows: Sequence[Row], start: datetime,
                    duration_s: float) -> bytes:
    """Encode annotations as an EDF+ file without signals or patient."""
    # Opened beside its recording, a viewer such as EDFbrowser shows them.
    late_s = start.microsecond / 1e6
    lists = [_encode(late_s + onset_s, length_s, text)
             for onset_s, length_s, text in rows]
    longest = max(map(len, lists), default=0)
    # Besides its share a record holds its onset and, at most, one list more.
    share = max(_PLUS_RECORD_BYTES - 32 - longest, longest)
    count = max(1, math.ceil(sum(map(len, lists)) / share))
    record_s = max(1, math.ceil(duration_s / count))
    records = _spread(lists, [late_s + i * record_s for i in range(count)])
    main = Main("EDF+C", start, "X X X X",
                startdate(start, "X X aura-review"), count, str(record_s))
    target = io.BytesIO()
    _write(target, main, [], [np.empty((count, 0), np.uint8)],
           [one + b"\0" for one in records])
    return target.getvalue()


def printable(text: str) -> str:
    """A text as an annotation can hold it: without control characters."""
    return "".join(" " if ord(c) < 32 or ord(c) == 127 else c
                   for c in text).strip()


def field(text: str, width: int = 80) -> str:
    """A text as a header field can hold it: ASCII, cut to its width."""
    # Escaped and not replaced, so that two patients do not become one.
    return printable(text).encode("ascii", "backslashreplace").decode()[:width]


def startdate(start: datetime, rest: str) -> str:
    """The recording field of EDF+."""
    month = fields.MONTHS[start.month - 1]
    return f"Startdate {start:%d}-{month}-{start.year:04d} {rest}"


def _write(target: BinaryIO, main: Main, signals: Sequence[SignalFields],
           blocks: Iterable[NDArray[np.uint8]],
           lists: Sequence[bytes]) -> None:
    """Write records given as rows of bytes, with one list for each."""
    if lists:
        width = _width(lists, main.sample_bytes)
        limit = 1 << (8 * main.sample_bytes - 1)
        signals = [*signals, signal_fields(
            f"{main.kind[:3]} Annotations", "", ("-1", "1"),
            (-limit, limit - 1), width // main.sample_bytes)]
    target.write(main.header(signals))
    first = 0
    for block in blocks:
        if lists:
            last = first + len(block)
            text = b"".join(one.ljust(width, b"\0")
                            for one in lists[first:last])
            block = np.hstack((block, np.frombuffer(text, np.uint8).reshape(
                len(block), width)))
            first = last
        target.write(block.tobytes())


def _width(lists: Sequence[bytes], sample_bytes: int) -> int:
    """Bytes that have room for each of the lists, in whole samples."""
    longest = max(map(len, lists))
    return longest + -longest % sample_bytes


def _encode(onset_s: float, duration_s: float | None, text: str) -> bytes:
    """Encode a time-stamped annotation list of one text."""
    onset = _number(onset_s)
    sign = "" if onset.startswith("-") else "+"
    length = "" if duration_s is None else f"\x15{_number(duration_s)}"
    return f"{sign}{onset}{length}\x14{printable(text)}\x14\0".encode(
        "utf-8", "replace")


def _spread(lists: Sequence[bytes], onsets_s: Iterable[float]) -> list[bytes]:
    """Put lists into records evenly and in order, each after its onset."""
    records = [[_encode(onset_s, None, "")] for onset_s in onsets_s]
    # With room for one more than the mean no list has to be cut.
    room = -(-sum(map(len, lists)) // len(records)) + max(
        map(len, lists), default=0)
    at = used = 0
    for one in lists:
        if used + len(one) > room:
            at, used = at + 1, 0
        records[at].append(one)
        used += len(one)
    return [b"".join(record) for record in records]


def _packed(samples: NDArray[np.int32],
            sample_bytes: int) -> NDArray[np.uint8]:
    whole = np.ascontiguousarray(samples, "<i4").view(np.uint8)
    return whole.reshape(-1, 4)[:, :sample_bytes].reshape(len(samples), -1)


def _padded(text: str, width: int) -> bytes:
    raw = text.encode("latin-1").ljust(width)
    if len(raw) > width:
        raise ValueError(f"{text!r} has more than {width} bytes")
    return raw


def _number(value: float) -> str:
    text = f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _cells(table: bytes, count: int) -> Iterator[list[bytes]]:
    """Each field of all signals, with decimal points in numbers."""
    for name, cells in columns(table, count).items():
        yield cells if name in FREE_TEXT else [
            cell.replace(b",", b".") for cell in cells]


def _onsets(header: Header, timeline: Timeline) -> Iterator[float]:
    """Start of each record in seconds after the first sample."""
    firsts = [record for record, _ in timeline.parts]
    for (first, onset_s), after in zip(
            timeline.parts, [*firsts[1:], header.record_count], strict=True):
        for record in range(after - first):
            yield onset_s + float(record * header.record_duration_s)


def _records(source: BinaryIO, header: Header) -> Iterator[NDArray[np.uint8]]:
    """The records of a recording without its annotations."""
    step = max(1, BLOCK_BYTES // header.record_bytes)
    for first in range(0, header.record_count, step):
        count = min(step, header.record_count - first)
        block = read_exactly(
            source.fileno(), count * header.record_bytes,
            header.header_bytes + first * header.record_bytes).reshape(
                count, -1)
        yield np.hstack([block[:, one.offset:one.offset + one.width]
                         for one in header.signals])


def _patient(header: Header) -> str:
    """The patient field of EDF+; the code of plain EDF stays in front."""
    if "+" in header.kind:
        return field(header.patient)
    code, _, rest = header.patient.partition(" ")
    return field(f"{code or 'X'} X X {'_'.join(rest.split()) or 'X'}")


def _recording(header: Header, given: bytes) -> str:
    rest = "_".join(given.decode("latin-1").split())
    if given.startswith(b"Startdate ") and "+" in header.kind:
        if not any(one.rule in ("edf.date", "edf.startdate")
                   for one in header.problems):
            return field(fields.text(given))
        rest = fields.text(given).split(" ", 2)[-1]
    else:
        rest = f"X X {rest or 'X'}"
    return field(startdate(header.start, rest) if header.dated
                 else f"Startdate X {rest}")
