"""``.tse`` and ``.tse_bi``: events of the TUH corpus, version 1.5."""
# La Teppe: dates, not seconds; ``annotator=`` and ``date=`` come first.

from collections.abc import Sequence
from datetime import datetime

from aura.annotations import table_text
from aura.annotations.annotation import Annotation, Annotations
from aura.annotations.table_text import syntax
from aura.recording import BACKGROUND, Event

DECIMALS = 4
VERSION = "tse_v1.0.0"


def read(content: bytes, start: datetime | None = None) -> Annotations:
    """Read a ``.tse`` or ``.tse_bi`` file."""
    rows: list[Annotation] = []
    clock = _TseClock(start)
    version = False
    for number, line in table_text.lines(content):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        if "=" in line and not rows:
            version = _is_version(line, number) or version
            continue
        if len(words) == 6:
            words = [" ".join(words[:2]), " ".join(words[2:4]), *words[4:]]
        if len(words) != 4:
            raise syntax(number, "row", f"has {len(words)} cells, but start, "
                         "stop, label and probability are needed")
        onset = clock.seconds(words[0], number, "start")
        stop = clock.seconds(words[1], number, "stop")
        if stop < onset:
            raise syntax(number, "stop", "is before the start")
        rows.append(Annotation(
            onset, stop - onset, words[2],
            table_text.confidence(words[3], number, "probability")))
    if not version:
        raise syntax(1, "version", f"is missing; write 'version = {VERSION}'"
                     " into the first line")
    return Annotations(tuple(rows), start=clock.start if clock.dated else
                       None, start_is_first=clock.dated and start is None)


def write(document: Annotations) -> bytes:
    """Write a ``.tse`` or ``.tse_bi`` file."""
    lines = [f"version = {VERSION}", ""]
    for row in document.rows:
        confidence = 1.0 if row.confidence is None else row.confidence
        lines.append(
            f"{row.onset_s:.{DECIMALS}f} {row.end_s:.{DECIMALS}f} {row.text} "
            f"{confidence:.{DECIMALS}f}")
    return ("\n".join(lines) + "\n").encode("utf-8")


def write_seizures(seizures: Sequence[Event], duration_s: float) -> bytes:
    """Write a ``.tse_bi`` file of disjoint seizures, background between."""
    rows, at = [], 0.0
    for event in seizures:
        if event.onset_s > at:
            rows.append(Annotation(at, event.onset_s - at, BACKGROUND))
        at = min(event.end_s, duration_s)
        rows.append(Annotation(event.onset_s, at - event.onset_s, "seiz"))
    if at < duration_s:
        rows.append(Annotation(at, duration_s - at, BACKGROUND))
    return write(Annotations(tuple(rows)))


class _TseClock:
    """Times of rows in seconds; dates count from the start."""

    def __init__(self, start: datetime | None) -> None:
        self.start = start
        self.dated = False

    def seconds(self, word: str, line: int, name: str) -> float:
        if not table_text.is_moment(word):
            return table_text.number(word, line, name)
        moment = table_text.moment(word, line, name)
        self.dated = True
        if self.start is None:
            self.start = moment
        return (moment - self.start).total_seconds()


def _is_version(row: str, line: int) -> bool:
    name, _, value = row.partition("=")
    if name.strip() != "version":
        return False
    if not value.strip().startswith("tse_v"):
        raise syntax(line, "version", "is not the version of a tse file, such"
                     f" as 'version = {VERSION}'")
    return True
