"""
Runs to review, made by the real stages except the forest.

A test chooses the alarms; the probability follows the heart rate.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from aura.annotations import bids
from aura.folder import Folder
from aura.recording import Event
from aura.review.worklist import beside_predictions
from aura.runners import local
from aura.settings import Settings
from aura.stages import manifest, tables
from aura.stages.feature_builder import FeatureStage
from aura.stages.run_layout import Input, Workspace
from tests.patients import record

THRESHOLD = 0.75
SEIZURE = (300, 60)


def make_run(folder, predicted, annotated=None, **recordings):
    """
    Write recordings to ``folder/data`` and a run of them to ``folder/out``.

    `predicted` and `annotated` replace events by the recording's name; None
    means no prediction or no annotation. `recordings` has arguments of
    `tests.patients.record`, or ending and content of a file, by name.
    """
    data, out = folder / "data", folder / "out"
    for name, given in (recordings or {"one": {}}).items():
        if isinstance(given, dict):
            record(data / f"{name}.edf", **{"seizure": SEIZURE, **given})
        else:
            data.mkdir(parents=True, exist_ok=True)
            (data / f"{name}{given[0]}").write_bytes(given[1])
    workspace = Workspace(
        Folder(out / local.HIDDEN), {"0": Input(Folder(data))},
        events=Folder(out))
    settings = Settings(workers=1)
    features = FeatureStage(workspace, settings)
    for batch in local.batches(workspace, settings):
        _predict(workspace, features.build(batch), predicted,
                 annotated or {})
    workspace.folder.write(
        "inputs.json", json.dumps({"0": str(data)}).encode())
    workspace.folder.write("model.json", json.dumps({"features": [
        {"name": "hr_rise", "unit": "bpm"}]}).encode())
    return out


def _predict(workspace, table, predicted, annotated):
    folder = workspace.folder
    listed = manifest.read(folder, table.manifest_path)
    entries = [_entry(entry, predicted, annotated)
               for entry in listed.entries]
    batch = table.manifest_path.rpartition("/")[0]
    manifest.write(folder, f"{batch}/predictions.json",
                   listed.with_entries(entries))
    for entry in entries:
        if entry.recording is not None and entry.predicted is not None:
            workspace.write_events("local", entry.path, bids.write_events(
                entry.predicted, entry.recording.start,
                entry.recording.duration_s, entry.recording.channel or "n/a"))
    rows = tables.read(folder.read(table.table_path), (
        "recording", "time_s", "hr_rise", "scorable"))
    chance = 1 / (1 + np.exp(-(rows.values["hr_rise"] - 15.0) / 4))
    with folder.replace(f"{batch}/predictions.parquet") as stream:
        tables.write(stream, [tables.Columns(
            {"recording": rows.values["recording"],
             "time_s": rows.values["time_s"],
             "smoothed": np.where(rows.values["scorable"], chance,
                                  np.nan).astype(np.float64)},
            metadata={"threshold": str(THRESHOLD), "model_id": "m" * 12})])


def _entry(entry, predicted, annotated):
    name = Path(entry.path).name.partition(".")[0]
    if entry.recording is None:
        return entry
    if name in annotated:
        events = annotated[name]
        entry = replace(entry, recording=replace(
            entry.recording, events=tuple(events or ()),
            annotation_source=None if events is None else "by hand"))
    alarms = predicted.get(name, ())
    return replace(entry, predicted=(
        None if alarms is None else tuple(alarms)))


def opened(out):
    """The runs of a folder, as ``aura review`` opens them."""
    return beside_predictions(Path(out))


def alarm(onset, length=30, sure=.9):
    """A predicted seizure."""
    return Event(float(onset), float(length), "sz", sure)
