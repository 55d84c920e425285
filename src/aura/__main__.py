"""``python -m aura``, the same as the command ``aura``."""

import os
import signal
import sys
from types import FrameType


def _leave(number: int, frame: FrameType | None) -> None:
    if "serve" in sys.argv[1:2]:
        # Nothing is at work yet, and an import may catch an exception.
        os._exit(0)
    sys.exit(128 + number)


# Before all that takes time: the kernel ignores a SIGTERM to the first
# process of a container that has no handler of its own.
signal.signal(signal.SIGTERM, _leave)

from aura.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
