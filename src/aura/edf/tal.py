"""Annotations inside EDF+ and BDF+ files, and the time of each record."""
# A list is ``onset [0x15 duration] 0x14 text 0x14 ... 0x00``; the first of a
# record has no text. One that cannot be read may be a seizure: it is counted.

import math
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from aura import state
from aura.edf.header import Header, SignalHeader
from aura.edf.signal import read_column, records_per_block
from aura.errors import InvalidInputError, Problem, quoted

ANNOTATIONS_MAX = 1_000_000
# A longer gap is a wrong clock, and would make too many rows.
DAYS_MAX = 31
# Writers round onsets; beats are timed in ms.
GAP_S = 1e-3
# In a continuous recording a smaller step is a clock that drifts, no gap.
DRIFT_S = 0.25

_NUMBER = rb"[0-9]{1,12}(?:[.,][0-9]{1,20})?"
_HEAD = re.compile(rb"([+-]" + _NUMBER + rb")(?:\x15([^\x14]*))?\x14")
_DURATION = re.compile(_NUMBER)
# Most records have their start and nothing else.
_ALONE = re.compile(rb"([+-]" + _NUMBER + rb")\x14\x14\0+")
_CONTROL = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f]")
# What some writers have behind the last annotation in place of NUL.
_PADDING = re.compile(rb"(?:(?<=\x14)|\A)[^0-9A-Za-z+\x14\x15-]+\Z")
# Annotations that break the format, by rule.
Faults = dict[str, list[str]]


@dataclass(frozen=True)
class EdfAnnotation:
    """One annotation inside a recording."""

    onset_s: float  # Seconds after the first sample
    duration_s: float  # 0 if the file gives none
    text: str  # Free text, which may name a person


@dataclass(frozen=True)
class Timeline:
    """When the records of a recording start, and its annotations."""

    # Seconds from the header's start to the first sample; usually below 1.
    first_onset_s: float
    annotations: tuple[EdfAnnotation, ...]  # In the order of the file
    # First record of each part between gaps, and its start in seconds.
    parts: tuple[tuple[int, float], ...] = ((0, 0.0),)
    wrong_onsets: int = 0  # Records whose start is taken from their neighbours
    problems: tuple[Problem, ...] = ()  # Annotations not read as written


def read_timeline(stream: BinaryIO, header: Header) -> Timeline:
    """Read all annotations and the start of each record."""
    starts: list[float] = []
    faults: Faults = defaultdict(list)
    found: list[EdfAnnotation] = []
    for number, signal in enumerate(header.annotation_signals):
        for record, block in _blocks(stream, header, signal):
            lists = parse(block, faults)
            if number == 0 and "+" in header.kind:
                starts.append(_start_of(record, lists,
                                        header.kind.endswith("C")))
            found += [EdfAnnotation(onset, duration, text)
                      for onset, duration, texts in lists
                      for text in texts if text]
            if len(found) + len(faults["onset"]) > ANNOTATIONS_MAX:
                raise state.error(
                    "edf.annotation.count", annotations_max=ANNOTATIONS_MAX)
    clock = _Clock(header, starts)
    first = clock.first_s
    return Timeline(first, tuple(
        EdfAnnotation(one.onset_s - first, one.duration_s, one.text)
        for one in found), tuple(clock.parts), clock.wrong, tuple(
            state.problem(f"edf.annotation.{rule}", texts=quoted(texts),
                          count=len(texts))
            for rule, texts in faults.items() if texts))


def has_gaps(stream: BinaryIO, header: Header) -> bool:
    """Whether there may be gaps, by the start of the last record."""
    if "+" not in header.kind:
        return False
    last = header.record_count - 1
    first, end = (parse(read_column(
        stream, header, header.annotation_signals[0], record, record + 1,
    ).tobytes(), defaultdict(list)) for record in (0, last))
    return not first or not end or abs(
        end[0][0] - first[0][0] - last * float(header.record_duration_s)
    ) > GAP_S


def parse(block: bytes, faults: Faults) -> list[
        tuple[float, float, list[str]]]:
    """Parse one annotation signal of one record."""
    alone = _ALONE.fullmatch(block)
    if alone:
        return [(_number(alone[1]), 0.0, [""])]
    lists = [_parse_list(piece, faults)
             for piece in block.rstrip(b"\0").split(b"\0") if piece]
    return [one for one in lists if one]


