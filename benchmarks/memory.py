"""
Print the peak memory of each block on one batch of long files of beats.

    python -m benchmarks.memory MODEL [FILES] [HOURS]

The default is 16 files of 72 h. Each block is a process with two threads.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

RPCS = ("load_recordings", "build_features", "predict", "export")


def main(model: str, files: str = "16", hours: str = "72") -> None:
    """Write the files, call the rpcs one after the other, print the peaks."""
    with tempfile.TemporaryDirectory() as place:
        shared = Path(place)
        (shared / "recordings").mkdir()
        rng = np.random.default_rng(1)
        for number in range(int(files)):
            beat_s = np.cumsum(rng.normal(.8, .03, int(float(hours) * 4500)))
            (shared / f"recordings/p{number:02d}.csv").write_text(
                "beat_time_s\n" + "\n".join(f"{one:.3f}" for one in beat_s))
        answer = shared / "answer.json"
        for rpc in RPCS:
            given = (["--message", answer.read_text()]
                     if answer.exists() else [])
            process = subprocess.Popen(
                [sys.executable, "-m", "aura", "call", rpc, "--shared", place,
                 "--out", str(answer), *given], env={
                    **os.environ, "AURA_BATCH_SIZE": files,
                    "AURA_WORKERS": "2", "AURA_RUN_ID": "memory",
                    "AURA_MODEL": os.path.abspath(model)})
            _, status, used = os.wait4(process.pid, 0)
            if status:
                sys.exit(f"{rpc} failed")
            print(f"{rpc}: {used.ru_maxrss // 1024} MB", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
