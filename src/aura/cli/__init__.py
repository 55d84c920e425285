"""The command ``aura``."""

import argparse
import os
import sys
from collections.abc import Sequence

import aura
from aura.cli import (
    console,
    demo,
    learning,
    predicting,
    reading,
    reviewing,
    serving,
    solutions,
)
from aura.errors import AuraError, show_texts

GROUPS = (
    ("first run", (demo,)),
    ("recordings", (reading,)),
    ("for researchers", (learning,)),
    ("for practitioners", (predicting, reviewing)),
    ("for platform engineers", (solutions, serving)),
)
EPILOG = """\
example:
  aura train STUDY --out model
  aura predict NEW --model model --out predictions
  aura score NEW predictions       if NEW is annotated too
  aura review predictions          look at both on the ECG, in the browser

exit codes: 0 for success, 2 if some inputs were rejected and the rest was \
done, 1 if nothing could be done.

Names in capitals, such as AURA_SEED, are environment variables that set \
the default of an option.

""" + console.NOT_A_DEVICE


def parser() -> argparse.ArgumentParser:
    made = console.Parser(
        prog="aura", usage="aura [-h] [--version] VERB ...", epilog=EPILOG,
        description="Train a random forest on annotated ECG recordings, "
        "validate it on held-out patients, and predict and score seizures. "
        "'aura VERB --help' explains a verb.")
    made.add_argument(
        "--version", action="version", version=f"aura {aura.__version__}",
        help="show the version and exit")
    parsers = made.add_subparsers(dest="verb", metavar="VERB", required=True,
                                  prog="aura", help=argparse.SUPPRESS)
    for title, modules in GROUPS:
        verbs = console.Verbs(parsers)
        for module in modules:
            module.register(verbs)
        made.add_argument_group(title, str(verbs))
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    # Recordings run in parallel; BLAS threads inside each took four times as
    # long. No verb has loaded numpy yet.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    given = parser().parse_args(arguments)
    try:
        code: int = given.run(given)
    except KeyboardInterrupt:
        print(f"aura {given.verb}: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of the output has closed it.
        sys.stderr.close()
        return 1
    except (AuraError, OSError) as error:
        return console.fail(given.verb, error)
    finally:
        show_texts(False)
    return code
