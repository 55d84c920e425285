"""The only table of the blocks: names, rpcs, and the stage of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from aura import state
from aura.errors import InvalidInputError


class Servicer(Protocol):
    """What a server needs besides the rpcs, which are its other methods."""

    def ready(self) -> bool:
        """Whether everything that a call needs is there; quick."""


@dataclass(frozen=True)
class Pod:
    """What a pod of the block asks for, and the most that it gets."""

    cpu: str
    memory: str
    most_cpu: str
    most_memory: str
    replicas: int = 1


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
    pod: Pod
    settings: tuple[str, ...] = ()  # The most important ones
    # Variables that its Compose service passes on, and their defaults.
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def extra(self) -> str:
        """The extra of the package that has the block's libraries."""
        return self.folder.replace("_", "-")


BLOCKS = msgspec.convert(state.beside(__file__)["block"], tuple[Block, ...])


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
