"""``aura convert`` and ``aura beats``."""

import argparse
from pathlib import Path
from typing import Any

from aura.cli import console
from aura.settings import Settings


def register(verbs: Any) -> None:
    """Add the verbs to the parser."""
    from aura.annotations.formats import FORMATS
    convert = verbs.add_parser(
        "convert", help="turn annotations into another format",
        description="Write the annotations of recordings, or annotations "
        "that lie alone, in another format, the tree mirrored. 'edf' copies "
        "each recording as EDF+ with its annotations inside. What a format "
        "cannot carry is said; docs/formats.md has the table.",
        epilog="example: aura convert study/ --to bids --out study-bids")
    convert.add_argument("path", type=Path, metavar="IN",
                         help="recordings or annotations: a file, or a "
                         "folder of any layout")
    convert.add_argument("--to", required=True, choices=list(FORMATS),
                         metavar="FORMAT", help=", ".join(FORMATS))
    convert.add_argument("--out", required=True, type=Path, metavar="DIR",
                         help="folder to write to, not the input's")
    convert.set_defaults(run=_convert)
    beats = verbs.add_parser(
        "beats", help="write the beats of recordings as CSV",
        description="Find the R peaks of each recording and write "
        "<recording>.beats.csv with the column beat_time_s, in seconds on "
        "the recording's clock, the tree mirrored. Beats in stretches that "
        "cannot be scored are left out, so that a gap stays there. The "
        "files are recordings themselves, for all other verbs.",
        epilog="example: aura beats study/ --out study-beats")
    beats.add_argument("paths", nargs="+", type=Path, metavar="PATH",
                       help="recordings, or folders of them")
    beats.add_argument("--out", required=True, type=Path, metavar="DIR",
                       help="folder to write to")
    console.add_prefer(beats)
    beats.set_defaults(run=_beats)


def _convert(given: argparse.Namespace) -> int:
    from aura.annotations.formats import FORMATS
    from aura.dataset.convert import convert
    from aura.folder import Folder
    from aura.runners import local
    source = local.given(given.path)
    out = Folder(given.out)
    out.try_writing()
    # Left by runs that were killed; no writer that lives is touched.
    out.sweep()
    done = list(convert(source.folder, source.subfolder, FORMATS[given.to],
                        out))
    if not done:
        raise local.no_recordings()
    console.tell((one.path, problem) for one in done
                 for problem in one.problems)
    written = sum(one.written is not None for one in done)
    print(f"{console.counted(written, 'file')} in {given.out}")
    refused = any(problem.level == "error" for one in done
                  for problem in one.problems)
    return 1 if not written else 2 if refused else 0


def _beats(given: argparse.Namespace) -> int:
    from aura.runners import write_beats
    outcome = write_beats.write(
        given.paths, given.out, console.preferred(given, Settings.load()),
        console.track)
    console.tell_outcome(outcome)
    used = [entry for _, entry in outcome.entries if not entry.refused]
    count = sum(entry.signals.beats for entry in used if entry.signals)
    hours = sum(e.recording.duration_s for e in used if e.recording) / 3600
    print(f"{console.counted(len(used), 'recording')}, {hours:.1f} h: "
          f"{console.counted(count, 'beat')} in {given.out}")
    return outcome.exit_code
