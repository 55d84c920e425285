"""The seizure-trainer as a gRPC servicer."""

from pathlib import Path

import grpc

from aura.rpc.aura_pb2 import FeatureTable, TrainingReport
from aura.rpc.aura_pb2_grpc import SeizureTrainerServicer
from aura.settings import Settings
from aura.stages.run_layout import Workspace
from aura.stages.trainer import TrainingStage


class SeizureTrainer(SeizureTrainerServicer):
    """Collect the tables of a run, then train and validate a forest."""

    def __init__(self, shared: Path, settings: Settings) -> None:
        self._stage = TrainingStage(
            Workspace.shared(shared, settings), settings)

    def train(self, request: FeatureTable,
              context: grpc.ServicerContext) -> TrainingReport:
        """A report that is done once the run's last table is there."""
        return self._stage.train(request)

    def ready(self) -> bool:
        """Whether everything is there that a call needs."""
        return self._stage.ready()
