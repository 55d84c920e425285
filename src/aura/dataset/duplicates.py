"""
One recording that is there twice: in two forms, or by two ways.

Used twice it would count twice, so it is refused until somebody says which
form to take. Two files are one recording if they have the same name in one
folder, or if the beats of the one are where the other has them: its
waveform is steep there, or its intervals are the same. Compared are files
of one patient, and files of one name, since not all say whose they are.
"""

import os
import posixpath
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from aura.dataset import beat_files, ecg_channel
from aura.dataset.beat_files import BEATS, RR
from aura.dataset.channels import slopes
from aura.dataset.find import ECG, Candidate
from aura.dataset.names import printable
from aura.dataset.patients import alias, identity_of
from aura.edf import gaps
from aura.edf.header import read_header
from aura.edf.tal import read_timeline
from aura.errors import AuraError, InvalidInputError, Problem
from aura.folder import Folder
from aura.recording import Floats, Signal

# What is taken, best first, by the setting `prefer`.
PREFERENCES = {ECG: (ECG, BEATS, RR), BEATS: (BEATS, RR, ECG),
               RR: (RR, BEATS, ECG)}
EXCERPTS = 8
EXCERPT_S = 60.0
# Nearly all beats of one's own are where the waveform is steep, of any
# other's at best half: `pytest tests/dataset/test_duplicates.py -k szdb`.
STEEP_SHARE = 0.75
BEAT_HALF_S = 0.07
# An RR series starts with its first beat, wherever that is.
OFFSETS_S = np.arange(0.0, 3.0, 0.02)
SAME_S = 0.02
MATCHING_SHARE = 0.95
INTERVALS_MIN, INTERVALS_MAX = 30, 2000

Found = tuple[Folder, Candidate]


def resolve(found: Sequence[Found], prefer: str = "") -> list[Candidate]:
    """Refuse what is there in two forms, or all forms but the preferred."""
    if prefer and prefer not in PREFERENCES:
        raise InvalidInputError(
            "settings.prefer", f"AURA_PREFER is {prefer[:60]!r}",
            "allowed are " + ", ".join(PREFERENCES))
    candidates = _once(found)
    sound = [number for number, candidate in enumerate(candidates)
             if candidate.problem is None]
    if len({candidates[number].form for number in sound}) < 2:
        return candidates
    for group in _groups(found, sound):
        ranked = sorted(group, key=lambda number: (
            PREFERENCES[prefer or ECG].index(candidates[number].form)))
        for number in group if not prefer else ranked[1:]:
            other = next(n for n in ranked if n != number)
            candidates[number] = replace(
                candidates[number],
                problem=_problem(candidates[other], prefer))
    return candidates


def _once(found: Sequence[Found]) -> list[Candidate]:
    """The candidates; a file that is there by two ways is used once."""
    candidates = [candidate for _, candidate in found]
    places = [folder.root / candidate.path for folder, candidate in found]
    first: dict[tuple[int, int], int] = {}
    # The file itself and not the link, since folders name patients.
    for number in sorted(range(len(found)), key=lambda number: (
            candidates[number].problem is None
            and places[number].is_symlink())):
        if candidates[number].problem is not None:
            continue
        try:
            status = os.stat(places[number])
        except OSError:
            continue  # reading it will say what is wrong
        one = first.setdefault((status.st_dev, status.st_ino), number)
        if one != number:
            candidates[number] = replace(candidates[number], problem=Problem(
                "recording.twice", "warning", "this is the same file as "
                f"{printable(candidates[one].name)}, and is used once"))
    return candidates


def _problem(other: Candidate, prefer: str) -> Problem:
    named = f"{printable(other.name)} ({other.form})"
    if prefer:
        return Problem(
            "recording.other_form", "warning", f"this recording is used in "
            f"its other form, {named}")
    return Problem(
        "recording.two_forms", "error", "this recording is here in another "
        f"form too, {named}, and would count twice; --prefer ecg, beats or "
        "rr (AURA_PREFER) takes one of them")


def _groups(found: Sequence[Found], sound: Sequence[int]) -> list[set[int]]:
    """Numbers of the files that are one recording."""
    alike: dict[str, list[int]] = defaultdict(list)
    for number in sound:
        alike[_patient(*found[number])].append(number)
        alike[posixpath.basename(found[number][1].stem)].append(number)
    pairs = {pair for numbers in alike.values()
             for pair in combinations(numbers, 2)}
    known: dict[int, Floats | None] = {}
    groups = [{one, other} for one, other in sorted(pairs)
              if found[one][1].form != found[other][1].form
              and _are_one(found, one, other, known)]
    # The same name in one folder would have the same output.
    named: dict[tuple[str, str], set[int]] = defaultdict(set)
    for number in sound:
        folder, candidate = found[number]
        place = posixpath.dirname(candidate.path)
        named[f"{folder.root}/{place}", posixpath.basename(
            candidate.stem)].add(number)
    return _merged([*groups, *(
        group for group in named.values() if len(group) > 1)])


