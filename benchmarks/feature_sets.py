"""
Compare sets of features for the forest by nested validation.

    python -m benchmarks.feature_sets RECORDINGS...

Everything except the columns is as in ``aura train``. With few seizures
the differences are small counts, so the order of the sets means little.
"""

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from aura.detector import validation
from aura.detector.forest import MODEL_FEATURES, Example
from aura.detector.training import RULE
from aura.ecg import features
from aura.errors import plural
from aura.folder import Folder
from aura.runners import local
from aura.scoring.report import number
from aura.scoring.score import Score
from aura.settings import Settings
from aura.stages import manifest, tables
from aura.stages.feature_builder import FeatureStage
from aura.stages.run_layout import Input, Workspace

SETS = {
    "the two of the shipped model": MODEL_FEATURES,
    "all relative to the baseline": features.NAMES[27:],
    "AURA's 27": features.NAMES[:27],
    "all 36": features.NAMES,
}


def examples(paths: list[Path]) -> Iterator[Example]:
    """Each annotated recording with all of its features."""
    settings = Settings.load()
    inputs = {str(n): Input.named(path) for n, path in enumerate(paths)}
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Folder(Path(folder)), inputs)
        stage = FeatureStage(workspace, settings)
        for batch in local.batches(workspace, settings):
            built = stage.build(batch)
            table = tables.read(
                workspace.folder.read(built.table_path)).values
            for place, recording in manifest.read(
                    workspace.folder, built.manifest_path).recordings:
                if not recording.annotated:
                    continue
                rows = table["recording"] == place
                values = np.column_stack(
                    [table[name][rows] for name in features.NAMES])
                yield Example(
                    recording.patient, table["time_s"][rows],
                    values, table["hr_rise"][rows],
                    table["hr_from_peak"][rows], table["mean_hr"][rows],
                    table["scorable"][rows], recording.events,
                    recording.duration_s, settings.hop_s)


def show(name: str, found: Score) -> None:
    """Print one line of the table."""
    events = found.events
    print(f"{name:30} {events.tp}/{events.ref_true} seizures, "
          f"{plural(events.fp, 'false alarm')} in {events.hours:.1f} h, "
          f"median latency {number(events.median_latency_s, 0)} s",
          flush=True)


def main() -> None:
    """Print a line for each set of features, and for the heart-rate rule."""
    settings = Settings.load()
    listed = list(examples([Path(path) for path in sys.argv[1:]]))
    for name, columns in SETS.items():
        places = [features.NAMES.index(column) for column in columns]
        found = validation.cross_validate(
            [replace(example, values=example.values[:, places],
                     columns=tuple(columns)) for example in listed],
            RULE, settings.target_far, settings.seed)
        show(name, found.pooled)
    show("heart-rate rule", found.pooled_rule)


if __name__ == "__main__":
    main()
