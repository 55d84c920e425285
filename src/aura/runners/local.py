"""
The stages on a laptop, in one process, on recordings wherever they lie.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from aura.dataset import find
from aura.dataset.names import printable, recording_stem
from aura.detector.model import CARD_FILE, MODEL_FILE
from aura.errors import (
    AuraError,
    EndOfData,
    InvalidInputError,
    MissingError,
    UnavailableError,
)
from aura.folder import PARTIAL, Folder
from aura.rpc.aura_pb2 import EcgBatch, PredictionTable, TrainingReport
from aura.settings import Settings
from aura.stages import manifest, tables
from aura.stages.ecg_loader import EcgSource
from aura.stages.feature_builder import FeatureStage
from aura.stages.manifest import Entry, Outcome
from aura.stages.predictor import PredictionStage
from aura.stages.run_layout import Input, Workspace, batch_file, run_folder
from aura.stages.trainer import TrainingStage

RUN_ID = "local"
HIDDEN = ".aura"

Track = Callable[[Iterable[EcgBatch]], Iterable[EcgBatch]]


def given(path: Path) -> Input:
    """
    An input as a user names it: a tree or a single file.

    The folder above a single file's, or above an ``ecg`` folder, is opened
    too, so that a BIDS session's annotations are found beside it.
    """
    absolute = Path(os.path.abspath(path))
    if not os.path.lexists(absolute):
        raise MissingError(
            "path.missing", f"there is no {path}", "check the name")
    parent = Path(os.path.realpath(absolute.parent))
    if absolute.is_dir():
        if absolute.name == "ecg":
            return Input(Folder(parent), absolute.name)
        return Input(Folder(absolute))
    return Input(Folder(parent.parent),
                 f"{parent.name}/{absolute.name}" if parent.name
                 else absolute.name)


def no_recordings() -> MissingError:
    """The error for a folder without recordings."""
    return MissingError(
        "path.no_recordings", "there is no recording in this folder",
        "recordings are .edf and .bdf files, and .csv files with a column of "
        "beats (beat_time_s, rr_ms)")


def opened(paths: Sequence[Path], apart: bool = False) -> tuple[
        dict[str, Input], list[tuple[str, Entry]]]:
    """
    Inputs by number, and an entry for each that is refused as a whole.

    With `apart` no two of them may hold recordings of one name.
    """
    inputs: dict[str, Input] = {}
    refused: list[tuple[str, Entry]] = []
    taken: dict[str, Path] = {}
    for number, path in enumerate(paths):
        try:
            source = given(path)
            found = find.recordings(source.folder, source.subfolder)
            if not found:
                raise no_recordings()
            stems = {one.stem: path for one in found if one.problem is None}
            both = sorted(stems.keys() & taken.keys())
            if apart and both:
                raise InvalidInputError(
                    "predict.same_name", f"{taken[both[0]]} and {path} both "
                    f"hold {printable(both[0])}",
                    "predict them into folders of their own")
        except AuraError as error:
            name = printable(str(path))
            refused.append((name, Entry(name, None, (error.problem,))))
            continue
        inputs[str(number)] = source
        taken |= stems
    return inputs, refused


def train(paths: Sequence[Path], out: Path, settings: Settings,
          track: Track = iter) -> tuple[TrainingReport, Outcome]:
    """Train a model on trees of annotated recordings."""
    inputs, refused = opened(paths)
    # Better known now than after hours of work.
    Folder(out).try_writing()
    with tempfile.TemporaryDirectory(prefix="aura-") as folder:
        workspace = Workspace(Folder(Path(folder)), inputs)
        features = FeatureStage(workspace, settings)
        trainer = TrainingStage(workspace, settings)
        report = TrainingReport(status_text=_nothing_found())
        tables = []
        for batch in track(batches(workspace, settings)):
            tables.append(features.build(batch))
            report = trainer.train(tables[-1])
        if report.model_path:
            made = workspace.folder.path(report.model_path)
            for name in (MODEL_FILE, CARD_FILE):
                Folder(out).write(name, (made / name).read_bytes())
        return report, _outcome(
            workspace, paths, [table.manifest_path for table in tables],
            refused)


def predict(paths: Sequence[Path], model: Path, out: Path,
            settings: Settings, track: Track = iter) -> Outcome:
    """Predict trees of recordings: one TSV each, the trees mirrored."""
    inputs, refused = opened(paths, apart=True)
    settings = replace(settings, model=os.path.abspath(model))
    unfinished = out / f"{PARTIAL}{HIDDEN.lstrip('.')}"
    workspace = Workspace(Folder(unfinished), inputs, events=Folder(out))
    predictor = PredictionStage(workspace, settings)
    predictor.model()
    card = (model / CARD_FILE).read_bytes()
    if not inputs:
        return Outcome(tuple(refused))
    shutil.rmtree(unfinished, ignore_errors=True)
    Folder(out).sweep()
    try:
        workspace.folder.write("model.json", card)
        workspace.folder.write("inputs.json", _locations(paths))
        features = FeatureStage(workspace, settings)
        tables: list[PredictionTable] = []
        for batch in track(batches(workspace, settings)):
            tables.append(predictor.predict(features.build(batch)))
        outcome = _outcome(
            workspace, paths, [table.manifest_path for table in tables],
            refused)
        _replace_hidden(out, unfinished, outcome)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return outcome


def _replace_hidden(out: Path, unfinished: Path, outcome: Outcome) -> None:
    """Put a finished ``.aura`` in place of an earlier one."""
    folder, hidden = Folder(out), out / HIDDEN
    names = (recording_stem(entry.path) + ".tsv"
             for _, entry in outcome.entries if entry.predicted is not None)
    outputs = {name: hashlib.sha256(folder.read(name)).hexdigest()
               for name in names}
    Folder(unfinished).write("outputs.json", _json(outputs))
    try:
        before = json.loads(Folder(hidden).read("outputs.json"))
    except (MissingError, ValueError):
        before = {}
    for name, digest in before.items():
        path = folder.path(name)
        if name not in outputs and path.is_file() and hashlib.sha256(
                folder.read(name)).hexdigest() == digest:
            path.unlink()
    shutil.rmtree(hidden, ignore_errors=True)
    unfinished.rename(hidden)


def export(out: Path, settings: Settings) -> dict[str, Any]:
    """Export what was predicted, or what an export has left undone."""
    from aura.stages.influx_exporter import ExportStage
    hidden = out / HIDDEN
    if not hidden.is_dir():
        absolute = Path(os.path.abspath(out))
        if not (absolute / "export").is_dir():
            raise MissingError(
                "export.missing", f"nothing is predicted or exported in {out}",
                "name what 'aura predict' has written, or a run's folder on "
                "a shared folder")
        stage = ExportStage(Workspace(
            Folder(absolute.parents[1]), {}), settings)
        return {**stage.complete(absolute.name),
                "folder": absolute / "export"}
    folder = Folder(hidden)
    stage = ExportStage(Workspace(folder, _still_there(folder)), settings)
    try:
        for request in _predicted(folder):
            stage.export(request)
    except UnavailableError as error:
        # The stage speaks of a shared folder, which there is none here.
        raise UnavailableError(
            error.rule, error.args[1],
            f"when it is back: aura export {out}") from None
    run = run_folder(RUN_ID)
    report: dict[str, Any] = json.loads(
        folder.read(f"{run}/export_report.json"))
    return {**report, "folder": folder.path(f"{run}/export")}


def _still_there(folder: Folder) -> dict[str, Input]:
    """The inputs of a prediction; one that has moved costs itself only."""
    places = {number: Path(path) for number, path in json.loads(
        folder.read("inputs.json")).items()}
    there = [os.path.lexists(place) for place in places.values()]
    if places and not any(there):
        raise MissingError(
            "path.missing", "the recordings are no longer at "
            + " and ".join(map(str, places.values())),
            "put them back, or predict them anew where they are now")
    return {number: given(place) if is_there else Input(Folder(place))
            for (number, place), is_there in zip(
                places.items(), there, strict=True)}


def _predicted(folder: Folder) -> Iterable[PredictionTable]:
    """The requests for an export of all batches."""
    paths = sorted(folder.path(f"{run_folder(RUN_ID)}/batches").glob(
        "*/predictions.parquet"))
    for index, path in enumerate(paths):
        name = batch_file(RUN_ID, index, path.name)
        known = tables.read(folder.read(name), ("recording",)).metadata
        yield PredictionTable(
            run_id=RUN_ID, batch_index=index, batch_count=len(paths),
            is_last=index == len(paths) - 1, table_path=name,
            manifest_path=batch_file(RUN_ID, index, "predictions.json"),
            model_id=known["model_id"], threshold=float(known["threshold"]))


def batches(workspace: Workspace, settings: Settings) -> Iterable[EcgBatch]:
    """Yield the batches of all inputs of a workspace."""
    source = EcgSource(workspace, settings, *workspace.inputs, run_id=RUN_ID)
    while True:
        try:
            yield source.next()
        except EndOfData:
            return


def _outcome(workspace: Workspace, paths: Sequence[Path],
             manifests: Sequence[str],
             refused: Sequence[tuple[str, Entry]]) -> Outcome:
    read = [manifest.read(workspace.folder, path) for path in manifests]
    return Outcome((*refused, *(
        (str(paths[int(batch.input)]), entry)
        for batch in read for entry in batch.entries)))


def _locations(paths: Sequence[Path]) -> bytes:
    return _json({str(number): os.path.abspath(path)
                  for number, path in enumerate(paths)})


def _json(content: Mapping[str, str]) -> bytes:
    return (json.dumps(content, indent=2) + "\n").encode("ascii")


def _nothing_found() -> str:
    return ("train.no_recordings: no recording was found; recordings are "
            ".edf and .bdf files, and .csv files with a column of beats")
