"""
The influx-exporter: predictions beside the original annotations, as points.

Each batch is first written to ``runs/<run_id>/export/0000.lp.gz``, which any
InfluxDB can import. If a store is set, the file is then delivered, and a
ledger next to it records how far.

An unavailable store must not end a run. The orchestrator ends an rpc for the
whole run at its first error, and later batches would not even be written to
files. So the call succeeds, the points wait, and each later call tries once
to deliver all waiting points. If points still wait when all batches are
here, the call fails as UNAVAILABLE: nothing is lost, and the user has to
know. If waiting cannot help, as with a wrong token or bucket, the call fails
at once with a failed precondition.
"""

import json
import os
from dataclasses import dataclass
from typing import Any

from aura.errors import AuraError, MissingError, UnavailableError, plural
from aura.influx import chunks
from aura.influx.delivery import Delivery, Ledger
from aura.influx.store import Selection, Store, Target, earlier_results
from aura.rpc.aura_pb2 import ExportReport, PredictionTable
from aura.settings import Settings
from aura.stages.batch_points import BatchPoints, Choice
from aura.stages.run_layout import Workspace, mark_done, run_folder

FILES = "line protocol"
Report = dict[str, Any]


@dataclass(frozen=True, order=True)
class _Batch:
    """The names of a batch's files."""

    run_id: str
    index: int

    def file(self, ending: str) -> str:
        """Path of a file, relative to the workspace."""
        return f"{run_folder(self.run_id)}/export/{self.index:04d}.{ending}"


