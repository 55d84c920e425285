"""``aura serve`` and ``aura call``."""

import argparse
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from aura import blocks
from aura.cli import console
from aura.errors import (InvalidInputError, MissingError, ResourceError,
                         UnavailableError)
from aura.folder import Folder
from aura.settings import SHARED_FOLDER_DEFAULT, Settings, shared_folder

AGAIN_LATER = 75  # EX_TEMPFAIL of sysexits.h


def register(verbs: console.Verbs) -> None:
    serve = verbs.add(
        "serve", _serve, "serve one block over gRPC",
        "Serve a block over gRPC, with health checks and reflection. It "
        "listens on AURA_HOST [default: 127.0.0.1] and AURA_PORT [default: "
        "8061], and works on the folder SHARED_FOLDER_PATH [default: "
        f"{SHARED_FOLDER_DEFAULT}].",
        "SHARED_FOLDER_PATH=$PWD/folder aura serve feature-builder")
    serve.add_argument("block", metavar="BLOCK", nargs="?", help=", ".join(
        block.name for block in blocks.BLOCKS) + " [default: AURA_BLOCK]")
    call = verbs.add(
        "call", _call, "call one rpc of one block once",
        "Call one rpc in this process, on the shared folder. Messages are "
        "read and written as JSON. load_training and load_recordings take no "
        "input and return the list of batches. Every other rpc takes one "
        "message or a list of messages, and returns the same number.\n\n"
        "Exit codes: 0 if all is done; 75 if the same call may succeed later, "
        "because a store or disk is unavailable; 1 if something has to be "
        "changed first.",
        "aura call load_recordings --shared folder --out batches.json\n"
        "aura call build_features --shared folder < batches.json")
    call.add_argument("rpc", metavar="RPC", help=", ".join(
        rpc for block in blocks.BLOCKS for rpc in block.rpcs))
    call.add_argument("--message", action="append", metavar="JSON",
                      help="one message or a list of messages; can be "
                      "repeated [default: standard input]")
    call.add_argument("--shared", type=Path, metavar="DIR",
                      help=f"shared folder [default: {SHARED_FOLDER_DEFAULT}; "
                      "SHARED_FOLDER_PATH]")
    call.add_argument("--out", type=Path, metavar="FILE",
                      help="file for the answer [default: standard output]")


def _serve(given: argparse.Namespace) -> int:
    from aura.runners.servicers import serve_block
    return serve_block(given.block)


def _call(given: argparse.Namespace) -> int:
    try:
        return _answer(given)
    except (UnavailableError, ResourceError, OSError) as error:
        console.fail("call", error)
        return AGAIN_LATER


def _answer(given: argparse.Namespace) -> int:
    from aura.runners import calls
    is_source = calls.takes_nothing(given.rpc)
    shared = given.shared or shared_folder()
    if not shared.is_dir():
        raise MissingError("run.no_folder", f"there is no folder {shared}",
                           "create it, or name another with --shared")
    if is_source and given.message:
        raise InvalidInputError(
            "call.message", f"{given.rpc} takes no message",
            "leave --message out")
    texts = [] if is_source else given.message or [_read_input()]
    requests = calls.requests(given.rpc, texts)
    if os.environ.get("AURA_ENDS_WITH_INPUT") == "1":
        threading.Thread(target=_end_with_input, daemon=True).start()
    answers = calls.call(given.rpc, requests, shared, Settings.load(shared),
                         lambda answer: print_answer(given.rpc, answer))
    if is_source and not answers:
        print(f"{given.rpc}: No recording was found.", file=sys.stderr)
    single = not is_source and len(texts) == 1 and not texts[
        0].lstrip().startswith("[")
    text = json.dumps(answers[0] if single else answers, indent=1) + "\n"
    if given.out is None:
        sys.stdout.write(text)
    else:
        out = Path(os.path.abspath(given.out))
        Folder(out.parent).write(out.name, text.encode("ascii"))
    return 0


def _read_input() -> str:
    if os.environ.get("AURA_ENDS_WITH_INPUT") != "1":
        return sys.stdin.read()
    return sys.stdin.readline()


def _end_with_input() -> None:
    """End this process when the caller closes its standard input."""
    sys.stdin.read()
    os._exit(AGAIN_LATER)


def print_answer(rpc: Any, answer: Any) -> None:
    """Print the status line of an answer, with the number of its batch."""
    count = getattr(answer, "batch_count", 0)
    place = f" {answer.batch_index + 1}/{count}" if count else ""
    print(f"{rpc}{place}: {answer.status_text}", file=sys.stderr)
