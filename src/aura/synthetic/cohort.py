"""
Folders of synthetic patients as EDF+ files, for demos and tests.

pyedflib writes the files and is needed on a laptop only, so it is imported
where it is used.
"""

import contextlib
import os
import secrets
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from aura.errors import InvalidInputError, ResourceError
from aura.folder import PARTIAL, Folder
from aura.recording import Event
from aura.synthetic.waveform import SyntheticEcg, ecg

# Invented, as for all synthetic recordings; a clock would change the bytes.
START = datetime(2000, 1, 1)
# Readers that know EDF+ only by its annotations show this text.
SEIZURE_TEXT = "seizure"

# EDFlib keeps its open files in a table that no lock protects.
_edflib = threading.Lock()


def write_cohort(folder: Path, patients: int = 4, hours: float = 1.0,
                 seed: int = 1) -> list[Path]:
    """Write one annotated recording for each of some synthetic patients."""
    if not 1 <= patients <= 99:
        raise InvalidInputError(
            "synthetic.patients", f"{patients} patients were asked for",
            "give 1 to 99")
    paths = []
    for number in range(1, patients + 1):
        name = f"synthetic{number:02d}"
        # Neighbouring seeds of neighbouring cohorts must not meet.
        recording = ecg(3600 * hours, seed=1000 * seed + number)
        paths.append(write_edf(folder / name / "rec1.edf", recording,
                               patient=name))
    return paths


def write_edf(path: Path, recording: SyntheticEcg, *,
              patient: str = "synthetic", channel: str = "ECG") -> Path:
    """Write a synthetic recording as EDF+C with its seizures as annotations.
    """
    fs_hz, seconds = recording.fs_hz, int(recording.duration_s)
    if fs_hz != int(fs_hz) or seconds < 1:
        raise InvalidInputError(
            "synthetic.edf", f"{recording.duration_s:g} s at {fs_hz:g} Hz do "
            "not fill records of one second", "give whole hertz and >= 1 s")
    bits = 24 if path.suffix.lower() == ".bdf" else 16
    path.parent.mkdir(parents=True, exist_ok=True)
    with _partial(path) as partial:
        _write_signal(partial, recording, bits, patient, channel)
        header = 256 * 3
        if partial.stat().st_size < header + seconds * fs_hz * bits // 8:
            # The library does not say when a disk is full.
            raise ResourceError(
                "disk.full", "there is no space left to write to",
                "free some space and repeat; nothing was overwritten")
    Folder(path.parent).write(
        path.with_suffix(".tse_bi").name,
        tse_bi(recording.seizures, seconds).encode("ascii"))
    return path


def tse_bi(seizures: tuple[Event, ...], duration_s: float) -> str:
    """Text of a ``.tse_bi`` sidecar: the whole record, seizure or not."""
    lines = ["version = tse_v1.0.0", ""]
    end_s = 0.0
    for event in seizures:
        if event.onset_s > end_s:
            lines.append(f"{end_s:.4f} {event.onset_s:.4f} bckg 1.0000")
        end_s = min(event.end_s, duration_s)
        lines.append(f"{event.onset_s:.4f} {end_s:.4f} seiz 1.0000")
    if end_s < duration_s:
        lines.append(f"{end_s:.4f} {duration_s:.4f} bckg 1.0000")
    return "\n".join(lines) + "\n"


@contextlib.contextmanager
def _partial(path: Path) -> Iterator[Path]:
    """A name to write to, which becomes `path` when all went well."""
    partial = path.with_name(f"{PARTIAL}{secrets.token_hex(8)}{path.suffix}")
    try:
        yield partial
        with open(partial, "rb") as stream:
            os.fsync(stream.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _write_signal(path: Path, recording: SyntheticEcg, bits: int,
                  patient: str, channel: str) -> None:
    import pyedflib

    kind = (pyedflib.FILETYPE_BDFPLUS if bits == 24
            else pyedflib.FILETYPE_EDFPLUS)
    with _edflib:
        writer = pyedflib.EdfWriter(str(path), 1, file_type=kind)
        try:
            _write_header(writer, recording, bits, patient, channel)
            _write_records(writer, recording, bits)
            for event in recording.seizures:
                writer.writeAnnotation(
                    event.onset_s, event.duration_s, SEIZURE_TEXT)
        finally:
            writer.close()


def _write_header(writer: Any, recording: SyntheticEcg, bits: int,
                  patient: str, channel: str) -> None:
    writer.setPatientCode(patient)
    writer.setPatientName("SYNTHETIC")
    writer.setRecordingAdditional("SYNTHETIC_signal_by_AURA")
    writer.setEquipment("synthetic")
    writer.setStartdatetime(START)
    low, high = recording.rails
    writer.setSignalHeader(0, {
        "label": channel, "dimension": "mV",
        "sample_frequency": int(recording.fs_hz),
        "physical_min": low, "physical_max": high,
        "digital_min": -2 ** (bits - 1), "digital_max": 2 ** (bits - 1) - 1,
        "transducer": "none: SYNTHETIC", "prefilter": ""})


def _write_records(writer: Any, recording: SyntheticEcg, bits: int) -> None:
    low, high = recording.rails
    fs_hz = int(recording.fs_hz)
    stop = int(recording.duration_s) * fs_hz
    for start in range(0, stop, 600 * fs_hz):
        samples = recording.read(start, min(start + 600 * fs_hz, stop))
        digital = np.round((samples - low) / (high - low)
                           * (2 ** bits - 1)) - 2 ** (bits - 1)
        for record in digital.astype(np.int32).reshape(-1, fs_hz):
            if writer.writeDigitalSamples(record) < 0:
                raise ResourceError(
                    "disk.full", "a record could not be written",
                    "free some space and repeat; nothing was overwritten")
