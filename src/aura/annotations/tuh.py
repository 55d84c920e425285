"""``.csv`` and ``.csv_bi``: events of the TUH corpus since version 2."""

import re

from aura.annotations import table_text
from aura.annotations.annotation import Annotation, Annotations
from aura.annotations.table_text import syntax

DECIMALS = 4
COLUMNS = ("channel", "start_time", "stop_time", "label", "confidence")
WHOLE = "TERM"
VERSION = "csv_v1.0.0"
_SECONDS = re.compile(r"(\d{1,12}(?:\.\d{1,20})?) ?s(?:ecs?)?", re.ASCII)


def is_one(head: bytes) -> bool:
    """Whether a CSV begins as one of these files does."""
    for line in table_text.decoded(head)[0].splitlines():
        if line.startswith("#"):
            if "version" in line and "csv_v" in line:
                return True
        elif line.strip():
            # With other separators `read` raises an error with the reason.
            names = [name.strip(' "') for name in re.split("[,;\t]", line)]
            return all(name in names for name in COLUMNS[:4])
    return False


def read(content: bytes) -> Annotations:
    """Read a ``.csv`` or ``.csv_bi`` file."""
    head: dict[str, str] = {}
    names: list[str] = []
    quoted = False
    rows: list[Annotation] = []
    duration_s: float | None = None
    for number, line in table_text.lines(content):
        if line.startswith("#"):
            name, _, value = line[1:].partition("=")
            head[name.strip()] = value.strip()
            if name.strip() == "duration":
                duration_s = _duration(value.strip(), number)
        elif not line.strip():
            continue
        elif not names:
            quoted = '"' in line
            names = table_text.cells(line, ",", quoted)
            _check(names, number)
        else:
            cells = table_text.cells(line, ",", quoted)
            rows.append(_row(names, cells, number))
    if not names:
        raise syntax(1, "channel", "has to be the name of one column")
    return Annotations(tuple(rows), duration_s, name=head.get("bname", ""))


def write(document: Annotations) -> bytes:
    """Write a ``.csv`` or ``.csv_bi`` file."""
    lines = [f"# version = {VERSION}"]
    if document.name:
        lines.append(f"# bname = {document.name}")
    if document.duration_s is not None:
        lines.append(f"# duration = {document.duration_s:.{DECIMALS}f} secs")
    lines += ["#", ",".join(COLUMNS)]
    for row in document.rows:
        confidence = 1.0 if row.confidence is None else row.confidence
        lines.append(",".join((
            row.channels or WHOLE, f"{row.onset_s:.{DECIMALS}f}",
            f"{row.end_s:.{DECIMALS}f}", row.text,
            f"{confidence:.{DECIMALS}f}")))
    return ("\n".join(lines) + "\n").encode("utf-8")


def _check(names: list[str], line: int) -> None:
    for name in COLUMNS[:4]:
        if names.count(name) != 1:
            raise syntax(line, name, "has to be the name of one column; "
                         "columns are separated by commas")


def _row(names: list[str], cells: list[str], number: int) -> Annotation:
    if len(cells) != len(names):
        raise syntax(number, "row", f"has {len(cells)} cells, but there are "
                     f"{len(names)} columns")
    row = dict(zip(names, cells, strict=True))
    onset = table_text.number(row["start_time"], number, "start_time")
    stop = table_text.number(row["stop_time"], number, "stop_time")
    if stop < onset:
        raise syntax(number, "stop_time", "is before the start")
    channel = row["channel"]
    return Annotation(
        onset, stop - onset, row["label"],
        table_text.confidence(
            row.get("confidence", table_text.MISSING), number, "confidence"),
        "" if channel == WHOLE else channel)


def _duration(text: str, line: int) -> float:
    match = _SECONDS.fullmatch(text)
    if match is None:
        raise syntax(line, "duration", "has to be written as in "
                     "'301.00 secs'")
    return float(match[1])
