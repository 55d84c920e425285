"""
Which channel of a recording is its ECG, and how good its signal is.

Labels, units and rates decide first. If several channels qualify, excerpts
spread over the recording are compared: an ECG has steep QRS complexes at
regular distances, which noise, mains hum and a loose electrode do not. These
figures rank the channels of one recording. They do not measure how well beats
are found. A channel that cannot be read is not chosen if another one can.

Two electrodes that are recorded against the reference of an EEG share its
noise. The ECG is the difference of the two, which is one candidate more.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import BinaryIO, NamedTuple

import numpy as np

from aura.edf.header import Header
from aura.edf.signal import MILLIVOLTS, EcgSignal, PairSignal, channel
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
# By how much the difference of two channels has to be better than each, and
# may be worse if their labels end in + and -.
PAIR_MARGIN = 0.1
# What two channels share hides the ECG if their slopes go together, and are
# not those of the difference.
SHARED_MIN, SHOWN_MAX = 0.5, 0.5
# Share of flat seconds of an electrode that is off.
OFF_SHARE = 0.95
MAINS_HZ = (50.0, 60.0)
# Hum is taken away where it has such a share of the power above 5 Hz.
HUM_SHARE = 0.1
HUM_WIDTH_HZ = 1.0
HARMONICS = 5
HUM_LOW_HZ = 5.0

_ECG = re.compile("e[ck]g", re.IGNORECASE)
# What is computed from an ECG, by a word of the label or by the unit.
_DERIVED = re.compile(
    r"(?:^|[^a-z])(?:hr|hrv|rate|heart ?rate|bpm|pulse?|rr|ibi|resp|edr|sqi|"
    r"quality|lead ?off|imp|impedance|events?|markers?)(?:[^a-z]|$)", re.I)
_OTHER_UNITS = {
    "bpm", "1/min", "/min", "b/min", "beats/min", "min-1", "1/s", "hz", "%",
    "ms", "s", "sec", "degc", "\u00b0c", "c", "ohm", "kohm", "g", "mg",
    "m/s2", "m/s^2"}
_LEAD = re.compile(
    r"(?:lead|mod|ml|d)?i{1,3}|(?:lead|ml)[123]|av[rlf]|m?v[1-9]r?|mcl[1-6]|"
    r"c[mcsb]5|(?:ll|la|ra|rl)-(?:ll|la|ra|rl)|holter")
_REFERENCE = re.compile(r"-(?:ref|avg|av|wct|le|cm)$")
_ORTHOGONAL = {"x", "y", "z"}
_NAMELESS = re.compile(r"(?:ch|chan|channel|signal|analog|input)?\d*")
# Endings of the labels of two electrodes, the positive one first.
_ENDS = (("+", "-"), ("pos", "neg"), ("1", "2"), ("la", "ra"), ("l", "r"),
         ("left", "right"), ("a", "b"))

# One channel, or two whose difference is meant.
Key = tuple[int, ...]


class ChannelInfo(NamedTuple):
    """What a header says of a channel."""

    label: str
    unit: str = "mV"
    fs_hz: float = 256.0


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
        Key, dict[str, dict[str, float]], tuple[Problem, ...]]:
    """The ECG channel or pair, figures of all candidates, and warnings."""
    infos = [ChannelInfo(signal.label, signal.unit,
                         float(header.rate_hz(signal)))
             for signal in header.signals]
    labels = [info.label for info in infos]
    keys, found = by_label(infos, wanted)
    signals, faults = _open(stream, header, keys)
    qualities = {key: assess(signal) for key, signal in signals.items()}
    pairs = () if len(keys) < 2 else tuple(
        pair for pair in pairs_of(labels, qualities)
        if len({(infos[i].unit, infos[i].fs_hz) for i in pair}) == 1)
    for pair in pairs:
        signals[pair] = channel(stream, header, pair)
    off = [name_of(labels, (i,)) for pair in pairs for i in pair
           if qualities[i,].flat >= OFF_SHARE]
    found += tuple(Problem(
        "ecg.pair", "warning", f"{name} is flat, so the other electrode of "
        "its pair is used alone") for name in off)
    key, choice = best(labels, qualities, [
        one for one in pairs if _is_better(signals, qualities, one, labels)])
    signal = signals[key]
    needed = {index for one in (*keys, key) for index in one}
    return key, {
        name_of(labels, one, "{} ({})"): quality.figures()
        for one, quality in qualities.items()}, (
        *_not_needed(header, needed), *_not_readable(faults), *found, *choice,
        *_unit(infos[key[0]].unit, signal.unit),
        *warnings(signal, qualities[key], signal.unit))


def by_label(infos: Sequence[ChannelInfo], wanted: str = "") -> tuple[
        tuple[Key, ...], tuple[Problem, ...]]:
    """Find the channels that may be the ECG by what the header says."""
    problems = []
    if wanted.strip():
        named = _as_set([info.label for info in infos], wanted)
        if named:
            return named, ()
        problems.append(Problem(
            "ecg.not_as_set", "warning", "no channel has the label that "
            "AURA_ECG_CHANNEL gives; the ECG is chosen without it"))
    likely = [i for i, info in enumerate(infos)
              if not _DERIVED.search(info.label)
              and info.unit.lower() not in _OTHER_UNITS]
    found = [i for i in likely if _ECG.search(infos[i].label)]
    if not found:
        found = [i for i in likely if _is_lead(infos[i])]
        if found:
            problems.append(Problem(
                "ecg.by_lead", "warning", "no label contains ECG or EKG; "
                "channels with the name of an ECG lead, such as II, are used"))
    if not found and len(infos) == len(likely) == 1 and infos[0].label.strip():
        found = [i for i in likely if _NAMELESS.fullmatch(
            re.sub(r"[\s_]", "", infos[i].label.lower()))]
        problems += [Problem(
            "ecg.only_channel", "warning", "no label contains ECG or EKG; "
            "the only channel is used") for _ in found]
    if not found:
        raise _no_ecg([info.label for info in infos])
    fast = [i for i in found if infos[i].fs_hz >= RATE_HZ_MIN]
    return tuple((i,) for i in fast or found), tuple(problems)


def _as_set(labels: Sequence[str], wanted: str) -> tuple[Key, ...]:
    """Channels of the first name of the setting that this recording has."""
    plain = [label.strip().lower() for label in labels]
    for name in (wanted, *wanted.split(",")):
        name = name.strip().lower()
        if name in plain:
            return tuple((i,) for i, label in enumerate(plain)
                         if label == name)
        # Each half of a difference may itself have a dash.
        for at in (match.start() for match in re.finditer(" - ", name)):
            pair = name[:at].strip(), name[at + 3:].strip()
            if all(plain.count(one) == 1 for one in pair):
                return (tuple(map(plain.index, pair)),)
    return ()


def _is_lead(info: ChannelInfo) -> bool:
    name = re.sub(r"[\s_.]", "", info.label.lower())
    # Accelerometers have axes of the same names.
    return bool(_LEAD.fullmatch(_REFERENCE.sub("", name))) or (
        name in _ORTHOGONAL and info.unit.lower() in MILLIVOLTS
        and info.fs_hz >= RATE_HZ_MIN)


def _no_ecg(labels: Sequence[str]) -> MissingError:
    shown = ", ".join(label or "(no label)" for label in labels[:24])
    more = f" and {len(labels) - 24} more" if len(labels) > 24 else ""
    return MissingError(
        "ecg.missing", "no channel has the label of an ECG; the labels "
        f"are {shown}{more}", "set AURA_ECG_CHANNEL to the label of the "
        "ECG")


def pairs_of(labels: Sequence[str], keys: Iterable[Key]) -> Iterator[Key]:
    """Pairs of channels whose labels are those of two electrodes."""
    names = {_pair_name(labels[key[0]]): key[0] for key in keys
             if len(key) == 1 and labels.count(labels[key[0]]) == 1}
    for name, index in names.items():
        for positive, negative in _ENDS:
            other = names.get(name.removesuffix(positive) + negative)
            if name.endswith(positive) and other is not None:
                yield index, other
                break


def _pair_name(label: str) -> str:
    return _REFERENCE.sub("", re.sub(r"[\s_.()]", "", label.lower()))


def _is_better(signals: Mapping[Key, Signal], qualities: dict[Key, Quality],
               pair: Key, labels: Sequence[str]) -> bool:
    """Whether the difference of two channels is to be used."""
    single = [qualities[i,] for i in pair]
    if max(quality.flat for quality in single) >= OFF_SHARE:
        return False
    quality = assess(signals[pair])
    margin = PAIR_MARGIN
    if _pair_name(labels[pair[0]]).endswith("+"):
        margin = -PAIR_MARGIN
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
    if pairs:
        return key, (Problem(
            "ecg.pair", "warning", f"two electrodes share the noise of their "
            f"reference; their difference {name_of(labels, key)} is used: "
            f"{scores}; set AURA_ECG_CHANNEL to use another one"),)
    return key, (Problem(
        "ecg.several", "warning", f"{len(qualities)} channels may be the "
        f"ECG; {name_of(labels, key)} has the best signal: {scores}; set "
        "AURA_ECG_CHANNEL to use another one"),)


def assess(signal: Signal) -> Quality:
    """Measure how much a signal looks like an ECG, in bounded excerpts."""
    excerpts = _excerpts(signal)
    clean = [_without_hum(excerpt, signal.fs_hz) for excerpt in excerpts]
    each = [slopes(excerpt, signal.fs_hz) for excerpt in clean]
    return Quality(
        flat=float(np.mean([_flat(e, signal.fs_hz) for e in excerpts])),
        railed=float(np.mean([_railed(e, signal.rails) for e in excerpts])),
        regularity=float(np.median([_regularity(s, signal.fs_hz)
                                    for s in each])),
        peakiness=float(np.median([_peakiness(s) for s in each])),
        amplitude=float(np.median([np.ptp(e) for e in clean])))


def _excerpts(signal: Signal) -> list[Floats]:
    length = min(signal.sample_count, max(4, round(EXCERPT_S * signal.fs_hz)))
    last = signal.sample_count - length
    count = min(EXCERPTS, 1 + last // length)
    return [signal.read(at, at + length) for at in
            (round(last * i / max(count - 1, 1)) for i in range(count))]


def _without_hum(samples: Floats, fs_hz: float) -> Floats:
    """Samples without mains hum and its harmonics, if it is strong."""
    spectrum = np.fft.rfft(samples)
    power = np.abs(spectrum) ** 2
    hz = np.fft.rfftfreq(len(samples), 1 / fs_hz)
    least = HUM_SHARE * power[hz > HUM_LOW_HZ].sum()
    found = False
    for mains_hz in MAINS_HZ:
        for order in range(1, HARMONICS + 1):
            # In a slow recording the hum has another frequency.
            hum_hz = order * mains_hz
            hum_hz = abs(hum_hz - fs_hz * round(hum_hz / fs_hz))
            near = (np.abs(hz - hum_hz) <= HUM_WIDTH_HZ) & (hz > HUM_LOW_HZ)
            if order == 1 and not power[near].sum() > least:
                break
            found = True
            spectrum[near] = 0
    return np.fft.irfft(spectrum, len(samples)) if found else samples


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


def _not_readable(faults: Iterable[AuraError]) -> Iterator[Problem]:
    by_rule: dict[str, list[str]] = defaultdict(list)
    for fault in faults:
        by_rule[fault.rule].append(str(fault.args[1]))
    for rule, texts in by_rule.items():
        yield Problem(
            rule, "warning", "channels that may be the ECG but cannot be "
            f"read ({len(texts)}): {'; '.join(texts[:3])}")


def _not_needed(header: Header, indices: set[int]) -> Iterator[Problem]:
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


def name_of(labels: Sequence[str], key: Key,
            numbered: str = "{} (channel {})") -> str:
    """The label of a channel, with its number if another has it too."""
    return " - ".join(
        numbered.format(labels[index] or "(no label)", index + 1)
        if labels.count(labels[index]) > 1 else labels[index] or "(no label)"
        for index in key)


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
