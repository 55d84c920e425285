"""
Run 2000 recordings of a minute through a bundle with `aura run`.

The five blocks run as processes with default settings. The output shows what
the platform demands: messages are small, in order and complete.
"""

import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COUNT = 2000
SECONDS = 60.0
RPCS = ("load_recordings", "build_features", "predict", "export")


def main() -> None:
    """Run the bundle once, and print the results."""
    from benchmarks import recordings
    source, model = recordings.short(COUNT, SECONDS), recordings.model()
    with tempfile.TemporaryDirectory() as name:
        folder, bundle = Path(name) / "shared", Path(name) / "bundle"
        folder.mkdir()
        (folder / "recordings").symlink_to(source)
        shutil.copytree(model, folder / "model")
        (folder / "config.toml").write_text(
            f'model = "{folder / "model"}"\n')
        _aura("solution", "bundle", "prediction", "--registry", "aura",
              "--tag", "dev", "--out", bundle)
        begin = time.monotonic()
        done = _aura("run", bundle, "--shared", folder)
        taken_s = time.monotonic() - begin
        _print(done, folder, taken_s)


def _print(done: "subprocess.CompletedProcess[str]", folder: Path,
           taken_s: float) -> None:
    run, = (folder / "runs").iterdir()
    for rpc in RPCS:
        seen = re.findall(rf"\.{rpc} (\d+)/(\d+):", done.stderr)
        count = int(seen[0][1])
        in_order = [int(index) for index, _ in seen] == list(
            range(1, count + 1))
        print(f"{rpc:16s} {len(seen)} of {count} messages, "
              + ("in order" if in_order else "NOT IN ORDER"))
    print(re.findall(r"^\d+ messages.*", done.stdout, re.M)[0])
    events = len(list(run.glob("events/**/*.tsv")))
    print(f"{events} of {COUNT} recordings have an event file; "
          f"exit code {done.returncode}")
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{taken_s:.0f} s, {1000 * taken_s / COUNT:.0f} ms per recording; "
          f"biggest process {usage.ru_maxrss / 1024:.0f} MB")


def _aura(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "aura", *map(str, arguments)], text=True,
        capture_output=True, check=True)
