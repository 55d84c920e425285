"""
The schema: every measurement in the store, with its tags and fields.

No tag holds a run, a host or a name, so writing a point twice changes nothing.
Times are the recording's own clock in nanoseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["float", "integer", "boolean", "string"]

SECOND_NS = 10 ** 9
COMMON_TAGS = ("patient", "recording")
ORIGINAL, PREDICTED = "original", "predicted"
RAW = "raw"
# Zoom levels of the ECG: tag and seconds.
RESOLUTIONS: Mapping[str, float] = {"100ms": 0.1, "1s": 1.0, "10s": 10.0}
MODEL_DIGITS = 12


@dataclass(frozen=True)
class Field:
    """One field: its type in the store, its unit, its meaning."""

    kind: Kind
    unit: str
    text: str


@dataclass(frozen=True)
class Measurement:
    name: str  # As the store knows it
    text: str  # What one point is
    tags: tuple[str, ...]  # Besides `COMMON_TAGS`
    # In the order in which they are written; a missing value has no field.
    fields: Mapping[str, Field]


_SPAN = {
    "number": Field("integer", "", "number within the recording and layer, "
                    "from 1"),
    "end_ns": Field("integer", "ns", "end, counted from 1970"),
    "duration_s": Field("float", "s", "duration")}

RECORDING = Measurement(
    "recording", "the whole recording, at its start", (), {
        "end_ns": _SPAN["end_ns"], "duration_s": _SPAN["duration_s"],
        "fs_hz": Field("float", "Hz", "sampling rate of the ECG"),
        "channel": Field("string", "", "label of the ECG channel"),
        "unit": Field("string", "", "`mV`; missing if unknown"),
        "annotated": Field("boolean", "", "whether the recording was "
                           "annotated"),
        "seizures": Field("integer", "", "annotated seizures; missing if the "
                          "recording was not annotated"),
        "beats": Field("integer", "", "detected beats"),
        "unscorable_s": Field("float", "s", "time that could not be scored"),
        "scorable_s": Field("float", "s", "time that could be scored")})

ECG = Measurement(
    "ecg", "a stretch of ECG, at its start; `resolution` is "
    + ", ".join(f"`{name}`" for name in RESOLUTIONS)
    + f" or `{RAW}`", ("channel", "resolution"), {
        "min": Field("float", "mV", "smallest value of the stretch"),
        "max": Field("float", "mV", "largest value of the stretch"),
        "value": Field("float", "mV", f"a single sample; only for `{RAW}`")})

BEAT = Measurement("beat", "an R peak", (), {
    "rr_ms": Field("float", "ms", "RR interval that ends at this beat"),
    "normal": Field("boolean", "", "whether features use this interval")})

HEART_RATE = Measurement(
    "heart_rate", "the heart rate, every second", (), {
        "bpm": Field("float", "1/min", "mean of the last 10 s"),
        "baseline_bpm": Field("float", "1/min", "median from 6 min to 1 min "
                              "ago"),
        "p95_bpm": Field("float", "1/min", "95th percentile of the last "
                         "30 min")})

FEATURE = Measurement(
    "feature", "selected features, every second; one field per feature, "
    "named as in docs/features.md", (), {})

QUALITY = Measurement("quality", "the quality of the ECG, every second", (), {
    "scorable": Field("float", "", "1 if the last 10 s can be scored, else "
                      "0; the mean is the scorable share")})

UNSCORABLE = Measurement(
    "unscorable", "a stretch that could not be scored, at its start", (),
    _SPAN)

PROBABILITY = Measurement(
    "probability", "the model's output, every second", ("model",), {
        "probability": Field("float", "", "smoothed probability of a "
                             "seizure"),
        "threshold": Field("float", "", "threshold for an alarm")})

EVENT = Measurement(
    "event", f"an event as given, at its onset; `layer` is `{ORIGINAL}` "
    f"(no model) or `{PREDICTED}`", ("layer", "model"), {
        **_SPAN,
        "label": Field("string", "", "`sz`, or a subtype of it"),
        "confidence": Field("float", "", "probability, if one was given"),
        "outcome": Field("string", "", "`TP` or `FP`; only for predicted "
                         "events of annotated recordings")})

AGREEMENT = Measurement(
    "agreement", "a seizure or false alarm as SzCORE counts it (joined and "
    f"cut), at its onset; `layer` is `{ORIGINAL}` for TP and FN, "
    f"`{PREDICTED}` for FP; only for annotated recordings",
    ("layer", "model"), {
        **_SPAN,
        "outcome": Field("string", "", "`TP`, `FN` or `FP`"),
        "matches": Field("string", "", "numbers of the predicted events that "
                         "match it, as `1,2`"),
        "latency_s": Field("float", "s", "first alarm minus onset; only for "
                           "TP")})

SCORE = Measurement(
    "score", "the counts of one recording, at its start; add them up for a "
    "patient's results", ("model",), {
        "hours": Field("float", "h", "duration"),
        "scorable_hours": Field("float", "h", "time that could be scored"),
        "alarms": Field("integer", "", "predicted events as given"),
        "threshold": Field("float", "", "the model's threshold"),
        **{name: Field("integer", "", text) for name, text in (
            ("tp", "detected seizures"), ("fn", "missed seizures"),
            ("fp", "false alarms"),
            ("strict_fp", "false alarms, neither joined nor cut"),
            ("tp_s", "detected seconds of seizures"),
            ("fn_s", "missed seconds of seizures"),
            ("fp_s", "seconds of alarms outside seizures"))},
        "latency_s": Field("float", "s", "median of the detected seizures")})

MEASUREMENTS = (
    RECORDING, ECG, BEAT, HEART_RATE, FEATURE, QUALITY, UNSCORABLE,
    PROBABILITY, EVENT, AGREEMENT, SCORE)
