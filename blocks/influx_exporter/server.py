"""The influx-exporter as a gRPC servicer."""

import os
from pathlib import Path

import grpc

from aura.rpc.aura_pb2 import ExportReport, PredictionTable
from aura.rpc.aura_pb2_grpc import InfluxExporterServicer
from aura.settings import Settings
from aura.stages.influx_exporter import ExportStage
from aura.stages.run_layout import Workspace


class InfluxExporter(InfluxExporterServicer):
    """
    Write predictions and original annotations as time series.

    Where a port is set for it, the review page is served beside.
    """

    def __init__(self, shared: Path, settings: Settings) -> None:
        self._stage = ExportStage(
            Workspace.shared(shared, settings), settings)
        if settings.web_port:
            # Whoever does not want the page does not wait for its imports.
            from aura.review.app import serve_share
            serve_share(shared, settings, os.environ)

    def export(self, request: PredictionTable,
               context: grpc.ServicerContext) -> ExportReport:
        """Counts of the points written for one table."""
        return self._stage.export(request)

    def ready(self) -> bool:
        """Whether everything is there that a call needs."""
        return self._stage.ready()
