"""The influx-exporter as a gRPC servicer."""

from pathlib import Path

import grpc

from aura.rpc.aura_pb2 import ExportReport, PredictionTable
from aura.rpc.aura_pb2_grpc import InfluxExporterServicer
from aura.settings import Settings
from aura.stages.influx_exporter import ExportStage
from aura.stages.workspace import Workspace


class InfluxExporter(InfluxExporterServicer):
    """Write predictions and original annotations as time series."""

    def __init__(self, shared: Path, settings: Settings) -> None:
        self._stage = ExportStage(
            Workspace.shared(shared, settings), settings)

    def export(self, request: PredictionTable,
               context: grpc.ServicerContext) -> ExportReport:
        """Counts of the points written for one table."""
        return self._stage.export(request)

    def ready(self) -> bool:
        """Whether everything is there that a call needs."""
        return self._stage.ready()
