"""The command ``aura``: one module per group of verbs."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import aura
from aura.cli import (
    calls,
    converting,
    demo,
    evaluating,
    exporting,
    fetching,
    learning,
    reading,
    replaying,
    reviewing,
    serving,
    solutions,
)
from aura.errors import AuraError

EPILOG = """\
a first run:
  aura train RECORDINGS --out model       learn from annotated recordings
  aura predict OTHERS --model model --out predictions
  aura score OTHERS predictions           if OTHERS are annotated too
  aura evaluate RECORDINGS --out report   beside other detectors
  aura review predictions                 see both on the ECG, in a browser

exit codes: 0 all well; 2 some inputs refused, the rest done; 1 nothing
could be done.

Research software, not a medical device.
"""


class _Parser(argparse.ArgumentParser):
    """One for which a line that makes no sense is 'nothing could be done'."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.register("type", Path, _named)

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(1, f"{self.prog}: {message}; {self.prog} --help has more\n")


def _named(text: str) -> Path:
    # An unset variable of the shell would else become the current folder.
    if not text:
        raise argparse.ArgumentTypeError(
            "the name is empty; '.' is the current folder")
    return Path(text)


def parser() -> argparse.ArgumentParser:
    """The parser of all verbs."""
    made = _Parser(
        prog="aura", epilog=EPILOG,
        description="Seizure detection on ECG: EDF recordings in, a forest "
        "trained and honestly validated, seizures predicted and scored.",
        formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument(
        "--version", action="version", version=f"aura {aura.__version__}")
    verbs = made.add_subparsers(
        dest="verb", metavar="VERB", required=True, title="verbs")
    for module in (learning, evaluating, reading, fetching, converting,
                   reviewing, exporting, serving, calls, solutions, replaying,
                   demo):
        module.register(verbs)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line."""
    given = parser().parse_args(arguments)
    try:
        code: int = given.run(given)
    except AuraError as error:
        print(f"aura {given.verb}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"aura {given.verb}: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read the output has seen enough.
        sys.stderr.close()
        return 1
    except OSError as error:
        # Most have a rule of their own; a disk can fail anywhere.
        print(f"aura {given.verb}: {error.filename or 'a file'}: "
              f"{error.strerror or error}", file=sys.stderr)
        return 1
    return code
