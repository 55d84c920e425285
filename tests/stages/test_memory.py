"""Memory does not grow with the length or the number of recordings."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

# ru_maxrss would count the memory of the parent too.
CHAIN = """
import re, sys
from pathlib import Path
from tests.chain import Chain

def measured(name, work):
    Path("/proc/self/clear_refs").write_text("5")
    found = work()
    status = Path("/proc/self/status").read_text()
    print(name, int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) // 1024)
    return found

chain = Chain(Path(sys.argv[1]), batch_size=99, workers=2)
batch, = measured("load", chain.batches)
table = measured("build", lambda: chain.features.build(batch))
done = measured("predict", lambda: chain.predictor.predict(table))
measured("export", lambda: chain.exporter.export(done))
"""
MAX_MB = 300
# Allowed for what differs from run to run.
SPREAD_MB = 45
ROOT = Path(__file__).parents[2]


def peaks(shared, count, hours):
    """The peak of each stage in MB, on a batch of beat files."""
    folder = shared / "recordings"
    shutil.rmtree(folder)
    folder.mkdir()
    rng = np.random.default_rng(1)
    for number in range(count):
        time_s = np.cumsum(rng.normal(.8, .03, int(hours * 4500)))
        (folder / f"p{number}.csv").write_text(
            "beat_time_s\n" + "\n".join(f"{time:.3f}" for time in time_s))
    done = subprocess.run(
        [sys.executable, "-c", CHAIN, shared], cwd=ROOT, check=True,
        text=True, capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    return {name: int(size) for name, size in map(
        str.split, done.stdout.splitlines())}


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(),
                    reason="needs the peak of one stage, as Linux has it")
def test_memory_is_flat_in_the_batch(trained):
    few, many = (peaks(trained.shared, count, 12) for count in (2, 8))
    assert many.keys() == {"load", "build", "predict", "export"}
    for stage, size in many.items():
        assert size <= min(MAX_MB, few[stage] + SPREAD_MB), (few, many)
