"""Which channel of a recording is its ECG, and how good its signal is."""
# Labels, units and rates decide first, then excerpts: an ECG has steep
# complexes at regular distances. Two electrodes against the reference of an
# EEG share its noise; their difference is a candidate more.

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import BinaryIO

import numpy as np

from aura import state
from aura.dataset.ecg_labels import (
    RATE_HZ_MIN, ChannelInfo, Key, by_label, is_difference, name_of, pairs_of)
from aura.edf.header import Header
from aura.edf.signal import EcgSignal, PairSignal, channel
from aura.errors import AuraError, InvalidInputError, Problem
from aura.recording import Floats, Signal

EXCERPTS = 12
EXCERPT_S = 10.0
# Possible distances between beats.
BEAT_S = (0.3, 2.0)
# Slower signals would have more seconds than their file has bytes.
READ_HZ_MIN = 1.0
# White noise and EEG have up to 0.08, real ECGs 0.3 and more.
LIKENESS_MIN = 0.15
# By how much a difference has to be better than each of its channels.
PAIR_MARGIN = 0.1
# What two channels share hides the ECG if their slopes go together.
SHARED_MIN, SHOWN_MAX = 0.5, 0.5
# Share of flat seconds of an electrode that is off.
OFF_SHARE = 0.95
MAINS_HZ = (50.0, 60.0)
# Hum is taken away where it has such a share of the power above 5 Hz.
HUM_SHARE = 0.1
HUM_WIDTH_HZ = 1.0
HARMONICS = 5
HUM_LOW_HZ = 5.0


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
    # Amplitude, peak to peak, in the signal's unit; median of excerpts.
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
        Key, dict[str, dict[str, float]], tuple[Problem, ...]]:
    """The ECG channel or pair, figures of all candidates, and warnings."""
    infos = _infos(header)
    labels = [info.label for info in infos]
    keys, found = by_label(infos, wanted)
    signals, faults = _open(stream, header, keys)
    qualities = {key: assess(signal) for key, signal in signals.items()}
    pairs = () if len(keys) < 2 else tuple(
        pair for pair in pairs_of(labels, qualities)
        if len({(infos[i].unit, infos[i].fs_hz) for i in pair}) == 1)
    for pair in pairs:
        signals[pair] = channel(stream, header, pair)
    found += tuple(
        state.problem("ecg.pair/flat", label=name_of(labels, (i,)))
        for pair in (*pairs, *(key for key in keys if len(key) > 1))
        for i in pair
        if assess(channel(stream, header, (i,))).flat >= OFF_SHARE)
    key, choice = best(labels, qualities, [
        one for one in pairs if _is_better(signals, qualities, one, labels)])
    used = signals[key]
    needed = {index for one in (*keys, key) for index in one}
    return key, {
        name_of(labels, one, "{} ({})"): quality.figures()
        for one, quality in qualities.items()}, (
        *_by_rule(((signal.fault.rule, signal.label or "(no label)")
                   for index, signal in enumerate(header.signals)
                   if signal.fault is not None and index not in needed),
                  "cannot be read and are not needed", ", ", 6),
        *_by_rule(((fault.rule, str(fault.args[1])) for fault in faults),
                  "may be the ECG but cannot be read", "; ", 3),
        *found, *choice,
        *_unit(infos[key[0]].unit, used.unit),
        *warnings(used, qualities[key], used.unit))


def key_of(stream: BinaryIO, header: Header) -> Key:
    """The ECG channel or pair; only several candidates are compared."""
    keys, _ = by_label(_infos(header))
    return keys[0] if len(keys) == 1 else choose(stream, header)[0]


def _infos(header: Header) -> list[ChannelInfo]:
    return [ChannelInfo(signal.label, signal.unit,
                        float(header.rate_hz(signal)))
            for signal in header.signals]


def _is_better(signals: Mapping[Key, Signal], qualities: dict[Key, Quality],
               pair: Key, labels: Sequence[str]) -> bool:
    """Whether the difference of two channels is to be used."""
    single = [qualities[i,] for i in pair]
    if max(quality.flat for quality in single) >= OFF_SHARE:
        return False
    quality = assess(signals[pair])
    margin = -PAIR_MARGIN if is_difference(labels, pair) else PAIR_MARGIN
    better = quality.likeness >= LIKENESS_MIN and (
        quality.score > max(one.score for one in single) + margin
        or _is_hidden(*(signals[i,] for i in pair)))
    if better:
        qualities[pair] = quality
    return better


def _is_hidden(one: Signal, other: Signal) -> bool:
    """Whether what two channels share hides their difference."""
    shared, shown = [], []
    for a, b in zip(_excerpts(one), _excerpts(other), strict=True):
        shared.append(_correlation(np.diff(a), np.diff(b)))
        shown.append(_correlation(slopes(a, one.fs_hz),
                                  slopes(a - b, one.fs_hz)))
    return bool(shared) and bool(np.median(shared) > SHARED_MIN
                                 and np.median(shown) < SHOWN_MAX)


def _correlation(one: Floats, other: Floats) -> float:
    if len(one) < 2 or not np.std(one) * np.std(other) > 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def best(labels: Sequence[str], qualities: Mapping[Key, Quality],
         pairs: Sequence[Key] = ()) -> tuple[Key, tuple[Problem, ...]]:
    """The channel with the best signal; a warning if others qualify."""
    key = max(pairs or qualities, key=lambda one: qualities[one].score)
    if len(qualities) == 1:
        return key, ()
    scores = ", ".join(
        f"{name_of(labels, one)} {quality.score:.2f} "
        f"(regularity {quality.regularity:.2f}, peakiness "
        f"{quality.peakiness:.2f}, flat {quality.flat:.0%}, railed "
        f"{quality.railed:.0%})"
        for one, quality in list(qualities.items())[:6])
    name = name_of(labels, key)
    rule, text = "ecg.several", (
        f"{len(qualities)} channels may be the ECG; {name} has the best "
        "signal")
    if pairs:
        rule, text = "ecg.pair", (
            "two electrodes share the noise of their reference; their "
            f"difference {name} is used")
    return key, (Problem(
        rule, "warning", f"{text}: {scores}; set AURA_ECG_CHANNEL to use "
        "another one"),)


