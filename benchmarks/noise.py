"""
How many R peaks are still found as noise grows, beside other detectors.

    make bench-noise                         # or, with a picture:
    python -m benchmarks noise
    python -m benchmarks.noise --out noise.png --json noise.json

Half an hour of each real record (mitdb, szdb) with noise that is generated
here added throughout: baseline wander, muscle, and electrode motion. The
ratio is that of the noise stress test [1]_: the power of the signal is an
eighth of the squared mean peak-to-peak height of its QRS complexes, that of
the noise the mean square of its seconds, of both the outermost twentieths
left out. In [1]_ every other two minutes are clean; here none is, which is
harder. Matches are one to one and within 150 ms [2]_. Detectors that are not
installed are left out, and said so.

.. [1] Moody, G. B., Muldrow, W. E. and Mark, R. G. (1984). A noise stress
   test for arrhythmia detectors. Computers in Cardiology, 11, 381-384.
   https://doi.org/10.13026/C2HS3T
.. [2] ANSI/AAMI EC57.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from scipy import signal as sps

from aura.ecg.beats import find_beats
from aura.recording import ArraySignal
from benchmarks.quality import DATA, TOLERANCE_S, records

KINDS = ("baseline wander", "muscle", "electrode motion")
RATIOS_DB = (24, 18, 12, 6, 0, -6)
TRIMMED = 0.05
QRS_HALF_S = 0.05
EVENTS_PER_S = 1.5
SEED = 0
Detector = Callable[[np.ndarray, float], np.ndarray]


def generate(kind: str, count: int, fs_hz: float,
             rng: np.random.Generator) -> np.ndarray:
    """
    Noise of one kind; its scale means nothing.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    count : int
        Samples to make.
    fs_hz : float
        Their rate.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (count,)
    """
    if kind == "baseline wander":
        band, samples = (0.05, 0.7), rng.standard_normal(count)
    elif kind == "muscle":
        band, samples = (20.0, 0.45 * fs_hz), rng.standard_normal(count)
        seconds = rng.gamma(0.7, 1, count // int(fs_hz) + 2)
        samples *= np.interp(np.arange(count) / fs_hz,
                             np.arange(len(seconds)), seconds)
    else:
        band, samples = (0.3, 12.0), _motion(count, fs_hz, rng)
    made: np.ndarray = sps.sosfiltfilt(sps.butter(
        2, band, "bandpass", fs=fs_hz, output="sos"), samples)
    return made


def _motion(count: int, fs_hz: float,
            rng: np.random.Generator) -> np.ndarray:
    """Sudden shifts of the electrode that fade, and a little tremor."""
    made = np.zeros(count)
    for at in np.flatnonzero(rng.random(count) < EVENTS_PER_S / fs_hz):
        length = rng.uniform(0.05, 0.6)
        fade = np.exp(-np.arange(int(4 * length * fs_hz)) / length / fs_hz)
        fade = fade[:count - at]
        made[at:at + len(fade)] += rng.standard_t(3) * fade
    return made + 0.1 * made.std() * rng.standard_normal(count)


def signal_power(samples: np.ndarray, fs_hz: float,
                 beats_s: np.ndarray) -> float:
    """An eighth of the squared mean peak-to-peak height of the QRS."""
    half = max(round(QRS_HALF_S * fs_hz), 1)
    centre = np.round(beats_s * fs_hz).astype(int)
    centre = centre[(centre > half) & (centre < len(samples) - half - 1)]
    rows = samples[centre[:, None] + np.arange(-half, half + 1)]
    return float(_trimmed_mean(np.ptp(rows, axis=1))) ** 2 / 8


def noise_power(noise: np.ndarray, fs_hz: float) -> float:
    """Mean over seconds of the mean square, the outermost left out."""
    width = round(fs_hz)
    rows = noise[:len(noise) // width * width].reshape(-1, width)
    return _trimmed_mean(rows.std(axis=1)) ** 2


def _trimmed_mean(values: np.ndarray) -> float:
    ordered = np.sort(values)
    cut = int(TRIMMED * len(ordered))
    return float(ordered[cut:len(ordered) - cut].mean())


def counts(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Hits, false peaks and misses, one to one within 150 ms."""
    hits = at = 0
    for time_s in truth:
        while at < len(found) and found[at] < time_s - TOLERANCE_S:
            at += 1
        if at < len(found) and found[at] <= time_s + TOLERANCE_S:
            hits, at = hits + 1, at + 1
    return np.array([hits, len(found) - hits, len(truth) - hits])


def scores(total: np.ndarray) -> tuple[float, float, float]:
    """Sensitivity, positive predictive value and F1 of counts."""
    hits, false, missed = (float(value) for value in total)
    return (hits / max(hits + missed, 1), hits / max(hits + false, 1),
            2 * hits / max(2 * hits + false + missed, 1))


def detectors() -> dict[str, Detector]:
    """This project's, and those of peers that are installed."""
    found: dict[str, Detector] = {
        "aura": lambda x, fs: find_beats(ArraySignal(x, fs)).time_s}
    for name, make in (("sleepecg", _sleepecg), ("neurokit2", _neurokit2),
                       ("biosppy", _biosppy)):
        try:
            found[name] = make()
        except ImportError as error:
            print(f"{name} is not installed, left out ({error})")
    return found


def _sleepecg() -> Detector:
    from sleepecg import detect_heartbeats
    return lambda x, fs: detect_heartbeats(x, fs) / fs


