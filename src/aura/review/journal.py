"""
What a reviewer decides, as a journal from which everything else follows.

Each line of ``<recording>.jsonl`` is one step: who, when, which event, from
what to what. The state of a review is the journal replayed; its version is
the number of steps. A step is written as a whole or not at all, and only if
its writer has seen all steps before it, so that two tabs, or two servers on
one folder, never lose one another's work.
"""

import contextlib
import fcntl
import json
import math
import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Literal

from aura.errors import (
    CorruptDataError,
    InvalidInputError,
    MissingError,
    PreconditionError,
    ResourceError,
)
from aura.folder import Folder
from aura.recording import Event
from aura.review.marks import Mark

FORMAT = "aura-review-1"
LOCK = ".lock"
LONGEST_LABEL, LONGEST_NAME, LONGEST_NOTE = 64, 80, 500
SHORTEST_S = 0.01
STEPS_MAX = 100_000
ACTIONS = ("accept", "reject", "reset", "change", "add", "remove")

Decision = Literal["open", "accepted", "rejected"]
Given = Literal["original", "predicted", "added"]
# They join letters in Persian and Hindi, and do nothing else.
_JOINERS = "\u200c\u200d"


@dataclass(frozen=True)
class Item:
    """An event under review."""

    # As `aura.review.marks.Mark.key`, or ``a<step>`` where a reviewer added
    # the event.
    key: str
    layer: Given  # Where it comes from
    decision: Decision  # What the reviewer said
    onset_s: float  # As the reviewer left them
    duration_s: float
    label: str  # The same
    note: str = ""  # Free text
    changed: bool = False  # Whether times or label are other than those given

    @property
    def event(self) -> Event:
        """As an event without confidence: a person has looked at it."""
        return Event(self.onset_s, self.duration_s, self.label)


@dataclass(frozen=True)
class Step:
    """One line of the journal."""

    version: int  # Its number, from 1
    time: str  # When, in UTC, as ISO 8601
    reviewer: str  # The name that the user gave
    action: str  # One of `ACTIONS`
    model_id: str  # Model whose predictions were looked at
    # The event before and after; None where there was or is none.
    before: Item | None
    after: Item | None


@dataclass(frozen=True)
class Change:
    """What a reviewer wants."""

    version: int  # The last version that the reviewer has seen
    reviewer: str  # As in `Step`
    action: str
    key: str = ""  # The event; ``""`` to add one
    onset_s: float | None = None  # For ``change`` and ``add``
    duration_s: float | None = None
    label: str | None = None
    note: str | None = None  # None leaves it as it is


class ConflictError(PreconditionError):
    """Somebody else was faster; the steps since are to be looked at."""


class FollowingError(ResourceError):
    """A step was taken; what follows from it could not be written."""


