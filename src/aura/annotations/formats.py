"""The formats that annotations are converted to, and what each holds."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from aura import state
from aura.annotations import bids, table_text, tse, tuh, vocabulary
from aura.annotations.annotation import Annotation, Annotations
from aura.edf import write as edf
from aura.errors import Problem
from aura.recording import BACKGROUND

Writer = Callable[[Annotations], bytes]


@dataclass(frozen=True)
class Format:
    """A format that annotations are written in."""

    name: str  # As in ``aura convert --to``
    ending: str  # Follows the name of the recording
    # The label for a text; None if the format has none.
    label: Callable[[str], str | None]
    decimals: int  # Of times and confidences
    # Document to bytes; None if the whole recording is written.
    write: Writer | None
    # Whether there may be a confidence; None if there has to be one.
    confidence: bool | None = None
    # Whether a text can be a channel or a cell; None without channels.
    cell: Callable[[str], bool] | None = None
    # Other columns, start and length, annotations without a length?
    columns: bool = False
    start: bool = False
    length: bool = False
    marks: bool = False
    # Whether every second of the recording needs a label.
    covers: bool = False


def _one_word(text: str) -> str | None:
    code = vocabulary.code(text)
    # A row with '=' would be read as a line of the head.
    return code if code and _clean(code) and "=" not in code and not any(
        c.isspace() for c in code) else None


def _one_cell(text: str) -> str | None:
    code = vocabulary.code(text).strip()
    return code if code and "," not in code and _clean(code) else None


def _column(text: str) -> str | None:
    name = vocabulary.hed(text).strip()
    return name if name and _clean(name) else None


def _edf_text(text: str) -> str | None:
    return edf.printable(text) or None


def _clean(text: str) -> bool:
    return not table_text.has_control(text) and "\t" not in text


def _column_cell(text: str) -> bool:
    return _clean(text) and text == text.strip() != table_text.MISSING


def _csv_cell(text: str) -> bool:
    return (_clean(text) and text == text.strip() != tuh.WHOLE
            and "," not in text and not text.startswith("#"))


FORMATS = {made.name: made for made in (
    Format("bids", "_events.tsv", _column, bids.DECIMALS, bids.write,
           confidence=True, cell=_column_cell, columns=True, start=True,
           length=True, marks=True),
    Format("tse", ".tse", _one_word, tse.DECIMALS, tse.write, covers=True),
    Format("tse_bi", ".tse_bi", vocabulary.two_classes, tse.DECIMALS,
           tse.write,
           covers=True),
    Format("csv", ".csv", _one_cell, tuh.DECIMALS, tuh.write,
           cell=_csv_cell, length=True, covers=True),
    Format("csv_bi", ".csv_bi", vocabulary.two_classes, tuh.DECIMALS,
           tuh.write, length=True, covers=True),
    Format("edf", ".edf", _edf_text, edf.DECIMALS, None,
           confidence=False, start=True, length=True, marks=True))}

_LOST: dict[str, str] = state.beside(__file__, "messages.toml")["lost"]


def adapt(document: Annotations, to: Format) -> tuple[
        Annotations, tuple[Problem, ...]]:
    """Reduce a document to what a format can hold."""
    lost: Counter[str] = Counter()
    rows = [kept for row in document.paired().rows
            if (kept := _adapted(row, to, lost)) is not None]
    if to.covers:
        if document.duration_s is not None:
            rows += _between(rows, document.duration_s, to.decimals)
        rows.sort(key=lambda row: (row.onset_s, row.end_s, row.channels))
    lost["start"] += document.start is not None and not to.start
    lost["length"] += (document.duration_s is not None and not to.length
                       and not to.covers)
    adapted = replace(
        document, rows=tuple(rows), recorded_on=None,
        start=document.start if to.start else None,
        duration_s=None if document.duration_s is None or not to.length
        else _round(document.duration_s, to.decimals))
    return adapted, tuple(
        Problem(f"convert.{name}", "warning", _LOST[name].format(
            to=to.name, count=count, decimals=to.decimals))
        for name, count in lost.items() if count)


def _adapted(row: Annotation, to: Format,
             lost: Counter[str]) -> Annotation | None:
    text = to.label(row.text)
    if text is None:
        lost["left_out"] += 1
        return None
    lost["type"] += vocabulary.label_of(text) != row.label
    onset = _round(row.onset_s, to.decimals)
    end = _round(row.end_s, to.decimals)
    lost["rounded"] += (abs(onset - row.onset_s) > 1e-9
                        or abs(end - row.end_s) > 1e-9)
    lost["marks"] += row.duration_s is None and not to.marks
    channels = row.channels if to.cell and to.cell(row.channels) else ""
    lost["channels"] += channels != row.channels
    more = tuple(
        (name, cell) for name, cell in row.more if to.columns and to.cell
        and to.cell(name) and to.cell(cell))
    lost["columns"] += more != row.more
    given = row.confidence
    if to.confidence is None:
        lost["certain"] += given is None
        given = 1.0 if given is None else given
    elif not to.confidence:
        lost["confidence"] += given is not None
        given = None
    if given is not None:
        rounded = _round(given, to.decimals)
        lost["rounded"] += abs(rounded - given) > 1e-9
        given = rounded
    return Annotation(
        onset, None if row.duration_s is None and to.marks
        else _length(onset, end, to), text, given,
        channels, more)


def _length(onset: float, end: float, to: Format) -> float:
    # A reader of a format with ends computes the difference.
    return end - onset if to.covers else _round(end - onset, to.decimals)


def _between(rows: Sequence[Annotation], duration_s: float,
             decimals: int) -> Iterator[Annotation]:
    """Background between the rows, with times as they are written."""
    at, duration_s = 0.0, _round(duration_s, decimals)
    for row in sorted(rows, key=lambda row: row.onset_s):
        if row.onset_s > at:
            yield _background(at, min(row.onset_s, duration_s))
        at = max(at, _round(row.end_s, decimals))
        if at >= duration_s:
            return
    yield _background(at, duration_s)


def _background(onset: float, end: float) -> Annotation:
    return Annotation(onset, end - onset, BACKGROUND, 1.0)


def _round(value: float, decimals: int) -> float:
    # The value that is read again. Minus zero becomes zero.
    return float(f"{value:.{decimals}f}") + 0.0 if math.isfinite(value) \
        else value
