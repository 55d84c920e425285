"""The reviewed annotation, and the files that it is exported to."""

from collections.abc import Iterable

from aura import spans
from aura.annotations import bids
from aura.annotations.annotation import disjoint_seizures
from aura.edf import write
from aura.recording import BACKGROUND, Event, Recording
from aura.review.audit_trail import Item


def reviewed(items: Iterable[Item], duration_s: float) -> tuple[Event, ...]:
    listed = list(items)
    kept = [item.event for item in listed if (
        item.layer == "original" and item.decision != "rejected")
        or item.layer == "added"
        or (item.decision == "accepted" and item.changed)]
    kept += _apart([item.event for item in listed if (
        item.layer == "predicted" and item.decision == "accepted"
        and not item.changed)], kept)
    seizures, _ = disjoint_seizures(kept, duration_s)
    others = [event for event in kept
              if not event.is_seizure and event.label != BACKGROUND]
    return tuple(sorted((*seizures, *others), key=lambda event: (
        event.onset_s, event.duration_s, event.label)))


def exported(items: Iterable[Item], recording: Recording, kind: str) -> bytes:
    """The reviewed annotation as BIDS/HED-SCORE ``tsv``, or EDF+."""
    listed = list(items)
    start, duration_s = recording.start, recording.duration_s
    events = reviewed(listed, duration_s)
    if kind == "edf":
        return write.annotation_file([
            (event.onset_s, event.duration_s, event.label)
            for event in events], start, duration_s)
    content = bids.write_events(
        events, start, duration_s, recording.channel or "n/a")
    undecided = any(item.decision == "open" for item in listed)
    if not events and not recording.annotated and undecided:
        return content[:content.index(b"\n") + 1]
    return content


def _apart(alarms: list[Event], kept: list[Event]) -> list[Event]:
    """Alarms that overlap no kept event."""
    taken = spans.union(spans.of(sorted(kept)))
    overlap = spans.covered(taken, spans.of(alarms))
    return [alarm for alarm, length in zip(alarms, overlap, strict=True)
            if not length]