def assess(signal: Signal) -> Quality:
    """Measure how much a signal looks like an ECG, in bounded excerpts."""
    excerpts = _excerpts(signal)
    clean = _without_hum(excerpts, signal.fs_hz)
    each = [slopes(excerpt, signal.fs_hz) for excerpt in clean]
    return Quality(
        flat=float(np.mean([_flat(e, signal.fs_hz) for e in excerpts])),
        railed=float(np.mean([_railed(e, signal.rails) for e in excerpts])),
        regularity=float(np.median([_regularity(s, signal.fs_hz)
                                    for s in each])),
        peakiness=float(np.median([_peakiness(s) for s in each])),
        amplitude=float(np.median([np.ptp(e) for e in clean])))


def _excerpts(signal: Signal) -> Floats:
    """Samples of each excerpt, in rows."""
    length = min(signal.sample_count, max(4, round(EXCERPT_S * signal.fs_hz)))
    last = signal.sample_count - length
    count = min(EXCERPTS, 1 + last // length)
    return np.stack([signal.read(at, at + length) for at in
                     (round(last * i / max(count - 1, 1))
                      for i in range(count))])


def _without_hum(excerpts: Floats, fs_hz: float) -> Floats:
    """Excerpts without mains hum and its harmonics, where it is strong."""
    length = excerpts.shape[1]
    spectrum = np.fft.rfft(excerpts)
    power = spectrum.real ** 2 + spectrum.imag ** 2
    hz = np.fft.rfftfreq(length, 1 / fs_hz)
    least = HUM_SHARE * power[:, hz > HUM_LOW_HZ].sum(axis=1)
    hums = np.zeros(len(excerpts), bool)
    for mains_hz in MAINS_HZ:
        orders = mains_hz * np.arange(1, HARMONICS + 1)
        # In a slow recording the hum has another frequency.
        orders = np.abs(orders - fs_hz * np.round(orders / fs_hz))
        near = (np.abs(hz - orders[:, np.newaxis]) <= HUM_WIDTH_HZ) & (
            hz > HUM_LOW_HZ)
        loud = power[:, near[0]].sum(axis=1) > least
        spectrum[np.ix_(loud, near.any(axis=0))] = 0
        hums |= loud
    if not hums.any():
        return excerpts
    clean = np.fft.irfft(spectrum, length)
    return np.where(hums[:, np.newaxis], clean, excerpts)


def warnings(signal: Signal, quality: Quality, unit: str) -> tuple[
        Problem, ...]:
    """Warnings about the signal in the excerpts."""
    seen = quality.flat < OFF_SHARE
    found = {
        "rate_low": signal.fs_hz < RATE_HZ_MIN, "flat": quality.flat >= 0.05,
        "saturated": quality.railed >= 0.01,
        "noise": seen and quality.likeness < LIKENESS_MIN,
        "amplitude": bool(unit) and seen and not (
            0.05 <= quality.amplitude <= 20)}
    return tuple(state.problem(
        f"ecg.{name}", rate_hz=signal.fs_hz, rate_hz_min=RATE_HZ_MIN,
        **asdict(quality)) for name, is_so in found.items() if is_so)


def slopes(samples: Floats, fs_hz: float) -> Floats:
    """Mean absolute difference over 0.1 s, which is high at each beat."""
    width = max(1, round(0.1 * fs_hz))
    # Fast devices show only noise from one sample to the next.
    step = max(1, round(0.01 * fs_hz))
    total = np.cumsum(np.abs(samples[step:] - samples[:-step]))
    return np.asarray((total[width:] - total[:-width]) / width)


def _open(stream: BinaryIO, header: Header, keys: Iterable[Key]) -> tuple[
        dict[Key, EcgSignal | PairSignal], list[AuraError]]:
    """The signals that can be read, and why the others cannot."""
    signals, faults = {}, []
    for key in keys:
        try:
            signal = channel(stream, header, key)
            if signal.fs_hz >= READ_HZ_MIN:
                signals[key] = signal
                continue
            fault: AuraError = InvalidInputError(
                "edf.sampling_rate", f"the sampling rate is {signal.fs_hz:g} "
                f"Hz; at least {READ_HZ_MIN:g} Hz is needed")
        except AuraError as error:
            fault = error
        label = header.signals[key[0]].label or "(no label)"
        faults.append(type(fault)(
            fault.rule, f"channel {label}: {fault.text}",
            "or set AURA_ECG_CHANNEL to another channel"))
    if not signals:
        raise faults[0]
    return signals, faults


def _by_rule(faults: Iterable[tuple[str, str]], what: str,
             separator: str, shown: int) -> Iterator[Problem]:
    """One warning for each rule, with the texts of some of its channels."""
    by_rule: dict[str, list[str]] = defaultdict(list)
    for rule, text in faults:
        by_rule[rule].append(text)
    for rule, texts in by_rule.items():
        yield Problem(
            rule, "warning", f"channels that {what} ({len(texts)}): "
            f"{separator.join(texts[:shown])}")


def _unit(given: str, used: str) -> tuple[Problem, ...]:
    if used:
        return ()
    if not given:
        return (state.problem("ecg.unit_missing"),)
    return (state.problem("ecg.unit_unknown"),)


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
