"""
The stages on a laptop, in one process, on recordings wherever they lie.
"""

import json
import os
import posixpath
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from aura import artefact, catalogue
from aura.errors import EndOfData, InvalidInputError, MissingError
from aura.rpc.aura_pb2 import EcgBatch, PredictionTable, TrainingReport
from aura.settings import Settings
from aura.stages import manifest
from aura.stages.ecg_loader import EcgSource
from aura.stages.feature_builder import FeatureStage
from aura.stages.manifest import Outcome
from aura.stages.predictor import PredictionStage
from aura.stages.trainer import TrainingStage
from aura.stages.workspace import Input, Workspace
from aura.workspace import Folder

RUN_ID = "local"
HIDDEN = ".aura"

T = TypeVar("T")
Track = Callable[[Iterable[EcgBatch]], Iterable[EcgBatch]]


def given(path: Path) -> Input:
    """
    An input as a user names it: a tree or a single file.

    The folder above a single file's is opened too, so that a BIDS session's
    annotations are found beside it.

    Raises
    ------
    MissingError
        If there is nothing of that name.
    """
    absolute = Path(os.path.abspath(path))
    if not os.path.lexists(absolute):
        raise MissingError(
            "path.missing", f"there is no {path}", "check the name")
    if absolute.is_dir():
        return Input(Folder(absolute))
    parent = Path(os.path.realpath(absolute.parent))
    return Input(Folder(parent.parent),
                 f"{parent.name}/{absolute.name}" if parent.name
                 else absolute.name)


def train(paths: Sequence[Path], out: Path, settings: Settings,
          track: Track = iter) -> tuple[TrainingReport, Outcome]:
    """
    Train a model on trees of annotated recordings.

    Parameters
    ----------
    paths : sequence of Path
        Trees or files.
    out : Path
        Folder for ``model.skops`` and ``card.json``.
    settings : Settings
    track : callable, optional
        Wraps the batches, for a progress bar.

    Returns
    -------
    TrainingReport, Outcome
        Nothing is written where the report has no ``model_path``.
    """
    inputs = {str(number): given(path) for number, path in enumerate(paths)}
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
            for name in (artefact.MODEL_FILE, artefact.CARD_FILE):
                Folder(out).write(name, (made / name).read_bytes())
        return report, _outcome(
            workspace, paths, [table.manifest_path for table in tables])


def predict(paths: Sequence[Path], model: Path, out: Path,
            settings: Settings, track: Track = iter) -> Outcome:
    """
    Predict trees of recordings: one TSV each, the trees mirrored.

    Parameters
    ----------
    paths : sequence of Path
        Trees or files.
    model : Path
        Folder of the model.
    out : Path
        Folder for the event files; ``.aura`` in it takes what scoring and
        review need, and is made anew.
    settings : Settings
    track : callable, optional
        Wraps the batches, for a progress bar.

    Raises
    ------
    InvalidInputError
        If two recordings would be written under one name.
    AuraError
        If the model cannot be used; nothing is written then.
    """
    inputs = {str(number): given(path) for number, path in enumerate(paths)}
    _check_names(inputs, paths)
    settings = replace(settings, model=os.path.abspath(model))
    hidden = out / HIDDEN
    workspace = Workspace(Folder(hidden), inputs, events=Folder(out))
    predictor = PredictionStage(workspace, settings)
    predictor.model()
    card = (model / artefact.CARD_FILE).read_bytes()
    shutil.rmtree(hidden, ignore_errors=True)
    workspace.folder.write("model.json", card)
    workspace.folder.write("inputs.json", _locations(paths))
    features = FeatureStage(workspace, settings)
    tables: list[PredictionTable] = []
    for batch in track(batches(workspace, settings)):
        tables.append(predictor.predict(features.build(batch)))
    return _outcome(
        workspace, paths, [table.manifest_path for table in tables])


def batches(workspace: Workspace, settings: Settings) -> Iterable[EcgBatch]:
    """Yield the batches of all inputs of a workspace."""
    source = EcgSource(workspace, settings, *workspace.inputs, run_id=RUN_ID)
    while True:
        try:
            yield source.next()
        except EndOfData:
            return


def _outcome(workspace: Workspace, paths: Sequence[Path],
             manifests: Sequence[str]) -> Outcome:
    read = [manifest.read(workspace.folder, path) for path in manifests]
    return Outcome(tuple(
        (str(paths[int(batch.input)]), entry)
        for batch in read for entry in batch.entries))


def _check_names(inputs: dict[str, Input], paths: Sequence[Path]) -> None:
    taken: dict[str, Path] = {}
    for source, path in zip(inputs.values(), paths, strict=True):
        for found in catalogue.find(source.folder, source.subfolder):
            stem = posixpath.splitext(found.name)[0]
            if found.problem is None and taken.setdefault(stem, path) != path:
                raise InvalidInputError(
                    "predict.same_name", f"{taken[stem]} and {path} both hold "
                    f"{catalogue.printable(found.name)}",
                    "predict them into folders of their own")


def _locations(paths: Sequence[Path]) -> bytes:
    return (json.dumps({str(number): os.path.abspath(path) for number, path
                        in enumerate(paths)}, indent=2) + "\n").encode()


def _nothing_found() -> str:
    return ("train.no_recordings: no recording was found; files are "
            "recordings by their ending, .edf or .bdf")
