"""
Compare variants of the forest: more features, or another baseline.

    python -m benchmarks.candidates DATA... [--out DIR] [--adapt-after H]
    python -m benchmarks.candidates szdb-rr nsr2db --adapt-after 1 --out tried

The output is that of `aura evaluate`, with a row for each variant.
"""

import argparse
from pathlib import Path

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from aura.detector.training import RULE
from aura.detector.validation import Scorer, fit_forest
from aura.ecg import features
from aura.ecg.rr import Kind
from aura.evaluation import markdown
from aura.evaluation.detectors import Case, Detector
from aura.recording import Floats
from aura.runners import evaluate
from aura.settings import Settings

RHYTHM_S = 60.0
RHYTHM_BEATS = 60
# Heart rate above its baseline at which an alarm would begin and end.
ALARM_BPM, ALARM_END_BPM = 30.0, 18.0
ALARM_S, AFTER_ALARM_S = 300.0, 180.0

RHYTHM = ("ectopic_rate", "rejected_rate", "irregularity")
NAMES = (*features.NAMES, *RHYTHM, "hr_rise_frozen")
# Sets of columns: key, name, columns.
SETS = (
    ("rhythm", "ectopy, irregularity and rejection rate", RHYTHM),
    ("ascent", "steepness of the ascent", ("hr_slope_10", "hr_slope_30")),
    ("frozen", "baseline frozen in and after alarms", ("hr_rise_frozen",)),
)


def detectors() -> Iterator[Detector]:
    for key, name, names in SETS:
        yield Detector(
            f"forest_{key}", f"RandomForest + {name}",
            "Beside its own two features the forest sees "
            f"{', '.join(names)}.", RULE, partial(_with_columns, names))


def _with_columns(names: Sequence[str], cases: Sequence[Case],
                  seed: int) -> Scorer[Case]:
    places = [NAMES.index(name) for name in names]

    def extended(case: Case) -> Case:
        return replace(case, values=np.column_stack(
            [case.values, case.more[:, places]]),
            columns=(*case.columns, *names))

    scorer = fit_forest([extended(case) for case in cases], seed)
    return lambda case: scorer(extended(case))


def columns(intervals: Mapping[str, np.ndarray],
            table: Mapping[str, np.ndarray], hop_s: float) -> np.ndarray:
    bpm = np.where(table["scorable"], table["mean_hr"], np.nan)
    return np.column_stack([
        *(table[name] for name in features.NAMES),
        *rhythm(intervals["time_s"], intervals["rr_s"], intervals["kind"],
                table["time_s"]),
        bpm - frozen_baseline(bpm, table["hr_base"], hop_s)]
    ).astype(np.float32)


def rhythm(time_s: Floats, rr_s: Floats, kind: np.ndarray,
           end_s: Floats) -> tuple[Floats, Floats, Floats]:
    """Share of ectopic beats, share of rejected time, and irregularity."""
    plausible = (kind == Kind.NORMAL) | (kind == Kind.ECTOPIC)
    at_s, length_s = time_s[plausible], rr_s[plausible]
    begin = np.searchsorted(at_s, end_s - RHYTHM_S, side="right")
    stop = np.searchsorted(at_s, end_s, side="right")

    def total(values: np.ndarray) -> Floats:
        running = np.concatenate([[0.0], np.cumsum(values)])
        summed: Floats = running[stop] - running[begin]
        return summed

    count = stop - begin
    ectopic = np.divide(total(kind[plausible] == Kind.ECTOPIC), count,
                        out=np.full(len(end_s), np.nan), where=count > 0)
    rejected = np.clip(1 - total(length_s) / np.minimum(end_s, RHYTHM_S), 0, 1)
    irregular = np.full(len(at_s) + 1, np.nan)
    if len(at_s) > RHYTHM_BEATS:
        change = np.abs(np.diff(length_s))
        irregular[RHYTHM_BEATS + 1:] = (
            _medians(change) / _medians(length_s[1:]))
    return ectopic, rejected, irregular[stop]


def frozen_baseline(bpm: Floats, base: Floats, hop_s: float) -> Floats:
    """The baseline, held while the heart rate is high and 3 min longer."""
    found = base.astype(np.float64)
    at, count = 0, len(base)
    over = np.flatnonzero(bpm - found >= ALARM_BPM)
    longest = round(ALARM_S / hop_s)
    after = round(AFTER_ALARM_S / hop_s)
    while True:
        place = int(np.searchsorted(over, at))
        if place == len(over):
            return found
        begin = int(over[place])
        rise = bpm[begin:begin + longest] - found[begin]
        ended = np.flatnonzero(rise < ALARM_END_BPM)
        stop = min(begin + (int(ended[0]) if len(ended) else longest)
                   + after, count)
        found[begin:stop] = found[begin]
        at = stop


def _medians(values: Floats) -> Floats:
    """Medians of 60 successive values, from the sixtieth value on."""
    medians: Floats = np.median(np.lib.stride_tricks.sliding_window_view(
        values, RHYTHM_BEATS), axis=1)
    return medians


def main() -> None:
    """Write the evaluation, and print its table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.candidates", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("tried"))
    parser.add_argument("--adapt-after", type=float, default=0.0, metavar="H")
    given = parser.parse_args()
    settings = Settings(adapt_after_h=given.adapt_after)
    found = evaluate.evaluate(
        evaluate.read(given.data, settings, more=columns), settings,
        own=tuple(detectors()))
    evaluate.write(found, given.out)
    print("\n".join(markdown.overview(found)))


if __name__ == "__main__":
    main()
