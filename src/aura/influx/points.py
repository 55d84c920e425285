"""A recording and its results as points of the schema, in line protocol."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from aura import spans, state
from aura.ecg.rollup import minmax
from aura.influx import schema
from aura.influx.lineprotocol import FIRST_NS, LAST_NS, Column, encode
from aura.influx.schema import SECOND_NS, Measurement
from aura.recording import Bools, Event, Floats, Recording, Signal
from aura.scoring.matching import Agreement
from aura.scoring.score import Score

PIECE_S = 900.0
AROUND_S = 60.0  # Raw samples before and after an event


@dataclass(frozen=True)
class Series:
    """Names and clock of the points of one recording."""

    patient: str  # An alias, never a name
    recording: str  # An alias too
    start_ns: int  # Start of the recording in nanoseconds since 1970, UTC
    model_id: str = ""  # The model that predicted

    def time_ns(self, seconds: Floats) -> NDArray[np.int64]:
        """Times on the recording's clock as nanoseconds since 1970."""
        after = np.rint(np.asarray(seconds) * SECOND_NS).astype(np.int64)
        return np.asarray(self.start_ns + after)

    def check(self, duration_s: float) -> None:
        """Raise an error if no store can hold the recording's times."""
        if not (FIRST_NS <= self.start_ns
                and self.start_ns + duration_s * SECOND_NS < LAST_NS):
            raise state.error("line.time/recording")

    def write(self, measurement: Measurement, seconds: Floats,
              fields: Mapping[str, Column], **tags: str) -> bytes:
        return b"".join(self.pieces(measurement, seconds, fields, **tags))

    def pieces(self, measurement: Measurement, seconds: Floats,
               fields: Mapping[str, Column], **tags: str) -> Iterator[bytes]:
        known = {"patient": self.patient, "recording": self.recording,
                 "model": self.model_id[:schema.MODEL_DIGITS], **tags}
        return encode(measurement.name, {
            name: known[name]
            for name in (*schema.COMMON_TAGS, *measurement.tags)
        }, self.time_ns(seconds), fields)


