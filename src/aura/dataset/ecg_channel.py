"""
The ECG of one open recording: chosen among what its header and labels offer.

A channel that cannot be read is passed over where another can be.
"""

from collections.abc import Iterator
from typing import BinaryIO

from aura.dataset import channels
from aura.dataset.channels import Quality
from aura.edf.header import Header
from aura.edf.signal import EcgSignal
from aura.errors import AuraError, InvalidInputError, Problem

# A signal slower than this would make more seconds than its file has bytes.
RATE_HZ_MIN = 1.0


def choose(stream: BinaryIO, header: Header, wanted: str = "") -> tuple[
        int, dict[str, dict[str, float]], tuple[Problem, ...]]:
    """Choose the ECG channel of an open recording."""
    labels = [signal.label for signal in header.signals]
    named, found = channels.candidates(labels, wanted)
    outcomes = {index: _candidate(stream, header, index) for index in named}
    faults = {index: outcome for index, outcome in outcomes.items()
              if isinstance(outcome, AuraError)}
    signals = [outcome for outcome in outcomes.values()
               if not isinstance(outcome, AuraError)]
    if not signals:
        raise faults[named[0]]
    indices = tuple(index for index in named if index not in faults)
    qualities = [channels.assess(signal) for signal in signals]
    index, choice = channels.choose(labels, indices, qualities)
    chosen = indices.index(index)
    signal = signals[chosen]
    return index, _figures(labels, indices, qualities), (
        *_faults(header, named), *_passed_over(faults), *found, *choice,
        *_unit(header.signals[index].unit, signal.unit),
        *channels.warnings(signal, qualities[chosen], signal.unit))


def _candidate(stream: BinaryIO, header: Header,
               index: int) -> EcgSignal | AuraError:
    label = header.signals[index].label or "(no label)"
    fault = header.signals[index].fault
    if fault is None:
        signal = EcgSignal(stream, header, index)
        if signal.fs_hz >= RATE_HZ_MIN:
            return signal
        fault = InvalidInputError(
            "edf.sampling_rate", f"the sampling rate is {signal.fs_hz:g} Hz; "
            f"an ECG needs {RATE_HZ_MIN:g} at the very least")
    return type(fault)(fault.rule, f"channel {label}: {fault.text}",
                       "or name another channel in AURA_ECG_CHANNEL")


def _passed_over(faults: dict[int, AuraError]) -> Iterator[Problem]:
    by_rule: dict[str, list[AuraError]] = {}
    for fault in faults.values():
        by_rule.setdefault(fault.rule, []).append(fault)
    for rule, found in by_rule.items():
        yield Problem(
            rule, "warning", f"{len(found)} channels that may be the ECG "
            "cannot be read and another was chosen: "
            + "; ".join(str(fault.args[1]) for fault in found[:3]))


def _faults(header: Header, indices: tuple[int, ...]) -> Iterator[Problem]:
    by_rule: dict[str, list[str]] = {}
    for index, signal in enumerate(header.signals):
        if signal.fault is not None and index not in indices:
            by_rule.setdefault(signal.fault.rule, []).append(
                signal.label or "(no label)")
    for rule, labels in by_rule.items():
        yield Problem(
            rule, "warning", f"{len(labels)} other channels cannot be read "
            f"and are not needed: {', '.join(labels[:6])}")


def _unit(given: str, used: str) -> tuple[Problem, ...]:
    if used:
        return ()
    if not given:
        return (Problem(
            "ecg.unit_missing", "warning", "the ECG channel has no unit; its "
            "values are taken as they are"),)
    return (Problem(
        "ecg.unit_unknown", "warning", "the unit of the ECG channel is none "
        "of nV, uV, mV and V; its values are taken as they are"),)


def _figures(labels: list[str], indices: tuple[int, ...],
             qualities: list[Quality]) -> dict[str, dict[str, float]]:
    names = [labels[index] if labels.count(labels[index]) == 1
             else f"{labels[index]} ({index + 1})" for index in indices]
    return {name: quality.figures()
            for name, quality in zip(names, qualities, strict=True)}
