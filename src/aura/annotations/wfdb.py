"""Annotation files of WFDB, in the format of the MIT-BIH databases."""
# Source: https://physionet.org/physiotools/wag/annot-5.htm
# In CHB-MIT a seizure begins with code 32 and ends with 33; other sets write
# it into a rhythm change (28) or note (22).

import re
from collections.abc import Iterator
from dataclasses import dataclass

from aura import state
from aura.annotations.annotation import Annotation, Annotations
from aura.annotations.table_text import LINES_MAX
from aura.annotations.vocabulary import OTHER, Meaning, label_of, meaning_of
from aura.errors import AuraError

SEIZURES, BEATS_TOO = ".seizures", ".atr"
SUFFIXES = (SEIZURES, BEATS_TOO)
_NOTE, _RHYTHM, _BEGIN, _END = 22, 28, 32, 33
_SKIP, _NUM, _SUB, _CHAN, _AUX = range(59, 64)
_RESOLUTION = re.compile(r"## time resolution: ?(\d{1,9}(?:\.\d{1,9})?)")
BEATS = frozenset((*range(1, 14), 25, 30, 34, 35, 38, 41))


@dataclass(frozen=True)
class WfdbMark:
    """One annotation."""

    sample: int
    code: int  # One of the codes of WFDB
    text: str = ""


def marks(content: bytes) -> tuple[list[WfdbMark], float | None]:
    """All annotations of a file, and its sampling rate if it gives one."""
    found: list[WfdbMark] = []
    rate_hz: float | None = None
    for mark in _marks(content):
        match = _RESOLUTION.match(mark.text)
        if match and mark.sample == 0 and mark.code == _NOTE:
            rate_hz = float(match[1]) or None
            continue
        found.append(mark)
        if len(found) > LINES_MAX:
            raise state.error("annotations.count/wfdb", lines_max=LINES_MAX)
    return found, rate_hz


def read(content: bytes, rate_hz: float | None = None,
         beats_too: bool = False) -> Annotations | None:
    """Read the seizures and notes of a WFDB annotation file."""
    # In a file with beats the codes of a seizure mean fibrillation. Without a
    # text about seizures it says nothing of them, and the result is None.
    found, own_rate_hz = marks(content)
    rate = own_rate_hz or rate_hz
    if not rate:
        raise _malformed("has no time resolution, and there is no recording "
                         "beside it to take the sampling rate from")
    rows = []
    begun: WfdbMark | None = None
    for mark in found:
        if beats_too and mark.code in (_BEGIN, _END):
            continue
        if mark.code == _BEGIN and begun is None:
            begun = mark
        elif mark.code == _END and begun is not None:
            rows.append(_span(begun.sample, mark.sample, "seizure", rate))
            begun = None
        elif mark.code in (_BEGIN, _END):
            raise _malformed("has a seizure that begins twice, or ends "
                             "without a beginning")
        elif mark.text and mark.code not in (_RHYTHM, *BEATS):
            rows.append(Annotation(mark.sample / rate, None, mark.text))
    if begun is not None:
        raise _malformed("has a seizure without an end")
    rows += _rhythms(found, rate)
    if beats_too:
        rows = [row for row in rows if meaning_of(row.text) != Meaning()]
        if not rows:
            return None
    return Annotations(tuple(sorted(
        rows, key=lambda row: (row.onset_s, row.text))))


def _rhythms(found: list[WfdbMark], rate: float) -> Iterator[Annotation]:
    changes = [mark for mark in found if mark.code == _RHYTHM]
    for mark, after in zip(changes, [*changes, None][1:], strict=True):
        text = mark.text.lstrip("(")
        if after is not None:
            yield _span(mark.sample, after.sample, text, rate)
        elif label_of(text) != OTHER:
            # It may end before the recording does.
            yield Annotation(mark.sample / rate, None, text)


def _span(first: int, last: int, text: str, rate: float) -> Annotation:
    return Annotation(first / rate, (last - first) / rate, text)


def _marks(content: bytes) -> Iterator[WfdbMark]:
    at, sample, latest = 0, 0, 0
    pending: WfdbMark | None = None
    while True:
        if at + 2 > len(content):
            raise _malformed("ends before its end mark")
        word = int.from_bytes(content[at:at + 2], "little")
        at += 2
        code, count = word >> 10, word & 0x3FF
        if word == 0:
            break
        if code == _SKIP:
            long = content[at:at + 4]
            if len(long) < 4:
                raise _malformed("ends before its end mark")
            # High half first, each little-endian, as on a PDP-11.
            step = int.from_bytes(long[2:] + long[:2], "little", signed=True)
            sample, at = sample + step, at + 4
        elif code == _AUX:
            text = content[at:at + count]
            if len(text) < count or pending is None:
                raise _malformed("has a text that belongs to no annotation "
                                 "or is cut off")
            at += count + count % 2
            pending = WfdbMark(pending.sample, pending.code, _text(text))
        elif code in (_NUM, _SUB, _CHAN):
            continue
        else:
            if pending is not None:
                yield pending
            sample += count
            if sample < latest:
                raise _malformed("goes back in time")
            latest = sample
            # Code 0 ends the definitions at the head.
            pending = WfdbMark(sample, code) if code else None
    if pending is not None:
        yield pending


def _text(raw: bytes) -> str:
    text = raw.split(b"\0")[0].decode("utf-8", "replace").strip()
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def _malformed(text: str) -> AuraError:
    return state.error("annotations.wfdb", text=text)
