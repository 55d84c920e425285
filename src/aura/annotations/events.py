"""
What annotations mean: disjoint seizures inside the recording.

How they are written is the matter of `aura.formats`.
"""

from collections.abc import Sequence

from aura.annotations.vocabulary import OTHER
from aura.errors import Problem
from aura.recording import Event

# Findings of `settle` after which nobody knows when all seizures were.
UNPLACED = ("annotations.no_length", "annotations.outside")


def settle(events: Sequence[Event], duration_s: float) -> tuple[
        tuple[Event, ...], tuple[Problem, ...]]:
    """Reduce annotations to disjoint seizures inside the recording, sorted."""
    counts = dict.fromkeys(_FINDINGS, 0)
    counts["other"] = sum(event.label == OTHER for event in events)
    seizures = [event for event in events if event.is_seizure]
    counts["order"] = sum(
        after.onset_s < before.onset_s
        for before, after in zip(seizures, seizures[1:], strict=False))
    settled: list[Event] = []
    for event in sorted(seizures, key=_position):
        onset, end = max(event.onset_s, 0.0), min(event.end_s, duration_s)
        if event.duration_s <= 0:
            counts["no_length"] += 1
        elif end <= onset:
            counts["outside"] += 1
        else:
            counts["clipped"] += end - onset < event.duration_s - 1e-9
            inside = Event(onset, end - onset, event.label, event.confidence)
            if settled and onset <= settled[-1].end_s:
                counts["overlap"] += 1
                settled[-1] = _union(settled[-1], inside)
            else:
                settled.append(inside)
    problems = tuple(
        Problem(f"annotations.{name}", "warning",
                f"{_FINDINGS[name]}: {count}")
        for name, count in counts.items() if count)
    return tuple(settled), problems


_FINDINGS = {
    "other": "annotations that are not in the closed list of seizure words, "
             "left out",
    "order": "annotated seizures that start before the one above, sorted",
    "no_length": "annotated seizures of no length or an unknown one, not "
                 "used",
    "outside": "annotated seizures outside the recording, not used",
    "clipped": "annotated seizures that reach beyond the recording, cut",
    "overlap": "annotated seizures that overlap or touch another, joined",
}


def _position(event: Event) -> tuple[float, float, str]:
    return event.onset_s, event.duration_s, event.label


def _union(first: Event, second: Event) -> Event:
    shared = []
    for one, other in zip(first.label.split("_"), second.label.split("_"),
                          strict=False):
        if one != other:
            break
        shared.append(one)
    given = [event.confidence for event in (first, second)
             if event.confidence is not None]
    end = max(first.end_s, second.end_s)
    return Event(first.onset_s, end - first.onset_s, "_".join(shared),
                 max(given) if given else None)
