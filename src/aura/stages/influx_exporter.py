"""
The influx-exporter: predictions beside the original annotations, as points.

Each batch becomes ``runs/<run_id>/export/0000.lp.gz`` first, which any
InfluxDB can import; where a server is set the file is then delivered, and a
ledger beside it knows how far.

A server that is away costs no batch its file and no later batch its turn:
an orchestrator ends an rpc for the whole run at its first error. The batch is
answered, its points wait, and each later call delivers what waits. Only when
all batches are here and points still wait does the call fail, as UNAVAILABLE:
it is then that nothing is lost by it, and somebody should know. What waiting
does not mend, a wrong token or bucket, is a failed precondition at once.
"""

import json
import os
import threading
from dataclasses import dataclass
from typing import Any

from aura.errors import AuraError, MissingError, UnavailableError
from aura.influx import chunks, earlier
from aura.influx.delivery import Delivery, Ledger
from aura.influx.store import Store
from aura.influx.target import Target
from aura.rpc.aura_pb2 import ExportReport, PredictionTable
from aura.settings import Settings
from aura.stages.batch_points import BatchPoints, Choice
from aura.stages.run_layout import Workspace, mark_done, run_folder

FILES = "line protocol"


@dataclass(frozen=True)
class _Batch:
    """Where the files of a batch are."""

    run_id: str
    index: int

    def file(self, ending: str) -> str:
        """Path of a file, relative to the workspace."""
        return f"{run_folder(self.run_id)}/export/{self.index:04d}.{ending}"


