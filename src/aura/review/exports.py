"""
The annotation that a review amounts to.

An original annotation stands until it is rejected. An alarm counts once it
is accepted; where it lies on a seizure that stands already it adds nothing,
since where an alarm begins is not where a seizure does. What a reviewer
placed by hand counts as it was placed.
"""

from collections.abc import Iterable
from datetime import datetime

import numpy as np

from aura.annotations import bids
from aura.annotations.annotation import disjoint_seizures
from aura.edf import write
from aura.recording import BACKGROUND, Event
from aura.review.audit_trail import Item
from aura.spans import covered, union


def reviewed(items: Iterable[Item], duration_s: float) -> tuple[Event, ...]:
    """Events of the reviewed annotation."""
    listed = list(items)
    standing = [item.event for item in listed if (
        item.layer == "original" and item.decision != "rejected")
        or item.layer == "added"
        or (item.decision == "accepted" and item.changed)]
    standing += _elsewhere([item.event for item in listed if (
        item.layer == "predicted" and item.decision == "accepted"
        and not item.changed)], standing)
    seizures, _ = disjoint_seizures(standing, duration_s)
    others = [event for event in standing
              if not event.is_seizure and event.label != BACKGROUND]
    return tuple(sorted((*seizures, *others), key=lambda event: (
        event.onset_s, event.duration_s, event.label)))


def as_tsv(items: Iterable[Item], start: datetime, duration_s: float,
           channel: str, annotated: bool) -> bytes:
    """The reviewed annotation as BIDS/HED-SCORE TSV."""
    listed = list(items)
    events = reviewed(listed, duration_s)
    content = bids.write_events(
        events, start, duration_s, channel or "n/a")
    undecided = any(item.decision == "open" for item in listed)
    if not events and not annotated and undecided:
        return content[:content.index(b"\n") + 1]
    return content


def as_edf(items: Iterable[Item], start: datetime,
           duration_s: float) -> bytes:
    """The same events as an EDF+ file of annotations."""
    return write.annotation_file([
        (event.onset_s, event.duration_s, event.label)
        for event in reviewed(items, duration_s)], start, duration_s)


def _elsewhere(alarms: list[Event], others: list[Event]) -> list[Event]:
    """Those of the alarms that lie on no other event."""
    spans, taken = (np.array(
        sorted((event.onset_s, event.end_s) for event in events),
        dtype=np.float64).reshape(-1, 2) for events in (alarms, others))
    free = covered(union(taken), spans) == 0
    return [event for event, is_free in zip(
        sorted(alarms, key=lambda event: (event.onset_s, event.end_s)),
        free, strict=True) if is_free]
