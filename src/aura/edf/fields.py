"""
Fields of an EDF header: fixed width and ASCII, read strictly.

The specification writes numbers as plain decimals. Other readers disagree on
``1E0``, ``-5,0``, ``nan`` or ``1_0``, so here a number is digits with at most
one sign and one dot.

References
----------
.. [1] Kemp et al. (1992), https://doi.org/10.1016/0013-4694(92)90009-7
.. [2] Kemp and Olivan (2003), EDF+,
   https://doi.org/10.1016/S1388-2457(03)00123-8
"""

import re
from collections.abc import Sequence
from datetime import date, datetime, time
from fractions import Fraction

from aura.errors import InvalidInputError

REPAIR = ("correct the field in EDFbrowser's header editor, or export the "
          "recording again")
_INTEGER = re.compile(rb" *([+-]?[0-9]+) *")
_DECIMAL = re.compile(rb" *([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)) *")
_HARMLESS = re.compile(rb"[0-9+\-.,:/eE_]{0,16}")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_DATE = re.compile(rb"([0-9]{2})\.([0-9]{2})\.([0-9]{2}|yy)")
_TIME = re.compile(rb"([0-9]{2})\.([0-9]{2})\.([0-9]{2})")
_STARTDATE = re.compile(rb"([0-9]{2})-([A-Z]{3})-([0-9]{4})")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP",
          "OCT", "NOV", "DEC")


def integer(field: bytes, name: str) -> int:
    """Read a whole number."""
    match = _INTEGER.fullmatch(field)
    if match is None:
        raise _not_a_number(field, name, "a whole number")
    return int(match[1])


def decimal(field: bytes, name: str) -> Fraction:
    """Read a decimal number exactly."""
    match = _DECIMAL.fullmatch(field)
    if match is None:
        raise _not_a_number(field, name, "a plain decimal number")
    return Fraction(match[1].decode("ascii"))


def text(field: bytes) -> str:
    """
    Read free text without its padding, made printable.

    The specification allows ASCII only, but recordings have UTF-8 and
    Latin-1 in labels and units.
    """
    stripped = field.strip(b" ")
    try:
        decoded = stripped.decode("utf-8")
    except UnicodeDecodeError:
        decoded = stripped.decode("latin-1")
    return "".join(c if c.isprintable() else "\ufffd" for c in decoded)


def printable(part: bytes, texts: Sequence[tuple[int, int]],
              offset: int) -> bytes:
    """Check that part of a header is printable; pad its texts with spaces."""
    padded = bytearray(part)
    for begin, end in texts:
        padded[begin:end] = part[begin:end].rstrip(b" \0").ljust(end - begin)
    match = _CONTROL.search(padded)
    if match is not None:
        raise InvalidInputError(
            "edf.header.control",
            f"byte {offset + match.start()} of the file (counted from 0) is "
            f"the control character {match[0][0]}; the header may contain "
            "printable text only", REPAIR)
    return bytes(padded)


def start(date_field: bytes, time_field: bytes, recording: bytes,
          plus: bool) -> datetime:
    """Read the start of a recording from fields that have to agree."""
    long_date = _startdate(recording) if plus else None
    match = _DATE.fullmatch(date_field)
    if match is None:
        raise InvalidInputError(
            "edf.date", f"the start date is {_shown(date_field)}; it has to "
            "be written dd.mm.yy", REPAIR)
    day, month = int(match[1]), int(match[2])
    if match[3] == b"yy":
        if long_date is None:
            raise InvalidInputError(
                "edf.date", "the start date has 'yy' for its year, and no "
                "EDF+ recording field gives the year", REPAIR)
        year = long_date.year
    else:
        year = int(match[3]) + (1900 if int(match[3]) >= 85 else 2000)
    short_date = _real_date(year, month, day, "edf.date")
    if long_date is not None and long_date != short_date:
        raise InvalidInputError(
            "edf.startdate", f"the start date is {short_date}, but the EDF+ "
            f"recording field has {long_date}; they have to be the same",
            REPAIR)
    return datetime.combine(short_date, _time(time_field))


def _time(field: bytes) -> time:
    match = _TIME.fullmatch(field)
    try:
        if match is None:
            raise ValueError
        return time(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        raise InvalidInputError(
            "edf.time", f"the start time is {_shown(field)}; it has to be a "
            "time of day written hh.mm.ss", REPAIR) from None


def _startdate(recording: bytes) -> date | None:
    words = recording.split(b" ")
    if words[0] != b"Startdate" or words[1:2] in ([], [b""], [b"X"]):
        return None
    match = _STARTDATE.fullmatch(words[1].upper())
    if match is None or match[2].decode() not in MONTHS:
        raise InvalidInputError(
            "edf.startdate", "the start date in the EDF+ recording field has "
            "to be written dd-MMM-yyyy, or X if it is not known", REPAIR)
    month = MONTHS.index(match[2].decode()) + 1
    return _real_date(int(match[3]), month, int(match[1]), "edf.startdate")


def _real_date(year: int, month: int, day: int, rule: str) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        raise InvalidInputError(
            rule, f"the start date is day {day} of month {month} in {year}, "
            "which does not exist", REPAIR) from None


def _not_a_number(field: bytes, name: str, wanted: str) -> InvalidInputError:
    return InvalidInputError(
        "edf.header.number", f"the field '{name}' is {_shown(field)}; it has "
        f"to be {wanted}", REPAIR)


def _shown(field: bytes) -> str:
    # A text may name a patient, so only what looks like a number is shown.
    stripped = field.strip(b" ")
    if not stripped:
        return "blank"
    if _HARMLESS.fullmatch(stripped):
        return f"'{stripped.decode('ascii')}'"
    return "some other text"
