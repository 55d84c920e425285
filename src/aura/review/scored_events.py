"""The annotated and predicted events of a recording, each with its outcome."""

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from aura.errors import AuraError
from aura.recording import Bools, Event, Floats, Recording
from aura.scoring.matching import agree

Layer = Literal["original", "predicted"]
_Span = tuple[float, ...]


@dataclass(frozen=True)
class ScoredEvent:
    key: str  # Layer and times: the same when the run is repeated
    layer: Layer  # Annotated by a person, or found by the model
    event: Event
    outcome: str  # ``TP``, ``FP`` or ``FN``; ``""`` if it cannot be scored
    latency_s: float | None = None  # First alarm minus onset


def score_each(recording: Recording, predicted: Sequence[Event] | None
               ) -> tuple[tuple[ScoredEvent, ...], dict[str, int] | None]:
    """All events in order of time, and SzCORE's counts if it can be scored."""
    found = None
    if recording.annotated and predicted is not None:
        with contextlib.suppress(AuraError):
            found = agree(recording.events, predicted, recording.duration_s)
    seizures: Mapping[_Span, str] = {}
    alarms: Mapping[_Span, str] = {}
    latencies: Mapping[float, float] = {}
    counts = None
    if found is not None:
        seizures = _outcomes(found.annotated, found.found, "FN")
        alarms = _outcomes(found.predicted, found.right, "FP")
        latencies = {one.onset_s: one.latency_s for one in found.judged
                     if one.latency_s == one.latency_s}
        counts = {outcome: sum(one.outcome == outcome for one in found.judged)
                  for outcome in ("TP", "FP", "FN")}
    return tuple(sorted((
        *_scored("original", recording, recording.events, seizures, latencies),
        *_scored("predicted", recording, predicted or (), alarms, {})),
        key=lambda one: (one.event.onset_s, one.event.end_s, one.layer)
    )), counts


def _outcomes(spans: Floats, matched: Bools,
              otherwise: str) -> dict[_Span, str]:
    return {tuple(span): "TP" if right else otherwise
            for span, right in zip(spans.tolist(), matched, strict=True)}


def _scored(layer: Layer, recording: Recording, events: Sequence[Event],
            outcomes: Mapping[_Span, str],
            latencies: Mapping[float, float]) -> Iterator[ScoredEvent]:
    counted: Counter[str] = Counter()
    for event in events:
        key = (f"{layer[0]}{round(event.onset_s * 1000)}"
               f"-{round(event.duration_s * 1000)}")
        counted[key] += 1
        if counted[key] > 1:
            key += f"-{counted[key]}"
        span = tuple(min(max(time_s, 0.0), recording.duration_s)
                     for time_s in (event.onset_s, event.end_s))
        outcome = outcomes.get(span, "") if event.is_seizure else ""
        yield ScoredEvent(
            key, layer, event, outcome,
            latencies.get(event.onset_s) if outcome == "TP" else None)
