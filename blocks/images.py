"""
Builds the image of every block: ``python -m blocks.images --help``.

The platform knows an image as ``REGISTRY/NAME:TAG``. What the images hold
stands in the blocks' Dockerfiles; all are built from the repository's root.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import aura
from aura.blocks import BLOCKS, Block
from aura.errors import AuraError, PreconditionError
from aura.runners.containers import engine

ROOT = Path(__file__).parents[1]


def image(block: Block, registry: str, tag: str) -> str:
    """What the platform calls the image of a block."""
    return f"{registry}/{block.name}:{tag}"


def build(block: Block, tag: str, root: Path = ROOT,
          options: Sequence[str] = ()) -> None:
    """
    Build one image.

    Parameters
    ----------
    block : Block
        Whose image it is.
    tag : str
        Full name of the image.
    root : Path
        The repository.
    options : sequence of str
        Further options for the engine's ``build``.

    Raises
    ------
    PreconditionError
        If there is no engine, or the build failed.
    """
    command = [engine(), "build", "-q", "-t", tag,
               "-f", f"{root}/blocks/{block.folder}/Dockerfile",
               "--build-arg", f"VERSION={aura.__version__}",
               "--build-arg", f"REVISION={_revision(root)}"]
    if command[0].endswith("podman"):
        # The format that podman takes by itself has no health check.
        command += ["--format", "docker"]
    done = subprocess.run(
        [*command, *options, str(root)], stdout=subprocess.DEVNULL)
    if done.returncode:
        raise PreconditionError(
            "images.build", f"{tag} could not be built", "see above")


def _revision(root: Path) -> str:
    git = subprocess.run(
        ["git", "-C", str(root), "describe", "--always", "--dirty",
         "--abbrev=40", "--exclude=*"], capture_output=True, text=True)
    return git.stdout.strip() or "unknown"


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the images; the command line's exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--registry", default="aura")
    parser.add_argument("--tag", default="dev")
    parser.add_argument("--base", help="base image, with its digest for "
                        "what is published")
    given = parser.parse_args(arguments)
    options = ["--build-arg", f"BASE={given.base}"] if given.base else []
    try:
        for block in BLOCKS:
            tag = image(block, given.registry, given.tag)
            print(tag, flush=True)
            build(block, tag, options=options)
    except AuraError as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
