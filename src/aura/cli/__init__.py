"""The command ``aura``."""

import importlib
import os
import sys
from collections.abc import Sequence

from aura import state
from aura.errors import AuraError, show_texts


def main(arguments: Sequence[str] | None = None) -> int:
    # Recordings run in parallel; BLAS threads in each take four times longer.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from aura.cli import console, verbs
    given = verbs.parser().parse_args(arguments)
    module, _, function = given.run.partition(".")
    try:
        run = getattr(importlib.import_module(f"aura.cli.{module}"), function)
        code: int = run(given)
    except KeyboardInterrupt:
        print(f"aura {given.verb}: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of the output has closed it.
        sys.stderr.close()
        return 1
    except (AuraError, OSError) as error:
        return console.fail(given.verb, error)
    except ModuleNotFoundError as error:
        if (error.name or "aura").partition(".")[0] == "aura":
            raise
        return console.fail(given.verb, state.error(
            "install.missing", name=error.name))
    finally:
        show_texts(False)
    return code
