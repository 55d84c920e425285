"""
Which channels may be the ECG, by what the header says of them.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from aura import state
from aura.edf.signal import MILLIVOLTS
from aura.errors import AuraError, Problem

# Beats need so many samples per second.
RATE_HZ_MIN = 50.0
_ECG = re.compile(r"e[ck]g|\be[ .][ck][ .]g\b", re.IGNORECASE)
_TABLE: dict[str, Any] = state.beside(__file__)
_DERIVED, _LEAD, _NAMELESS = (re.compile(form.format(
    "|".join(_TABLE[name])), re.I) for name, form in (
        ("derived", "(?:^|[^a-z])(?:{})(?:[^a-z]|$)"), ("leads", "{}"),
        ("nameless", r"(?:{})?\d*")))
_REFERENCE = re.compile(r"^pol|-(?:ref|avg|av|wct|le|cm)$")
_ORTHOGONAL = {"x", "y", "z"}

# One channel, or two whose difference is meant.
Key = tuple[int, ...]


class ChannelInfo(NamedTuple):
    """What a header says of a channel."""

    label: str
    unit: str = "mV"
    fs_hz: float = 256.0


def by_label(infos: Sequence[ChannelInfo], wanted: str = "") -> tuple[
        tuple[Key, ...], tuple[Problem, ...]]:
    """Find the channels that may be the ECG by what the header says."""
    problems = []
    if wanted.strip():
        named = _as_set([info.label for info in infos], wanted)
        if named:
            return named, ()
        problems.append(_not_as_set([info.label for info in infos], wanted))
    likely = [i for i, info in enumerate(infos)
              if not _DERIVED.search(info.label)
              and info.unit.lower() not in _TABLE["other_units"]]
    found = [i for i in likely if _ECG.search(infos[i].label)]
    leads = [i for i in likely if _is_lead(infos[i])]
    if leads and not any(infos[i].fs_hz >= RATE_HZ_MIN for i in found):
        found += leads
        problems.append(state.problem("ecg.by_lead"))
    if not found and len(infos) == len(likely) == 1 and infos[0].label.strip():
        found = [i for i in likely if _NAMELESS.fullmatch(
            re.sub(r"[\s_]", "", infos[i].label.lower()))]
        problems += [state.problem("ecg.only_channel") for _ in found]
    if not found:
        raise _no_ecg(infos)
    problems += _other_unit(infos)
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


def _not_as_set(labels: Sequence[str], wanted: str) -> Problem:
    known = {label.lower(): label for label in labels}
    near = [known[one] for name in wanted.lower().split(",")
            for one in get_close_matches(name.strip(), known, 1)]
    return state.problem(
        "ecg.not_as_set", wanted=wanted, labels=_shown(labels),
        near=f"The nearest label is '{near[0]}'. " if near else "")


def _shown(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - 24} more" if len(labels) > 24 else ""
    return ", ".join(label or "(no label)" for label in labels[:24]) + more


def _other_unit(infos: Sequence[ChannelInfo]) -> tuple[Problem, ...]:
    """The warning for channels that have the label of an ECG only."""
    other = [f"{info.label} ({info.unit})" for info in _mislabelled(infos)]
    return (state.problem(
        "ecg.unit_other", other=_shown(other)),) if other else ()


def _mislabelled(infos: Sequence[ChannelInfo]) -> list[ChannelInfo]:
    return [info for info in infos if _ECG.search(info.label)
            and not _DERIVED.search(info.label)
            and info.unit.lower() in _TABLE["other_units"]]


def _no_ecg(infos: Sequence[ChannelInfo]) -> AuraError:
    other = _mislabelled(infos)
    if other:
        return state.error(
            "ecg.missing/unit", label=other[0].label, unit=other[0].unit)
    return state.error(
        "ecg.missing", labels=_shown([info.label for info in infos]))


def pairs_of(labels: Sequence[str], keys: Iterable[Key]) -> Iterator[Key]:
    """Pairs of channels whose labels are those of two electrodes."""
    names = {_pair_name(labels[key[0]]): key[0] for key in keys
             if len(key) == 1 and labels.count(labels[key[0]]) == 1}
    for name, index in names.items():
        for positive, negative in _TABLE["ends"]:
            other = names.get(name.removesuffix(positive) + negative)
            if name.endswith(positive) and other is not None:
                yield index, other
                break


def is_difference(labels: Sequence[str], pair: Key) -> bool:
    """Whether the labels say that the difference of two is meant."""
    return _pair_name(labels[pair[0]]).endswith("+")


def _pair_name(label: str) -> str:
    plain = _REFERENCE.sub("", re.sub(r"[\s_.()]", "", label.lower()))
    return re.sub(r"^([+-])(.+)", r"\2\1", plain)


def name_of(labels: Sequence[str], key: Key,
            numbered: str = "{} (channel {})") -> str:
    """The label of a channel, with its number if another has it too."""
    return " - ".join(
        numbered.format(labels[index] or "(no label)", index + 1)
        if labels.count(labels[index]) > 1 else labels[index] or "(no label)"
        for index in key)