def _parse_list(piece: bytes, faults: Faults) -> tuple[
        float, float, list[str]] | None:
    padded, piece = piece, _PADDING.sub(b"", piece)
    if padded != piece:
        faults["padding"].append("")
        if not piece:
            return None
    match = _HEAD.match(piece)
    if match is None:
        faults["onset"].append(_shown(piece))
        return None
    if piece[-1] != 0x14:
        faults["unterminated"].append(_shown(piece))
        return None
    body = piece[match.end():]
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        faults["text"].append(_shown(body))
        text = body.decode("latin-1")
    if _CONTROL.search(text.replace("\x14", "")):
        faults["control"].append(_shown(body))
    duration = _DURATION.fullmatch(match[2] or b"0")
    if duration is None:
        faults["duration"].append(_shown(piece))
    return (_number(match[1]), _number(duration[0]) if duration else 0.0,
            text.split("\x14")[:-1])


def _shown(piece: bytes) -> str:
    return re.sub(r"[\x00-\x1f]+", " ", piece.decode("latin-1")).strip()


def _number(word: bytes) -> float:
    return float(word.replace(b",", b"."))


def _start_of(record: int, lists: list[tuple[float, float, list[str]]],
              continuous: bool) -> float:
    """The start of a record; NaN if none is given and none is needed."""
    if lists and not lists[0][1] and lists[0][2][:1] == [""]:
        return lists[0][0]
    if continuous:
        return math.nan
    raise state.error("edf.annotation.timekeeping", found=record + 1)


class _Clock:
    """Checks when each record starts, and finds the gaps."""

    def __init__(self, header: Header, starts: list[float]) -> None:
        self._record_s = float(header.record_duration_s)
        self._left_s = DAYS_MAX * 86400 - float(header.duration_s)
        self._continuous = header.kind.endswith("C")
        self.first_s = self._before_s = 0.0
        self.parts = [(0, 0.0)]
        onsets = np.array(starts)
        lost = np.flatnonzero(np.isnan(onsets)).tolist()
        for record in lost:
            onsets[record] = record and onsets[record - 1] + self._record_s
        # A record that does not fit between two that follow each other.
        late_s = onsets[1:-1] - onsets[:-2] - self._record_s
        wrong = 1 + np.flatnonzero((np.abs(late_s) > DRIFT_S) & (np.abs(
            onsets[2:] - onsets[:-2] - 2 * self._record_s) <= GAP_S))
        onsets[wrong] = onsets[wrong - 1] + self._record_s
        self.wrong = len(wrong) + len(lost)
        for record, onset_s in enumerate(onsets.tolist()):
            self._check(record, onset_s)

    def _check(self, record: int, onset_s: float) -> None:
        if record == 0:
            if not 0 <= onset_s <= DAYS_MAX * 86400:
                raise state.error("edf.record_onset/first", onset_s=onset_s)
            self.first_s = onset_s
        # Counted from the start of the part: rounding does not add up.
        first, begin_s = self.parts[-1]
        end_s = begin_s + (record - first) * self._record_s
        late_s = onset_s - self.first_s - end_s
        step_s = onset_s - self._before_s - self._record_s
        self._before_s = onset_s
        if abs(late_s) <= GAP_S or (
                self._continuous and record and abs(step_s) <= DRIFT_S):
            return
        if late_s > 0:
            self._gap(record, onset_s - self.first_s, late_s)
            return
        found = (f"record {record + 1} starts {-late_s:g} s before the end "
                 f"of record {record}")
        raise InvalidInputError(
            "edf.record_onset", found, "export the recording again")

    def _gap(self, record: int, onset_s: float, length_s: float) -> None:
        self._left_s -= length_s
        if self._left_s < 0:
            raise state.error(
                "edf.gap_length", found=record + 1, length_s=length_s,
                days_max=DAYS_MAX)
        self.parts.append((record, onset_s))


def _blocks(stream: BinaryIO, header: Header,
            signal: SignalHeader) -> Iterator[tuple[int, bytes]]:
    step = records_per_block(header, signal)
    for first in range(0, header.record_count, step):
        last = min(header.record_count, first + step)
        column = read_column(stream, header, signal, first, last)
        content = column.tobytes()
        for row in range(last - first):
            yield first + row, content[
                row * signal.width:(row + 1) * signal.width]
