"""``aura fetch``."""

import argparse
import sys
from pathlib import Path
from typing import Any

from aura.cli import console


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    from aura.physionet.sets import BASE_URL, SETS
    fetch = verbs.add_parser(
        "fetch", help="download an open set of recordings",
        description="Download an open set of PhysioNet, verify its "
        "checksums, and write the tree that the other verbs read: "
        + "; ".join(f"{one.name}: {one.title}" for one in SETS.values())
        + ". Stopped at any point, the same command goes on from there. "
        "Licence and citation stand in the tree's README.",
        epilog="example: aura fetch szdb --out szdb && aura train szdb "
        "--out model")
    fetch.add_argument("name", metavar="|".join(SETS), choices=list(SETS))
    fetch.add_argument("--out", type=Path, metavar="DIR",
                       help="folder of the tree (the set's name)")
    fetch.add_argument("--beats", action="store_true",
                       help="the annotated beats in place of the waveforms "
                       "(nsr2db has nothing else)")
    fetch.add_argument("--records", nargs="+", metavar="R", default=(),
                       help="only these records")
    fetch.add_argument("--base-url", metavar="URL", default=BASE_URL,
                       help="a mirror: the folder above the sets "
                       f"({BASE_URL})")
    fetch.set_defaults(run=_fetch)


def _fetch(given: argparse.Namespace) -> int:
    from tqdm import tqdm  # type: ignore[import-untyped]

    from aura.physionet import write_tree
    from aura.physionet.sets import LICENCE, PHYSIONET, SETS
    wanted = SETS[given.name]
    out = given.out or Path(wanted.name)
    with tqdm(unit="B", unit_scale=True, disable=None, leave=False) as bar:
        tree = write_tree.tree(wanted, out, given.beats, given.base_url,
                               bar.update)
        done = list(tree.fetch(given.records, bar.set_description))
        tree.finish(wanted.url(given.base_url), complete=not given.records)
    new = sum(one.new for one in done)
    print(f"{console.counted(len(done), 'recording')} of {wanted.name} "
          f"{wanted.version} in {out}, {new} of them fetched now")
    print(f"licence of the data: {LICENCE}\ncite: {wanted.citation}\n"
          f"and:  {PHYSIONET}")
    if wanted.seizures and not given.beats:
        print("patients are told apart by folder; see "
              f"{out / write_tree.README}", file=sys.stderr)
    return 0
