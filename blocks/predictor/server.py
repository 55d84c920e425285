"""The seizure-predictor as a gRPC servicer."""

from pathlib import Path

import grpc

from aura.rpc.aura_pb2 import FeatureTable, PredictionTable
from aura.rpc.aura_pb2_grpc import SeizurePredictorServicer
from aura.settings import Settings
from aura.stages.predictor import PredictionStage
from aura.stages.run_layout import Workspace


class SeizurePredictor(SeizurePredictorServicer):
    """Give each window a probability, and each recording its events."""

    def __init__(self, shared: Path, settings: Settings) -> None:
        self._stage = PredictionStage(
            Workspace.shared(shared, settings), settings)

    def predict(self, request: FeatureTable,
                context: grpc.ServicerContext) -> PredictionTable:
        """One table of probabilities per table of features."""
        return self._stage.predict(request)

    def ready(self) -> bool:
        """Whether everything is there that a call needs."""
        return self._stage.ready()
