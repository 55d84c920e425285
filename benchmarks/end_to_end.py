"""
Measure hours of ECG per CPU second, from an EDF file to its events.

Each length is predicted in a new process, with all that `aura predict` does
from reading to writing files. Imports are not counted: one hour of ECG is
predicted before the measurement. The hours per second do not include loading
the model, because its checks take the same time for a minute and a week.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

LENGTHS_H = (1, 4, 24)
ROUNDS = 3
# AURA's own code, measured once on a 4-h recording of 21 channels: 70.3 CPU
# seconds for R peaks (hamilton) and features with a step of 1 s.
AURA_HOURS_PER_S = 0.057


def main() -> None:
    """Print a row for each length."""
    from benchmarks import recordings
    model = recordings.model()
    print("256 Hz, one thread        CPU s   of it model     h/s   "
          "peak MB above imports   ratio to AURA's 0.057 h/s")
    rates = {}
    for label, hours, path in [
            *((f"{hours} h", hours, recordings.single(hours))
              for hours in LENGTHS_H),
            ("4 h, 1 of 21 channels", 4, recordings.among_others())]:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.end_to_end",
             str(recordings.single(1)), str(path), str(model)],
            check=True, capture_output=True, text=True)
        figures = json.loads(done.stdout)
        rate = hours / (figures["cpu_s"] - figures["model_s"])
        rates[label] = rate
        print(f"{label:23s} {figures['cpu_s']:7.2f} "
              f"{figures['model_s']:13.2f} {rate:7.1f} "
              f"{figures['peak_mb']:23.0f} "
              f"{rate / AURA_HOURS_PER_S:19.0f}", flush=True)
    print("cost of an hour, 24 h over 4 h: "
          f"{rates['4 h'] / rates['24 h']:.2f}")


def measure(warm: Path, path: Path, model: Path) -> dict[str, float]:
    """Median CPU seconds and peak memory of predicting one file."""
    from aura.detector.model import load_model
    from aura.runners import local
    from aura.settings import Settings
    settings = Settings(workers=1)

    def predict(given: Path) -> None:
        with tempfile.TemporaryDirectory() as out:
            local.predict([given], model, Path(out), settings)

    predict(warm)
    Path("/proc/self/clear_refs").write_text("5")
    before = memory_mb("VmRSS")
    predict(path)
    peak_mb = memory_mb("VmHWM") - before
    return {"cpu_s": seconds(lambda: predict(path)), "peak_mb": peak_mb,
            "model_s": seconds(lambda: load_model(model))}


def seconds(work: Callable[[], object]) -> float:
    """Median CPU time of all rounds."""
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


def memory_mb(name: str) -> float:
    """A value of this process's memory; needs Linux."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    return float("nan")


if __name__ == "__main__":
    print(json.dumps(measure(*map(Path, sys.argv[1:]))))
