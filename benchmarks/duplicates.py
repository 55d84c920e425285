"""
CPU seconds and memory to find recordings that exist as waveform and as beats.

All files are of one patient, and no two have the same name, so that only the
beats show which belong together. Listing the files is not counted.

    python -m benchmarks duplicates
    python -m benchmarks.duplicates FOLDER WAVEFORMS BEAT_FILES
"""

import resource
import subprocess
import sys
from pathlib import Path

from aura.dataset import beat_files, duplicates, find
from aura.dataset.find import ECG
from aura.folder import Folder

COUNT = 4000
SECONDS = 120.0
CASES = ((COUNT, 1), (1000, 1000), (2000, 2000), (COUNT, COUNT))


def tree() -> Path:
    """Waveforms of one patient, and the beats of each, made once."""
    from aura.synthetic.cohort import write_edf
    from aura.synthetic.waveform import Sensor, ecg
    from benchmarks.recordings import FOLDER

    folder = FOLDER / f"duplicates-{COUNT}x{SECONDS:g}s"
    if not folder.exists():
        made = FOLDER / f"making-{folder.name}"
        strap = made / "strap/P1"
        strap.mkdir(parents=True, exist_ok=True)
        for number in range(COUNT):
            heart = ecg(SECONDS, seed=number, sensor=Sensor(fs_hz=128.0))
            write_edf(made / f"edf/{number:04d}.edf", heart, patient="P1")
            (strap / f"walk{number:04d}.csv").write_bytes(
                beat_files.write(heart.beat_time_s))
        made.rename(folder)
    return folder


def measure(folder: Path, waveforms: int, beats: int) -> None:
    """Print a row for so many files of each kind."""
    inside = Folder(folder)
    found = [(inside, one) for one in find.recordings(inside)]
    chosen = ([one for one in found if one[1].form == ECG][:waveforms]
              + [one for one in found if one[1].form != ECG][:beats])
    before = _cpu_s()
    marked = duplicates.resolve(chosen)
    spent = _cpu_s() - before
    twice = sum(one.problem is not None for one in marked)
    # Not `ru_maxrss`: a child process inherits that of its parent.
    status = Path("/proc/self/status").read_text().split()
    memory = int(status[status.index("VmHWM:") + 1]) / 1024
    print(f"{waveforms:9d} {beats:10d} {spent:8.2f} {memory:8.0f} {twice:8d}",
          flush=True)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Print a row per case, each measured in a process of its own."""
    folder = tree()
    print("waveforms beat files    CPU s   MB peak    twice")
    for waveforms, beats in CASES:
        subprocess.run([sys.executable, "-m", __spec__.name, str(folder),
                        str(waveforms), str(beats)], check=True)


if __name__ == "__main__":
    measure(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
