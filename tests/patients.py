"""Recordings of patients who do not exist, small and quick to write."""

import numpy as np

from aura.synthetic.heart import Surge
from aura.synthetic.waveform import ecg
from tests.edf_builder import Channel, plus, tal

RATE = 256


def record(path, seconds=600, seed=1, seizure=(300, 60), texts=(),
           transducer="", prefilter="", label="ECG", **fields):
    """Write an EDF+ file with at most one seizure, and its annotation."""
    surges = () if seizure is None else (
        Surge(*seizure, 45.0, 10.0, 40.0, True),)
    samples = ecg(seconds, seed=seed, surges=surges).samples
    digital = np.clip(np.round(samples / 5 * 32767), -32768, 32767)
    notes = [tal(0, seconds, "bckg")] if seizure is None else [
        tal(*seizure, "seizure")]
    file = plus(
        range(seconds), [*notes, *texts], channels=(Channel(
            label=label, transducer=transducer, prefilter=prefilter,
            digital=digital.astype(np.int64).reshape(seconds, RATE)),),
        **fields)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.bytes())
    return path


def study(folder, patients=3, **kwargs):
    """One recording for each of some patients."""
    return [record(folder / f"p{number}" / "rec.edf", seed=number,
                   seizure=(240 + 40 * number, 60),
                   patient=f"P{number} X X X", **kwargs)
            for number in range(1, patients + 1)]


def content(folder):
    """Bytes of all files below a folder, by relative path."""
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*")) if path.is_file()}