class ExportStage:
    """Writes the points of batches to files, and delivers the files."""

    def __init__(self, workspace: Workspace, settings: Settings) -> None:
        self._workspace = workspace
        self._settings = settings
        # Batches that another batch's call has delivered.
        self._caught_up: set[_Batch] = set()
        self._store_away = False
        Choice.of(settings)
        Target.of(settings)

    def ready(self) -> bool:
        """Whether the workspace exists and can be written."""
        return os.access(self._workspace.folder.root, os.W_OK)

    def export(self, request: PredictionTable) -> ExportReport:
        """
        Write the points of one batch; the last one writes the run's report.

        A recording that can no longer be read, or whose clock no store can
        hold, is named in the report; the others are written.
        """
        folder = self._workspace.folder
        batch = _Batch(request.run_id, request.batch_index)
        points = BatchPoints(self._workspace, self._settings, request)
        with folder.replace(batch.file("lp.gz")) as stream:
            chunks.write(stream, points.lines())
        folder.write(batch.file("aliases.json"), _json(points.names))
        # A repeated call sends everything again: the store may be empty now.
        again = batch not in self._caught_up
        self._caught_up.discard(batch)
        self._deliver({batch: {
            "run_id": request.run_id, "batch_index": request.batch_index,
            "batch_count": request.batch_count, "is_last": request.is_last,
            "model_id": request.model_id, "points": points.written,
            "files": points.status_text, "left_out": points.left_out,
            "recordings": len(points.names)}}, again)
        self._finish(request.run_id)
        report = self._read(batch)
        return ExportReport(
            run_id=request.run_id, batch_index=request.batch_index,
            batch_count=request.batch_count, is_last=request.is_last,
            report_path=batch.file("json"), **{
                name: report[name] for name in (
                    "points_written", "points_rejected", "target",
                    "status_text")})

    def complete(self, run_id: str) -> Report:
        """Deliver the points of a run that still wait; return its report."""
        batches = self._batches(run_id)
        if not batches:
            raise MissingError(
                "export.missing", "no batch of this run has been exported",
                "run the prediction solution to its end first")
        self._deliver({batch: self._read(batch) for batch in batches})
        self._finish(run_id)
        report: Report = json.loads(self._workspace.folder.read(
            f"{run_folder(run_id)}/export_report.json"))
        return report

    def _batches(self, run_id: str) -> list[_Batch]:
        export = self._workspace.folder.path(f"{run_folder(run_id)}/export")
        return [_Batch(run_id, int(path.stem))
                for path in sorted(export.glob("*.json"))
                if path.stem.isdigit()]

    def _deliver(self, requested: dict[_Batch, Report],
                 again: bool = False) -> None:
        """Send batches of one run, and those that wait; write reports."""
        target = Target.of(self._settings)
        if target is None:
            for batch, report in requested.items():
                self._write(batch, report, None)
            return
        run_id, = {batch.run_id for batch in requested}
        known = {batch: self._read(batch) for batch in self._batches(run_id)}
        waiting = {batch: report for batch, report in known.items()
                   if report["points_waiting"]}
        store = Store(target)
        try:
            self._send(
                # Only the first call waits for a store that is away.
                Delivery(store, target.name, 0.0 if self._store_away
                         else self._settings.influx_patience_s),
                waiting | requested, set(requested), again)
        finally:
            store.close()

    def _send(self, delivery: Delivery, reports: dict[_Batch, Report],
              requested: set[_Batch], again: bool) -> None:
        folder, reason = self._workspace.folder, ""
        for batch, report in sorted(reports.items()):
            try:
                if not reason:
                    delivery.send(folder, batch.file("lp.gz"),
                                  again and batch in requested,
                                  self._replaced(batch, report))
                    self._caught_up |= {batch} - requested
            except UnavailableError as error:
                reason = error.text
            except AuraError as error:
                reason = error.text
                raise
            finally:
                ledger = delivery.ledger(folder, batch.file("lp.gz"))
                self._write(batch, report, ledger, delivery.target, reason)
        self._store_away = bool(reason)

    def _replaced(self, batch: _Batch, report: Report) -> list[Selection]:
        """Results that earlier exports of the recordings may have left."""
        names = json.loads(self._workspace.folder.read(
            batch.file("aliases.json")))
        return [selection for name in names for selection in earlier_results(
            name["patient"], name["recording"], report["model_id"],
            name["start_ns"], name["end_ns"])]

    def _write(self, batch: _Batch, report: Report, ledger: Ledger | None,
               target: str = FILES, reason: str = "") -> None:
        """Write the report of a batch; no ledger means files only."""
        points, text = report["points"], report["files"]
        stored, rejected, kept = (points, 0, "") if ledger is None else (
            ledger.acknowledged, ledger.rejected, ledger.kept)
        waiting = points - stored - rejected
        if rejected:
            text += f", {plural(rejected, 'point')} rejected"
        if kept:
            text += f", earlier results stay: {kept}"
        if waiting:
            text += f", {plural(waiting, 'point')} waiting" + (
                reason and f": {reason}")
        self._workspace.folder.write(batch.file("json"), _json({
            **report, "target": target, "points_written": stored,
            "points_rejected": rejected, "points_waiting": waiting,
            "rejected": list(ledger.named) if ledger else [],
            "earlier_results_stay": kept, "status_text": text}))

    def _read(self, batch: _Batch) -> Report:
        report: Report = json.loads(
            self._workspace.folder.read(batch.file("json")))
        return report

    def _finish(self, run_id: str) -> None:
        """If all batches are here, write the run's report and mark the end."""
        folder, run = self._workspace.folder, run_folder(run_id)
        parts = [self._read(batch) for batch in self._batches(run_id)]
        if len(parts) < parts[0]["batch_count"]:
            return
        total = {name: sum(part[name] for part in parts) for name in (
            "points", "points_written", "points_rejected", "points_waiting")}
        folder.write(f"{run}/export_report.json", _json({
            "run_id": run_id, "model_id": parts[0]["model_id"],
            "target": parts[0]["target"], "batches": len(parts), **total,
            "recordings": sum(part["recordings"] for part in parts),
            "earlier_results_stay": next(filter(None, (
                part.get("earlier_results_stay", "") for part in parts)), ""),
            **{name: [item for part in parts for item in part[name]]
               for name in ("rejected", "left_out")}}))
        if total["points_waiting"]:
            raise UnavailableError(
                "influx.away", "the InfluxDB server is unavailable, with "
                f"{plural(total['points_waiting'], 'point')} waiting in the "
                "run's folder",
                f"when it is back, run 'aura export SHARED_FOLDER/{run}'")
        mark_done(folder, run_id)


def _json(content: Any) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode(
        "ascii")
