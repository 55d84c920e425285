"""The feature-builder as a gRPC servicer."""

from pathlib import Path

import grpc

from aura.rpc.aura_pb2 import EcgBatch, FeatureTable
from aura.rpc.aura_pb2_grpc import FeatureBuilderServicer
from aura.settings import Settings
from aura.stages.feature_builder import FeatureStage
from aura.stages.run_layout import Workspace


class FeatureBuilder(FeatureBuilderServicer):
    """Turn each batch of recordings into one table of features."""

    def __init__(self, shared: Path, settings: Settings) -> None:
        self._stage = FeatureStage(
            Workspace.shared(shared, settings), settings)

    def build_features(self, request: EcgBatch,
                       context: grpc.ServicerContext) -> FeatureTable:
        """One table per batch; unusable windows are rows without numbers."""
        return self._stage.build(request)

    def ready(self) -> bool:
        """Whether everything is there that a call needs."""
        return self._stage.ready()
