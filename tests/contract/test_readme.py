"""What the README shows in Python runs as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_python_example_runs_in_an_empty_folder(tmp_path):
    example, = re.findall(r"^```python\n(.*?)^```",
                          (ROOT / "README.md").read_text("utf-8"),
                          re.M | re.S)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example], cwd=tmp_path,
        text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert "alarm at 816 s" in done.stdout
    assert not os.listdir(tmp_path)
