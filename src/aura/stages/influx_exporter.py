"""The influx-exporter: predictions and annotations, as points of a store."""

from dataclasses import dataclass

import msgspec

from aura import state
from aura.errors import AuraError, UnavailableError, plural
from aura.influx import chunks
from aura.influx.delivery import Delivery, Ledger
from aura.influx.store import Selection, Store, Target, earlier_results
from aura.rpc.aura_pb2 import ExportReport, PredictionTable
from aura.settings import Settings
from aura.stages import completion
from aura.stages.batch_points import Alias, BatchPoints, Choice
from aura.stages.run_layout import Stage, Workspace, place_of, run_folder

FILES = "line protocol"
_AGAIN = "run the export again"


class LeftOut(msgspec.Struct, frozen=True):
    path: str
    rule: str
    text: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    run_id: str
    model_id: str
    points: int
    recordings: int
    left_out: list[LeftOut]
    target: str = FILES
    points_written: int = 0
    points_rejected: int = 0
    points_waiting: int = 0
    rejected: list[str] = []
    earlier_results_stay: str = ""


class BatchReport(Report, frozen=True, kw_only=True):
    batch_index: int
    batch_count: int
    is_last: bool
    files: str  # The status of the files alone
    status_text: str = ""


class RunReport(Report, frozen=True, kw_only=True):
    batches: int


@dataclass(frozen=True, order=True)
class _Batch:
    run_id: str
    index: int

    def file(self, ending: str) -> str:
        return f"{run_folder(self.run_id)}/export/{self.index:04d}.{ending}"


class ExportStage(Stage):
    """Writes the points of batches to files, and delivers the files."""

    def __init__(self, workspace: Workspace, settings: Settings) -> None:
        super().__init__(workspace, settings)
        # Batches that another batch's call has delivered.
        self._caught_up: set[_Batch] = set()
        self._store_away = False
        Choice.of(settings)
        Target.of(settings)

    def export(self, request: PredictionTable) -> ExportReport:
        """Write the points of one batch; the last one ends the run."""
        folder = self._folder
        batch = _Batch(request.run_id, request.batch_index)
        points = BatchPoints(self._workspace, self._settings, request)
        with folder.replace(batch.file("lp.gz")) as stream:
            chunks.write(stream, points.lines())
        state.write(folder, batch.file("aliases.json"), points.names)
        # A repeated call sends everything again: the store may be empty now.
        again = batch not in self._caught_up
        self._caught_up.discard(batch)
        self._deliver({batch: BatchReport(
            **place_of(request), model_id=request.model_id,
            points=points.written, files=points.status_text,
            recordings=len(points.names),
            left_out=[LeftOut(path, problem.rule, problem.text)
                      for path, problem in points.left_out])}, again)
        self._finish(request.run_id)
        report = self._read(batch)
        return ExportReport(
            **place_of(request), report_path=batch.file("json"),
            points_written=report.points_written,
            points_rejected=report.points_rejected, target=report.target,
            status_text=report.status_text)

    def complete(self, run_id: str) -> RunReport:
        """Deliver the points of a run that still wait; return its report."""
        batches = self._batches(run_id)
        if not batches:
            raise state.error("export.missing/stages")
        reports = {batch: self._read(batch) for batch in batches}
        self._deliver(reports)
        self._finish(run_id)
        for batch, report in reports.items():
            completion.finish(self._folder, "export", run_id, batch.index,
                              report.batch_count, self._settings.sinks)
        return self.report(run_id)

    def report(self, run_id: str) -> RunReport:
        """The report of a run whose batches have all been exported."""
        return state.read(
            self._folder, f"{run_folder(run_id)}/export_report.json",
            RunReport, "export.report", _AGAIN)

    def _batches(self, run_id: str) -> list[_Batch]:
        export = self._folder.path(f"{run_folder(run_id)}/export")
        return [_Batch(run_id, int(path.stem))
                for path in sorted(export.glob("*.json"))
                if path.stem.isdigit()]

    def _deliver(self, requested: dict[_Batch, BatchReport],
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
                   if report.points_waiting}
        store = Store(target)
        try:
            self._send(
                # Only the first call waits for a store that is away.
                Delivery(store, target.name, 0.0 if self._store_away
                         else self._settings.influx_patience_s),
                waiting | requested, set(requested), again)
        finally:
            store.close()

    def _send(self, delivery: Delivery, reports: dict[_Batch, BatchReport],
              requested: set[_Batch], again: bool) -> None:
        folder, reason = self._folder, ""
        for batch, report in sorted(reports.items()):
            try:
                if not reason:
                    delivery.send(folder, batch.file("lp.gz"),
                                  again and batch in requested,
                                  self._replaced(batch, report))
                    self._caught_up |= {batch} - requested
            except UnavailableError as error:
                # The call must not fail: an error ends the rpc for the run.
                reason = error.text
            except AuraError as error:
                reason = error.text
                raise
            finally:
                ledger = delivery.ledger(folder, batch.file("lp.gz"))
                self._write(batch, report, ledger, delivery.target, reason)
        self._store_away = bool(reason)

    def _replaced(self, batch: _Batch, report: BatchReport) -> list[Selection]:
        """Results that earlier exports of the recordings may have left."""
        names = state.read(
            self._folder, batch.file("aliases.json"), list[Alias],
            "export.aliases", _AGAIN)
        return [selection for name in names for selection in earlier_results(
            name.patient, name.recording, report.model_id, name.start_ns,
            name.end_ns)]

    def _write(self, batch: _Batch, report: BatchReport, ledger: Ledger | None,
               target: str = FILES, reason: str = "") -> None:
        """Write the report of a batch; no ledger means files only."""
        points, text = report.points, report.files
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
        state.write(self._folder, batch.file("json"), msgspec.structs.replace(
            report, target=target, points_written=stored,
            points_rejected=rejected, points_waiting=waiting,
            rejected=list(ledger.named) if ledger else [],
            earlier_results_stay=kept, status_text=text))

    def _read(self, batch: _Batch) -> BatchReport:
        return state.read(self._folder, batch.file("json"), BatchReport,
                          "export.report", _AGAIN)

    def _finish(self, run_id: str) -> None:
        """If all batches are here, write the run's report and mark the end."""
        folder, run = self._folder, run_folder(run_id)
        parts = [self._read(batch) for batch in self._batches(run_id)]
        if len(parts) < parts[0].batch_count:
            return
        totals = {name: sum(getattr(part, name) for part in parts)
                  for name in ("points", "points_written", "points_rejected",
                               "points_waiting", "recordings")}
        state.write(folder, f"{run}/export_report.json", RunReport(
            run_id=run_id, model_id=parts[0].model_id,
            target=parts[0].target, batches=len(parts), **totals,
            earlier_results_stay=next(filter(None, (
                part.earlier_results_stay for part in parts)), ""),
            rejected=[line for part in parts for line in part.rejected],
            left_out=[one for part in parts for one in part.left_out]))
        if totals["points_waiting"]:
            raise state.error(
                "influx.away/stages", run=run,
                points=plural(totals["points_waiting"], "point"))
