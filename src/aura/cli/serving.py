"""``aura serve`` and ``aura call``."""

import argparse
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from aura import state
from aura.cli import console
from aura.errors import ResourceError, UnavailableError
from aura.folder import Folder
from aura.settings import Settings, shared_folder

AGAIN_LATER = 75  # EX_TEMPFAIL of sysexits.h


def serve(given: argparse.Namespace) -> int:
    from aura.runners.servicers import serve_block
    return serve_block(given.block)


def call(given: argparse.Namespace) -> int:
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
        raise state.error("run.no_folder/call", folder=shared)
    if is_source and given.message:
        raise state.error("call.message", rpc=given.rpc)
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
