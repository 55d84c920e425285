"""
The schema: what every measurement holds, in one table.

All points carry the tags ``patient`` and ``recording`` (aliases). The other
tags have few values each, and none of them tells of a run, a host or a name:
InfluxDB knows a point by measurement, tags and time, so that writing twice
changes nothing. Times are the recording's own clock in nanoseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["float", "integer", "boolean", "string"]

COMMON_TAGS = ("patient", "recording")
ORIGINAL, PREDICTED = "original", "predicted"
RAW = "raw"
# Zoom levels of the ECG: tag and seconds. An hour of a screen's width is
# drawn from the middle one, a day from the last.
RESOLUTIONS: Mapping[str, float] = {"100ms": 0.1, "1s": 1.0, "10s": 10.0}
MODEL_DIGITS = 12


@dataclass(frozen=True)
class Field:
    """One field: its type in the store, its unit, what it says."""

    kind: Kind
    unit: str
    text: str


@dataclass(frozen=True)
class Measurement:
    """One measurement."""

    name: str  # As the store knows it
    text: str  # What one point is
    tags: tuple[str, ...]  # Besides `COMMON_TAGS`
    # In the order in which they are written; a missing value is no field.
    fields: Mapping[str, Field]


_END = Field("integer", "ns", "end, as a time since 1970")
_DURATION = Field("float", "s", "length")
_NUMBER = Field("integer", "", "place among those of its kind, from 1")

RECORDING = Measurement(
    "recording", "the recording as a whole, at its start", (), {
        "end_ns": _END, "duration_s": _DURATION,
        "fs_hz": Field("float", "Hz", "sampling rate of the ECG"),
        "channel": Field("string", "", "label of the ECG channel"),
        "unit": Field("string", "", "`mV`; none where unknown"),
        "annotated": Field("boolean", "", "whether anybody looked for "
                           "seizures"),
        "seizures": Field("integer", "", "annotated seizures; none where "
                          "nobody looked"),
        "beats": Field("integer", "", "beats found"),
        "unscorable_s": Field("float", "s", "about which nothing can be "
                              "said"),
        "scorable_s": Field("float", "s", "that could be scored")})

ECG = Measurement(
    "ecg", "the ECG, at the begin of each stretch; `resolution` is "
    + ", ".join(f"`{name}`" for name in RESOLUTIONS)
    + f" or `{RAW}`", ("channel", "resolution"), {
        "min": Field("float", "mV", "smallest value of the stretch"),
        "max": Field("float", "mV", "largest value of the stretch"),
        "value": Field("float", "mV", f"a sample; only where `{RAW}`")})

BEAT = Measurement("beat", "an R peak", (), {
    "rr_ms": Field("float", "ms", "interval that the beat ends"),
    "normal": Field("boolean", "", "whether the interval is used")})

HEART_RATE = Measurement(
    "heart_rate", "the last 10 s, each second", (), {
        "bpm": Field("float", "1/min", "mean heart rate"),
        "baseline_bpm": Field("float", "1/min", "median of the 5 min up to a "
                              "minute ago"),
        "p95_bpm": Field("float", "1/min", "95th percentile of the last "
                         "30 min")})

FEATURE = Measurement(
    "feature", "selected features, each second; one field each, by the "
    "names of docs/features.md", (), {})

QUALITY = Measurement("quality", "the last 10 s, each second", (), {
    "scorable": Field("float", "", "1 where they can be scored, else 0; "
                      "the mean is the share")})

UNSCORABLE = Measurement(
    "unscorable", "a stretch about which nothing can be said, at its start",
    (), {"number": _NUMBER, "end_ns": _END, "duration_s": _DURATION})

PROBABILITY = Measurement("probability", "each second", ("model",), {
    "probability": Field("float", "", "of a seizure, smoothed"),
    "threshold": Field("float", "", "above which an alarm is raised")})

EVENT = Measurement(
    "event", f"an event as given, at its onset; `layer` is `{ORIGINAL}` "
    f"(no model) or `{PREDICTED}`", ("layer", "model"), {
        "number": _NUMBER, "end_ns": _END, "duration_s": _DURATION,
        "label": Field("string", "", "`sz`, or a subtype of it"),
        "confidence": Field("float", "", "probability, where one was given"),
        "outcome": Field("string", "", "of a predicted event in an annotated "
                         "recording: `TP`, or `FP`")})

AGREEMENT = Measurement(
    "agreement", "a seizure or false alarm as SzCORE counts it (joined and "
    f"cut), at its onset; `layer` is `{ORIGINAL}` for TP and FN, "
    f"`{PREDICTED}` for FP; none where nobody annotated",
    ("layer", "model"), {
        "number": _NUMBER, "end_ns": _END, "duration_s": _DURATION,
        "outcome": Field("string", "", "`TP`, `FN` or `FP`"),
        "matches": Field("string", "", "numbers of the predicted events that "
                         "meet it, as `1,2`"),
        "latency_s": Field("float", "s", "of a TP: first alarm minus onset")})

SCORE = Measurement(
    "score", "counts of one recording, at its start; sums over recordings "
    "give a patient's figures", ("model",), {
        "hours": Field("float", "h", "length"),
        "scorable_hours": Field("float", "h", "that could be scored"),
        "alarms": Field("integer", "", "predicted events as given"),
        "threshold": Field("float", "", "of the model"),
        **{name: Field("integer", "", text) for name, text in (
            ("tp", "detected seizures"), ("fn", "missed seizures"),
            ("fp", "false alarms"),
            ("strict_fp", "false alarms, neither joined nor cut"),
            ("tp_s", "seconds of seizure that were detected"),
            ("fn_s", "seconds of seizure that were missed"),
            ("fp_s", "seconds detected outside seizures"))},
        "latency_s": Field("float", "s", "median over detected seizures")})

MEASUREMENTS = (
    RECORDING, ECG, BEAT, HEART_RATE, FEATURE, QUALITY, UNSCORABLE,
    PROBABILITY, EVENT, AGREEMENT, SCORE)
