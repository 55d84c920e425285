"""The trainer: collects the feature tables of a run, trains and validates."""

import json
from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format

from aura import state
from aura.detector import training
from aura.detector.forest import MODEL_FEATURES, Example
from aura.detector.model import CARD_FILE, Model, load_model, save_model
from aura.ecg import features
from aura.errors import AuraError, PreconditionError
from aura.rpc.aura_pb2 import FeatureTable, TrainingReport
from aura.stages import manifest, table_rules
from aura.stages.run_layout import LATEST, MODELS, Stage, run_folder

_COLUMNS = ("recording", "time_s", "scorable", "hr_rise", "hr_from_peak",
            "mean_hr", *MODEL_FEATURES)


class TrainingStage(Stage):
    """Train once the last table of a run has arrived."""

    def train(self, request: FeatureTable) -> TrainingReport:
        if request.schema_id != features.SCHEMA_ID:
            self._table(request, manifest.read(
                self._folder, request.manifest_path))
        arrived = self._record(request)
        if len(arrived) < request.batch_count:
            return TrainingReport(
                run_id=request.run_id, schema_id=request.schema_id,
                status_text=f"{len(arrived)} of {request.batch_count} "
                            "batches have arrived")
        recordings = list(self._recordings(arrived))
        examples = [example for _, example in recordings]
        try:
            model = training.train(
                examples, target_far=self._settings.target_far,
                seed=self._settings.seed,
                adapt_after_h=self._settings.adapt_after_h,
                digest=training.fingerprint(
                    head for head, _ in recordings),
                taken_as_free=sum(
                    "taken_as_free" in head for head, _ in recordings))
        except PreconditionError as error:
            return self._finish(request, TrainingReport(
                status_text=str(error),
                train_rows=sum(len(e.time_s) for e in examples)))
        return self._finish(request, self._keep(model))

    def _record(self, request: FeatureTable) -> list[FeatureTable]:
        """Record a table; return all tables of the run so far, in order."""
        # On the shared folder: the trainer may be restarted during a run.
        if not 0 <= request.batch_index < request.batch_count:
            raise state.error(
                "train.batch", index=request.batch_index,
                count=request.batch_count)
        place = f"{run_folder(request.run_id)}/arrived"
        self._folder.write(
            f"{place}/{request.batch_index:04d}.json",
            json_format.MessageToJson(request).encode("ascii"))
        names = sorted(
            path.name for path in self._folder.path(place).glob("*.json"))
        tables_so_far = [self._arrived(f"{place}/{name}") for name in names]
        # A table with another count is left from an earlier run.
        return [one for one in tables_so_far
                if one.batch_count == request.batch_count]

    def _arrived(self, name: str) -> FeatureTable:
        try:
            return json_format.Parse(self._folder.read(name), FeatureTable())
        except (json_format.Error, ValueError, RecursionError):
            raise state.error("train.arrived", name=name) from None

    def _recordings(self, arrived: list[FeatureTable]) -> Iterator[
            tuple[dict[str, Any], Example]]:
        """Yield the identity and the rows of each recording to learn from."""
        batches = [manifest.read(self._folder, request.manifest_path)
                   for request in arrived]
        is_free = self._workspace.free_of_seizures(
            {batch.input for batch in batches if batch.has_annotations
             and not self._settings.annotated_only},
            [one for batch in batches for _, one in batch.recordings])
        for request, batch in zip(arrived, batches, strict=True):
            table = self._table(request, batch)
            hop_s = table.head.number("hop_s")
            for (_, one), rows in zip(
                    batch.recordings, table.each(), strict=True):
                usable = one.annotated and one.understood
                if not len(rows) or not (
                        usable or is_free(batch.input, one)):
                    continue
                head = training.head_of(one)
                if not one.annotated:
                    head["taken_as_free"] = True
                yield head, training.example_of(one, rows.values, hop_s)

    def _table(self, request: FeatureTable,
               batch: manifest.Manifest) -> table_rules.Checked:
        table = table_rules.check(
            self._folder, request.table_path, "features", batch, _COLUMNS)
        features.require(
            [one for one in features.SCHEMA if one.name in _COLUMNS],
            features.SCHEMA_ID, table_rules.features_of(table.head),
            table.head.metadata.get("schema_id", ""), "train.schema",
            "the trainer",
            "use the feature-builder and the trainer of one version")
        return table

    def _keep(self, model: Model) -> TrainingReport:
        path = f"{MODELS}/{model.model_id}"
        if not self._has(path, model):
            save_model(self._folder.path(path), model)
        state.write(self._folder, LATEST, {"model_id": model.model_id})
        validated = model.card["validation"]
        pooled = validated["pooled"]
        return TrainingReport(
            model_path=path, model_id=model.model_id,
            train_rows=model.card["data"]["rows_learnt_from"],
            roc_auc=_number(validated["row_roc_auc"]),
            sensitivity=_number(pooled["sensitivity"]["value"]),
            false_alarms_per_24h=_number(
                pooled["false_alarms_per_24h"]["value"]),
            status_text=f"{validated['verdict']}. The smallest false alarm "
            "rate that these hours can show is "
            f"{validated['smallest_resolvable_false_alarms_per_24h']:.2f} "
            "per 24 h.")

    def _has(self, path: str, model: Model) -> bool:
        """Whether the same model is there; others may be using it."""
        try:
            there = load_model(self._folder.path(path))
        except AuraError:
            return False
        return (there.model_id == model.model_id
                and there.card == json.loads(json.dumps(model.card)))

    def _finish(self, request: FeatureTable,
                report: TrainingReport) -> TrainingReport:
        run = run_folder(request.run_id)
        report.run_id, report.done = request.run_id, True
        report.schema_id = request.schema_id
        report.report_path = f"{run}/training_report.json"
        content = json_format.MessageToDict(
            report, preserving_proto_field_name=True)
        if report.model_path:
            content["card"] = json.loads(self._folder.read(
                f"{report.model_path}/{CARD_FILE}"))
        state.write(self._folder, report.report_path, content)
        return report


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
