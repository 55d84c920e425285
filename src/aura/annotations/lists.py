"""
Lists of the seizures in the recordings of a folder, as Siena and CHB-MIT.

``Seizures-list-PN00.txt`` [1]_ has the times of a clock, and
``chb01-summary.txt`` [2]_ seconds. Both have lines such as ``File name:
PN00-1.edf`` and ``Seizure start time: 19.58.36``.

References
----------
.. [1] Detti (2020), PhysioNet siena-scalp-eeg 1.0.0,
   https://doi.org/10.13026/5d4a-j060
.. [2] Guttag (2010), PhysioNet chbmit 1.0.0,
   https://doi.org/10.13026/C2K01R
"""

import re
from dataclasses import replace
from datetime import datetime

from aura.annotations import table_text
from aura.annotations.annotation import Annotation, Annotations
from aura.annotations.table_text import syntax

TEXT = "seizure"
DAY_S = 86_400.0
_NAME = re.compile(r"seizures?[-_ ]list.*\.txt|.*[-_ ]summary\.txt")
_SECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?s")
_CLOCK = re.compile(r"([01]?\d|2[0-3])[.:]([0-5]\d)[.:]([0-5]\d)(?!\d)")


def is_one(name: str) -> bool:
    """Whether a file is such a list, by its name."""
    return _NAME.fullmatch(name.lower()) is not None


def read(content: bytes, record: str,
         start: datetime | None = None) -> Annotations | None:
    """Read the seizures of one recording; None if it is not named."""
    rows: list[Annotation] = []
    expected: int | None = None
    here = named = False
    begin_s = None if start is None else _of_day(start)
    for number, line in table_text.lines(content):
        key, _, value = line.lower().partition(":")
        key = " ".join(re.findall("[a-z]+", key))
        if key == "file name":
            here = _same(value, record)
            named |= here
        elif not here:
            continue
        elif key == "number of seizures in file":
            expected = (expected or 0) + int(_needed(
                re.match(r" *(\d{1,4})", value), number, key)[1])
        elif key in ("registration start time", "file start time"):
            begin_s = _clock_s(value, number, key)
        elif key in ("registration end time", "file end time"):
            continue
        elif key.endswith("start time"):
            rows.append(Annotation(
                _seconds(value, number, key, begin_s), None, TEXT))
        elif key.endswith("end time"):
            if not rows or rows[-1].duration_s is not None:
                raise syntax(number, key, "has no start before it")
            length = (_seconds(value, number, key, begin_s)
                      - rows[-1].onset_s) % DAY_S
            if length > DAY_S / 2:
                raise syntax(number, key, "is before the start")
            rows[-1] = replace(rows[-1], duration_s=length)
    if named and (expected is None and not rows
                  or expected not in (None, len(rows))):
        raise syntax(1, "seizure start time", f"was found {len(rows)} times "
                     f"for this recording, not {expected or 'once'}")
    return Annotations(tuple(rows)) if named else None


def _same(value: str, record: str) -> bool:
    # The letter O stands for a zero in some lists.
    one, other = (
        re.sub(r"\.(edf|bdf)$", "", name.strip().lower()).replace("o", "0")
        for name in (value, record))
    return one == other


def _seconds(value: str, line: int, key: str, begin_s: float | None) -> float:
    match = _SECONDS.search(value)
    if match:
        return float(match[1])
    clock_s = _clock_s(value, line, key)
    if begin_s is None:
        raise syntax(line, key, "is the time of a clock, but no start of the "
                     "recording is above it")
    return (clock_s - begin_s) % DAY_S


def _clock_s(value: str, line: int, key: str) -> float:
    hours, minutes, seconds = _needed(
        _CLOCK.search(value), line, key).groups()
    return int(hours) * 3600.0 + int(minutes) * 60 + int(seconds)


def _needed(match: re.Match[str] | None, line: int,
            key: str) -> re.Match[str]:
    if match is None:
        raise syntax(line, key, "has to be as in '19.58.36' or '100 seconds'")
    return match


def _of_day(start: datetime) -> float:
    return start.hour * 3600.0 + start.minute * 60 + start.second
