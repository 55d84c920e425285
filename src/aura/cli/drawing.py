"""Pictures of a finished run, one per recording."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from aura import plots
from aura.dataset.names import recording_stem
from aura.folder import Folder
from aura.runners.local import HIDDEN, RUN_ID
from aura.stages import manifest, tables
from aura.stages.manifest import Entry
from aura.stages.run_layout import run_folder


def draw_all(out: Path) -> None:
    """Draw what ``aura predict`` has left, beside its event files."""
    draw_run(out / HIDDEN, run_folder(RUN_ID), out)


def draw_run(shared: Path, run: str, out: Path) -> list[Entry]:
    """Draw every recording of a run."""
    folder = Folder(shared)
    drawn = []
    for batch in sorted(folder.path(f"{run}/batches").iterdir()):
        where = str(batch.relative_to(folder.root))
        for entry in _draw_batch(folder, where, out):
            drawn.append(entry)
    return drawn


def _draw_batch(folder: Folder, batch: str, out: Path) -> Iterator[Entry]:
    listed = manifest.read(folder, f"{batch}/predictions.json")
    features = tables.read(
        folder.read(f"{batch}/features.parquet"),
        ("recording", "time_s", "mean_hr", "hr_base"))
    predictions = tables.read(folder.read(f"{batch}/predictions.parquet"))
    numbers = features.values["recording"]
    for number, recording in listed.recordings:
        entry = listed.entries[number]
        rows = slice(*np.searchsorted(numbers, [number, number + 1]))
        spans = entry.signals.unscorable if entry.signals else ()
        plots.draw(
            out / (recording_stem(recording.path) + ".png"),
            title=recording.path,
            time_s=features.values["time_s"][rows],
            heart_rate_bpm=features.values["mean_hr"][rows],
            baseline_bpm=features.values["hr_base"][rows],
            probability=predictions.values["smoothed"][rows],
            threshold=float(predictions.metadata["threshold"]),
            reference=recording.events if recording.annotated else None,
            predicted=entry.predicted or (),
            unscorable=np.array(spans, dtype=np.float64).reshape(-1, 2),
            duration_s=recording.duration_s)
        yield entry
