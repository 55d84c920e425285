"""
A copy of a recording as EDF+ or BDF+, with annotations inside.

The samples are the bytes of the source. Annotations are spread over the
records in their order, so that a record grows by no more than it has to;
each record keeps its own time, so that gaps stay gaps.
"""

from collections.abc import Iterator, Sequence
from typing import BinaryIO

from aura.annotations import table_text
from aura.annotations.annotation import Annotation
from aura.edf import fields
from aura.edf.header import RECORD_BYTES_MAX, Header, read_at
from aura.edf.signal import read_column
from aura.edf.tal import Timeline
from aura.errors import ResourceError

DECIMALS = 6
_MAIN = 256
_WIDTHS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP",
           "OCT", "NOV", "DEC")
_BLOCK_BYTES = 4 * 2**20


def note(text: str) -> str:
    """A text as EDF+ can hold it: without control characters."""
    return "".join(" " if ord(c) < 32 or ord(c) == 127 else c
                   for c in text).strip()


def write(source: BinaryIO, target: BinaryIO, header: Header,
          timeline: Timeline, rows: Sequence[Annotation]) -> None:
    """Copy a recording, its annotations replaced."""
    blocks, width = _lists(header, timeline, rows)
    data_bytes = sum(signal.width for signal in header.signals)
    if data_bytes + width > RECORD_BYTES_MAX:
        raise ResourceError(
            "convert.record_size", f"with these annotations a record has "
            f"{data_bytes + width} bytes; up to {RECORD_BYTES_MAX} are read",
            "convert to another format")
    target.write(_header(source, header, width))
    step = max(1, _BLOCK_BYTES // max(header.record_bytes, 1))
    for first in range(0, header.record_count, step):
        last = min(first + step, header.record_count)
        columns = [read_column(source, header, signal, first, last)
                   for signal in header.signals]
        for row in range(last - first):
            for column in columns:
                target.write(column[row].tobytes())
            target.write(blocks[first + row].ljust(width, b"\0"))


def _lists(header: Header, timeline: Timeline,
           rows: Sequence[Annotation]) -> tuple[list[bytes], int]:
    """What the annotation signal holds in each record, and its width."""
    first_s = timeline.first_onset_s
    blocks = [b"%s\x14\x14\0" % _signed(first_s + onset)
              for onset in _onsets(header, timeline)]
    lists = [_list(row, first_s) for row in sorted(
        rows, key=lambda row: row.onset_s)]
    # No list is cut: with room for one more than the mean all find place.
    room = -(-sum(map(len, lists)) // len(blocks)) + max(
        map(len, lists), default=0)
    at = 0
    used = 0
    for piece in lists:
        if used + len(piece) > room:
            at, used = at + 1, 0
        blocks[at] += piece
        used += len(piece)
    width = max(map(len, blocks))
    return blocks, width + -width % header.sample_bytes


def _list(row: Annotation, first_s: float) -> bytes:
    length = b"" if row.duration_s is None else (
        b"\x15" + table_text.decimal(row.duration_s, 0, DECIMALS).encode())
    return b"%s%s\x14%s\x14\0" % (
        _signed(first_s + row.onset_s), length, note(row.text).encode())


def _signed(seconds: float) -> bytes:
    text = table_text.decimal(seconds, 0, DECIMALS)
    return (text if text.startswith("-") else f"+{text}").encode("ascii")


def _onsets(header: Header, timeline: Timeline) -> Iterator[float]:
    """Start of each record in seconds after the first sample."""
    firsts = [record for record, _ in timeline.parts]
    for (first, onset_s), after in zip(
            timeline.parts, [*firsts[1:], header.record_count], strict=True):
        for record in range(after - first):
            yield onset_s + float(record * header.record_duration_s)


def _header(source: BinaryIO, header: Header, width: int) -> bytes:
    family, continuity = header.kind[:3], header.kind[3:] or "+C"
    count = header.header_bytes // _MAIN - 1
    raw = read_at(source.fileno(), header.header_bytes, 0).replace(
        b"\0", b" ")
    kept = _places(raw, header, count)
    limit = 1 << (8 * header.sample_bytes - 1)
    extra = (f"{family} Annotations", "", "", "-1", "1", str(-limit),
             str(limit - 1), "", str(width // header.sample_bytes), "")
    table, at = b"", _MAIN
    for size, text in zip(_WIDTHS, extra, strict=True):
        table += b"".join(raw[at + i * size:at + (i + 1) * size]
                          for i in kept) + text.encode().ljust(size)
        at += size * count
    main = (
        _field(raw[8:88], _patient(header)),
        _field(raw[88:168], _recording(header, raw[88:168])))
    return b"".join((
        # The version of BDF has a byte that is no text.
        b"\xffBIOSEMI" if family == "BDF" else b"0       ",
        *main, _start(header),
        str(_MAIN * (len(kept) + 2)).encode().ljust(8),
        f"{family}{continuity}".encode().ljust(44), raw[236:252],
        str(len(kept) + 1).encode().ljust(4), table))


def _start(header: Header) -> bytes:
    # Two digits of a year reach from 1985 to 2084.
    year = f"{header.start:%y}" if 1985 <= header.start.year <= 2084 else "yy"
    return f"{header.start:%d.%m.}{year}{header.start:%H.%M.%S}".encode()


def _places(raw: bytes, header: Header, count: int) -> list[int]:
    """Which signals of the source hold samples."""
    labels = [fields.text(raw[_MAIN + 16 * i:_MAIN + 16 * (i + 1)])
              for i in range(count)]
    return [i for i, label in enumerate(labels)
            if label != f"{header.kind[:3]} Annotations"]


def _field(given: bytes, wanted: str) -> bytes:
    # Escaped and not replaced, so that two patients do not become one.
    text = (wanted or fields.text(given)).encode(
        "ascii", "backslashreplace")
    return text[:80].ljust(80)


def _patient(header: Header) -> str:
    """Patient as EDF+ wants it; of plain EDF the code stays in front."""
    if "+" in header.kind:
        return ""
    code, _, rest = header.patient.partition(" ")
    return f"{code or 'X'} X X {'_'.join(rest.split()) or 'X'}"


def _recording(header: Header, given: bytes) -> str:
    if given.startswith(b"Startdate ") and "+" in header.kind:
        return ""
    rest = "_".join(given.decode("latin-1").split())
    day = header.start
    return (f"Startdate {day:%d}-{_MONTHS[day.month - 1]}-{day:%Y} X X "
            f"{rest or 'X'}")
