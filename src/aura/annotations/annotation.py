"""Annotations as a file has them, and the seizures that they mean."""

import math
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from aura import state
from aura.annotations.vocabulary import (
    BEGIN, END, OTHER, is_ignored, label_of, meaning_of, name_of)
from aura.errors import Problem, quoted
from aura.recording import BACKGROUND, SEIZURE, Event

_FINDINGS: dict[str, str] = state.beside(__file__, "messages.toml")["findings"]
# Starts of one seizure, for example in the EEG and of the movements.
STARTS_S = 300.0
PAIR_S = 3600.0  # A longer seizure needs a row with its length
MARK_S = 1.0  # Length of a mark, for programs that need one
SAME_END_S = 5.0


@dataclass(frozen=True)
class Annotation:
    """One row of a file of annotations."""

    onset_s: float  # Start in seconds from the first sample of the recording
    # None for a mark in time, and where the file gives no length.
    duration_s: float | None
    text: str  # The label in the file's own words, or free text
    confidence: float | None = None  # In [0, 1], if the file gives one
    channels: str = ""  # As in the file; ``""`` is the whole recording
    # Names and cells of columns that only this kind of file has.
    more: tuple[tuple[str, str], ...] = ()

    @property
    def end_s(self) -> float:
        """End in seconds; the onset if there is no length."""
        return self.onset_s + (self.duration_s or 0.0)

    @property
    def label(self) -> str:
        """Label of the text, see `aura.annotations.vocabulary.label_of`."""
        return label_of(self.text)


@dataclass(frozen=True)
class Annotations:
    """A file of annotations."""

    rows: tuple[Annotation, ...]  # In the order of the file
    # Length, start, day and name of the recording, if the file gives them.
    duration_s: float | None = None
    start: datetime | None = None
    recorded_on: date | None = None
    name: str = ""
    # Rows have dates, the recording none: the first row is the start.
    start_is_first: bool = False
    recoded: bool = False  # The file is not in UTF-8, and was read otherwise
    commas: bool = False  # Numbers have a decimal comma

    @property
    def counts_as_annotated(self) -> bool:
        """Whether the annotator looked for seizures."""
        # An empty file means that none was found. Notes of a technician, or a
        # script that is not read, mean nothing, as does background of 0 s.
        return not self.rows or any(
            row.label != OTHER for row in self.rows if not (
                row.label == BACKGROUND and row.duration_s == 0))

    def paired(self) -> "Annotations":
        """One row for the two marks of a seizure's start and end."""
        # A seizure without a length may be a start too. An end belongs to the
        # last start of its name, or else of any name, if it is at most
        # `PAIR_S` later. One without the other stays.
        marks = sorted(
            (row.onset_s, side != END, at) for at, row in enumerate(self.rows)
            for side in (_side(row),) if side)
        if all(meaning_of(self.rows[at].text).side != END
               for _, _, at in marks):
            return self
        rows: list[Annotation | None] = list(self.rows)
        # An end says nothing new if the seizure has a length.
        ends = [*sorted(
            row.end_s for row in self.rows if row.label.startswith(SEIZURE)
            and (row.duration_s or 0.0) > MARK_S), math.inf]
        begun: dict[tuple[str, str], int] = {}  # In order of time
        for end_s, begins, at in marks:
            name = name_of(self.rows[at].text), self.rows[at].channels
            same = begun.pop(name, None)
            if begins:
                begun[name] = at
                continue
            own = [] if same is None else [same]
            # Several starts of other names may be of the same seizure.
            while same is None and begun:
                last, first = next(reversed(begun.items()))
                if own and (self.rows[first].onset_s
                            < self.rows[own[0]].onset_s - STARTS_S):
                    break
                own.append(begun.pop(last))
            start = self.rows[own[-1]] if own else None
            if start is not None and end_s - start.onset_s <= PAIR_S:
                # With its label it is a mark no more.
                rows[own[-1]] = replace(start, text=start.label,
                                        duration_s=end_s - start.onset_s)
                rows[at] = None
            elif ends[bisect(ends, end_s - SAME_END_S)] <= end_s + SAME_END_S:
                rows[at] = None
        return replace(self, rows=tuple(filter(None, rows)))

    def known(self) -> "Annotations":
        """The same without the rows that the user said to ignore."""
        return replace(self, rows=tuple(
            row for row in self.rows if not is_ignored(row.text)))

    def shifted(self, late_s: float) -> "Annotations":
        """The same on a clock that starts so much earlier."""
        return replace(self, rows=tuple(
            replace(row, onset_s=row.onset_s + late_s) for row in self.rows))

    def events(self) -> list[Event]:
        """All rows as events, in the order of the file."""
        # The same annotation on several channels is one event.
        events = []
        known = set()
        for row in self.paired().rows:
            event = Event(row.onset_s, row.duration_s or 0.0, row.label,
                          row.confidence)
            if row.channels:
                if event in known:
                    continue
                known.add(event)
            events.append(event)
        return events

    def seizures(self, duration_s: float) -> tuple[
            tuple[Event, ...], tuple[Problem, ...]]:
        """The disjoint seizures in a recording, and what was found."""
        paired = self.paired()
        events, problems = disjoint_seizures(paired.events(), duration_s)
        others: dict[str, list[str]] = {}
        for row in paired.rows:
            meaning = meaning_of(row.text)
            if meaning.label == OTHER:
                others.setdefault(
                    "doubtful" if meaning.doubtful else "no_start"
                    if meaning.side else "other", []).append(row.text)
        return events, (*(
            Problem(f"annotations.{name}", "warning",
                    f"{_FINDINGS[name]}{quoted(texts)}: {len(texts)}")
            for name, texts in others.items()), *problems)


