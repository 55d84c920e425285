"""``python -m aura``, the same as the command ``aura``."""

import sys

from aura.cli import main

if __name__ == "__main__":
    sys.exit(main())
