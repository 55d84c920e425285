"""
Seconds of a seizure that noise makes unscorable, and the heart rate in it.

Noise as in `benchmarks.noise` is added to the annotated seizures of szdb,
from the onset to a minute after the end. The heart rate of the untouched
recording is the truth.

    python -m benchmarks.seizure_noise
"""

from collections.abc import Iterator

import numpy as np

from aura.annotations import tse
from aura.detection import features
from aura.ecg.beats import find_beats
from aura.ecg.features import NAMES, FeatureRows
from aura.edf.header import read_header
from aura.edf.signal import EcgSignal
from aura.recording import ArraySignal
from benchmarks.noise import generate, noise_power, signal_power
from benchmarks.quality import DATA

LENGTH_S, AFTER_S, SEED = 5000.0, 60.0, 0
KINDS, RATIOS_DB = ("electrode motion", "muscle"), (6, 0)
FAR_BPM = 10.0


def seizures() -> Iterator[tuple[np.ndarray, float, float, float]]:
    """Samples, rate, onset and end of each seizure of an excerpt."""
    for path in sorted((DATA / "szdb").rglob("*.edf")):
        with path.open("rb") as stream:
            signal = EcgSignal(stream, read_header(stream), 0)
            samples = signal.read(0, min(signal.sample_count, round(
                LENGTH_S * signal.fs_hz)))
        for event in tse.read(
                path.with_suffix(".tse_bi").read_bytes()).events():
            if event.is_seizure and event.end_s + AFTER_S < LENGTH_S:
                yield samples, signal.fs_hz, event.onset_s, event.end_s


def heart_rate(rows: FeatureRows) -> np.ndarray:
    """Mean heart rate of the last 10 s of each row."""
    return rows.values[:, NAMES.index("mean_hr")]


def main() -> None:
    """Print one row for each kind of noise and ratio."""
    print("| noise | dB | seconds | unscorable | heart rate off by > "
          f"{FAR_BPM:g} bpm | median error, bpm |\n|---|---|---|---|---|---|")
    found = list(seizures())
    for kind in KINDS:
        for ratio in RATIOS_DB:
            lost = total = 0
            errors = []
            for number, (samples, fs_hz, onset_s, end_s) in enumerate(found):
                clean = features(ArraySignal(samples, fs_hz))
                beats_s = find_beats(ArraySignal(samples, fs_hz)).time_s
                noise = generate(kind, len(samples), fs_hz,
                                 np.random.default_rng([SEED + number, ratio]))
                noise *= np.sqrt(signal_power(samples, fs_hz, beats_s)
                                 / noise_power(noise, fs_hz)
                                 / 10 ** (ratio / 10))
                spoilt = samples.copy()
                part = slice(round(onset_s * fs_hz),
                             round((end_s + AFTER_S) * fs_hz))
                spoilt[part] += noise[part]
                rows = features(ArraySignal(spoilt, fs_hz))
                inside = clean.scorable & (clean.time_s > onset_s) & (
                    clean.time_s <= end_s + AFTER_S)
                kept = inside & rows.scorable
                total += np.count_nonzero(inside)
                lost += np.count_nonzero(inside) - np.count_nonzero(kept)
                errors.append((heart_rate(rows) - heart_rate(clean))[kept])
            error = np.abs(np.concatenate(errors))
            print(f"| {kind} | {ratio} | {total} | {lost} | "
                  f"{np.mean(error > FAR_BPM):.1%} | {np.median(error):.1f} |")


if __name__ == "__main__":
    main()
