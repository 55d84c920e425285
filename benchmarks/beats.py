"""
How well R peaks are found in generated rhythms, beside other detectors.

    make bench-beats                         # or, without a picture:
    python -m benchmarks.beats

Each rhythm of `aura.synthetic.rhythms` for 15 min: sensitivity, PPV and F1
within 150 ms [1]_, the spread of the fiducial, and the share of beats that are
wrong (missed or invented) where the signal counts as scorable. Peers have no
quality rule: all their time counts. Those not installed are left out.

.. [1] ANSI/AAMI EC57.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np

from aura.ecg.beats import find_beats
from aura.recording import ArraySignal
from aura.spans import covered
from aura.synthetic.rhythms import rhythm, rhythms
from aura.synthetic.waveform import SyntheticEcg
from benchmarks.noise import counts, detectors, scores
from benchmarks.quality import TOLERANCE_S

LENGTH_S = 900.0
NEAR_S = 0.1
EDGE_S = 1.0  # A beat that is cut there cannot be told
HOP_S = 0.012


def judged(recording: SyntheticEcg, found: np.ndarray,
           unscorable: np.ndarray) -> dict[str, float]:
    """Scores of the beats found in one rhythm."""
    truth, found = (times[(times > EDGE_S) & (
        times < recording.duration_s - EDGE_S)] for times in (
            recording.beat_time_s, found))
    hits, false, missed = (
        counts(scorable(truth, unscorable), scorable(found, unscorable)))
    off = offsets(truth, found)
    se, ppv, f1 = scores(np.array([hits, false, missed]))
    return {"se": se, "ppv": ppv, "f1": f1,
            "wrong": (false + missed) / len(truth),
            "hops": float(np.mean(np.abs(off - np.median(off)) > HOP_S))
            if len(off) else np.nan,
            "unscorable": float(np.ptp(unscorable, axis=1).sum())
            / recording.duration_s}


def scorable(times: np.ndarray, unscorable: np.ndarray) -> np.ndarray:
    """The times around which all counts as scorable."""
    return times[covered(unscorable, np.column_stack(
        [times - NEAR_S, times + NEAR_S])) == 0]


def offsets(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Seconds from each true beat to the nearest found within 150 ms."""
    if len(found) < 2:
        return np.empty(0)
    after = np.clip(np.searchsorted(found, truth), 1, len(found) - 1)
    both = np.stack([found[after - 1], found[after]]) - truth
    near = both[np.abs(both).argmin(axis=0), np.arange(len(truth))]
    return near[np.abs(near) < TOLERANCE_S]


def measure() -> dict[str, dict[str, dict[str, float]]]:
    """Scores by rhythm and detector."""
    result: dict[str, dict[str, dict[str, float]]] = {}
    peers = {name: one for name, one in detectors().items() if name != "aura"}
    for name in rhythms():
        recording = rhythm(name, LENGTH_S)
        samples, fs_hz = recording.samples, recording.fs_hz
        own = find_beats(ArraySignal(samples, fs_hz))
        result[name] = {"aura": judged(recording, own.time_s, own.unscorable)}
        for peer, detect in peers.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    found = np.sort(detect(samples, fs_hz))
                except ValueError:  # A rate that the peer does not take
                    found = np.empty(0)
            result[name][peer] = judged(recording, found, np.empty((0, 2)))
    return result


def tell(result: dict[str, dict[str, dict[str, float]]]) -> None:
    """Print one row for each rhythm, and F1 of the peers."""
    peers = list(next(iter(result.values())))[1:]
    print(f"| rhythm | Se | PPV | F1 | wrong and scorable | fiducial > 12 ms "
          f"| unscorable | {' | '.join(f'F1 {name}' for name in peers)} |")
    print("|---|" + "---|" * (6 + len(peers)))
    for name, scored in result.items():
        own = scored["aura"]
        print(f"| {name} | {own['se']:.4f} | {own['ppv']:.4f} | "
              f"{own['f1']:.4f} | {own['wrong']:.2%} | {own['hops']:.2%} | "
              f"{own['unscorable']:.1%} | "
              + " | ".join(f"{scored[peer]['f1']:.4f}" for peer in peers)
              + " |")


def draw(result: dict[str, dict[str, dict[str, float]]], path: Path) -> None:
    """One row for each rhythm: 4 s of it, and F1 of each detector."""
    from matplotlib.figure import Figure
    figure = Figure(figsize=(11, 0.55 * len(result) + 0.8),
                    layout="constrained")
    axes = figure.subplots(len(result), 2, width_ratios=(2, 1))
    colours = dict(zip(next(iter(result.values())), (
        "black", "tab:blue", "tab:orange", "tab:green")))
    for row, (name, scored) in enumerate(result.items()):
        recording = rhythm(name, 124.0)
        rate = recording.fs_hz
        shown = recording.read(round(118 * rate), round(122 * rate))
        axes[row][0].plot(np.arange(len(shown)) / rate, shown, "black",
                          linewidth=0.7)
        axes[row][0].set_ylabel(name, rotation=0, ha="right", va="center")
        for place, (detector, one) in enumerate(scored.items()):
            axes[row][1].plot(one["f1"], -place, "o", markersize=4,
                              color=colours[detector])
        axes[row][1].set(xlim=(-0.03, 1.03), ylim=(0.3 - len(scored), 0.7))
        for axis in axes[row]:
            axis.set(yticks=[])
            axis.spines[["top", "right", "left"]].set_visible(False)
            if row < len(result) - 1:
                axis.set_xticks([])
    axes[-1][0].set_xlabel("seconds")
    axes[-1][1].set_xlabel("F1")
    axes[0][1].set_title("from the top: " + ", ".join(colours),
                         fontsize="small")
    figure.savefig(path, dpi=100)


def main(arguments: list[str] | None = None) -> None:
    """Print the table, and draw the picture if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="picture to write")
    given = parser.parse_args(arguments or [])
    result = measure()
    tell(result)
    if given.out:
        draw(result, given.out)


if __name__ == "__main__":
    import sys
    main(sys.argv[1:])
