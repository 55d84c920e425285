"""
The table of the five blocks: names, rpcs, and the stage that does the work.

Servers, runners, images and documents read this table; no other list exists.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from aura.errors import InvalidInputError


class Servicer(Protocol):
    """What a server needs besides the rpcs, which are methods of their names.
    """

    def ready(self) -> bool:
        """Whether everything that a call needs is there; quick."""


@dataclass(frozen=True)
class Block:
    """One block of the two solutions."""

    folder: str  # Folder below ``blocks/``, module below ``aura.stages``
    # Name on the platform, of the image and of the Kubernetes objects.
    name: str
    service: str  # The gRPC service
    stage: str  # Class of the stage
    # Method of the stage for each rpc; no other block has an rpc of that name.
    rpcs: Mapping[str, str]
    purpose: str  # What it does, for the label of its image
    needs: str  # What must exist before it is ready; completes "it needs"


BLOCKS = (
    Block("ecg_loader", "ecg-loader", "EcgLoader", "LoaderStage",
          {"load_training": "next_training",
           "load_recordings": "next_recordings"},
          "Hand out ECG recordings in batches",
          "recordings in training/ or recordings/ on the shared folder"),
    Block("feature_builder", "feature-builder", "FeatureBuilder",
          "FeatureStage", {"build_features": "build"},
          "Turn ECG recordings into tables of features",
          "a shared folder with write permission"),
    Block("trainer", "seizure-trainer", "SeizureTrainer",
          "TrainingStage", {"train": "train"},
          "Train and validate a forest that detects seizures",
          "a shared folder with write permission"),
    Block("predictor", "seizure-predictor", "SeizurePredictor",
          "PredictionStage", {"predict": "predict"},
          "Predict seizures from tables of features",
          "a valid model: run a training first, or set AURA_MODEL"),
    Block("influx_exporter", "influx-exporter", "InfluxExporter",
          "ExportStage", {"export": "export"},
          "Write predictions and annotations as time series",
          "a shared folder with write permission"),
)


def named(name: str) -> Block:
    """The block with a platform name or folder."""
    for block in BLOCKS:
        if name in (block.name, block.folder):
            return block
    raise InvalidInputError(
        "block.unknown", f"there is no block {name!r}",
        "the blocks are " + ", ".join(block.name for block in BLOCKS))


def offering(rpc: str) -> Block:
    """
    The block that implements an rpc.

    Nodes are found by rpc because a model that was onboarded under its own
    name is still the predictor.
    """
    for block in BLOCKS:
        if rpc in block.rpcs:
            return block
    raise InvalidInputError(
        "block.no_such_rpc", f"no block has an rpc {rpc!r}",
        "the rpcs are " + ", ".join(
            rpc for block in BLOCKS for rpc in block.rpcs))
