"""
Which channel of a recording is its ECG, and how good it looks.

Labels decide first. Where several channels qualify, excerpts spread over
the recording are compared: a heart shows itself by steep complexes that
return at a regular distance, which noise, mains hum and a loose lead lack.
The figures rank the channels of one recording; they are no diagnosis and
no measure of how well beats will be found.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from aura.errors import MissingError, Problem
from aura.recording import Floats, Signal

EXCERPTS = 12
EXCERPT_S = 10.0
# Heart rates looked for, as distances between beats.
BEAT_S = (0.3, 2.0)
RATE_HZ_MIN = 50.0
# White and EEG-like noise have up to 0.08, real ECGs 0.3 and more.
LIKENESS_MIN = 0.15

_ECG = re.compile("e[ck]g", re.IGNORECASE)
_LEADS = {"i", "ii", "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4",
          "v5", "v6", "mli", "mlii", "mliii"}


@dataclass(frozen=True)
class Quality:
    """How much a channel looks like an ECG, in excerpts."""

    flat: float  # Part of the seconds without any change, 0 to 1
    # Part of the samples at the end of the device's range, 0 to 1.
    railed: float
    # How alike the slopes are one beat later: median over excerpts of the
    # highest autocorrelation at the distance of a beat, 0 to 1.
    regularity: float
    # How much the slopes stand out: median over excerpts of their standard
    # deviation over their mean. Near 0 for hum, about 0.2 for noise, above 1
    # for an ECG.
    peakiness: float
    # Median over excerpts of the peak-to-peak amplitude, in the unit of the
    # signal.
    amplitude: float

    @property
    def likeness(self) -> float:
        """How much the excerpts look like heart beats, 0 to 1."""
        return self.regularity * min(1.0, self.peakiness)

    @property
    def score(self) -> float:
        """One number to rank by, 0 (no ECG) to 1."""
        return max(0.0, 1.0 - self.flat - self.railed) * self.likeness

    def figures(self) -> dict[str, float]:
        """All figures and the score, rounded, as `aura inspect` shows."""
        return {name: round(value, 3) for name, value
                in (*asdict(self).items(), ("score", self.score))}


def candidates(labels: Sequence[str], wanted: str = "") -> tuple[
        tuple[int, ...], tuple[Problem, ...]]:
    """Find the channels that may be the ECG, by label."""
    problems = []
    if wanted:
        named = [i for i, label in enumerate(labels)
                 if label.strip().lower() == wanted.strip().lower()]
        if named:
            return tuple(named), ()
        problems.append(Problem(
            "ecg.not_as_set", "warning", "no channel has the label that the "
            "setting ecg_channel names; the usual rule was used"))
    found = [i for i, label in enumerate(labels) if _ECG.search(label)]
    if not found:
        found = [i for i, label in enumerate(labels)
                 if label.strip().lower() in _LEADS]
        problems.append(Problem(
            "ecg.by_lead", "warning", "no label says ECG or EKG; channels "
            "with the name of an ECG lead were taken for it"))
    if not found:
        raise MissingError(
            "ecg.missing", "no channel looks like an ECG by its label; the "
            f"labels are {_listed(labels)}",
            "name the channel in AURA_ECG_CHANNEL")
    return tuple(found), tuple(problems)


def choose(labels: Sequence[str], indices: Sequence[int],
           qualities: Sequence[Quality]) -> tuple[int, tuple[Problem, ...]]:
    """Choose among candidates the one with the best signal."""
    best = max(range(len(indices)), key=lambda i: qualities[i].score)
    if len(indices) == 1:
        return indices[best], ()
    scores = ", ".join(
        f"{_named(labels, index)} {quality.score:.2f} "
        f"(regularity {quality.regularity:.2f}, peakiness "
        f"{quality.peakiness:.2f}, flat {quality.flat:.0%}, railed "
        f"{quality.railed:.0%})"
        for index, quality in list(zip(indices, qualities, strict=True))[:6])
    return indices[best], (Problem(
        "ecg.several", "warning",
        f"{len(indices)} channels may be the ECG; "
        f"{_named(labels, indices[best])} has the best signal: {scores}; "
        "AURA_ECG_CHANNEL takes another"),)


def assess(signal: Signal) -> Quality:
    """Measure how much a signal looks like an ECG, in bounded excerpts."""
    length = min(signal.sample_count, max(4, round(EXCERPT_S * signal.fs_hz)))
    last = signal.sample_count - length
    count = min(EXCERPTS, 1 + last // length)
    pieces = [signal.read(at, at + length) for at in
              (round(last * i / max(count - 1, 1)) for i in range(count))]
    each = [slopes(piece, signal.fs_hz) for piece in pieces]
    return Quality(
        flat=float(np.mean([_flat(p, signal.fs_hz) for p in pieces])),
        railed=float(np.mean([_railed(p, signal.rails) for p in pieces])),
        regularity=float(np.median([_regularity(s, signal.fs_hz)
                                    for s in each])),
        peakiness=float(np.median([_peakiness(s) for s in each])),
        amplitude=float(np.median([np.ptp(p) for p in pieces])))


def warnings(signal: Signal, quality: Quality, unit: str) -> tuple[
        Problem, ...]:
    """What the excerpts give reason to warn of."""
    found = []
    if signal.fs_hz < RATE_HZ_MIN:
        found.append(("rate_low", f"the ECG has {signal.fs_hz:g} samples per "
                      f"second; below {RATE_HZ_MIN:g} no beat can be timed"))
    if quality.flat >= 0.05:
        found.append(("flat", f"{quality.flat:.0%} of the excerpts' seconds "
                      "are flat, as of a lead that is off"))
    if quality.railed >= 0.01:
        found.append(("saturated", f"{quality.railed:.0%} of the excerpts' "
                      "samples are at the end of the device's range"))
    if quality.flat < 0.95 and quality.likeness < LIKENESS_MIN:
        found.append(("noise", "the excerpts show no heart beat (regularity "
                      f"{quality.regularity:.2f}, peakiness "
                      f"{quality.peakiness:.2f})"))
    if unit and quality.flat < 0.95 and not 0.05 <= quality.amplitude <= 20:
        found.append(("amplitude", f"the ECG spans {quality.amplitude:.3g} "
                      "mV from peak to peak, where 0.05 to 20 is plausible; "
                      "is the unit right?"))
    return tuple(Problem(f"ecg.{name}", "warning", text)
                 for name, text in found)


def _flat(piece: Floats, fs_hz: float) -> float:
    second = max(2, round(fs_hz))
    whole = piece[:len(piece) // second * second] if len(piece) >= second \
        else piece
    spans = np.ptp(whole.reshape(-1, min(second, len(whole))), axis=1)
    return float(np.mean(spans == 0))


def _railed(piece: Floats, rails: tuple[float, float]) -> float:
    # A rail is held: one sample that touches it is an honest peak.
    low, high = rails
    margin = 1e-6 * (high - low) if np.isfinite(high - low) else 0.0
    at = (piece <= low + margin) | (piece >= high - margin)
    held = at[1:] & at[:-1]
    return float(np.mean(held)) if len(held) else 0.0


def slopes(piece: Floats, fs_hz: float) -> Floats:
    """Mean absolute difference over 0.1 s, which stands out at each beat."""
    width = max(1, round(0.1 * fs_hz))
    # Over 10 ms, since from sample to sample fast devices show noise only.
    step = max(1, round(0.01 * fs_hz))
    total = np.cumsum(np.abs(piece[step:] - piece[:-step]))
    return np.asarray((total[width:] - total[:-width]) / width)


def _peakiness(slopes: Floats) -> float:
    mean = float(np.mean(slopes)) if len(slopes) else 0.0
    return float(np.std(slopes)) / mean if mean > 0 else 0.0


def _regularity(slopes: Floats, fs_hz: float) -> float:
    lags = slice(max(1, round(BEAT_S[0] * fs_hz)), round(BEAT_S[1] * fs_hz))
    if len(slopes) < 2 * lags.stop or _peakiness(slopes) < 1e-6:
        return 0.0
    # Zeros behind keep the correlation from wrapping around.
    size = 1 << (2 * len(slopes) - 1).bit_length()
    spectrum = np.fft.rfft(slopes - np.mean(slopes), size)
    power = np.fft.irfft(np.abs(spectrum) ** 2)[:len(slopes)]
    overlap = np.arange(len(slopes), 0, -1) / len(slopes)
    alike = power / overlap / power[0]
    return float(np.clip(np.max(alike[lags]), 0.0, 1.0))


def _named(labels: Sequence[str], index: int) -> str:
    label = labels[index] or "(no label)"
    return (f"{label} (channel {index + 1})" if labels.count(labels[index]) > 1
            else label)


def _listed(labels: Sequence[str]) -> str:
    shown = ", ".join(label or "(no label)" for label in labels[:24])
    return shown + (f" and {len(labels) - 24} more" if len(labels) > 24
                    else "")
