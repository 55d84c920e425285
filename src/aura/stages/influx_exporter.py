"""
The influx-exporter: predictions beside the original annotations, as points.

Each batch becomes ``runs/<run_id>/export/0000.lp.gz``, which
``influx write --compression gzip`` imports. Names become aliases here.
"""

import gzip
import json
import os

from google.protobuf import json_format

from aura.rpc.aura_pb2 import ExportReport, PredictionTable
from aura.settings import Settings
from aura.stages.batch_points import BatchPoints, Choice
from aura.stages.workspace import Workspace, mark_done, run_folder

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
        Choice.of(settings)

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
        batch = BatchPoints(self._workspace, self._settings, request)
        run = run_folder(request.run_id)
        path = f"{run}/export/{request.batch_index:04d}.lp.gz"
        with folder.replace(path) as stream, gzip.GzipFile(
                "", "wb", COMPRESSION, stream, mtime=0) as packed:
            for text in batch.lines():
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
            "left_out": batch.left_out, "recordings": batch.names}))
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


def _json(content: dict[str, object]) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode(
        "ascii")
