"""
Events as an EDF+ file of annotations, for any viewer of EDF.

The file holds no signal: laid beside the recording it shows, in EDFbrowser
and others, what the reviewer decided. Patient fields are left blank.

References
----------
.. [1] Kemp and Olivan (2003), EDF+, section 2.2,
   https://doi.org/10.1016/S1388-2457(03)00123-8
"""

import math
from collections.abc import Sequence
from datetime import datetime

from aura.recording import Event

# EDF asks for records of at most this many bytes.
RECORD_BYTES = 61440
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP",
          "OCT", "NOV", "DEC")


def write(events: Sequence[Event], start: datetime,
          duration_s: float) -> bytes:
    """Write events as EDF+ annotations."""
    late_s = start.microsecond / 1e6
    lists = [_tal(event.onset_s + late_s, event.duration_s, event.label)
             for event in events]
    records = [b""]
    for one in lists:
        # Room for the record's own onset, which comes first.
        if len(records[-1]) + len(one) > RECORD_BYTES - 32:
            records.append(b"")
        records[-1] += one
    length_s = max(1, math.ceil(duration_s / len(records)))
    blocks = [_number(late_s + number * length_s, True) + b"\x14\x14\0" + body
              for number, body in enumerate(records)]
    width = max(map(len, blocks)) + 1
    width += width % 2
    return _header(start, len(blocks), length_s, width) + b"".join(
        block.ljust(width, b"\0") for block in blocks)


def _tal(onset_s: float, duration_s: float, text: str) -> bytes:
    return (_number(onset_s, True) + b"\x15" + _number(duration_s, False)
            + b"\x14" + text.encode("utf-8", "replace") + b"\x14\0")


def _number(value: float, signed: bool) -> bytes:
    text = f"{value:.6f}".rstrip("0").rstrip(".") or "0"
    if signed and not text.startswith("-"):
        text = f"+{text}"
    return text.encode("ascii")


def _header(start: datetime, records: int, length_s: int,
            width: int) -> bytes:
    # After 2084 the year stands in the recording field only.
    year = (f"{start.year % 100:02d}" if 1985 <= start.year <= 2084
            else "yy")
    date = f"{start.day:02d}-{MONTHS[start.month - 1]}-{start.year:04d}"
    fields = (
        ("0", 8), ("X X X X", 80), (f"Startdate {date} X X aura-review", 80),
        (f"{start.day:02d}.{start.month:02d}.{year}", 8),
        (f"{start:%H.%M.%S}", 8), ("512", 8), ("EDF+C", 44),
        (str(records), 8), (str(length_s), 8), ("1", 4),
        ("EDF Annotations", 16), ("", 80), ("", 8), ("-1", 8), ("1", 8),
        ("-32768", 8), ("32767", 8), ("", 80), (str(width // 2), 8),
        ("", 32))
    return b"".join(text.encode("ascii").ljust(size) for text, size in fields)
