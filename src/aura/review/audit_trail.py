"""The audit trail of a recording: every decision of its reviewers."""

import json
import math
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from aura import state
from aura.errors import MissingError, PreconditionError
from aura.folder import Folder
from aura.recording import Event
from aura.review.scored_events import Layer, ScoredEvent

FORMAT = "aura-review-1"
LOCK = ".lock"
LONGEST_LABEL, LONGEST_NAME, LONGEST_NOTE = 64, 80, 500
SHORTEST_S = 0.01
STEPS_MAX = 100_000
ACTIONS = ("accept", "reject", "reset", "change", "add", "remove", "restore")

Decision = Literal["open", "accepted", "rejected"]
# They join letters in Persian and Hindi, and do nothing else.
_JOINERS = "\u200c\u200d"


@dataclass(frozen=True)
class Item:
    key: str  # `ScoredEvent.key`, or ``a<step>`` for an event a reviewer added
    layer: Layer | Literal["added"]
    decision: Decision
    onset_s: float  # As edited by the reviewer
    duration_s: float
    label: str
    note: str = ""
    changed: bool = False  # Whether times or label were edited

    @property
    def event(self) -> Event:
        """As an event without confidence: a person has checked it."""
        return Event(self.onset_s, self.duration_s, self.label)


@dataclass(frozen=True)
class Step:
    version: int  # Its number, from 1
    time: str  # UTC, as ISO 8601
    reviewer: str  # The name that the reviewer entered
    action: str  # One of `ACTIONS`
    model_id: str  # Model whose predictions were shown
    before: Item | None  # The event before and after; None if there is none
    after: Item | None

    def touches(self, key: str) -> bool:
        return any(item is not None and item.key == key
                   for item in (self.before, self.after))


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A step that a reviewer asks for."""

    # The last version that the reviewer has seen
    version: Annotated[int, msgspec.Meta(ge=0)]
    reviewer: str
    action: str
    key: str = ""  # The event; ``""`` to add one
    onset_s: float | None = None  # For ``change`` and ``add``
    duration_s: float | None = None
    label: str | None = None
    note: str | None = None  # None keeps the note
    step: int = 0  # For ``restore``: the step to take back


class ConflictError(PreconditionError):
    """Another tab or reviewer has changed the same event."""


class AuditTrail:
    def __init__(self, folder: Folder, name: str,
                 events: Sequence[ScoredEvent], duration_s: float,
                 head: Mapping[str, object]) -> None:
        self._folder = folder
        self._name = name
        self._given = {one.key: Item(
            one.key, one.layer, "open", one.event.onset_s,
            one.event.duration_s, one.event.label) for one in events}
        self._duration_s = duration_s
        self._head = {"format": FORMAT, **head}

    def steps(self) -> tuple[Step, ...]:
        """All steps so far; none if there is no file."""
        return self._read()[1]

    def _read(self) -> tuple[dict[str, Any], tuple[Step, ...]]:
        """The first line of the file, and the steps."""
        try:
            lines = self._folder.read(self._name).splitlines()
        except MissingError:
            return self._head, ()
        damaged = state.error("review.journal", name=self._name, format=FORMAT)
        where = damaged.rule, f"the audit trail {self._name}", damaged.args[2]
        # An empty file has no first line.
        first, *rows = lines or [b""]
        head = state.parse(first, dict[str, Any], *where)
        steps = tuple(state.parse(row, Step, *where) for row in rows)
        if head.get("format") != FORMAT or [
                step.version for step in steps] != [
                    *range(1, len(steps) + 1)]:
            raise damaged
        # An edited header changes the digest, but no time of a decision.
        if head.get("sha256") != self._head.get("sha256") and any(
                head.get(name) != self._head.get(name)
                for name in ("start", "duration_s")):
            raise state.error("review.other", name=self._name)
        return head, steps

    def items(self, steps: Sequence[Step]) -> dict[str, Item]:
        """Every event with its decision, by key."""
        state = dict(self._given)
        for step in steps:
            if step.after is not None:
                state[step.after.key] = step.after
            elif step.before is not None:
                state.pop(step.before.key, None)
        return dict(sorted(state.items(), key=lambda pair: (
            pair[1].onset_s, pair[1].duration_s, pair[0])))

    def locked(self) -> AbstractContextManager[None]:
        """Keep out every other writer of this folder."""
        return self._folder.locked(LOCK)

    def append(self, change: Change, model_id: str,
               now: datetime) -> tuple[Step, ...]:
        """All steps with a new one; to be called inside of `locked`."""
        head, steps = self._read()
        # No tab or server may lose what another one has saved.
        if change.version > len(steps) or change.key and any(
                step.touches(change.key) for step in steps[change.version:]):
            raise state.error("review.conflict", ConflictError)
        if len(steps) >= STEPS_MAX:
            raise state.error("review.steps", most=STEPS_MAX)
        before = self.items(steps).get(change.key)
        after = (_restored(change, steps) if change.action == "restore"
                 else self._changed(change, before, len(steps) + 1))
        who = _text(change.reviewer, "reviewer name", LONGEST_NAME)
        # The consent of a second reviewer is a step; a repeated one is not.
        if after == before and who == next((
                step.reviewer for step in reversed(steps)
                if step.touches(change.key)), who):
            return steps
        steps += (Step(len(steps) + 1, now.isoformat(timespec="milliseconds"),
                       who, change.action, model_id, before, after),)
        self._folder.write(self._name, "".join(
            json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n"
            for line in (head, *map(asdict, steps))).encode("utf-8"))
        return steps

    def _changed(self, change: Change, before: Item | None,
                 version: int) -> Item | None:
        action = change.action
        if action not in ACTIONS:
            raise state.error(
                "review.action", action=action[:20],
                actions=", ".join(ACTIONS))
        if action == "add":
            added = self._edited(change, Item(
                f"a{version}", "added", "accepted", 0.0, 0.0, "sz"))
            return replace(added, changed=False)
        if before is None:
            raise state.error("review.event")
        if action == "change":
            return self._edited(change, replace(before, decision="accepted"))
        if (action == "remove") != (before.layer == "added"):
            raise state.error("review.action/added")
        if action == "remove":
            return None
        if action == "reset":
            # An event of an earlier prediction is not given any more.
            return self._given.get(before.key)
        return replace(before, note=_note(change, before), decision=(
            "accepted" if action == "accept" else "rejected"))

    def _edited(self, change: Change, item: Item) -> Item:
        onset = item.onset_s if change.onset_s is None else change.onset_s
        length = (item.duration_s if change.duration_s is None
                  else change.duration_s)
        # TSV and EDF+ would round a shorter one to no length.
        if not (math.isfinite(onset) and math.isfinite(length)
                and 0 <= onset < self._duration_s and length >= SHORTEST_S
                and onset + length <= self._duration_s + 0.005):
            raise state.error(
                "review.times", onset=onset, end=onset + length,
                seconds=self._duration_s, least=SHORTEST_S)
        label = item.label if change.label is None else _text(
            change.label, "label", LONGEST_LABEL)
        onset, length = round(onset, 3), round(length, 3)
        given = self._given.get(item.key, item)
        changed = item.changed or ((given.onset_s, given.duration_s,
                                    given.label) != (onset, length, label))
        return replace(item, onset_s=onset, duration_s=length, label=label,
                       note=_note(change, item), changed=changed)


def _restored(change: Change, steps: Sequence[Step]) -> Item | None:
    """The event as it was before a step; None if the step added it."""
    if not (0 < change.step <= len(steps)
            and steps[change.step - 1].touches(change.key)):
        raise state.error("review.step")
    return steps[change.step - 1].before


def _note(change: Change, item: Item) -> str:
    return item.note if change.note is None else _text(
        change.note, "note", LONGEST_NOTE, empty=True)


def _text(text: str, name: str, longest: int, empty: bool = False) -> str:
    clean = unicodedata.normalize("NFC", text).strip()
    bad = [letter for letter in clean
           if not letter.isprintable() and letter not in _JOINERS]
    if bad or len(clean) > longest or not (clean or empty):
        what = ("is empty" if not clean else f"contains {bad[0]!a}" if bad
                else f"has {len(clean)} characters")
        raise state.error("review.text", name=name, what=what, longest=longest)
    return clean