class ExportStage:
    """Write the points of batches."""

    def __init__(self, workspace: Workspace, settings: Settings) -> None:
        self._workspace = workspace
        self._settings = settings
        self._lock = threading.Lock()
        self._waiting: set[_Batch] = set()
        self._caught_up: set[_Batch] = set()
        self._away = False
        Choice.of(settings)
        Target.of(settings)

    def ready(self) -> bool:
        """Whether the workspace is there and can be written."""
        return os.access(self._workspace.folder.root, os.W_OK)

    def export(self, request: PredictionTable) -> ExportReport:
        """
        Write the points of one batch; the last one writes the run's report.

        A recording that cannot be read any more, or whose clock no store
        can hold, is named in the report; the others are written.
        """
        folder = self._workspace.folder
        batch = _Batch(request.run_id, request.batch_index)
        points = BatchPoints(self._workspace, self._settings, request)
        with folder.replace(batch.file("lp.gz")) as stream:
            chunks.write(stream, points.lines())
        folder.write(batch.file("aliases.json"), _json(points.names))
        content = {
            "run_id": request.run_id, "batch_index": request.batch_index,
            "batch_count": request.batch_count, "is_last": request.is_last,
            "model_id": request.model_id, "points": points.written,
            "files": points.status_text, "left_out": points.left_out,
            "recordings": len(points.names)}
        with self._lock:
            again = batch not in self._caught_up
            self._caught_up.discard(batch)
        self._deliver({batch: content}, again)
        self._finish(request.run_id)
        told = self._read(batch)
        return ExportReport(
            run_id=request.run_id, batch_index=request.batch_index,
            batch_count=request.batch_count, is_last=request.is_last,
            report_path=batch.file("json"), **{
                name: told[name] for name in (
                    "points_written", "points_rejected", "target",
                    "status_text")})

    def complete(self, run_id: str) -> dict[str, Any]:
        """Deliver what of a run is not delivered yet, and write its report."""
        batches = self._batches(run_id)
        if not batches:
            raise MissingError(
                "export.missing", "nothing of this run is exported",
                "run the solution to its end first")
        self._deliver({batch: self._read(batch) for batch in batches})
        self._finish(run_id)
        report: dict[str, Any] = json.loads(self._workspace.folder.read(
            f"{run_folder(run_id)}/export_report.json"))
        return report

    def _batches(self, run_id: str) -> list[_Batch]:
        export = self._workspace.folder.path(f"{run_folder(run_id)}/export")
        return [_Batch(run_id, int(path.stem))
                for path in sorted(export.glob("*.json"))
                if path.stem.isdigit()]

    def _deliver(self, contents: dict[_Batch, dict[str, Any]],
                 again: bool = False) -> None:
        """Send batches and all that waits; each gets its report."""
        target = Target.of(self._settings)
        if target is None:
            for batch, content in contents.items():
                self._write(batch, content, None)
            return
        (run_id, count), = {(batch.run_id, content["batch_count"])
                            for batch, content in contents.items()}
        known = {*self._batches(run_id), *contents}
        with self._lock:
            if len(known) >= count:
                # An exporter before this one may have left some.
                self._waiting |= {
                    batch for batch in known - contents.keys()
                    if self._read(batch)["points_waiting"]}
            chosen = {batch: self._read(batch) for batch in self._waiting
                      if batch.run_id == run_id} | contents
        server = Store(target)
        try:
            self._send(Delivery(
                server, target.name,
                0.0 if self._away else self._settings.influx_patience_s),
                dict(sorted(chosen.items(), key=lambda one: one[0].index)),
                set(contents), again)
        finally:
            server.close()

    def _send(self, delivery: Delivery,
              batches: dict[_Batch, dict[str, Any]],
              asked: set[_Batch], again: bool) -> None:
        folder, why = self._workspace.folder, ""
        for batch, content in batches.items():
            try:
                if not why:
                    delivery.send(folder, batch.file("lp.gz"),
                                  again and batch in asked,
                                  self._earlier(batch, content))
                    with self._lock:
                        self._waiting.discard(batch)
                        self._caught_up |= {batch} - asked
            except UnavailableError as error:
                why = error.text
                with self._lock:
                    self._waiting.add(batch)
            except AuraError as error:
                why = error.text
                raise
            finally:
                known = delivery.ledger(folder, batch.file("lp.gz"))
                self._write(batch, content, known, delivery.target, why)
        # Nobody waits twice for a server that has just kept them waiting.
        self._away = bool(why)

    def _earlier(self, batch: _Batch,
                 content: dict[str, Any]) -> list[earlier.Earlier]:
        """What earlier exports of a batch's recordings may have left."""
        names = json.loads(self._workspace.folder.read(
            batch.file("aliases.json")))
        return [one for name in names for one in earlier.results(
            name["patient"], name["recording"], content["model_id"],
            name["start_ns"], name["end_ns"])]

    def _write(self, batch: _Batch, content: dict[str, Any],
               known: Ledger | None, target: str = FILES,
               why: str = "") -> None:
        """Write the report of a batch; None where no server is set."""
        points, text = content["points"], content["files"]
        stored, rejected = (points, 0) if known is None else (
            known.acknowledged, known.rejected)
        waiting = points - stored - rejected
        if rejected:
            text += f", {rejected} points rejected"
        kept = known.kept if known else ""
        if kept:
            text += f", earlier results stay: {kept}"
        if waiting:
            text += f", {waiting} points wait" + (why and f": {why}")
        self._workspace.folder.write(batch.file("json"), _json({
            **content, "target": target, "points_written": stored,
            "points_rejected": rejected, "points_waiting": waiting,
            "rejected": list(known.named) if known else [],
            "earlier_results_stay": kept,
            "status_text": text}))

    def _read(self, batch: _Batch) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(
            self._workspace.folder.read(batch.file("json")))
        return content

    def _finish(self, run_id: str) -> None:
        """When all batches are there: one report, and the mark of the end."""
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
                "influx.away", f"{total['points_waiting']} points wait in "
                "the run's folder: the InfluxDB server is away",
                f"when it is back: aura export SHARED_FOLDER/{run}")
        mark_done(folder, run_id)


def _json(content: Any) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode(
        "ascii")
