"""A real cluster for the tests of this folder, where there is one."""

import sys
from pathlib import Path

# With --import-mode=importlib a test cannot import what lies beside it.
sys.path.insert(0, str(Path(__file__).parent))
