"""
Which channel of a recording is its ECG, and how good its signal is.

Labels decide first. If several channels qualify, excerpts spread over the
recording are compared: an ECG has steep QRS complexes at regular distances,
which noise, mains hum and a loose electrode do not. These figures rank the
channels of one recording. They do not measure how well beats are found.
A channel that cannot be read is not chosen if another one can.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import BinaryIO

import numpy as np

from aura.edf.header import Header
from aura.edf.signal import EcgSignal
from aura.errors import AuraError, InvalidInputError, MissingError, Problem
from aura.recording import Floats, Signal

EXCERPTS = 12
EXCERPT_S = 10.0
# Possible distances between beats.
BEAT_S = (0.3, 2.0)
# Slower signals would have more seconds than their file has bytes.
READ_HZ_MIN = 1.0
RATE_HZ_MIN = 50.0
# White noise and EEG have up to 0.08, real ECGs 0.3 and more.
LIKENESS_MIN = 0.15

_ECG = re.compile("e[ck]g", re.IGNORECASE)
_LEADS = {"i", "ii", "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4",
          "v5", "v6", "mli", "mlii", "mliii"}


@dataclass(frozen=True)
class Quality:
    """How much a channel looks like an ECG, in excerpts."""

    flat: float  # Share of the seconds without any change
    # Share of the samples at the end of the device's range.
    railed: float
    # How much the slopes repeat after one beat: the highest autocorrelation
    # at a possible distance between beats, 0 to 1; median over excerpts.
    regularity: float
    # Standard deviation of the slopes over their mean: near 0 for hum, about
    # 0.2 for noise, above 1 for an ECG; median over excerpts.
    peakiness: float
    # Amplitude from peak to peak in the unit of the signal; median over
    # excerpts.
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


def choose(stream: BinaryIO, header: Header, wanted: str = "") -> tuple[
        int, dict[str, dict[str, float]], tuple[Problem, ...]]:
    """Index of the ECG channel, figures of all candidates, and warnings."""
    labels = [signal.label for signal in header.signals]
    named, found = by_label(labels, wanted)
    signals, faults = _open(stream, header, named)
    qualities = {i: assess(signal) for i, signal in signals.items()}
    index, choice = best(labels, qualities)
    return index, {
        _name(labels, i, "{} ({})"): quality.figures()
        for i, quality in qualities.items()}, (
        *_not_needed(header, named), *_not_readable(faults), *found, *choice,
        *_unit(header.signals[index].unit, signals[index].unit),
        *warnings(signals[index], qualities[index], signals[index].unit))


def index_of(stream: BinaryIO, header: Header) -> int:
    """Index of the ECG channel, without figures and warnings."""
    named, _ = by_label([signal.label for signal in header.signals])
    if len(named) == 1:
        return named[0]
    signals, _ = _open(stream, header, named)
    return max(signals, key=lambda i: assess(signals[i]).score)


def by_label(labels: Sequence[str], wanted: str = "") -> tuple[
        tuple[int, ...], tuple[Problem, ...]]:
    """Find the channels that may be the ECG by their labels."""
    problems = []
    if wanted:
        named = [i for i, label in enumerate(labels)
                 if label.strip().lower() == wanted.strip().lower()]
        if named:
            return tuple(named), ()
        problems.append(Problem(
            "ecg.not_as_set", "warning", "no channel has the label that "
            "AURA_ECG_CHANNEL gives; the ECG is chosen without it"))
    found = [i for i, label in enumerate(labels) if _ECG.search(label)]
    if not found:
        found = [i for i, label in enumerate(labels)
                 if label.strip().lower() in _LEADS]
        problems.append(Problem(
            "ecg.by_lead", "warning", "no label contains ECG or EKG; "
            "channels with the name of an ECG lead, such as II, are used"))
    if not found:
        shown = ", ".join(label or "(no label)" for label in labels[:24])
        more = f" and {len(labels) - 24} more" if len(labels) > 24 else ""
        raise MissingError(
            "ecg.missing", "no channel has the label of an ECG; the labels "
            f"are {shown}{more}", "set AURA_ECG_CHANNEL to the label of the "
            "ECG")
    return tuple(found), tuple(problems)


def best(labels: Sequence[str], qualities: Mapping[int, Quality]) -> tuple[
        int, tuple[Problem, ...]]:
    """The channel with the best signal; a warning if others qualify."""
    index = max(qualities, key=lambda i: qualities[i].score)
    if len(qualities) == 1:
        return index, ()
    scores = ", ".join(
        f"{_name(labels, i)} {quality.score:.2f} "
        f"(regularity {quality.regularity:.2f}, peakiness "
        f"{quality.peakiness:.2f}, flat {quality.flat:.0%}, railed "
        f"{quality.railed:.0%})"
        for i, quality in list(qualities.items())[:6])
    return index, (Problem(
        "ecg.several", "warning", f"{len(qualities)} channels may be the "
        f"ECG; {_name(labels, index)} has the best signal: {scores}; set "
        "AURA_ECG_CHANNEL to use another one"),)


def assess(signal: Signal) -> Quality:
    """Measure how much a signal looks like an ECG, in bounded excerpts."""
    length = min(signal.sample_count, max(4, round(EXCERPT_S * signal.fs_hz)))
    last = signal.sample_count - length
    count = min(EXCERPTS, 1 + last // length)
    excerpts = [signal.read(at, at + length) for at in
                (round(last * i / max(count - 1, 1)) for i in range(count))]
    each = [slopes(excerpt, signal.fs_hz) for excerpt in excerpts]
    return Quality(
        flat=float(np.mean([_flat(e, signal.fs_hz) for e in excerpts])),
        railed=float(np.mean([_railed(e, signal.rails) for e in excerpts])),
        regularity=float(np.median([_regularity(s, signal.fs_hz)
                                    for s in each])),
        peakiness=float(np.median([_peakiness(s) for s in each])),
        amplitude=float(np.median([np.ptp(e) for e in excerpts])))


def warnings(signal: Signal, quality: Quality, unit: str) -> tuple[
        Problem, ...]:
    """Warnings about the signal in the excerpts."""
    found = []
    if signal.fs_hz < RATE_HZ_MIN:
        found.append(("rate_low", f"the ECG has {signal.fs_hz:g} samples per "
                      f"second; beats need at least {RATE_HZ_MIN:g}"))
    if quality.flat >= 0.05:
        found.append(("flat", f"{quality.flat:.0%} of the seconds in the "
                      "excerpts are flat, as if an electrode were off"))
    if quality.railed >= 0.01:
        found.append(("saturated", f"{quality.railed:.0%} of the samples in "
                      "the excerpts are at the end of the device's range"))
    if quality.flat < 0.95 and quality.likeness < LIKENESS_MIN:
        found.append(("noise", "the excerpts show no heart beat (regularity "
                      f"{quality.regularity:.2f}, peakiness "
                      f"{quality.peakiness:.2f})"))
    if unit and quality.flat < 0.95 and not 0.05 <= quality.amplitude <= 20:
        found.append(("amplitude", f"the ECG has {quality.amplitude:.3g} mV "
                      "from peak to peak; 0.05 to 20 mV is plausible; check "
                      "the unit"))
    return tuple(Problem(f"ecg.{name}", "warning", text)
                 for name, text in found)


def slopes(samples: Floats, fs_hz: float) -> Floats:
    """Mean absolute difference over 0.1 s, which is high at each beat."""
    width = max(1, round(0.1 * fs_hz))
    # Fast devices show only noise from one sample to the next.
    step = max(1, round(0.01 * fs_hz))
    total = np.cumsum(np.abs(samples[step:] - samples[:-step]))
    return np.asarray((total[width:] - total[:-width]) / width)


def _open(stream: BinaryIO, header: Header, indices: Iterable[int]) -> tuple[
        dict[int, EcgSignal], list[AuraError]]:
    """The signals that can be read, and why the others cannot."""
    signals, faults = {}, []
    for index in indices:
        fault = header.signals[index].fault
        if fault is None:
            signal = EcgSignal(stream, header, index)
            if signal.fs_hz >= READ_HZ_MIN:
                signals[index] = signal
                continue
            fault = InvalidInputError(
                "edf.sampling_rate", f"the sampling rate is {signal.fs_hz:g} "
                f"Hz; at least {READ_HZ_MIN:g} Hz is needed")
        label = header.signals[index].label or "(no label)"
        faults.append(type(fault)(
            fault.rule, f"channel {label}: {fault.text}",
            "or set AURA_ECG_CHANNEL to another channel"))
    if not signals:
        raise faults[0]
    return signals, faults


def _not_readable(faults: Iterable[AuraError]) -> Iterator[Problem]:
    by_rule: dict[str, list[str]] = defaultdict(list)
    for fault in faults:
        by_rule[fault.rule].append(str(fault.args[1]))
    for rule, texts in by_rule.items():
        yield Problem(
            rule, "warning", "channels that may be the ECG but cannot be "
            f"read ({len(texts)}): {'; '.join(texts[:3])}")


def _not_needed(header: Header, indices: Sequence[int]) -> Iterator[Problem]:
    by_rule: dict[str, list[str]] = defaultdict(list)
    for index, signal in enumerate(header.signals):
        if signal.fault is not None and index not in indices:
            by_rule[signal.fault.rule].append(signal.label or "(no label)")
    for rule, labels in by_rule.items():
        yield Problem(
            rule, "warning", "channels that cannot be read and are not "
            f"needed ({len(labels)}): {', '.join(labels[:6])}")


def _unit(given: str, used: str) -> tuple[Problem, ...]:
    if used:
        return ()
    if not given:
        return (Problem(
            "ecg.unit_missing", "warning", "the ECG channel has no unit; its "
            "values are used as they are"),)
    return (Problem(
        "ecg.unit_unknown", "warning", "the unit of the ECG channel is not "
        "nV, uV, mV or V; its values are used as they are"),)


def _name(labels: Sequence[str], index: int,
          numbered: str = "{} (channel {})") -> str:
    """The label of a channel, with its number if another has it too."""
    label = labels[index] or "(no label)"
    return (numbered.format(label, index + 1)
            if labels.count(labels[index]) > 1 else label)


def _flat(samples: Floats, fs_hz: float) -> float:
    second = min(max(2, round(fs_hz)), len(samples))
    whole = samples[:len(samples) // second * second]
    return float(np.mean(np.ptp(whole.reshape(-1, second), axis=1) == 0))


def _railed(samples: Floats, rails: tuple[float, float]) -> float:
    # One sample at the end of the range is a peak, two are clipped.
    low, high = rails
    margin = 1e-6 * (high - low) if np.isfinite(high - low) else 0.0
    at = (samples <= low + margin) | (samples >= high - margin)
    held = at[1:] & at[:-1]
    return float(np.mean(held)) if len(held) else 0.0


def _peakiness(slopes: Floats) -> float:
    mean = float(np.mean(slopes)) if len(slopes) else 0.0
    return float(np.std(slopes)) / mean if mean > 0 else 0.0


def _regularity(slopes: Floats, fs_hz: float) -> float:
    lags = slice(max(1, round(BEAT_S[0] * fs_hz)), round(BEAT_S[1] * fs_hz))
    if len(slopes) < 2 * lags.stop or _peakiness(slopes) < 1e-6:
        return 0.0
    # Zeros at the end keep the correlation from wrapping around.
    size = 1 << (2 * len(slopes) - 1).bit_length()
    spectrum = np.fft.rfft(slopes - np.mean(slopes), size)
    power = np.fft.irfft(np.abs(spectrum) ** 2)[:len(slopes)]
    overlap = np.arange(len(slopes), 0, -1) / len(slopes)
    alike = power / overlap / power[0]
    return float(np.clip(np.max(alike[lags]), 0.0, 1.0))
