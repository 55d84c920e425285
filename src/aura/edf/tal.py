"""Annotations inside EDF+ and BDF+ files, and the time of each record."""
# A list is ``onset [0x15 duration] 0x14 text 0x14 ... 0x00``; the first of a
# record has no text. One that cannot be read may be a seizure: it is counted.

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from aura.edf import RULES
from aura.edf.header import Header, SignalHeader
from aura.edf.signal import read_column, records_per_block
from aura.errors import InvalidInputError, Problem, ResourceError, quoted

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
                starts.append(_start_of(record, lists))
            found += [EdfAnnotation(onset, duration, text)
                      for onset, duration, texts in lists
                      for text in texts if text]
            if len(found) + len(faults["onset"]) > ANNOTATIONS_MAX:
                raise ResourceError(*RULES.of(
                    "edf.annotation.count", most=ANNOTATIONS_MAX))
    first, parts, wrong = _parts(header, starts)
    return Timeline(first, tuple(
        EdfAnnotation(one.onset_s - first, one.duration_s, one.text)
        for one in found), tuple(parts), wrong, tuple(
            RULES.warning(f"edf.annotation.{rule}", shown=quoted(texts),
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


def _start_of(record: int,
              lists: list[tuple[float, float, list[str]]]) -> float:
    if not lists or lists[0][1] or lists[0][2][:1] != [""]:
        raise InvalidInputError(*RULES.of(
            "edf.annotation.timekeeping", number=record + 1))
    return lists[0][0]


def _parts(header: Header, starts: list[float]) -> tuple[
        float, list[tuple[int, float]], int]:
    """First onset, parts between gaps, and the number of wrong starts."""
    record_s, onsets = float(header.record_duration_s), np.array(starts)
    # A record that does not fit between two that follow each other.
    late = onsets[1:-1] - onsets[:-2] - record_s
    wrong = 1 + np.flatnonzero((np.abs(late) > DRIFT_S) & (np.abs(
        onsets[2:] - onsets[:-2] - 2 * record_s) <= GAP_S))
    onsets[wrong] = onsets[wrong - 1] + record_s
    first_s = before_s = starts[0] if starts else 0.0
    if not 0 <= first_s <= DAYS_MAX * 86400:
        raise InvalidInputError(*RULES.of(
            "edf.record_onset/first", seconds=first_s))
    left_s = DAYS_MAX * 86400 - float(header.duration_s)
    continuous, parts = header.kind.endswith("C"), [(0, 0.0)]
    for record, onset_s in enumerate(onsets.tolist()):
        # Counted from the start of the part: rounding does not add up.
        part, begin_s = parts[-1]
        late_s = onset_s - first_s - (begin_s + (record - part) * record_s)
        step_s, before_s = onset_s - before_s - record_s, onset_s
        if abs(late_s) <= GAP_S or (
                continuous and record and abs(step_s) <= DRIFT_S):
            continue
        if late_s < 0:
            raise InvalidInputError(*RULES.of(
                "edf.record_onset/overlap", next=record + 1, record=record,
                seconds=-late_s))
        left_s -= late_s
        if left_s < 0:
            raise ResourceError(*RULES.of(
                "edf.gap_length", number=record + 1, seconds=late_s,
                days=DAYS_MAX))
        parts.append((record, onset_s - first_s))
    return first_s, parts, len(wrong)


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
