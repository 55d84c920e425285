"""The feature schema, and the features of a recording, one row per hop."""
# A row at time t describes windows of beats that end at t; the waveform only
# decides what can be scored. A feature that cannot be computed is NaN.

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from aura import state
from aura.ecg import hrv
from aura.ecg.baseline import HeartRate, relative_to_baseline
from aura.ecg.rr import rr_series
from aura.frame import Frame
from aura.errors import PreconditionError
from aura.recording import Beats, Bools, Event, Floats
from aura.spans import covered, union

SHORT_S, MEDIUM_S, LARGE_S = 10.0, 60.0, 150.0
# Largest share of the last 10 s that may be unscorable.
MAX_LOST_SHARE = 0.3
MIN_INTERVALS = 4
# A seizure of unknown length, which is a point in time, may be in between.
POINT_BEFORE_S = 300.0
POINT_AFTER_S = 600.0


@dataclass(frozen=True)
class Feature:
    """One column of the feature table, as ``features.toml`` has it."""

    name: str
    unit: str
    window: str
    title: str = ""
    meaning: str = ""


# Schemas whose tables and models do not tell the windows of their columns.
EARLIER = state.beside(__file__, "earlier_features.toml")
# Later features come last, whatever function computes them.
SCHEMA = tuple(sorted(
    (Feature(name, **about) for part in state.beside(__file__).values()
     for name, about in part.items()),
    key=lambda one: all(one.name not in names for names in EARLIER.values())))
NAMES = tuple(feature.name for feature in SCHEMA)
SCHEMA_ID = "aura-features-" + hashlib.sha256(json.dumps(
    [[f.name, f.unit, f.window] for f in SCHEMA]).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class FeatureRows(Frame):
    """Features of one recording, one row per hop."""

    time_s: Floats  # End of each row's windows in seconds
    values: np.ndarray  # Columns in the order of `SCHEMA`; NaN where missing
    # Whether the last 10 s have enough normal intervals and signal.
    scorable: Bools

    def columns(self) -> dict[str, np.ndarray]:
        """``time_s``, ``scorable`` and the features of `SCHEMA` by name."""
        return {"time_s": self.time_s, "scorable": self.scorable,
                **dict(zip(NAMES, self.values.T, strict=True))}


def require(wanted: Iterable[Feature], wanted_id: str,
            found: Iterable[Feature], found_id: str,
            rule: str, user: str, fix: str) -> None:
    """Check the columns that are used; the schemas may differ in others."""
    columns = {one.name: _stated(one, found_id) for one in found}
    wrong = []
    for one in wanted:
        right, other = _stated(one, wanted_id), columns.get(one.name)
        if other is None:
            wrong.append(f"{one.name} is missing")
        elif wanted_id != found_id and ("" in right or other != right):
            wrong.append(one.name + " is '{}, {}' instead of '{}, {}'".format(
                *(text[:60] or "unknown" for text in (*other, *right))))
    if wrong:
        raise PreconditionError(
            rule, f"the features are not those of {user}: "
            f"{'; '.join(wrong[:5])}{' ...' * (len(wrong) > 5)} (their schema "
            f"is {found_id[:32] or 'unknown'}, that of {user} is "
            f"{wanted_id[:32]})", fix)


def _stated(one: Feature, schema_id: str) -> tuple[str, str]:
    """Unit and window of a column; "" if not even its schema tells it."""
    known = EARLIER.get(schema_id, {}).get(one.name, {})
    return (one.unit or known.get("unit", ""),
            one.window or known.get("window", ""))


def row_times(duration_s: float, hop_s: float) -> Floats:
    """Ends of the hops that fit into a recording."""
    # The millionth is for a duration that rounding left just below a hop.
    count = int(np.floor(duration_s / hop_s + 1e-6))
    return np.arange(1, count + 1, dtype=np.float64) * hop_s


def seizure_fraction(events: Sequence[Event], end_s: Floats,
                     hop_s: float) -> Floats:
    """The label of each row: the share of its hop annotated as seizure."""
    spans = np.array(
        sorted((e.onset_s, e.end_s) for e in events if e.is_seizure),
        dtype=np.float64).reshape(-1, 2)
    hops = np.column_stack([end_s - hop_s, end_s])
    return np.clip(covered(union(spans), hops) / hop_s, 0.0, 1.0)


def near_points(events: Sequence[Event], time_s: Floats) -> Bools:
    """Rows that may be part of a seizure of unknown length."""
    near = np.zeros(len(time_s), dtype=bool)
    for event in events:
        if not event.duration_s:
            near |= ((time_s > event.onset_s - POINT_BEFORE_S)
                     & (time_s <= event.onset_s + POINT_AFTER_S))
    return near


def normal_intervals(beats: Beats) -> hrv.NormalIntervals:
    """The normal intervals of a beat series; all features come from them."""
    series = rr_series(beats)
    normal = np.flatnonzero(series.normal)
    follows = np.diff(normal, prepend=-2) == 1
    return hrv.NormalIntervals(
        series.time_s[normal], series.rr_s[normal] * 1000.0, follows)


def can_be_scored(beats: Beats, end_s: Floats, short: hrv.Windows) -> Bools:
    """Whether the 10 s before each time have enough intervals and signal."""
    lost_s = covered(
        beats.unscorable, np.column_stack([end_s - SHORT_S, end_s]))
    return np.asarray(short.full
                      & (short.stop - short.start >= MIN_INTERVALS)
                      & (lost_s <= MAX_LOST_SHARE * SHORT_S))


def build(beats: Beats, hop_s: float = 1.0) -> FeatureRows:
    """Compute all features of a recording."""
    end_s = row_times(beats.duration_s, hop_s)
    intervals = normal_intervals(beats)
    short = hrv.windows(intervals, end_s, SHORT_S)
    scorable = can_be_scored(beats, end_s, short)
    # Whole columns are read later, so each is contiguous in memory.
    values = np.empty((len(end_s), len(NAMES)), np.float32, order="F")

    def keep(columns: dict[str, Floats]) -> None:
        for name, column in columns.items():
            values[:, NAMES.index(name)] = column

    now = hrv.time_domain(intervals, short)
    keep(now)
    keep(relative_to_baseline(HeartRate(
        end_s, np.where(scorable, now["mean_hr"], np.nan), hop_s)))
    del now
    keep(hrv.poincare(intervals, hrv.windows(intervals, end_s, MEDIUM_S)))
    keep(hrv.spectral(intervals, end_s, LARGE_S))
    return FeatureRows(end_s, values, scorable)
