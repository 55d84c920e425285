"""
The five blocks as data: what each is called, offers and needs.

A block's *folder* is its short name in this project, its *name* is what the
platform shows, its *service* what gRPC calls. Servers, runners and documents
read this table; nothing else lists the blocks.
"""

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from aura.errors import InvalidInputError
from aura.settings import Settings


class Servicer(Protocol):
    """What a block's ``server.py`` offers besides its rpcs."""

    def ready(self) -> bool:
        """Whether everything is there that a call needs; quick."""


@dataclass(frozen=True)
class Block:
    """One block of the two solutions."""

    folder: str  # Folder below ``blocks/``
    # Name on the platform, of the image and of the Kubernetes objects.
    name: str
    # The gRPC service, and the class in ``server.py`` that implements it.
    service: str
    # Names of its rpcs; no other block has an rpc of these names.
    rpcs: tuple[str, ...]
    # What has to be there before it is ready, to complete "it needs".
    needs: str

    def servicer(self, shared: Path, settings: Settings) -> Servicer:
        """Make the servicer; imports what the block, and only it, depends on.
        """
        module: Any = importlib.import_module(f"blocks.{self.folder}.server")
        servicer: Servicer = getattr(module, self.service)(shared, settings)
        return servicer


BLOCKS = (
    Block("ecg_loader", "ecg-loader", "EcgLoader",
          ("load_training", "load_recordings"),
          "recordings in training/ or recordings/ on the shared folder"),
    Block("feature_builder", "feature-builder", "FeatureBuilder",
          ("build_features",), "a shared folder that can be written"),
    Block("trainer", "seizure-trainer", "SeizureTrainer",
          ("train",), "a shared folder that can be written"),
    Block("predictor", "seizure-predictor", "SeizurePredictor",
          ("predict",), "a sound model: train one, or set AURA_MODEL"),
    Block("influx_exporter", "influx-exporter", "InfluxExporter",
          ("export",), "a shared folder that can be written"),
)


def named(name: str) -> Block:
    """The block of a platform name or folder."""
    for block in BLOCKS:
        if name in (block.name, block.folder):
            return block
    raise InvalidInputError(
        "block.unknown", f"there is no block {name!r}",
        "blocks are " + ", ".join(block.name for block in BLOCKS))


def offering(rpc: str) -> Block:
    """
    The block that implements an rpc.

    A node is known by its rpcs rather than by its name, since a trained
    model that was onboarded under a name of its own is the same block.
    """
    for block in BLOCKS:
        if rpc in block.rpcs:
            return block
    raise InvalidInputError(
        "block.no_such_rpc", f"no block has an rpc {rpc!r}",
        "rpcs are " + ", ".join(
            rpc for block in BLOCKS for rpc in block.rpcs))
