"""The ecg-loader as a gRPC servicer."""

from pathlib import Path

import grpc

from aura.rpc.aura_pb2 import EcgBatch, Empty
from aura.rpc.aura_pb2_grpc import EcgLoaderServicer
from aura.settings import Settings
from aura.stages.ecg_loader import EcgSource
from aura.stages.run_layout import Workspace


class EcgLoader(EcgLoaderServicer):
    """Hand out batches of recordings; each port reads its own folder."""

    def __init__(self, shared: Path, settings: Settings) -> None:
        workspace = Workspace.shared(shared, settings)
        self._training = EcgSource(workspace, settings, "training")
        self._recordings = EcgSource(
            workspace, settings, "recordings", remember=True)

    def load_training(self, request: Empty,
                      context: grpc.ServicerContext) -> EcgBatch:
        """The next batch of annotated recordings, NOT_FOUND at the end."""
        return self._training.next()

    def load_recordings(self, request: Empty,
                        context: grpc.ServicerContext) -> EcgBatch:
        """The next batch of recordings to predict, NOT_FOUND at the end."""
        return self._recordings.next()

    def ready(self) -> bool:
        """Whether one folder is there; a solution wires one port only."""
        return self._training.ready() or self._recordings.ready()
