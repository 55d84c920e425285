"""``aura review``."""

import argparse
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aura.cli import console

if TYPE_CHECKING:
    from aura.review.service import ReviewService

PORT = 8062


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    review = verbs.add_parser(
        "review", help="look at predictions beside annotations, on the ECG",
        description="Open a page in the browser: ECG, heart rate, "
        "probability and both annotation layers on one clock; accept, "
        "reject or correct events. Decisions are saved in DIR/.review as "
        "TSV, EDF+ and an audit trail; predictions and recordings are "
        "never changed.",
        epilog="example: aura review predictions")
    review.add_argument("dir", type=Path, metavar="DIR",
                        help="folder that 'aura predict --out' has written, "
                        "or a shared folder with runs/")
    review.add_argument("--port", type=int, default=PORT, metavar="N",
                        help=f"port of the page ({PORT}); 0 takes a free one")
    review.add_argument("--host", default="127.0.0.1",
                        help="address to listen on (127.0.0.1); any other "
                        "than loopback needs the token that is printed, or "
                        "AURA_WEB_TOKEN")
    review.add_argument("--no-open", action="store_true",
                        help="do not open the browser")
    review.add_argument("--html", type=Path, metavar="OUT",
                        help="instead of serving, write one self-contained "
                        "file per recording into the folder OUT")
    review.set_defaults(run=_review)


def _review(given: argparse.Namespace) -> int:
    from aura.review.service import ReviewService
    from aura.review.worklist import HIDDEN, beside_predictions, on_share
    from aura.runners import local
    from aura.settings import Settings
    if (given.dir / "runs").is_dir() and not (given.dir / HIDDEN).is_dir():
        runs = on_share(given.dir, Settings.load(given.dir))
    else:
        runs = beside_predictions(given.dir, local.given)
    service = ReviewService(runs)
    if given.html is not None:
        return _write(service, given.html)
    return _serve(service, given)


def _serve(service: "ReviewService", given: argparse.Namespace) -> int:
    from aura.review.app import PageServer
    from aura.review.guard import Access
    if not 0 <= given.port <= 65535:
        print(f"aura review: --port {given.port}: a port is 0 to 65535",
              file=sys.stderr)
        return 1
    server = PageServer(service, Access.to(given.host, os.environ), given.port)
    count = len(service.runs.worklist().cases)
    print(f"{console.counted(count, 'recording')} to review on "
          f"{server.address} (Ctrl-C ends it)", flush=True)
    print(console.NOT_A_DEVICE, flush=True)
    if not given.no_open:
        import webbrowser
        threading.Thread(target=webbrowser.open, args=(server.address,),
                         daemon=True).start()
    server.run()
    return 0


def _write(service: "ReviewService", out: Path) -> int:
    from aura.dataset.names import recording_stem
    from aura.errors import AuraError
    from aura.folder import Folder
    from aura.review.document import write_document
    folder, bad, done = Folder(out), 0, 0
    for case in service.runs.worklist().cases:
        name = recording_stem(case.recording.path) + ".html"
        try:
            folder.write(name, write_document(service, case.key))
            done += 1
        except AuraError as error:
            print(f"refused {case.recording.path}: {error}", file=sys.stderr)
            bad += 1
    print(f"{console.counted(done, 'page')} in {out}")
    print(console.NOT_A_DEVICE)
    return 1 if not done else 2 if bad else 0
