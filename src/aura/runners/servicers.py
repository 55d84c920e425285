"""The blocks' stages as gRPC servicers, imported when they are made."""

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from aura import blocks, state
from aura.blocks import Block, Servicer
from aura.errors import AuraError
from aura.folder import Folder
from aura.rpc import aura_pb2
from aura.settings import Settings, shared_folder


class StageServicer:
    """Answers each rpc with a stage; a run keeps its first settings."""

    def __init__(self, block: Block, shared: Path, settings: Settings,
                 reload: Callable[[], Settings] | None = None) -> None:
        from aura.stages.run_layout import Workspace
        module: Any = importlib.import_module(f"aura.stages.{block.folder}")
        self._make: Callable[[Settings], Any] = lambda settings: getattr(
            module, block.stage)(Workspace.shared(shared, settings), settings)
        self._reload = reload or (lambda: settings)
        self._folder, self._settings = Folder(shared), settings
        self._made = self._make(settings), settings.sinks
        self._runs: dict[str, tuple[Any, str]] = {}
        for rpc, method in block.rpcs.items():
            setattr(self, rpc, self._answering(block, rpc, method))

    def ready(self) -> bool:
        try:
            stage, _ = self._latest()
        except AuraError:
            if not self._runs:
                raise
            # A run goes on with the settings that it has.
            stage, _ = self._made
        return bool(stage.ready())

    def _latest(self) -> tuple[Any, str]:
        """The stage and the sinks with the settings of this moment."""
        settings = self._reload()
        if settings != self._settings:
            self._made = self._make(settings), settings.sinks
            self._settings = settings
        return self._made

    def _answering(self, block: Block, rpc: str,
                   method: str) -> Callable[..., Any]:
        from aura.stages import completion
        promised = aura_pb2.DESCRIPTOR.services_by_name[
            block.service].methods_by_name[rpc].output_type

        def answer(request: Any, context: grpc.ServicerContext | None) -> Any:
            # A source's request has no run ID; it is in one run at most.
            run = getattr(request, "run_id", rpc)
            stage, sinks = self._runs.get(run) or self._latest()
            self._runs[run] = stage, sinks
            try:
                with completion.noting(self._folder, rpc, request, sinks):
                    result = getattr(stage, method)(request)
                    _check_kind(result, promised, block, rpc)
            except AuraError:
                # No more data, or an error that a setting may correct.
                self._runs.pop(run, None)
                raise
            if getattr(request, "is_last", False):
                self._runs.pop(run, None)
            return result
        return answer


def _check_kind(answer: Any, promised: Any, block: Block, rpc: str) -> None:
    kind = getattr(answer, "DESCRIPTOR", None)
    if kind is not promised:
        raise state.error(
            "block.answer", rpc=rpc, wanted=promised.name, folder=block.folder,
            found=kind.name if kind else type(answer).__name__)


def serve_block(name: str | None) -> int:
    """Serve a block, or ``AURA_BLOCK``, with the environment's settings."""
    from aura.rpc.server import serve
    block = blocks.named(name or os.environ.get("AURA_BLOCK", ""))
    # Only a restart can fix an error in the environment.
    Settings.load()
    return serve(block, lambda: _made(block, shared_folder()))


def _made(block: Block, shared: Path) -> Servicer:
    if shared.exists() and not os.access(shared, os.R_OK | os.X_OK):
        raise state.error(
            "shared.forbidden", user=os.geteuid(), group=os.getegid())
    settings = Settings.load(shared)
    servicer = StageServicer(
        block, shared, settings, lambda: Settings.load(shared))
    if block.name == "influx-exporter" and settings.web_port:
        from aura.review.app import serve_share
        serve_share(shared, settings, os.environ)
    return servicer
