"""Write the beats of recordings as files that are recordings too."""

import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from aura import state
from aura.dataset import beat_files
from aura.dataset.names import recording_stem
from aura.folder import Folder, problem_of
from aura.recording import Beats, Floats
from aura.runners import local
from aura.settings import Settings
from aura.stages import manifest
from aura.stages.feature_builder import beats_of
from aura.stages.manifest import Entry, FileOutcomes, Signals
from aura.stages.run_layout import Workspace

ENDING = ".beats.csv"


def write(paths: Sequence[Path], out: Path, settings: Settings,
          track: local.Track = iter) -> FileOutcomes:
    inputs, rejected = local.open_inputs(paths, unique=True)
    folder = Folder(out)
    folder.try_writing()
    # Left by runs that were killed; files of running writers stay.
    folder.sweep()
    entries = list(rejected)
    with (tempfile.TemporaryDirectory(prefix="aura-") as place,
          ThreadPoolExecutor(settings.threads) as pool):
        workspace = Workspace(Folder(Path(place)), inputs)
        for batch in track(local.batches(workspace, settings)):
            listed = manifest.read(workspace.folder, batch.manifest_path)
            source = workspace.input_of(listed.input)
            path = str(paths[int(listed.input)])
            entries += [(path, entry) for entry in pool.map(
                partial(_write_one, source, folder), listed.entries)]
    return FileOutcomes(tuple(entries))


def trusted(beats: Beats) -> Floats:
    spans = beats.unscorable
    at = np.searchsorted(spans[:, 0], beats.time_s, side="right") - 1
    lost = at >= 0
    lost[lost] = beats.time_s[lost] < spans[at[lost], 1]
    kept: Floats = beats.time_s[~lost]
    return kept


def _write_one(source: Folder, out: Folder, entry: Entry) -> Entry:
    if entry.recording is None:
        return entry
    try:
        beats = beats_of(source, entry.recording)
        kept = trusted(beats)
        name = recording_stem(entry.path) + ENDING
        if os.path.lexists(out.path(name)) and source.holds(out.path(name)):
            raise state.error("beats.exists", name=name)
        out.write(name, beat_files.write(kept))
    except Exception as error:
        return entry.refuse(problem_of(error))
    lost_s = float(np.diff(beats.unscorable).sum())
    return replace(entry, signals=Signals(
        0, len(kept), tuple(beats.spans()), beats.duration_s - lost_s))