def _side(row: Annotation) -> str:
    """The side that a row marks; a seizure of no length may be a start."""
    meaning = meaning_of(row.text)
    return meaning.side or (
        BEGIN if meaning.label.startswith(SEIZURE)
        and (row.duration_s or 0.0) <= MARK_S else "")


def disjoint_seizures(events: Sequence[Event], duration_s: float) -> tuple[
        tuple[Event, ...], tuple[Problem, ...]]:
    """Sort and join the seizures among events, inside the recording."""
    # A seizure of unknown length is a point: its duration is 0.
    counts = dict.fromkeys(_FINDINGS, 0)
    seizures = [event for event in events if event.is_seizure]
    counts["order"] = sum(
        after.onset_s < before.onset_s
        for before, after in zip(seizures, seizures[1:], strict=False))
    disjoint: list[Event] = []
    for event in sorted(seizures, key=_position):
        length = max(event.duration_s, 0.0)
        onset = max(event.onset_s, 0.0)
        end = min(event.onset_s + length, duration_s)
        if end < onset or onset >= duration_s or end == onset and length:
            counts["outside"] += 1
            continue
        counts["no_length"] += not length
        counts["clipped"] += end - onset < length - 1e-9
        inside = Event(onset, end - onset, event.label, event.confidence)
        if disjoint and onset <= disjoint[-1].end_s:
            counts["overlap"] += 1
            disjoint[-1] = _joined(disjoint[-1], inside)
        else:
            disjoint.append(inside)
    return tuple(disjoint), tuple(
        Problem(f"annotations.{name}", "warning",
                f"{_FINDINGS[name]}: {count}")
        for name, count in counts.items() if count)


def _position(event: Event) -> tuple[float, float, str]:
    return event.onset_s, event.duration_s, event.label


def _joined(first: Event, second: Event) -> Event:
    """One seizure of two, with the subtype that they share."""
    shared = []
    for one, other in zip(first.label.split("_"), second.label.split("_"),
                          strict=False):
        if one != other:
            break
        shared.append(one)
    confidences = [event.confidence for event in (first, second)
                   if event.confidence is not None]
    end = max(first.end_s, second.end_s)
    return Event(first.onset_s, end - first.onset_s, "_".join(shared),
                 max(confidences, default=None))
