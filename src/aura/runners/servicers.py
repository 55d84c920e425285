"""The blocks' stages as gRPC servicers, imported when they are made."""

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from aura import blocks
from aura.blocks import Block, Servicer
from aura.errors import InvalidInputError, PreconditionError
from aura.rpc import aura_pb2
from aura.settings import Settings, shared_folder


class StageServicer:
    """Answers each rpc of a block with a method of its stage."""

    def __init__(self, block: Block, shared: Path, settings: Settings) -> None:
        from aura.stages.run_layout import Workspace
        module: Any = importlib.import_module(f"aura.stages.{block.folder}")
        workspace = Workspace.shared(shared, settings)
        stage = getattr(module, block.stage)(workspace, settings)
        self.ready: Callable[[], bool] = stage.ready
        self._folder, self._sinks = workspace.folder, settings.sinks
        for rpc, method in block.rpcs.items():
            setattr(self, rpc, self._answering(
                block, rpc, getattr(stage, method)))

    def _answering(self, block: Block, rpc: str,
                   method: Callable[[Any], Any]) -> Callable[..., Any]:
        from aura.stages import completion
        promised = aura_pb2.DESCRIPTOR.services_by_name[
            block.service].methods_by_name[rpc].output_type

        def answer(request: Any, context: grpc.ServicerContext | None) -> Any:
            with completion.noting(self._folder, rpc, request, self._sinks):
                found = method(request)
                kind = getattr(found, "DESCRIPTOR", None)
                if kind is not promised:
                    raise InvalidInputError(
                        "block.answer", f"{rpc} answers "
                        f"{kind.name if kind else type(found).__name__} and "
                        f"not {promised.name}", "correct the method in "
                        f"stages/{block.folder}.py, or protos/aura.proto")
                return found
        return answer


def serve_block(name: str | None) -> int:
    """Serve a block, or ``AURA_BLOCK``, with the environment's settings."""
    from aura.rpc.server import serve
    block = blocks.named(name or os.environ.get("AURA_BLOCK", ""))
    # Only a restart can fix an error in the environment.
    Settings.load()
    return serve(block, lambda: _made(block, shared_folder()))


def _made(block: Block, shared: Path) -> Servicer:
    if shared.exists() and not os.access(shared, os.R_OK | os.X_OK):
        raise PreconditionError(
            "shared.forbidden", "the block may not read the shared folder",
            f"allow user {os.geteuid()} or group {os.getegid()} to read, "
            "write and enter it")
    settings = Settings.load(shared)
    servicer = StageServicer(block, shared, settings)
    if block.name == "influx-exporter" and settings.web_port:
        from aura.review.app import serve_share
        serve_share(shared, settings, os.environ)
    return servicer
