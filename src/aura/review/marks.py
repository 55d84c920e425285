"""The annotations and alarms of a recording, each with its outcome."""

from dataclasses import dataclass
from typing import Literal

from aura.errors import AuraError
from aura.recording import Event, Recording
from aura.scoring.matching import agree

Layer = Literal["original", "predicted"]
_Spans = dict[tuple[float, ...], bool]


@dataclass(frozen=True)
class Mark:
    key: str  # Layer and times: the same when the run is repeated
    layer: Layer  # Annotated by a person, or found by the model
    event: Event
    outcome: str  # ``TP``, ``FP`` or ``FN``; ``""`` if it cannot be scored
    latency_s: float | None = None  # First alarm minus onset


@dataclass(frozen=True)
class EventMarks:
    """Both layers of a recording in order of time, and SzCORE's counts."""

    marks: tuple[Mark, ...]
    counts: dict[str, int] | None  # ``TP``, ``FP``, ``FN`` as scored; or None


def compare(recording: Recording,
            predicted: tuple[Event, ...] | None) -> EventMarks:
    """Compare both layers; events without outcome if that is impossible."""
    try:
        found = (agree(recording.events, predicted, recording.duration_s)
                 if recording.annotated and predicted is not None else None)
    except AuraError:
        found = None
    if found is None:
        return EventMarks(_marks(recording, predicted, {}, {}, {}), None)
    seizures, alarms = (
        dict(zip(map(tuple, spans.tolist()), matched.tolist(), strict=True))
        for spans, matched in ((found.annotated, found.found),
                               (found.predicted, found.right)))
    latencies = {one.onset_s: one.latency_s for one in found.judged
                 if one.outcome == "TP" and one.latency_s == one.latency_s}
    return EventMarks(
        _marks(recording, predicted, seizures, alarms, latencies),
        {outcome: sum(one.outcome == outcome for one in found.judged)
         for outcome in ("TP", "FP", "FN")})


def _marks(recording: Recording, predicted: tuple[Event, ...] | None,
           seizures: _Spans, alarms: _Spans,
           latencies: dict[float, float]) -> tuple[Mark, ...]:
    layers: tuple[tuple[Layer, tuple[Event, ...], _Spans, str], ...] = (
        ("original", recording.events, seizures, "FN"),
        ("predicted", predicted or (), alarms, "FP"))
    counted: dict[str, int] = {}
    marks: list[Mark] = []
    for layer, events, matched, otherwise in layers:
        for event in events:
            key = (f"{layer[0]}{round(event.onset_s * 1000)}"
                   f"-{round(event.duration_s * 1000)}")
            counted[key] = counted.get(key, 0) + 1
            if counted[key] > 1:
                key += f"-{counted[key]}"
            span = tuple(min(max(time_s, 0.0), recording.duration_s)
                         for time_s in (event.onset_s, event.end_s))
            outcome = ("" if not event.is_seizure or span not in matched
                       else "TP" if matched[span] else otherwise)
            marks.append(Mark(
                key, layer, event, outcome, latencies.get(event.onset_s)
                if layer == "original" and outcome == "TP" else None))
    return tuple(sorted(marks, key=lambda mark: (
        mark.event.onset_s, mark.event.end_s, mark.layer)))
