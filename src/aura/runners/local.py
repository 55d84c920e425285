"""Train, predict and export in one process, on folders of recordings."""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aura import state
from aura.dataset import assemble, find, patient_table
from aura.dataset.names import printable, recording_stem
from aura.dataset.patients import Patient
from aura.detector.model import CARD_FILE, MODEL_FILE
from aura.errors import AuraError, EndOfData, UnavailableError
from aura.folder import PARTIAL, Folder
from aura.rpc.aura_pb2 import EcgBatch, PredictionTable, TrainingReport
from aura.settings import Settings
from aura.stages import manifest, tables
from aura.stages.ecg_loader import EcgSource
from aura.stages.feature_builder import FeatureStage
from aura.stages.manifest import Entry, FileOutcomes
from aura.stages.predictor import PredictionStage
from aura.stages.run_layout import (
    HIDDEN, Input, Workspace, batch_file, run_folder)
from aura.stages.trainer import TrainingStage

if TYPE_CHECKING:
    from aura.stages.influx_exporter import RunReport

RUN_ID = "local"

Track = Callable[[Iterable[EcgBatch]], Iterable[EcgBatch]]


def no_recordings() -> AuraError:
    return state.error("path.no_recordings")


def open_inputs(paths: Sequence[Path], unique: bool = False) -> tuple[
        dict[str, Input], list[tuple[str, Entry]]]:
    """Inputs by number, and an entry for each input that is rejected."""
    inputs: dict[str, Input] = {}
    rejected: list[tuple[str, Entry]] = []
    taken: dict[str, Path] = {}
    for number, path in enumerate(paths):
        try:
            source = Input.named(path)
            found = find.recordings(source.folder, source.subfolder)
            if not found:
                raise no_recordings()
            stems = {one.stem: path for one in found if one.problem is None}
            both = sorted(stems.keys() & taken.keys())
            if unique and both:
                raise state.error(
                    "predict.same_name", one=taken[both[0]], other=path,
                    name=printable(both[0]))
        except AuraError as error:
            name = printable(str(path))
            rejected.append((name, Entry(name, None, (error.problem,))))
            continue
        inputs[str(number)] = source
        taken |= stems
    return inputs, rejected


def patients(paths: Sequence[Path], given: str = "") -> tuple[
        dict[Patient, list[str]], list[str]]:
    """The recordings of each patient, and the unused rows of a table."""
    found: dict[Patient, list[str]] = {}
    used: set[str | None] = set()
    table = patient_table.PatientTable("", {})
    for source in open_inputs(paths)[0].values():
        table = patient_table.table_of(source.folder, given)
        for candidate in table.assign(find.recordings(
                source.folder, source.subfolder)):
            used.add(table.row_of(candidate.path))
            # The reader reports what is wrong with a file.
            with contextlib.suppress(AuraError, OSError):
                if candidate.problem is None:
                    patient = assemble.patient_of(source.folder, candidate)
                    found.setdefault(patient, []).append(candidate.name)
    return found, sorted(table.rows.keys() - used) if given else []


def train(paths: Sequence[Path], out: Path, settings: Settings,
          track: Track = iter) -> tuple[TrainingReport, FileOutcomes]:
    inputs, rejected = open_inputs(paths)
    # Better known now than after hours of work.
    Folder(out).try_writing()
    with tempfile.TemporaryDirectory(prefix="aura-") as folder:
        workspace = Workspace(Folder(Path(folder)), inputs)
        features = FeatureStage(workspace, settings)
        trainer = TrainingStage(workspace, settings)
        report, manifests = TrainingReport(), []
        for batch in track(batches(workspace, settings)):
            table = features.build(batch)
            manifests.append(table.manifest_path)
            report = trainer.train(table)
        if report.model_path:
            made = workspace.folder.path(report.model_path)
            for name in (MODEL_FILE, CARD_FILE):
                Folder(out).write(name, (made / name).read_bytes())
        return report, _outcome(workspace, paths, manifests, rejected)