def _merged(groups: list[set[int]]) -> list[set[int]]:
    merged: list[set[int]] = []
    for group in groups:
        touching = [other for other in merged if other & group]
        merged = [other for other in merged if not other & group]
        merged.append(group.union(*touching))
    return merged


def _patient(folder: Folder, candidate: Candidate) -> str:
    """What stands for the patient; a file at fault is of nobody else."""
    patient = ""
    if candidate.form == ECG:
        try:
            with folder.open(candidate.path) as stream:
                patient = read_header(stream).patient
        except (AuraError, OSError):
            return f"{folder.root}/{candidate.path}"
    return alias("p", identity_of(folder, candidate.path, patient), "")


def _are_one(found: Sequence[Found], one: int, other: int,
             known: dict[int, Floats | None]) -> bool:
    if found[other][1].form == ECG:
        one, other = other, one
    beats = _beats(found, other, known)
    if beats is None:
        return False
    folder, candidate = found[one]
    if candidate.form != ECG:
        mine = _beats(found, one, known)
        return mine is not None and same_intervals(mine, beats)
    try:
        with folder.open(candidate.path) as stream:
            header = read_header(stream)
            timeline = read_timeline(stream, header)
            index, _, _ = ecg_channel.choose(stream, header)
            signal = gaps.GappedSignal(stream, header, timeline, index)
            floats = found[other][1].form == RR
            return belong(signal, beats, OFFSETS_S if floats
                          else np.zeros(1))
    except (AuraError, OSError):
        return False


def _beats(found: Sequence[Found], number: int,
           known: dict[int, Floats | None]) -> Floats | None:
    if number not in known:
        folder, candidate = found[number]
        try:
            with folder.open(candidate.path) as stream:
                known[number] = beat_files.read(stream).time_s
        except (AuraError, OSError):
            known[number] = None
    return known[number]


def belong(signal: Signal, beats_s: Floats, offsets_s: Floats) -> bool:
    """Whether beats are those of a waveform."""
    shares = [share for start in _starts(signal)
              if (share := _steep(signal, start, beats_s, offsets_s))
              is not None]
    if not shares:
        return False
    median: Floats = np.median(np.array(shares), axis=0)
    return bool(median.max() >= STEEP_SHARE)


def _starts(signal: Signal) -> Iterator[int]:
    last = signal.sample_count - round(EXCERPT_S * signal.fs_hz)
    for i in range(EXCERPTS):
        yield max(0, round(last * i / (EXCERPTS - 1)))


def _steep(signal: Signal, start: int, beats_s: Floats,
           offsets_s: Floats) -> Floats | None:
    """Share of steep beats in an excerpt, for each offset."""
    fs_hz = signal.fs_hz
    stop = min(start + round(EXCERPT_S * fs_hz), signal.sample_count)
    steep = slopes(signal.read(start, stop), fs_hz)
    reach = max(1, round(BEAT_HALF_S * fs_hz))
    if len(steep) <= 4 * reach or not np.isfinite(steep).all():
        return None
    # A complex lies in the 0.1 s around its peak.
    highest: Floats = np.lib.stride_tricks.sliding_window_view(
        np.pad(steep, (2 * reach, 0), mode="edge"), 2 * reach + 1).max(axis=1)
    begin_s, end_s = start / fs_hz, (start + len(steep)) / fs_hz
    shares = []
    for offset in offsets_s:
        times = beats_s + offset
        times = times[(times >= begin_s) & (times < end_s)]
        if len(times) < 10:
            return None
        between = (times[1:] + times[:-1]) / 2
        at = highest[((times - begin_s) * fs_hz).astype(np.int64)]
        away = highest[((between - begin_s) * fs_hz).astype(np.int64)]
        shares.append(np.mean(at[1:] > 2 * away))
    return np.array(shares)


def same_intervals(one_s: Floats, other_s: Floats) -> bool:
    """Whether two series of beats have the same intervals."""
    one, other = (np.diff(times[:INTERVALS_MAX + 1])
                  for times in (one_s, other_s))
    count = min(len(one), len(other))
    if count < INTERVALS_MIN:
        return False
    same = np.abs(one[:count] - other[:count]) <= SAME_S
    # Two slow, regular hearts agree by chance, but never so often.
    return bool(np.mean(same) >= MATCHING_SHARE and np.ptp(one) > SAME_S)
