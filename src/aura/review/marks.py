"""
Both layers of a case as marks on the page, with what the comparison says.

`aura.scoring.matching` decides; here its verdicts find their events.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from aura.errors import AuraError
from aura.recording import Event
from aura.review.worklist import ReviewCase
from aura.scoring.matching import agree

Layer = Literal["original", "predicted"]


@dataclass(frozen=True)
class Mark:
    """An event of a run on the page."""

    # Name made of layer and times, so that it outlives a repeated run.
    key: str
    layer: Layer  # Annotated by a person, or found by the model
    event: Event  # The event
    verdict: str  # ``TP``, ``FP``, ``FN``, or ``""`` where nothing can be said
    # Of a detected seizure: onset of the first alarm minus its own.
    latency_s: float | None = None


@dataclass(frozen=True)
class Verdicts:
    """Both layers of a case in order of time, and SzCORE's counts."""

    marks: tuple[Mark, ...]  # All events
    # ``TP``, ``FP`` and ``FN`` as `scoring.score` counts them, after events
    # are joined and cut; None where nobody annotated or nothing was predicted.
    counts: dict[str, int] | None


def judge(case: ReviewCase) -> Verdicts:
    """
    Compare the layers of a case.

    Never raises: events that cannot be compared are shown without verdict.
    """
    recording, predicted = case.recording, case.entry.predicted
    if not recording.annotated or predicted is None:
        return Verdicts(_marked(case, {}, {}, {}), None)
    try:
        agreed = agree(recording.events, predicted, recording.duration_s)
    except AuraError:
        return Verdicts(_marked(case, {}, {}, {}), None)
    found = dict(zip(map(tuple, agreed.annotated.tolist()),
                     agreed.found.tolist(), strict=True))
    right = dict(zip(map(tuple, agreed.predicted.tolist()),
                     agreed.right.tolist(), strict=True))
    late = {one.onset_s: one.latency_s for one in agreed.judged
            if one.outcome == "TP" and one.latency_s == one.latency_s}
    counts = {outcome: sum(one.outcome == outcome for one in agreed.judged)
              for outcome in ("TP", "FP", "FN")}
    return Verdicts(_marked(case, found, right, late), counts)


_Known = dict[tuple[float, ...], bool]


def _marked(case: ReviewCase, found: _Known, right: _Known,
            late: dict[float, float]) -> tuple[Mark, ...]:
    duration_s = case.recording.duration_s
    taken: dict[str, int] = {}
    marks: list[Mark] = []
    layers: Iterable[tuple[Layer, tuple[Event, ...], _Known, str]] = (
        ("original", case.recording.events, found, "FN"),
        ("predicted", case.entry.predicted or (), right, "FP"))
    for layer, events, known, otherwise in layers:
        for event in events:
            key = _key(layer, event)
            taken[key] = taken.get(key, 0) + 1
            if taken[key] > 1:
                key += f"-{taken[key]}"
            span = (min(max(event.onset_s, 0.0), duration_s),
                    min(max(event.end_s, 0.0), duration_s))
            verdict = ("" if not event.is_seizure or span not in known
                       else "TP" if known[span] else otherwise)
            marks.append(Mark(
                key, layer, event, verdict, late.get(event.onset_s)
                if layer == "original" and verdict == "TP" else None))
    return tuple(sorted(marks, key=lambda mark: (
        mark.event.onset_s, mark.event.end_s, mark.layer)))


def _key(layer: Layer, event: Event) -> str:
    return (f"{layer[0]}{round(event.onset_s * 1000)}"
            f"-{round(event.duration_s * 1000)}")
