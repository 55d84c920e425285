"""BIDS ``*_events.tsv`` with the columns of HED-SCORE, and similar exports."""
# Source: https://doi.org/10.1111/epi.18113. Predictions are written with two
# decimals, as SzCORE's own tools do; converted annotations keep theirs.

import re
from collections.abc import Iterable
from datetime import date, datetime

from aura.annotations import table_text
from aura.annotations.annotation import Annotation, Annotations
from aura.annotations.table_text import MISSING, syntax
from aura.recording import BACKGROUND, Event

COLUMNS = ("onset", "duration", "eventType", "confidence", "channels",
           "dateTime", "recordingDuration")
DECIMALS = 6
# Columns of a text: of BIDS, and of exports.
KINDS = ("eventType", "trial_type", "description", "annotation", "annotations",
         "event_type", "event", "label", "text", "value")
NUMBERS = ("onset", "duration", "confidence")
_COMMA = re.compile(r"[+-]?\d+,\d+", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d(?!\d)", re.ASCII)
_ORIGIN = re.compile(
    r"^# orig_time : (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", re.ASCII | re.M)
HEAD_BYTES = 4096
_ELAPSED = re.compile(
    r"\+(\d{1,4}):([0-5]\d):([0-5]\d(?:\.\d{1,9})?)", re.ASCII)


def is_export(head: bytes) -> bool:
    """Whether a text begins as an export of annotations does."""
    for line in table_text.decoded(head)[0].splitlines():
        names, _ = _columns(line)
        if "onset" in names:
            return not set(names).isdisjoint(KINDS)
        if line.strip() and not line.startswith("#"):
            return False
    return False


def _columns(head: str) -> tuple[list[str], str]:
    """Names of columns, and what separates them."""
    head = head.lstrip("# ")
    separator = next((one for one in "\t;," if one in head), "\t")
    names = table_text.cells(head, separator, head.startswith('"'))
    return [name.lower() if name.lower() in ("onset", "duration", *KINDS)
            else name for name in names], separator


def read(content: bytes, start: datetime | None = None) -> Annotations:
    """Read a BIDS ``*_events.tsv`` or an export."""
    origin = _ORIGIN.search(table_text.decoded(content[:HEAD_BYTES])[0])
    # MNE counts from a time that may not be the start of the recording.
    late_s = 0.0 if origin is None or start is None else (
        table_text.moment(origin[1], 1, "orig_time") - start).total_seconds()
    table = ((number, line) for number, line in table_text.lines(content)
             if line.strip() and not (
                 line.startswith("#") and "onset" not in line.lower()))
    _, head = next(table, (1, ""))
    quoted = head.startswith('"')
    names, separator = _columns(head)
    kind = next((name for name in KINDS if name in names), KINDS[1])
    for name in ("onset", kind):
        if names.count(name) != 1:
            raise syntax(1, name, "has to be the name of one column")
    known = {*COLUMNS, kind}
    rows: list[Annotation] = []
    length: float | None = None
    begun: datetime | None = None
    recorded_on: date | None = None
    commas = False
    for number, line in table:
        cells = table_text.cells(line, separator, quoted or separator != "\t")
        if separator != "\t" and kind == names[-1]:
            # A text may have the separator in it.
            cells[len(names) - 1:] = [separator.join(cells[len(names) - 1:])]
        if len(cells) != len(names):
            raise syntax(number, "row", f"has {len(cells)} cells, but there "
                         f"are {len(names)} columns")
        row = dict(zip(names, cells, strict=True))
        for name in NUMBERS if separator != "," else ():
            if _COMMA.fullmatch(row.get(name, "")):
                row[name], commas = row[name].replace(",", "."), True
        channels = row.get("channels", MISSING)
        rows.append(Annotation(
            _seconds(row["onset"], number, start)
            + (late_s if abs(late_s) >= 1 else 0.0),
            _length(row.get("duration", MISSING), number), row[kind],
            table_text.confidence(row.get("confidence", MISSING), number,
                                  "confidence"),
            "" if channels == MISSING else channels,
            tuple((name, cell) for name, cell in row.items()
                  if name not in known and cell != MISSING)))
        if rows[-1].end_s >= 1e12:
            raise syntax(number, "duration", "ends too late")
        length = _same_length(length, row, number)
        day, moment = _day(row.get("dateTime", MISSING), number)
        recorded_on, begun = recorded_on or day, begun or moment
    return Annotations(tuple(rows), length, begun, recorded_on, commas=commas)


def write(document: Annotations) -> bytes:
    """Write annotations with the decimals that they have."""
    more = list(dict.fromkeys(
        name for row in document.rows for name, _ in row.more))
    length = (MISSING if document.duration_s is None
              else _decimal(document.duration_s))
    start = (MISSING if document.start is None else str(document.start))
    lines = ["\t".join((*COLUMNS[:3], *more, *COLUMNS[3:]))]
    for row in document.rows:
        cells = dict(row.more)
        lines.append("\t".join((
            _decimal(row.onset_s),
            MISSING if row.duration_s is None else _decimal(row.duration_s),
            row.text, *(cells.get(name, MISSING) for name in more),
            MISSING if row.confidence is None else _decimal(row.confidence),
            row.channels or MISSING, start, length)))
    return ("\n".join(lines) + "\n").encode("utf-8")


def write_events(events: Iterable[Event], start: datetime,
                 duration_s: float, channels: str = MISSING,
                 scorable: bool = True) -> bytes:
    """Write disjoint events as SzCORE scores them."""
    # If nothing of the recording is scorable, the row of background has no
    # length: SzCORE's own tools need a row, and this one claims nothing.
    length = _hundredths(duration_s)
    channels = "".join(c if c.isprintable() else " " for c in channels)
    rows = []
    for event in sorted(events) or [
            Event(0.0, duration_s if scorable else 0.0, BACKGROUND)]:
        # Both ends are rounded, so that neighbours stay neighbours.
        onset = min(_hundredths(event.onset_s), length)
        end = min(_hundredths(event.end_s), length)
        rows.append(Annotation(
            onset / 100, (end - onset) / 100, event.label,
            None if event.confidence is None else round(event.confidence, 2),
            channels))
    return write(Annotations(
        tuple(rows), length / 100, start.replace(microsecond=0)))


def _seconds(word: str, line: int, start: datetime | None) -> float:
    """An onset in seconds from the start of the recording."""
    elapsed = _ELAPSED.fullmatch(word)
    if elapsed:
        hours, minutes, seconds = map(float, elapsed.groups())
        return hours * 3600 + minutes * 60 + seconds
    if not table_text.is_moment(word):
        return table_text.number(word, line, "onset")
    moment = table_text.moment(word, line, "onset")
    # MNE counts from 1970 where a recording has no date.
    origin = datetime(1970, 1, 1) if moment.year == 1970 else start
    if origin is None:
        raise syntax(line, "onset", "is a date, but the recording has none")
    return (moment - origin).total_seconds()


def _length(word: str, line: int) -> float | None:
    """A duration; a negative one, such as -1, is not known either."""
    if word.lower() in table_text.BLANK:
        return None
    value = table_text.number(word, line, "duration")
    return value if value >= 0 else None


def _same_length(length: float | None, row: dict[str, str],
                 line: int) -> float | None:
    given = table_text.between(
        row.get(COLUMNS[-1], MISSING), line, COLUMNS[-1], 1e12)
    if length is not None and given is not None and given != length:
        raise syntax(line, COLUMNS[-1], "differs from the rows above")
    return length if given is None else given


def _day(word: str, line: int) -> tuple[date | None, datetime | None]:
    """Day and moment of a ``dateTime``; the time may have any format."""
    if _DAY.match(word) is None:
        return None, None
    try:
        if table_text.is_moment(word):
            moment = table_text.moment(word, line, "dateTime")
            return moment.date(), moment
        return date.fromisoformat(word[:10]), None
    except ValueError:
        raise syntax(line, "dateTime", "does not exist") from None


def _decimal(value: float) -> str:
    return table_text.decimal(value, 2, DECIMALS)


def _hundredths(seconds: float) -> int:
    return max(0, round(seconds * 100))
