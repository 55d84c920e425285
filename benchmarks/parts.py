"""Compare parts of the chain with other libraries."""

from pathlib import Path

import numpy as np
import pyedflib
from sleepecg import detect_heartbeats

from aura.detector import forest, trees
from aura.detector.forest import MODEL_FEATURES
from aura.ecg import features
from aura.ecg.beats import find_beats
from aura.edf.header import read_header
from aura.edf.signal import EcgSignal
from aura.recording import ArraySignal, Beats
from benchmarks import recordings
from benchmarks.end_to_end import seconds
from tests.features_by_hand import Oracle
from tests.learning_examples import cohort

SEGMENT = 900 * recordings.FS_HZ


def row(name: str, ours_s: float, peer: str, theirs_s: float) -> None:
    """Print both times and their ratio."""
    print(f"{name:34s} {ours_s:9.3f} {peer:>28s} {theirs_s:9.3f} "
          f"{theirs_s / ours_s:8.1f}", flush=True)


def read_ours(path: Path) -> None:
    """Read the last channel in segments, as the chain does."""
    with path.open("rb") as stream:
        header = read_header(stream)
        signal = EcgSignal(stream, header, len(header.signals) - 1)
        for start in range(0, signal.sample_count, SEGMENT):
            signal.read(start, min(start + SEGMENT, signal.sample_count))


def read_theirs(path: Path) -> None:
    """Read the last channel in the same segments with pyedflib."""
    with pyedflib.EdfReader(str(path)) as reader:
        index = reader.signals_in_file - 1
        for start in range(0, int(reader.getNSamples()[index]), SEGMENT):
            reader.readSignal(index, start, SEGMENT)


def main() -> None:
    """Print a row for each part."""
    print(f"{'CPU seconds':34s} {'aura':>9s} {'peer':>28s} {'peer':>9s} "
          f"{'ratio':>8s}")
    with recordings.single(4).open("rb") as stream:
        signal = EcgSignal(stream, read_header(stream), 0)
        samples = signal.read(0, signal.sample_count)
    whole = ArraySignal(samples, signal.fs_hz, signal.rails)
    row("R peaks and quality, 4 h", seconds(lambda: find_beats(whole)),
        "sleepecg alone, in one call",
        seconds(lambda: detect_heartbeats(samples, whole.fs_hz)))
    beats = find_beats(whole)
    ends = np.arange(400.0, 14400.0, 500.0)
    oracle = Oracle(Beats(beats.time_s, beats.duration_s), 1.0)

    def by_hand() -> None:
        for end_s in ends:
            oracle.short(end_s) | oracle.medium(end_s) | oracle.large(end_s)

    row("all features, 4 h, 14,400 rows",
        seconds(lambda: features.build(beats)), "a window at a time, 27",
        seconds(by_hand) * 14400 / len(ends))
    table = features.build(beats).columns()
    rows = np.column_stack([table[name] for name in MODEL_FEATURES])
    peer = forest.fit(cohort(9), 1)
    ours = trees.of(peer)
    assert np.array_equal(ours.probability(rows),
                          peer.predict_proba(rows)[:, 1])
    row("scores, 4 h, 14,400 rows",
        seconds(lambda: ours.probability(rows)), "scikit-learn",
        seconds(lambda: peer.predict_proba(rows)))
    for name, path in (("EDF, 24 h of ECG only", recordings.single(24)),
                       ("EDF, 4 h, 1 of 21 channels",
                        recordings.among_others())):
        row(name, seconds(lambda: read_ours(path)), "pyedflib, same segments",
            seconds(lambda: read_theirs(path)))


if __name__ == "__main__":
    main()
