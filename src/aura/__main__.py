"""``python -m aura``, the same as the command ``aura``."""

import os
import signal
import sys
from types import FrameType


def _leave(number: int, frame: FrameType | None) -> None:
    if "serve" in sys.argv[1:2]:
        # No call runs yet, and an import might catch an exception.
        os._exit(0)
    sys.exit(128 + number)


# Before the slow imports, because the kernel ignores SIGTERM for the first
# process of a container if it has no handler.
signal.signal(signal.SIGTERM, _leave)

from aura.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