def _neurokit2() -> Detector:
    import neurokit2

    def detect(x: np.ndarray, fs: float) -> np.ndarray:
        rate = round(fs)
        clean = neurokit2.ecg_clean(x, sampling_rate=rate)
        found = neurokit2.ecg_findpeaks(clean, sampling_rate=rate)
        return np.asarray(found["ECG_R_Peaks"]) / fs
    return detect


def _biosppy() -> Detector:
    from biosppy.signals import ecg

    def detect(x: np.ndarray, fs: float) -> np.ndarray:
        found = ecg.ecg(x, sampling_rate=fs, show=False)
        return np.asarray(found["rpeaks"]) / fs
    return detect


def noisy(samples: np.ndarray, fs_hz: float, truth: np.ndarray,
          seed: int) -> Iterator[tuple[str, float, np.ndarray]]:
    """Yield kind, decibels and signal: as it is, then with each noise."""
    yield "none", np.inf, samples
    power = signal_power(samples, fs_hz, truth)
    for kind in KINDS:
        noise = generate(kind, len(samples), fs_hz,
                         np.random.default_rng([seed, KINDS.index(kind)]))
        unit = noise / np.sqrt(noise_power(noise, fs_hz))
        for ratio in RATIOS_DB:
            yield kind, ratio, samples + unit * np.sqrt(
                power / 10 ** (ratio / 10))


def measure(chosen: dict[str, Detector]) -> dict[str, dict[str, object]]:
    """Counts of each detector by collection, kind and ratio; CPU time."""
    result: dict[str, dict[str, object]] = {}
    totals: dict[tuple[str, str, str, float], np.ndarray] = {}
    spent = dict.fromkeys(chosen, 0.0)
    for number, (samples, fs_hz, truth) in enumerate(records()):
        collection = "mitdb" if fs_hz == 360 else "szdb"
        for kind, ratio, spoilt in noisy(samples, fs_hz, truth,
                                         SEED + number):
            for name, detect in chosen.items():
                start = time.process_time()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    found = np.sort(detect(spoilt, fs_hz))
                spent[name] += time.process_time() - start
                key = name, collection, kind, ratio
                totals[key] = totals.get(key, 0) + counts(truth, found)
    for name in chosen:
        result[name] = {"cpu_s": spent[name], "rows": [
            {"collection": key[1], "kind": key[2], "snr_db": key[3],
             "counts": total.tolist()}
            for key, total in totals.items() if key[0] == name]}
    return result


def pooled(rows: list[dict], kind: str, ratio: float,
           collection: str = "") -> tuple[float, float, float]:
    """Scores over all rows of one kind and ratio."""
    return scores(np.sum([
        row["counts"] for row in rows
        if row["kind"] == kind and row["snr_db"] == ratio
        and collection in ("", row["collection"])], axis=0))


def tell(result: dict[str, dict]) -> None:
    """Print the tables: without noise, then F1 and parts by ratio."""
    print("without noise, Se/PPV/F1 %")
    for name, found in result.items():
        print(f"  {name:10s}", *(
            f"{collection}: " + "/".join(
                f"{100 * value:.2f}" for value in pooled(
                    found["rows"], "none", np.inf, collection))
            for collection in ("mitdb", "szdb")),
            f"  CPU s {found['cpu_s']:.0f}")
    for kind in KINDS:
        print(f"{kind}: F1 (Se/PPV) at dB")
        print(" " * 12 + "".join(f"{ratio:>18d}" for ratio in RATIOS_DB))
        for name, found in result.items():
            scores = [pooled(found["rows"], kind, ratio)
                      for ratio in RATIOS_DB]
            print(f"  {name:10s}" + "".join(
                f"{f1:8.3f} ({se:.2f}/{ppv:.2f})"
                for se, ppv, f1 in scores))


def draw(result: dict[str, dict], path: Path) -> None:
    """One picture: a column per kind, a row per score."""
    from matplotlib.figure import Figure
    figure = Figure(figsize=(10, 7), layout="constrained")
    axes = figure.subplots(3, len(KINDS), sharex=True, sharey=True)
    for column, kind in enumerate(KINDS):
        for row, score in enumerate(("sensitivity", "PPV", "F1")):
            axis = axes[row][column]
            for name, found in result.items():
                axis.plot(RATIOS_DB, [
                    pooled(found["rows"], kind, ratio)[row]
                    for ratio in RATIOS_DB], marker="o", markersize=4,
                    linewidth=2.2 if name == "aura" else 1.2, label=name)
            axis.grid(alpha=0.3)
            if row == 0:
                axis.set_title(kind)
            if column == 0:
                axis.set_ylabel(score)
    axes[0][0].invert_xaxis()
    axes[-1][1].set_xlabel("signal-to-noise ratio, dB (noise stress test)")
    axes[0][0].legend(fontsize="small")
    figure.savefig(path, dpi=110)


def main(arguments: list[str] | None = None) -> None:
    """Print the tables, and write what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="picture to write")
    parser.add_argument("--json", type=Path, help="counts to write")
    given = parser.parse_args(arguments or [])
    if not DATA.is_dir():
        print(f"no recordings at {DATA}; set AURA_DATA")
        return
    result = measure(detectors())
    tell(result)
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n")
    if given.out:
        draw(result, given.out)


if __name__ == "__main__":
    import sys
    main(sys.argv[1:])