def predict(paths: Sequence[Path], model: Path, out: Path,
            settings: Settings, track: Track = iter) -> FileOutcomes:
    inputs, rejected = open_inputs(paths, unique=True)
    settings = replace(settings, model=os.path.abspath(model))
    unfinished = out / f"{PARTIAL}{HIDDEN.lstrip('.')}"
    workspace = Workspace(Folder(unfinished), inputs, events=Folder(out))
    predictor = PredictionStage(workspace, settings)
    predictor.model()
    card = (model / CARD_FILE).read_bytes()
    if not inputs:
        return FileOutcomes(tuple(rejected))
    shutil.rmtree(unfinished, ignore_errors=True)
    Folder(out).sweep()
    try:
        workspace.folder.write("model.json", card)
        state.write(workspace.folder, "inputs.json", {
            str(number): os.path.abspath(path)
            for number, path in enumerate(paths)}, sort_keys=False)
        features = FeatureStage(workspace, settings)
        manifests = [predictor.predict(features.build(batch)).manifest_path
                     for batch in track(batches(workspace, settings))]
        outcome = _outcome(workspace, paths, manifests, rejected)
        if outcome.done:
            _replace_hidden(out, unfinished, outcome)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return outcome


def _replace_hidden(out: Path, unfinished: Path,
                    outcome: FileOutcomes) -> None:
    """Replace ``.aura``, and delete event files of an earlier prediction."""
    def digest(name: str) -> str:
        return hashlib.sha256(folder.read(name)).hexdigest()

    folder, hidden = Folder(out), out / HIDDEN
    names = [recording_stem(entry.path) + ".tsv"
             for _, entry in outcome.entries if entry.predicted is not None]
    state.write(Folder(unfinished), "outputs.json",
                {name: digest(name) for name in names}, sort_keys=False)
    try:
        before = state.read(Folder(hidden), "outputs.json", dict[str, str],
                            "predict.outputs", "")
    except AuraError:
        before = {}
    for name in before.keys() - {*names}:
        path = folder.path(name)
        # An event file that a user has edited stays.
        if path.is_file() and digest(name) == before[name]:
            path.unlink()
    shutil.rmtree(hidden, ignore_errors=True)
    unfinished.rename(hidden)


def export(out: Path, settings: Settings) -> "tuple[RunReport, Path]":
    """Export predictions or points that wait; the report and the folder."""
    from aura.stages.influx_exporter import ExportStage
    hidden = out / HIDDEN
    if not hidden.is_dir():
        absolute = Path(os.path.abspath(out))
        if not (absolute / "export").is_dir():
            raise state.error("export.missing", folder=out)
        stage = ExportStage(Workspace(
            Folder(absolute.parents[1]), {}), settings)
        return stage.complete(absolute.name), absolute / "export"
    folder = Folder(hidden)
    stage = ExportStage(Workspace(folder, _inputs_of(folder)), settings)
    try:
        for request in _predicted(folder):
            stage.export(request)
    except UnavailableError as error:
        # The stage's own advice is for a shared folder.
        raise UnavailableError(
            error.rule, error.args[1],
            f"run 'aura export {out}' again later") from None
    return stage.report(RUN_ID), folder.path(f"{run_folder(RUN_ID)}/export")


def _inputs_of(folder: Folder) -> dict[str, Input]:
    """The inputs of a prediction; recordings of a missing one are left out."""
    places = {number: Path(path) for number, path in state.read(
        folder, "inputs.json", dict[str, str], "predict.inputs",
        "run 'aura predict' again").items()}
    if places and not any(map(os.path.lexists, places.values())):
        raise state.error(
            "path.missing/runners",
            places=" and ".join(map(str, places.values())))
    return {number: Input.remembered(place)
            for number, place in places.items()}


def _predicted(folder: Folder) -> Iterable[PredictionTable]:
    """Yield the messages that ask the exporter for each batch."""
    paths = sorted(folder.path(f"{run_folder(RUN_ID)}/batches").glob(
        "*/predictions.parquet"))
    for index, path in enumerate(paths):
        name = batch_file(RUN_ID, index, path.name)
        with folder.open(name) as stream:
            table = next(tables.batches(stream, ("recording",)))
        yield PredictionTable(
            run_id=RUN_ID, batch_index=index, batch_count=len(paths),
            is_last=index == len(paths) - 1, table_path=name,
            manifest_path=batch_file(RUN_ID, index, "predictions.json"),
            model_id=table.metadata.get("model_id", ""),
            threshold=table.number("threshold"))


def batches(workspace: Workspace, settings: Settings) -> Iterable[EcgBatch]:
    source = EcgSource(workspace, settings, *workspace.inputs, run_id=RUN_ID)
    while True:
        try:
            yield source.next()
        except EndOfData:
            return


def _outcome(workspace: Workspace, paths: Sequence[Path],
             manifests: Sequence[str],
             rejected: Sequence[tuple[str, Entry]]) -> FileOutcomes:
    read = [manifest.read(workspace.folder, path) for path in manifests]
    return FileOutcomes((*rejected, *(
        (str(paths[int(batch.input)]), entry)
        for batch in read for entry in batch.entries)))
