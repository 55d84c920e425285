"""
Which 10-s windows the quality rule flags, and how wrong their beats are.

Real records (mitdb and szdb, the first half hour of each) with noise of
five strengths added. A window's truth is the F1 of its R peaks against the
reference, within 150 ms and one to one; flagged is a window of which half or
more is unscorable. Strengths are relative to the 99th percentile of the
signal's distance from its median.
"""

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import signal as sps

from aura.ecg.beats import find_beats
from aura.edf.header import read_header
from aura.edf.signal import EcgSignal
from aura.recording import ArraySignal
from aura.spans import covered

LEVELS = (.1, .25, .5, 1., 3.)
KINDS = ("white", "muscle", "motion")
WINDOW_S, LENGTH_S, TOLERANCE_S = 10.0, 1800.0, .15
WRONG, RIGHT = .6, .85
DATA = Path(os.environ.get("AURA_DATA", Path(__file__).parents[1]
                           / "../shared/data"))


def records() -> Iterator[tuple[np.ndarray, float, np.ndarray]]:
    """Yield samples, rate and reference beats of half an hour each."""
    for name, beats in (("mitdb", "mitdb-beats"), ("szdb", "szdb-rr")):
        for path in sorted((DATA / name).rglob("*.edf")):
            stem = path.stem.removesuffix("_first5000s")
            [reference] = (DATA / beats).rglob(f"{stem}.beats.csv")
            with reference.open() as lines, path.open("rb") as stream:
                truth = np.array([float(row["beat_time_s"])
                                  for row in csv.DictReader(lines)])
                signal = EcgSignal(stream, read_header(stream), 0)
                yield signal.read(0, min(
                    signal.sample_count, round(LENGTH_S * signal.fs_hz)
                )), signal.fs_hz, truth[truth < LENGTH_S]


def noise(kind: str, count: int, fs_hz: float,
          rng: np.random.Generator) -> np.ndarray:
    """Noise of unit power: white, in bursts as of a muscle, or of motion."""
    if kind == "motion":
        samples = rng.standard_t(2, count)
        band = (1.0, 10.0)
    else:
        samples = rng.standard_normal(count)
        band = (20.0, min(90.0, .45 * fs_hz))
    if kind == "muscle":
        samples *= np.repeat(rng.gamma(.7, 1, count // int(fs_hz) + 1),
                             int(fs_hz))[:count]
    if kind != "white":
        samples = sps.sosfilt(sps.butter(
            2, band, "bandpass", fs=fs_hz, output="sos"), samples)
    return samples / samples.std()


def window_f1(
        truth: np.ndarray, times: np.ndarray, windows: int) -> np.ndarray:
    """F1 of each window; NaN where the reference has no beat."""
    hit = at = 0
    hits = np.zeros(windows)
    for time_s in truth:
        while at < len(times) and times[at] < time_s - TOLERANCE_S:
            at += 1
        hit = at < len(times) and times[at] <= time_s + TOLERANCE_S
        at += hit
        hits[min(int(time_s / WINDOW_S), windows - 1)] += hit
    edges = WINDOW_S * np.arange(windows + 1)
    real, found = (np.histogram(one, edges)[0] for one in (truth, times))
    return np.where(real > 0, 2 * hits / np.maximum(real + found, 1), np.nan)


def judged() -> Iterator[tuple[str, float, np.ndarray, np.ndarray]]:
    """Yield kind, level, F1 and decision of the windows of each signal."""
    rng = np.random.default_rng(0)
    for samples, fs_hz, truth in records():
        size = np.percentile(np.abs(samples - np.median(samples)), 99)
        windows = int(len(samples) / fs_hz / WINDOW_S)
        edges = WINDOW_S * np.arange(windows + 1)
        for kind, level in [("none", 0.), *(
                (kind, level) for kind in KINDS for level in LEVELS)]:
            spoilt = samples if kind == "none" else samples + (
                level * size * noise(kind, len(samples), fs_hz, rng))
            found = find_beats(ArraySignal(spoilt, fs_hz))
            lost_s = covered(found.unscorable, np.column_stack(
                [edges[:-1], edges[1:]]))
            yield kind, level, window_f1(truth, found.time_s, windows), (
                lost_s >= WINDOW_S / 2)


def main() -> None:
    """Print one row per kind and level, and the rates in all."""
    if not DATA.is_dir():
        print(f"no recordings at {DATA}; set AURA_DATA")
        return
    windows: dict[tuple[str, float], list[tuple[np.ndarray, np.ndarray]]] = {}
    for kind, level, score, bad in judged():
        windows.setdefault((kind, level), []).append((score, bad))
    print("noise    level   windows   F1 < .6: number, flagged %   "
          "F1 > .85: number, flagged %")
    everything = []
    for (kind, level), parts in windows.items():
        score, bad = (np.concatenate(one) for one in zip(*parts))
        everything.append((score, bad))
        print(f"{kind:8s} {level:5.2f} {line(score, bad)}")
    print(f"{'all':14s} "
          + line(*(np.concatenate(one) for one in zip(*everything))))


def line(score: np.ndarray, bad: np.ndarray) -> str:
    """Counts of wrong and of right windows, and how many are flagged."""
    text = f"{np.isfinite(score).sum():7d}"
    for chosen in (score < WRONG, score > RIGHT):
        share = 100 * bad[chosen].mean() if chosen.any() else np.nan
        text += f" {chosen.sum():16d} {share:11.2f}"
    return text


if __name__ == "__main__":
    main()
