"""Fields of an EDF header: fixed width and ASCII."""
# A form that can only mean one thing, such as "-5,0" or "09:01:17", is read
# with a warning; all else is refused, or leaves the recording without a date.

import re
from collections.abc import Sequence
from datetime import date, datetime, time
from fractions import Fraction

from aura import state
from aura.errors import Problem

REPAIR = ("correct the field in EDFbrowser's header editor, or export the "
          "recording again")
# Start of a recording whose file has no date.
NO_DATE = datetime(2000, 1, 1)
UNDATED = datetime(1985, 1, 1)  # In the header of such a file
# Arithmetic with other years leaves the calendar, or is a wrong clock.
YEARS = range(1900, 2200)
_DECIMAL = re.compile(rb" *[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+) *")
_ONE_MEANING = re.compile(
    rb" *[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]{1,2})? *")
_HARMLESS = re.compile(rb"[0-9+\-.,:/eE_]{0,16}")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_DATE = re.compile(r"(\d{1,2})([./:-])(\d{1,2})[./:-](\d{4}|\d\d|yy)",
                   re.ASCII)
_TIME = re.compile(r"(\d{1,2})[.:,-](\d{1,2})[.:,-](\d{1,2})", re.ASCII)
_USUAL = re.compile(r"\d\d\.\d\d\.(?:\d\d|yy)", re.ASCII)
_STARTDATE = re.compile(r"(\d{1,2})-([^\W\d_]{3,9})-(\d{4})")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP",
          "OCT", "NOV", "DEC")
# First letters of months in other languages, where they mean one month.
_FOREIGN = {
    "ENE": 1, "GEN": 1, "F\xc9V": 2, "FEV": 2, "M\xc4R": 3, "MAE": 3,
    "MRZ": 3, "MRT": 3, "ABR": 4, "AVR": 4, "MAI": 5, "MEI": 5, "MAG": 5,
    "GIU": 6, "LUG": 7, "AGO": 8, "AO\xdb": 8, "AOU": 8, "SET": 9, "OKT": 10,
    "OTT": 10, "OUT": 10, "DEZ": 12, "DIC": 12, "D\xc9C": 12}
# Programs write the first of January of these years for an unknown date.
_PLACEHOLDERS = (1900, 1970, 1980, 1985, 2000, 2001)


def integer(field: bytes, name: str, odd: list[str]) -> int:
    """Read a whole number; an unusual form is noted in `odd`."""
    value = _number(field, name, "a whole number", odd, whole=True)
    return int(value)


def decimal(field: bytes, name: str, odd: list[str]) -> Fraction:
    """Read a decimal number exactly; an unusual form is noted in `odd`."""
    return _number(field, name, "a plain decimal number", odd)


def _number(field: bytes, name: str, wanted: str, odd: list[str],
            whole: bool = False) -> Fraction:
    usual = _DECIMAL.fullmatch(field) and not (whole and b"." in field)
    if usual or _ONE_MEANING.fullmatch(field):
        value = Fraction(field.replace(b",", b".").decode("ascii"))
        if not whole or value.denominator == 1:
            if not usual:
                odd.append(f"'{name}' is {_shown(field)}, read as "
                           f"{float(value):g}")
            return value
    raise state.error("edf.header.number/none", name=name,
                      found=_shown(field), wanted=wanted, repair=REPAIR)


def text(field: bytes) -> str:
    """Read free text without its padding, made printable."""
    # Only ASCII is allowed, but labels and units have UTF-8 and Latin-1.
    stripped = field.strip(b" ")
    try:
        decoded = stripped.decode("utf-8")
    except UnicodeDecodeError:
        decoded = stripped.decode("latin-1")
    return "".join(c if c.isprintable() else "\ufffd" for c in decoded)


def printable(part: bytes, widths: Sequence[int], offset: int) -> bytes:
    """Check that part of a header is printable; pad its fields with spaces."""
    padded = part
    if b"\0" in part:
        cells, at = [], 0
        for width in widths:
            cells.append(part[at:at + width].rstrip(b" \0").ljust(width))
            at += width
        padded = b"".join(cells)
    match = _CONTROL.search(padded)
    if match is not None:
        raise state.error("edf.header.control", code=match[0][0],
                          place=offset + match.start(), repair=REPAIR)
    return padded


