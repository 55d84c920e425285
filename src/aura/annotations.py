"""
Annotations of seizures: text dialects to events, and events to text.

Read are the ``.tse_bi`` files of the TUH corpus (and their dialect with ISO
times), BIDS ``*_events.tsv`` with HED-SCORE columns, and the texts of EDF+
annotations. What is a seizure is a closed list: any other text is no
seizure, whatever it says, and is counted.

References
----------
.. [1] Dan et al. (2024), SzCORE, https://doi.org/10.1111/epi.18113
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import NamedTuple

from aura.errors import InvalidInputError, Problem, ResourceError
from aura.recording import BACKGROUND, SEIZURE, Event

EVENTS_MAX = 1_000_000
OTHER = "other"
COLUMNS = ("onset", "duration", "eventType", "confidence", "channels",
           "dateTime", "recordingDuration")

_NUMBER = re.compile(r"[+-]?\d{1,12}(?:\.\d{1,20})?", re.ASCII)
_SUBTYPE = re.compile(r"sz(?:_[a-z0-9]+)*", re.ASCII)
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,6})?",
                  re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d(?!\d)", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_MISSING = "n/a"

# Findings of `settle` after which nobody knows when all seizures were.
UNPLACED = ("annotations.no_length", "annotations.outside")

# The words for a seizure in use, and the codes of the TUH corpus.
_WORDS = {
    "seiz": SEIZURE, "seizure": SEIZURE, "sz": SEIZURE, "crisis": SEIZURE,
    "crise": SEIZURE, "fnsz": "sz_foc", "gnsz": "sz_gen", "spsz": "sz_foc_a",
    "cpsz": "sz_foc_ia", "absz": "sz_gen_nm", "tnsz": "sz_gen_m",
    "cnsz": "sz_gen_m", "tcsz": "sz_gen_m", "atsz": "sz_gen_m",
    "mysz": "sz_gen_m", "bckg": BACKGROUND, "background": BACKGROUND,
    "impd": "impd"}


class EventTable(NamedTuple):
    """
    What a BIDS ``*_events.tsv`` says.

    Parameters
    ----------
    events : list of Event
        As they stand in the file, seizures and all others; see `settle`.
    recording_duration_s : float or None
        Length of the recording, where the file says it.
    recorded_on : date or None
        Day of the first ``dateTime``, where there is one.
    """

    events: list[Event]
    recording_duration_s: float | None
    recorded_on: date | None


def label_of(text: str) -> str:
    """
    Label of an annotation text: ``sz...``, ``bckg``, ``impd`` or ``other``.

    Parameters
    ----------
    text : str
        The whole text; upper or lower case is the same.
    """
    word = text.strip().lower()
    if _SUBTYPE.fullmatch(word):
        return word
    return _WORDS.get(word, OTHER)


def read_tse(content: bytes, start: datetime | None = None) -> list[Event]:
    """
    Read a ``.tse`` or ``.tse_bi`` file.

    Parameters
    ----------
    content : bytes
        Lines ``start stop label probability`` after a ``version`` line;
        other ``name = value`` lines may stand before them.
    start : datetime, optional
        Start of the recording, for the dialect whose times are ISO dates.

    Returns
    -------
    list of Event
        As they stand in the file, seizures and all others; see `settle`.

    Raises
    ------
    InvalidInputError
        ``annotations.syntax`` with line and field.
    """
    events: list[Event] = []
    version = False
    for number, line in _lines(content):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        if "=" in line and not events:
            version = _is_version(line, number) or version
            continue
        if len(words) == 6:
            words = [" ".join(words[:2]), " ".join(words[2:4]), *words[4:]]
        if len(words) != 4:
            raise _syntax(number, "row", "does not have the four fields start,"
                          " stop, label and probability")
        onset = _time(words[0], number, "start", start)
        stop = _time(words[1], number, "stop", start)
        if stop < onset:
            raise _syntax(number, "stop", "is before the start")
        events.append(Event(onset, stop - onset, label_of(words[2]),
                            _confidence(words[3], number, "probability")))
    if not version:
        raise _syntax(1, "version", "is missing: 'version = tse_v1.0.0'")
    return events


def read_events_tsv(content: bytes) -> tuple[list[Event], float | None]:
    """
    Events of a BIDS ``*_events.tsv``, and how long the recording is.

    Parameters, errors and the two values are those of `read_event_table`.
    """
    return read_event_table(content)[:2]


def read_event_table(content: bytes) -> EventTable:
    """
    Read a BIDS ``*_events.tsv``, ours or another's.

    Parameters
    ----------
    content : bytes
        Needed are the columns ``onset``, ``duration`` and ``eventType`` (or
        BIDS's own ``trial_type``), in any order; ``confidence``,
        ``dateTime`` and ``recordingDuration`` are read, others passed over.
        A duration that is ``n/a`` is 0.

    Returns
    -------
    EventTable
        All of the file.

    Raises
    ------
    InvalidInputError
        ``annotations.syntax`` with line and field.
    """
    rows = ((number, line.split("\t"))
            for number, line in _lines(content) if line.strip())
    _, names = next(rows, (1, [""]))
    names = [name.strip() for name in names]
    kind = "eventType" if "eventType" in names else "trial_type"
    for name in ("onset", "duration", kind):
        if names.count(name) != 1:
            raise _syntax(1, name, "is not the name of exactly one column")
    events: list[Event] = []
    length: float | None = None
    recorded_on: date | None = None
    for number, cells in rows:
        if len(cells) != len(names):
            raise _syntax(number, "row", f"has {len(cells)} fields under "
                          f"{len(names)} column names")
        row = dict(zip(names, (cell.strip() for cell in cells), strict=True))
        events.append(Event(
            _number(row["onset"], number, "onset"),
            _not_negative(row["duration"], number, "duration") or 0.0,
            label_of(row[kind]),
            _confidence(row.get("confidence", _MISSING), number,
                        "confidence")))
        length = _same_length(length, row, number)
        day = _day(row.get("dateTime", _MISSING), number)
        recorded_on = recorded_on or day
    return EventTable(events, length, recorded_on)


def write_events_tsv(events: Iterable[Event], start: datetime,
                     duration_s: float, channels: str = _MISSING) -> bytes:
    """
    Write events as BIDS/HED-SCORE TSV, as SzCORE scores it.

    Parameters
    ----------
    events : iterable of Event
        Settled seizures; none gives one ``bckg`` row over the recording.
    start : datetime
        Start of the recording.
    duration_s : float
        Length of the recording.
    channels : str, optional
        Label of the channel that the events were found in.

    Returns
    -------
    bytes
        UTF-8 with two decimals, every end inside the recording.
    """
    length = _hundredths(duration_s)
    tail = "\t".join((
        "".join(c if c.isprintable() else " " for c in channels),
        f"{start:%Y-%m-%d %H:%M:%S}", _seconds(length)))
    lines = ["\t".join(COLUMNS)]
    for event in sorted(events) or [Event(0.0, duration_s, BACKGROUND)]:
        # Rounded are both ends, so that neighbours stay neighbours.
        onset = min(_hundredths(event.onset_s), length)
        end = min(_hundredths(event.end_s), length)
        confidence = (_MISSING if event.confidence is None
                      else f"{event.confidence:.2f}")
        lines.append("\t".join((_seconds(onset), _seconds(end - onset),
                                event.label, confidence, tail)))
    return ("\n".join(lines) + "\n").encode("utf-8")


def settle(events: Sequence[Event], duration_s: float) -> tuple[
        tuple[Event, ...], tuple[Problem, ...]]:
    """
    Reduce annotations to disjoint seizures inside the recording, sorted.

    Parameters
    ----------
    events : sequence of Event
        As read, with any label.
    duration_s : float
        Length of the recording.

    Returns
    -------
    events : tuple of Event
        Seizures only. Overlapping and touching ones are one; where their
        subtypes differ, what the subtypes share is kept.
    problems : tuple of Problem
        Warnings with counts of what was changed or left out.
    """
    counts = dict.fromkeys(_FINDINGS, 0)
    counts["other"] = sum(event.label == OTHER for event in events)
    seizures = [event for event in events if event.is_seizure]
    counts["order"] = sum(
        after.onset_s < before.onset_s
        for before, after in zip(seizures, seizures[1:], strict=False))
    settled: list[Event] = []
    for event in sorted(seizures, key=_position):
        onset, end = max(event.onset_s, 0.0), min(event.end_s, duration_s)
        if event.duration_s <= 0:
            counts["no_length"] += 1
        elif end <= onset:
            counts["outside"] += 1
        else:
            counts["clipped"] += end - onset < event.duration_s - 1e-9
            inside = replace(event, onset_s=onset, duration_s=end - onset)
            if settled and onset <= settled[-1].end_s:
                counts["overlap"] += 1
                settled[-1] = _union(settled[-1], inside)
            else:
                settled.append(inside)
    problems = tuple(
        Problem(f"annotations.{name}", "warning",
                f"{_FINDINGS[name]}: {count}")
        for name, count in counts.items() if count)
    return tuple(settled), problems


_FINDINGS = {
    "other": "annotations that are not in the closed list of seizure words, "
             "left out",
    "order": "annotated seizures that start before the one above, sorted",
    "no_length": "annotated seizures of no length or an unknown one, not "
                 "used",
    "outside": "annotated seizures outside the recording, not used",
    "clipped": "annotated seizures that reach beyond the recording, cut",
    "overlap": "annotated seizures that overlap or touch another, joined",
}


def _position(event: Event) -> tuple[float, float, str]:
    return event.onset_s, event.duration_s, event.label


def _union(first: Event, second: Event) -> Event:
    shared = []
    for one, other in zip(first.label.split("_"), second.label.split("_"),
                          strict=False):
        if one != other:
            break
        shared.append(one)
    given = [event.confidence for event in (first, second)
             if event.confidence is not None]
    end = max(first.end_s, second.end_s)
    return Event(first.onset_s, end - first.onset_s, "_".join(shared),
                 max(given) if given else None)


def _lines(content: bytes) -> Iterator[tuple[int, str]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _syntax(line, "row", "is not UTF-8") from None
    lines = text.replace("\r\n", "\n").split("\n")
    if len(lines) > EVENTS_MAX:
        raise ResourceError(
            "annotations.count", f"there are more than {EVENTS_MAX} lines of "
            "annotations", "keep those of seizures")
    for number, row in enumerate(lines, 1):
        if _CONTROL.search(row):
            raise _syntax(number, "row", "has a control character")
        yield number, row


def _time(word: str, line: int, name: str, start: datetime | None) -> float:
    if start is None or not _ISO.fullmatch(word):
        return _number(word, line, name)
    try:
        return (datetime.fromisoformat(word) - start).total_seconds()
    except ValueError:
        raise _syntax(line, name, "is no real date and time") from None


def _number(word: str, line: int, name: str) -> float:
    if _NUMBER.fullmatch(word) is None:
        raise _syntax(line, name, "is not a plain decimal number")
    return float(word)


def _or_missing(word: str, line: int, name: str) -> float | None:
    return None if word == _MISSING else _number(word, line, name)


def _not_negative(word: str, line: int, name: str) -> float | None:
    value = _or_missing(word, line, name)
    if value is not None and value < 0:
        raise _syntax(line, name, "is negative")
    return value


def _is_version(row: str, line: int) -> bool:
    name, _, value = row.partition("=")
    if name.strip() != "version":
        return False
    if not value.strip().startswith("tse_v"):
        raise _syntax(line, "version", "is not that of a tse file: 'version "
                      "= tse_v1.0.0'")
    return True


def _day(word: str, line: int) -> date | None:
    """Day of a ``dateTime``; how the time is written is left open."""
    if _DAY.match(word) is None:
        return None
    try:
        return (datetime.fromisoformat(word).date() if _ISO.fullmatch(word)
                else date.fromisoformat(word[:10]))
    except ValueError:
        raise _syntax(line, "dateTime", "is no real date and time") from None


def _confidence(word: str, line: int, name: str) -> float | None:
    value = _or_missing(word, line, name)
    if value is not None and not 0 <= value <= 1:
        raise _syntax(line, name, "is not between 0 and 1")
    return value


def _same_length(length: float | None, row: dict[str, str],
                 line: int) -> float | None:
    given = _not_negative(row.get(COLUMNS[-1], _MISSING), line, COLUMNS[-1])
    if length is not None and given is not None and given != length:
        raise _syntax(line, COLUMNS[-1], "differs from the row above")
    return length if given is None else given


def _syntax(line: int, name: str, text: str) -> InvalidInputError:
    return InvalidInputError(
        "annotations.syntax", f"line {line}: the field '{name}' {text}",
        "correct the annotations")


def _hundredths(seconds: float) -> int:
    return max(0, round(seconds * 100))


def _seconds(hundredths: int) -> str:
    return f"{hundredths // 100}.{hundredths % 100:02d}"
