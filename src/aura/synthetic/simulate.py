"""One synthetic recording, for examples and first steps."""

import hashlib
from collections.abc import Sequence

from aura.edf.fields import NO_DATE
from aura.recording import Recording
from aura.synthetic import waveform
from aura.synthetic.heart import Surge


def simulate(duration_s: float = 3600.0, *,
             seizures: Sequence[tuple[float, float]] | None = None,
             seed: int = 1, patient: str = "") -> Recording:
    """
    Make a synthetic recording whose beats and seizures are known.

    It shows how things work. It does not show how well seizures are
    detected, because the simulated seizures are built to be found.

    Parameters
    ----------
    duration_s : float
        Length in seconds.
    seizures : sequence of (float, float), optional
        Onset and duration of each seizure in seconds; the heart rate rises
        by 45 bpm within 10 s. By default they are drawn from the seed,
        together with harmless rises and with seizures that the heart does
        not show.
    seed : int
        Everything random follows from it.
    patient : str
        Alias of the patient; by default one for each seed.

    Returns
    -------
    Recording
        One ECG lead in mV at 256 Hz, annotated with the seizures.

    Raises
    ------
    InvalidInputError
        If the duration is not a positive number.

    References
    ----------
    .. [1] McSharry et al. (2003), https://doi.org/10.1109/TBME.2003.808805

    Examples
    --------
    >>> import aura
    >>> night = aura.simulate(600, seizures=[(300, 60)])
    >>> night.events
    (Event(onset_s=300, duration_s=60, label='sz', confidence=None),)
    """
    surges = None if seizures is None else tuple(
        Surge(onset_s, length_s, rise_bpm=45.0, ramp_s=10.0, recovery_s=40.0,
              seizure=True) for onset_s, length_s in sorted(seizures))
    signal = waveform.ecg(duration_s, seed=seed, surges=surges)
    name = f"simulated-{seed}"
    return Recording(path=name, patient=patient or name, channels=("ECG",),
                     channel="ECG", channel_index=0, unit="mV",
                     fs_hz=signal.fs_hz, duration_s=duration_s, start=NO_DATE,
                     events=signal.seizures, annotation_source="simulated",
                     sha256=hashlib.sha256(repr((duration_s, seizures,
                                                 seed)).encode()).hexdigest(),
                     signal=signal)
