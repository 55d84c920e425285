"""``times.seize`` of szdb: record, start and end as ``hh:mm:ss``."""
# Source: https://doi.org/10.13026/C2QC72. No line: not annotated.

import re

from aura.annotations import table_text
from aura.annotations.annotation import Annotation, Annotations
from aura.annotations.table_text import syntax

NAME = "times.seize"
TEXT = "seizure"
_CLOCK = re.compile(r"(\d{1,5}):([0-5]?\d):([0-5]?\d(?:\.\d{1,6})?)", re.ASCII)


def read(content: bytes, record: str) -> Annotations | None:
    """Read the seizures of one record."""
    rows = []
    for number, line in table_text.lines(content):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        if len(words) != 3:
            raise syntax(number, "row", f"has {len(words)} cells, but record,"
                         " start and end are needed")
        onset = _seconds(words[1], number, "start")
        end = _seconds(words[2], number, "end")
        if end < onset:
            raise syntax(number, "end", "is before the start")
        if words[0].partition(".")[0].lower() == record.lower():
            rows.append(Annotation(onset, end - onset, TEXT))
    return Annotations(tuple(rows), name=record) if rows else None


def names(content: bytes) -> list[str]:
    """The records that have a line, each once."""
    return list(dict.fromkeys(
        line.split()[0] for _, line in table_text.lines(content)
        if line.strip() and not line.startswith("#")))


def _seconds(word: str, line: int, name: str) -> float:
    match = _CLOCK.fullmatch(word)
    if match is None:
        raise syntax(line, name, "has to be written hh:mm:ss")
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
