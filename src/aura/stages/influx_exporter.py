"""
The influx-exporter: predictions beside the original annotations, as points.

Each batch becomes ``runs/<run_id>/export/0000.lp.gz``, which
``influx write --compression gzip`` imports. Names become aliases here.
"""

import gzip
import json
import os
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import numpy as np
from google.protobuf import json_format

from aura import intake, points, rr, tables
from aura.errors import AuraError, InvalidInputError
from aura.identity import alias
from aura.points import Series
from aura.recording import Recording
from aura.rpc.aura_pb2 import ExportReport, PredictionTable
from aura.settings import Settings
from aura.stages import manifest
from aura.stages.manifest import Entry, Manifest
from aura.stages.workspace import (
    Workspace,
    batch_file,
    mark_done,
    run_folder,
)

TARGET = "line protocol"
COMPRESSION = 6


class ExportStage:
    """
    Write the points of batches.

    Parameters
    ----------
    workspace : Workspace
    settings : Settings

    Raises
    ------
    InvalidInputError
        If the time zone is not known.
    """

    def __init__(self, workspace: Workspace, settings: Settings) -> None:
        self._workspace = workspace
        self._settings = settings
        _zone(settings)

    def ready(self) -> bool:
        """Whether the workspace is there and can be written."""
        return os.access(self._workspace.folder.root, os.W_OK)

    def export(self, request: PredictionTable) -> ExportReport:
        """
        Write the points of one batch; the last one writes the run's report.

        A recording that cannot be read any more, or whose clock no store
        can hold, is named in the report; the others are written.

        Parameters
        ----------
        request : PredictionTable

        Returns
        -------
        ExportReport
        """
        folder = self._workspace.folder
        batch = _Batch(self._workspace, self._settings, request)
        run = run_folder(request.run_id)
        path = f"{run}/export/{request.batch_index:04d}.lp.gz"
        with folder.replace(path) as stream, gzip.GzipFile(
                "", "wb", COMPRESSION, stream, mtime=0) as packed:
            for text in batch.points():
                packed.write(text)
        report = ExportReport(
            run_id=request.run_id, batch_index=request.batch_index,
            batch_count=request.batch_count, is_last=request.is_last,
            points_written=batch.written, points_rejected=0, target=TARGET,
            report_path=f"{run}/export/{request.batch_index:04d}.json",
            status_text=batch.status_text)
        folder.write(report.report_path, _json({
            **json_format.MessageToDict(
                report, preserving_proto_field_name=True),
            "left_out": batch.left_out}))
        self._finish(request)
        return report

    def _finish(self, request: PredictionTable) -> None:
        """When all batches are there: one report, and the mark of the end."""
        folder = self._workspace.folder
        run = run_folder(request.run_id)
        reports = sorted(folder.path(f"{run}/export").glob("*.json"))
        if len(reports) < request.batch_count:
            return
        parts = [json.loads(folder.read(f"{run}/export/{path.name}"))
                 for path in reports]
        folder.write(f"{run}/export_report.json", _json({
            "run_id": request.run_id, "model_id": request.model_id,
            "target": TARGET, "batches": len(parts),
            "points_written": sum(
                int(part.get("points_written", 0)) for part in parts),
            "points_rejected": 0,
            "left_out": [item for part in parts
                         for item in part["left_out"]]}))
        mark_done(folder, request.run_id)


class _Batch:
    """The points of one batch, counted as they are handed out."""

    def __init__(self, workspace: Workspace, settings: Settings,
                 request: PredictionTable) -> None:
        folder = workspace.folder
        self.written = 0
        self.left_out: list[dict[str, str]] = []
        self._settings = settings
        self._request = request
        self._manifest: Manifest = manifest.read(
            folder, request.manifest_path)
        self._input = workspace.input_of(self._manifest.input)
        index = request.batch_index

        def table(name: str, *columns: str) -> tables.Columns:
            return tables.read(folder.read(
                batch_file(request.run_id, index, name)), columns)

        self._beats = table("beats.parquet")
        self._features = table(
            "features.parquet", "recording", "time_s", "mean_hr", "hr_base")
        self._predictions = tables.read(
            folder.read(request.table_path),
            ("recording", "time_s", "smoothed"))

    @property
    def status_text(self) -> str:
        """One line for the reply."""
        text = manifest.status_text(self._manifest.entries)
        if self.left_out:
            text += f", {len(self.left_out)} not exported"
        return text

    def points(self) -> Iterator[bytes]:
        """Yield line protocol; count lines and note what is left out."""
        for number, entry in enumerate(self._manifest.entries):
            if entry.recording is None:
                continue
            try:
                for text in self._recording(number, entry, entry.recording):
                    self.written += text.count(b"\n")
                    yield text
            except AuraError as error:
                self._leave_out(entry, error.rule, error.text)
            except OSError as error:
                self._leave_out(entry, "path.read",
                                f"reading failed: {error.strerror}")

    def _leave_out(self, entry: Entry, rule: str, text: str) -> None:
        self.left_out.append({"path": entry.path, "rule": rule, "text": text})

    def _recording(self, number: int, entry: Entry,
                   recording: Recording) -> Iterator[bytes]:
        series = Series(
            recording.patient,
            alias("r", recording.path, self._settings.alias_key),
            points.start_ns(recording.start, _zone(self._settings)))
        if recording.fs_hz is not None:
            with intake.open_signal(self._input, recording) as signal:
                yield from points.ecg(series, signal, recording.channel)
        beats = _rows(self._beats, number)
        yield points.beats(series, beats["time_s"], beats["rr_s"],
                           beats["kind"] == rr.Kind.NORMAL)
        rate = _rows(self._features, number)
        yield points.heart_rate(
            series, rate["time_s"], rate["mean_hr"], rate["hr_base"])
        predicted = _rows(self._predictions, number)
        model_id = self._request.model_id
        yield points.probability(
            series, model_id, predicted["time_s"], predicted["smoothed"],
            self._request.threshold)
        if entry.signals is not None:
            yield points.unscorable(series, entry.signals.unscorable)
        yield points.events(series, "original", recording.events)
        yield points.events(
            series, "predicted", entry.predicted or (), model_id)


def _rows(table: tables.Columns, number: int) -> dict[str, np.ndarray]:
    numbers = table.values["recording"]
    rows = slice(*np.searchsorted(numbers, [number, number + 1]))
    return {name: column[rows] for name, column in table.values.items()}


def _zone(settings: Settings) -> ZoneInfo:
    try:
        return ZoneInfo(settings.timezone)
    except (OSError, ValueError, KeyError):
        raise InvalidInputError(
            "settings.timezone", f"{settings.timezone[:60]!r} is no time "
            "zone", "set AURA_EDF_TIMEZONE to one like Europe/Paris"
        ) from None


def _json(content: dict[str, object]) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode(
        "ascii")
