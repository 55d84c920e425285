"""
Builds the images of all blocks: ``python -m blocks.images --help``.

The platform names an image ``REGISTRY/NAME:TAG``. All images are built from
the repository's root with ``blocks/Dockerfile``.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import aura
from aura.blocks import BLOCKS, Block
from aura.errors import AuraError, PreconditionError
from aura.platform.bundle import image_name
from aura.runners.containers import engine

ROOT = Path(__file__).parents[1]


def build(block: Block, tag: str, root: Path = ROOT,
          options: Sequence[str] = ()) -> None:
    """Build the image of a block from a copy of the repository."""
    command = [engine(), "build", "-q", "-t", tag,
               "-f", f"{root}/blocks/Dockerfile"]
    for name, value in {
            "BLOCK": block.folder, "NAME": block.name,
            "PURPOSE": block.purpose, "VERSION": aura.__version__,
            "REVISION": _revision(root)}.items():
        command += ["--build-arg", f"{name}={value}"]
    if command[0].endswith("podman"):
        # Podman's own format has no health check.
        command += ["--format", "docker"]
    done = subprocess.run(
        [*command, *options, str(root)], stdout=subprocess.DEVNULL)
    if done.returncode:
        raise PreconditionError("images.build", f"cannot build {tag}",
                                "the output above has the reason")


def _revision(root: Path) -> str:
    git = subprocess.run(
        ["git", "-C", str(root), "describe", "--always", "--dirty",
         "--abbrev=40", "--exclude=*"], capture_output=True, text=True)
    return git.stdout.strip() or "unknown"


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the images; the command line's exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m blocks.images", description=__doc__)
    parser.add_argument("--registry", default="aura")
    parser.add_argument("--tag", default="dev")
    parser.add_argument("--base", help="base image; for an image that you "
                        "publish, name its digest")
    parser.add_argument("--push", action="store_true",
                        help="push each image to the registry")
    given = parser.parse_args(arguments)
    options = ["--build-arg", f"BASE={given.base}"] if given.base else []
    try:
        for block in BLOCKS:
            tag = image_name(given.registry, block.name, given.tag)
            print(tag, flush=True)
            build(block, tag, options=options)
            if given.push and subprocess.run([engine(), "push", tag]
                                             ).returncode:
                raise PreconditionError(
                    "images.push", f"cannot push {tag}",
                    "the output above has the reason")
    except AuraError as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