class Journal:
    """The journal of one recording."""

    def __init__(self, folder: Folder, name: str, marks: Sequence[Mark],
                 duration_s: float, head: Mapping[str, object]) -> None:
        self._folder = folder
        self._name = name
        self._given = {mark.key: _item(mark) for mark in marks}
        self._duration_s = duration_s
        self._head = {"format": FORMAT, **head}

    def steps(self) -> tuple[Step, ...]:
        """All steps so far; none where there is no journal."""
        return self._read()[1]

    def _read(self) -> tuple[dict[str, Any], tuple[Step, ...]]:
        """The journal's first line, and its steps."""
        try:
            lines = self._folder.read(self._name).splitlines()
        except MissingError:
            return self._head, ()
        try:
            head, *rows = map(json.loads, lines)
            if head["format"] != FORMAT:
                raise ValueError(head["format"])
            found = tuple(_read_step(row) for row in rows)
            if [step.version for step in found] != list(
                    range(1, len(found) + 1)):
                raise ValueError("versions")
        except (ValueError, KeyError, TypeError, RecursionError):
            raise CorruptDataError(
                "review.journal", "the journal of this review "
                f"({self._name}) is damaged; it was left as it is",
                "restore it from a backup, or move it away to begin anew"
            ) from None
        # A file whose header alone was changed keeps its digest no more, but
        # its clock: decisions hold. On another clock they mean nothing.
        if head.get("sha256") != self._head.get("sha256") and any(
                head.get(name) != self._head.get(name)
                for name in ("start", "duration_s")):
            raise PreconditionError(
                "review.other", "the journal of this review "
                f"({self._name}) is of another recording of this name, of "
                "another start or length",
                "predict that one, or move the journal away to begin anew")
        return head, found

    def items(self, steps: Sequence[Step]) -> dict[str, Item]:
        """Every event with what was decided on it, by key."""
        state = dict(self._given)
        for step in steps:
            if step.after is not None:
                state[step.after.key] = step.after
            elif step.before is not None:
                state.pop(step.before.key, None)
        return dict(sorted(state.items(), key=lambda pair: (
            pair[1].onset_s, pair[1].duration_s, pair[0])))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other writer of this folder out."""
        path = self._folder.path(LOCK)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # The file stays: a lock on a removed one would lock out nobody.
            descriptor = os.open(
                path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW,
                0o644)
        except OSError as error:
            raise PreconditionError(
                "disk.unwritable", "reviews cannot be written here: "
                f"{error.strerror}",
                "make the folder writable for the user that runs this"
            ) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def append(self, change: Change, model_id: str,
               now: datetime) -> tuple[Step, ...]:
        """Take one step; to be called inside of `locked`."""
        head, steps = self._read()
        if change.version != len(steps):
            raise ConflictError(
                "review.conflict", "this review was changed meanwhile",
                "look at the newer state and repeat")
        if len(steps) >= STEPS_MAX:
            raise InvalidInputError(
                "review.steps", f"a review has at most {STEPS_MAX} steps")
        before = self.items(steps).get(change.key)
        after = self._changed(change, before, len(steps) + 1)
        made = Step(len(steps) + 1, now.isoformat(timespec="milliseconds"),
                    _text(change.reviewer, "reviewer", LONGEST_NAME),
                    change.action, model_id, before, after)
        taken = (*steps, made)
        lines = [head, *(asdict(step) for step in taken)]
        self._folder.write(self._name, "".join(
            json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n"
            for line in lines).encode("utf-8"))
        return taken

    def _changed(self, change: Change, before: Item | None,
                 version: int) -> Item | None:
        action = change.action
        if action not in ACTIONS:
            raise InvalidInputError(
                "review.action", f"there is no action {action[:20]!r}",
                "actions are " + ", ".join(ACTIONS))
        if action == "add":
            return self._placed(change, Item(
                f"a{version}", "added", "accepted", 0.0, 0.0, "sz"))
        if before is None:
            raise InvalidInputError(
                "review.event", "there is no such event in this review",
                "load the page anew")
        if action == "change":
            return self._placed(change, replace(before, decision="accepted"))
        if (action == "remove") != (before.layer == "added"):
            raise InvalidInputError(
                "review.action", "only an event that a reviewer added can "
                "be removed, and it is not accepted or rejected",
                "reject the others; what was given stays on record")
        if action == "remove":
            return None
        if action == "reset":
            # One of an earlier prediction is given no more: it just goes.
            return self._given.get(before.key)
        note = before.note if change.note is None else _text(
            change.note, "note", LONGEST_NOTE, empty=True)
        return replace(before, note=note, decision=(
            "accepted" if action == "accept" else "rejected"))

    def _placed(self, change: Change, item: Item) -> Item:
        onset = item.onset_s if change.onset_s is None else change.onset_s
        length = (item.duration_s if change.duration_s is None
                  else change.duration_s)
        # What TSV and EDF+ would write as no length at all is none.
        if not (math.isfinite(onset) and math.isfinite(length)
                and 0 <= onset < self._duration_s and length >= SHORTEST_S
                and onset + length <= self._duration_s + 0.005):
            raise InvalidInputError(
                "review.times", f"the event goes from {onset:.2f} s to "
                f"{onset + length:.2f} s", "it has to lie inside the "
                f"recording, 0 to {self._duration_s:.2f} s, and to have a "
                "length")
        label = item.label if change.label is None else _text(
            change.label, "label", LONGEST_LABEL)
        note = item.note if change.note is None else _text(
            change.note, "note", LONGEST_NOTE, empty=True)
        onset, length = round(onset, 3), round(length, 3)
        given = self._given.get(item.key)
        changed = item.changed or given is None or (
            (given.onset_s, given.duration_s, given.label)
            != (onset, length, label))
        return replace(item, onset_s=onset, duration_s=length, label=label,
                       note=note, changed=changed)


def _item(mark: Mark) -> Item:
    return Item(mark.key, mark.layer, "open", mark.event.onset_s,
                mark.event.duration_s, mark.event.label)


def _text(text: str, name: str, longest: int, empty: bool = False) -> str:
    clean = unicodedata.normalize("NFC", text).strip()
    bad = [letter for letter in clean
           if not letter.isprintable() and letter not in _JOINERS]
    if bad or len(clean) > longest or not (clean or empty):
        raise InvalidInputError(
            "review.text", f"the {name} "
            + ("is empty" if not clean else f"has the character {bad[0]!a}"
               if bad else f"has {len(clean)} characters"),
            f"up to {longest} printable characters are allowed")
    return clean


def _read_step(row: dict[str, Any]) -> Step:
    before, after = (
        None if row[name] is None else Item(**row[name])
        for name in ("before", "after"))
    return Step(**{**row, "before": before, "after": after})