def start_ns(start: datetime, zone: ZoneInfo) -> int:
    """Nanoseconds since 1970 of a start on a clock in the zone."""
    moment = start.replace(tzinfo=zone).astimezone(UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return ((since.days * 86400 + since.seconds) * SECOND_NS
            + since.microseconds * 1000)


def recording(series: Series, known: Recording, *, beats: int,
              scorable_s: float,
              unscorable: Sequence[tuple[float, float]]) -> bytes:
    lost_s = sum(end - start for start, end in unscorable)
    return series.write(schema.RECORDING, np.zeros(1), {
        "end_ns": series.time_ns(np.array([known.duration_s])),
        "duration_s": np.array([known.duration_s]),
        "fs_hz": np.array([np.nan if known.fs_hz is None else known.fs_hz]),
        "channel": _texts(known.channel or None),
        "unit": _texts(known.unit or None),
        "annotated": np.array([known.annotated]),
        **({"seizures": np.array([sum(
            event.is_seizure for event in known.events)])}
           if known.annotated else {}),
        "beats": np.array([beats]),
        "unscorable_s": np.array([float(lost_s)]),
        "scorable_s": np.array([float(scorable_s)])})


def ecg(series: Series, signal: Signal, channel: str) -> Iterator[bytes]:
    factors = {name: max(round(seconds * signal.fs_hz), 1)
               for name, seconds in schema.RESOLUTIONS.items()}
    rest: dict[str, tuple[int, Floats]] = {
        name: (0, np.empty(0)) for name in factors}
    for first, samples in _read(signal, 0, signal.sample_count):
        done = first + len(samples) >= signal.sample_count
        for name, factor in factors.items():
            begin, kept = rest[name]
            kept = np.concatenate([kept, samples])
            whole = len(kept) if done else len(kept) - len(kept) % factor
            low, high = minmax(kept[:whole], factor)
            rest[name] = begin + whole, kept[whole:]
            at = begin + factor * np.arange(len(low))
            yield series.write(
                schema.ECG, at / signal.fs_hz, {"min": low, "max": high},
                channel=channel, resolution=name)


def raw(series: Series, signal: Signal, channel: str,
        spans: Floats) -> Iterator[bytes]:
    ends = np.clip(np.rint(spans * signal.fs_hz), 0, signal.sample_count)
    for start, stop in ends.astype(np.int64).tolist():
        for first, samples in _read(signal, start, stop):
            at = first + np.arange(len(samples))
            yield from series.pieces(
                schema.ECG, at / signal.fs_hz, {"value": samples},
                channel=channel, resolution=schema.RAW)


def around(events: Sequence[Event], duration_s: float) -> Floats:
    """Spans around events, joined if they overlap."""
    found = spans.of(sorted(events, key=lambda one: (one.onset_s, one.end_s)))
    return spans.union(np.clip(found + (-AROUND_S, AROUND_S), 0, duration_s))


def _read(signal: Signal, start: int,
          stop: int) -> Iterator[tuple[int, Floats]]:
    step = max(round(PIECE_S * signal.fs_hz), 1)
    for first in range(start, stop, step):
        yield first, signal.read(first, min(first + step, stop))


def beats(series: Series, time_s: Floats, rr_s: Floats,
          normal: Bools) -> Iterator[bytes]:
    return series.pieces(schema.BEAT, time_s, {
        "rr_ms": rr_s * 1000.0, "normal": normal})


def heart_rate(series: Series, time_s: Floats, bpm: Floats,
               baseline_bpm: Floats, over_p95_bpm: Floats) -> Iterator[bytes]:
    """Heart rate, and what is usual for this patient."""
    return series.pieces(schema.HEART_RATE, time_s, {
        "bpm": bpm, "baseline_bpm": baseline_bpm,
        "p95_bpm": bpm - over_p95_bpm})


def features(series: Series, time_s: Floats,
             columns: Mapping[str, Column]) -> Iterator[bytes]:
    return series.pieces(schema.FEATURE, time_s, columns)


def quality(series: Series, time_s: Floats,
            scorable: Bools) -> Iterator[bytes]:
    return series.pieces(schema.QUALITY, time_s, {
        "scorable": scorable.astype(np.float64)})


def unscorable(series: Series, spans: Sequence[tuple[float, float]]) -> bytes:
    ends = np.array(spans, dtype=np.float64).reshape(-1, 2)
    return series.write(
        schema.UNSCORABLE, ends[:, 0], _span_fields(series, ends))


def probability(series: Series, time_s: Floats, smoothed: Floats,
                threshold: float) -> Iterator[bytes]:
    return series.pieces(schema.PROBABILITY, time_s, {
        "probability": smoothed,
        "threshold": np.where(np.isfinite(smoothed), threshold, np.nan)})


def events(series: Series, layer: str, listed: Sequence[Event],
           right: Bools | None = None) -> bytes:
    found = spans.of(listed)
    # Always floats: a store refuses a field that changes its type.
    confidence = np.array([
        np.nan if event.confidence is None else event.confidence
        for event in listed], dtype=np.float64)
    outcome = {} if right is None else {"outcome": _texts(*(
        "TP" if one else "FP" for one in right))}
    return series.write(
        schema.EVENT, found[:, 0], {
            **_span_fields(series, found),
            "label": _texts(*(event.label for event in listed)),
            "confidence": confidence, **outcome},
        layer=layer, **({"model": ""} if layer == schema.ORIGINAL else {}))


def agreement(series: Series, found: Agreement) -> bytes:
    """Detected and missed seizures, and false alarms."""
    lines = []
    for layer, outcomes in ((schema.ORIGINAL, ("TP", "FN")),
                            (schema.PREDICTED, ("FP",))):
        listed = [one for one in found.judged if one.outcome in outcomes]
        ends = spans.of(listed)
        lines.append(series.write(
            schema.AGREEMENT, ends[:, 0], {
                **_span_fields(series, ends),
                "outcome": _texts(*(one.outcome for one in listed)),
                "matches": _texts(*(",".join(
                    str(number + 1) for number in one.matches) or None
                    for one in listed)),
                "latency_s": np.array([one.latency_s for one in listed],
                                      dtype=np.float64)},
            layer=layer))
    return b"".join(lines)


def score(series: Series, *, duration_s: float, scorable_s: float,
          alarms: int, threshold: float, counted: Score | None) -> bytes:
    """Counts of one recording; None if it was not annotated."""
    known: dict[str, Column] = {
        "hours": np.array([duration_s / 3600]),
        "scorable_hours": np.array([scorable_s / 3600]),
        "alarms": np.array([alarms]), "threshold": np.array([threshold])}
    if counted is not None:
        by_event, by_second = counted.events, counted.samples
        known |= {name: np.array([count]) for name, count in (
            ("tp", by_event.tp), ("fn", by_event.ref_true - by_event.tp),
            ("fp", by_event.fp), ("strict_fp", by_event.strict_fp),
            ("tp_s", by_second.tp), ("fn_s", by_second.fn),
            ("fp_s", by_second.fp),
            ("latency_s", by_event.median_latency_s))}
    return series.write(schema.SCORE, np.zeros(1), known)


def _span_fields(series: Series, spans: Floats) -> dict[str, Column]:
    return {"number": np.arange(1, len(spans) + 1),
            "end_ns": series.time_ns(spans[:, 1]),
            "duration_s": spans[:, 1] - spans[:, 0]}


def _texts(*values: str | None) -> Column:
    return np.array(values, dtype=object)
