"""
Which channels may be the ECG, by what the header says of them.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from aura.edf.signal import MILLIVOLTS
from aura.errors import MissingError, Problem

# Beats need so many samples per second.
RATE_HZ_MIN = 50.0
_ECG = re.compile(r"e[ck]g|\be[ .][ck][ .]g\b", re.IGNORECASE)
# What is computed from an ECG, by a word of the label or by the unit.
_DERIVED = re.compile(
    r"(?:^|[^a-z])(?:hr|hrv|rate|heart ?rate|bpm|pulse?|rr|ibi|resp|edr|sqi|"
    r"quality|lead ?off|imp|impedance|events?|markers?)(?:[^a-z]|$)", re.I)
_OTHER_UNITS = {
    "bpm", "1/min", "/min", "b/min", "beats/min", "min-1", "1/s", "hz", "%",
    "ms", "s", "sec", "degc", "\u00b0c", "c", "ohm", "kohm", "g", "mg",
    "m/s2", "m/s^2"}
_LEAD = re.compile(
    r"(?:lead|mod|ml|d|abl|ableitung|deriva[a-z]*)?i{1,3}|(?:lead|ml)[123]|av[rlf]|m?v[1-9]r?|mcl[1-6]|"
    r"c[mcsb]5|(?:ll|la|ra|rl)-(?:ll|la|ra|rl)|holter")
_REFERENCE = re.compile(r"^pol|-(?:ref|avg|av|wct|le|cm)$")
_ORTHOGONAL = {"x", "y", "z"}
_NAMELESS = re.compile(
    r"(?:ch|chan|channel|kanal|canale?|voie|sig|signal|analog|input|data|adc|aux|"
    r"bio|raw)?\d*")
# Endings of the labels of two electrodes, the positive one first.
_ENDS = (("+", "-"), ("pos", "neg"), ("p", "n"), ("plus", "minus"), ("1", "2"),
         ("0", "1"), ("la", "ra"), ("l", "r"), ("left", "right"), ("li", "re"),
         ("links", "rechts"), ("izq", "der"), ("a", "b"))

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
              and info.unit.lower() not in _OTHER_UNITS]
    found = [i for i in likely if _ECG.search(infos[i].label)]
    leads = [i for i in likely if _is_lead(infos[i])]
    if leads and not any(infos[i].fs_hz >= RATE_HZ_MIN for i in found):
        found += leads
        problems.append(Problem(
            "ecg.by_lead", "warning", "no channel with the label of an ECG "
            "can be used; those with the name of a lead, such as II, are"))
    if not found and len(infos) == len(likely) == 1 and infos[0].label.strip():
        found = [i for i in likely if _NAMELESS.fullmatch(
            re.sub(r"[\s_]", "", infos[i].label.lower()))]
        problems += [Problem(
            "ecg.only_channel", "warning", "no label contains ECG or EKG; "
            "the only channel is used") for _ in found]
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
    return Problem(
        "ecg.not_as_set", "warning", f"AURA_ECG_CHANNEL is '{wanted}', but no "
        "channel has this label; the ECG is chosen without it. "
        + (f"The nearest label is '{near[0]}'. " if near else "")
        + f"The labels are {_shown(labels)}")


def _shown(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - 24} more" if len(labels) > 24 else ""
    return ", ".join(label or "(no label)" for label in labels[:24]) + more


def _other_unit(infos: Sequence[ChannelInfo]) -> tuple[Problem, ...]:
    """The warning for channels that have the label of an ECG only."""
    other = [f"{info.label} ({info.unit})" for info in _mislabelled(infos)]
    return (Problem(
        "ecg.unit_other", "warning", "channels with the label of an ECG have "
        f"the unit of something else, and are not used: {_shown(other)}; set "
        "AURA_ECG_CHANNEL if one of them is the ECG"),) if other else ()


def _mislabelled(infos: Sequence[ChannelInfo]) -> list[ChannelInfo]:
    return [info for info in infos if _ECG.search(info.label)
            and not _DERIVED.search(info.label)
            and info.unit.lower() in _OTHER_UNITS]


def _no_ecg(infos: Sequence[ChannelInfo]) -> MissingError:
    other = _mislabelled(infos)
    return MissingError(
        "ecg.missing", (
            f"the channel '{other[0].label}' has the unit '{other[0].unit}', "
            "which is not a unit of an ECG" if other else
            "no channel has the label of an ECG; the labels are "
            + _shown([info.label for info in infos])),
        "set AURA_ECG_CHANNEL to the label of the ECG")


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
