"""Synthetic recordings and a model, kept in the temporary folder."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pyedflib

from aura.detector.model import MODEL_FILE
from aura.runners import local
from aura.settings import Settings
from aura.synthetic.cohort import write_cohort, write_edf
from aura.synthetic.waveform import ecg

FOLDER = Path(tempfile.gettempdir()) / f"aura-benchmarks-{os.getuid()}"
FS_HZ = 256
SAMPLES_PER_HOUR = 3600 * FS_HZ


def single(hours: int) -> Path:
    """An EDF+ file with one ECG channel of 256 Hz."""
    path = FOLDER / f"ecg-{hours}h.edf"
    if not path.exists():
        FOLDER.mkdir(exist_ok=True)
        made = FOLDER / f"making-{hours}h.edf"
        write_edf(made, ecg(3600.0 * hours, seed=3))
        made.rename(path)
    return path


def short(count: int, seconds: float) -> Path:
    """A folder of short recordings, with a subfolder for each patient."""
    folder = FOLDER / f"short-{count}x{seconds:g}s"
    if not folder.exists():
        FOLDER.mkdir(exist_ok=True)
        made = FOLDER / f"making-{folder.name}"
        for number in range(count):
            write_edf(made / f"p{number:04d}/rec.edf",
                      ecg(seconds, seed=number), patient=f"p{number:04d}")
        made.rename(folder)
    return folder


def among_others(channels: int = 21, hours: int = 4) -> Path:
    """An EDF file whose last channel is the ECG, as in a clinical EEG."""
    path = FOLDER / f"eeg-{channels}x{hours}h.edf"
    if path.exists():
        return path
    FOLDER.mkdir(exist_ok=True)
    made = FOLDER / "making-eeg.edf"
    heart = ecg(3600.0 * hours, seed=3)
    noise = np.random.default_rng(1).normal(0, 900, FS_HZ).astype(np.int16)
    writer = pyedflib.EdfWriter(str(made), channels,
                                file_type=pyedflib.FILETYPE_EDF)
    for index in range(channels):
        last = index == channels - 1
        writer.setSignalHeader(index, {
            "label": "ECG" if last else f"EEG {index}", "dimension": "mV",
            "sample_frequency": FS_HZ, "physical_min": -5.0,
            "physical_max": 5.0, "digital_min": -32768,
            "digital_max": 32767, "transducer": "", "prefilter": ""})
    for start in range(0, heart.sample_count, FS_HZ):
        piece = heart.read(start, min(start + FS_HZ, heart.sample_count))
        for index in range(channels - 1):
            writer.writeDigitalShortSamples(np.roll(noise, index))
        writer.writeDigitalShortSamples(
            np.round(piece * 6553.5).astype(np.int16))
    writer.close()
    made.rename(path)
    return path


def model() -> Path:
    """A model trained on synthetic hearts."""
    path = FOLDER / "model"
    if not (path / MODEL_FILE).exists():
        write_cohort(FOLDER / "cohort", patients=6, hours=1.0, seed=1)
        report, _ = local.train([FOLDER / "cohort"], path, Settings())
        if not report.model_path:
            raise SystemExit(report.status_text)
    return path
