"""The only table of the five blocks: names, rpcs, and the stage of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from aura import state
from aura.errors import InvalidInputError


class Servicer(Protocol):
    """What a server needs besides the rpcs, which are its other methods."""

    def ready(self) -> bool:
        """Whether everything that a call needs is there; quick."""


@dataclass(frozen=True)
class Block:
    folder: str  # Folder below ``blocks/``, module below ``aura.stages``
    # Name on the platform, of the image and of the Kubernetes objects.
    name: str
    service: str  # The gRPC service
    stage: str  # Class of the stage
    # Method of the stage for each rpc; no other block has an rpc of that name.
    rpcs: Mapping[str, str]
    purpose: str  # What it does, for the label of its image
    needs: str  # What must exist before it is ready; completes "it needs"


BLOCKS = tuple(
    Block(**about) for about in state.beside(__file__)["block"])


def named(name: str) -> Block:
    for block in BLOCKS:
        if name in (block.name, block.folder):
            return block
    raise InvalidInputError(
        "block.unknown", f"there is no block {name!r}",
        "the blocks are " + ", ".join(block.name for block in BLOCKS))


def offering(rpc: str) -> Block:
    # A model that was onboarded under its own name is still the predictor.
    for block in BLOCKS:
        if rpc in block.rpcs:
            return block
    raise InvalidInputError(
        "block.no_such_rpc", f"no block has an rpc {rpc!r}",
        "the rpcs are " + ", ".join(
            rpc for block in BLOCKS for rpc in block.rpcs))
