"""Lists of seizures of a folder: Siena (clock times), CHB-MIT (seconds)."""

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache

from aura.annotations import table_text
from aura.annotations.annotation import Annotation, Annotations
from aura.annotations.table_text import syntax

TEXT = "seizure"
DAY_S = 86_400.0
SAME_S = 2.0  # A clock and that of the recording
_NAME = re.compile(r"seizures?[-_ ]list.*\.txt|.*[-_ ]summary\.txt")
# Without a unit, 10.10 may be hours and minutes.
_NUMBER = re.compile(r"(\d{1,9}|\d{1,9}[.,]\d{1,9}(?= *s))(?: *s(?:ec\w*)?)?")
# Hours may go on after midnight, and a typist may have put in blanks.
_CLOCK = re.compile(
    r"(?<!\d)(\d{1,2}) *[.:] *([0-5] ?\d) *[.:] *([0-5]\d(?:[.,]\d{1,6})?)"
    r"(?!\d)(?: *([ap])\.? ?m\b)?", re.I)
# Times of the whole recording; those of a seizure have other words or none.
_OF_FILE = re.compile(r"(regist|record|file)[a-z]* ")
_LINE = re.compile(
    r" *(file *name|number of seizures in file|.*?\b(?:start|end) *time)"
    r"[ :=]*(.*)", re.I)

# Number and text of a line, what it gives, and the value.
Row = tuple[int, str, str, str]


def is_one(name: str) -> bool:
    """Whether a file is such a list, by its name."""
    return _NAME.fullmatch(name.lower()) is not None


def names(content: bytes) -> list[str]:
    """The recordings that a list names, each once."""
    return [name for name, _ in _sections(content).values()]


@lru_cache(maxsize=4)
def _sections(content: bytes) -> dict[str, tuple[str, list[Row]]]:
    """Name and lines of each recording; many recordings ask for one list."""
    found: dict[str, tuple[str, list[Row]]] = {}
    rows: list[Row] = []  # Of no recording before the first name
    for number, line in table_text.lines(content):
        match = _LINE.match(line)
        key = " ".join(re.findall("[a-z]+", match[1].lower() if match else ""))
        value = match[2] if match else ""
        if key in ("file name", "filename"):
            _, rows = found.setdefault(_same(value), (value.strip(), []))
        else:
            rows.append((number, line, key, value))
    return found


@lru_cache(maxsize=4)
def _meant(listed: Sequence[str], beside: Sequence[str]) -> dict[str, str]:
    """The name in a list of each recording beside it, as by `_same`."""
    # Its own, or a begin that no other has: PN01.edf for PN01-1.edf.
    known = {_same(name) for name in beside}
    by_begin: dict[str, list[str]] = defaultdict(list)
    for name in known:
        for at in range(1, len(name) + 1):
            if not name[at:at + 1].isalnum():
                by_begin[name[:at]].append(name)
    meant: dict[str, str] = {}
    for name in map(_same, listed):
        only = by_begin.get(name.rstrip("-_. "), ())
        if name not in known and len(only) == 1:
            meant.setdefault(only[0], name)
    return meant | {name: name for name in map(_same, listed) if name in known}


def unmatched(listed: Sequence[str], beside: Sequence[str]) -> list[str]:
    """Names in a list that mean no recording beside it."""
    meant = {*_meant(tuple(listed), tuple(beside)).values()}
    return [name for name in listed if _same(name) not in meant]


def read(content: bytes, record: str, start: datetime | None = None,
         beside: Sequence[str] = ()) -> Annotations | None:
    """Read the seizures of one recording; None if it is not named."""
    beside = tuple(beside) if record in beside else (record, *beside)
    own = _meant(tuple(names(content)), beside).get(_same(record))
    if own is None:
        return None
    name, section = _sections(content)[own]
    rows: list[Annotation] = []
    expected: int | None = None
    stated: datetime | None = None
    begin_s = math.nan if start is None else (
        start - start.replace(hour=0, minute=0, second=0)).total_seconds()
    for number, line, key, value in section:
        if key == "number of seizures in file":
            expected = (expected or 0) + int(_seconds(value, number, key, 0))
        elif _OF_FILE.match(key):
            if not key.endswith("start time"):
                continue
            stated_s = _seconds(value, number, key, 0)
            if start is None or not begin_s:
                # A header without a time, or with midnight in its place
                begin_s = stated_s
            elif abs(stated_s - begin_s) > SAME_S:
                # The recording's own clock counts.
                stated = start - timedelta(seconds=begin_s - stated_s)
        elif key.endswith("start time"):
            rows.append(Annotation(
                _seconds(value, number, key, begin_s), None, TEXT))
        elif key.endswith("end time"):
            length_s = (_seconds(value, number, key, begin_s) - (
                rows[-1].onset_s if rows else math.nan)) % DAY_S
            # A seizure before midnight may end after it.
            if not length_s < DAY_S / 2 or rows[-1].duration_s is not None:
                raise syntax(number, key, "has no start before it")
            rows[-1] = replace(rows[-1], duration_s=length_s)
        elif _CLOCK.search(line) or " second" in line.lower():
            raise syntax(number, "row", "has a time, but does not say of "
                         "what; write it as 'Seizure start time: 19.58.36'")
    if len(rows) != (max(len(rows), 1) if expected is None else expected):
        raise syntax(1, "seizure start time", f"was found {len(rows)} times "
                     f"for this recording, not {expected or 'once'}")
    return Annotations(tuple(rows), start=stated,
                       name="" if own == _same(record) else name)


@lru_cache(maxsize=8192)
def _same(name: str) -> str:
    # The letter O stands for a zero in some lists.
    return re.sub(r"\.(edf|bdf)$", "", name.strip().lower()).replace("o", "0")


def _seconds(value: str, line: int, key: str, begin_s: float) -> float:
    """Seconds as they are, or of a clock after the start."""
    clock, plain = _CLOCK.search(value), _NUMBER.fullmatch(value.strip())
    if clock and not math.isnan(begin_s):
        hours, minutes, seconds = (
            float(word.replace(" ", "").replace(",", "."))
            for word in clock.groups()[:3])
        if clock[4]:
            # 12 AM is midnight, 12 PM noon.
            hours = hours % 12 + 12 * (clock[4] in "pP")
        return (hours * 3600 + minutes * 60 + seconds - begin_s) % DAY_S
    if plain:
        return float(plain[1].replace(",", "."))
    raise syntax(line, key, "has to be as in '100 seconds', or '19.58.36' "
                 "after a registration start time")
