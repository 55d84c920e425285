"""The predictor: a table of features becomes scores and alarms."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from aura import detection, state
from aura.annotations import bids
from aura.detector.alarms import AlarmRule, rule_of
from aura.detector.model import CARD_FILE, Model, check_features, load_model
from aura.errors import AuraError, MissingError
from aura.folder import problem_of
from aura.recording import Event
from aura.rpc.aura_pb2 import FeatureTable, PredictionTable
from aura.settings import Settings
from aura.stages import manifest, table_rules, tables
from aura.stages.manifest import Entry
from aura.stages.run_layout import (
    LATEST, MODELS, Stage, Workspace, batch_file, place_of)


class Latest(msgspec.Struct):
    model_id: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{1,64}$")]


KEYS = (*table_rules.KEYS, "scorable")
# Where an onboarded block carries its model.
BAKED = Path("/model")


class PredictionStage(Stage):
    """Predict with the model that is there, checked before its first use."""

    def __init__(self, workspace: Workspace, settings: Settings) -> None:
        super().__init__(workspace, settings)
        self._lock = threading.Lock()
        self._loaded: tuple[tuple[Path, int, int], Model] | None = None

    def ready(self) -> bool:
        """Whether there is a sound model."""
        try:
            self.model()
        except (AuraError, OSError):
            return False
        return True

    def model(self) -> Model:
        """The model, loaded anew when another one has taken its place."""
        folder = self._model_folder()
        with self._lock:
            try:
                found = (folder / CARD_FILE).stat()
            except OSError:
                raise state.error("model.missing") from None
            key = (folder, found.st_mtime_ns, found.st_size)
            if self._loaded is None or self._loaded[0] != key:
                self._loaded = key, load_model(folder)
            return self._loaded[1]

    def predict(self, request: FeatureTable) -> PredictionTable:
        folder, model = self._folder, self.model()
        batch = manifest.read(folder, request.manifest_path)
        table = table_rules.check(
            folder, request.table_path, "features", batch)
        _check(model, table.head)
        rule = rule_of(model.alarm, self._settings.adapt_after_h)
        names = {name: batch_file(request.run_id, request.batch_index, name)
                 for name in ("predictions.parquet", "predictions.json")}
        found: list[list[Event]] = []
        seizure_windows = 0

        def scored() -> Iterator[tables.Columns]:
            nonlocal seizure_windows
            yield _scores(model, table.head, rule)[0]
            for rows in table.each((*KEYS, *model.features)):
                part, events = _scores(model, rows, rule)
                found.append(events)
                seizure_windows += int(np.sum(
                    part.values["smoothed"] >= rule.threshold))
                yield part

        with folder.replace(names["predictions.parquet"]) as stream:
            tables.write(stream, scored(), table.count)
        entries = list(batch.entries)
        for (number, _), events in zip(batch.recordings, found, strict=True):
            entries[number] = self._predicted(
                request.run_id, entries[number], events)
        manifest.write(folder, names["predictions.json"],
                       batch.with_entries(entries))
        return PredictionTable(
            **place_of(request),
            table_path=names["predictions.parquet"], model_id=model.model_id,
            window_count=table.count, seizure_windows=seizure_windows,
            manifest_path=names["predictions.json"],
            threshold=rule.threshold,
            status_text=manifest.status_text(entries))

    def _predicted(self, run_id: str, entry: Entry,
                   raised: list[Event]) -> Entry:
        assert entry.recording is not None
        recording = entry.recording
        try:
            content = bids.write_events(
                raised, recording.start, recording.duration_s,
                recording.channel or "n/a",
                entry.signals is None or entry.signals.scorable_s > 0)
        except Exception as error:
            return entry.refuse(problem_of(error))
        self._workspace.write_events(run_id, recording.path, content)
        return replace(entry, predicted=tuple(raised))

    def _model_folder(self) -> Path:
        if self._settings.model:
            return Path(self._settings.model)
        if (BAKED / CARD_FILE).exists():
            return BAKED
        try:
            latest = state.read(self._folder, LATEST, Latest, "model.latest",
                                "train again")
        except MissingError:
            raise state.error("model.missing") from None
        return self._folder.path(f"{MODELS}/{latest.model_id}")


def _check(model: Model, table: tables.Columns) -> None:
    check_features(model, table.metadata.get("schema_id", ""),
                   table_rules.features_of(table))
    hop_s = table.metadata.get("hop_s")
    if hop_s != repr(model.hop_s):
        raise state.error("model.hop", found=hop_s, wanted=model.hop_s)


def _scores(model: Model, rows: tables.Columns,
            rule: AlarmRule) -> tuple[tables.Columns, list[Event]]:
    """Scores of a recording's rows, raw and smoothed, and its alarms."""
    probability = detection.probabilities(
        model, [rows.values[name] for name in model.features],
        rows.values["scorable"])
    smoothed, events = detection.raise_alarms(probability, model.hop_s, rule)
    return tables.Columns(
        {**{name: rows.values[name] for name in KEYS},
         "probability": probability, "smoothed": smoothed},
        {"time_s": "s", "probability": "1", "smoothed": "1"},
        {"model_id": model.model_id, "hop_s": repr(model.hop_s),
         "threshold": repr(rule.threshold),
         "adapt_after_h": repr(rule.adapt_after_h)}), events
