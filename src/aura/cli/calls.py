"""``aura call``."""

import argparse
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from aura.settings import Settings, shared_folder

# EX_TEMPFAIL of sysexits.h, which mail and batch systems know.
AGAIN_LATER = 75


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    call = verbs.add_parser(
        "call", help="call one rpc of one block once",
        description="Call one rpc in this process: JSON in, JSON out, the "
        "work on the shared folder. A source (load_training, "
        "load_recordings) takes no message and answers the list of all its "
        "batches; the others answer a message with a message, and a list "
        "with a list.",
        epilog="example: aura call load_recordings --shared DIR --out b.json"
        " && aura call build_features --shared DIR < b.json  "
        "(exit codes: 0 done; 75 the same call may succeed later, a store "
        "or disk being away; 1 something has to change first)")
    call.add_argument("rpc", metavar="RPC",
                      help="load_training, load_recordings, build_features, "
                      "train, predict or export")
    call.add_argument("--message", action="append", metavar="JSON",
                      help="one message or a list of messages; may be "
                      "repeated. Else the standard input is read")
    call.add_argument("--shared", type=Path, metavar="DIR",
                      help="the shared folder (SHARED_FOLDER_PATH, or "
                      "/data/shared)")
    call.add_argument("--out", type=Path, metavar="FILE",
                      help="write the answer there instead of the standard "
                      "output")
    call.set_defaults(run=_call)


def _call(given: argparse.Namespace) -> int:
    from aura.errors import AuraError, ResourceError, UnavailableError
    try:
        return _answer(given)
    except (UnavailableError, ResourceError, OSError) as error:
        said = error if isinstance(error, AuraError) else (
            f"{error.filename or 'a file'}: {error.strerror or error}")
        print(f"aura call: {said}", file=sys.stderr)
        return AGAIN_LATER


def _answer(given: argparse.Namespace) -> int:
    from aura.errors import InvalidInputError, MissingError
    from aura.folder import Folder
    from aura.runners import calls
    source = calls.takes_nothing(given.rpc)
    shared = given.shared or shared_folder()
    if not shared.is_dir():
        raise MissingError("run.no_folder", f"there is no folder {shared}",
                           "make it, or name another with --shared")
    if source and given.message:
        raise InvalidInputError(
            "call.message", f"{given.rpc} takes no message",
            "leave it out")
    texts = [] if source else given.message or [_input()]
    requests = calls.requests(given.rpc, texts)
    if os.environ.get("AURA_ENDS_WITH_INPUT") == "1":
        threading.Thread(target=_end_with_input, daemon=True).start()
    answers = calls.call(
        given.rpc, requests, shared, Settings.load(shared),
        lambda answer: _tell(given.rpc, answer))
    whole: Any = answers
    if not source and len(texts) == 1 and not texts[0].lstrip().startswith(
            "["):
        whole = answers[0]
    text = json.dumps(whole, indent=1) + "\n"
    if given.out is None:
        sys.stdout.write(text)
    else:
        out = Path(os.path.abspath(given.out))
        Folder(out.parent).write(out.name, text.encode("ascii"))
    return 0


def _input() -> str:
    """The message on the standard input."""
    if os.environ.get("AURA_ENDS_WITH_INPUT") != "1":
        return sys.stdin.read()
    return sys.stdin.readline()


def _end_with_input() -> None:
    """End this process when whoever holds its input has ended."""
    sys.stdin.read()
    os._exit(AGAIN_LATER)


def _tell(rpc: str, answer: Any) -> None:
    count = getattr(answer, "batch_count", 0)
    place = f" {answer.batch_index + 1}/{count}" if count else ""
    print(f"{rpc}{place}: {answer.status_text}", file=sys.stderr)
