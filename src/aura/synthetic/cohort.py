"""Folders of synthetic patients as EDF+ files, for demos and tests."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aura import state
from aura.annotations import tse
from aura.edf import write
from aura.edf.fields import NO_DATE
from aura.folder import Folder
from aura.synthetic.waveform import SyntheticEcg, ecg

SEIZURE_TEXT = "seizure"


def write_cohort(folder: Path, patients: int = 4, hours: float = 1.0,
                 seed: int = 1) -> list[Path]:
    """Write one annotated recording for each synthetic patient."""
    if not 1 <= patients <= 99:
        raise state.error("synthetic.patients", patients=patients)
    paths = []
    for number in range(1, patients + 1):
        name = f"synthetic{number:02d}"
        # No patient of two cohorts has the same seed.
        recording = ecg(3600 * hours, seed=1000 * seed + number)
        paths.append(write_edf(folder / name / "rec1.edf", recording,
                               patient=name))
    return paths


def write_edf(path: Path, recording: SyntheticEcg, *,
              patient: str = "synthetic", channel: str = "ECG") -> Path:
    """Write a recording as EDF+C or BDF+C, and its seizures beside it."""
    fs_hz, seconds = recording.fs_hz, int(recording.duration_s)
    if fs_hz != int(fs_hz) or seconds < 1:
        raise state.error(
            "synthetic.edf", duration_s=recording.duration_s, fs_hz=fs_hz)
    folder = Folder(path.parent)
    family = "BDF" if path.suffix.lower() == ".bdf" else "EDF"
    main = write.Main(
        f"{family}+C", NO_DATE,
        write.field(f"{'_'.join(patient.split())} X X SYNTHETIC"),
        write.startdate(
            NO_DATE, "X X synthetic SYNTHETIC_signal_by_AURA"), seconds, "1")
    limit = 1 << (8 * main.sample_bytes - 1)
    low, high = recording.rails
    signal = write.signal_fields(
        write.field(channel, 16), "mV", (f"{low:g}", f"{high:g}"),
        (-limit, limit - 1), int(fs_hz), "none: SYNTHETIC")
    with folder.replace(path.name) as stream:
        write.samples(stream, main, [signal], _digital(recording, limit), [
            (event.onset_s, event.duration_s, SEIZURE_TEXT)
            for event in recording.seizures])
    folder.write(path.with_suffix(".tse_bi").name,
                 tse.write_seizures(recording.seizures, seconds))
    return path


def _digital(recording: SyntheticEcg,
             limit: int) -> Iterator[NDArray[np.int32]]:
    """Digital samples of all whole seconds, one row for each."""
    low, high = recording.rails
    fs_hz = int(recording.fs_hz)
    stop = int(recording.duration_s) * fs_hz
    for start in range(0, stop, 600 * fs_hz):
        samples = recording.read(start, min(start + 600 * fs_hz, stop))
        digital = np.round(
            (samples - low) / (high - low) * (2 * limit - 1)) - limit
        yield digital.astype(np.int32).reshape(-1, fs_hz)
