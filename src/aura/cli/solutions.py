"""``aura solution`` and ``aura onboard``: what the platform is given."""

import argparse
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from aura.cli import console
from aura.cli.serving import SOLUTIONS, blueprint_text

BIGGEST_FILE = 4 * 2 ** 20


def register(verbs: Any) -> None:
    """Add the verbs to the parser."""
    _register_solution(verbs)
    onboard = verbs.add_parser(
        "onboard", help="make a trained model a block of its own",
        description="Write the build context of an image that carries the "
        "model and predicts with it, and a script that onboards the image "
        "on the platform. The model is checked first.",
        epilog="example: aura onboard model --registry registry.example.org/"
        "aura --tag 1.0 --out context && podman build context")
    onboard.add_argument("model", type=Path, metavar="MODEL",
                         help="folder that a training has written")
    _add_images(onboard, "the seizure-predictor's image to build upon")
    onboard.add_argument("--name", metavar="N",
                         help="name of the block on the platform "
                         "(seizure-predictor- and 8 digits of the model's id)")
    onboard.set_defaults(run=_onboard)


def _register_solution(verbs: Any) -> None:
    parser = verbs.add_parser(
        "solution", help="write or check what the platform downloads",
        description="A solution as the platform hands it out: blueprint, "
        "addresses, protos and Kubernetes files.")
    actions = parser.add_subparsers(
        dest="action", metavar="ACTION", required=True)
    bundle = actions.add_parser(
        "bundle", help="write the files of a solution",
        description="Write the files that the platform's download holds.",
        epilog="example: aura solution bundle training --registry "
        "registry.example.org/aura --tag 1.0 --out training-solution")
    bundle.add_argument("solution", choices=SOLUTIONS)
    _add_images(bundle, "the blocks' images")
    bundle.set_defaults(run=_bundle)
    check = actions.add_parser(
        "check", help="find what the platform would refuse or wire wrongly",
        description="Look at all files of a solution, written by 'aura "
        "solution bundle' or downloaded from the platform. Exit code 0: "
        "nothing was found; 1: each finding stands on a line.",
        epilog="example: aura solution check training-solution")
    check.add_argument("folder", type=Path, metavar="DIR")
    check.set_defaults(run=_check)


def _add_images(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--registry", required=True, metavar="R",
                        help=f"where {what} are: R/<name>:T")
    parser.add_argument("--tag", required=True, metavar="T",
                        help="tag of the images")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR",
                        help="folder to write; what an earlier call wrote "
                        "there is replaced")


def _block_file(folder: str, name: str) -> str:
    """A file of a block, such as its ``model.proto``."""
    return resources.files("blocks").joinpath(folder, name).read_text("utf-8")


def _bundle(given: argparse.Namespace) -> int:
    from aura import blocks
    from aura.platform import blueprint
    from aura.platform.bundle import BLUEPRINT_FILE, make_bundle, with_images
    content = with_images(
        json.loads(blueprint_text(given.solution)), given.registry,
        given.tag)
    nodes = blueprint.parse(json.dumps(content)).nodes
    files = make_bundle(content, {
        node.name: _block_file(
            blocks.offering(node.rpcs[0].name).folder, "model.proto")
        for node in nodes})
    _write(given.out, files, BLUEPRINT_FILE)
    print(f"{len(files)} files of the solution "
          f"{content['name']} in {given.out}")
    return 0


def _check(given: argparse.Namespace) -> int:
    from aura.platform import bundle_rules
    problems = bundle_rules.check(_read(given.folder))
    for problem in problems:
        print(f"{problem.rule}: {problem.text}")
    if not problems:
        print(f"{given.folder}: nothing that the platform would refuse")
    return 1 if problems else 0


def _onboard(given: argparse.Namespace) -> int:
    from aura.platform import onboarding
    image, files = onboarding.context(
        given.model, given.registry, given.tag, given.name,
        {name: _block_file("predictor", name)
         for name in ("model.proto", "license.json")})
    _write(given.out, files, onboarding.REQUEST_FILE)
    request = given.out / onboarding.REQUEST_FILE
    request.chmod(0o755)
    print(f"build context in {given.out}; next:\n"
          f"  docker build -t {image} {given.out}\n"
          f"  docker push {image}\n"
          f"  ACUMOS_TOKEN=user:token {request} HOST")
    print(console.NOT_A_DEVICE)
    return 0


def _read(folder: Path) -> dict[str, bytes]:
    from aura.errors import MissingError
    from aura.folder import Folder
    from aura.platform.bundle import (
        BLUEPRINT_FILE,
        DEPLOYMENTS,
        DOCKERINFO_FILE,
        PROTOS,
    )
    if not folder.is_dir():
        raise MissingError("solution.folder", f"there is no folder {folder}",
                           "unzip the download, or run 'aura solution "
                           "bundle'")
    inside = Folder(folder)
    found = {}
    for pattern in (BLUEPRINT_FILE, DOCKERINFO_FILE, f"{PROTOS}/*.proto",
                    f"{DEPLOYMENTS}/*.yaml", f"{DEPLOYMENTS}/*.yml"):
        for path in sorted(inside.root.glob(pattern)):
            name = path.relative_to(inside.root).as_posix()
            with inside.open(name) as stream:
                found[name] = stream.read(BIGGEST_FILE)
    return found


def _write(out: Path, files: Mapping[str, bytes], mark: str) -> None:
    """Write a folder; of an earlier one nothing is left to be mixed up."""
    from aura.errors import PreconditionError
    from aura.folder import Folder
    if out.is_dir() and any(out.iterdir()):
        if not (out / mark).is_file():
            raise PreconditionError(
                "out.taken", f"{out} holds something else",
                "name a new or empty folder")
        for below in {Path(name).parent for name in files} - {Path(".")}:
            for path in (out / below).glob("*"):
                if path.is_file():
                    path.unlink()
    folder = Folder(out)
    for name, content in files.items():
        folder.write(name, content).chmod(0o644)
