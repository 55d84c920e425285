"""
What a recording looks like in a time-series store: measurements and tags.

Timestamps are the recording's own, tags are few and none of them tells of a
run, a host or a name, so that writing twice changes nothing.

============  ===========================  ==================================
measurement   tags besides patient,        fields
              recording
============  ===========================  ==================================
ecg           channel, resolution          min, max (mV)
beat                                       rr_ms, normal (true or false)
heart_rate                                 bpm, baseline_bpm
probability   model                        probability, threshold
unscorable                                 duration_s
event         layer: original, predicted   duration_s, label, confidence
============  ===========================  ==================================
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from aura.lineprotocol import encode
from aura.recording import Bools, Event, Floats, Signal
from aura.rollup import minmax

SECOND_NS = 10 ** 9
RESOLUTION_S = 0.1
PIECE_S = 900.0


@dataclass(frozen=True)
class Series:
    """
    Names and clock of the points of one recording.

    Parameters
    ----------
    patient, recording : str
        Aliases, never names.
    start_ns : int
        Start of the recording in nanoseconds since 1970, UTC.
    """

    patient: str
    recording: str
    start_ns: int

    def time_ns(self, seconds: Floats) -> NDArray[np.int64]:
        """Times on the recording's clock as nanoseconds since 1970."""
        after = np.rint(np.asarray(seconds) * SECOND_NS).astype(np.int64)
        return np.asarray(self.start_ns + after)

    def tags(self, **more: str) -> dict[str, str]:
        """The series' own tags and some more."""
        return {"patient": self.patient, "recording": self.recording, **more}


def start_ns(start: datetime, zone: ZoneInfo) -> int:
    """
    Nanoseconds since 1970 of a start that has no zone.

    Parameters
    ----------
    start : datetime
        As the recording's header has it. A time that a clock shows twice
        is taken for the first, one that it skips for the one after.
    zone : ZoneInfo
        Where the clock hung.
    """
    moment = start.replace(tzinfo=zone).astimezone(UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return ((since.days * 86400 + since.seconds) * SECOND_NS
            + since.microseconds * 1000)


def ecg(series: Series, signal: Signal, channel: str) -> Iterator[bytes]:
    """
    Smallest and largest value of each tenth of a second, piece by piece.

    Parameters
    ----------
    series : Series
    signal : Signal
    channel : str
        Label of the channel.

    Yields
    ------
    bytes
        Line protocol.
    """
    factor = max(round(RESOLUTION_S * signal.fs_hz), 1)
    step = factor * max(round(PIECE_S * signal.fs_hz / factor), 1)
    tags = series.tags(channel=channel, resolution=f"{RESOLUTION_S:g} s")
    for first in range(0, signal.sample_count, step):
        last = min(first + step, signal.sample_count)
        low, high = minmax(signal.read(first, last), factor)
        begin = first + factor * np.arange(len(low))
        yield encode("ecg", tags, series.time_ns(begin / signal.fs_hz),
                     {"min": low, "max": high})


def beats(series: Series, time_s: Floats, rr_s: Floats,
          normal: Bools) -> bytes:
    """One point per beat with the interval that it ends."""
    return encode("beat", series.tags(), series.time_ns(time_s),
                  {"rr_ms": rr_s * 1000.0, "normal": normal})


def heart_rate(series: Series, time_s: Floats, bpm: Floats,
               baseline_bpm: Floats) -> bytes:
    """Mean heart rate of the last 10 s, and the patient's own baseline."""
    return encode("heart_rate", series.tags(), series.time_ns(time_s),
                  {"bpm": bpm, "baseline_bpm": baseline_bpm})


def probability(series: Series, model_id: str, time_s: Floats,
                smoothed: Floats, threshold: float) -> bytes:
    """Smoothed probability, and the threshold that raises an alarm."""
    return encode(
        "probability", series.tags(model=model_id[:12]),
        series.time_ns(time_s),
        {"probability": smoothed,
         "threshold": np.where(np.isfinite(smoothed), threshold, np.nan)})


def unscorable(series: Series,
               spans: Sequence[tuple[float, float]]) -> bytes:
    """Stretches about which nothing can be said."""
    ends = np.array(spans, dtype=np.float64).reshape(-1, 2)
    return encode("unscorable", series.tags(), series.time_ns(ends[:, 0]),
                  {"duration_s": ends[:, 1] - ends[:, 0]})


def events(series: Series, layer: str, listed: Sequence[Event],
           model_id: str = "") -> bytes:
    """
    Events of one layer, at their onset.

    Parameters
    ----------
    series : Series
    layer : str
        ``original`` or ``predicted``.
    listed : sequence of Event
    model_id : str, optional
        Of a predicted layer.
    """
    # All are written as floats: a store refuses a field of two types.
    onset_s, duration_s, confidence = np.array([
        (event.onset_s, event.duration_s,
         np.nan if event.confidence is None else event.confidence)
        for event in listed], dtype=np.float64).reshape(-1, 3).T
    return encode(
        "event", series.tags(layer=layer, model=model_id[:12]),
        series.time_ns(onset_s),
        {"duration_s": duration_s,
         "label": np.array([event.label for event in listed], dtype=object),
         "confidence": confidence})