def start(date_field: bytes, time_field: bytes, recording: bytes,
          plus: bool) -> tuple[datetime, bool, list[Problem]]:
    """Start of a recording, whether it can be believed, and warnings."""
    found: list[Problem] = []
    long_date = _startdate(recording, found) if plus else None
    # EDF+ has no other way to say that the date is not known.
    unknown = plus and recording.startswith(b"Startdate X") and (
        date_field == f"{UNDATED:%d.%m.%y}".encode())
    short_date = None if unknown else _short_date(date_field, long_date, found)
    day = short_date or long_date
    if short_date and long_date and short_date != long_date:
        credible = [one for one in (short_date, long_date)
                    if (one.month, one.day) != (1, 1)
                    or one.year not in _PLACEHOLDERS]
        day = credible[0] if len(credible) == 1 else None
        found.append(_warning(
            "edf.startdate", f"the start date is {short_date}, but the EDF+ "
            f"recording field has {long_date}; "
            + (f"{day} is used" if day else "neither is used")))
    clock = _time(time_field, found)
    return (datetime.combine(day or NO_DATE.date(), clock or time()),
            day is not None and clock is not None, found)


def _short_date(field: bytes, long_date: date | None,
                found: list[Problem]) -> date | None:
    written = text(field)
    match = _DATE.fullmatch(written)
    if match is None or (match[4] == "yy" and long_date is None):
        found.append(_warning(
            "edf.date", f"the start date is {_shown(field)}, which is no "
            "date; dd.mm.yy is allowed"))
        return None
    first, second = int(match[1]), int(match[3])
    year = long_date.year if match[4] == "yy" and long_date else int(match[4])
    if len(match[4]) == 2 and match[4] != "yy":
        year += 1900 if year >= 85 else 2000
    day = _real_date(year, second, first)
    if _USUAL.fullmatch(written) is None or day is None:
        # The day is first, as in the specification, unless it cannot be.
        day = day or _real_date(year, first, second)
        found.append(_warning(
            "edf.date", f"the start date is {_shown(field)} and not a date "
            f"written dd.mm.yy; it is {f'read as {day}' if day else 'unknown'}"
        ))
    return day


def _time(field: bytes, found: list[Problem]) -> time | None:
    written = text(field)
    match = _TIME.fullmatch(written)
    clock = None
    if match is not None:
        hour, minute, second = map(int, match.groups())
        if hour < 24 and minute < 60 and second < 60:
            clock = time(hour, minute, second)
    if clock is None or _USUAL.fullmatch(written) is None:
        found.append(_warning(
            "edf.time", f"the start time is {_shown(field)} and not a time "
            "of day written hh.mm.ss; it is "
            + (f"read as {clock}" if clock else "unknown")))
    return clock


def _startdate(recording: bytes, found: list[Problem]) -> date | None:
    words = text(recording).split(" ")
    if words[0] != "Startdate" or words[1:2] in ([], [""], ["X"]):
        return None
    match = _STARTDATE.fullmatch(words[1].upper())
    day = None
    if match is not None:
        month = match[2][:3]
        number = _FOREIGN.get(month) or (
            MONTHS.index(month) + 1 if month in MONTHS else 0)
        day = _real_date(int(match[3]), number, int(match[1]))
    if (day is None or match is None or match[2] not in MONTHS
            or len(match[1]) < 2):
        found.append(_warning(
            "edf.startdate", "the start date in the EDF+ recording field is "
            "not written dd-MMM-yyyy with an English month; it is "
            + (f"read as {day}" if day else "not used")))
    return day


def _real_date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day) if year in YEARS else None
    except ValueError:
        return None


def _warning(rule: str, words: str) -> Problem:
    return Problem(rule, "warning", words)


def _shown(field: bytes) -> str:
    # A text may name a patient, so only what looks like a number is shown.
    stripped = field.strip(b" ")
    if not stripped:
        return "blank"
    if _HARMLESS.fullmatch(stripped):
        return f"'{stripped.decode('ascii')}'"
    return "some other text"
